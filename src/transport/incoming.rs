//! The accept loop: takes connections as they come and hands them on once they are ready.
//!
//! It is a stream, driven by the server that reads it. The handshakes are tasks that it owns: they
//! end with it, and there are never more than [`Limits::pending`](super::Limits::pending).

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
    limits::source_of,
    meter::Rejection,
};

/// How long to wait when the machine gives no more connections (file descriptors, memory): long
/// enough not to spin, short enough for nobody to notice once there are some again.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections that came through a [`Acceptor`](super::Acceptor), ready for HTTP/2.
pub struct Incoming<S, IO> {
    source: Fuse<S>,
    /// Accepted, and waiting for a permit.
    next: Option<(IO, SocketAddr)>,
    handshaker: Arc<Handshaker>,
    handshakes: JoinSet<Option<ServerIo>>,
    /// Those under way, the oldest first, and some that are over.
    pending: VecDeque<PendingHandshake>,
    /// Until when there is no use in accepting.
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

    /// Waits for a permit: no longer than the oldest handshake's patience, after which that one
    /// gives way.
    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.forget_finished();
            let limits = &self.handshaker.limits;
            let full = self.pending.len() >= limits.pending;
            let Some(oldest) = self.pending.front().filter(|_| full) else {
                return Poll::Ready(());
            };
            let until = oldest.since + limits.patience;
            ready!(self.poll_timer(until, cx));
            self.give_way(0);
        }
    }

    fn poll_timer(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }

    fn receive(&mut self, io: IO, remote: SocketAddr) {
        let source = source_of(remote.ip());
        self.handshaker.meter.accept();
        if !self.has_room_for(source) {
            self.handshaker.meter.reject(Rejection::AddressBusy);
            tracing::debug!(%remote, "turned a caller away: its address is too busy");
            return;
        }
        let handshaker = self.handshaker.clone();
        let task = self.handshakes.spawn(async move {
            match handshaker.handshake(io, remote).await {
                Ok(io) => Some(io),
                Err(reason) => {
                    tracing::debug!(%remote, %reason, "turned a caller away");
                    handshaker.meter.reject((&reason).into());
                    None
                }
            }
        });
        self.pending.push_back(PendingHandshake { source, since: Instant::now(), task });
        self.handshaker.meter.set_pending(self.handshakes.len());
    }

    /// Whether an address may begin one more handshake, if need be instead of its oldest. Others
    /// do not wait for that, so it is decided at once.
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
            self.give_way(oldest);
        }
        late
    }

    fn forget_finished(&mut self) {
        self.pending.retain(|pending| !pending.task.is_finished());
    }

    fn give_way(&mut self, at: usize) {
        if let Some(pending) = self.pending.remove(at) {
            tracing::debug!(source = ?pending.source, "a slow caller gave way to others");
            pending.task.abort();
            self.handshaker.meter.reject(Rejection::GaveWay);
        }
    }

    /// What to do when no connection could be had.
    fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return; // It was gone before it was here; the next may be well.
        }
        tracing::warn!(%error, "cannot accept connections; trying again");
        // Most likely there are no file descriptors left, and the oldest's is in no use.
        self.forget_finished();
        self.give_way(0);
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
                ready!(self.poll_place(cx));
            }
            if let Some((io, remote)) = self.next.take() {
                self.receive(io, remote);
                continue; // The new handshake has to be asked once, to tell when it is done.
            }
            if let Some(until) = self.pause {
                ready!(self.poll_timer(until, cx));
                self.pause = None;
            }
            match ready!(Pin::new(&mut self.source).poll_next(cx)) {
                Some(Ok(next)) => self.next = Some(next),
                Some(Err(error)) => self.failed(&error),
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

/// What a listener accepts, without Nagle's delay.
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
