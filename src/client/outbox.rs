//! Durable messages: kept on the sender's disk until the peer has confirmed them.
//!
//! 1. [`Client::send`](super::Client::send) with `durable()` writes the message to the outbox, a
//!    file, under its final id.
//! 2. The delivery task ([`delivery`]) of every client that takes direct messages itself tries to
//!    deliver it: at once when the hub lists the peer as online, otherwise less and less often, at
//!    the endpoints in the contact book, so that it works without a hub. The messages of a peer are
//!    delivered one after the other, in the order in which they were queued.
//! 3. A message leaves the outbox when its receipt arrives. If the receipt was lost the message is
//!    sent again under the same id. The peer, who has recorded it (`SendRequest.kept`), answers with
//!    the first receipt.
//!    What is not delivered in 14 days is not tried any more, unless the clock goes back.
//! 4. A message that the peer refuses or the contact book forbids stays, and holds up those behind
//!    it, until a person has it tried again or changes the contact book.
//!
//! Several processes of one person share the file. One of them delivers at a time: it holds the lock
//! beside the file during one pass over a peer's messages, and the lock ends with the process.
//! Messages belong to a hub, as contacts do, and to the name that they were queued under.

mod api;
mod delivery;
mod store;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, broadcast};

pub use self::api::DeliveryError;
pub(super) use self::delivery::DeliveryTask;
use self::store::{DeliveryState, OutboxOwner, OutboxRow};
use super::{
    blocking::blocking, contact_store::ContactStore, database::Database,
    direct_history::DirectHistory, peers::Peers, wall_clock::WallClock,
};
use crate::{
    client::error::{Error, Result},
    error::Reason,
    identity::{ContactBook, files},
    model::{DirectMessage, Endpoint, MessageId, Name, Receipt, Text},
};

/// How long a message is tried. Receivers remember it for longer, so that it cannot come twice.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long one attempt may take while others wait: the remembered endpoints, the hub, and the
/// endpoints that it lists may all be silent.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(40);

/// How long to wait for another process that is delivering.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often to check whether another process or a person has changed the files.
const POLL: Duration = Duration::from_secs(1);

/// Failed attempts that wait for [`super::Client::wait_delivered`]. It polls the file as well.
const ATTEMPTS: usize = 64;

/// The pause between two attempts to get the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queued {
    /// The id.
    pub id: MessageId,
    /// The receiver.
    pub peer: Name,
    /// The text.
    pub text: Text,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// The number of failed attempts.
    pub attempts: u32,
    /// Why the last attempt failed; safe to print on a terminal.
    pub last_error: Option<String>,
    /// Whether it was refused, and is tried again only on request.
    pub refused: bool,
}

/// The outbox of one name at one hub. Clones share it.
#[derive(Clone)]
pub(super) struct Outbox(Arc<OutboxInner>);

struct OutboxInner {
    database: Database,
    path: PathBuf,
    contacts: ContactStore,
    clock: WallClock,
    history: DirectHistory,
    wake: Notify,
    /// Whether everything is to be tried again on request.
    retry_requested: AtomicBool,
    /// Tells [`super::Client::wait_delivered`] of messages that were refused.
    attempts: broadcast::Sender<FailedAttempt>,
}

/// An attempt to deliver a message.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The message, as it was before.
    pub queued: Queued,
    /// Its receipt, or why the attempt failed.
    pub result: Result<Receipt>,
    /// Where the peer was reached, if the message was delivered.
    pub endpoint: Option<Endpoint>,
    /// Whether it is tried again only on request.
    pub refused: bool,
    /// Whether later messages for the same peer wait for it.
    pub holds_up: bool,
}

#[derive(Debug, Clone)]
struct FailedAttempt {
    id: MessageId,
    peer: Name,
    error: Error,
    holds_up: bool,
}

impl Outbox {
    /// Opens the file. Blocks on the disk.
    pub(super) fn open(
        path: &Path,
        contacts: ContactStore,
        clock: WallClock,
        history: DirectHistory,
    ) -> Result<Self> {
        let database = Database::open(path, store::PLAN)?;
        let (wake, retry_requested) = (Notify::new(), AtomicBool::new(false));
        Ok(Self(Arc::new(OutboxInner {
            database,
            path: path.to_owned(),
            contacts,
            clock,
            history,
            wake,
            retry_requested,
            attempts: broadcast::channel(ATTEMPTS).0,
        })))
    }

