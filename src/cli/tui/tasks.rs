//! What takes a while: calls of the client, each a task, whose outcome the state takes.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::task::JoinSet;

use crate::{
    cli::{
        chat::{
            actions::{self, Done},
            input::Request,
        },
        queries, words,
    },
    client::{Client, Page, PageRequest, PeerFilter, SearchRequest},
    error::Result,
    model::{
        Message, MessageId, Name, PeerStatus, Position, Posted, Receipt, Room, RoomName, SearchHit,
        Start, Text,
    },
};

use super::state::{Trust, Way};

/// How many messages are loaded at once: a few screens full.
const PAGE: u32 = 100;

/// How many messages are loaded on either side of one that was found.
const AROUND: u32 = 50;

/// How many hits a search shows.
pub(crate) const HITS: u32 = 100;

/// What came of something.
pub(crate) enum Outcome {
    /// A post was stored or not.
    Posted { id: MessageId, room: RoomName, result: Result<Posted> },
    /// Something of the chat's grammar was done; what its lines are called, where it is a list.
    Done { title: &'static str, done: Done },
    /// A page of history.
    Page { room: RoomName, way: Way, result: Result<Page<Message>> },
    /// What was said before and after a message.
    Around { message: Box<Message>, result: Result<(Page<Message>, Page<Message>)> },
    /// What was found.
    Hits { query: String, result: Result<Vec<SearchHit>> },
    /// How far somebody is known.
    Known { name: Name, known: Option<Trust> },
    /// The rooms of the hub.
    Census(Vec<Room>),
    /// Which rooms are muted and who is blocked, as far as it is known; and what waits in the outbox
    /// no more, with its receipt if it was delivered.
    Files {
        muted: Option<Vec<RoomName>>,
        blocked: Option<BTreeSet<Name>>,
        settled: Vec<(MessageId, Option<Receipt>)>,
        /// What is wrong with the contact book, where that is news.
        problem: Option<String>,
    },
    /// Who is in a room.
    Members { room: RoomName, names: Option<BTreeSet<Name>> },
    /// How long the hub took to answer.
    Pong(Option<Duration>),
    /// A message is kept for a peer, or not.
    Queued { id: MessageId, to: Name, result: Result<()> },
    /// Nothing that anybody has to know.
    Nothing,
    /// A task has come to an end that it should not have.
    Lost(String),
}

/// The tasks.
pub(super) struct Tasks {
    client: Client,
    set: JoinSet<Outcome>,
    knowing: Knowing,
}

/// Who is being looked up in the contact book: each name once at a time, however often it is asked
/// for. Names can be made up by others, and each look reads the whole book.
#[derive(Debug, Default)]
struct Knowing(HashMap<Name, bool>);

impl Knowing {
    /// Whether to look now. What is asked while one looks is looked up once more after that.
    fn begin(&mut self, name: &Name) -> bool {
        let again = self.0.get_mut(name).map(|again| *again = true);
        if again.is_none() {
            self.0.insert(name.clone(), false);
        }
        again.is_none()
    }

    /// That one has looked; whether to do so again.
    fn end(&mut self, name: &Name) -> bool {
        self.0.remove(name).unwrap_or_default()
    }
}

impl Tasks {
    pub(super) fn new(client: Client) -> Self {
        Self { client, set: JoinSet::new(), knowing: Knowing::default() }
    }

    /// The next outcome; never returns where nothing is under way.
    pub(super) async fn next(&mut self) -> Outcome {
        match self.set.join_next().await {
            Some(Ok(outcome)) => {
                if let Outcome::Known { name, .. } = &outcome
                    && self.knowing.end(name)
                {
                    self.know(name.clone());
                }
                outcome
            }
            Some(Err(lost)) => {
                // Of whom it was is not known.
                self.knowing = Knowing::default();
                Outcome::Lost(lost.to_string())
            }
            None => std::future::pending().await,
        }
    }

    /// Posts. Returns when the post has its place behind those before it.
    pub(super) async fn post(&mut self, id: MessageId, room: RoomName, text: Text) {
        let begun = self.client.post(room.clone(), text).id(id).begin().await;
        self.set.spawn(async move {
            let result = match begun {
                Ok(stored) => stored.await,
                Err(error) => Err(error),
            };
            Outcome::Posted { id, room, result }
        });
    }

