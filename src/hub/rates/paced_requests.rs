//! Paces the requests to services without authentication: health and reflection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

use super::{Origin, RateLimits};

/// What counts as one request: about what a question takes.
const REQUEST_BYTES: usize = 32;

/// A service whose requests are read as fast as the rate of reads of their address allows.
#[derive(Debug, Clone)]
pub(crate) struct PacedRequests<S> {
    rate_limits: Arc<RateLimits>,
    inner: S,
}

impl<S> PacedRequests<S> {
    pub(crate) fn new(inner: S, rate_limits: Arc<RateLimits>) -> Self {
        Self { rate_limits, inner }
    }
}

impl<S: NamedService> NamedService for PacedRequests<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for PacedRequests<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        let rate_limits = self.rate_limits.clone();
        let origin = rate_limits.origin(request.extensions());
        let paced = |inner| PacedBody { inner, rate_limits, origin, waiting: None };
        self.inner.call(request.map(|body| Body::new(paced(body))))
    }
}

type Delay = Pin<Box<dyn Future<Output = ()> + Send>>;

struct PacedBody {
    inner: Body,
    rate_limits: Arc<RateLimits>,
    origin: Origin,
    /// What was read, and is returned once the rate allows it.
    waiting: Option<(Delay, Bytes)>,
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = self.get_mut();
        if body.waiting.is_none() {
            let frame = match ready!(Pin::new(&mut body.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            let (rate_limits, origin) = (body.rate_limits.clone(), body.origin);
            let requests = data.len().div_ceil(REQUEST_BYTES);
            let wait = async move {
                for _ in 0..requests {
                    rate_limits.wait_to_ask(origin).await;
                }
            };
            body.waiting = Some((Box::pin(wait), data));
        }
        if let Some((wait, _)) = &mut body.waiting {
            ready!(wait.as_mut().poll(cx));
        }
        Poll::Ready(body.waiting.take().map(|(_, data)| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.waiting {
            None => self.inner.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