    /// Returns true if the file can only be read, so that nothing may be delivered.
    pub(super) fn is_read_only(&self) -> bool {
        self.0.database.is_read_only()
    }

    /// Returns whose messages count: those at this hub, under any of its endpoints, by this name.
    fn owner(&self, book: &ContactBook) -> OutboxOwner {
        OutboxOwner {
            hubs: book.hub_endpoints(self.0.contacts.hub()),
            sender: self.0.contacts.me().to_string(),
        }
    }

    /// Returns when the oldest messages were queued that are still tried.
    fn oldest(&self) -> Timestamp {
        self.0.clock.now().checked_sub(MAX_AGE).unwrap_or(Timestamp::MIN)
    }

    /// Gives this client's messages its present name, after it had another.
    pub(super) async fn rename_from(&self, former: &Name) -> Result<()> {
        let now = self.owner(&*self.0.contacts.book().await?);
        let former = former.to_string();
        self.0.database.with(move |file| store::rename(file, &former, &now)).await?;
        self.0.wake.notify_one();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<OutboxRow>> {
        let (owner, oldest) = (self.owner(&*self.0.contacts.book().await?), self.oldest());
        self.0.database.with(move |file| store::list(file, &owner, oldest)).await
    }

    pub(super) async fn queue(&self, peer: &Name, message: DirectMessage) -> Result<Queued> {
        let queued = Queued {
            id: message.id,
            peer: peer.clone(),
            text: message.text,
            queued_at: store::to_micros(message.sent_at.unwrap_or_else(|| self.0.clock.now())),
            attempts: 0,
            last_error: None,
            refused: false,
        };
        let (hub, sender) = (self.0.contacts.hub().to_string(), self.0.contacts.me().to_string());
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

    /// Removes all messages for a peer, of all names that their owner has or had at this hub, and
    /// returns how many there were.
    pub(super) async fn drop_all(&self, peer: &Name) -> Result<u64> {
        let hubs = self.owner(&*self.0.contacts.book().await?).hubs;
        let peer = peer.to_string();
        self.0.database.with(move |file| store::remove_all(file, &hubs, &peer)).await
    }

    async fn remove(&self, id: MessageId) -> Result<bool> {
        let owner = self.owner(&*self.0.contacts.book().await?);
        self.0.database.with(move |file| store::remove(file, &owner, id)).await
    }

    /// Returns a message as it is now, if it is still there.
    async fn find(&self, id: MessageId) -> Result<Option<OutboxRow>> {
        let (owner, oldest) = (self.owner(&*self.0.contacts.book().await?), self.oldest());
        self.0.database.with(move |file| store::find(file, &owner, id, oldest)).await
    }

    async fn receipt(&self, id: MessageId) -> Result<Option<Receipt>> {
        self.0.database.with(move |file| store::receipt(file, id)).await
    }

    /// Has refused messages, of a peer or of all, tried again; see [`store::reset`].
    async fn reset(&self, peer: Option<&Name>, last: DeliveryState) -> Result<()> {
        let owner = self.owner(&*self.0.contacts.book().await?);
        let peer = peer.map(Name::to_string);
        self.0.database.with(move |file| store::reset(file, &owner, peer.as_deref(), last)).await
    }

    /// Returns the lock to deliver, held until it is dropped; `None` if another process has it.
    async fn try_lock(&self) -> Result<Option<files::FileLock>> {
        let path = self.0.path.clone();
        blocking(move || files::try_lock(&path)).await
    }

    /// Delivers a peer's messages in order, up to the first that cannot be delivered now. With
    /// `refused`, also those that were refused before. `None` if another process is delivering.
    async fn pass(
        &self,
        peer: &Name,
        peers: &Peers,
        refused: bool,
    ) -> Result<Option<Vec<Attempt>>> {
        let Some(_lock) = self.try_lock().await? else { return Ok(None) };
        if refused {
            // Under the lock: the delivery task may just have been refused.
            self.reset(Some(peer), DeliveryState::Expired).await?;
        }
        let mut attempts = Vec::new();
        for (listed, _) in self.list().await?.into_iter().filter(|(one, _)| one.peer == *peer) {
            // An attempt takes a while, in which a person may have dropped the later ones.
            let Some((queued, state)) = self.find(listed.id).await? else { continue };
            match state {
                DeliveryState::Waits => {}
                DeliveryState::Refused => break,
                DeliveryState::GivenUp | DeliveryState::Expired => continue,
            }
            let expired = queued.queued_at < self.oldest();
            let attempted = match expired {
                true => Err(too_old()),
                false => self.attempt(&queued, peers).await,
            };
            let (result, endpoint) = attempted.map_or_else(
                |error| (Err(error), None),
                |(receipt, endpoint)| (Ok(receipt), Some(endpoint)),
            );
            let state = match &result {
                Ok(receipt) => {
                    // Before it leaves the outbox: a crash in between repeats both.
                    self.0.history.record_sent(&queued.peer, self.message(&queued), true).await;
                    let (id, receipt) = (queued.id, receipt.clone());
                    self.0.database.with(move |file| store::delivered(file, id, &receipt)).await?;
                    DeliveryState::Waits
                }
                Err(Error::Stopped) => break,
                Err(error) => {
                    let state = if expired { DeliveryState::Expired } else { state_after(error) };
                    self.record_failure(queued.id, state, error).await?;
                    state
                }
            };
            let holds_up = result.is_err() && state.holds_up();
            let refused = state != DeliveryState::Waits;
            if let (Err(error), true) = (&result, refused) {
                let (id, peer, error) = (queued.id, queued.peer.clone(), error.clone());
                // Nobody may be waiting.
                let _ = self.0.attempts.send(FailedAttempt { id, peer, error, holds_up });
            }
            attempts.push(Attempt { queued, result, endpoint, refused, holds_up });
            if holds_up {
                break;
            }
        }
        Ok(Some(attempts))
    }

    fn message(&self, queued: &Queued) -> DirectMessage {
        let (id, text, sent_at) = (queued.id, queued.text.clone(), Some(queued.queued_at));
        DirectMessage { id, sender: self.0.contacts.me(), sent_at, text }
    }

    async fn attempt(&self, queued: &Queued, peers: &Peers) -> Result<(Receipt, Endpoint)> {
        let message = self.message(queued);
        let sent = peers.send(&queued.peer, &message, true);
        match tokio::time::timeout(ATTEMPT_TIMEOUT, sent).await {
            Ok(sent) => sent,
            Err(_) => {
                let cause = format!("no answer in {} s", ATTEMPT_TIMEOUT.as_secs());
                Err(Error::PeerUnreachable { peer: queued.peer.to_string(), cause })
            }
        }
    }

    async fn record_failure(
        &self,
        id: MessageId,
        state: DeliveryState,
        error: &Error,
    ) -> Result<()> {
        let problem = problem(error);
        self.0.database.with(move |file| store::record_failure(file, id, state, &problem)).await
    }
}

fn too_old() -> Error {
    let days = MAX_AGE.as_hours() / 24;
    Error::invalid("message", format!("not delivered in {days} days, and not tried any more"))
}

/// Returns an error as it is kept with the message.
fn problem(error: &Error) -> String {
    crate::text::one_line(&error.to_string()).into_owned()
}

fn state_after(error: &Error) -> DeliveryState {
    match error {
        Error::KeyChanged { .. } | Error::Blocked(_) | Error::Keyless => DeliveryState::Refused,
        Error::Invalid(_) => DeliveryState::GivenUp,
        Error::Refused(refusal) => match refusal.reason {
            // It cannot ask its hub about the sender now, and may accept later.
            Reason::CallerRefused if refusal.retry_after.is_some() => DeliveryState::Waits,
            Reason::CallerRefused | Reason::CallerKeyChanged => DeliveryState::Refused,
            Reason::MessageIdReused => DeliveryState::GivenUp,
            _ if refusal.code == tonic::Code::InvalidArgument => DeliveryState::GivenUp,
            _ => DeliveryState::Waits,
        },
        _ => DeliveryState::Waits,
    }
}

/// Returns true if another attempt may succeed after an error.
pub(super) fn is_transient(error: &Error) -> bool {
    !matches!(error, Error::Stopped | Error::Io(_)) && state_after(error) == DeliveryState::Waits
}

#[cfg(test)]
mod tests;
