//! The task that owns the Chat stream, and what it does when the stream is lost.
//!
//! What outlives a connection stands in the [`SessionState`], which knows nothing of sockets and clocks.
//! This file moves things between the ledger and the world: commands in, requests out, answers in,
//! events out. While events wait to be read no answer is read, and HTTP/2 flow control makes the
//! hub wait.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use self::state::SessionState;
pub(super) use self::state::{Command, Reply};
use super::{
    events::{Connection, Event},
    hub_connection::{Chat, HubConnection},
};
use crate::{
    backoff::{self, Backoff},
    error::{Error, Refusal},
    model::{RoomName, Start},
    text,
};

mod posts;
mod queues;
mod rooms;
mod state;

/// Events that wait to be read before the client stops reading from the hub: a screenful many
/// times over, and 16 MiB at the worst.
const EVENTS: usize = 1024;

/// A connection that lived this long counts as good, and the delays begin anew.
const STABLE: Duration = Duration::from_secs(10);

/// The longest pause that a hub may ask for; more would be as good as sending everybody away.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How much longer than a lease a taken name is asked for again: the hub ends a lease this late at
/// most.
const LEASE_SLACK: Duration = Duration::from_secs(2);

/// What everybody may see of the session.
#[derive(Debug, Default)]
pub(super) struct Shown {
    rooms: Mutex<Vec<RoomName>>,
    waiting: AtomicUsize,
}

/// Counts a post among those that wait, from the moment it is made until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<Shown>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shown {
    pub(super) fn rooms(&self) -> Vec<RoomName> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn count(self: &Arc<Self>) -> Counted {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

/// What a client keeps of its session.
pub(super) struct Parts {
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) connection: watch::Receiver<Connection>,
    pub(super) shown: Arc<Shown>,
}

/// The task.
pub(super) struct Session {
    link: Arc<HubConnection>,
    ledger: SessionState,
    commands: mpsc::Receiver<Command>,
    connection: watch::Sender<Connection>,
    stop: CancellationToken,
    backoff: Backoff,
    lease: Duration,
}

/// Why a connection, or an attempt at one, came to nothing.
struct Lost {
    cause: String,
    pause: Option<Duration>,
}

impl Lost {
    fn because(cause: &str) -> Self {
        Self { cause: text::one_line(cause).into_owned(), pause: None }
    }
}

impl From<&Refusal> for Lost {
    fn from(refusal: &Refusal) -> Self {
        Self { pause: refusal.retry_after, ..Self::because(&refusal.message) }
    }
}

impl From<&Error> for Lost {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::from(refusal),
            _ => Self::because(&error.to_string()),
        }
    }
}

/// Why there will be no further connection.
enum Over {
    /// The client was told to stop.
    Stopped,
    /// The hub refused for good.
    Refused(Error),
}

impl Session {
    pub(super) fn new(
        link: Arc<HubConnection>,
        rooms: Vec<(RoomName, Start)>,
        commands: mpsc::Receiver<Command>,
        chat: &Result<Chat, Error>,
        stop: CancellationToken,
    ) -> (Self, Parts) {
        let (told, events) = mpsc::channel(EVENTS);
        let now = match chat {
            Ok(_) => Connection::Connected { since: Timestamp::now(), observed: None },
            Err(error) => {
                Connection::Lost { cause: Lost::from(error).cause, retry_at: Instant::now() }
            }
        };
        let (connection, watched) = watch::channel(now);
        let shown = Arc::<Shown>::default();
        let ledger = SessionState::new(rooms, told, shown.clone());
        let (backoff, lease) = (backoff::RECONNECT, Duration::ZERO);
        let session = Self { link, ledger, commands, connection, stop, backoff, lease };
        (session, Parts { events, connection: watched, shown })
    }

    /// Runs until the client is told to stop or the hub refuses for good. It begins with an open
    /// stream, or with looking for the hub.
    pub(super) async fn run(mut self, mut chat: Result<Chat, Error>) {
        let over = loop {
            let began = Instant::now();
            let lost = match chat {
                Ok(chat) => match self.converse(chat).await {
                    Ok(lost) => lost,
                    Err(over) => break over,
                },
                Err(error) => Lost::from(&error),
            };
            self.ledger.disconnected();
            if began.elapsed() > STABLE {
                self.backoff.reset();
            }
            chat = match self.reconnect(lost).await {
                Ok(chat) => Ok(chat),
                Err(over) => break over,
            };
        };
        self.finish(over).await;
    }

