//! Calls of the client that take time. Each is a task whose outcome is passed to the state.

use std::{
    collections::VecDeque,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    effect::Notice,
    found::FoundMessage,
    lookups::ContactLookups,
    opener,
    outcome::{Outcome, PageDirection, TrustLevel},
};
use crate::{
    cli::{
        chat::{
            actions::{self, ActionOutcome},
            input::Request,
            queueing,
        },
        commands::on::{child, message::IncomingMessage},
        search_terms::SearchTerms,
        words,
    },
    client::{
        Client, DirectPage, KeptDirect, Page, PageRequest, PeerFilter, Result, SearchRequest,
    },
    model::{Message, MessageId, Name, PeerStatus, Position, Receipt, RoomName, Start, Text},
    text::words::places_of,
};

/// The messages of a page of history: a few screens.
const PAGE: u32 = 100;

/// The messages that are loaded before and after a search hit.
const CONTEXT: u32 = 50;

/// The hits of a page of a search: a few screens.
const HITS: u32 = 50;

/// The most notices that wait for the command of the one before, and the time that it may take.
const MAX_WAITING_NOTICES: usize = 10;
const NOTICE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most rooms that are listed, to complete and to choose from.
const MAX_ROOMS: usize = 20_000;

pub(super) struct Tasks {
    client: Client,
    set: JoinSet<Outcome>,
    lookups: ContactLookups,
    notices: NoticeQueue,
}

/// The commands for notices, of which one runs at a time.
#[derive(Default)]
struct NoticeQueue {
    is_running: bool,
    waiting: VecDeque<(Command, String)>,
}

