//! What a query may use: some time of a processor, while somebody waits for the answer.
//!
//! SQLite calls a progress handler while a query runs, also within the full-text index. The handler
//! ends the query when nobody waits for the answer any more, or the time is used up.

use std::{
    ffi::c_int,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{RequestError, Result, SystemError},
    storage::embedded::pool::Pool,
};

/// The processor time of one query. A search of ordinary words in a million messages takes less than a
/// tenth.
pub(super) const MAX_TIME: Duration = Duration::from_millis(250);

/// Instructions of SQLite's machine between two steps. The full-text index runs three for each page that
/// it reads, and may need 50 microseconds for the page.
const STEP: c_int = 64;

/// Steps between two looks at the clock, which cost a system call each: some milliseconds.
const STEPS_PER_LOOK: u64 = 8;

/// Something that queries a database, one at a time.
pub(super) trait Queries: Send + 'static {
    /// Returns the error of a query that took [`MAX_TIME`].
    fn too_long() -> RequestError;

    /// Calls `each` with all of its connections.
    fn connections(
        &mut self,
        each: impl FnMut(&mut Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()>;
}

/// The budget of one query.
#[derive(Debug)]
pub(super) struct Budget {
    cancelled: CancellationToken,
    time: Duration,
    /// The thread's processor time when the query began.
    began: Mutex<Duration>,
    steps: AtomicU64,
    is_half_used: AtomicBool,
    is_used_up: AtomicBool,
}

impl Budget {
    /// Runs a query with a budget. It ends soon after this future is dropped.
    pub(super) async fn query<W: Queries, T: Send + 'static>(
        pool: &Arc<Pool<W>>,
        query: impl FnOnce(&mut W, &Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cancelled = CancellationToken::new();
        let _cancels = cancelled.clone().drop_guard();
        pool.with(move |worker| Self::new(cancelled, MAX_TIME).run(worker, query)).await
    }

    fn new(cancelled: CancellationToken, time: Duration) -> Arc<Self> {
        Arc::new(Self {
            cancelled,
            time,
            began: Mutex::default(),
            steps: AtomicU64::new(0),
            is_half_used: false.into(),
            is_used_up: false.into(),
        })
    }

    fn run<W: Queries, T>(
        self: &Arc<Self>,
        worker: &mut W,
        query: impl FnOnce(&mut W, &Self) -> Result<T>,
    ) -> Result<T> {
        if self.cancelled.is_cancelled() {
            return Err(RequestError::ShuttingDown);
        }
        *self.began.lock() = processor_time();
        let watched = worker.connections(|conn| {
            let budget = self.clone();
            conn.progress_handler(STEP, Some(move || budget.step()))
        });
        watched.map_err(|error| SystemError::because("a query cannot be bounded", error))?;
        let answer = query(worker, self);
        match answer {
            Err(_) if self.is_used_up.load(Relaxed) => Err(W::too_long()),
            Err(_) if self.cancelled.is_cancelled() => Err(RequestError::ShuttingDown),
            answer => answer,
        }
    }

    /// Counts a step of work between SQLite's own. Errors if the query has to end.
    pub(super) fn check(&self) -> Result<()> {
        if self.step() { Err(RequestError::ShuttingDown) } else { Ok(()) }
    }

    /// Returns true if half of the time is used, so that work that is not necessary ends.
    pub(super) fn is_half_used(&self) -> bool {
        self.is_half_used.load(Relaxed)
    }

    /// Counts a step. Returns true if the query has to end.
    fn step(&self) -> bool {
        let steps = self.steps.fetch_add(1, Relaxed) + 1;
        if steps.is_multiple_of(STEPS_PER_LOOK) {
            let used = processor_time().saturating_sub(*self.began.lock());
            self.is_half_used.store(used >= self.time / 2, Relaxed);
            self.is_used_up.store(used >= self.time, Relaxed);
        }
        self.is_used_up.load(Relaxed) || self.cancelled.is_cancelled()
    }
}

#[cfg(test)]
mod tests;

/// Returns the processor time of this thread.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// Returns the time that has passed: the standard library knows no other.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    use std::{sync::LazyLock, time::Instant};

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
