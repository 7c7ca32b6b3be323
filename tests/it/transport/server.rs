//! A small gRPC server behind an acceptor, with health checks and a record of its callers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chinwag::{
    model::Endpoint,
    transport::{self, Acceptor, Channel, Dial, PeerInfo, ServerIo},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::util::MapRequestLayer;

/// The time limit of any wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any test.
pub(crate) const NEVER: Duration = Duration::from_secs(600);

/// Awaits a future with a time limit.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("that took too long")
}

/// A server that runs until dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    callers: Arc<Mutex<Vec<PeerInfo>>>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl TestServer {
    /// Listens on a free port.
    pub(crate) async fn start(door: Acceptor) -> Self {
        Self::start_at(door, "127.0.0.1:0".parse().unwrap()).await
    }

    /// Listens on an address.
    pub(crate) async fn start_at(door: Acceptor, address: SocketAddr) -> Self {
        let listener = soon(door.listen(address)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::answer(door.incoming(listener), address)
    }

    /// Starts a server that sees its callers at other addresses.
    pub(crate) async fn start_afar(
        door: Acceptor,
        mut from: impl FnMut(SocketAddr) -> SocketAddr + Unpin + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = TcpListenerStream::new(listener).map(move |stream| {
            let stream: TcpStream = stream?;
            let remote = from(stream.peer_addr()?);
            Ok((stream, remote))
        });
        Self::answer(door.incoming_from(accepted), address)
    }

    fn answer<S>(arrivals: S, address: SocketAddr) -> Self
    where
        S: Stream<Item = std::io::Result<ServerIo>> + Send + 'static,
    {
        let callers = Arc::<Mutex<Vec<PeerInfo>>>::default();
        let record = callers.clone();
        let note = move |request: http::Request<tonic::body::Body>| {
            record.lock().push(PeerInfo::of(request.extensions()).unwrap().clone());
            request
        };
        let stop = CancellationToken::new();
        let (_, health) = tonic_health::server::health_reporter();
        let server = transport::server(NEVER, 8)
            .layer(MapRequestLayer::new(note))
            .add_service(health)
            .serve_with_incoming_shutdown(arrivals, stop.clone().cancelled_owned());
        let mut task = JoinSet::new();
        task.spawn(async move { server.await.unwrap() });
        Self { address, callers, stop, task }
    }

    /// Stops accepting, then closes all connections.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        soon(self.task.join_next()).await;
    }

    /// Returns the peer of the latest call.
    pub(crate) fn latest_caller(&self) -> PeerInfo {
        self.callers.lock().last().unwrap().clone()
    }

    pub(crate) fn channel(&self, dial: &Dial) -> Channel {
        dial.channel(&Endpoint::from(self.address)).unwrap()
    }

    /// Makes one call over a separate connection.
    pub(crate) async fn call(&self, dial: &Dial) -> Result<(), Status> {
        call(&self.channel(dial)).await
    }

    /// Opens a connection that sends these bytes and nothing more.
    pub(crate) async fn say(&self, said: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        stream
    }
}

/// Calls the health service.
pub(crate) async fn call(channel: &Channel) -> Result<(), Status> {
    let request = HealthCheckRequest::default();
    soon(HealthClient::new(channel.clone()).check(request)).await.map(drop)
}

/// Reads until the other side closes the connection, cleanly or not.
pub(crate) async fn rest_of(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = soon(stream.read_to_end(&mut said)).await;
    said
}
