//! The streaming rpcs, answered without the generated code so that their bodies can be shared
//! frames. The unary rpcs go on to the generated code.
//!
//! Generated code reads a whole request before it calls the handler. Calls without a session are
//! therefore refused here; otherwise each stream of a connection could make the hub buffer a
//! request of the largest size.

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
    auth, chat,
    fanout::{EventStream, StreamCommand, StreamQueue},
    peers::{self, ListReader, View},
    sessions::StreamGuard,
    state::HubState,
};
use crate::{
    error::{RequestError, Result},
    proto,
    transport::{Charge, PeerInfo},
    wire,
};

/// The most bytes of a request to Broadcast: several times the longest text, so that a text that is
/// too long is refused as such.
pub(crate) const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// The initial size of a stream's request buffer, which grows as needed. Most streams only ever
/// join, and tonic's default of 8 KiB would be a quarter of what an idle stream costs.
const REQUEST_BUFFER: usize = 512;

/// The only rpc that needs no session.
const REGISTER: &str = "/chinwag.v1.Presence/Register";
const CHAT: &str = "/chinwag.v1.Broadcast/Chat";
const SUBSCRIBE: &str = "/chinwag.v1.Broadcast/Subscribe";
const WATCH_PEERS: &str = "/chinwag.v1.Presence/WatchPeers";

/// A generated server of the unary rpcs, with the streaming rpcs added.
#[derive(Debug, Clone)]
pub(crate) struct WithStreams<S> {
    unary: S,
    state: Arc<HubState>,
}

impl<S> WithStreams<S> {
    pub(crate) fn new(unary: S, state: Arc<HubState>) -> Self {
        Self { unary, state }
    }
}

impl<S: NamedService> NamedService for WithStreams<S> {
    const NAME: &'static str = S::NAME;
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for WithStreams<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.unary.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
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

type StreamAnswer<G> = Result<EventStream<G>>;

async fn open_chat(state: Arc<HubState>, request: Request<Body>) -> StreamAnswer<chat::ChatGuard> {
    let caller = auth::caller(request.extensions())?;
    let origin = state.rate_limits.origin(request.extensions());
    let queue = StreamQueue::new(charge(request.extensions()));
    chat::chat(state, caller, origin, queue, requests(request)).await
}

async fn subscribe(state: Arc<HubState>, request: Request<Body>) -> StreamAnswer<chat::ChatGuard> {
    let caller = auth::caller(request.extensions())?;
    let origin = state.rate_limits.origin(request.extensions());
    let queue = StreamQueue::new(charge(request.extensions()));
    chat::subscribe(state, caller, origin, queue, single_request(request).await?).await
}

async fn watch_peers(state: Arc<HubState>, request: Request<Body>) -> StreamAnswer<StreamGuard> {
    let caller = auth::caller(request.extensions())?;
    let queue = StreamQueue::new(charge(request.extensions()));
    let asked: proto::WatchPeersRequest = single_request(request).await?;
    let view = View::parse("view", asked.view)?;
    let seq = match asked.revision {
        Some(revision) => state.peers.resume(revision.into(), view)?,
        None => {
            state.peers.published().await;
            peers::NOTHING
        }
    };
    // Last: a refused call must not count as a stream that broke.
    let guard = state.open_stream(&caller, &queue).await?;
    queue.admit().await;
    let source = Arc::new(ListReader::new(state.peers.clone(), view));
    queue.push(StreamCommand::Join { source, seq, answer: Bytes::new() });
    Ok(EventStream::new(queue, guard))
}

/// Returns a charge for what a stream holds of its commands.
fn charge(extensions: &http::Extensions) -> Option<Charge> {
    extensions.get::<PeerInfo>().map(|info| info.account.charge(0))
}

fn requests<T>(request: Request<Body>) -> Streaming<T>
where
    T: prost::Message + Default + Send + 'static,
{
    let limit = Some(MAX_REQUEST_BYTES);
    let decoder = ProstDecoder::new(BufferSettings::new(REQUEST_BUFFER, MAX_REQUEST_BYTES));
    Streaming::new_request(decoder, request.into_body(), None, limit)
}

/// Decodes the only request of a call.
async fn single_request<T>(request: Request<Body>) -> Result<T>
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
