//! The connection to the hub: one channel, the session's token, and what every call needs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
};

use super::{
    options::ClientOptions,
    own_name::OwnName,
    retry::retry_rate_limited,
    trust::{HubDialer, hub_error},
};
use crate::{
    client::error::{Error, Result},
    error::Reason,
    model::{Endpoint, Fingerprint, InviteCode, Name, Peer, PeerStatus},
    proto::{self, broadcast_client::BroadcastClient, presence_client::PresenceClient},
    transport::{CALL_TIMEOUT, Channel, DialFailure, dial_failure},
    wire,
};

/// Requests between the session and the connection. The session queues the rest itself.
const REQUESTS: usize = 16;

const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// How long a client that stops waits for the hub to take note.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the hub said about itself and this client at registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// The version of the hub; empty if it gave none. Not safe to print on a terminal.
    pub hub_version: String,
    /// This client as the hub knows it, listed or not.
    pub peer: Option<Peer>,
    /// Whether the hub lets newcomers in by invitation only.
    pub invite_only: bool,
}

pub(super) struct HubConnection {
    pub(super) endpoint: Endpoint,
    pub(super) name: OwnName,
    pub(super) advertised: Vec<Endpoint>,
    channel: Channel,
    pub(super) key: Option<Fingerprint>,
    invite: Option<InviteCode>,
    registration: Mutex<Registration>,
    /// Held while a change of the status is sent.
    changing: Semaphore,
}

struct Registration {
    token: Option<Arc<SessionToken>>,
    status: PeerStatus,
    /// The status that the hub has not been told yet.
    wanted: Option<PeerStatus>,
    registered: Option<Registered>,
    /// The name before the hub gave another, until that is reported.
    former_name: Option<Name>,
}

/// A session's token. Not `Debug`, so that it cannot end up in a log.
struct SessionToken {
    raw: String,
    bearer: MetadataValue<Ascii>,
}

