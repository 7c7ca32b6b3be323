//! An honest client, and the latency of its messages.

use std::{
    fmt,
    net::SocketAddr,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chinwag::proto::chat_response::Event;
use tokio_util::sync::CancellationToken;

use crate::support::peer::{Session, new_id};

/// The interval of messages: 40 a second, below every limit.
const PACE: Duration = Duration::from_millis(25);

/// The minimum number of messages, so that the slowest one does not decide alone.
const AT_LEAST: usize = 200;

/// An honest client on a separate thread, so that load on the attackers' runtime is not measured.
#[derive(Debug)]
pub(crate) struct Honest {
    thread: JoinHandle<Vec<Duration>>,
    enough: CancellationToken,
}

impl Honest {
    /// Registers and starts to post.
    pub(crate) fn enter(hub: SocketAddr) -> Self {
        let enough = CancellationToken::new();
        let (heard, first) = mpsc::channel();
        let stop = enough.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(talk(hub, stop, || heard.send(()).unwrap_or_default()))
        });
        first.recv().unwrap();
        Self { thread, enough }
    }

    /// Stops and returns the latencies.
    pub(crate) fn leave(self) -> Suffered {
        self.enough.cancel();
        let mut took = self.thread.join().unwrap();
        took.sort();
        Suffered(took)
    }
}

async fn talk(hub: SocketAddr, enough: CancellationToken, here: impl Fn()) -> Vec<Duration> {
    let alice = Session::of(hub, "alice").await;
    let mut chat = alice.chat().await;
    let mut took = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    while took.len() < AT_LEAST || !enough.is_cancelled() {
        pace.tick().await;
        let (id, said) = (new_id(), Instant::now());
        chat.post("lobby", &id, "how is everybody?").await;
        chat.find(|event| match event {
            Event::Message(message) if message.id == id => Some(()),
            Event::Refused(refused) => panic!("the honest are refused: {refused:?}"),
            _ => None,
        })
        .await;
        took.push(said.elapsed());
        here();
    }
    took
}

/// The latencies of the honest client's messages, the shortest first.
#[derive(Debug)]
pub(crate) struct Suffered(Vec<Duration>);

impl Suffered {
    pub(crate) fn p99(&self) -> Duration {
        self.0[self.0.len() * 99 / 100]
    }
}

impl fmt::Display for Suffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(took) = self;
        let [p50, p99, most] = [took[took.len() / 2], self.p99(), took[took.len() - 1]]
            .map(|took| took.as_secs_f64() * 1000.0);
        write!(f, "{} messages, p50 {p50:.1} ms, p99 {p99:.1} ms, max {most:.1} ms", took.len())
    }
}
