//! The task that delivers what the outbox holds.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Attempt, Outbox, problem,
    store::{self, State, Which},
};
use crate::{
    backoff::Backoff,
    client::{
        events::Event,
        inbox::Inbox,
        peers::Peers,
        watch_peers::{PeerChange, Watch},
    },
    error::Result,
    identity::Book,
    model::{MessageId, Name},
};

/// The pauses between attempts for a peer of whom nothing is heard: soon enough for somebody who was
/// away for a moment, and seldom enough for somebody who is on holiday.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How often it is looked whether other processes, or a person, have changed the files.
const LOOK: Duration = Duration::from_secs(1);

/// The pause where another process delivers, or has delivered.
const BUSY: Duration = Duration::from_millis(250);

/// The pause where the file cannot be used.
const BROKEN: Duration = Duration::from_secs(5);

/// The courier.
pub(in crate::client) struct DeliveryTask {
    rounds: Rounds,
    watch: Watch,
    stop: CancellationToken,
}

/// What the courier has to do.
struct Rounds {
    outbox: Outbox,
    peers: Arc<Peers>,
    inbox: Inbox,
    /// The peers that something waits for, and when each is tried.
    due: HashMap<Name, Due>,
    /// What was seen last of the files.
    version: Option<i64>,
    book: Arc<Book>,
    /// What was refused then, after so many attempts.
    refused: HashMap<MessageId, u32>,
}

struct Due {
    at: Instant,
    pauses: Backoff,
    /// Whether the hub said that they are here. Those come first: an attempt for somebody who is
    /// away may take long.
    here: bool,
}

impl Due {
    fn now() -> Self {
        Self { at: Instant::now(), pauses: PAUSES, here: false }
    }
}

impl DeliveryTask {
    pub(in crate::client) fn new(
        outbox: Outbox,
        peers: Arc<Peers>,
        inbox: Inbox,
        watch: Watch,
        stop: CancellationToken,
    ) -> Self {
        let (due, refused) = (HashMap::new(), HashMap::new());
        // Not what the book says now: it may have changed while nobody looked, so whoever was refused
        // is tried once.
        let book = Arc::new(Book::default());
        let rounds = Rounds { outbox, peers, inbox, due, version: None, book, refused };
        Self { rounds, watch, stop }
    }

    /// Delivers until the client stops.
    pub(in crate::client) async fn run(self) {
        let Self { mut rounds, mut watch, stop } = self;
        let deliver = async {
            loop {
                rounds.until_seen(&mut watch).await;
            }
        };
        stop.run_until_cancelled(deliver).await;
    }
}

impl Rounds {
    /// Delivers what is due until the hub tells something of the list of peers, which is asked for
    /// while somebody is waited for.
    async fn until_seen(&mut self, watch: &mut Watch) {
        let wake = self.outbox.clone();
        let seen = watch.next();
        tokio::pin!(seen);
        loop {
            let until = self.work().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the outbox cannot be delivered");
                Instant::now() + BROKEN
            });
            tokio::select! {
                biased;
                change = &mut seen, if !self.due.is_empty() => {
                    return change.iter().for_each(|change| self.seen(change));
                }
                () = wake.0.wake.notified() => {
                    self.due.clear();
                    self.version = None;
                }
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Tries one peer, where one is due, and returns when to go on.
    async fn work(&mut self) -> Result<Instant> {
        if self.outbox.0.asked.swap(false, Ordering::AcqRel) {
            self.outbox.revive(None, Which::All).await?;
            self.version = None;
        }
        self.look().await?;
        let now = Instant::now();
        let next = self.due.iter().min_by_key(|(_, due)| (!due.here, due.at));
        match next.map(|(peer, due)| (peer.clone(), due.at)) {
            None => Ok(now + LOOK),
            Some((_, at)) if at > now => Ok(at.min(now + LOOK)),
            Some((peer, _)) => self.deliver(&peer).await.map(|()| now),
        }
    }

    /// Looks at the files where they have changed: new peers are tried at once, and those who were
    /// refused where the contact book says something else of them.
    async fn look(&mut self) -> Result<()> {
        let version = self.outbox.0.database.with(store::version).await?;
        let book = self.outbox.0.people.book().await?;
        let seen = std::mem::replace(&mut self.book, book.clone());
        let changed = !Arc::ptr_eq(&seen, &book);
        if self.version.replace(version) != Some(version) || changed {
            self.reconsider(changed.then_some(&*seen), &book).await?;
            self.list().await?;
        }
        Ok(())
    }

    /// Has those tried again who were refused, and of whom the book says something else than when
    /// it was `seen`. Who was refused since is tried in any case where it has changed: it may have
    /// said something else in between.
    async fn reconsider(&mut self, seen: Option<&Book>, book: &Book) -> Result<()> {
        let hub = self.outbox.0.people.hub().clone();
        let stance = |book: &Book, peer: &Name| {
            book.contact(&hub, peer).map(|one| (one.key, one.refused_key, one.blocked))
        };
        let (mut refused, mut again) = (HashMap::new(), HashSet::new());
        for (queued, _) in self.outbox.list().await? {
            if !queued.refused {
                continue;
            }
            let known = self.refused.get(&queued.id) == Some(&queued.attempts);
            refused.insert(queued.id, queued.attempts);
            if let Some(seen) = seen
                && (!known || stance(seen, &queued.peer) != stance(book, &queued.peer))
            {
                again.insert(queued.peer);
            }
        }
        self.refused = refused;
        for peer in again {
            self.outbox.revive(Some(&peer), Which::Refused).await?;
        }
        Ok(())
    }

    /// Finds the peers that something waits for.
    async fn list(&mut self) -> Result<()> {
        let mut waiting: HashMap<Name, bool> = HashMap::new();
        for (queued, state) in self.outbox.list().await? {
            if state != State::GivenUp {
                // The first decides: those behind it wait.
                waiting.entry(queued.peer).or_insert(state == State::Waits);
            }
        }
        waiting.retain(|_, waits| *waits);
        self.due.retain(|peer, _| waiting.contains_key(peer));
        for peer in waiting.into_keys() {
            self.due.entry(peer).or_insert_with(Due::now);
        }
        Ok(())
    }

    /// The hub says that somebody is here.
    fn seen(&mut self, change: &PeerChange) {
        if let PeerChange::Updated(peer) = change
            && let Some(due) = self.due.get_mut(&peer.name)
        {
            *due = Due { here: true, ..Due::now() };
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
                (due.at, due.here) = (Instant::now() + due.pauses.next_delay(), false);
            }
            false => drop(self.due.remove(peer)),
        }
        for attempt in attempts {
            if attempt.refused {
                // Looked at again, as where another process has changed the file.
                self.version = None;
            }
            self.tell(attempt);
        }
        self.list().await
    }

    fn tell(&self, attempt: Attempt) {
        let Attempt { queued, result, endpoint, refused, holds_up } = attempt;
        let (id, peer) = (queued.id, queued.peer);
        let event = match result {
            Ok(receipt) => Event::QueuedDelivered { id, receipt, endpoint },
            // Otherwise it is tried again, or was told: nothing that somebody has to know.
            Err(error) if refused && queued.last_error != Some(problem(&error)) => {
                Event::QueuedFailed { id, peer, error, holds_up }
            }
            Err(_) => return,
        };
        self.inbox.hint(event);
    }
}
