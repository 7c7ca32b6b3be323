//! The PeerChat server that every client runs.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming, async_trait, body::Body, server::NamedService};
use tonic_health::ServingStatus;
use tower::{Service, util::MapResponseLayer};

use super::{
    admission::Admission, caller::Caller, conversation, conversation_limits::Permit, inbox::Inbox,
    received::Direct,
};
use crate::{
    error::{RequestError, Result, SystemError},
    identity::Identity,
    model::Receipt,
    proto::{
        self, ConverseRequest, ConverseResponse, PEER_DESCRIPTORS, SendRequest, SendResponse,
        peer_chat_server::{PeerChat, PeerChatServer},
    },
    shutdown::GRACE,
    transport::{self, Acceptor, Budget, ClientKeys, Deadline, Limits, Plaintext, server_config},
    wire,
};

/// How long a connection may be silent before it gets a keepalive.
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(20);

/// The largest request that is read: the longest text twice, so that a text that is a little too
/// long is refused as such.
const MAX_REQUEST: usize = 32 * 1024;

/// The largest request to health or reflection: a name or two.
const MAX_QUESTION: usize = 4096;

/// Open connections: enough for all the peers of one person, and few enough that what they may send
/// at once fits into the memory of a small machine.
const OPEN: usize = 256;

/// Open connections of one address, which may be shared by a household.
const OPEN_PER_ADDRESS: usize = 32;

/// Calls in progress on a connection: a conversation, and single messages beside it.
const MAX_CALLS: usize = 32;

/// What callers may make this client hold.
const MEMORY: usize = 16 * 1024 * 1024;

/// Connections in their handshake, in all and of one address.
const PENDING: (usize, usize) = (64, 16);

pub(super) fn acceptor(identity: Option<&Identity>) -> Result<Acceptor, SystemError> {
    let acceptor = match identity {
        Some(own) => {
            let config = server_config(own.credentials(), ClientKeys::Optional)?;
            Acceptor::tls(config, Plaintext::FromLoopback)
        }
        None => Acceptor::plaintext(),
    };
    let limits = Limits {
        pending: PENDING.0,
        pending_per_address: PENDING.1,
        open: OPEN,
        open_per_address: OPEN_PER_ADDRESS,
        ..Limits::default()
    };
    Ok(acceptor.limits(limits.fit()).budget(Budget::new(MEMORY)))
}

/// Serves PeerChat, health and reflection until `stop`. Calls under way may finish within
/// [`GRACE`].
pub(super) async fn serve(
    acceptor: Acceptor,
    listener: TcpListener,
    inbox: Inbox,
    admission: Admission,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<PeerChatServer<Handlers>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(PEER_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = match (reflection().build_v1(), reflection().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => (v1, v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            return tracing::error!(%error, "the descriptors are broken");
        }
    };
    let handlers = Handlers { inbox, admission: admission.clone(), stop: stop.clone(), tasks };
    let peer_chat = PeerChatServer::new(handlers).max_decoding_message_size(MAX_REQUEST);
    let stopping = async {
        stop.cancelled().await;
        for service in ["", proto::peer_chat_server::SERVICE_NAME] {
            health.set_service_status(service, ServingStatus::NotServing).await;
        }
    };
    let served = transport::server(KEEPALIVE, MAX_CALLS)
        .layer(MapResponseLayer::new(wire::explain))
        .layer(Deadline::layer())
        .add_service(health_service.max_decoding_message_size(MAX_QUESTION))
        .add_service(v1.max_decoding_message_size(MAX_QUESTION))
        .add_service(v1alpha.max_decoding_message_size(MAX_QUESTION))
        .add_service(CheckCallers { admission, inner: peer_chat })
        .serve_with_incoming_shutdown(acceptor.incoming(listener), stopping);
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::error!(%error, "the PeerChat server failed");
        },
        () = overdue => tracing::debug!("streams were still open at the end"),
    }
}

/// Refuses callers who are blocked, or lack a key that they need, before their requests are read:
/// generated code reads a whole message first.
#[derive(Clone)]
struct CheckCallers<S> {
    admission: Admission,
    inner: S,
}

impl<S: NamedService> NamedService for CheckCallers<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for CheckCallers<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (admission, mut inner) = (self.admission.clone(), self.inner.clone());
        Box::pin(async move {
            match admission.check_caller(Caller::of(request.extensions())).await {
                Ok(()) => inner.call(request).await,
                Err(error) => Ok(wire::status(&error).into_http()),
            }
        })
    }
}

struct Handlers {
    inbox: Inbox,
    admission: Admission,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[async_trait]
impl PeerChat for Handlers {
    async fn send(&self, request: Request<SendRequest>) -> Result<Response<SendResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let receipt = self.accept(caller, request.into_inner()).await?;
        Ok(Response::new(SendResponse { receipt: Some((&receipt).into()) }))
    }

    type ConverseStream = Pin<Box<dyn Stream<Item = Result<ConverseResponse, Status>> + Send>>;

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let caller = Caller::of(request.extensions());
        let arrival = self.arrive(caller)?;
        let incoming = request.into_inner().map(|request| request.map(|request| request.event));
        let (outgoing, answers) = conversation::outgoing();
        let (inbox, admission) = (self.inbox.clone(), self.admission.clone());
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            conversation::answer(inbox, admission, caller, arrival, incoming, outgoing, stop).await;
        });
        let answers = answers
            .map(|answer| answer.map(|event| ConverseResponse { event: Some(event.into()) }));
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Handlers {
    async fn accept(&self, caller: Caller, request: SendRequest) -> Result<Receipt> {
        self.inbox.check_receiver("receiver", &request.receiver)?;
        let message = wire::direct_message("message", request.message)?;
        let verification = self.admission.admit(caller, &message.sender).await?;
        let direct = Direct { message, verification, from: caller.from };
        // In a task, since a recorded message has to be handed out, and one that was handed out
        // recorded, even if the caller hangs up.
        let inbox = self.inbox.clone();
        let accepted = self.tasks.spawn(async move { inbox.accept(direct, request.kept).await });
        accepted.await.unwrap_or_else(|error| Err(RequestError::internal(error)))
    }

    fn arrive(&self, caller: Caller) -> Result<Permit> {
        if self.stop.is_cancelled() {
            return Err(RequestError::ShuttingDown);
        }
        self.admission.arrive(caller)
    }
}
