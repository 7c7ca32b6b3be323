//! Ends calls at their deadline with an answer that says so.
//!
//! tonic's server (0.14.9, `GrpcTimeout`) has such a layer outside all others, whose answer is
//! CANCELLED and cannot be given details. This one ends a call a little earlier, inside.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::CALL_TIMEOUT;

/// How much earlier than tonic's layer: the resolution of the timer.
const AHEAD: Duration = Duration::from_millis(1);

/// The header with the time that the caller waits.
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The most digits of a timeout (gRPC over HTTP/2, "Timeout").
const TIMEOUT_DIGITS: usize = 8;

/// The layer, and the service that it makes: a call takes at most [`CALL_TIMEOUT`], and at most as
/// long as its caller waits, until its answer begins.
#[derive(Debug, Clone, Copy)]
pub struct Deadline<S = ()>(S);

impl Deadline {
    /// Returns the layer.
    pub fn layer() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for Deadline {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limit =
            timeout(request.headers()).map_or(CALL_TIMEOUT, |asked| asked.min(CALL_TIMEOUT));
        let answer = tokio::time::timeout(limit.saturating_sub(AHEAD), self.0.call(request));
        Box::pin(async {
            answer.await.unwrap_or_else(|_| {
                let status = Status::deadline_exceeded("the call was not answered in time");
                Ok(status.into_http())
            })
        })
    }
}

/// Returns how long the caller waits; `None` if it does not say, or not as gRPC has it.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > TIMEOUT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    fn call(timeout: Option<&str>) -> Request<Body> {
        let mut call = Request::new(Body::empty());
        if let Some(timeout) = timeout {
            call.headers_mut().insert(GRPC_TIMEOUT, timeout.parse().unwrap());
        }
        call
    }

    #[test]
    fn a_timeout_is_read_as_grpc_has_it() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("8n", Some(Duration::from_nanos(8))),
            ("", None),
            ("S", None),
            ("+1S", None),
            ("1s", None),
            ("100000000S", None),
        ] {
            assert_eq!(timeout(call(Some(text)).headers()), expected, "{text}");
        }
        assert_eq!(timeout(call(None).headers()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_before_tonic_would_end_it() {
        for (asked, limit) in [
            (Some("250m"), Duration::from_millis(250)),
            (Some("2H"), CALL_TIMEOUT),
            (None, CALL_TIMEOUT),
        ] {
            let never = tower::service_fn(|_| std::future::pending());
            let begun = tokio::time::Instant::now();
            let answer = Deadline::layer().layer(never).oneshot(call(asked)).await.unwrap();
            assert_eq!(begun.elapsed(), limit - AHEAD);
            let status = Status::from_header_map(answer.headers()).unwrap();
            assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        }
    }
}
