//! The way to the hub: one channel, the session's token, and what every call needs.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
};

use super::{
    ClientOptions,
    check::Registered,
    retry::patiently,
    trust::{HubDialer, no_hub},
};
use crate::{
    error::{Error, Result},
    model::{Endpoint, Fingerprint, InviteCode, Name, PeerStatus},
    proto::{self, broadcast_client::BroadcastClient, presence_client::PresenceClient},
    transport::{CALL_TIMEOUT, Channel, DialFailure, why},
    wire,
};

/// Requests between the session and the connection. The session keeps the rest itself.
const REQUESTS: usize = 16;

/// The lease where a hub does not say one: what hubs give.
const USUAL_LEASE: Duration = Duration::from_secs(30);

/// How long a client that stops waits for its hub to hear of it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the hub.
pub(super) struct HubConnection {
    pub(super) hub: Endpoint,
    pub(super) name: Name,
    pub(super) advertised: Vec<Endpoint>,
    channel: Channel,
    key: Option<Fingerprint>,
    invite: Option<InviteCode>,
    own: Mutex<Own>,
}

/// What changes in the course of a client's life.
struct Own {
    token: Option<Arc<Token>>,
    status: PeerStatus,
    registered: Option<Registered>,
}

/// A session's token. It has no `Debug`, so that no log can hold it.
struct Token {
    raw: String,
    bearer: MetadataValue<Ascii>,
}

impl Token {
    fn new(raw: String) -> Result<Self> {
        let mut bearer = MetadataValue::try_from(format!("Bearer {raw}"))
            .map_err(|_| Error::Protocol("the token does not fit into a header".into()))?;
        bearer.set_sensitive(true);
        Ok(Self { raw, bearer })
    }
}

/// An open session: its Chat stream, and what the hub said at registration.
pub(super) struct Chat {
    pub(super) requests: mpsc::Sender<proto::ChatRequest>,
    pub(super) answers: Streaming<proto::ChatResponse>,
    pub(super) lease: Duration,
    pub(super) observed: Option<Endpoint>,
}

impl fmt::Debug for HubConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConnection").field("hub", &self.hub).field("name", &self.name).finish()
    }
}

impl HubConnection {
    pub(super) fn new(
        options: ClientOptions,
        listens: Option<SocketAddr>,
        way: &HubDialer,
    ) -> Result<Self> {
        let advertised = if options.advertise.is_empty() {
            listens.map(Endpoint::from).into_iter().collect()
        } else {
            options.advertise
        };
        Ok(Self {
            channel: way.dial.channel(&options.hub)?,
            key: way.key,
            hub: options.hub,
            name: options.name,
            advertised,
            invite: options.invite,
            own: Mutex::new(Own { token: None, status: options.status, registered: None }),
        })
    }

    /// Registers, taking the place of this client's session before, and opens Chat.
    pub(super) async fn open(&self) -> Result<Chat> {
        let registered = patiently(|| self.register()).await?;
        tracing::info!(hub = %self.hub, name = %self.name, "registered");
        let (requests, queue) = mpsc::channel(REQUESTS);
        let call = authorized(ReceiverStream::new(queue), self.token().as_deref());
        let mut hub = BroadcastClient::new(self.channel.clone());
        // Only the answer's beginning is due soon: a deadline of the call would end the stream.
        let answers = match tokio::time::timeout(CALL_TIMEOUT, hub.chat(call)).await {
            Ok(answer) => answer.map_err(|status| self.failed(&status))?.into_inner(),
            Err(_) => return Err(no_hub(&self.hub, self.key, DialFailure::Timeout)),
        };
        Ok(Chat {
            requests,
            answers,
            lease: registered.lease.and_then(|l| l.try_into().ok()).unwrap_or(USUAL_LEASE),
            observed: registered.observed.and_then(|e| Endpoint::new(&e.host, e.port).ok()),
        })
    }

