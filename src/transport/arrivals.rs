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
    time::Sleep,
};
use tokio_stream::{Stream, StreamExt, adapters::Fuse};

use super::{
    handshake::Reception,
    io::{Duplex, ServerIo},
    limits::source_of,
};

/// How long to wait when the machine gives no more connections (file descriptors, memory): long
/// enough not to spin, short enough for nobody to notice once there are some again.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections that came through a [`Door`](super::Door), ready for HTTP/2.
pub struct Arrivals<S> {
    source: Fuse<S>,
    reception: Arc<Reception>,
    handshakes: JoinSet<Option<ServerIo>>,
    /// Those under way, the oldest first, and some that are over.
    pending: VecDeque<Pending>,
    /// Until when there is no use in accepting.
    pause: Option<Pin<Box<Sleep>>>,
}

struct Pending {
    source: Option<IpAddr>,
    task: AbortHandle,
}

impl<S: Stream> Arrivals<S> {
    pub(super) fn new(source: S, reception: Reception) -> Self {
        Self {
            source: source.fuse(),
            reception: Arc::new(reception),
            handshakes: JoinSet::new(),
            pending: VecDeque::new(),
            pause: None,
        }
    }

    fn receive<IO: Duplex + 'static>(&mut self, io: IO, remote: SocketAddr) {
        let source = source_of(remote.ip());
        self.make_room(source);
        let reception = self.reception.clone();
        let task = self.handshakes.spawn(async move {
            match reception.welcome(io, remote).await {
                Ok(io) => Some(io),
                Err(reason) => {
                    tracing::debug!(%remote, %reason, "turned a caller away");
                    None
                }
            }
        });
        self.pending.push_back(Pending { source, task });
    }

    /// Lets the oldest handshake give way if there are too many for one more from `source`.
    fn make_room(&mut self, source: Option<IpAddr>) {
        self.forget_finished();
        let limits = &self.reception.limits;
        let same = |pending: &Pending| pending.source == source;
        let of_source = self.pending.iter().filter(|pending| same(pending)).count();
        let gives_way = if source.is_some() && of_source >= limits.pending_per_address {
            self.pending.iter().position(same)
        } else if self.pending.len() >= limits.pending {
            Some(0)
        } else {
            None
        };
        self.abort(gives_way);
    }

    fn forget_finished(&mut self) {
        self.pending.retain(|pending| !pending.task.is_finished());
    }

    fn abort(&mut self, at: Option<usize>) {
        if let Some(pending) = at.and_then(|at| self.pending.remove(at)) {
            tracing::debug!(source = ?pending.source, "a caller was too slow for the crowd");
            pending.task.abort();
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
        // Most likely there are no file descriptors left, and this one is in no use.
        self.forget_finished();
        self.abort((!self.pending.is_empty()).then_some(0));
        self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
    }
}

impl<S, IO> Stream for Arrivals<S>
where
    S: Stream<Item = io::Result<(IO, SocketAddr)>> + Unpin,
    IO: Duplex + 'static,
{
    type Item = io::Result<ServerIo>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            while let Poll::Ready(Some(done)) = self.handshakes.poll_join_next(cx) {
                if let Ok(Some(io)) = done {
                    return Poll::Ready(Some(Ok(io)));
                }
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(Pin::new(&mut self.source).poll_next(cx)) {
                Some(Ok((io, remote))) => self.receive(io, remote),
                Some(Err(error)) => self.failed(&error),
                None if self.handshakes.is_empty() => return Poll::Ready(None),
                None => return Poll::Pending,
            }
        }
    }
}

impl<S> fmt::Debug for Arrivals<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").field("pending", &self.handshakes.len()).finish_non_exhaustive()
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
