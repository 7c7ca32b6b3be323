//! The queue from the writer to the indexer. The writer never waits for it.

use std::{collections::BTreeSet, time::Duration};

use parking_lot::{Condvar, Mutex};

/// How long the indexer yields to a writer that is never idle. It then does one chunk of work and
/// yields again, so that it costs little under constant load and still makes progress.
const YIELD_TIMEOUT: Duration = Duration::from_millis(200);

/// How long changes gather before they are indexed: one costs nearly as much as a hundred.
const GATHER_TIME: Duration = Duration::from_millis(250);

/// The rooms that changed since the indexer last took them. Bounded by the number of rooms.
#[derive(Default)]
pub(super) struct ChangeFeed {
    state: Mutex<FeedState>,
    changed: Condvar,
}

#[derive(Default)]
struct FeedState {
    rooms: BTreeSet<i64>,
    /// Incremented by every change.
    generation: u64,
    busy: bool,
    /// The indexer waits for the writer to become idle.
    yielding: bool,
    /// A caller waits for the index.
    urgent: bool,
    closed: bool,
}

/// Work for the indexer.
pub(super) struct Changes {
    pub(super) rooms: BTreeSet<i64>,
    /// The generation that is reached when they are indexed.
    pub(super) generation: u64,
}

impl ChangeFeed {
    pub(super) fn add(&self, rooms: impl IntoIterator<Item = i64>) {
        let mut rooms = rooms.into_iter().peekable();
        if rooms.peek().is_none() {
            return;
        }
        let mut state = self.state.lock();
        let is_first = state.rooms.is_empty();
        state.rooms.extend(rooms);
        state.generation += 1;
        // Only the first change wakes the indexer: a wake-up costs the writer more than the rest.
        if is_first {
            self.changed.notify_all();
        }
    }

    /// Records whether the writer has more work.
    pub(super) fn set_busy(&self, busy: bool) {
        let mut state = self.state.lock();
        state.busy = busy;
        if !busy && state.yielding {
            self.changed.notify_all();
        }
    }

    /// Closes the feed: the indexer stops.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Makes the indexer take the changes so far at once. Returns the generation of the latest one.
    pub(super) fn hurry(&self) -> u64 {
        let mut state = self.state.lock();
        state.urgent = true;
        self.changed.notify_all();
        state.generation
    }

    /// Waits for changes, lets them gather, and takes them; `None` once closed.
    pub(super) fn take(&self) -> Option<Changes> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.rooms.is_empty() && !state.closed);
        let gathering = |state: &mut FeedState| !state.urgent && !state.closed;
        self.changed.wait_while_for(&mut state, gathering, GATHER_TIME);
        state.urgent = false;
        let changes =
            Changes { rooms: std::mem::take(&mut state.rooms), generation: state.generation };
        (!state.closed).then_some(changes)
    }

    /// Waits a while for a busy writer. Returns false once closed.
    pub(super) fn give_way(&self) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| state.busy && !state.closed, YIELD_TIMEOUT);
        !state.closed
    }

    /// Waits for `limit`, or until closed. Returns false once closed.
    pub(super) fn pause(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.closed, limit);
        !state.closed
    }
}
