//! The hub: registers peers and relays rooms.
//!
//! [`Hub::new`] opens the storage without listening; [`Hub::serve`] answers on a listener that
//! [`Hub::listen`] opened, until it is told to stop.
//!
//! The path of a call: the connection comes through the [`Acceptor`], and tonic makes requests of
//! its bytes. `auth` finds out whose session calls; Register goes through `admission` instead.
//! `streams` answers the streaming rpcs with shared frames (`fanout`) and passes the unary ones on
//! to `presence` and `broadcast`, which parse the request, call the storage, and convert the
//! result.

mod admission;
mod auth;
mod broadcast;
mod chat;
mod dial_back;
mod error;
mod fanout;
mod jwt;
mod maintenance;
mod metrics;
mod metrics_page;
mod metrics_server;
mod options;
pub(crate) mod paging;
mod peers;
mod presence;
mod rates;
mod rooms;
mod sessions;
mod state;
mod streams;
mod turns;

pub use error::Error;
pub use jwt::Issuer;
pub use options::{Admission, DEFAULT_LEASE, Guests, HubOptions, MIN_LEASE, MIN_NAME_EXPIRY};
pub use rates::{Rate, Rates};

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::util::{MapRequestLayer, MapResponseLayer};

use self::{
    broadcast::Broadcast,
    dial_back::DialBacks,
    metrics::Metrics,
    metrics_page::MetricsPage,
    peers::Peers,
    presence::Presence,
    rates::{FailureLimit, PacedRequests, RateLimits},
    rooms::Rooms,
    sessions::Sessions,
    state::{HubState, SessionTables},
    streams::{MAX_REQUEST_BYTES, WithStreams},
    turns::Turns,
};
use crate::{
    error::SystemError,
    identity::{Credentials, Identity},
    model::Certificate,
    proto::{
        self,
        unary::{broadcast_server::BroadcastServer, presence_server::PresenceServer},
    },
    storage::{
        Retention,
        embedded::{
            EmbeddedDirectory, EmbeddedLog, EmbeddedNameRegistry, Store,
            log::{READERS, SEARCHERS},
        },
    },
    transport::{self, Acceptor, Budget, ClientKeys, Deadline, Observe, server_config},
    wire,
};

/// The most bytes of a request to Presence, whose callers need no session: eight endpoints and an
/// invitation fit several times.
const MAX_PRESENCE_BYTES: usize = 16 * 1024;

/// The most bytes of a request to the services without authentication: a few names.
const MAX_OPEN_REQUEST_BYTES: usize = 4 * 1024;

/// Calls in progress on a connection that has not shown a session yet: to register, and to look at
/// health and reflection.
const MAX_ANONYMOUS_CALLS: usize = 8;

/// The share of the memory for what callers do not hold any more: the allocator has not given it back
/// yet, or their connections are ending.
const RESERVE_SHARE: usize = 4;

/// The share of the memory that rooms may keep of their latest messages for their readers.
const KEPT_SHARE: usize = 4;

/// The share of the memory that sessions may take.
const SESSIONS_SHARE: usize = 2;

/// The services as health checks name them; "" stands for the whole hub.
const SERVICES: [&str; 3] = ["", "chinwag.v1.Presence", "chinwag.v1.Broadcast"];

/// A hub that does not listen yet.
#[derive(Debug)]
pub struct Hub {
    state: Arc<HubState>,
    acceptor: Acceptor,
    budget: Budget,
    retention: Retention,
    name_expiry: Option<Duration>,
    grace: Duration,
    idle_exit: Option<Duration>,
    metrics: Option<TcpListener>,
}

impl Hub {
    /// Opens the storage, and loads or creates the hub's key. Errors with [`Error::Invalid`] if the
    /// lease or the expiry of names is too short, or names expire on an invite-only hub;
    /// [`Error::System`] if the storage or the key cannot be used.
    pub async fn new(options: HubOptions) -> Result<Self, Error> {
        if options.lease < MIN_LEASE {
            return Err(Error::invalid("lease", format!("must be at least {MIN_LEASE:?}")));
        }
        if let Some(expiry) = options.name_expiry {
            if expiry < MIN_NAME_EXPIRY {
                return Err(Error::invalid("name_expiry", "must be at least 7 days"));
            }
            if options.admission.by_invitation {
                let why = "members of an invite-only hub stay until they are removed";
                return Err(Error::invalid("name_expiry", why));
            }
        }
        let metrics = Metrics::default();
        let budget = Budget::new(options.memory - options.memory / RESERVE_SHARE);
        let rooms = Arc::new(Rooms::new(metrics.clone(), budget.pool(KEPT_SHARE)));
        // First, because this detects a directory that is not a hub's, or is another hub's.
        let log =
            Arc::new(EmbeddedLog::open(options.store.clone(), options.store_limit, rooms.clone())?);
        let HubOptions { store, retention, name_expiry, lease, grace, idle_exit, .. } = options;
        let credentials = options.credentials;
        let opening = move || open(&store, credentials);
        let opened = tokio::task::spawn_blocking(opening).await.map_err(internal)??;
        let tls = server_config(&opened.credentials, ClientKeys::Optional)?;
        let sessions = Sessions::new(options.max_sessions, budget.pool(SESSIONS_SHARE));
        // Peers are kept in memory, so each start of the process is a new epoch.
        let peers = Peers::new(rand::random_range(1..=u64::MAX));
        let tables = SessionTables { sessions: sessions.clone(), peers: peers.clone() };
        let state = Arc::new(HubState {
            log,
            reads: Turns::new(READERS),
            searches: Turns::new(SEARCHERS),
            directory: Arc::new(EmbeddedDirectory::new(Arc::new(tables))),
            names: Arc::new(opened.names),
            sessions,
            peers,
            rooms,
            lease,
            admission: options.admission,
            issuer: options.issuer,
            certificate: opened.certificate,
            rate_limits: Arc::new(RateLimits::new(options.rates, metrics.clone())),
            dial_backs: DialBacks::new(options.plaintext),
            metrics,
        });
        let limits = options.limits.within(options.memory);
        let acceptor = Acceptor::tls(tls, options.plaintext).limits(limits).budget(budget.clone());
        let metrics = match options.metrics {
            Some(address) => Some(metrics_server::listen(address).await?),
            None => None,
        };
        Ok(Self { state, acceptor, budget, retention, name_expiry, grace, idle_exit, metrics })
    }

