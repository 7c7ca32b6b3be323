//! A hub controlled by the test: the test answers every call.
//!
//! Registrations are answered at once with the tokens `token-1`, `token-2` and so on, unless the
//! test configures a refusal, and are recorded for GetPeer.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use chinwag::{
    model::{Certificate, Endpoint, Fingerprint, Name},
    proto::{self, broadcast_server::BroadcastServer, presence_server::PresenceServer},
    transport::Acceptor,
};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::handlers::Handlers;
pub(crate) use self::streams::{FakeChat, FakeWatch};
use crate::support::within::{PATIENCE, within};

mod handlers;
mod streams;

/// The default epoch of every room.
pub(crate) const EPOCH: u64 = 7;

/// A call from a client.
pub(crate) enum Call {
    Register { request: proto::RegisterRequest, shown: Option<String> },
    Unregister { token: Option<String> },
    Renew { request: proto::RenewRequest },
    Chat(FakeChat),
    Watch(FakeWatch),
}

/// The fake hub.
pub(crate) struct FakeHub {
    address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    state: Arc<State>,
    stop: CancellationToken,
    server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    peers: Mutex<HashMap<String, proto::Peer>>,
    /// Peers that GetPeer returns and lists omit.
    unlisted: Mutex<HashMap<String, proto::Peer>>,
    refusals: Mutex<VecDeque<Status>>,
    change_refusals: Mutex<VecDeque<Status>>,
    held_watches: Mutex<VecDeque<oneshot::Receiver<Result<(), Status>>>>,
    tokens: Mutex<u32>,
    lease: Mutex<Option<Duration>>,
    /// The offset of its clock in seconds.
    clock: Mutex<i64>,
    /// The number of rooms that it lists, and the number of requests for them.
    rooms: Mutex<usize>,
    /// Whether its lists have no end.
    endless: Mutex<bool>,
    /// The pages of peers without end that were asked for.
    pages: Mutex<usize>,
    room_requests: Mutex<usize>,
}

impl FakeHub {
    pub(crate) async fn start() -> Self {
        Self::behind(Acceptor::plaintext()).await
    }

    /// Starts a hub behind this acceptor. It lists the keys of its callers.
    pub(crate) async fn behind(door: Acceptor) -> Self {
        let listener = door.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self::listen(&door, listener)
    }

    fn listen(door: &Acceptor, listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (told, calls) = mpsc::unbounded_channel();
        let state = Arc::<State>::default();
        let stop = CancellationToken::new();
        let handlers = Handlers { told, state: state.clone() };
        let served = tonic::transport::Server::builder()
            .add_service(PresenceServer::new(handlers.clone()))
            .add_service(BroadcastServer::new(handlers))
            .serve_with_incoming_shutdown(door.incoming(listener), stop.clone().cancelled_owned());
        let mut server = JoinSet::new();
        server.spawn(async move { served.await.unwrap() });
        Self { address, calls, state, stop, server }
    }

    /// Stops the hub, with all streams that the test has not taken.
    pub(crate) async fn stop(self) -> SocketAddr {
        let Self { address, calls, stop, mut server, .. } = self;
        drop(calls);
        stop.cancel();
        within(PATIENCE, "the fake hub's end", server.join_next()).await;
        address
    }

    /// Restarts at the same address with no state.
    pub(crate) async fn restart(address: SocketAddr) -> Self {
        Self::restart_behind(Acceptor::plaintext(), address).await
    }

    /// Restarts at the same address behind another acceptor.
    pub(crate) async fn restart_behind(door: Acceptor, address: SocketAddr) -> Self {
        let listener = door.listen(address).await.unwrap();
        Self::listen(&door, listener)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.address.into()
    }

    /// Refuses the next registrations with these statuses, one each.
    pub(crate) fn refuse(&self, refusals: impl IntoIterator<Item = Status>) {
        self.state.refusals.lock().extend(refusals);
    }

    /// Refuses the next change of a status.
    pub(crate) fn refuse_change(&self, refusal: Status) {
        self.state.change_refusals.lock().push_back(refusal);
    }

    /// Holds the next WatchPeers until the test sends its result.
    pub(crate) fn hold_watch(&self) -> oneshot::Sender<Result<(), Status>> {
        let (answer, held) = oneshot::channel();
        self.state.held_watches.lock().push_back(held);
        answer
    }

    pub(crate) fn set_clock(&self, seconds_ahead: i64) {
        *self.state.clock.lock() = seconds_ahead;
    }

    pub(crate) fn set_lease(&self, lease: Duration) {
        *self.state.lease.lock() = Some(lease);
    }

    /// Lists this many rooms: `room-0` and so on.
    pub(crate) fn set_rooms(&self, rooms: usize) {
        *self.state.rooms.lock() = rooms;
    }

    /// Sends lists without end from now on: peers and rooms that are new on each page, and messages by a
    /// page that names itself as the next.
    pub(crate) fn list_without_end(&self) {
        *self.state.endless.lock() = true;
    }

    /// Returns how many pages of peers without end were asked for.
    pub(crate) fn pages(&self) -> usize {
        *self.state.pages.lock()
    }

    /// Answers joins and leaves without the test from now on.
    pub(crate) fn serve_rooms(mut self) -> QuietHub {
        let mut calls_kept = JoinSet::new();
        calls_kept.spawn(async move {
            let mut watches = Vec::new();
            let mut chats = JoinSet::new();
            while let Some(call) = self.calls.recv().await {
                match call {
                    Call::Chat(chat) => drop(chats.spawn(chat.serve_rooms())),
                    Call::Watch(watch) => watches.push(watch),
                    _ => {}
                }
            }
        });
        QuietHub { state: self.state, stop: self.stop, calls_kept, server: self.server }
    }

