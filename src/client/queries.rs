//! Queries to the hub: peers, rooms, history and search.

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::Client;
use crate::{
    client::error::{Error, Result},
    error::ProtocolError,
    model::{Message, Name, Peer, PeerStatus, Position, Room, RoomName, SearchHit},
    proto::{self, broadcast_client::BroadcastClient, presence_client::PresenceClient},
    transport::Channel,
    wire,
};

/// The most pages of one list: a hundred thousand peers fill a hundred. A hub that sends more is
/// taken to send them without end.
const MAX_PAGES: usize = 10_000;

/// The most bytes of one list, as sent: several times what a hundred thousand peers need, who are as many
/// as a hub is made for.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// How many peers or rooms are requested at once: the most that a hub gives.
const LIST_PAGE: i32 = 1000;

/// Selects peers. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerFilter {
    /// Only those in this room.
    pub room: Option<RoomName>,
    /// Only those whose name begins with this; empty: all.
    pub name_prefix: String,
    /// Only those with this status.
    pub status: Option<PeerStatus>,
}

/// Selects a page of a room's history. The default is the latest page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// The most messages, 1 to 1,000; 0: the default of the hub.
    pub size: u32,
    /// [`Page::next`] of the page before, with the same direction and times.
    pub token: String,
    /// Where the first page begins, exclusive. `None`: at the end when going backward, at the
    /// beginning when going forward.
    pub from: Option<Position>,
    /// Pages from old to new. Otherwise the latest page comes first. The messages of a page are in
    /// the order of the log either way.
    pub forward: bool,
    /// Only messages stored at this time or later.
    pub since: Option<Timestamp>,
    /// Only messages stored before this time.
    pub until: Option<Timestamp>,
}

/// A full-text search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchRequest {
    /// Words that must all occur, prefixes (`wor*`) and phrases (`"two words"`). Empty: all messages of the
    /// room or of the sender.
    pub query: String,
    /// Only in this room.
    pub room: Option<RoomName>,
    /// Only by this sender.
    pub sender: Option<Name>,
    /// Only messages stored at this time or later.
    pub since: Option<Timestamp>,
    /// Only messages stored before this time.
    pub until: Option<Timestamp>,
    /// The latest first, instead of the best match.
    pub newest_first: bool,
    /// The most hits, 1 to 100; 0: the default of the hub.
    pub size: u32,
    /// [`Page::next`] of the page before, with the same query.
    pub token: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

impl Client {
    /// Looks up a listed peer, with its certificate. Errors with [`Error::PeerUnknown`]; those of any query:
    /// [`Error::HubUnreachable`], [`Error::Refused`], [`Error::Protocol`].
    pub async fn peer(&self, name: &Name) -> Result<Peer> {
        self.0.peers.look_up(name).await
    }

    /// Lists peers by name, all pages, without certificates. Errors as [`Client::peer`].
    pub async fn peers(&self, filter: PeerFilter) -> Result<Vec<Peer>> {
        let status = filter.status.map(proto::PeerStatus::from).unwrap_or_default();
        let request = proto::ListPeersRequest {
            page_size: LIST_PAGE,
            page_token: String::new(),
            room: filter.room.map(|room| room.to_string()).unwrap_or_default(),
            name_prefix: filter.name_prefix,
            status: status.into(),
            view: proto::PeerView::Basic.into(),
        };
        let listed = all_pages(|page_token| async {
            let request = proto::ListPeersRequest { page_token, ..request.clone() };
            let rpc = |channel, request| async move {
                PresenceClient::new(channel).list_peers(request).await
            };
            let page = self.0.hub.call(request, rpc).await?;
            Ok((page.peers, page.next_page_token))
        });
        let peers: Vec<Peer> = wire::listed_peers(listed.await?).collect();
        for peer in &peers {
            self.0.peers.remember(peer);
        }
        Ok(peers)
    }

    /// Lists rooms by name, all pages. Errors as [`Client::peer`].
    pub async fn list_rooms(&self) -> Result<Vec<Room>> {
        self.list_rooms_up_to(usize::MAX).await
    }

    /// Lists the first rooms by name, no more pages than have `limit` of them. Errors as
    /// [`Client::peer`].
    pub async fn list_rooms_up_to(&self, limit: usize) -> Result<Vec<Room>> {
        let listed = pages_up_to(limit, |page_token| async {
            let request = proto::ListRoomsRequest {
                page_size: LIST_PAGE,
                page_token,
                ..proto::ListRoomsRequest::default()
            };
            let page = self.0.hub.call(request, list_rooms).await?;
            Ok((page.rooms, page.next_page_token))
        });
        Ok(listed.await?.into_iter().map(Room::try_from).collect::<Result<_, _>>()?)
    }

