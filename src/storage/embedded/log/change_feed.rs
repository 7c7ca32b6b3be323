//! How the writer tells the indexer what there is to do, without ever waiting for it.

use std::{collections::BTreeSet, time::Duration};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// How long the indexer gives way to a writer that is never idle. It then does a chunk of its work
/// and gives way again, so that under a load without end it costs little and still gets on.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the indexer lets changes gather: entering one message costs nearly as much as entering
/// a hundred.
const GATHERING: Duration = Duration::from_millis(250);

/// Rooms that changed since the indexer last asked. Bounded by the number of rooms.
#[derive(Default)]
pub(super) struct ChangeFeed {
    state: Mutex<FeedState>,
    changed: Condvar,
}

#[derive(Default)]
struct FeedState {
    rooms: BTreeSet<i64>,
    /// Grows with every change.
    generation: u64,
    busy: bool,
    /// The indexer waits for the writer to be idle.
    giving_way: bool,
    /// Somebody waits for the index.
    urgent: bool,
    closed: bool,
}

/// What there is to do.
pub(super) struct Changes {
    /// The rooms that changed.
    pub(super) rooms: BTreeSet<i64>,
    /// The generation that is reached when they have been dealt with.
    pub(super) generation: u64,
}

impl ChangeFeed {
    /// Notes that rooms changed.
    pub(super) fn add(&self, rooms: impl IntoIterator<Item = i64>) {
        let mut rooms = rooms.into_iter().peekable();
        if rooms.peek().is_none() {
            return;
        }
        let mut state = self.lock();
        let is_first = state.rooms.is_empty();
        state.rooms.extend(rooms);
        state.generation += 1;
        // A wake-up costs the writer more than all the rest.
        if is_first {
            self.changed.notify_all();
        }
    }

    /// Notes whether the writer has more to do at once.
    pub(super) fn set_busy(&self, busy: bool) {
        let mut state = self.lock();
        state.busy = busy;
        if !busy && state.giving_way {
            self.changed.notify_all();
        }
    }

    /// Ends the indexer's waiting, now and for ever.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Has the changes so far be taken at once, and returns the generation of the latest one.
    pub(super) fn hurry(&self) -> u64 {
        let mut state = self.lock();
        state.urgent = true;
        self.changed.notify_all();
        state.generation
    }

    /// Waits for changes, lets them gather and takes them; `None` once closed.
    pub(super) fn take(&self) -> Option<Changes> {
        let mut state = self.lock();
        self.changed.wait_while(&mut state, |state| state.rooms.is_empty() && !state.closed);
        let gathering = |state: &mut FeedState| !state.urgent && !state.closed;
        self.changed.wait_while_for(&mut state, gathering, GATHERING);
        state.urgent = false;
        let changes =
            Changes { rooms: std::mem::take(&mut state.rooms), generation: state.generation };
        (!state.closed).then_some(changes)
    }

    /// Lets a busy writer go first, for a while. Returns whether to go on.
    pub(super) fn give_way(&self) -> bool {
        let mut state = self.lock();
        self.changed.wait_while_for(&mut state, |state| state.busy && !state.closed, PATIENCE);
        !state.closed
    }

    /// Waits until closed, but not longer than this. Returns whether to go on.
    pub(super) fn pause(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        self.changed.wait_while_for(&mut state, |state| !state.closed, limit);
        !state.closed
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock()
    }
}
