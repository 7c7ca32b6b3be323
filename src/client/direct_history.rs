//! The direct messages of both directions, kept on this machine for their owner to read and search.
//!
//! A message is in the file before its receipt is made, or when its receipt has come; what still
//! waits is in the outbox. A message belongs to the key of the peer, and to the name only where no
//! key is known: after a name was taken by another key, the conversation under that name is a new
//! one, and a peer that changes its name keeps the conversation.
//!
//! The history helps a person and proves nothing. If the file cannot be opened or written, messages
//! are sent and received all the same, and [`Client::history_notice`](super::Client) says so once.

mod api;
mod owner;
mod read;
mod store;

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub(super) use self::store::PLAN;
use self::{
    owner::HistoryOwner,
    store::{Change, LIMITS},
};
use super::{
    blocking::blocking,
    contact_store::ContactStore,
    database::Database,
    received::{Direct, Verification},
    wall_clock::WallClock,
};
use crate::{
    client::error::{Error, Result},
    model::{DirectMessage, MessageId, Name},
    text,
};

/// Messages that wait to be written. Further ones wait for room before they are accepted.
const PENDING: usize = 256;

/// A direct message of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptDirect {
    /// Its position: later messages have greater ones.
    pub position: i64,
    /// The message. The sender of an outgoing one is this client.
    pub message: DirectMessage,
    /// Who receives an outgoing message; `None`: it came in.
    pub receiver: Option<Name>,
    /// What was known about the key of the other side.
    pub verification: Verification,
    /// When it was kept, by the clock of this machine.
    pub kept_at: Timestamp,
    /// How far it is.
    pub state: DirectState,
}

/// How far a direct message is, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectState {
    /// It waits in the outbox.
    Queued,
    /// Its receiver holds it.
    Delivered,
    /// Its receiver has read it.
    Read,
}

/// A conversation of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptConversation {
    /// The present name of the peer.
    pub peer: Name,
    /// The number of messages.
    pub messages: u64,
    /// The number of messages that came in and were not read.
    pub unread: u64,
    /// How long messages are kept.
    pub keep: KeepFor,
}

/// How long the messages of a conversation are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepFor {
    /// As long as there is room: see `docs/limits.md`.
    #[default]
    Always,
    /// For this time, at least [`Self::SHORTEST`]. The clock is not trusted at once: see `docs/keys-and-security.md`.
    Only(Duration),
    /// Not at all.
    Never,
}

impl KeepFor {
    /// The shortest time that messages are kept.
    pub const SHORTEST: Duration = Duration::from_secs(1);
}

/// Which messages of a conversation to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectPage {
    /// The most messages: the latest of those that match.
    pub limit: u32,
    /// Only those before this position.
    pub before: Option<i64>,
    /// Only those kept at or after this time.
    pub since: Option<Timestamp>,
    /// Only those kept before this time.
    pub until: Option<Timestamp>,
    /// Only those of this sender: the peer, or this client.
    pub sender: Option<Name>,
    /// Only those that contain all of these words, parts of words, or phrases between double quotes;
    /// case, accents and width do not matter. A `*` at the end of a word changes nothing.
    pub words: String,
}

impl DirectPage {
    /// Returns a page of the latest messages.
    pub fn latest(limit: u32) -> Self {
        let words = String::new();
        Self { limit, before: None, since: None, until: None, sender: None, words }
    }
}

/// What [`Client::forget`](super::Client::forget) removed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Forgotten {
    /// Whether there was a contact.
    pub contact: bool,
    /// The number of kept messages.
    pub kept: u64,
    /// The number of messages in the outbox, which are not delivered any more.
    pub queued: u64,
    /// Why not everything could be removed: the files that cannot be used. All else is removed.
    pub problems: Vec<Error>,
}

/// Something that a person should know about the history, once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryNotice {
    /// The first message was kept.
    Began {
        /// The file.
        file: PathBuf,
        /// The peer of the message.
        peer: Name,
    },
    /// Messages are not kept, for this reason; safe to print on a terminal.
    Failed(String),
}