    /// Serves one connection until it is lost.
    async fn converse(&mut self, chat: Chat) -> Result<Lost, Over> {
        let Chat { requests, mut answers, lease, observed } = chat;
        let began = Instant::now();
        self.lease = lease;
        self.connection.send_replace(Connection::Connected { since: Timestamp::now(), observed });
        self.ledger.connected();
        loop {
            let events = self.ledger.out.events.clone();
            let paused = self.ledger.paused();
            tokio::select! {
                () = self.stop.cancelled() => return Err(Over::Stopped),
                Some(command) = self.commands.recv() => self.ledger.obey(command),
                () = sleep_until(paused.unwrap_or(began)), if paused.is_some() => {
                    self.ledger.resume();
                }
                // Closed when the call has ended; its answers say why.
                Ok(permit) = requests.reserve(), if self.ledger.out.has_requests() => {
                    if let Some(request) = self.ledger.out.next_request() {
                        permit.send(request);
                    }
                }
                permit = events.reserve(), if self.ledger.out.has_events() => {
                    self.ledger.out.hand_out(permit);
                }
                answer = answers.message(), if self.ledger.out.is_idle() => match answer {
                    Ok(Some(answer)) => {
                        if let Some(why) = self.ledger.hear(answer) {
                            return Ok(Lost::from(&why));
                        }
                    }
                    Ok(None) => return Ok(Lost::because("the hub ended the stream")),
                    Err(status) => return Ok(Lost::from(&self.link.failed(&status))),
                },
            }
        }
    }

    /// Tries to find the hub again until it does.
    async fn reconnect(&mut self, mut lost: Lost) -> Result<Chat, Over> {
        let mut taken_since = None;
        loop {
            let pause = lost.pause.unwrap_or_default().min(MAX_PAUSE) + self.backoff.next_delay();
            self.tell_lost(lost.cause, pause);
            self.meanwhile(tokio::time::sleep(pause)).await?;
            let link = self.link.clone();
            match self.meanwhile(async move { link.open().await }).await? {
                Ok(chat) => return Ok(chat),
                Err(error) if self.is_final(&error, &mut taken_since) => {
                    return Err(Over::Refused(error));
                }
                Err(error) => lost = Lost::from(&error),
            }
        }
    }

    /// Whether it is no use to try again, as a person has to decide first. A name that is taken may be taken by this client's own
    /// last session, for as long as its lease lives.
    fn is_final(&self, error: &Error, taken_since: &mut Option<Instant>) -> bool {
        let refusal = match error {
            Error::HubKeyChanged { .. } | Error::HubUntrusted { .. } => return true,
            Error::Refused(refusal) => refusal,
            _ => return false,
        };
        match refusal.code {
            Code::AlreadyExists => {
                let since = taken_since.get_or_insert_with(Instant::now);
                since.elapsed() > self.lease + LEASE_SLACK
            }
            Code::InvalidArgument | Code::PermissionDenied | Code::FailedPrecondition => true,
            _ => false,
        }
    }

    fn tell_lost(&mut self, cause: String, retry_in: Duration) {
        tracing::info!(cause, ?retry_in, "the hub is away");
        let retry_at = Instant::now() + retry_in;
        self.connection.send_replace(Connection::Lost { cause: cause.clone(), retry_at });
        self.ledger.out.tell(Event::Disconnected { cause, retry_in });
    }

    /// Waits for something without a connection, obeying commands and handing out events.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Over> {
        tokio::pin!(awaited);
        loop {
            let events = self.ledger.out.events.clone();
            tokio::select! {
                () = self.stop.cancelled() => return Err(Over::Stopped),
                Some(command) = self.commands.recv() => self.ledger.obey(command),
                permit = events.reserve(), if self.ledger.out.has_events() => {
                    self.ledger.out.hand_out(permit);
                }
                value = &mut awaited => return Ok(value),
            }
        }
    }

    async fn finish(self, over: Over) {
        let Self { link, mut ledger, commands, connection, stop, .. } = self;
        // Whoever waits for a reply learns that there will be none.
        drop(commands);
        ledger.forget();
        if let Over::Refused(error) = over {
            connection.send_replace(Connection::Stopped);
            ledger.out.tell(Event::Ended { error });
            stop.run_until_cancelled(ledger.out.hand_out_all()).await;
            stop.cancel();
        }
        link.leave().await;
        connection.send_replace(Connection::Stopped);
    }
}
