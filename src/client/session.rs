//! The task that owns the Chat stream, and reconnects when the stream is lost.
//!
//! [`SessionState`] is what outlives a connection; it knows nothing of sockets. This file does its
//! input and output: commands in, requests out, answers in, events out. While events wait to be read
//! no answer is read, and HTTP/2 flow control makes the hub wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

pub(super) use self::state::SessionCommand;
use self::state::SessionState;
use super::{
    event::{Connection, Event},
    hub_connection::{Chat, HubConnection},
    renaming::NamedFiles,
    retry::MAX_PAUSE,
};
use crate::{
    backoff::{self, Backoff},
    client::error::Error,
    error::{Reason, Refusal},
    model::{RoomName, Start},
    text,
};

mod posts;
mod queues;
mod rooms;
mod state;

/// Unread events after which the client stops reading from the hub: many screens, at most 16 MiB.
const EVENTS: usize = 1024;

/// A connection that lived this long resets the backoff.
const STABLE: Duration = Duration::from_secs(10);

/// How much longer than the lease a taken name is requested again: the hub ends a lease this late.
const LEASE_SLACK: Duration = Duration::from_secs(2);

/// The published state of a session.
#[derive(Debug, Default)]
pub(super) struct SessionStatus {
    rooms: Mutex<Vec<RoomName>>,
    waiting: AtomicUsize,
}

/// Counts a post as waiting until this is dropped.
#[derive(Debug)]
pub(super) struct PostCount(Arc<SessionStatus>);

impl Drop for PostCount {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SessionStatus {
    pub(super) fn rooms(&self) -> Vec<RoomName> {
        self.rooms.lock().clone()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn count_post(self: &Arc<Self>) -> PostCount {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        PostCount(self.clone())
    }
}

/// What a client keeps of its session.
pub(super) struct SessionHandles {
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) connection: watch::Receiver<Connection>,
    pub(super) status: Arc<SessionStatus>,
}

pub(super) struct Session {
    hub: Arc<HubConnection>,
    state: SessionState,
    commands: mpsc::Receiver<SessionCommand>,
    connection: watch::Sender<Connection>,
    stop: CancellationToken,
    backoff: Backoff,
    lease: Duration,
    files: NamedFiles,
    /// When the hub last ended a session because it had renamed this client.
    renamed_at: Option<Instant>,
}

/// Why a connection, or an attempt at one, failed.
struct ConnectionLost {
    cause: String,
    pause: Option<Duration>,
    /// The hub has only renamed this client.
    renamed: bool,
}

impl ConnectionLost {
    fn because(cause: &str) -> Self {
        Self { cause: text::one_line(cause).into_owned(), pause: None, renamed: false }
    }
}

impl From<&Refusal> for ConnectionLost {
    fn from(refusal: &Refusal) -> Self {
        Self {
            pause: refusal.retry_after,
            renamed: refusal.reason == Reason::NameChanged,
            ..Self::because(&refusal.message)
        }
    }
}

impl From<&Error> for ConnectionLost {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::from(refusal),
            _ => Self::because(&error.to_string()),
        }
    }
}

enum SessionEnd {
    Stopped,
    /// The hub refused for good.
    Refused(Error),
}

impl Session {
    pub(super) fn new(
        hub: Arc<HubConnection>,
        rooms: Vec<(RoomName, Start)>,
        commands: mpsc::Receiver<SessionCommand>,
        chat: &Result<Chat, Error>,
        files: NamedFiles,
        stop: CancellationToken,
    ) -> (Self, SessionHandles) {
        let (sender, events) = mpsc::channel(EVENTS);
        let now = match chat {
            Ok(_) => Connection::Connected { since: Timestamp::now(), observed: None },
            Err(error) => Connection::Lost {
                cause: ConnectionLost::from(error).cause,
                retry_at: Instant::now(),
            },
        };
        let (connection, watched) = watch::channel(now);
        let status = Arc::<SessionStatus>::default();
        let state = SessionState::new(rooms, sender, status.clone());
        let (backoff, lease) = (backoff::RECONNECT, Duration::ZERO);
        let renamed_at = None;
        let session =
            Self { hub, state, commands, connection, stop, backoff, lease, files, renamed_at };
        (session, SessionHandles { events, connection: watched, status })
    }

    /// Runs until the client is stopped or the hub refuses for good. Begins with an open stream, or
    /// with the attempt to reconnect.
    pub(super) async fn run(mut self, mut chat: Result<Chat, Error>) {
        let end = loop {
            let began = Instant::now();
            let lost = match chat {
                Ok(chat) => match self.serve(chat).await {
                    Ok(lost) => lost,
                    Err(end) => break end,
                },
                Err(error) => ConnectionLost::from(&error),
            };
            self.state.disconnected();
            if began.elapsed() > STABLE {
                self.backoff.reset();
            }
            chat = match self.reconnect(lost).await {
                Ok(chat) => Ok(chat),
                Err(end) => break end,
            };
        };
        self.finish(end).await;
    }

