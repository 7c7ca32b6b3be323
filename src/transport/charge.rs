//! Charges what calls make a server hold to their connections, and refuses calls near a limit.
//!
//! 1. A call costs its headers and a fixed sum, until its response has been sent.
//! 2. A request costs what its body has returned: all of it until there is a response, as a
//!    handler needs the whole message, and then the part of a message that is not complete.
//! 3. A response costs each piece of its body from when it is passed to HTTP/2 until it is
//!    written, or dropped with its stream.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{PeerInfo, budget::Charge, idle::Call};
use crate::{error::RequestError, wire};

/// What a call costs beside its headers and messages: the state of its stream and its handler, and
/// the buffer of an answer that generated code has.
const CALL_BYTES: usize = 9 * 1024;

/// An answer below this is part of the fixed sum: HTTP/2 takes the next one of a stream when it has
/// sent the last, so a stream holds one of them.
const SMALL_ANSWER: usize = 1024;

/// The prefix of a gRPC message: a flag, and the length (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

/// The layer, and the service that it makes.
#[derive(Debug, Clone, Copy)]
pub struct ChargeCalls<S = ()> {
    /// Calls of a connection in progress before it belongs to a peer.
    max_anonymous: usize,
    inner: S,
}

impl ChargeCalls {
    /// Charges every call. A connection that belongs to no peer may have `max_anonymous` calls in
    /// progress.
    pub fn new(max_anonymous: usize) -> Self {
        Self { max_anonymous, inner: () }
    }
}

impl<S> Layer<S> for ChargeCalls {
    type Service = ChargeCalls<S>;

    fn layer(&self, inner: S) -> ChargeCalls<S> {
        ChargeCalls { max_anonymous: self.max_anonymous, inner }
    }
}

impl<S> Service<Request<Body>> for ChargeCalls<S>
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
        let Some(info) = request.extensions().get::<PeerInfo>().cloned() else {
            return Box::pin(self.inner.call(request));
        };
        let call = match ChargedCall::begin(info, request.headers(), self.max_anonymous) {
            Ok(call) => Arc::new(call),
            Err(error) => return Box::pin(async move { Ok(wire::status(&error).into_http()) }),
        };
        let request = request.map(|body| Body::new(RequestBody::new(body, call.clone())));
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            call.answered.store(true, Relaxed);
            Ok(charge_response(response, call))
        })
    }
}

/// A call in progress.
#[derive(Debug)]
struct ChargedCall {
    info: PeerInfo,
    answered: AtomicBool,
    _charge: Charge,
    _call: Call,
}

impl ChargedCall {
    /// Errors with [`RequestError::LimitReached`] if the connection may not make another call now.
    fn begin(
        info: PeerInfo,
        headers: &HeaderMap,
        max_anonymous: usize,
    ) -> Result<Self, RequestError> {
        info.account.check()?;
        let call = info.calls.begin();
        if info.calls.in_progress() > max_anonymous && !info.account.has_peer() {
            let what = format!(
                "a connection without a session may have {max_anonymous} calls in progress"
            );
            return Err(RequestError::LimitReached { what, retry_after: None });
        }
        let headers: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let charge = info.account.charge(CALL_BYTES + headers);
        Ok(Self { info, answered: AtomicBool::new(false), _charge: charge, _call: call })
    }
}

/// The body of a request. Charges what it has returned.
struct RequestBody {
    inner: Body,
    call: Arc<ChargedCall>,
    messages: MessageReader,
    charge: Charge,
}

impl RequestBody {
    fn new(inner: Body, call: Arc<ChargedCall>) -> Self {
        call.info.unread.begin_body();
        let charge = call.info.account.charge(0);
        Self { inner, call, messages: MessageReader::default(), charge }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = self.get_mut();
        let polled = Pin::new(&mut body.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            body.call.info.unread.taken(data.len());
            let partial = body.messages.read(data);
            let answered = body.call.answered.load(Relaxed);
            body.charge.resize(if answered { partial } else { body.charge.bytes() + data.len() });
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.call.info.unread.end_body();
    }
}

/// Follows the messages of a request.
#[derive(Debug, Default)]
struct MessageReader {
    prefix: [u8; PREFIX_BYTES],
    prefix_read: usize,
    /// What was read of the current message, and what is missing.
    read: usize,
    rest: usize,
}

impl MessageReader {
    /// Returns the size of the message that is not complete after `data`.
    fn read(&mut self, mut data: &[u8]) -> usize {
        while !data.is_empty() {
            if self.prefix_read < PREFIX_BYTES {
                let part = (PREFIX_BYTES - self.prefix_read).min(data.len());
                self.prefix[self.prefix_read..][..part].copy_from_slice(&data[..part]);
                self.prefix_read += part;
                data = &data[part..];
                let [_, length @ ..] = self.prefix;
                self.rest = u32::from_be_bytes(length) as usize;
            }
            if self.prefix_read == PREFIX_BYTES {
                let part = self.rest.min(data.len());
                self.rest -= part;
                self.read += part;
                data = &data[part..];
                if self.rest == 0 {
                    (self.prefix_read, self.read) = (0, 0);
                }
            }
        }
        self.prefix_read + self.read
    }
}

/// Charges what HTTP/2 holds of a response.
fn charge_response(response: Response<Body>, call: Arc<ChargedCall>) -> Response<Body> {
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            frame.map_data(|data| {
                if data.len() < SMALL_ANSWER {
                    return data;
                }
                let charge = call.info.account.charge(data.len());
                Bytes::from_owner(ChargedBytes { data, _charge: charge })
            })
        }))
    })
}

/// Bytes that are charged as long as HTTP/2 holds them.
struct ChargedBytes {
    data: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for ChargedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_followed_however_they_are_split() {
        let message = |length: u8| [&[0, 0, 0, 0, length][..], &vec![7; length.into()]].concat();
        let all = [message(3), message(0), message(250), message(1)].concat();
        let ends = [8, 13, 268, 274];
        for size in 1..=all.len() {
            let (mut messages, mut read) = (MessageReader::default(), 0);
            for part in all.chunks(size) {
                read += part.len();
                let complete = ends.iter().rev().find(|end| **end <= read).unwrap_or(&0);
                assert_eq!(messages.read(part), read - complete, "{read} in parts of {size}");
            }
        }
    }
}
