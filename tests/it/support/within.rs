//! The time limit of every wait: tests wait for events, and fail if they do not come.

use std::{future::Future, time::Duration};

/// How long anything may take before the test gives up on it. Nothing is expected to come near:
/// it is this long only for machines that do much else at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What `future` comes to, or a failure that says what was waited for.
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
