//! A tower layer that refuses what is not a gRPC request, as gRPC's HTTP/2 specification asks.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use tonic::body::Body;
use tower::{Layer, Service};

use super::MAX_HEADER_LIST;
use crate::{error::RequestError, wire};

/// What HTTP/2 counts for a field beside its name and its value (RFC 9113, section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Answers other methods than POST with 405, other content types than gRPC's with 415, and larger
/// header lists than 8 KiB with a gRPC status.
#[derive(Debug, Clone, Copy)]
pub struct GrpcOnly<S = ()>(S);

impl GrpcOnly {
    /// Returns the layer.
    pub fn layer() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for GrpcOnly {
    type Service = GrpcOnly<S>;

    fn layer(&self, inner: S) -> GrpcOnly<S> {
        GrpcOnly(inner)
    }
}

impl<S> Service<Request<Body>> for GrpcOnly<S>
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
        match refusal(&request) {
            Some(refused) => Box::pin(std::future::ready(Ok(refused))),
            None => Box::pin(self.0.call(request)),
        }
    }
}

fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    let mut refused = Response::new(Body::empty());
    if request.method() != Method::POST {
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        Some(refused)
    } else if !request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
        *refused.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Some(refused)
    } else if header_list(request) > MAX_HEADER_LIST as usize {
        let what = format!("the metadata of a request has at most {MAX_HEADER_LIST} bytes");
        Some(wire::status(&RequestError::LimitReached { what, retry_after: None }).into_http())
    } else {
        None
    }
}

/// Returns true for `application/grpc`, with or without the encoding of messages that we have.
fn is_grpc(content_type: &HeaderValue) -> bool {
    let essence = content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    [&b"application/grpc"[..], b"application/grpc+proto"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

/// Returns the size of the header list, without the four fields for the method and the address.
fn header_list<B>(request: &Request<B>) -> usize {
    let size = |(name, value): (&http::HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + FIELD_OVERHEAD
    };
    request.headers().iter().map(size).sum()
}