    async fn register(&self) -> Result<proto::RegisterResponse> {
        let own = self.token();
        let status = self.own().status;
        let request = proto::RegisterRequest {
            name: self.name.to_string(),
            endpoints: self.advertised.iter().map(Into::into).collect(),
            status: proto::PeerStatus::from(status).into(),
            replace_token: own.map(|own| own.raw.clone()).unwrap_or_default(),
            invite_code: self.invite.as_ref().map(InviteCode::as_str).unwrap_or_default().into(),
        };
        let mut hub = PresenceClient::new(self.channel.clone());
        let answer = hub.register(timed(authorized(request, None))).await;
        let mut registered = answer.map_err(|status| self.failed(&status))?.into_inner();
        let token = Token::new(std::mem::take(&mut registered.token))?;
        let said = Registered {
            hub_version: registered.hub.as_ref().map(|hub| hub.version.clone()).unwrap_or_default(),
            peer: registered.peer.clone().and_then(|peer| peer.try_into().ok()),
        };
        let mut own = self.own();
        (own.token, own.registered) = (Some(Arc::new(token)), Some(said));
        drop(own);
        Ok(registered)
    }

    /// Calls an rpc that needs the session's token. A session that was replaced while the call
    /// was under way is no reason to fail: it is made again with the new token.
    pub(super) async fn call<Q: Clone, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        patiently(|| self.call_once(message.clone(), &rpc)).await
    }

    async fn call_once<Q: Clone, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let token = self.token();
        let request = timed(authorized(message.clone(), token.as_deref()));
        let mut answer = rpc(self.channel.clone(), request).await;
        if answer.as_ref().is_err_and(|s| s.code() == Code::Unauthenticated) {
            let newer = self.token();
            if newer.as_ref().map(Arc::as_ptr) != token.as_ref().map(Arc::as_ptr) {
                let request = timed(authorized(message, newer.as_deref()));
                answer = rpc(self.channel.clone(), request).await;
            }
        }
        answer.map(Response::into_inner).map_err(|status| self.failed(&status))
    }

    /// Begins to watch the list of peers, from a revision or with a snapshot.
    pub(super) async fn watch_peers(
        &self,
        revision: Option<proto::Position>,
    ) -> Result<Streaming<proto::WatchPeersResponse>> {
        let call = authorized(proto::WatchPeersRequest { revision }, self.token().as_deref());
        let mut hub = PresenceClient::new(self.channel.clone());
        match tokio::time::timeout(CALL_TIMEOUT, hub.watch_peers(call)).await {
            Ok(answer) => answer.map(Response::into_inner).map_err(|status| self.failed(&status)),
            Err(_) => Err(no_hub(&self.hub, self.key, DialFailure::Timeout)),
        }
    }

    /// Remembers the status for the sessions to come.
    pub(super) fn set_status(&self, status: PeerStatus) {
        self.own().status = status;
    }

    /// Ends the session, if the hub can be told in time, and forgets its token.
    pub(super) async fn leave(&self) {
        let Some(token) = self.own().token.take() else { return };
        let call = authorized(proto::UnregisterRequest {}, Some(&token));
        let mut hub = PresenceClient::new(self.channel.clone());
        if tokio::time::timeout(LEAVE_TIMEOUT, hub.unregister(call)).await.is_err() {
            tracing::debug!("the hub did not hear that this client leaves");
        }
    }

    /// What a failed call to the hub means.
    pub(super) fn failed(&self, status: &Status) -> Error {
        match why(status) {
            Some(failure) => no_hub(&self.hub, self.key, failure),
            None => Error::Refused(wire::refused(status)),
        }
    }

    /// What the hub said at the last registration.
    pub(super) fn registered(&self) -> Option<Registered> {
        self.own().registered.clone()
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> Option<Arc<Token>> {
        self.own().token.clone()
    }
}

fn authorized<T>(message: T, token: Option<&Token>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.bearer.clone());
    }
    request
}

fn timed<T>(mut request: Request<T>) -> Request<T> {
    request.set_timeout(CALL_TIMEOUT);
    request
}
