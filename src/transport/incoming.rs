//! The accept loop: accepts connections, and yields them when their handshake is done.
//!
//! It is a stream, driven by the server that reads it. It owns a task for each handshake, of which
//! there are at most [`Limits::pending`](super::Limits::pending).

use std::{
    collections::VecDeque,
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{Instant, Sleep, sleep_until},
};
use tokio_stream::{Stream, StreamExt, adapters::Fuse};

use super::{
    handshake::Handshaker,
    io::{Duplex, ServerIo},
    meter::Rejection,
    source::source_of,
};

/// How long to pause if the machine has no connections left (file descriptors, memory): long enough
/// not to spin, short enough to go unnoticed.
const PAUSE: Duration = Duration::from_millis(100);

/// The incoming connections of an [`Acceptor`](super::Acceptor), ready for HTTP/2.
pub struct Incoming<S, IO> {
    source: Fuse<S>,
    /// Accepted, and waiting for room among the pending.
    next: Option<(IO, SocketAddr)>,
    handshaker: Arc<Handshaker>,
    handshakes: JoinSet<Option<ServerIo>>,
    /// Handshakes in progress, the oldest first, and some that are done.
    pending: VecDeque<PendingHandshake>,
    /// No accepting until then.
    pause: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct PendingHandshake {
    source: Option<IpAddr>,
    since: Instant,
    task: AbortHandle,
}

impl<S: Stream, IO: Duplex + 'static> Incoming<S, IO> {
    pub(super) fn new(source: S, handshaker: Handshaker) -> Self {
        Self {
            source: source.fuse(),
            next: None,
            handshaker: Arc::new(handshaker),
            handshakes: JoinSet::new(),
            pending: VecDeque::new(),
            pause: None,
            timer: None,
        }
    }

    /// Waits for room among the pending handshakes, until the oldest has timed out and is aborted.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.forget_finished();
            let limits = &self.handshaker.limits;
            let full = self.pending.len() >= limits.pending;
            let Some(oldest) = self.pending.front().filter(|_| full) else {
                return Poll::Ready(());
            };
            let until = oldest.since + limits.patience;
            ready!(self.poll_timer(until, cx));
            self.abort(0);
        }
    }

    fn poll_timer(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }

    fn begin_handshake(&mut self, io: IO, remote: SocketAddr) {
        let source = source_of(remote.ip());
        self.handshaker.meter.accept();
        if !self.has_room_for(source) {
            self.handshaker.meter.reject(Rejection::AddressBusy);
            tracing::debug!(%remote, "rejected a connection: its address has too many pending");
            return;
        }
        let handshaker = self.handshaker.clone();
        let task = self.handshakes.spawn(async move {
            match handshaker.handshake(io, remote).await {
                Ok(io) => Some(io),
                Err(reason) => {
                    tracing::debug!(%remote, %reason, "rejected a connection");
                    handshaker.meter.reject((&reason).into());
                    None
                }
            }
        });
        self.pending.push_back(PendingHandshake { source, since: Instant::now(), task });
        self.handshaker.meter.set_pending(self.handshakes.len());
    }

    /// Returns true if an address may begin one more handshake, if need be in place of its oldest.
    /// Decided at once, without waiting, so that others are not held up.
    fn has_room_for(&mut self, source: Option<IpAddr>) -> bool {
        let limits = &self.handshaker.limits;
        let same = |pending: &PendingHandshake| source.is_some() && pending.source == source;
        let Some(oldest) = self.pending.iter().position(same) else { return true };
        if self.pending.iter().filter(|pending| same(pending)).count() < limits.pending_per_address
        {
            return true;
        }
        let late = self.pending[oldest].since.elapsed() >= limits.patience;
        if late {
            self.abort(oldest);
        }
        late
    }

    fn forget_finished(&mut self) {
        self.pending.retain(|pending| !pending.task.is_finished());
    }

    fn abort(&mut self, at: usize) {
        if let Some(pending) = self.pending.remove(at) {
            tracing::debug!(source = ?pending.source, "aborted a slow handshake to make room");
            pending.task.abort();
            self.handshaker.meter.reject(Rejection::GaveWay);
        }
    }

    /// Handles a failure to accept.
    fn on_accept_error(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return; // This connection is gone; the next may be fine.
        }
        tracing::warn!(%error, "cannot accept connections; trying again");
        // Most likely there are no file descriptors left. The oldest handshake frees one.
        self.forget_finished();
        self.abort(0);
        self.pause = Some(Instant::now() + PAUSE);
    }
}

impl<S, IO> Stream for Incoming<S, IO>
where
    S: Stream<Item = io::Result<(IO, SocketAddr)>> + Unpin,
    IO: Duplex + 'static,
{
    type Item = io::Result<ServerIo>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            while let Poll::Ready(Some(done)) = self.handshakes.poll_join_next(cx) {
                self.handshaker.meter.set_pending(self.handshakes.len());
                if let Ok(Some(io)) = done {
                    return Poll::Ready(Some(Ok(io)));
                }
            }
            if self.next.is_some() {
                ready!(self.poll_room(cx));
            }
            if let Some((io, remote)) = self.next.take() {
                self.begin_handshake(io, remote);
                continue; // Poll the new handshake once, so that it wakes this task.
            }
            if let Some(until) = self.pause {
                ready!(self.poll_timer(until, cx));
                self.pause = None;
            }
            match ready!(Pin::new(&mut self.source).poll_next(cx)) {
                Some(Ok(next)) => self.next = Some(next),
                Some(Err(error)) => self.on_accept_error(&error),
                None if self.handshakes.is_empty() => return Poll::Ready(None),
                None => return Poll::Pending,
            }
        }
    }
}

impl<S, IO> fmt::Debug for Incoming<S, IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("pending", &self.handshakes.len()).finish_non_exhaustive()
    }
}

/// The accepted connections of a listener, with TCP_NODELAY.
#[derive(Debug)]
pub struct Accepted {
    listener: TcpListener,
}

impl Accepted {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener }
    }
}

impl Stream for Accepted {
    type Item = io::Result<(TcpStream, SocketAddr)>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept(cx).map(|accepted| {
            Some(accepted.and_then(|(stream, remote)| {
                stream.set_nodelay(true)?;
                Ok((stream, remote))
            }))
        })
    }
}
