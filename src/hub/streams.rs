//! The server-streaming rpcs, answered below the generated code so that their bodies can be
//! shared frames; the unary rpcs fall through to it, those that need a session with one only.
//!
//! The generated code reads a request before a handler sees it. So who has no session is refused
//! here: else each of a connection's streams could hold what a request may at most, unread.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use tonic::{
    Streaming, body::Body, codec::BufferSettings, metadata::GRPC_CONTENT_TYPE, server::NamedService,
};
use tonic_prost::ProstDecoder;
use tower::Service;

use super::{
    MAX_REQUEST_BYTES, State, auth, chat,
    fanout::{EventStream, StreamCommand, StreamQueue},
    sessions::StreamGuard,
};
use crate::{
    error::{RequestError, Result},
    proto, wire,
};

/// What a stream's request buffer holds from the start; it grows to the largest request. Most streams
/// only ever join, and tonic's own 8 KiB would be a quarter of what an idle one costs.
const REQUEST_BUFFER: usize = 512;

/// The one rpc that needs no session.
const REGISTER: &str = "/chinwag.v1.Presence/Register";
const CHAT: &str = "/chinwag.v1.Broadcast/Chat";
const SUBSCRIBE: &str = "/chinwag.v1.Broadcast/Subscribe";
const WATCH_PEERS: &str = "/chinwag.v1.Presence/WatchPeers";

/// A generated server of unary rpcs, and the streams beside them.
#[derive(Debug, Clone)]
pub(crate) struct WithStreams<S> {
    unary: S,
    state: Arc<State>,
}

impl<S> WithStreams<S> {
    pub(crate) fn new(unary: S, state: Arc<State>) -> Self {
        Self { unary, state }
    }
}

impl<S: NamedService> NamedService for WithStreams<S> {
    const NAME: &'static str = S::NAME;
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for WithStreams<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.unary.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let state = self.state.clone();
        match request.uri().path() {
            CHAT => Box::pin(async { Ok(respond(open_chat(state, request).await)) }),
            SUBSCRIBE => Box::pin(async { Ok(respond(subscribe(state, request).await)) }),
            WATCH_PEERS => Box::pin(async { Ok(respond(watch_peers(state, request).await)) }),
            path => match auth::caller(request.extensions()) {
                Err(error) if path != REGISTER => {
                    Box::pin(async move { Ok(wire::status(&error).into_http()) })
                }
                _ => Box::pin(self.unary.call(request)),
            },
        }
    }
}

async fn open_chat(state: Arc<State>, request: Request<Body>) -> Result<EventStream<chat::Guard>> {
    let caller = auth::caller(request.extensions())?;
    let origin = state.gates.origin(request.extensions());
    chat::chat(state, caller, origin, requests(request)).await
}

async fn subscribe(state: Arc<State>, request: Request<Body>) -> Result<EventStream<chat::Guard>> {
    let caller = auth::caller(request.extensions())?;
    let origin = state.gates.origin(request.extensions());
    chat::subscribe(state, caller, origin, only(request).await?).await
}

async fn watch_peers(
    state: Arc<State>,
    request: Request<Body>,
) -> Result<EventStream<StreamGuard>> {
    let caller = auth::caller(request.extensions())?;
    let asked: proto::WatchPeersRequest = only(request).await?;
    let mailbox = StreamQueue::new();
    let (seq, answer) = match asked.revision {
        Some(revision) => (state.peers.resume(revision.into())?, Bytes::new()),
        None => {
            let snapshot = state.peers.current().await;
            (snapshot.last_seq, snapshot.frames)
        }
    };
    // After whatever may be refused, which must not count as a stream that broke.
    let hold = state.hold(&caller, &mailbox).await?;
    mailbox.admit().await;
    mailbox.push(StreamCommand::Join { source: state.peers.clone(), seq, answer });
    Ok(EventStream::new(mailbox, hold))
}

/// The requests of a stream.
fn requests<T>(request: Request<Body>) -> Streaming<T>
where
    T: prost::Message + Default + Send + 'static,
{
    let limit = Some(MAX_REQUEST_BYTES);
    let decoder = ProstDecoder::new(BufferSettings::new(REQUEST_BUFFER, MAX_REQUEST_BYTES));
    Streaming::new_request(decoder, request.into_body(), None, limit)
}

/// The one request of a call.
async fn only<T>(request: Request<Body>) -> Result<T>
where
    T: prost::Message + Default + Send + 'static,
{
    match requests(request).message().await {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(RequestError::invalid("request", "missing")),
        Err(status) => Err(wire::undecodable(&status)),
    }
}

fn respond<G: Send + Unpin + 'static>(stream: Result<EventStream<G>>) -> Response<Body> {
    match stream {
        Ok(stream) => {
            let mut response = Response::new(Body::new(stream));
            response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
            response
        }
        Err(error) => wire::status(&error).into_http(),
    }
}