    /// Sets the endpoints that GetPeer returns for a peer.
    pub(crate) fn set_peer(&self, name: &str, endpoints: &[SocketAddr]) {
        let endpoints = endpoints.iter().map(|&a| (&Endpoint::from(a)).into()).collect();
        self.state.peers.lock().insert(name.into(), peer(name, endpoints));
    }

    /// Lists a peer without checking it.
    pub(crate) fn list(&self, peer: proto::Peer) {
        self.state.peers.lock().insert(peer.name.clone(), peer);
    }

    pub(crate) async fn call(&mut self) -> Call {
        within(PATIENCE, "a call", self.calls.recv()).await.unwrap()
    }

    /// Returns the next call, which must be a registration, and its token.
    pub(crate) async fn registration(&mut self) -> (proto::RegisterRequest, Option<String>) {
        match self.call().await {
            Call::Register { request, shown } => (request, shown),
            _ => panic!("not a registration"),
        }
    }

    /// Returns the next call, which must be a Chat.
    pub(crate) async fn chat(&mut self) -> FakeChat {
        match self.call().await {
            Call::Chat(chat) => chat,
            _ => panic!("not a Chat"),
        }
    }

    /// Returns the Chat that follows the next registration.
    pub(crate) async fn session(&mut self) -> FakeChat {
        self.registration().await;
        self.chat().await
    }

    pub(crate) async fn watch(&mut self) -> FakeWatch {
        match self.call().await {
            Call::Watch(watch) => watch,
            _ => panic!("not a WatchPeers"),
        }
    }

    /// Serves without the test from now on; streams stay open and idle.
    pub(crate) fn serve_quietly(self) -> (Endpoint, QuietHub) {
        let Self { address, mut calls, state, stop, server } = self;
        let mut calls_kept = JoinSet::new();
        calls_kept.spawn(async move {
            let mut open = Vec::new();
            while let Some(call) = calls.recv().await {
                open.push(call);
            }
        });
        (address.into(), QuietHub { state, stop, calls_kept, server })
    }
}

/// A hub that runs without the test.
pub(crate) struct QuietHub {
    state: Arc<State>,
    stop: CancellationToken,
    calls_kept: JoinSet<()>,
    server: JoinSet<()>,
}

impl QuietHub {
    /// Stops the hub with all its streams.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.calls_kept.shutdown().await;
        within(PATIENCE, "the fake hub's end", self.server.join_next()).await;
    }

    /// Returns how many requests for the list of rooms came so far.
    pub(crate) fn room_requests(&self) -> usize {
        *self.state.room_requests.lock()
    }

    pub(crate) fn set_peer(&self, name: &str, endpoints: &[SocketAddr]) {
        let endpoints = endpoints.iter().map(|&a| (&Endpoint::from(a)).into()).collect();
        self.state.peers.lock().insert(name.into(), peer(name, endpoints));
    }

    /// Adds a peer to the list, or replaces it.
    pub(crate) fn list(&self, name: &str, endpoints: &[SocketAddr], certificate: &[u8]) {
        let endpoints = endpoints.iter().map(|&a| (&Endpoint::from(a)).into()).collect();
        let (certificate, guest) = (certificate.to_vec(), certificate.is_empty());
        let fingerprint = fingerprint_of(&certificate);
        let listed = proto::Peer { certificate, guest, fingerprint, ..peer(name, endpoints) };
        self.state.peers.lock().insert(name.into(), listed);
    }

    /// Lists a peer with a fingerprint that is not that of its certificate.
    pub(crate) fn set_fingerprint(&self, name: &str, key: Fingerprint) {
        self.state.peers.lock().get_mut(name).unwrap().fingerprint = key.as_bytes().to_vec();
    }

    /// Removes a peer.
    pub(crate) fn forget(&self, name: &str) {
        self.state.peers.lock().remove(name);
        self.state.unlisted.lock().remove(name);
    }
}

pub(crate) fn at(seq: u64) -> proto::Position {
    proto::Position { epoch: EPOCH, seq }
}

pub(crate) fn peer(name: &str, endpoints: Vec<proto::Endpoint>) -> proto::Peer {
    proto::Peer {
        name: name.into(),
        endpoints,
        status: proto::PeerStatus::Online.into(),
        online_since: Some(prost_types::Timestamp::default()),
        certificate: Vec::new(),
        guest: true,
        status_since: None,
        fingerprint: Vec::new(),
    }
}

/// Returns peers with as many and as long endpoints as there may be, about 2 KiB each.
pub(crate) fn large_peers(first: usize, count: usize) -> Vec<proto::Peer> {
    let label = "a".repeat(62);
    let host = [label.as_str(); 4].join(".");
    let endpoint = proto::Endpoint { host, port: 4242 };
    (first..first + count).map(|i| peer(&format!("p{i}"), vec![endpoint.clone(); 8])).collect()
}

/// Returns the fingerprint of a certificate; empty if that is empty.
fn fingerprint_of(certificate: &[u8]) -> Vec<u8> {
    if certificate.is_empty() {
        return Vec::new();
    }
    Certificate::parse(certificate).unwrap().fingerprint().as_bytes().to_vec()
}

pub(crate) fn refusal(code: tonic::Code, reason: &str, retry: Option<Duration>) -> proto::Refusal {
    proto::Refusal {
        code: code.into(),
        message: format!("\u{1b}[31mbecause {reason}"),
        reason: reason.into(),
        field_violations: Vec::new(),
        retry_delay: retry.map(|delay| delay.try_into().unwrap()),
    }
}

pub(crate) fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}
