//! The hub: who is here, and the rooms.
//!
//! [`Hub::new`] opens the store and listens to nothing; [`Hub::serve`] answers on a listener that
//! [`Hub::listen`] opened, until the caller says stop.
//!
//! How a call goes: the connection comes through the [`Acceptor`]; its bytes become a request in tonic;
//! `auth` notes whose session it is, and Register goes through `admission`; `streams` answers the streaming rpcs with shared frames (`fanout`) and lets the unary
//! ones through to `presence` and `broadcast`, which parse, ask the storage, and convert back.

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
pub(crate) mod paging;
mod peers;
mod presence;
mod rates;
mod rooms;
mod sessions;
mod streams;

pub use admission::{Admission, Guests};
pub use error::Error;
pub use jwt::Issuer;
pub use rates::{Rate, Rates};

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::util::{MapRequestLayer, MapResponseLayer};

use self::{
    broadcast::Broadcast,
    dial_back::DialBacks,
    fanout::StreamQueue,
    metrics::{Metrics, Page},
    peers::Peers,
    presence::Presence,
    rates::{RateLimits, Watch},
    rooms::Rooms,
    sessions::{Caller, Sessions, StreamGuard},
    streams::WithStreams,
};
use crate::{
    error::{Result, SystemError},
    identity::{Credentials, Identity},
    model::{Certificate, Name},
    proto::{
        self,
        unary::{broadcast_server::BroadcastServer, presence_server::PresenceServer},
    },
    shutdown,
    storage::{
        Directory, MessageLog, NameRegistry, Retention, Session, SessionId, SessionListener,
        embedded::{EmbeddedDirectory, EmbeddedLog, EmbeddedNames, Store},
    },
    transport::{self, Acceptor, ClientKeys, Limits, Plaintext, server_config},
    wire,
};

/// How long a session lives without a sign of life.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// The shortest lease: below it, one lost packet ends a session.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// The most bytes of one request: a text of full length many times over, so that one that is too
/// long is told so.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// The most bytes of a request of Presence, which comes from people who need not have a session:
/// eight endpoints and an invitation fit many times.
const MAX_PRESENCE_BYTES: usize = 16 * 1024;

/// The most bytes of a request of those services that everybody may call: a few names.
const MAX_OPEN_REQUEST_BYTES: usize = 4 * 1024;

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
    /// What the hub shows of itself in TLS; `None`: a key of its own, kept beside the messages.
    pub credentials: Option<Credentials>,
    /// Whether callers from loopback may do without TLS.
    pub plaintext: Plaintext,
    /// How many connections it takes.
    pub limits: Limits,
    /// Whom it lets in.
    pub admission: Admission,
    /// Whose word counts for names, beside keys.
    pub issuer: Option<Issuer>,
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
            credentials: None,
            plaintext: Plaintext::FromLoopback,
            limits: Limits::default(),
            admission: Admission::default(),
            issuer: None,
            rates: Rates::default(),
            metrics: None,
        }
    }
}

/// What all handlers share.
struct State {
    log: Arc<dyn MessageLog>,
    directory: Arc<dyn Directory>,
    members: Arc<dyn NameRegistry>,
    sessions: Arc<Sessions>,
    peers: Arc<Peers>,
    rooms: Arc<Rooms>,
    lease: Duration,
    admission: Admission,
    issuer: Option<Issuer>,
    /// Of the hub's own key; `None`: an authority vouches for it instead.
    certificate: Option<Certificate>,
    gates: Arc<RateLimits>,
    dial_backs: DialBacks,
    metrics: Metrics,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl State {
    /// The certificate of the hub's own key, as it travels.
    fn certificate(&self) -> Vec<u8> {
        self.certificate.as_ref().map(|own| own.as_der().to_vec()).unwrap_or_default()
    }

    /// Lets a call that reads through, as often as it may come.
    fn may_read(&self, extensions: &tonic::Extensions, caller: &Caller) -> Result<()> {
        self.gates.read(self.gates.origin(extensions), &caller.peer)
    }

    /// Notes that a stream of the caller's session is open, which from now on holds its lease.
    async fn hold(&self, caller: &Caller, mailbox: &Arc<StreamQueue>) -> Result<StreamGuard> {
        let hold = self.sessions.hold(caller.session, mailbox.clone())?;
        self.directory.renew(caller.session, self.lease).await?;
        Ok(hold)
    }
}

/// A hub that does not listen yet.
#[derive(Debug)]
pub struct Hub {
    state: Arc<State>,
    door: Acceptor,
    retention: Retention,
    grace: Duration,
    idle_exit: Option<Duration>,
    metrics: Option<TcpListener>,
}

impl Hub {
    /// Opens the store, and finds or makes the hub's key.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the lease is too short; [`Error::System`] if the store or the key cannot
    /// be used.
    pub async fn new(options: HubOptions) -> Result<Self, Error> {
        if options.lease < MIN_LEASE {
            return Err(Error::invalid("lease", format!("must be at least {MIN_LEASE:?}")));
        }
        let metrics = Metrics::default();
        let rooms = Arc::new(Rooms::new(metrics.clone()));
        // First, as it is what tells a directory that is not a hub's, and one that is another's.
        let log = Arc::new(EmbeddedLog::open(options.store.clone(), rooms.clone())?);
        let HubOptions { store, retention, lease, grace, idle_exit, credentials, .. } = options;
        let opening = move || open(&store, credentials);
        let opened = tokio::task::spawn_blocking(opening).await.map_err(internal)??;
        let tls = server_config(&opened.credentials, ClientKeys::Optional)?;
        let sessions = Sessions::new();
        // Presence lives and dies with the process, so each start is a new epoch of it.
        let peers = Peers::new(rand::random_range(1..=u64::MAX));
        let lists = Lists { sessions: sessions.clone(), peers: peers.clone() };
        let gates = Arc::new(RateLimits::new(options.rates, metrics.clone()));
        let state = Arc::new(State {
            log,
            directory: Arc::new(EmbeddedDirectory::new(Arc::new(lists))),
            members: Arc::new(opened.members),
            sessions,
            peers,
            rooms,
            lease,
            admission: options.admission,
            issuer: options.issuer,
            certificate: opened.certificate,
            gates,
            dial_backs: DialBacks::new(options.plaintext),
            metrics,
        });
        let door = Acceptor::tls(tls, options.plaintext).limits(options.limits);
        let metrics = match options.metrics {
            Some(address) => Some(metrics::listen(address).await?),
            None => None,
        };
        Ok(Self { state, door, retention, grace, idle_exit, metrics })
    }