impl Tasks {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            set: JoinSet::new(),
            lookups: ContactLookups::default(),
            notices: NoticeQueue::default(),
        }
    }

    /// The next outcome. Waits forever if no task is running.
    pub(super) async fn next(&mut self) -> Outcome {
        match self.set.join_next().await {
            Some(Ok(outcome)) => {
                if let Outcome::Contact { name, .. } = &outcome
                    && self.lookups.end(name)
                {
                    self.look_up(name.clone());
                }
                if matches!(outcome, Outcome::Notified(_)) {
                    self.notices.is_running = false;
                    self.run_next_notice();
                }
                outcome
            }
            Some(Err(panic)) => {
                // It may have been a lookup, of an unknown name.
                self.lookups = ContactLookups::default();
                self.notices.is_running = false;
                Outcome::Panicked(panic.to_string())
            }
            None => std::future::pending().await,
        }
    }

    /// Posts to a room. Returns once the order of posts is settled.
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

    /// Runs a command of the chat.
    pub(super) fn run(&mut self, request: Request, room: Option<RoomName>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let title = title(&request);
            let done = match request {
                Request::Join(room) => join(&client, room).await,
                Request::SendTo { to, text } => match client.send_to(&to, text.clone()).await {
                    Ok(receipt) => {
                        let (to, text) = (receipt.receiver, text.as_str());
                        ActionOutcome::Notice(format!("[direct to {to}] {text}"))
                    }
                    error => actions::sent(error, &to, &text),
                },
                request => actions::run(client, request, room).await,
            };
            Outcome::Ran { title, done }
        });
    }

    pub(super) fn load_page(&mut self, room: RoomName, direction: PageDirection, from: Position) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let request = page(direction, from, PAGE);
            let result = client.messages(room.clone(), request).await;
            Outcome::Page { room, direction, result }
        });
    }

    pub(super) fn load_unread(&mut self, room: RoomName, after: Position) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let request = page(PageDirection::Newer, after, PAGE);
            Outcome::Unread { result: client.messages(room.clone(), request).await, room }
        });
    }

    pub(super) fn load_context(&mut self, message: Box<Message>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let (room, at) = (message.room.clone(), message.position);
            let older = client.messages(room.clone(), page(PageDirection::Older, at, CONTEXT));
            let newer = client.messages(room, page(PageDirection::Newer, at, CONTEXT));
            Outcome::Context { result: tokio::try_join!(older, newer), message }
        });
    }

    pub(super) fn search(&mut self, terms: SearchTerms, token: String) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let request = SearchRequest { size: HITS, token: token.clone(), ..terms.request() };
            Outcome::Hits { result: client.search(request).await, terms, token }
        });
    }

    /// Lists the conversations of earlier chats, and the messages in the outbox.
    pub(super) fn list_conversations(&mut self) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let kept = client.direct_conversations().await.unwrap_or_default();
            let queued = client.queued().await.unwrap_or_default();
            Outcome::Conversations { kept, queued }
        });
    }

    pub(super) fn load_direct(&mut self, peer: Name, before: Option<i64>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let page = DirectPage { before, ..DirectPage::latest(PAGE) };
            let messages = client.direct_messages(&peer, page).await;
            let result = messages.map(|messages| {
                let more = messages.len() == PAGE as usize;
                (messages, more)
            });
            Outcome::DirectPage { peer, result }
        });
    }

    /// Loads a page of hits, the latest first. The token is the position of the last hit before.
    pub(super) fn search_direct(&mut self, peer: Name, terms: SearchTerms, token: String) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let SearchTerms { words, sender, since, until, .. } = terms.clone();
            let before = token.parse().ok();
            let page =
                DirectPage { words, sender, since, until, before, ..DirectPage::latest(PAGE) };
            let parts = page.parts();
            let result = client.direct_messages(&peer, page).await.map(|found| {
                let more = found.first().filter(|_| found.len() == PAGE as usize);
                let next = more.map(|oldest| oldest.position.to_string());
                let hit = |kept: KeptDirect| {
                    let ranges = places_of(&parts, kept.message.text.as_str());
                    FoundMessage::Direct(kept, ranges)
                };
                Page { items: found.into_iter().rev().map(hit).collect(), next }
            });
            Outcome::DirectHits { peer, terms, token, result }
        });
    }

    /// Looks up a peer in the contact book.
    pub(super) fn look_up(&mut self, name: Name) {
        if !self.lookups.begin(&name) {
            return;
        }
        let client = self.client.clone();
        self.set.spawn(async move {
            let contact = client.known(&name).await.unwrap_or_default();
            let trust = contact.map(|contact| match (contact.blocked, contact.verified) {
                (true, _) => TrustLevel::Blocked,
                (false, true) => TrustLevel::Verified,
                (false, false) => TrustLevel::Known,
            });
            Outcome::Contact { name, trust }
        });
    }

    /// Runs a command for a notice, after the one that is running. If many wait, the oldest is dropped.
    pub(super) fn run_for_notice(&mut self, run: &str, notice: &Notice) {
        let message = match notice {
            Notice::Message(message) => IncomingMessage::in_room(message),
            Notice::Direct(direct) => IncomingMessage::direct(direct),
        };
        // The message becomes JSON, which cannot fail: it is written to memory.
        let Ok(message) = message else { return };
        let mut command = child::shell(run);
        command.envs(message.environment()).stderr(Stdio::null());
        if self.notices.waiting.len() >= MAX_WAITING_NOTICES {
            self.notices.waiting.pop_front();
        }
        self.notices.waiting.push_back((command, message.line));
        self.run_next_notice();
    }

    fn run_next_notice(&mut self) {
        if self.notices.is_running {
            return;
        }
        let Some((command, line)) = self.notices.waiting.pop_front() else { return };
        self.notices.is_running = true;
        self.set.spawn(async move {
            Outcome::Notified(child::run(command, line, NOTICE_TIMEOUT).await.err())
        });
    }

    pub(super) fn list_rooms(&mut self) {
        let client = self.client.clone();
        self.set
            .spawn(async move { Outcome::Rooms(client.list_rooms_up_to(MAX_ROOMS).await.ok()) });
    }

    /// Reads the muted rooms, the blocked peers, and which of the queued messages are still in the outbox.
    pub(super) fn read_files(&mut self, queued: Vec<MessageId>) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let muted = client.muted().await.ok().map(|muted| muted.into_iter().collect());
            let blocked = actions::blocked(&client).await;
            let settled = settled(&client, queued).await.unwrap_or_default();
            let problem = client.contacts_problem();
            Outcome::Files { muted, blocked, settled, problem }
        });
    }

    pub(super) fn list_members(&mut self, room: RoomName) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let filter = PeerFilter { room: Some(room.clone()), ..PeerFilter::default() };
            let peers = client.peers(filter).await.ok();
            let names = peers.map(|peers| peers.into_iter().map(|peer| peer.name).collect());
            Outcome::Members { room, names }
        });
    }

    pub(super) fn count_members(&mut self, room: RoomName) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let members = client.room(&room).await.ok().flatten().map(|found| found.members);
            Outcome::MemberCount { room, members }
        });
    }

    /// Measures the round trip to the hub.
    pub(super) fn ping(&mut self) {
        let client = self.client.clone();
        self.set.spawn(async move { Outcome::Pong(client.ping().await.ok()) });
    }

    /// Sets the user's status on the hub.
    pub(super) fn set_status(&mut self, status: PeerStatus) {
        let client = self.client.clone();
        self.set.spawn(async move {
            if let Err(error) = client.set_status(status).await {
                tracing::debug!(%error, "cannot set the status to {status:?}");
            }
            Outcome::Nothing
        });
    }

    /// Opens a web link in the browser of the user.
    pub(super) fn open_link(&mut self, link: String) {
        self.set.spawn(async move {
            match opener::open(&link).await {
                Ok(()) => Outcome::Nothing,
                Err(why) => Outcome::NotOpened(why),
            }
        });
    }

    /// Puts a message into the outbox.
    pub(super) fn queue(&mut self, id: MessageId, to: Name, text: Text) {
        let client = self.client.clone();
        self.set.spawn(async move {
            let result = match client.send(&to, text).id(id).durable().await {
                Ok(_) => Ok(queueing::is_known(&client, &to).await),
                Err(error) => Err(error),
            };
            Outcome::Queued { id, to, result }
        });
    }
}

