//! Callers that make a server hold as much as they can, with any rpc.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use chinwag::error::Reason;
use h2::client::{ResponseFuture, SendRequest};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::{TlsConnector, rustls};
use tonic::{Code, Status};

/// What an attacker does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Sends requests and reads one byte of the answers.
    Unread,
    /// Sends the headers and half a message of the largest size.
    Unfinished,
    /// Sends the headers only.
    Idle,
    /// Sends a request and resets the stream, again and again.
    Cancelled,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Unread, Self::Unfinished, Self::Idle, Self::Cancelled];
}

/// An rpc, and how it is made costly.
#[derive(Debug, Clone)]
pub(crate) struct Rpc {
    pub(crate) path: String,
    /// Whether a call has many requests.
    pub(crate) is_stream: bool,
    /// The messages of a call.
    pub(crate) requests: Vec<Bytes>,
    /// The largest request.
    pub(crate) largest: usize,
}

impl Rpc {
    /// Returns a call of this rpc.
    pub(crate) fn call(&self, way: Way) -> Call {
        let mut data = BytesMut::new();
        match way {
            Way::Idle => {}
            Way::Unfinished => {
                data.extend_from_slice(&frame(self.largest, &vec![0; self.largest / 2]));
            }
            Way::Unread | Way::Cancelled => {
                let count = if way == Way::Unread { usize::MAX } else { 1 };
                for request in self.requests.iter().take(count) {
                    data.extend_from_slice(&frame(request.len(), request));
                }
            }
        }
        let is_complete = matches!(way, Way::Unread | Way::Cancelled) && !self.is_stream;
        Call { path: self.path.clone(), way, data: data.freeze(), is_complete }
    }
}

/// A call that is made over and over.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) path: String,
    way: Way,
    data: Bytes,
    /// Whether the request ends.
    is_complete: bool,
}

pub(crate) type Calls = Arc<[Call]>;

/// Who attacks: one address, with a key and tokens or without.
#[derive(Clone)]
pub(crate) struct Attacker {
    pub(crate) from: Ipv4Addr,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// The tokens of its sessions, which its calls use in turn.
    pub(crate) tokens: Arc<[String]>,
}

/// How long a caller waits who was cut off.
const PAUSE: Duration = Duration::from_millis(50);

/// Streams of a connection: as many as one may have.
const STREAMS: usize = 128;

/// How an attack went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Calls that were refused because of a limit or a rate.
    pub(crate) refused: usize,
    /// Connections that were ended with a reason.
    pub(crate) ended: usize,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    /// Calls and connections that ended without a reason, and how often.
    pub(crate) untold: BTreeMap<String, usize>,
}

/// Attacks a server for a while, on so many connections of each attacker.
pub(crate) async fn attack(
    server: SocketAddr,
    attackers: Vec<Attacker>,
    connections: usize,
    calls: Calls,
    lasts: Duration,
) -> Tally {
    let until = Instant::now() + lasts;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut all = JoinSet::new();
    for attacker in attackers {
        // A server has few handshakes with one address at a time.
        let turns = Arc::new(Semaphore::new(16));
        for connection in 0..connections {
            let (attacker, calls, tally) = (attacker.clone(), calls.clone(), tally.clone());
            let turns = turns.clone();
            all.spawn(tokio::time::timeout_at(until + Duration::from_secs(1), async move {
                while Instant::now() < until {
                    attack_once(server, &attacker, &calls, connection, &turns, until, &tally).await;
                    tokio::time::sleep_until(Instant::now() + PAUSE).await;
                }
            }));
        }
    }
    all.join_all().await;
    let tally = tally.lock();
    tally.clone()
}

