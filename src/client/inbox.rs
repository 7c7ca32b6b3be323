//! Incoming direct messages.
//!
//! A receipt says that this client holds the message, so it is made only after the message has its
//! place in a bounded queue. A message that is repeated gets its first receipt again and is not
//! shown twice, as long as it is among the last [`REMEMBERED`].
//!
//! A durable message, which its sender keeps until it has a receipt, is also written to a file
//! before the receipt ([`durable`]), so that the same holds across restarts.
//!
//! Accepted messages are handed out even after the client was stopped; only dropping the events
//! loses them.

mod durable;

use std::{collections::hash_map::RandomState, hash::BuildHasher, num::NonZeroUsize, sync::Arc};

use jiff::Timestamp;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};

use self::durable::Recorded;
pub(super) use self::durable::{DurableInbox, PLAN};
use super::{
    direct_history::DirectHistory, event::Event, message_rates::MessageRates, own_name::OwnName,
    received::Direct,
};
use crate::{
    client::error::Error,
    error::{RequestError, Result},
    model::{DirectMessage, MessageId, Name, Receipt},
};

/// Direct messages that wait to be read: more than anybody types in a while, 4 MiB at the worst.
const INBOX: usize = 256;

/// How many accepted messages are remembered, to recognize those that are repeated within seconds.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The inbox. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Inbox(Arc<InboxInner>);

#[derive(Debug)]
struct InboxInner {
    me: OwnName,
    events: mpsc::Sender<Event>,
    accepted: Mutex<AcceptedMessages>,
    hasher: RandomState,
    durable: Option<DurableInbox>,
    history: DirectHistory,
    rates: MessageRates,
}

#[derive(Debug)]
struct AcceptedMessages {
    recent: LruCache<MessageKey, FirstReceipt>,
    /// How many more are accepted.
    left: u64,
}

/// What identifies a message: ids are the senders' own.
type MessageKey = (Name, MessageId);

#[derive(Debug, Clone, Copy)]
struct FirstReceipt {
    text_hash: u64,
    at: Timestamp,
}

/// Room for a message, or the receipt that it got before.
enum Reservation<P> {
    Room(P),
    Duplicate(Receipt),
}

impl Inbox {
    /// Returns the inbox of `me` and the queue of its events. It accepts `limit` messages in all,
    /// writes durable ones to `durable`, and keeps all in `history`.
    pub(super) fn new(
        me: impl Into<OwnName>,
        limit: Option<u64>,
        durable: Option<DurableInbox>,
        history: DirectHistory,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (me, (events, messages)) = (me.into(), mpsc::channel(INBOX));
        let recent = LruCache::new(REMEMBERED);
        let accepted = Mutex::new(AcceptedMessages { recent, left: limit.unwrap_or(u64::MAX) });
        let hasher = RandomState::new();
        let rates = MessageRates::default();
        let inner = InboxInner { me, events, accepted, hasher, durable, history, rates };
        (Self(Arc::new(inner)), messages)
    }

    /// Hands out the durable messages that earlier runs accepted and did not show.
    pub(super) async fn hand_out_unshown(&self) -> Result<(), Error> {
        let Some(durable) = &self.0.durable else { return Ok(()) };
        for direct in durable.unshown().await? {
            // The rest comes out after the next start.
            let Ok(room) = self.0.events.try_reserve() else { break };
            let mut accepted = self.0.accepted.lock();
            let Some(left) = accepted.left.checked_sub(1) else { break };
            accepted.left = left;
            room.send(Event::Direct(direct));
        }
        Ok(())
    }

    pub(super) fn history(&self) -> &DirectHistory {
        &self.0.history
    }

    pub(super) fn owner(&self) -> &OwnName {
        &self.0.me
    }

    /// Checks that a sender means this client; an empty name stands for whoever listens here.
    pub(super) fn check_receiver(&self, field: &str, receiver: &str) -> Result<()> {
        if receiver.is_empty() {
            return Ok(());
        }
        match crate::wire::name(field, receiver)? {
            receiver if self.0.me.is(&receiver) => Ok(()),
            receiver => Err(RequestError::WrongReceiver(receiver)),
        }
    }

    /// Accepts a message into the events of the client, and keeps it in the history. A `durable` one
    /// is on the disk before there is a receipt. Not cancel safe.
    pub(super) async fn accept(&self, direct: Direct, durable: bool) -> Result<Receipt> {
        self.keep(direct.clone(), self.accept_unkept(direct, durable)).await
    }

    /// Accepts a message into another queue, as `event`, and keeps it in the history.
    pub(super) async fn accept_into<T>(
        &self,
        queue: &mpsc::Sender<T>,
        direct: Direct,
        event: impl FnOnce(Direct) -> T,
    ) -> Result<Receipt> {
        self.keep(direct.clone(), async { self.put(queue, direct, event) }).await
    }