    /// Looks up a room; `None` if it has neither messages nor members. Errors as [`Client::peer`].
    pub async fn room(&self, name: &RoomName) -> Result<Option<Room>> {
        let room = name.to_string();
        let request = proto::ListRoomsRequest { page_size: 1, room, ..Default::default() };
        let page = self.0.hub.call(request, list_rooms).await?;
        let room = page.rooms.into_iter().next().map(Room::try_from).transpose()?;
        // Older hubs ignore the name, and return the first of all rooms.
        Ok(room.filter(|room| room.name == *name))
    }

    /// Reads a page of a room's history. Errors as [`Client::peer`].
    pub async fn messages(&self, room: RoomName, page: PageRequest) -> Result<Page<Message>> {
        let token = page.token;
        let request = proto::ListMessagesRequest {
            room: room.to_string(),
            page_size: page_size(page.size),
            page_token: token.clone(),
            from: page.from.map(Into::into),
            forward: page.forward,
            since: page.since.map(wire::to_timestamp),
            until: page.until.map(wire::to_timestamp),
        };
        let rpc = |channel, request| async move {
            BroadcastClient::new(channel).list_messages(request).await
        };
        let answer = self.0.hub.call(request, rpc).await?;
        Page::new(answer.messages, answer.next_page_token, &token)
    }

    /// Finds messages by their words. Errors as [`Client::peer`].
    pub async fn search(&self, search: SearchRequest) -> Result<Page<SearchHit>> {
        let order = if search.newest_first {
            proto::SearchOrder::Newest
        } else {
            proto::SearchOrder::Relevance
        };
        let token = search.token;
        let request = proto::SearchMessagesRequest {
            query: search.query,
            room: search.room.map(|room| room.to_string()).unwrap_or_default(),
            sender: search.sender.map(|sender| sender.to_string()).unwrap_or_default(),
            order: order.into(),
            page_size: page_size(search.size),
            page_token: token.clone(),
            since: search.since.map(wire::to_timestamp),
            until: search.until.map(wire::to_timestamp),
        };
        let rpc = |channel, request| async move {
            BroadcastClient::new(channel).search_messages(request).await
        };
        let answer = self.0.hub.call(request, rpc).await?;
        Page::new(answer.hits, answer.next_page_token, &token)
    }

    /// Sets the status that others see, also for later sessions. Errors as [`Client::peer`]. The
    /// status stays as it was then.
    ///
    /// A hub limits the rate of such changes. A call that has to wait sends the status of the latest call.
    pub async fn set_status(&self, status: PeerStatus) -> Result<()> {
        self.0.hub.set_status(status).await
    }
}

impl<T> Page<T> {
    /// Parses the page of a token. Errors if it names itself as the next.
    fn new<R>(raw: Vec<R>, next: String, token: &str) -> Result<Self>
    where
        T: TryFrom<R, Error = ProtocolError>,
    {
        if !next.is_empty() && next == token {
            return Err(endless());
        }
        let items = raw.into_iter().map(T::try_from).collect::<Result<_, _>>()?;
        Ok(Self { items, next: Some(next).filter(|next| !next.is_empty()) })
    }
}

async fn list_rooms(
    channel: Channel,
    request: Request<proto::ListRoomsRequest>,
) -> Result<Response<proto::ListRoomsResponse>, Status> {
    BroadcastClient::new(channel).list_rooms(request).await
}

async fn all_pages<R: prost::Message, F>(ask: impl Fn(String) -> F) -> Result<Vec<R>>
where
    F: Future<Output = Result<(Vec<R>, String)>>,
{
    pages_up_to(usize::MAX, ask).await
}

/// Reads pages until there are `limit` items, or no more pages. Errors if the list is longer than
/// [`MAX_LIST_BYTES`], or has no end.
async fn pages_up_to<R: prost::Message, F>(
    limit: usize,
    ask: impl Fn(String) -> F,
) -> Result<Vec<R>>
where
    F: Future<Output = Result<(Vec<R>, String)>>,
{
    let mut all = Vec::new();
    let (mut token, mut bytes) = (String::new(), 0);
    for _ in 0..MAX_PAGES {
        let (items, next) = ask(token.clone()).await?;
        bytes += items.iter().map(R::encoded_len).sum::<usize>();
        all.extend(items);
        all.truncate(limit);
        if next.is_empty() || all.len() >= limit {
            return Ok(all);
        }
        if next == token || bytes > MAX_LIST_BYTES {
            break;
        }
        token = next;
    }
    Err(endless())
}

fn endless() -> Error {
    Error::protocol("a list has no end")
}

fn page_size(size: u32) -> i32 {
    size.try_into().unwrap_or(i32::MAX)
}
