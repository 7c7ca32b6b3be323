//! The hub: who is here, and the rooms.
//!
//! [`Hub::new`] opens the store and listens to nothing; [`Hub::serve`] answers on a listener that
//! the caller owns until the caller says stop.
//!
//! How a call goes: the connection's bytes become a request in tonic; `auth` notes whose session
//! it is; `streams` answers the streaming rpcs with shared frames (`fanout`) and lets the unary
//! ones through to `presence` and `broadcast`, which parse, ask the backbone, and convert back.

mod auth;
mod broadcast;
mod chat;
mod fanout;
mod metrics;
pub(crate) mod paging;
mod peers;
mod presence;
mod rates;
mod rooms;
mod sessions;
mod streams;

pub use rates::{Rate, Rates};

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::util::{MapRequestLayer, MapResponseLayer};

use self::{
    broadcast::Broadcast,
    fanout::Mailbox,
    metrics::{Metrics, Page},
    peers::Peers,
    presence::Presence,
    rates::{Gates, Watch},
    rooms::Rooms,
    sessions::{Caller, Hold, Sessions},
    streams::WithStreams,
};
use crate::{
    backbone::{
        Directory, MessageLog, Retention, Roster, Session, SessionId,
        embedded::{EmbeddedDirectory, EmbeddedLog, Store},
    },
    error::{Error, Result},
    model::Name,
    proto::{
        self,
        unary::{broadcast_server::BroadcastServer, presence_server::PresenceServer},
    },
    shutdown, transport, wire,
};

/// How long a session lives without a sign of life.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// The shortest lease: below it, one lost packet ends a session.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// How often rooms that nobody reads are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// How often messages that need not be kept are removed.
const RETAIN: Duration = Duration::from_secs(60);

/// The most bytes of one request: a text of full length many times over, so that one that is too
/// long is told so.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// The services that the hub serves, by the names health knows them by; "" is the whole hub.
const SERVICES: [&str; 3] = ["", "chinwag.v1.Presence", "chinwag.v1.Broadcast"];

/// What a hub can be told.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Where messages are kept.
    pub store: Store,
    /// Which of them are kept.
    pub retention: Retention,
    /// How long a session lives without a sign of life; at least [`MIN_LEASE`].
    pub lease: Duration,
    /// How long streams have to end once the hub is told to stop.
    pub grace: Duration,
    /// Stop when there was no session for this long; `None`: never.
    pub idle_exit: Option<Duration>,
    /// How often callers may do what costs.
    pub rates: Rates,
    /// Where its metrics are shown, over HTTP/1 and in the clear; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

impl HubOptions {
    /// The defaults, on `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            retention: Retention::default(),
            lease: DEFAULT_LEASE,
            grace: shutdown::GRACE,
            idle_exit: None,
            rates: Rates::default(),
            metrics: None,
        }
    }
}

/// What all handlers share.
struct State {
    log: Arc<dyn MessageLog>,
    directory: Arc<dyn Directory>,
    sessions: Arc<Sessions>,
    peers: Arc<Peers>,
    rooms: Arc<Rooms>,
    lease: Duration,
    gates: Arc<Gates>,
    metrics: Metrics,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl State {
    /// Notes that a stream of the caller's session is open, which from now on holds its lease.
    async fn hold(&self, caller: &Caller, mailbox: &Arc<Mailbox>) -> Result<Hold> {
        let hold = self.sessions.hold(caller.session, mailbox.clone())?;
        self.directory.renew(caller.session, self.lease).await?;
        Ok(hold)
    }
}

/// A hub that does not listen yet.
#[derive(Debug)]
pub struct Hub {
    state: Arc<State>,
    retention: Retention,
    grace: Duration,
    idle_exit: Option<Duration>,
    metrics: Option<TcpListener>,
}

impl Hub {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the lease is too short; [`Error::Store`] where the store cannot be
    /// used.
    pub async fn new(options: HubOptions) -> Result<Self> {
        if options.lease < MIN_LEASE {
            return Err(Error::invalid("lease", format!("must be at least {MIN_LEASE:?}")));
        }
        let metrics = Metrics::default();
        let rooms = Arc::new(Rooms::new(metrics.clone()));
        let log = Arc::new(EmbeddedLog::open(options.store.clone(), rooms.clone())?);
        let sessions = Sessions::new();
        // Presence lives and dies with the process, so each start is a new epoch of it.
        let peers = Peers::new(rand::random_range(1..=u64::MAX));
        let members = Members { sessions: sessions.clone(), peers: peers.clone() };
        let directory = Arc::new(EmbeddedDirectory::new(Arc::new(members)));
        let gates = Arc::new(Gates::new(options.rates, metrics.clone()));
        let HubOptions { lease, retention, grace, idle_exit, .. } = options;
        let state =
            Arc::new(State { log, directory, sessions, peers, rooms, lease, gates, metrics });
        let metrics = match options.metrics {
            Some(address) => Some(metrics::listen(address).await?),
            None => None,
        };
        Ok(Self { state, retention, grace, idle_exit, metrics })
    }

