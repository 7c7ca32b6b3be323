//! Doing again what the hub refused only because there was too much of it.

use std::time::Duration;

use tokio::time::Instant;

use super::session::MAX_PAUSE;
use crate::error::{Error, Reason, Refusal, Result};

/// The pause where a hub does not say one.
const USUAL_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait before what was refused is asked for again; `None`: it was refused for another
/// reason than a rate.
pub(super) fn pause(refusal: &Refusal) -> Option<Duration> {
    let pause = refusal.retry_after.unwrap_or(USUAL_PAUSE).min(MAX_PAUSE);
    (refusal.reason == Reason::RateLimited).then_some(pause)
}

/// Calls until it is not refused for its rate, as long as that does not take longer than
/// [`MAX_PAUSE`] in all.
pub(super) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T>
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
        tracing::debug!(?pause, "the hub asks to come again later");
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

    /// How often something is tried that is refused so, and how long that takes.
    async fn tries(reason: Reason, refusals: usize) -> (usize, Duration, bool) {
        let (begun, mut tries) = (Instant::now(), 0);
        let answer = patiently(|| {
            tries += 1;
            let answer = if tries > refusals { Ok(()) } else { Err(refused(reason.clone())) };
            async { answer }
        })
        .await;
        (tries, begun.elapsed(), answer.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_rates_are_waited_for_and_not_without_end() {
        assert_eq!(tries(Reason::LimitReached, 9).await, (1, Duration::ZERO, false));
        let (count, took, ok) = tries(Reason::RateLimited, 2).await;
        assert!(ok && count == 3 && took >= Duration::from_secs(40), "{count} in {took:?}");
        let (count, took, ok) = tries(Reason::RateLimited, 9).await;
        assert!(!ok && count == 3 && took < MAX_PAUSE, "{count} in {took:?}");
    }
}
