//! Subscribers: many connections that receive the messages of a room and count them.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{line::Line, server::Server, wire::Heard};

/// Connections that are opened at a time; the accept queue of every server has room for them.
const OPENING: usize = 64;

/// One in this many subscribers measures the delay of its messages.
const SAMPLED: usize = 20;

/// The length of the time stamp of a text.
const STAMP_BYTES: usize = 16;

/// How often the number of received messages is checked.
const POLL: Duration = Duration::from_millis(5);

/// What the subscribers do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The number of subscribers.
    pub(crate) subscribers: usize,
    /// How many of them, the first ones, stop reading on request.
    pub(crate) stalling: usize,
    /// The number of messages after which a subscriber is done.
    pub(crate) messages: usize,
}

/// The receive buffer of a stalling subscriber: small, so that the server soon has to buffer.
const STALLING_BUFFER: u32 = 4096;

/// A group of running subscribers.
#[derive(Debug)]
pub(crate) struct Audience {
    plan: Plan,
    members: JoinSet<Result<Vec<Duration>>>,
    subscribed: mpsc::Receiver<()>,
    heard: Arc<[AtomicU64]>,
    stall: watch::Sender<bool>,
}

/// The state that all subscribers share.
#[derive(Debug)]
struct Member {
    index: usize,
    plan: Plan,
    subscribed: mpsc::Sender<()>,
    heard: Arc<[AtomicU64]>,
    stall: watch::Receiver<bool>,
}

impl Audience {
    /// Opens the connections and subscribes all of them to one room.
    pub(crate) async fn gather(server: &Arc<Server>, room: &str, plan: Plan) -> Result<Self> {
        let opening = Arc::new(Semaphore::new(OPENING));
        let (subscribed, all_subscribed) = mpsc::channel(plan.subscribers);
        let heard: Arc<[AtomicU64]> = (0..plan.subscribers).map(|_| AtomicU64::new(0)).collect();
        let stall = watch::Sender::new(false);
        let mut members = JoinSet::new();
        for index in 0..plan.subscribers {
            let (server, room, opening) = (server.clone(), room.to_owned(), opening.clone());
            let (subscribed, stall) = (subscribed.clone(), stall.subscribe());
            let member = Member { index, plan, subscribed, heard: heard.clone(), stall };
            members.spawn(async move {
                let permit = opening.acquire().await?;
                let line = member.enter(&server, &room).await?;
                drop(permit);
                member.listen(line).await
            });
        }
        let mut audience = Self { plan, members, subscribed: all_subscribed, heard, stall };
        audience.settle().await?;
        Ok(audience)
    }

    async fn settle(&mut self) -> Result<()> {
        for _ in 0..self.plan.subscribers {
            tokio::select! {
                Some(()) = self.subscribed.recv() => {}
                Some(ended) = self.members.join_next() => {
                    ended??;
                }
            }
        }
        Ok(())
    }

    /// Makes the stalling subscribers stop reading, or continue.
    pub(crate) fn stall(&self, stalled: bool) {
        self.stall.send_replace(stalled);
    }

    /// Waits until all subscribers that do not stall have received that many messages.
    pub(crate) async fn until_heard(&mut self, messages: usize) -> Result<()> {
        let messages = messages as u64;
        while self.heard[self.plan.stalling..].iter().any(|h| h.load(Ordering::Relaxed) < messages)
        {
            // A subscriber that ends earlier has failed.
            if let Some(ended) = self.members.try_join_next() {
                ended??;
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until all subscribers have received everything. Returns the delays of the messages,
    /// one list for each sampled subscriber.
    pub(crate) async fn finish(mut self) -> Result<Vec<Vec<Duration>>> {
        let mut delays = Vec::new();
        while let Some(member) = self.members.join_next().await {
            delays.push(member??);
        }
        delays.retain(|delays| !delays.is_empty());
        Ok(delays)
    }
}

impl Member {
    async fn enter(&self, server: &Server, room: &str) -> Result<Line> {
        let buffer = (self.index < self.plan.stalling).then_some(STALLING_BUFFER);
        let mut line = server.connect_with(&format!("sub-{:05}", self.index), buffer).await?;
        line.subscribe(room);
        line.subscribed().await?;
        self.subscribed.send(()).await.context("the run is over")?;
        Ok(line)
    }

    async fn listen(mut self, mut line: Line) -> Result<Vec<Duration>> {
        let wanted = self.plan.messages;
        let stalls = self.index < self.plan.stalling;
        let sampled = !stalls && self.index.is_multiple_of(SAMPLED);
        let mut delays = Vec::new();
        let mut count = 0;
        while count < wanted {
            if stalls {
                self.stall.wait_for(|stalled| !*stalled).await?;
            }
            let mut hear = |heard: Heard<'_>| {
                if let Heard::Message(text) = heard {
                    count += 1;
                    if sampled {
                        delays.extend(age(text));
                    }
                }
            };
            if stalls {
                tokio::select! {
                    turned = line.turn(&mut hear) => turned?,
                    _ = self.stall.changed() => {}
                }
            } else {
                line.turn(&mut hear).await?;
            }
            self.heard[self.index].store(count as u64, Ordering::Relaxed);
        }
        ensure!(count == wanted, "subscriber {} heard {count}, not {wanted}", self.index);
        Ok(delays)
    }
}

/// Returns a text of `size` bytes with a time stamp.
pub(crate) fn stamped(size: usize) -> String {
    let stamp = now().as_nanos();
    let mut text = format!("{stamp:0STAMP_BYTES$x}");
    text.extend(std::iter::repeat_n('x', size.saturating_sub(STAMP_BYTES)));
    text
}

/// Returns the age of a text with a time stamp.
fn age(text: &[u8]) -> Option<Duration> {
    let stamp = std::str::from_utf8(text.get(..STAMP_BYTES)?).ok()?;
    let made = Duration::from_nanos(u64::from_str_radix(stamp, 16).ok()?);
    Some(now().saturating_sub(made))
}

/// Returns the time since the first call in this process.
fn now() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}