    /// Answers on `listener` until `stop` is cancelled, then tells all streams and waits for them
    /// to end, no longer than the grace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let (health, health_server) = tonic_health::server::health_reporter();
        set_health(&health, ServingStatus::Serving).await;
        let mut upkeep = JoinSet::new();
        upkeep.spawn(keep_leases(self.state.clone()));
        upkeep.spawn(publish_peers(self.state.clone()));
        upkeep.spawn(sweep_rooms(self.state.clone()));
        if self.retention != Retention::default() {
            upkeep.spawn(retain(self.state.clone(), self.retention));
        }

        let state = &self.state;
        let door = transport::Door::plaintext().limits(transport::Limits::default().fit());
        if let Some(listener) = self.metrics {
            let page = Page::new(state.metrics.clone(), state.clone(), door.meter());
            upkeep.spawn(metrics::serve(listener, page));
        }
        let presence = PresenceServer::new(Presence(state.clone()))
            .max_decoding_message_size(MAX_REQUEST_BYTES);
        let broadcast = BroadcastServer::new(Broadcast(state.clone()))
            .max_decoding_message_size(MAX_REQUEST_BYTES);
        // A third of the lease of silence, a third for the answer, a third to come back.
        let drained = CancellationToken::new();
        let server = transport::server(state.lease / 3)
            .layer(Watch::new(state.gates.clone(), state.metrics.clone()))
            .layer(MapResponseLayer::new(wire::explain))
            .layer(MapRequestLayer::new(auth::note_caller(state.sessions.clone())))
            .add_service(WithStreams::new(presence, state.clone()))
            .add_service(WithStreams::new(broadcast, state.clone()))
            .add_service(health_server)
            .add_service(reflection()?.build_v1().map_err(internal)?)
            .add_service(reflection()?.build_v1alpha().map_err(internal)?)
            .serve_with_incoming_shutdown(
                door.arrivals(listener),
                drained.clone().cancelled_owned(),
            );
        let drain = async {
            tokio::select! {
                () = stop.cancelled() => tracing::info!("stopping, as told"),
                () = idle(&state.sessions, self.idle_exit) => {
                    tracing::info!("stopping: nobody is here");
                }
            }
            set_health(&health, ServingStatus::NotServing).await;
            state.sessions.close();
            drained.cancel();
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            served = server => served.map_err(internal),
            () = drain => Ok(()),
        }
    }
}

/// Hears of every session and keeps both tables of them.
#[derive(Debug)]
struct Members {
    sessions: Arc<Sessions>,
    peers: Arc<Peers>,
}

impl Roster for Members {
    fn put(&self, session: Session) {
        self.peers.put(session);
    }

    fn gone(&self, id: SessionId, peer: &Name) {
        self.peers.remove(id, peer);
        self.sessions.remove(id);
    }
}

/// Prolongs the leases of the sessions that have a stream, and cuts short those that lost their
/// last: the keepalive has used up two thirds of the lease before it noticed. Never before the time
/// that a registration or a Renew has promised, which were signs of life themselves.
async fn keep_leases(state: Arc<State>) {
    let mut ticks = tokio::time::interval(state.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let comeback = state.lease / 3;
    loop {
        let leases: Vec<_> = tokio::select! {
            _ = ticks.tick() => {
                state.sessions.held().into_iter().map(|id| (id, state.lease)).collect()
            }
            loosened = state.sessions.loosened() => {
                loosened.into_iter().map(|(id, promised)| (id, promised.max(comeback))).collect()
            }
        };
        for (id, lease) in leases {
            // A session that has ended meanwhile needs no lease.
            let _ = state.directory.renew(id, lease).await;
        }
    }
}

async fn publish_peers(state: Arc<State>) {
    state.peers.publish().await;
}

async fn sweep_rooms(state: Arc<State>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        state.rooms.sweep();
        state.gates.sweep();
    }
}

async fn retain(state: Arc<State>, retention: Retention) {
    let mut ticks = tokio::time::interval(RETAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match state.log.retain(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "messages that need not be kept are removed"),
            Err(error) => tracing::warn!(%error, "no messages could be removed"),
        }
    }
}

/// Ends when there was no session for `patience`.
async fn idle(sessions: &Sessions, patience: Option<Duration>) {
    let Some(patience) = patience else { return std::future::pending().await };
    let mut count = sessions.count();
    loop {
        // The sender is part of `sessions`: it cannot be gone.
        let _ = count.wait_for(|count| *count == 0).await;
        let somebody = count.wait_for(|count| *count > 0);
        if tokio::time::timeout(patience, somebody).await.is_err() {
            return;
        }
    }
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

fn reflection() -> Result<tonic_reflection::server::Builder<'static>> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::HUB_DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        // What statuses carry: with it grpcurl shows their details as words.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET))
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Io(error.to_string())
}

/// A handler's result as tonic wants it.
fn answer<T>(result: Result<T>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| wire::status(&error))
}