/// The title of the list that a command prints, or nothing if it prints no list.
fn title(request: &Request) -> &'static str {
    match request {
        Request::Peers => "peers",
        Request::Rooms => "rooms",
        Request::Contacts => "contacts",
        Request::Outbox => "outbox",
        Request::Id => "your key",
        Request::Link => "join link",
        Request::Verify { key: None, .. } => "keys to compare",
        Request::Accept { key: None, .. } => "changed key",
        Request::History(_) => "messages",
        _ => "",
    }
}

/// Joins a room, with more history than in line mode.
async fn join(client: &Client, room: RoomName) -> ActionOutcome {
    match client.join(room.clone(), Start::Last(super::HISTORY_ON_JOIN)).await {
        Ok(_) => ActionOutcome::Joined(room),
        Err(error) => ActionOutcome::Failed(format!("not in {room}: {}", words::problem(&error))),
    }
}

fn page(direction: PageDirection, from: Position, size: u32) -> PageRequest {
    PageRequest {
        size,
        from: Some(from),
        forward: direction == PageDirection::Newer,
        ..PageRequest::default()
    }
}

/// The messages that have left the outbox, with the receipts of those that were delivered.
async fn settled(
    client: &Client,
    queued: Vec<MessageId>,
) -> Result<Vec<(MessageId, Option<Receipt>)>> {
    let mut settled = Vec::new();
    if queued.is_empty() {
        return Ok(settled);
    }
    let outbox = client.queued().await?;
    for id in queued {
        if !outbox.iter().any(|message| message.id == id) {
            settled.push((id, client.queued_receipt(id).await?));
        }
    }
    Ok(settled)
}
