//! The task that delivers the messages of the outbox.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Attempt, Outbox, POLL, problem,
    store::{self, DeliveryState},
};
use crate::{
    backoff::Backoff,
    client::error::{Error, Result},
    client::{
        event::Event,
        inbox::Inbox,
        peers::Peers,
        retry,
        watch_peers::{PeerChange, PeerWatcher},
    },
    identity::ContactBook,
    model::{MessageId, Name},
};

/// The pauses between attempts for a peer that is not known to be online: short at first, for one who
/// is away for a moment, and long in the end, for one who is on holiday.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// The pause if another process delivers, or has delivered.
const BUSY: Duration = Duration::from_millis(250);

/// The pause if the file cannot be used.
const BROKEN: Duration = Duration::from_secs(5);

pub(in crate::client) struct DeliveryTask {
    queue: DeliveryQueue,
    watcher: PeerWatcher,
    stop: CancellationToken,
}

/// What is to be delivered.
struct DeliveryQueue {
    outbox: Outbox,
    peers: Arc<Peers>,
    inbox: Inbox,
    /// The peers with waiting messages, and when each is tried.
    due: HashMap<Name, DuePeer>,
    /// The state of the files that was seen last.
    version: Option<i64>,
    book: Arc<ContactBook>,
    /// The messages that were refused by then, with their attempts.
    refused: HashMap<MessageId, u32>,
    /// When the latest of the messages was queued that are too old to be tried.
    expired: Option<Timestamp>,
}

struct DuePeer {
    at: Instant,
    pauses: Backoff,
    /// Whether the hub has listed the peer as online. Those come first: others may take long.
    online: bool,
    /// Whether the peer has asked to wait so long.
    asked: bool,
}

impl DuePeer {
    fn now() -> Self {
        Self { at: Instant::now(), pauses: PAUSES, online: false, asked: false }
    }
}

impl DeliveryTask {
    pub(in crate::client) fn new(
        outbox: Outbox,
        peers: Arc<Peers>,
        inbox: Inbox,
        watcher: PeerWatcher,
        stop: CancellationToken,
    ) -> Self {
        let (due, refused) = (HashMap::new(), HashMap::new());
        // Not the book as it is now: it may have changed while no client ran, so every refused peer
        // is tried once.
        let book = Arc::new(ContactBook::default());
        let (version, expired) = (None, None);
        let queue = DeliveryQueue { outbox, peers, inbox, due, version, book, refused, expired };
        Self { queue, watcher, stop }
    }

    /// Delivers until the client stops.
    pub(in crate::client) async fn run(self) {
        let Self { mut queue, mut watcher, stop } = self;
        let deliver = async {
            loop {
                queue.deliver_until_change(&mut watcher).await;
            }
        };
        stop.run_until_cancelled(deliver).await;
    }
}