    /// Does what the grammar of the chat asks for.
    pub(super) fn ask(&mut self, request: Request, room: Option<RoomName>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let title = title(&request);
            let done = match request {
                Request::Join(room) => join(&client, room).await,
                Request::SendTo { to, text } => match client.send_to(&to, text.clone()).await {
                    Ok(receipt) => {
                        let (to, text) = (receipt.receiver, text.as_str());
                        Done::Said(format!("[direct to {to}] {text}"))
                    }
                    error => actions::sent(error, &to, &text),
                },
                request => actions::run(client, request, room).await,
            };
            Outcome::Done { title, done }
        });
    }

    /// Loads a page of a room's history.
    pub(super) fn page(&mut self, room: RoomName, way: Way, from: Position) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let request = page(way, from, PAGE);
            let result = client.messages(room.clone(), request).await;
            Outcome::Page { room, way, result }
        });
    }

    /// Loads what was said around a message.
    pub(super) fn around(&mut self, message: Box<Message>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let (room, at) = (message.room.clone(), message.position);
            let older = client.messages(room.clone(), page(Way::Older, at, AROUND));
            let newer = client.messages(room, page(Way::Newer, at, AROUND));
            Outcome::Around { result: tokio::try_join!(older, newer), message }
        });
    }

    /// Looks for words in a room.
    pub(super) fn search(&mut self, room: RoomName, query: String) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let room = Some(room);
            let request = SearchRequest { query: query.clone(), room, ..SearchRequest::default() };
            Outcome::Hits { result: queries::search(&client, request, HITS).await, query }
        });
    }

    /// Looks how far somebody is known.
    pub(super) fn know(&mut self, name: Name) {
        if !self.knowing.begin(&name) {
            return;
        }
        let client = self.client.clone();
        self.set.spawn(async move {
            let contact = client.known(&name).await.unwrap_or_default();
            let known = contact.map(|contact| match (contact.blocked, contact.verified) {
                (true, _) => Trust::Blocked,
                (false, true) => Trust::Verified,
                (false, false) => Trust::Known,
            });
            Outcome::Known { name, known }
        });
    }

    /// Looks how many are in which room.
    pub(super) fn census(&mut self) {
        let client = self.client.clone();
        self.set
            .spawn(async move { Outcome::Census(client.list_rooms().await.unwrap_or_default()) });
    }

    /// Looks which rooms are muted, who is blocked, and what became of messages in the outbox.
    pub(super) fn files(&mut self, waiting: Vec<MessageId>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let muted = client.muted().await.ok().map(|muted| muted.into_iter().collect());
            let blocked = actions::blocked(&client).await;
            let settled = settled(&client, waiting).await.unwrap_or_default();
            let problem = client.contacts_problem();
            Outcome::Files { muted, blocked, settled, problem }
        });
    }

    /// Looks who is in a room.
    pub(super) fn members(&mut self, room: RoomName) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let filter = PeerFilter { room: Some(room.clone()), ..PeerFilter::default() };
            let peers = client.peers(filter).await.ok();
            let names = peers.map(|peers| peers.into_iter().map(|peer| peer.name).collect());
            Outcome::Members { room, names }
        });
    }

    /// Asks the hub for a sign of life.
    pub(super) fn ping(&mut self) {
        let client = self.client.clone();
        self.set.spawn(async move { Outcome::Pong(client.ping().await.ok()) });
    }

    /// Tells the others how one is.
    pub(super) fn set_status(&mut self, status: PeerStatus) {
        let client = self.client.clone();
        self.set.spawn(async move {
            if let Err(error) = client.set_status(status).await {
                tracing::debug!(%error, "the hub was not told that the person is {status:?}");
            }
            Outcome::Nothing
        });
    }

    /// Keeps a message until the peer is there.
    pub(super) fn queue(&mut self, id: MessageId, to: Name, text: Text) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let result = client.send(&to, text).id(id).durable().await.map(drop);
            Outcome::Queued { id, to, result }
        });
    }
}

/// What a list is called; nothing where a request answers with a word.
fn title(request: &Request) -> &'static str {
    match request {
        Request::Peers => "peers",
        Request::Rooms => "rooms",
        Request::Contacts => "contacts",
        Request::Outbox => "outbox",
        Request::Id => "your key",
        Request::Verify { said: None, .. } => "keys to compare",
        Request::Accept { key: None, .. } => "another key",
        Request::History(_) => "messages",
        _ => "",
    }
}

/// Joins a room, with more of what was said before than line mode shows.
async fn join(client: &Client, room: RoomName) -> Done {
    match client.join(room.clone(), Start::Last(super::SAID_BEFORE)).await {
        Ok(_) => Done::Joined(room),
        Err(error) => Done::Failed(format!("not in {room}: {}", words::problem(&error))),
    }
}

fn page(way: Way, from: Position, size: u32) -> PageRequest {
    PageRequest { size, from: Some(from), forward: way == Way::Newer, ..PageRequest::default() }
}

/// What waits in the outbox no more, with its receipt if it was delivered.
async fn settled(
    client: &Client,
    waiting: Vec<MessageId>,
) -> Result<Vec<(MessageId, Option<Receipt>)>> {
    let mut settled = Vec::new();
    if waiting.is_empty() {
        return Ok(settled);
    }
    let kept = client.queued().await?;
    for id in waiting {
        if !kept.iter().any(|one| one.id == id) {
            settled.push((id, client.queued_receipt(id).await?));
        }
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_once_at_a_time_and_once_more_where_it_was_asked_for_meanwhile() {
        let (ann, bob) = (Name::parse("ann").unwrap(), Name::parse("bob").unwrap());
        let mut knowing = Knowing::default();
        assert!(knowing.begin(&ann) && knowing.begin(&bob));
        assert!(!knowing.begin(&ann) && !knowing.begin(&ann));
        assert!(knowing.end(&ann) && !knowing.end(&bob));
        assert!(knowing.begin(&ann) && !knowing.end(&ann));
        assert!(knowing.0.is_empty());
    }
}