/// The history of one name at one hub. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct DirectHistory(Arc<DirectHistoryInner>);

#[derive(Debug)]
struct DirectHistoryInner {
    /// `None`: nothing is kept. It may be read-only.
    database: Option<Database>,
    /// Why the file could not be opened.
    problem: Option<Error>,
    /// Whether messages are kept, and kept ones shown. Otherwise they are only deleted.
    keeps: bool,
    path: PathBuf,
    contacts: ContactStore,
    clock: WallClock,
    pending: Mutex<Vec<(Change, Option<HistoryPermit>)>>,
    room: Arc<Semaphore>,
    notice: Mutex<Option<HistoryNotice>>,
    noticed: Notify,
    /// Whether a failure was reported.
    failed: Mutex<bool>,
}

/// Room for a message that is about to be kept.
#[derive(Debug)]
pub(super) struct HistoryPermit(
    #[allow(dead_code, reason = "held until written")] OwnedSemaphorePermit,
);

impl DirectHistory {
    /// Opens the file; `None`: nothing is kept. A file that cannot be used is reported as a notice.
    ///
    /// Without `keeps` nothing is kept, but the messages of an existing file can be deleted.
    pub(super) async fn open(
        path: Option<PathBuf>,
        keeps: bool,
        contacts: ContactStore,
        clock: WallClock,
    ) -> Self {
        let path = path.filter(|path| keeps || path.exists());
        let Some(path) = path else { return Self::off(contacts) };
        let file = path.clone();
        let opened = blocking(move || Database::open(&file, PLAN)).await;
        let (database, problem) = match opened {
            Ok(database) => (Some(database), None),
            Err(problem) => (None, Some(problem)),
        };
        let history = Self::of(database, problem, keeps, path, contacts, clock);
        if keeps {
            history.0.problem.iter().for_each(|error| history.report(error));
        }
        history
    }

    /// Returns a history that keeps nothing.
    pub(super) fn off(contacts: ContactStore) -> Self {
        Self::of(None, None, false, PathBuf::new(), contacts, WallClock::default())
    }

    fn of(
        database: Option<Database>,
        problem: Option<Error>,
        keeps: bool,
        path: PathBuf,
        contacts: ContactStore,
        clock: WallClock,
    ) -> Self {
        Self(Arc::new(DirectHistoryInner {
            database,
            problem,
            keeps,
            path,
            contacts,
            clock,
            pending: Mutex::default(),
            room: Arc::new(Semaphore::new(PENDING)),
            notice: Mutex::default(),
            noticed: Notify::new(),
            failed: Mutex::default(),
        }))
    }

    /// Returns true if messages can be added, and not only read.
    fn is_writable(&self) -> bool {
        let database = self.0.database.as_ref().filter(|_| self.0.keeps);
        database.is_some_and(|database| !database.is_read_only())
    }

    /// Waits for room for a message; `None` if nothing is kept.
    pub(super) async fn reserve(&self) -> Option<HistoryPermit> {
        if !self.is_writable() {
            return None;
        }
        self.0.room.clone().acquire_owned().await.ok().map(HistoryPermit)
    }

    /// Keeps a message that came in. It is on the disk when this returns, and is kept soon even if
    /// this is not awaited to the end.
    pub(super) async fn record_received(&self, permit: HistoryPermit, direct: &Direct) {
        let change = Change::Message {
            peer: direct.message.sender.clone(),
            outgoing: false,
            message: direct.message.clone(),
            verification: direct.verification,
            kept_at: self.0.clock.now(),
        };
        self.0.pending.lock().push((change, Some(permit)));
        self.flush().await;
    }

