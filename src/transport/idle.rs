//! Closes idle connections, which take places from others.
//!
//! A connection is idle if it has no call in progress. A keepalive is no sign of use: every HTTP/2
//! stack answers it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    in_progress: AtomicUsize,
    begun: AtomicUsize,
}

impl Calls {
    /// Returns the number of calls in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.0.in_progress.load(Ordering::Relaxed)
    }

    /// Counts a call, which is in progress until the result is dropped.
    pub(super) fn begin(&self) -> Call {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.in_progress.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }
}

/// A call in progress.
#[derive(Debug)]
pub(super) struct Call(Calls);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells when a connection was idle for too long.
pub(super) struct Idle {
    calls: Calls,
    timeout: Duration,
    /// The calls that had begun at the last check.
    seen: usize,
    timer: Pin<Box<Sleep>>,
}

impl Idle {
    pub(super) fn new(calls: Calls, timeout: Duration) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + timeout));
        Self { calls, timeout, seen: 0, timer }
    }

    /// Ready once there was no call in progress for `timeout`, and after twice that at the latest.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let counts = &self.calls.0;
            let begun = counts.begun.load(Ordering::Relaxed);
            if begun == self.seen && counts.in_progress.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(());
            }
            self.seen = begun;
            self.timer.as_mut().reset(Instant::now() + self.timeout);
        }
    }
}
