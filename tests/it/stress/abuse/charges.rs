//! Compares what a hub charges with the memory that it takes.

use std::time::Duration;

use bytes::Bytes;
use chinwag::{
    model::JoinLink,
    proto::{self, chat_request::Request},
    transport::{Trust, client_config},
};
use h2::client::{ResponseFuture, SendRequest};
use prost::Message;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::{TlsConnector, rustls};

use super::{attack::frame, matrix::fill};
use crate::support::{
    hub::{TestHub, memory_of},
    metrics_page::Page,
    peer::{Session, named, new_id, register_on},
    within::{PATIENCE, within},
};

/// What a hub charged and took for a load.
#[derive(Debug)]
struct Growth {
    charged: f64,
    taken: f64,
}

/// A call in progress: its answer, and the rest of its request.
type OpenCall = (ResponseFuture, h2::SendStream<Bytes>);

/// A hub, and what it took before the load.
struct Measured {
    _data: TempDir,
    hub: TestHub,
    page: Page,
    before: (f64, f64),
    /// Hold the connections and calls.
    connections: JoinSet<Result<(), h2::Error>>,
    held: Vec<(SendRequest<Bytes>, Vec<OpenCall>)>,
    sessions: Vec<Session>,
}

/// The allocator gives memory back at once, so that what is free is not counted.
const EAGER: (&str, &str) = ("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0");

impl Measured {
    async fn start(what: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().to_str().unwrap();
        let args = ["--metrics-listen", "127.0.0.1:0", "--lease", "600s", "--data-dir", dir];
        let hub = TestHub::with_environment(&args, &[EAGER]);
        let page = Page::of(&hub);
        let (connections, held, sessions) = (JoinSet::new(), Vec::new(), Vec::new());
        let mut measured =
            Self { _data: data, hub, page, before: (0.0, 0.0), connections, held, sessions };
        if what == "unread pages" {
            fill(measured.hub.address()).await;
        }
        for i in 0..60 {
            let session = Session::of(measured.hub.address(), &format!("holder{i}")).await;
            measured.sessions.push(session);
        }
        measured.before = measured.settled().await;
        measured
    }

    fn now(&self) -> (f64, f64) {
        let held = self.page.value("chinwag_hub_memory_held_bytes");
        (held, memory_of(self.hub.pid(), "VmRSS:") as f64)
    }

