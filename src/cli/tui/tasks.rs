//! What takes a while: calls of the client, each a task, whose outcome the state takes.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    cli::{
        chat::{
            actions::{self, Done},
            input::Request,
        },
        commands::search::find,
        words,
    },
    client::{Client, Page, PageRequest, SearchRequest},
    error::Result,
    model::{
        Message, MessageId, Name, PeerStatus, Position, Posted, Room, RoomName, SearchHit, Start,
        Text,
    },
};

use super::state::{Trust, Way};

/// How many messages are loaded at once: a few screens full.
const PAGE: u32 = 100;

/// How many messages are loaded on either side of one that was found.
const AROUND: u32 = 50;

/// How many hits a search shows.
const HITS: u32 = 100;

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
    /// The rooms of the hub, and those that are muted here, as far as either is known.
    Census { rooms: Vec<Room>, muted: Option<Vec<RoomName>> },
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
}

impl Tasks {
    pub(super) fn new(client: Client) -> Self {
        Self { client, set: JoinSet::new() }
    }

    /// The next outcome; never returns where nothing is under way.
    pub(super) async fn next(&mut self) -> Outcome {
        match self.set.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(lost)) => Outcome::Lost(lost.to_string()),
            None => std::future::pending().await,
        }
    }

    /// Posts. Returns when the post has its place behind those before it.
    pub(super) async fn post(&mut self, id: MessageId, room: RoomName, text: Text) {
        let begun = self.client.begin_draft(id, room.clone(), text).await;
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
            Outcome::Hits { result: find(&client, request, HITS).await, query }
        });
    }

    /// Looks how far somebody is known.
    pub(super) fn know(&mut self, name: Name) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let contacts = client.contacts().await.unwrap_or_default();
            let contact = contacts.into_iter().find(|(known, _)| *known == name);
            let known = contact.map(|(_, contact)| match (contact.blocked, contact.verified) {
                (true, _) => Trust::Blocked,
                (false, true) => Trust::Verified,
                (false, false) => Trust::Known,
            });
            Outcome::Known { name, known }
        });
    }

    /// Looks how many are in which room, and which rooms are muted.
    pub(super) fn census(&mut self) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let muted = client.muted().await.ok().map(|muted| muted.into_iter().collect());
            Outcome::Census { rooms: client.list_rooms().await.unwrap_or_default(), muted }
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
            let result = client.queue_draft(id, &to, text).await.map(drop);
            Outcome::Queued { id, to, result }
        });
    }
}

/// What a list is called; nothing where a request answers with a word.
fn title(request: &Request) -> &'static str {
    match request {
        Request::Peers => "who is here",
        Request::Rooms => "rooms",
        Request::Contacts => "contacts",
        Request::Outbox => "kept messages",
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
