//! Disk work off the async threads.

use super::error::{Error, Result};

/// Runs blocking work, such as reading a file, on a thread of its own.
pub(super) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Error::Stopped),
    }
}
