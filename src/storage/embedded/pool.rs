//! Blocking work on a few workers, off the runtime's threads.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::error::{RequestError, Result, SystemError};

/// A few workers of one kind, created on demand. Each runs one job at a time.
pub(super) struct Pool<W> {
    make: Box<dyn Fn() -> Result<W> + Send + Sync>,
    idle: Mutex<Vec<W>>,
    permits: Arc<Semaphore>,
}

impl<W: Send + 'static> Pool<W> {
    pub(super) fn new<E: Into<RequestError>>(
        size: usize,
        make: impl Fn() -> Result<W, E> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let make = move || make().map_err(Into::into);
        let permits = Arc::new(Semaphore::new(size));
        Arc::new(Self { make: Box::new(make), idle: Mutex::default(), permits })
    }

    /// Runs `work` on a worker, waiting for one first.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut W) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit =
            self.permits.clone().acquire_owned().await.map_err(|_| RequestError::ShuttingDown)?;
        let pool = self.clone();
        let working = tokio::task::spawn_blocking(move || {
            // Held by the job: a caller that goes away does not free a busy worker.
            let _permit = permit;
            let idle = pool.idle.lock().pop();
            let worker = idle.map_or_else(|| (pool.make)(), Ok)?;
            let mut lent = Lent { worker: Some(worker), pool: &pool };
            lent.worker.as_mut().map_or(Err(RequestError::ShuttingDown), work)
        });
        working.await.map_err(|error| SystemError::because("a reader failed", error))?
    }
}

/// A busy worker. It returns to the pool even if the job panics: its state is sound, and SQLite has
/// rolled back any open transaction.
struct Lent<'a, W> {
    /// `None` only while dropped.
    worker: Option<W>,
    pool: &'a Pool<W>,
}

impl<W> Drop for Lent<'_, W> {
    fn drop(&mut self) {
        self.pool.idle.lock().extend(self.worker.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_survives_a_panic() {
        let pool = Pool::new(1, || Ok::<_, RequestError>(0));
        let one_more = |count: &mut _| {
            *count += 1;
            Ok(())
        };
        pool.with(one_more).await.unwrap();
        assert!(pool.with::<()>(|_| panic!("as it should")).await.is_err());
        assert_eq!(pool.with(|count| Ok(*count)).await.unwrap(), 1);
    }
}
