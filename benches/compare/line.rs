//! A connection to a server, read and written by one task.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpSocket,
    time::timeout,
};

use crate::{
    over::{Certified, Stream},
    wire::{Grpc, Heard, Nats, Wire},
};

/// The maximum time of an answer before the run counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The size of the read buffer. All connections of a thread share it, so that it stays in the
/// cache.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Unsent bytes after which a publisher waits.
const UNSENT_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// A connection and its buffers.
#[derive(Debug)]
pub(crate) struct Line {
    stream: Stream,
    wire: Wire,
    /// The start of an incomplete message.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    /// The number of bytes of `unsent` that have been sent.
    sent: usize,
    /// True if everything was sent, but some of it is still buffered by TLS.
    flushing: bool,
}

impl Line {
    /// Connects, and sends what `open` returns. `receive_buffer` is the size of the kernel's
    /// buffer. With `certified`, the connection uses TLS.
    pub(crate) async fn connect(
        address: SocketAddr,
        certified: Option<&Certified>,
        receive_buffer: Option<u32>,
        open: impl FnOnce(&mut Vec<u8>) -> Wire,
    ) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = timeout(PATIENCE, socket.connect(address))
            .await
            .context("no connection")?
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        let stream = match certified {
            Some(server) => timeout(PATIENCE, server.secure(stream)).await.context("no TLS")??,
            None => Stream::Plaintext(stream),
        };
        let mut unsent = Vec::new();
        let wire = open(&mut unsent);
        Ok(Self { stream, wire, partial: Vec::new(), unsent, sent: 0, flushing: false })
    }

    /// Subscribes to a room with the next write.
    pub(crate) fn subscribe(&mut self, room: &str) {
        self.wire.subscribe(room, &mut self.unsent);
    }

    /// Posts with the next write.
    pub(crate) fn post(&mut self, room: &str, text: &str) {
        self.wire.post(room, text, &mut self.unsent);
    }

    /// Returns true if a text of `size` bytes can be sent without buffering it.
    pub(crate) fn can_post(&self, size: usize) -> bool {
        self.unsent.len() < UNSENT_BYTES && self.wire.can_post(size)
    }

    /// Sends and reads until something was sent or read. It is safe to cancel.
    pub(crate) async fn turn(&mut self, hear: &mut impl FnMut(Heard<'_>)) -> Result<()> {
        poll_fn(|cx| self.poll_turn(cx, hear)).await
    }

    /// Sends and reads forever, and ignores all events.
    pub(crate) async fn attend(&mut self) -> Result<Infallible> {
        loop {
            self.turn(&mut |_| {}).await?;
        }
    }

    /// Returns the gRPC protocol of a connection to a hub or to the plain broadcaster.
    pub(crate) fn grpc(&mut self) -> Result<(&mut Grpc, &mut Vec<u8>)> {
        match &mut self.wire {
            Wire::Grpc(grpc) => Ok((grpc, &mut self.unsent)),
            other => bail!("{other:?} is no gRPC"),
        }
    }

    /// Returns the protocol of a connection to nats-server.
    pub(crate) fn nats(&mut self) -> Result<(&mut Nats, &mut Vec<u8>)> {
        match &mut self.wire {
            Wire::Nats(nats) => Ok((nats, &mut self.unsent)),
            other => bail!("{other:?} is not NATS"),
        }
    }

    /// Reads until `wanted` returns a value for an event. Other events of the same read are lost.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(Heard<'_>) -> Option<T>) -> Result<T> {
        let mut found = None;
        let turns = async {
            while found.is_none() {
                let mut hear = |heard: Heard<'_>| found = found.take().or_else(|| wanted(heard));
                self.turn(&mut hear).await?;
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, turns).await.context("no answer")??;
        found.context("no answer")
    }

    /// Waits until the subscription is active.
    pub(crate) async fn subscribed(&mut self) -> Result<()> {
        self.until(|heard| matches!(heard, Heard::Subscribed).then_some(())).await
    }

    /// Waits until a post was stored or a request accepted.
    pub(crate) async fn acked(&mut self) -> Result<()> {
        self.until(|heard| matches!(heard, Heard::Acked).then_some(())).await
    }

    /// Waits until a call was answered.
    pub(crate) async fn answer(&mut self) -> Result<Vec<u8>> {
        self.until(|heard| match heard {
            Heard::Answer(answer) => Some(answer.to_vec()),
            _ => None,
        })
        .await
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Poll<Result<()>> {
        let sent = self.poll_send(cx)?.is_ready();
        let read = SCRATCH.with_borrow_mut(|scratch| self.poll_read(cx, scratch, hear))?.is_ready();
        if sent || read { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Ready if something was sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let stream = Pin::new(&mut self.stream);
        if self.unsent.is_empty() {
            if self.flushing && stream.poll_flush(cx)?.is_ready() {
                self.flushing = false;
            }
            return Poll::Pending;
        }
        self.sent += ready!(stream.poll_write(cx, &self.unsent[self.sent..]))?;
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
            self.flushing = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Poll<Result<()>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let read = buffer.filled();
        if read.is_empty() {
            return Poll::Ready(Err(anyhow!("the server closed the connection")));
        }
        Poll::Ready(self.take(read, hear))
    }

    fn take(&mut self, read: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<()> {
        if self.partial.is_empty() {
            let taken = self.wire.take(read, &mut self.unsent, hear)?;
            self.partial.extend_from_slice(&read[taken..]);
        } else {
            self.partial.extend_from_slice(read);
            let taken = self.wire.take(&self.partial, &mut self.unsent, hear)?;
            self.partial.drain(..taken);
        }
        Ok(())
    }
}
