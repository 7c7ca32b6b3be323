//! Repeats calls that the hub refused because of a rate limit.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::error::{Error, Result};
use crate::error::{Reason, Refusal};

/// The longest pause that a hub may ask for. A longer one would keep the client away.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The pause if the hub names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// Returns the pause before a refused call is repeated; `None` if it was not refused for its rate.
pub(super) fn pause(refusal: &Refusal) -> Option<Duration> {
    let pause = refusal.retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE);
    (refusal.reason == Reason::RateLimited).then_some(pause)
}

/// Repeats a call until it is not refused for its rate, for at most [`MAX_PAUSE`] in all.
pub(super) async fn retry_rate_limited<T, F>(mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = Instant::now();
    loop {
        let answer = call().await;
        let Err(Error::Refused(refusal)) = &answer else { return answer };
        let Some(pause) = pause(refusal).filter(|pause| begun.elapsed() + *pause < MAX_PAUSE)
        else {
            return answer;
        };
        tracing::debug!(?pause, "rate limited by the hub, waiting");
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn refused(reason: Reason) -> Error {
        Error::Refused(Refusal {
            code: Code::ResourceExhausted,
            reason,
            message: String::new(),
            violations: Vec::new(),
            retry_after: Some(Duration::from_secs(20)),
        })
    }

    /// Returns how often a call is made that is refused so, how long it takes, and whether it succeeds.
    async fn tries(reason: Reason, refusals: usize) -> (usize, Duration, bool) {
        let (begun, mut tries) = (Instant::now(), 0);
        let answer = retry_rate_limited(|| {
            tries += 1;
            let answer = if tries > refusals { Ok(()) } else { Err(refused(reason.clone())) };
            async { answer }
        })
        .await;
        (tries, begun.elapsed(), answer.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_rate_limits_are_waited_for_and_not_forever() {
        assert_eq!(tries(Reason::LimitReached, 9).await, (1, Duration::ZERO, false));
        let (count, took, ok) = tries(Reason::RateLimited, 2).await;
        assert!(ok && count == 3 && took >= Duration::from_secs(40), "{count} in {took:?}");
        let (count, took, ok) = tries(Reason::RateLimited, 9).await;
        assert!(!ok && count == 3 && took < MAX_PAUSE, "{count} in {took:?}");
    }
}
