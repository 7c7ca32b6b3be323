//! Questions to the hub: who is here, which rooms there are, and what was said in them.

use super::Client;
use crate::{
    error::{Error, Result},
    model::{
        Draft, Message, MessageId, Name, Peer, PeerStatus, Position, Posted, Room, RoomName,
        SearchHit, Text,
    },
    proto::{self, broadcast_client::BroadcastClient, presence_client::PresenceClient},
    wire,
};

/// The most pages of one list: a hundred thousand peers fill a hundred. A hub that sends more
/// sends them without end.
const MAX_PAGES: usize = 10_000;

/// How many peers or rooms are asked for at once: the most a hub gives.
const LIST_PAGE: i32 = 1000;

/// Which peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerFilter {
    /// Only those in this room.
    pub room: Option<RoomName>,
    /// Only those whose name begins with this. Empty: all.
    pub name_prefix: String,
    /// Only those with this status.
    pub status: Option<PeerStatus>,
}

/// Which page of a room's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The most messages, 1 to 1,000; 0: as many as the hub likes to give.
    pub size: u32,
    /// [`Page::next`] of the page before, with the same direction.
    pub token: String,
    /// Where the first page begins, exclusive. `None`: at the end when going backward, at the
    /// beginning when going forward.
    pub from: Option<Position>,
    /// Whether to go from old to new. Otherwise the latest page comes first. The messages of a
    /// page are in the order of the log either way.
    pub forward: bool,
}

/// Words to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// Words that must all occur, prefixes (`wor*`) and phrases (`"two words"`).
    pub query: String,
    /// Only in this room.
    pub room: Option<RoomName>,
    /// Only said by this peer.
    pub sender: Option<Name>,
    /// The latest first, instead of the best match.
    pub newest_first: bool,
    /// The most hits, 1 to 100; 0: as many as the hub likes to give.
    pub size: u32,
    /// [`Page::next`] of the page before, with the same question.
    pub token: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// Asks for the next page; `None` on the last.
    pub next: Option<String>,
}

impl Client {
    /// Asks for one listed peer.
    ///
    /// # Errors
    ///
    /// [`Error::PeerUnknown`]; those of any question: [`Error::HubUnreachable`],
    /// [`Error::Refused`], [`Error::Protocol`].
    pub async fn peer(&self, name: &Name) -> Result<Peer> {
        self.0.peers.look_up(name).await
    }

    /// Lists peers by name, all pages.
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`].
    pub async fn peers(&self, filter: PeerFilter) -> Result<Vec<Peer>> {
        let status = filter.status.map(proto::PeerStatus::from).unwrap_or_default();
        let request = proto::ListPeersRequest {
            page_size: LIST_PAGE,
            page_token: String::new(),
            room: filter.room.map(|room| room.to_string()).unwrap_or_default(),
            name_prefix: filter.name_prefix,
            status: status.into(),
        };
        let listed = all_pages(|page_token| async {
            let request = proto::ListPeersRequest { page_token, ..request.clone() };
            let rpc = |channel, request| async move {
                PresenceClient::new(channel).list_peers(request).await
            };
            let page = self.0.link.call(request, rpc).await?;
            Ok((page.peers, page.next_page_token))
        });
        let peers: Vec<Peer> = wire::listed_peers(listed.await?).collect();
        for peer in &peers {
            self.0.peers.remember(peer);
        }
        Ok(peers)
    }

    /// Lists rooms by name, all pages.
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`].
    pub async fn list_rooms(&self) -> Result<Vec<Room>> {
        let listed = all_pages(|page_token| async {
            let request = proto::ListRoomsRequest { page_size: LIST_PAGE, page_token };
            let rpc = |channel, request| async move {
                BroadcastClient::new(channel).list_rooms(request).await
            };
            let page = self.0.link.call(request, rpc).await?;
            Ok((page.rooms, page.next_page_token))
        });
        listed.await?.into_iter().map(Room::try_from).collect()
    }

    /// Reads a page of a room's history.
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`].
    pub async fn messages(&self, room: RoomName, page: PageRequest) -> Result<Page<Message>> {
        let request = proto::ListMessagesRequest {
            room: room.to_string(),
            page_size: page_size(page.size),
            page_token: page.token,
            from: page.from.map(Into::into),
            forward: page.forward,
        };
        let rpc = |channel, request| async move {
            BroadcastClient::new(channel).list_messages(request).await
        };
        let answer = self.0.link.call(request, rpc).await?;
        Page::new(answer.messages, answer.next_page_token)
    }

    /// Finds messages by their words.
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`].
    pub async fn search(&self, search: SearchRequest) -> Result<Page<SearchHit>> {
        let order = if search.newest_first {
            proto::SearchOrder::Newest
        } else {
            proto::SearchOrder::Relevance
        };
        let request = proto::SearchMessagesRequest {
            query: search.query,
            room: search.room.map(|room| room.to_string()).unwrap_or_default(),
            sender: search.sender.map(|sender| sender.to_string()).unwrap_or_default(),
            order: order.into(),
            page_size: page_size(search.size),
            page_token: search.token,
        };
        let rpc = |channel, request| async move {
            BroadcastClient::new(channel).search_messages(request).await
        };
        let answer = self.0.link.call(request, rpc).await?;
        Page::new(answer.hits, answer.next_page_token)
    }

    /// Posts under an id of one's own by a call of its own, apart from the stream that [`Events`]
    /// come from: for whoever does not read those while it waits. The client has to be in the room.
    /// Nothing is kept for later: where this fails, the same id may be tried again.
    ///
    /// [`Events`]: super::Events
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`].
    pub async fn post_now(&self, id: MessageId, room: RoomName, text: Text) -> Result<Posted> {
        let draft = Draft { id, room, sender: self.name().clone(), text };
        let rpc =
            |channel, request| async move { BroadcastClient::new(channel).post(request).await };
        self.0.link.call(proto::PostRequest::from(&draft), rpc).await?.try_into()
    }

    /// Changes what others are told, now and after every loss of the hub.
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`]. The status is as before then.
    pub async fn set_status(&self, status: PeerStatus) -> Result<()> {
        let request =
            proto::RenewRequest { status: proto::PeerStatus::from(status).into(), endpoints: None };
        let rpc =
            |channel, request| async move { PresenceClient::new(channel).renew(request).await };
        self.0.link.call(request, rpc).await?;
        self.0.link.set_status(status);
        Ok(())
    }
}

impl<T> Page<T> {
    fn new<R>(raw: Vec<R>, next: String) -> Result<Self>
    where
        T: TryFrom<R, Error = Error>,
    {
        let items = raw.into_iter().map(T::try_from).collect::<Result<_>>()?;
        Ok(Self { items, next: Some(next).filter(|next| !next.is_empty()) })
    }
}

async fn all_pages<R, F>(ask: impl Fn(String) -> F) -> Result<Vec<R>>
where
    F: Future<Output = Result<(Vec<R>, String)>>,
{
    let mut all = Vec::new();
    let mut token = String::new();
    for _ in 0..MAX_PAGES {
        let (items, next) = ask(token).await?;
        all.extend(items);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
    Err(Error::Protocol("a list has no end".into()))
}

fn page_size(size: u32) -> i32 {
    size.try_into().unwrap_or(i32::MAX)
}