    /// Returns the certificate of the hub's own key, to pin; `None` with other credentials.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.state.certificate.as_ref()
    }

    /// Opens a listening socket. Errors with [`Error::System`] if the address cannot be bound.
    pub async fn listen(&self, address: SocketAddr) -> Result<TcpListener, Error> {
        Ok(self.acceptor.listen(address).await?)
    }

    /// Answers on `listener` until `stop` is cancelled, then tells all streams to end and waits for
    /// them, at most for the grace period. Errors with [`Error::System`] if the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        let (health, health_server) = tonic_health::server::health_reporter();
        set_health(&health, ServingStatus::Serving).await;
        let state = &self.state;
        let mut tasks = maintenance::start(state, self.retention, self.name_expiry);
        if let Some(listener) = self.metrics {
            let page = MetricsPage::new(state.clone(), self.acceptor.meter(), self.budget);
            tasks.spawn(metrics_server::serve(listener, page));
        }
        let presence = PresenceServer::new(Presence(state.clone()))
            .max_decoding_message_size(MAX_PRESENCE_BYTES);
        let broadcast = BroadcastServer::new(Broadcast(state.clone()))
            .max_decoding_message_size(MAX_REQUEST_BYTES);
        let health_server = health_server.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES);
        let v1 = reflection().build_v1().map_err(internal)?;
        let v1 = v1.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES);
        let v1alpha = reflection().build_v1alpha().map_err(internal)?;
        let v1alpha = v1alpha.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES);
        let failure_limit = FailureLimit::new(state.rate_limits.clone(), state.metrics.clone());
        let drained = CancellationToken::new();
        // One third of the lease for silence, one for the answer to a ping, one to reconnect.
        let server = transport::server(state.lease / 3, MAX_ANONYMOUS_CALLS)
            .layer(Observe::new(failure_limit))
            .layer(MapResponseLayer::new(wire::explain))
            .layer(Deadline::layer())
            .layer(MapRequestLayer::new(auth::authenticate(state.sessions.clone())))
            .add_service(WithStreams::new(presence, state.clone()))
            .add_service(WithStreams::new(broadcast, state.clone()))
            .add_service(PacedRequests::new(health_server, state.rate_limits.clone()))
            .add_service(PacedRequests::new(v1, state.rate_limits.clone()))
            .add_service(PacedRequests::new(v1alpha, state.rate_limits.clone()))
            .serve_with_incoming_shutdown(
                self.acceptor.incoming(listener),
                drained.clone().cancelled_owned(),
            );
        let drain = async {
            tokio::select! {
                () = stop.cancelled() => tracing::info!("stopping, as told"),
                () = maintenance::idle(&state.sessions, self.idle_exit) => {
                    tracing::info!("stopping: there are no sessions");
                }
            }
            set_health(&health, ServingStatus::NotServing).await;
            state.sessions.close();
            state.reads.close();
            state.searches.close();
            drained.cancel();
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            served = server => Ok(served.map_err(internal)?),
            () = drain => Ok(()),
        }
    }
}

/// What a hub stores beside its messages.
struct Opened {
    names: EmbeddedNameRegistry,
    credentials: Credentials,
    certificate: Option<Certificate>,
}

/// Opens the names and the hub's key. Blocks on files.
fn open(store: &Store, credentials: Option<Credentials>) -> Result<Opened, SystemError> {
    let names = EmbeddedNameRegistry::open(store)?;
    if let Some(credentials) = credentials {
        return Ok(Opened { names, credentials, certificate: None });
    }
    let own = match store {
        Store::Directory(directory) => Identity::load_or_create(directory)?,
        Store::Memory => Identity::generate()?,
    };
    let (credentials, certificate) = (own.credentials().clone(), Some(own.certificate().clone()));
    Ok(Opened { names, credentials, certificate })
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::HUB_DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        // The details of statuses, so that grpcurl can decode them.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> SystemError {
    SystemError::because("the hub failed", cause)
}
