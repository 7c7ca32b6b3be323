//! A tower layer that looks at the request and the response of every call.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

/// What an [`Observe`] layer does with each call.
pub trait Observer: Clone + Send + 'static {
    /// What is kept of the request for the response.
    type Noted: Send + 'static;

    /// Called with each request.
    fn on_request(&self, request: &Request<Body>) -> Self::Noted;

    /// Called with each response; returns the one to send.
    fn on_response(&self, noted: Self::Noted, response: Response<Body>) -> Response<Body>;
}

/// The layer of an [`Observer`], and the service that it makes.
#[derive(Debug, Clone, Copy)]
pub struct Observe<O, S = ()> {
    observer: O,
    inner: S,
}

impl<O> Observe<O> {
    /// Shows every call to `observer`.
    pub fn new(observer: O) -> Self {
        Self { observer, inner: () }
    }
}

impl<O: Clone, S> Layer<S> for Observe<O> {
    type Service = Observe<O, S>;

    fn layer(&self, inner: S) -> Observe<O, S> {
        Observe { observer: self.observer.clone(), inner }
    }
}

impl<O: Observer, S> Service<Request<Body>> for Observe<O, S>
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
        let noted = self.observer.on_request(&request);
        let (observer, response) = (self.observer.clone(), self.inner.call(request));
        Box::pin(async move {
            let response = response.await?;
            Ok(observer.on_response(noted, response))
        })
    }
}
