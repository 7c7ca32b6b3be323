//! Messages for peers who are away, kept on this side until they have a receipt.
//!
//! 1. [`Client::queue`] writes the message to the outbox, a file, and gives it its id for good.
//! 2. The courier (`courier`), a task of every client that takes direct messages itself, tries to
//!    deliver: at once where the hub says that the peer is here, otherwise ever more slowly, at the
//!    places that the contact book has, so that it works without a hub. A peer's messages go one
//!    after the other, in the order in which they were queued.
//! 3. A message leaves the outbox when its receipt is here. Where the receipt was lost it goes out
//!    again under the same id, and the peer, who was asked to remember it (`SendRequest.kept`),
//!    answers with the first receipt.
//! 4. What the peer refuses, or the contact book forbids, keeps its place and holds up those behind
//!    it, until a person says that it is to be tried again, or changes the contact book.
//!
//! Several processes of one person share the file. One of them delivers at a time: it holds the lock
//! beside the file during one pass over a peer's messages, and loses it with its life. Messages
//! belong to a hub, as contacts do, and to the name that they were queued under.

mod delivery;
mod front;
mod store;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

pub(super) use self::delivery::DeliveryTask;
use self::store::{State, Which, Whose};
use super::{
    contact_store::{ContactStore, blocking},
    database::Database,
    peers::Peers,
};
use crate::{
    error::{Error, Reason, Result},
    identity::{Book, files},
    model::{DirectMessage, Endpoint, MessageId, Name, Receipt, Text},
};

/// How long a message is tried. Those who accept one remember it for longer, so that it cannot come
/// twice.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long one attempt may take, while others wait: what is remembered of a peer, the hub, and what
/// that says, all of them silent.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(40);

/// How long somebody who wants to deliver now waits for another process that does.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two looks whether it is one's turn.
const TURN_PAUSE: Duration = Duration::from_millis(50);

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its id, under which it is delivered.
    pub id: MessageId,
    /// Who is to have it.
    pub peer: Name,
    /// What it says.
    pub text: Text,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not delivered the last time; harmless to a terminal.
    pub last_error: Option<String>,
    /// Whether it was refused for good: it is tried again when a person says so.
    pub refused: bool,
}

/// The outbox of one name at one hub. Clones are one.
#[derive(Clone)]
pub(super) struct Outbox(Arc<Inner>);

struct Inner {
    database: Database,
    path: PathBuf,
    people: ContactStore,
    me: Name,
    wake: Notify,
    /// Whether a person wants everything to be tried again.
    asked: AtomicBool,
}

/// What came of one message.
#[derive(Debug)]
pub struct Attempt {
    /// The message, as it was before.
    pub queued: Queued,
    /// Its receipt, or why there is none.
    pub result: Result<Receipt>,
    /// Where the peer was reached, if they have it.
    pub endpoint: Option<Endpoint>,
    /// Whether it is not tried again by itself.
    pub refused: bool,
    /// Whether the peer's messages behind it wait for it.
    pub holds_up: bool,
}

