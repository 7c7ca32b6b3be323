//! Incoming private messages: accepted, or refused honestly.
//!
//! A receipt says that this client holds the message, so it is made only after the message has its
//! place in a bounded queue. The same message again gets the first receipt again and is not shown
//! twice, as long as it is among the last ones.
//!
//! A message that its sender keeps is noted on disk before its receipt (`kept`), so that the same
//! holds across restarts.
//!
//! What has a receipt is handed out, also after the client was stopped; only whoever drops the
//! events drops it.

mod durable;

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::mpsc::{self, error::TrySendError};

pub(super) use self::durable::DurableInbox;
use self::durable::Noted;
use super::{
    events::{Direct, Event, Verification},
    lru::Lru,
};
use crate::{
    error::{Error, Result},
    model::{DirectMessage, MessageId, Name, Receipt},
};

/// Private messages that wait to be read: more than anybody types in a while, 4 MiB at the worst.
const INBOX: usize = 256;

/// How many accepted messages are remembered, to recognize those that come again. Senders repeat a
/// message within seconds.
const REMEMBERED: usize = 4096;

/// The inbox. Clones are one inbox.
#[derive(Debug, Clone)]
pub(super) struct Inbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    me: Name,
    events: mpsc::Sender<Event>,
    taken: Mutex<Taken>,
    hasher: RandomState,
    kept: Option<DurableInbox>,
}

/// What was accepted.
#[derive(Debug)]
struct Taken {
    accepted: Lru<(Name, MessageId), Accepted>,
    /// How many more may be.
    left: u64,
}

#[derive(Debug, Clone, Copy)]
struct Accepted {
    text: u64,
    at: Timestamp,
}

impl Inbox {
    /// The inbox of `me`, which takes `limit` messages in all, and where they come out. `kept` is
    /// where it notes those that their senders keep.
    pub(super) fn new(
        me: Name,
        limit: Option<u64>,
        kept: Option<DurableInbox>,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (events, messages) = mpsc::channel(INBOX);
        let accepted = Lru::new(REMEMBERED);
        let taken = Mutex::new(Taken { accepted, left: limit.unwrap_or(u64::MAX) });
        let hasher = RandomState::new();
        (Self(Arc::new(Inner { me, events, taken, hasher, kept })), messages)
    }

    /// Has what earlier runs had accepted and not shown come out first.
    pub(super) async fn hand_out_unshown(&self) -> Result<()> {
        let Some(kept) = &self.0.kept else { return Ok(()) };
        for direct in kept.unshown().await? {
            // What finds no place comes out after the next start.
            let Ok(place) = self.0.events.try_reserve() else { break };
            if self.take_one().is_err() {
                break;
            }
            place.send(Event::Direct(direct));
        }
        Ok(())
    }

    /// Whose inbox it is.
    pub(super) fn owner(&self) -> &Name {
        &self.0.me
    }

    /// Checks that a sender means this client; an empty name stands for whoever listens here.
    pub(super) fn check_receiver(&self, field: &str, receiver: &str) -> Result<()> {
        if receiver.is_empty() {
            return Ok(());
        }
        match crate::wire::name(field, receiver)? {
            meant if meant == self.0.me => Ok(()),
            meant => Err(Error::WrongReceiver(meant)),
        }
    }

    /// Accepts a message that was sent by itself.
    pub(super) fn accept(
        &self,
        message: DirectMessage,
        standing: Verification,
        from: Option<SocketAddr>,
    ) -> Result<Receipt> {
        let direct = Direct { message, standing, from };
        self.accept_into(&self.0.events, direct, Event::Direct)
    }