impl DeliveryQueue {
    /// Delivers until the list of peers changes. The list is watched while messages wait.
    async fn deliver_until_change(&mut self, watcher: &mut PeerWatcher) {
        let outbox = self.outbox.clone();
        let change = watcher.next();
        tokio::pin!(change);
        loop {
            let until = self.work().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot deliver the outbox");
                Instant::now() + BROKEN
            });
            tokio::select! {
                biased;
                change = &mut change, if !self.due.is_empty() => {
                    return change.iter().for_each(|change| self.on_change(change));
                }
                () = outbox.0.wake.notified() => {
                    let now = Instant::now();
                    self.due.retain(|_, due| due.asked && due.at > now);
                    self.version = None;
                }
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Tries one peer, if one is due, and returns when to go on.
    async fn work(&mut self) -> Result<Instant> {
        if self.outbox.0.retry_requested.swap(false, Ordering::AcqRel) {
            self.outbox.reset(None, DeliveryState::Expired).await?;
            self.version = None;
        }
        self.refresh().await?;
        let now = Instant::now();
        let next = self.due.iter().min_by_key(|(_, due)| (!due.online, due.at));
        match next.map(|(peer, due)| (peer.clone(), due.at)) {
            None => Ok(now + POLL),
            Some((_, at)) if at > now => Ok(at.min(now + POLL)),
            Some((peer, _)) => self.deliver(&peer).await.map(|()| now),
        }
    }

    /// Reads the files again if they have changed: new peers and changed contacts come at once.
    async fn refresh(&mut self) -> Result<()> {
        let version = self.outbox.0.database.with(store::version).await?;
        // The clock was ahead and is not any more.
        if self.expired.is_some_and(|queued_at| queued_at >= self.outbox.oldest()) {
            self.version = None;
        }
        let book = self.outbox.0.contacts.book().await?;
        let seen = std::mem::replace(&mut self.book, book.clone());
        let changed = !Arc::ptr_eq(&seen, &book);
        if self.version.replace(version) != Some(version) || changed {
            self.reconsider(changed.then_some(&*seen), &book).await?;
            self.list().await?;
        }
        Ok(())
    }

    /// Has refused peers tried again whose contact differs from the book that was `seen`. If the book
    /// has changed, those that were refused since are tried in any case: it may have differed in
    /// between.
    async fn reconsider(&mut self, seen: Option<&ContactBook>, book: &ContactBook) -> Result<()> {
        let hub = self.outbox.0.contacts.hub().clone();
        let trust_of = |book: &ContactBook, peer: &Name| {
            book.contact(&hub, peer).map(|one| (one.key, one.refused_key, one.blocked))
        };
        let (mut refused, mut again) = (HashMap::new(), HashSet::new());
        for (queued, _) in self.outbox.list().await? {
            if !queued.refused {
                continue;
            }
            let was_refused = self.refused.get(&queued.id) == Some(&queued.attempts);
            refused.insert(queued.id, queued.attempts);
            if let Some(seen) = seen
                && (!was_refused || trust_of(seen, &queued.peer) != trust_of(book, &queued.peer))
            {
                again.insert(queued.peer);
            }
        }
        self.refused = refused;
        for peer in again {
            self.outbox.reset(Some(&peer), DeliveryState::Refused).await?;
        }
        Ok(())
    }

    /// Finds the peers with waiting messages.
    async fn list(&mut self) -> Result<()> {
        let mut waiting: HashMap<Name, bool> = HashMap::new();
        self.expired = None;
        for (queued, state) in self.outbox.list().await? {
            if state == DeliveryState::Expired {
                self.expired = self.expired.max(Some(queued.queued_at));
            }
            if state.holds_up() {
                // The first one decides, as the others wait for it.
                waiting.entry(queued.peer).or_insert(state == DeliveryState::Waits);
            }
        }
        waiting.retain(|_, waits| *waits);
        self.due.retain(|peer, _| waiting.contains_key(peer));
        for peer in waiting.into_keys() {
            self.due.entry(peer).or_insert_with(DuePeer::now);
        }
        Ok(())
    }

    /// Has a peer tried at once that came online.
    fn on_change(&mut self, change: &PeerChange) {
        if let PeerChange::Updated(peer) = change
            && let Some(due) = self.due.get_mut(&peer.name).filter(|due| !due.asked)
        {
            *due = DuePeer { online: true, ..DuePeer::now() };
        }
    }

    async fn deliver(&mut self, peer: &Name) -> Result<()> {
        let passed = self.outbox.pass(peer, &self.peers, false).await?;
        let Some(due) = self.due.get_mut(peer) else { return Ok(()) };
        let Some(attempts) = passed.filter(|attempts| !attempts.is_empty()) else {
            due.at = Instant::now() + BUSY;
            return Ok(());
        };
        let waits = attempts.last().is_some_and(|last| last.result.is_err() && !last.refused);
        match waits {
            true => {
                let asked = attempts.last().and_then(|last| match &last.result {
                    Err(Error::Refused(refusal)) => retry::pause(refusal),
                    _ => None,
                });
                let pause = due.pauses.next_delay().max(asked.unwrap_or_default());
                (due.at, due.online) = (Instant::now() + pause, false);
                due.asked = asked.is_some();
            }
            false => drop(self.due.remove(peer)),
        }
        for attempt in attempts {
            if attempt.refused {
                // Has the file read again.
                self.version = None;
            }
            self.report(attempt);
        }
        self.list().await
    }

    fn report(&self, attempt: Attempt) {
        let Attempt { queued, result, endpoint, refused, holds_up } = attempt;
        let (id, peer) = (queued.id, queued.peer);
        let event = match result {
            Ok(receipt) => Event::QueuedDelivered { id, receipt, endpoint },
            // Otherwise it is tried again, or was reported before.
            Err(error) if refused && queued.last_error != Some(problem(&error)) => {
                Event::QueuedFailed { id, peer, error, holds_up }
            }
            Err(_) => return,
        };
        self.inbox.hint(event);
    }
}
