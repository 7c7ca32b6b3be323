//! An honest client, and the latency of its messages.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chinwag::{
    proto::{
        ListRoomsRequest, WatchPeersRequest, chat_response::Event, peer_chat_client::PeerChatClient,
    },
    transport::Channel,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::support::{
    direct_line::{message, to},
    peer::{Session, new_id},
    within::{PATIENCE, within},
};

/// The interval of messages: 40 a second, below every limit.
const PACE: Duration = Duration::from_millis(25);

/// The minimum number of messages, so that the slowest one does not decide alone.
const AT_LEAST: usize = 200;

/// After how many messages the client also lists the rooms.
const LISTS: usize = 40;

/// An honest client on a separate thread, so that load on the attackers' runtime is not measured.
#[derive(Debug)]
pub(crate) struct Honest {
    thread: JoinHandle<()>,
    talk: Talk,
}

/// What the client and its thread share.
#[derive(Debug, Clone)]
struct Talk {
    enough: CancellationToken,
    took: Arc<Mutex<Vec<Duration>>>,
    heard: mpsc::Sender<()>,
}

impl Honest {
    /// Registers in plaintext and starts to post.
    pub(crate) fn enter(hub: SocketAddr) -> Self {
        Self::chatting(async move { Session::of(hub, "alice").await })
    }

    /// Starts to post, with this session.
    pub(crate) fn chatting(session: impl Future<Output = Session> + Send + 'static) -> Self {
        Self::start(|talk| async move { chat(session.await, talk).await })
    }

    /// Starts to send direct messages.
    pub(crate) fn sending(channel: Channel, sender: &'static str, receiver: &'static str) -> Self {
        Self::start(move |talk| send(channel, sender, receiver, talk))
    }

    fn start<F: Future<Output = ()>>(talks: impl FnOnce(Talk) -> F + Send + 'static) -> Self {
        let (heard, first) = mpsc::channel();
        let talk = Talk { enough: CancellationToken::new(), took: Arc::default(), heard };
        let shared = talk.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(talks(shared));
        });
        first.recv().unwrap();
        Self { thread, talk }
    }

    /// Returns the latencies since the last call.
    pub(crate) fn suffered(&self) -> Suffered {
        let mut took = std::mem::take(&mut *self.talk.took.lock());
        took.sort();
        Suffered(took)
    }

    /// Returns true if it failed.
    pub(crate) fn is_gone(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops and returns the latencies since the last call of [`Honest::suffered`].
    pub(crate) fn leave(self) -> Suffered {
        self.talk.enough.cancel();
        let Self { thread, talk } = self;
        thread.join().unwrap();
        let mut took = std::mem::take(&mut *talk.took.lock());
        took.sort();
        Suffered(took)
    }
}

impl Talk {
    fn is_over(&self) -> bool {
        self.enough.is_cancelled() && self.took.lock().len() >= AT_LEAST
    }

    fn took(&self, since: Instant) {
        self.took.lock().push(since.elapsed());
        self.heard.send(()).unwrap_or_default();
    }
}

/// Posts and reads, watches the peers, and now and then lists the rooms.
async fn chat(alice: Session, talk: Talk) {
    let mut chat = alice.chat().await;
    let watch = alice.presence().watch_peers(WatchPeersRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    let mut pace = tokio::time::interval(PACE);
    let mut count = 0;
    while !talk.is_over() {
        pace.tick().await;
        let (id, said) = (new_id(), Instant::now());
        let answered = async {
            chat.post("lobby", &id, "how is everybody?").await;
            let own = chat.find(|event| match event {
                Event::Message(message) if message.id == id => Some(()),
                Event::Refused(refused) => panic!("the honest are refused: {refused:?}"),
                _ => None,
            });
            own.await;
            count += 1;
            if count % LISTS == 0 {
                let mut broadcast = alice.broadcast();
                let rooms = broadcast.list_rooms(ListRoomsRequest::default());
                within(PATIENCE, "the list of rooms", rooms).await.unwrap();
            }
        };
        let mut answered = std::pin::pin!(answered);
        loop {
            tokio::select! {
                () = &mut answered => break,
                change = watch.message() => {
                    change.expect("the honest are cut off").expect("the watch goes on");
                }
            }
        }
        talk.took(said);
    }
}

/// Sends direct messages.
async fn send(channel: Channel, sender: &str, receiver: &str, talk: Talk) {
    let mut pace = tokio::time::interval(PACE);
    let mut peer = PeerChatClient::new(channel);
    while !talk.is_over() {
        pace.tick().await;
        let said = Instant::now();
        let sent = peer.send(to(receiver, &message(sender, "how are you?")));
        within(PATIENCE, "a receipt", sent).await.expect("the honest are served");
        talk.took(said);
    }
}

/// The latencies of the honest client's messages, the shortest first.
#[derive(Debug)]
pub(crate) struct Suffered(Vec<Duration>);

impl Suffered {
    /// Returns the 99th percentile; the longest time if there are none.
    pub(crate) fn p99(&self) -> Duration {
        self.0.get(self.0.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for Suffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(took) = self;
        if took.is_empty() {
            return f.write_str("no messages");
        }
        let [p50, p99, most] = [took[took.len() / 2], self.p99(), took[took.len() - 1]]
            .map(|took| took.as_secs_f64() * 1000.0);
        write!(f, "{} messages, p50 {p50:.1} ms, p99 {p99:.1} ms, max {most:.1} ms", took.len())
    }
}