    /// Accepts a message that its sender keeps: it is on the disk before there is a receipt. Not to
    /// be given up half-way.
    pub(super) async fn accept_kept(
        &self,
        message: DirectMessage,
        standing: Verification,
        from: Option<SocketAddr>,
    ) -> Result<Receipt> {
        let Some(kept) = &self.0.kept else { return self.accept(message, standing, from) };
        let direct = Direct { message, standing, from };
        let (id, receiver, now) = (direct.message.id, self.0.me.clone(), Timestamp::now());
        let key = (direct.message.sender.clone(), id);
        let text = self.0.hasher.hash_one(direct.message.text.as_str());
        if let Some(first) = self.taken().first(&key, text, &receiver)? {
            return Ok(first);
        }
        let place = self.0.events.clone().try_reserve_owned().map_err(|no| refusal(&no))?;
        self.take_one()?;
        let noted = kept.note(&direct, now).await;
        let mut taken = self.taken();
        if !matches!(noted, Ok(Noted::New)) {
            taken.left = taken.left.saturating_add(1);
        }
        match noted? {
            Noted::New => {
                taken.accepted.insert(key, Accepted { text, at: now });
                place.send(Event::Direct(direct));
                Ok(Receipt { id, receiver, accepted_at: now, duplicate: false })
            }
            Noted::Before(at) => Ok(Receipt { id, receiver, accepted_at: at, duplicate: true }),
            Noted::Reused => Err(Error::MessageIdReused(id)),
        }
    }

    /// Accepts a message into a queue of the caller's.
    pub(super) fn accept_into<T>(
        &self,
        queue: &mpsc::Sender<T>,
        direct: Direct,
        event: impl FnOnce(Direct) -> T,
    ) -> Result<Receipt> {
        let message = &direct.message;
        let (id, now) = (message.id, Timestamp::now());
        let key = (message.sender.clone(), id);
        let text = self.0.hasher.hash_one(message.text.as_str());
        // One message that comes twice at once must be accepted once: held until the end.
        let mut taken = self.taken();
        let receiver = self.0.me.clone();
        if let Some(first) = taken.first(&key, text, &receiver)? {
            return Ok(first);
        }
        let left = taken.left.checked_sub(1).ok_or(Error::ShuttingDown)?;
        let place = queue.try_reserve().map_err(|no| refusal(&no))?;
        place.send(event(direct));
        taken.accepted.insert(key, Accepted { text, at: now });
        taken.left = left;
        Ok(Receipt { id, receiver, accepted_at: now, duplicate: false })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message among those that are wanted.
    fn take_one(&self) -> Result<()> {
        let mut taken = self.taken();
        taken.left = taken.left.checked_sub(1).ok_or(Error::ShuttingDown)?;
        Ok(())
    }

    /// Whether a message would be refused for want of a place.
    pub(super) fn is_full(&self) -> bool {
        is_full(&self.0.events)
    }

    /// Waits until there may be a place.
    pub(super) async fn place(&self) {
        place(&self.0.events).await;
    }

    /// Passes on what may be left out, and tells whether it did. It never takes more than half of
    /// the room, which messages need.
    pub(super) fn hint(&self, event: Event) -> bool {
        // Full and closed alike: it may be left out.
        self.0.events.capacity() > INBOX / 2 && self.0.events.try_send(event).is_ok()
    }
}

impl Taken {
    /// The receipt of a message that was accepted before.
    fn first(
        &mut self,
        key: &(Name, MessageId),
        text: u64,
        receiver: &Name,
    ) -> Result<Option<Receipt>> {
        let id = key.1;
        match self.accepted.get(key) {
            None => Ok(None),
            Some(first) if first.text != text => Err(Error::MessageIdReused(id)),
            Some(first) => {
                let (receiver, accepted_at) = (receiver.clone(), first.at);
                Ok(Some(Receipt { id, receiver, accepted_at, duplicate: true }))
            }
        }
    }
}

/// Why there is no place.
fn refusal<T>(refused: &TrySendError<T>) -> Error {
    match refused {
        TrySendError::Full(_) => Error::InboxFull,
        TrySendError::Closed(_) => Error::ShuttingDown,
    }
}

/// Whether a queue that is still read has no place.
pub(super) fn is_full<T>(queue: &mpsc::Sender<T>) -> bool {
    queue.capacity() == 0 && !queue.is_closed()
}

/// Waits until a queue may have a place, or is not read any more.
pub(super) async fn place<T>(queue: &mpsc::Sender<T>) {
    let _ = queue.reserve().await;
}
