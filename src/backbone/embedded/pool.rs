//! Work that may block, done by a few workers beside the runtime's own threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// A few workers of one kind, made when they are first needed, each used by one call at a time.
pub(super) struct Pool<W> {
    make: Box<dyn Fn() -> Result<W> + Send + Sync>,
    idle: Mutex<Vec<W>>,
    permits: Arc<Semaphore>,
}

impl<W: Send + 'static> Pool<W> {
    /// A pool of up to `size` workers.
    pub(super) fn new(
        size: usize,
        make: impl Fn() -> Result<W> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(size));
        Arc::new(Self { make: Box::new(make), idle: Mutex::default(), permits })
    }

    /// Has a worker do something where it may block, waiting for one first.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut W) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Error::ShuttingDown)?;
        let pool = self.clone();
        let working = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a caller who goes away does not set free what is in use.
            let _permit = permit;
            let idle = pool.lock().pop();
            let mut worker = idle.map_or_else(|| (pool.make)(), Ok)?;
            let result = work(&mut worker);
            pool.lock().push(worker);
            result
        });
        working.await.map_err(|error| Error::Store(format!("a reader failed: {error}")))?
    }

    fn lock(&self) -> MutexGuard<'_, Vec<W>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