    /// Returns what is held and taken, once that no longer changes.
    async fn settled(&self) -> (f64, f64) {
        let (mut last, mut since) = (self.now(), Instant::now());
        let until = Instant::now() + PATIENCE;
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        while since.elapsed() < Duration::from_millis(800) && Instant::now() < until {
            pace.tick().await;
            let now = self.now();
            if (now.0 - last.0).abs() + (now.1 - last.1).abs() > 200_000.0 {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }

    async fn growth(&self, what: &str) -> Growth {
        let (charged, taken) = self.settled().await;
        let growth = Growth { charged: charged - self.before.0, taken: taken - self.before.1 };
        eprintln!(
            "{what}: charged {:.1} MiB, taken {:.1} MiB, {:.2}",
            growth.charged / 1_048_576.0,
            growth.taken / 1_048_576.0,
            growth.charged / growth.taken,
        );
        growth
    }

    /// Opens a connection whose calls have this window.
    async fn connect(&mut self, is_tls: bool, window: u32) -> usize {
        let tcp = TcpStream::connect(self.hub.address()).await.unwrap();
        if is_tls {
            let link = JoinLink::parse(self.hub.link()).unwrap();
            let trust = Trust::Pinned(link.fingerprint.unwrap());
            let own = chinwag::identity::Identity::generate().unwrap();
            let config = client_config(Some(own.credentials()), &trust).unwrap();
            let name = ServerName::try_from("chinwag").unwrap();
            let tls = TlsConnector::from(config).connect(name, tcp).await.unwrap();
            self.serve(tls, window).await
        } else {
            self.serve(tcp, window).await
        }
    }

    async fn serve(
        &mut self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        window: u32,
    ) -> usize {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(u32::MAX >> 1);
        let (send, connection) = builder.handshake(io).await.unwrap();
        self.connections.spawn(connection);
        self.held.push((send, Vec::new()));
        self.held.len() - 1
    }

    /// Makes a call with the token of a session, and sends these bytes.
    async fn call(&mut self, connection: usize, path: &str, session: usize, data: Bytes) {
        let (send, calls) = &mut self.held[connection];
        let token = &self.sessions[session].registered.token;
        let request = http::Request::post(format!("http://hub/{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {token}"))
            .body(());
        let mut ready = within(PATIENCE, "a stream", send.clone().ready()).await.unwrap();
        let (response, mut body) = ready.send_request(request.unwrap(), false).unwrap();
        let is_page = path.ends_with("/ListMessages");
        body.send_data(data, is_page).unwrap();
        calls.push((response, body));
    }

    /// Waits until all calls are answered.
    async fn answers(&mut self) {
        for (_, calls) in &mut self.held {
            for (response, _) in calls {
                within(PATIENCE, "an answer", response).await.unwrap();
            }
        }
    }

    /// Makes `calls` calls on each of `connections` connections. A session has up to 32.
    async fn calls(
        &mut self,
        connections: usize,
        calls: usize,
        window: u32,
        path: &str,
        data: &Bytes,
    ) {
        for i in 0..connections {
            let connection = self.connect(false, window).await;
            for call in 0..calls {
                self.call(connection, path, 3 * i + call / 32, data.clone()).await;
            }
        }
    }
}

/// The window of a stream that reads all answers.
const READS_ALL: u32 = 16 * 1024 * 1024;

fn message(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    frame(message.len(), &message)
}

fn repeated(message: &Bytes, times: usize) -> Bytes {
    vec![message.clone(); times].concat().into()
}

/// Loads a hub in some way.
async fn load(what: &str) -> Growth {
    let mut hub = Measured::start(what).await;
    let nothing = frame(0, b"");
    match what {
        "connections in plaintext" | "connections with TLS" => {
            for _ in 0..1_000 {
                hub.connect(what.ends_with("TLS"), 65_535).await;
            }
        }
        "idle Chat streams" => {
            hub.calls(20, 96, 65_535, "chinwag.v1.Broadcast/Chat", &nothing).await;
        }
        "idle Subscribe streams" => {
            hub.calls(20, 96, 65_535, "chinwag.v1.Broadcast/Subscribe", &nothing).await;
        }
        "idle WatchPeers streams" => {
            hub.calls(20, 96, READS_ALL, "chinwag.v1.Presence/WatchPeers", &nothing).await;
        }
        "idle health watches" => {
            hub.calls(20, 96, 65_535, "grpc.health.v1.Health/Watch", &nothing).await;
        }
        "idle reflection" => {
            let path = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
            hub.calls(20, 96, 65_535, path, &Bytes::new()).await;
        }
        "unread pages" => {
            let page = proto::ListMessagesRequest {
                room: "den".into(),
                page_size: 1_000,
                ..Default::default()
            };
            hub.calls(8, 20, 1, "chinwag.v1.Broadcast/ListMessages", &message(&page)).await;
            hub.answers().await;
        }
        "unread answers" => {
            let requests = repeated(&nothing, 1_000);
            hub.calls(10, 64, 1, "chinwag.v1.Broadcast/Chat", &requests).await;
        }
        "half requests" => {
            let half = frame(256 * 1024, &vec![0; 128 * 1024]);
            hub.calls(20, 64, 65_535, "chinwag.v1.Broadcast/Chat", &half).await;
        }
        "half unary requests" => {
            let half = frame(256 * 1024, &vec![0; 128 * 1024]);
            hub.calls(20, 64, 65_535, "chinwag.v1.Broadcast/Post", &half).await;
        }
        "unread requests" => {
            let leave = proto::Leave { room: "x".repeat(1_000) };
            let leave = proto::ChatRequest { request: Some(Request::Leave(leave)) };
            let requests = repeated(&message(&leave), 1_100);
            hub.calls(10, 32, 1, "chinwag.v1.Broadcast/Chat", &requests).await;
        }
        "rings" => {
            let session = hub.sessions[0].clone();
            let mut chat = session.chat().await;
            for room in 0..100 {
                let room = format!("room{room}");
                let join = proto::Join { room: room.clone(), start: None };
                chat.say(Request::Join(join)).await;
                for _ in 0..32 {
                    chat.post(&room, &new_id(), &"x".repeat(16_000)).await;
                }
                let mut posted = 0;
                while posted < 32 {
                    let event = chat.next().await;
                    posted += usize::from(matches!(event, proto::chat_response::Event::Posted(_)));
                }
            }
            return hub.growth(what).await;
        }
        "sessions" => {
            let session = hub.sessions[0].clone();
            for i in 0..3_000 {
                register_on(&session, named(&format!("one{i}"))).await;
            }
        }
        other => panic!("{other}"),
    }
    hub.growth(what).await
}

/// The kinds of memory that callers make a hub hold.
const KINDS: [&str; 14] = [
    "connections in plaintext",
    "connections with TLS",
    "idle Chat streams",
    "idle Subscribe streams",
    "idle WatchPeers streams",
    "idle health watches",
    "idle reflection",
    "unread pages",
    "unread answers",
    "half requests",
    "half unary requests",
    "unread requests",
    "rings",
    "sessions",
];

/// At least 80 % of what a hub takes is charged, and not much more than it takes.
pub(crate) async fn match_memory() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let Growth { charged, taken } = load(kind).await;
        if charged < 0.8 * taken || charged > 3.0 * taken {
            wrong.push(format!("{kind}: {charged:.0} of {taken:.0} bytes"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
