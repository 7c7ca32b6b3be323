//! The time limit of waits: tests wait for events, and fail if they do not come.

use std::{future::Future, time::Duration};

/// The time limit of any wait. It is long only for slow, busy machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the output of `future`. Panics with what was waited for if it takes too long.
#[track_caller]
pub(crate) fn within<F: IntoFuture>(
    limit: Duration,
    what: &str,
    future: F,
) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: {what} did not happen within {limit:?}"),
        }
    }
}