    /// Keeps a message in the history once it is `accepted`, unless it was before. Waits first until
    /// the history has room.
    async fn keep(
        &self,
        direct: Direct,
        accepted: impl Future<Output = Result<Receipt>>,
    ) -> Result<Receipt> {
        self.0.rates.check(&direct)?;
        let permit = self.0.history.reserve().await;
        let receipt = accepted.await?;
        if let Some(permit) = permit.filter(|_| !receipt.duplicate) {
            self.0.history.record_received(permit, &direct).await;
        }
        Ok(receipt)
    }

    async fn accept_unkept(&self, direct: Direct, durable: bool) -> Result<Receipt> {
        let Some(file) = self.0.durable.as_ref().filter(|_| durable) else {
            return self.put(&self.0.events, direct, Event::Direct);
        };
        let (key, text_hash) = self.identify(&direct.message);
        let (id, receiver, now) = (key.1, self.0.me.get(), Timestamp::now());
        let events = self.0.events.clone();
        let room = match self.0.accepted.lock().reserve(&key, text_hash, &receiver, || {
            events.try_reserve_owned().map_err(|problem| refusal(&problem))
        })? {
            Reservation::Room(room) => room,
            Reservation::Duplicate(first) => return Ok(first),
        };
        let recorded = file.record(&direct, now).await;
        let mut accepted = self.0.accepted.lock();
        if !matches!(recorded, Ok(Recorded::New)) {
            accepted.left = accepted.left.saturating_add(1);
        }
        match recorded? {
            Recorded::New => {
                accepted.recent.put(key, FirstReceipt { text_hash, at: now });
                room.send(Event::Direct(direct));
                Ok(Receipt { id, receiver, accepted_at: now, duplicate: false })
            }
            Recorded::Before(at) => Ok(Receipt { id, receiver, accepted_at: at, duplicate: true }),
            Recorded::Reused => Err(RequestError::MessageIdReused(id)),
        }
    }

    fn put<T>(
        &self,
        queue: &mpsc::Sender<T>,
        direct: Direct,
        event: impl FnOnce(Direct) -> T,
    ) -> Result<Receipt> {
        let (key, text_hash) = self.identify(&direct.message);
        let (id, receiver, now) = (key.1, self.0.me.get(), Timestamp::now());
        // Held to the end: a message that comes twice at once is accepted once.
        let mut accepted = self.0.accepted.lock();
        match accepted.reserve(&key, text_hash, &receiver, || {
            queue.try_reserve().map_err(|problem| refusal(&problem))
        })? {
            Reservation::Room(room) => room.send(event(direct)),
            Reservation::Duplicate(first) => return Ok(first),
        }
        accepted.recent.put(key, FirstReceipt { text_hash, at: now });
        Ok(Receipt { id, receiver, accepted_at: now, duplicate: false })
    }

    fn identify(&self, message: &DirectMessage) -> (MessageKey, u64) {
        let text_hash = self.0.hasher.hash_one(message.text.as_str());
        ((message.sender.clone(), message.id), text_hash)
    }

    /// Returns true if a message would be refused because too many are unread.
    pub(super) fn is_full(&self) -> bool {
        is_full(&self.0.events)
    }

    /// Waits until there may be room for a message.
    pub(super) async fn has_room(&self) {
        has_room(&self.0.events).await;
    }

    /// Passes on an event that may be left out, and returns whether it did. Such events never take
    /// more than half of the queue, which messages need.
    pub(super) fn hint(&self, event: Event) -> bool {
        // Full and closed alike: it may be left out.
        self.0.events.capacity() > INBOX / 2 && self.0.events.try_send(event).is_ok()
    }
}

impl AcceptedMessages {
    /// Counts a message and reserves room for it, unless it was accepted before.
    fn reserve<P>(
        &mut self,
        key: &MessageKey,
        text_hash: u64,
        receiver: &Name,
        room: impl FnOnce() -> Result<P>,
    ) -> Result<Reservation<P>> {
        let id = key.1;
        match self.recent.get(key) {
            Some(first) if first.text_hash != text_hash => Err(RequestError::MessageIdReused(id)),
            Some(first) => {
                let (receiver, accepted_at) = (receiver.clone(), first.at);
                let receipt = Receipt { id, receiver, accepted_at, duplicate: true };
                Ok(Reservation::Duplicate(receipt))
            }
            None => {
                let left = self.left.checked_sub(1).ok_or(RequestError::ShuttingDown)?;
                let room = room()?;
                self.left = left;
                Ok(Reservation::Room(room))
            }
        }
    }
}

/// Returns the refusal of a message that there is no room for.
fn refusal<T>(problem: &TrySendError<T>) -> RequestError {
    match problem {
        TrySendError::Full(_) => RequestError::InboxFull,
        TrySendError::Closed(_) => RequestError::ShuttingDown,
    }
}

/// Returns true if a queue that is still read is full.
pub(super) fn is_full<T>(queue: &mpsc::Sender<T>) -> bool {
    queue.capacity() == 0 && !queue.is_closed()
}

/// Waits until a queue may have room, or is not read any more.
pub(super) async fn has_room<T>(queue: &mpsc::Sender<T>) {
    let _ = queue.reserve().await;
}