impl Outbox {
    /// Opens the file. Waits for the disk: not for async tasks.
    pub(super) fn open(path: &Path, people: ContactStore, me: Name) -> Result<Self> {
        let database = Database::open(path, store::PLAN)?;
        let (path, asked) = (path.to_owned(), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { database, path, people, me, wake: Notify::new(), asked })))
    }

    /// Whose messages it is about: the hub's, wherever the book says that it is, and this name's.
    fn whose(&self, book: &Book) -> Whose {
        Whose { hubs: self.0.people.places(book), sender: self.0.me.to_string() }
    }

    async fn list(&self) -> Result<Vec<(Queued, State)>> {
        let whose = self.whose(&*self.0.people.book().await?);
        self.0.database.with(move |file| store::list(file, &whose)).await
    }

    async fn queue(&self, peer: &Name, message: DirectMessage) -> Result<Queued> {
        let queued = Queued {
            id: message.id,
            peer: peer.clone(),
            text: message.text,
            queued_at: store::to_micros(message.sent_at.unwrap_or_else(Timestamp::now)),
            attempts: 0,
            last_error: None,
            refused: false,
        };
        let (hub, sender) = (self.0.people.hub().to_string(), self.0.me.to_string());
        let row = queued.clone();
        self.0.database.with(move |file| store::add(file, &hub, &sender, &row)).await??;
        self.0.wake.notify_one();
        Ok(queued)
    }

    async fn queued(&self) -> Result<Vec<Queued>> {
        Ok(self.list().await?.into_iter().map(|(queued, _)| queued).collect())
    }

    async fn drop(&self, id: MessageId) -> Result<()> {
        match self.remove(id).await? {
            true => Ok(()),
            false => Err(Error::invalid("id", format!("{id} is not in the outbox"))),
        }
    }

    async fn remove(&self, id: MessageId) -> Result<bool> {
        let whose = self.whose(&*self.0.people.book().await?);
        self.0.database.with(move |file| store::remove(file, &whose, id)).await
    }

    /// A message as it is now, if it is still there.
    async fn find(&self, id: MessageId) -> Result<Option<(Queued, State)>> {
        let whose = self.whose(&*self.0.people.book().await?);
        self.0.database.with(move |file| store::find(file, &whose, id)).await
    }

    async fn receipt(&self, id: MessageId) -> Result<Option<Receipt>> {
        self.0.database.with(move |file| store::receipt(file, id)).await
    }

    /// Has what was refused for good, of a peer or of all, tried again.
    async fn revive(&self, peer: Option<&Name>, which: Which) -> Result<()> {
        let whose = self.whose(&*self.0.people.book().await?);
        let peer = peer.map(Name::to_string);
        self.0.database.with(move |file| store::revive(file, &whose, peer.as_deref(), which)).await
    }

    /// Holds the right to deliver until the result is dropped; `None`: another process has it.
    async fn turn(&self) -> Result<Option<std::fs::File>> {
        let path = self.0.path.clone();
        blocking(move || files::try_lock(&path)).await
    }

    /// Delivers a peer's messages in their order, up to the first that cannot be now. `None`:
    /// another process is delivering. `again`: also what was refused.
    async fn pass(&self, peer: &Name, peers: &Peers, again: bool) -> Result<Option<Vec<Attempt>>> {
        let Some(_turn) = self.turn().await? else { return Ok(None) };
        if again {
            // Within the turn: the courier may have been refused in this moment.
            self.revive(Some(peer), Which::All).await?;
        }
        let mut attempts = Vec::new();
        for (listed, _) in self.list().await?.into_iter().filter(|(one, _)| one.peer == *peer) {
            // An attempt takes a while, in which a person may have dropped those behind it.
            let Some((queued, state)) = self.find(listed.id).await? else { continue };
            match state {
                State::Waits => {}
                State::Refused => break,
                State::GivenUp => continue,
            }
            let (result, endpoint) = self.attempt(&queued, peers).await.map_or_else(
                |error| (Err(error), None),
                |(receipt, endpoint)| (Ok(receipt), Some(endpoint)),
            );
            let state = match &result {
                Ok(receipt) => {
                    let (id, receipt) = (queued.id, receipt.clone());
                    self.0.database.with(move |file| store::delivered(file, id, &receipt)).await?;
                    State::Waits
                }
                Err(Error::Stopped) => break,
                Err(error) => {
                    let state = fate(error);
                    self.note(queued.id, state, error).await?;
                    state
                }
            };
            let holds_up = result.is_err() && state != State::GivenUp;
            let refused = state != State::Waits;
            attempts.push(Attempt { queued, result, endpoint, refused, holds_up });
            if holds_up {
                break;
            }
        }
        Ok(Some(attempts))
    }

    async fn attempt(&self, queued: &Queued, peers: &Peers) -> Result<(Receipt, Endpoint)> {
        let age = Timestamp::now().duration_since(queued.queued_at);
        if age > MAX_AGE {
            let days = MAX_AGE.as_hours() / 24;
            let problem = format!("not delivered in {days} days, and not tried any more");
            return Err(Error::invalid("message", problem));
        }
        let message = DirectMessage {
            id: queued.id,
            sender: self.0.me.clone(),
            sent_at: Some(queued.queued_at),
            text: queued.text.clone(),
        };
        let sent = peers.send_kept(&queued.peer, &message);
        match tokio::time::timeout(ATTEMPT_TIMEOUT, sent).await {
            Ok(sent) => sent,
            Err(_) => {
                let cause = format!("no answer in {} s", ATTEMPT_TIMEOUT.as_secs());
                Err(Error::PeerUnreachable { peer: queued.peer.to_string(), cause })
            }
        }
    }

    async fn note(&self, id: MessageId, state: State, error: &Error) -> Result<()> {
        let problem = problem(error);
        self.0.database.with(move |file| store::note(file, id, state, &problem)).await
    }
}

/// An error as it is kept with the message.
fn problem(error: &Error) -> String {
    crate::text::one_line(&error.to_string()).into_owned()
}

/// What an error means for a message.
fn fate(error: &Error) -> State {
    match error {
        Error::KeyChanged { .. } | Error::Blocked(_) | Error::Keyless => State::Refused,
        Error::Invalid(_) => State::GivenUp,
        Error::Refused(refusal) => match refusal.reason {
            // It cannot ask its hub about the sender now: not its last word.
            Reason::CallerRefused if refusal.retry_after.is_some() => State::Waits,
            Reason::CallerRefused | Reason::CallerKeyChanged => State::Refused,
            Reason::MessageIdReused => State::GivenUp,
            _ if refusal.code == tonic::Code::InvalidArgument => State::GivenUp,
            _ => State::Waits,
        },
        _ => State::Waits,
    }
}

/// Whether an error is one that passes by waiting.
pub(super) fn passes(error: &Error) -> bool {
    !matches!(error, Error::Stopped | Error::Io(_)) && fate(error) == State::Waits
}

#[cfg(test)]
mod tests;
