//! Looks at every call's answer: counts refusals, and refuses those who fail too often.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::RateLimits;
use crate::{error::Reason, hub::metrics::Metrics, wire};

/// Reasons of those who did not prove what they should have.
const FAILURES: [Reason; 5] = [
    Reason::SessionEnded,
    Reason::SessionMissing,
    Reason::TokenRefused,
    Reason::InviteRequired,
    Reason::Removed,
];

/// The layer.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    gates: Arc<RateLimits>,
    metrics: Metrics,
}

impl Watch {
    pub(crate) fn new(gates: Arc<RateLimits>, metrics: Metrics) -> Self {
        Self { gates, metrics }
    }

    /// The answer that the caller gets instead of this one.
    fn judge(&self, answer: Response<Body>, origin: super::Origin) -> Response<Body> {
        let refused = Status::from_header_map(answer.headers())
            .filter(|status| status.code() != Code::Ok)
            .map(|status| wire::refused(&status).reason);
        let Some(reason) = refused else { return answer };
        self.metrics.refused(&reason);
        if !FAILURES.contains(&reason) {
            return answer;
        }
        match self.gates.fail(origin) {
            Ok(()) => answer,
            Err(limited) => wire::status(&limited).into_http(),
        }
    }
}

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, watch: self.clone() }
    }
}

/// A service whose answers are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Watched<S> {
    inner: S,
    watch: Watch,
}

impl<S> Service<Request<Body>> for Watched<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let origin = self.watch.gates.origin(request.extensions());
        let (watch, answer) = (self.watch.clone(), self.inner.call(request));
        Box::pin(async move { Ok(watch.judge(answer.await?, origin)) })
    }
}