impl SessionToken {
    fn new(raw: String) -> Result<Self> {
        let mut bearer = MetadataValue::try_from(format!("Bearer {raw}"))
            .map_err(|_| Error::protocol("the token does not fit into a header"))?;
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

impl HubConnection {
    pub(super) fn new(
        options: ClientOptions,
        name: OwnName,
        listens: Option<SocketAddr>,
        dialer: &HubDialer,
    ) -> Result<Self> {
        let advertised = if options.advertise.is_empty() {
            listens.map(Endpoint::from).into_iter().collect()
        } else {
            options.advertise
        };
        Ok(Self {
            channel: dialer.dial.channel(&options.hub)?,
            key: dialer.key,
            endpoint: options.hub,
            name,
            advertised,
            invite: options.invite,
            registration: Mutex::new(Registration {
                token: None,
                status: options.status,
                wanted: None,
                registered: None,
                former_name: None,
            }),
            changing: Semaphore::new(1),
        })
    }

    /// Registers, which replaces the previous session of this client, and opens Chat. If the operator
    /// of the hub has renamed this client, it registers with the new name.
    pub(super) async fn open(&self) -> Result<Chat> {
        let name = self.name.get();
        let registered = match retry_rate_limited(|| self.register()).await {
            Err(Error::Refused(_)) if !self.name.is(&name) => {
                retry_rate_limited(|| self.register()).await
            }
            answer => answer,
        }?;
        tracing::info!(hub = %self.endpoint, name = %self.name.get(), "registered");
        let (requests, queue) = mpsc::channel(REQUESTS);
        let call = authorized(ReceiverStream::new(queue), self.token().as_deref());
        let mut hub = BroadcastClient::new(self.channel.clone());
        // A deadline of the call itself would end the stream.
        let answers = match tokio::time::timeout(CALL_TIMEOUT, hub.chat(call)).await {
            Ok(answer) => answer.map_err(|status| self.call_error(&status))?.into_inner(),
            Err(_) => return Err(hub_error(&self.endpoint, self.key, DialFailure::Timeout)),
        };
        Ok(Chat {
            requests,
            answers,
            lease: registered.lease.and_then(|l| l.try_into().ok()).unwrap_or(DEFAULT_LEASE),
            observed: registered.observed.and_then(|e| Endpoint::new(&e.host, e.port).ok()),
        })
    }

    async fn register(&self) -> Result<proto::RegisterResponse> {
        let token = self.token();
        let status = self.registration.lock().status;
        let request = proto::RegisterRequest {
            name: self.name.get().to_string(),
            endpoints: self.advertised.iter().map(Into::into).collect(),
            status: proto::PeerStatus::from(status).into(),
            replace_token: token.map(|token| token.raw.clone()).unwrap_or_default(),
            invite_code: self.invite.as_ref().map(InviteCode::as_str).unwrap_or_default().into(),
        };
        let mut hub = PresenceClient::new(self.channel.clone());
        let answer = hub.register(timed(authorized(request, None))).await;
        let mut registered = answer.map_err(|status| self.refused(&status))?.into_inner();
        let token = SessionToken::new(std::mem::take(&mut registered.token))?;
        let answer = Registered {
            hub_version: registered.hub.as_ref().map(|hub| hub.version.clone()).unwrap_or_default(),
            invite_only: registered.hub.as_ref().is_some_and(|hub| hub.invite_only),
            peer: registered.peer.clone().and_then(|peer| peer.try_into().ok()),
        };
        let mut registration = self.registration.lock();
        (registration.token, registration.registered) = (Some(Arc::new(token)), Some(answer));
        drop(registration);
        Ok(registered)
    }

    /// Converts the status of a refused registration, and takes over a new name.
    fn refused(&self, status: &Status) -> Error {
        if let Some(name) = wire::new_name(status).filter(|name| !self.name.is(name)) {
            let former = self.name.set(name);
            self.registration.lock().former_name.get_or_insert(former);
        }
        self.call_error(status)
    }

    /// Returns the name that this client had before the hub gave it another: once.
    pub(super) fn take_former_name(&self) -> Option<Name> {
        self.registration.lock().former_name.take()
    }

    /// Calls an rpc that needs the session's token. If the session was replaced while the call was
    /// under way, repeats it with the new token.
    pub(super) async fn call<Q: Clone, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        retry_rate_limited(|| async {
            let token = self.token();
            let request = timed(authorized(message.clone(), token.as_deref()));
            let mut answer = rpc(self.channel.clone(), request).await;
            if answer.as_ref().is_err_and(|s| s.code() == Code::Unauthenticated) {
                let newer = self.token();
                if newer.as_ref().map(Arc::as_ptr) != token.as_ref().map(Arc::as_ptr) {
                    let request = timed(authorized(message.clone(), newer.as_deref()));
                    answer = rpc(self.channel.clone(), request).await;
                }
            }
            answer.map(Response::into_inner).map_err(|status| self.call_error(&status))
        })
        .await
    }

    /// Opens the stream of the list of peers, after a revision or with a snapshot.
    pub(super) async fn watch_peers(
        &self,
        revision: Option<proto::Position>,
    ) -> Result<Streaming<proto::WatchPeersResponse>> {
        let request = proto::WatchPeersRequest { revision, view: proto::PeerView::Basic.into() };
        let call = authorized(request, self.token().as_deref());
        let mut hub = PresenceClient::new(self.channel.clone());
        match tokio::time::timeout(CALL_TIMEOUT, hub.watch_peers(call)).await {
            Ok(answer) => {
                answer.map(Response::into_inner).map_err(|status| self.call_error(&status))
            }
            Err(_) => Err(hub_error(&self.endpoint, self.key, DialFailure::Timeout)),
        }
    }

    /// Changes the status at the hub, and for later sessions. One change is sent at a time, and has the
    /// latest status: while it waits for the rate of the hub, later changes replace it.
    pub(super) async fn set_status(&self, status: PeerStatus) -> Result<()> {
        self.registration.lock().wanted = Some(status);
        // The semaphore is never closed.
        let _turn = self.changing.acquire().await;
        if self.registration.lock().wanted.is_none() {
            // An earlier call has sent this status, or one after it.
            return Ok(());
        }
        let tried = Mutex::new(status);
        let rpc = |channel, mut request: Request<proto::RenewRequest>| {
            let latest = self.registration.lock().wanted.unwrap_or(status);
            *tried.lock() = latest;
            request.get_mut().status = proto::PeerStatus::from(latest).into();
            async move { PresenceClient::new(channel).renew(request).await }
        };
        self.call(proto::RenewRequest::default(), rpc).await?;
        let mut registration = self.registration.lock();
        registration.status = tried.into_inner();
        if registration.wanted == Some(registration.status) {
            registration.wanted = None;
        }
        Ok(())
    }

    /// Ends the session, if the hub answers in time, and forgets its token.
    pub(super) async fn leave(&self) {
        let Some(token) = self.registration.lock().token.take() else { return };
        let call = authorized(proto::UnregisterRequest {}, Some(&token));
        let mut hub = PresenceClient::new(self.channel.clone());
        if tokio::time::timeout(LEAVE_TIMEOUT, hub.unregister(call)).await.is_err() {
            tracing::debug!("the hub did not confirm in time that this client leaves");
        }
    }

    /// Converts the status of a failed call to the hub.
    pub(super) fn call_error(&self, status: &Status) -> Error {
        match dial_failure(status) {
            Some(failure) => hub_error(&self.endpoint, self.key, failure),
            None => Error::Refused(wire::refused(status)),
        }
    }

    /// Asks the hub for a peer; with a key, also for one that is not listed.
    pub(super) async fn get_peer(&self, name: &Name, key: Option<Fingerprint>) -> Result<Peer> {
        let fingerprint = key.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
        let request = proto::GetPeerRequest { name: name.to_string(), fingerprint };
        let rpc =
            |channel, request| async move { PresenceClient::new(channel).get_peer(request).await };
        let answer = self.call(request, rpc).await.map_err(|error| match error {
            Error::Refused(refusal) if refusal.reason == Reason::PeerUnknown => {
                Error::PeerUnknown(name.clone())
            }
            _ => error,
        })?;
        let peer = Peer::try_from(wire::present("peer", answer.peer)?)?;
        if peer.name != *name {
            return Err(Error::protocol(format!("asked for {name}, got {}", peer.name)));
        }
        Ok(peer)
    }

    /// Returns what the hub said at the last registration.
    pub(super) fn registered(&self) -> Option<Registered> {
        self.registration.lock().registered.clone()
    }

    fn token(&self) -> Option<Arc<SessionToken>> {
        self.registration.lock().token.clone()
    }
}

fn authorized<T>(message: T, token: Option<&SessionToken>) -> Request<T> {
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