async fn attack_once(
    server: SocketAddr,
    attacker: &Attacker,
    calls: &Calls,
    connection: usize,
    turns: &Semaphore,
    until: Instant,
    tally: &Mutex<Tally>,
) {
    let unread = calls.iter().any(|call| call.way == Way::Unread);
    let opened = {
        let _turn = turns.acquire().await.unwrap();
        tokio::time::timeout_at(until, open(server, attacker, unread)).await
    };
    let Ok(opened) = opened else { return };
    let Some((send, driver)) = opened else {
        // It is full, or has no time for another handshake.
        return;
    };
    let mut driver = JoinSet::from_iter([driver]);
    tally.lock().connections += 1;
    let mut streams = Vec::new();
    let use_it = use_connection(server, send, attacker, calls, connection, &mut streams, tally);
    let end = tokio::select! {
        () = use_it => None,
        end = driver.join_next() => end,
        () = tokio::time::sleep_until(until) => None,
    };
    let end = match end {
        Some(end) => Some(end),
        None => tokio::time::timeout_at(until, driver.join_next()).await.ok().flatten(),
    };
    let mut answers = Vec::new();
    for response in streams {
        if let Ok(answer) = tokio::time::timeout(Duration::ZERO, response).await {
            answers.push(answer);
        }
    }
    let mut tally = tally.lock();
    match end {
        None | Some(Ok(Ok(()))) => {}
        Some(Ok(Err(error))) if error.is_go_away() => tally.ended += 1,
        Some(end) => tally.untold(format!("connection: {end:?}")),
    }
    for answer in answers {
        tally.note(answer);
    }
}

impl Tally {
    /// Notes how a call was answered.
    fn note(&mut self, answer: Result<http::Response<h2::RecvStream>, h2::Error>) {
        match answer {
            Ok(response) => {
                let Some(status) = Status::from_header_map(response.headers()) else { return };
                let reason = chinwag::wire::refused(&status).reason;
                if matches!(reason, Reason::LimitReached | Reason::RateLimited) {
                    self.refused += 1;
                } else if status.code() != Code::Ok && status.message().is_empty() {
                    self.untold(format!("call: {status:?}"));
                }
            }
            // The end of the connection is noted as such.
            Err(error) if error.is_go_away() || error.is_io() => {}
            Err(error) if error.is_reset() => {
                if error.reason() == Some(h2::Reason::INTERNAL_ERROR) {
                    self.untold(format!("call: {error}"));
                }
            }
            Err(error) => self.untold(format!("call: {error}")),
        }
    }

    fn untold(&mut self, what: String) {
        *self.untold.entry(what).or_default() += 1;
    }
}

type Driver = Pin<Box<dyn Future<Output = Result<(), h2::Error>> + Send>>;

async fn open(
    server: SocketAddr,
    attacker: &Attacker,
    unread: bool,
) -> Option<(SendRequest<Bytes>, Driver)> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from((attacker.from, 0))).unwrap();
    let tcp = ReadsOn(socket.connect(server).await.ok()?);
    let name = ServerName::try_from("chinwag").unwrap();
    let tls = TlsConnector::from(attacker.tls.clone()).connect(name, tcp).await.ok()?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(if unread { 1 } else { 65_535 });
    builder.max_concurrent_reset_streams(0).enable_push(false);
    let (send, connection) = builder.handshake(tls).await.ok()?;
    Some((send, Box::pin(connection)))
}

/// A connection that is still read when the other side has closed it, as it may say why there.
struct ReadsOn(TcpStream);

impl AsyncRead for ReadsOn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ReadsOn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write(cx, buf));
        Poll::Ready(Ok(written.unwrap_or(buf.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Makes as many calls as are allowed, and keeps them.
async fn use_connection(
    server: SocketAddr,
    mut send: SendRequest<Bytes>,
    attacker: &Attacker,
    calls: &Calls,
    connection: usize,
    streams: &mut Vec<ResponseFuture>,
    tally: &Mutex<Tally>,
) {
    let mut bodies = Vec::new();
    for stream in 0.. {
        let call = &calls[(connection + stream) % calls.len()];
        if stream >= STREAMS && call.way != Way::Cancelled {
            break;
        }
        let mut request = http::Request::post(format!("https://{server}{}", call.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if !attacker.tokens.is_empty() {
            let token = &attacker.tokens[(connection * STREAMS + stream) % attacker.tokens.len()];
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let Ok(ready) = send.ready().await else { return };
        send = ready;
        let Ok((response, mut body)) = send.send_request(request.body(()).unwrap(), false) else {
            return;
        };
        tally.lock().streams += 1;
        if body.send_data(call.data.clone(), call.is_complete).is_err() {
            return;
        }
        if call.way == Way::Cancelled {
            // After the request has arrived.
            tokio::task::yield_now().await;
            body.send_reset(h2::Reason::CANCEL);
        } else {
            streams.push(response);
            bodies.push(body);
        }
    }
    // Holds the calls.
    std::future::pending::<()>().await;
}

/// Returns the beginning of a gRPC message.
pub(crate) fn frame(length: usize, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(length as u32);
    frame.put_slice(message);
    frame.freeze()
}