    async fn serve(&mut self, chat: Chat) -> Result<ConnectionLost, SessionEnd> {
        let Chat { requests, mut answers, lease, observed } = chat;
        let began = Instant::now();
        self.lease = lease;
        self.connection.send_replace(Connection::Connected { since: Timestamp::now(), observed });
        self.state.connected();
        if let Some(from) = self.hub.take_former_name() {
            self.files.rename_from(&from).await;
            self.state.out.emit(Event::Renamed { from, to: self.hub.name.get() });
        }
        loop {
            let events = self.state.out.events.clone();
            let paused = self.state.paused();
            tokio::select! {
                () = self.stop.cancelled() => return Err(SessionEnd::Stopped),
                Some(command) = self.commands.recv() => self.state.handle(command),
                () = sleep_until(paused.unwrap_or(began)), if paused.is_some() => {
                    self.state.resume();
                }
                // Closed when the call has ended. Its answers say why.
                Ok(permit) = requests.reserve(), if !self.state.out.requests.is_empty() => {
                    if let Some(request) = self.state.out.requests.pop_front() {
                        permit.send(request);
                    }
                }
                permit = events.reserve(), if self.state.out.has_events() => {
                    self.state.out.hand_out(permit);
                }
                answer = answers.message(), if self.state.out.is_idle() => match answer {
                    Ok(Some(answer)) => {
                        if let Some(refusal) = self.state.on_answer(answer) {
                            return Ok(ConnectionLost::from(&refusal));
                        }
                    }
                    Ok(None) => return Ok(ConnectionLost::because("the hub ended the stream")),
                    Err(status) => return Ok(ConnectionLost::from(&self.hub.call_error(&status))),
                },
            }
        }
    }

    /// Tries to connect until it succeeds or must not try again.
    async fn reconnect(&mut self, mut lost: ConnectionLost) -> Result<Chat, SessionEnd> {
        let mut taken_since = None;
        // The hub is there, and tells the new name. One that renames without end has to wait.
        if lost.renamed
            && self.renamed_at.replace(Instant::now()).is_none_or(|at| at.elapsed() > STABLE)
        {
            let hub = self.hub.clone();
            match self.wait_offline(async move { hub.open().await }).await? {
                Ok(chat) => return Ok(chat),
                Err(error) => lost = ConnectionLost::from(&error),
            }
        }
        loop {
            let pause = lost.pause.unwrap_or_default().min(MAX_PAUSE) + self.backoff.next_delay();
            self.emit_lost(lost.cause, pause);
            self.wait_offline(tokio::time::sleep(pause)).await?;
            let hub = self.hub.clone();
            match self.wait_offline(async move { hub.open().await }).await? {
                Ok(chat) => return Ok(chat),
                Err(error) if self.is_final(&error, &mut taken_since) => {
                    return Err(SessionEnd::Refused(error));
                }
                Err(error) => lost = ConnectionLost::from(&error),
            }
        }
    }

    /// Returns true if it is no use to try again before a person has decided. A name may still be
    /// taken by this client's own last session, for as long as its lease lasts.
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

    fn emit_lost(&mut self, cause: String, retry_in: Duration) {
        tracing::info!(cause, ?retry_in, "the hub is away");
        let retry_at = Instant::now() + retry_in;
        self.connection.send_replace(Connection::Lost { cause: cause.clone(), retry_at });
        self.state.out.emit(Event::Disconnected { cause, retry_in });
    }

    /// Waits without a connection, and handles commands and hands out events meanwhile.
    async fn wait_offline<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, SessionEnd> {
        tokio::pin!(awaited);
        loop {
            let events = self.state.out.events.clone();
            tokio::select! {
                () = self.stop.cancelled() => return Err(SessionEnd::Stopped),
                Some(command) = self.commands.recv() => self.state.handle(command),
                permit = events.reserve(), if self.state.out.has_events() => {
                    self.state.out.hand_out(permit);
                }
                value = &mut awaited => return Ok(value),
            }
        }
    }

    async fn finish(self, end: SessionEnd) {
        let Self { hub, mut state, commands, connection, stop, .. } = self;
        // Callers that wait for a reply get `Stopped`.
        drop(commands);
        state.forget();
        if let SessionEnd::Refused(error) = end {
            connection.send_replace(Connection::Stopped);
            state.out.emit(Event::Ended { error });
            stop.run_until_cancelled(state.out.hand_out_all()).await;
            stop.cancel();
        }
        hub.leave().await;
        connection.send_replace(Connection::Stopped);
    }
}