    /// Keeps a message that a peer holds. `proven`: the peer was found by its key, if it has one.
    pub(super) async fn record_sent(&self, peer: &Name, message: DirectMessage, proven: bool) {
        let Some(permit) = self.reserve().await else { return };
        let contact = self.0.contacts.contact(peer).await.ok().flatten();
        let verification = match contact.filter(|_| proven && self.0.contacts.has_key()) {
            Some(contact) if contact.verified => Verification::Verified(contact.key),
            Some(contact) => Verification::Known(contact.key),
            None => Verification::Unverified(None),
        };
        let (peer, kept_at) = (peer.clone(), self.0.clock.now());
        let change = Change::Message { peer, outgoing: true, message, verification, kept_at };
        self.0.pending.lock().push((change, Some(permit)));
        self.flush().await;
    }

    /// Records that a message and those before it were read: by this side if they came in, and
    /// otherwise by the peer.
    pub(super) async fn mark_read(&self, peer: &Name, id: MessageId, outgoing: bool) {
        if self.is_writable() {
            self.0.pending.lock().push((Change::Read { peer: peer.clone(), id, outgoing }, None));
            self.flush().await;
        }
    }

    /// Gives this client's conversations its present name, after it had another.
    pub(super) async fn rename_from(&self, former: &Name) -> Result<()> {
        self.flush().await;
        let former = former.clone();
        self.with(move |file, owner, _| owner.rename_from(file, &former)).await.map(drop)
    }

    /// Writes what waits.
    pub(super) async fn flush(&self) {
        if !self.is_writable() {
            return;
        }
        let owner = match self.owner().await {
            Ok(owner) => owner,
            Err(error) => {
                // These messages are not kept, and must not hold up further ones.
                drop(std::mem::take(&mut *self.0.pending.lock()));
                return self.report(&error);
            }
        };
        let this = self.clone();
        let written = self.with_owner(owner, move |file, owner, now| {
            let batch = std::mem::take(&mut *this.0.pending.lock());
            if batch.is_empty() { Ok(None) } else { store::write(file, owner, &batch, now, LIMITS) }
        });
        match written.await {
            Ok(Some(Some(peer))) => {
                self.notify(HistoryNotice::Began { file: self.0.path.clone(), peer });
            }
            Ok(_) => {}
            Err(error) => self.report(&error),
        }
    }

    /// Runs `work` on the file; `None` if nothing is kept.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut rusqlite::Connection, &HistoryOwner, Timestamp) -> rusqlite::Result<T>
        + Send
        + 'static,
    ) -> Result<Option<T>> {
        match self.0.database {
            Some(_) => self.with_owner(self.owner().await?, work).await,
            None => Ok(None),
        }
    }

    async fn owner(&self) -> Result<HistoryOwner> {
        let contacts = &self.0.contacts;
        let (hub, me) = (contacts.hub().clone(), contacts.me());
        Ok(HistoryOwner { book: contacts.book().await?, hub, me })
    }

    async fn with_owner<T: Send + 'static>(
        &self,
        owner: HistoryOwner,
        work: impl FnOnce(&mut rusqlite::Connection, &HistoryOwner, Timestamp) -> rusqlite::Result<T>
        + Send
        + 'static,
    ) -> Result<Option<T>> {
        let Some(database) = &self.0.database else { return Ok(None) };
        let now = self.0.clock.now();
        database.with(move |file| work(file, &owner, now)).await.map(Some)
    }

    fn notify(&self, notice: HistoryNotice) {
        *self.0.notice.lock() = Some(notice);
        self.0.noticed.notify_one();
    }

    /// Waits for what is to be told, and takes it.
    async fn next_notice(&self) -> HistoryNotice {
        loop {
            if let Some(notice) = self.notice() {
                return notice;
            }
            self.0.noticed.notified().await;
        }
    }

    /// Takes what is to be told.
    fn notice(&self) -> Option<HistoryNotice> {
        self.0.notice.lock().take()
    }

    /// Reports once that messages are not kept.
    fn report(&self, error: &Error) {
        if !std::mem::replace(&mut *self.0.failed.lock(), true) {
            tracing::warn!(%error, "cannot keep direct messages");
            let cause = text::one_line(&error.to_string()).into_owned();
            self.notify(HistoryNotice::Failed(cause));
        }
    }
}

#[cfg(test)]
mod tests;
