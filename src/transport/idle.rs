//! Connections on which nothing happens: they end, as each takes a place from somebody else.
//!
//! What counts are calls in progress. Keepalive is no sign of use: every HTTP/2 stack answers it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::PeerInfo;

/// The calls of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    in_progress: AtomicUsize,
    begun: AtomicUsize,
}

impl Calls {
    /// Notes that a call begins. It is in progress as long as the answer lives.
    pub(super) fn begin(&self) -> Call {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.in_progress.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }
}

/// A call in progress.
#[derive(Debug)]
pub(super) struct Call(Calls);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When a connection has been idle for too long.
#[derive(Debug)]
pub(super) struct Idle {
    calls: Calls,
    patience: Duration,
    /// How many calls had begun at the last look.
    seen: usize,
    timer: Pin<Box<Sleep>>,
}

impl Idle {
    pub(super) fn new(calls: Calls, patience: Duration) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + patience));
        Self { calls, patience, seen: 0, timer }
    }

    /// Ready once there was no call in progress for as long as the patience lasts, and within twice
    /// that.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let counts = &self.calls.0;
            let begun = counts.begun.load(Ordering::Relaxed);
            if begun == self.seen && counts.in_progress.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(());
            }
            self.seen = begun;
            self.timer.as_mut().reset(Instant::now() + self.patience);
        }
    }
}

/// The layer that counts calls.
#[derive(Debug, Clone, Copy)]
pub struct CountCalls;

impl<S> Layer<S> for CountCalls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Counted<S>
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
        let call = request.extensions().get::<PeerInfo>().map(|info| info.calls.begin());
        let answer = self.inner.call(request);
        Box::pin(
            async move { Ok(answer.await?.map(|body| Body::new(Counting { body, _call: call }))) },
        )
    }
}

/// An answer that is not over before its end was sent.
struct Counting {
    body: Body,
    _call: Option<Call>,
}

impl http_body::Body for Counting {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