    /// The certificate of the hub's own key, which clients can pin; `None` where an authority
    /// vouches for it instead.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.state.certificate.as_ref()
    }

    /// Opens a listening socket.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the address cannot be had.
    pub async fn listen(&self, address: SocketAddr) -> Result<TcpListener, Error> {
        Ok(self.door.listen(address).await?)
    }

    /// Answers on `listener` until `stop` is cancelled, then tells all streams and waits for them
    /// to end, no longer than the grace.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        let (health, health_server) = tonic_health::server::health_reporter();
        set_health(&health, ServingStatus::Serving).await;
        let mut upkeep = maintenance::begin(&self.state, self.retention);

        let state = &self.state;
        if let Some(listener) = self.metrics {
            let page = Page::new(state.metrics.clone(), state.clone(), self.door.meter());
            upkeep.spawn(metrics::serve(listener, page));
        }
        let presence = PresenceServer::new(Presence(state.clone()))
            .max_decoding_message_size(MAX_PRESENCE_BYTES);
        let broadcast = BroadcastServer::new(Broadcast(state.clone()))
            .max_decoding_message_size(MAX_REQUEST_BYTES);
        let v1 = reflection()?.build_v1().map_err(internal)?;
        let v1alpha = reflection()?.build_v1alpha().map_err(internal)?;
        // A third of the lease of silence, a third for the answer, a third to come back.
        let drained = CancellationToken::new();
        let server = transport::server(state.lease / 3)
            .layer(Watch::new(state.gates.clone(), state.metrics.clone()))
            .layer(MapResponseLayer::new(wire::explain))
            .layer(MapRequestLayer::new(auth::note_caller(state.sessions.clone())))
            .add_service(WithStreams::new(presence, state.clone()))
            .add_service(WithStreams::new(broadcast, state.clone()))
            .add_service(health_server.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES))
            .add_service(v1.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES))
            .add_service(v1alpha.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES))
            .serve_with_incoming_shutdown(
                self.door.arrivals(listener),
                drained.clone().cancelled_owned(),
            );
        let drain = async {
            tokio::select! {
                () = stop.cancelled() => tracing::info!("stopping, as told"),
                () = maintenance::idle(&state.sessions, self.idle_exit) => {
                    tracing::info!("stopping: nobody is here");
                }
            }
            set_health(&health, ServingStatus::NotServing).await;
            state.sessions.close();
            drained.cancel();
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            served = server => Ok(served.map_err(internal)?),
            () = drain => Ok(()),
        }
    }
}

/// What a hub finds beside its messages, or makes there.
struct Opened {
    members: EmbeddedNames,
    credentials: Credentials,
    certificate: Option<Certificate>,
}

/// Reads and writes files.
fn open(store: &Store, credentials: Option<Credentials>) -> Result<Opened, SystemError> {
    let members = EmbeddedNames::open(store)?;
    if let Some(credentials) = credentials {
        return Ok(Opened { members, credentials, certificate: None });
    }
    let own = match store {
        Store::Directory(directory) => Identity::load_or_create(directory)?,
        Store::Memory => Identity::generate()?,
    };
    let (credentials, certificate) = (own.credentials().clone(), Some(own.certificate().clone()));
    Ok(Opened { members, credentials, certificate })
}

/// Hears of every session and keeps both tables of them.
#[derive(Debug)]
struct Lists {
    sessions: Arc<Sessions>,
    peers: Arc<Peers>,
}

impl SessionListener for Lists {
    fn put(&self, session: Session) {
        self.peers.put(session);
    }

    fn gone(&self, id: SessionId, peer: &Name) {
        self.peers.remove(id, peer);
        self.sessions.remove(id);
    }
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

fn reflection() -> Result<tonic_reflection::server::Builder<'static>, SystemError> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::HUB_DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        // What statuses carry: with it grpcurl shows their details as words.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET))
}

fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> SystemError {
    SystemError::because("the hub failed", cause)
}

/// A handler's result as tonic wants it.
fn answer<T>(result: Result<T>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| wire::status(&error))
}
