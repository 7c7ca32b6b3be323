//! An accepted connection, as the server reads and writes it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use h2::Reason;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::{
    budget::{Account, Charge},
    frames::FrameTracker,
    idle::Idle,
    limits::{CONNECTION_BYTES, Permit, TLS_BYTES},
    meter::Open,
    peer_info::{PeerInfo, Via},
};
use crate::wire;

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// How long a connection whose account has ended may take to read why.
const ENDING_GRACE: Duration = Duration::from_millis(200);

/// A connection that is ready for HTTP/2.
///
/// It ends when its account does: the other side gets a GOAWAY that says why, and whatever it or
/// HTTP/2 still sends is dropped.
pub struct ServerIo {
    inner: Replay<Box<dyn Duplex>>,
    info: PeerInfo,
    idle: Idle,
    read: FrameTracker,
    written: FrameTracker,
    /// Ready once the account has ended.
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    ending: Option<Ending>,
    _charge: Charge,
    /// Released with the connection.
    _place: Permit,
    _open: Open,
}

/// A connection whose account has ended.
struct Ending {
    grace: Pin<Box<Sleep>>,
    /// Whether the GOAWAY was written.
    is_told: bool,
}

impl ServerIo {
    pub(super) fn new(
        inner: Replay<Box<dyn Duplex>>,
        info: PeerInfo,
        place: Permit,
        open: Open,
        idle_timeout: Duration,
    ) -> Self {
        let tls = if info.via == Via::Tls { TLS_BYTES } else { 0 };
        Self {
            inner,
            idle: Idle::new(info.calls.clone(), idle_timeout),
            read: FrameTracker::of_client(),
            written: FrameTracker::of_server(),
            ended: Box::pin(info.account.ended().clone().cancelled_owned()),
            ending: None,
            _charge: info.account.charge(CONNECTION_BYTES + tls),
            info,
            _place: place,
            _open: open,
        }
    }

    /// Returns true once the account has ended, and wakes `cx` then. Errors once the other side had
    /// the time to read why.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.ending.is_none() && self.ended.as_mut().poll(cx).is_ready() {
            let grace = Box::pin(tokio::time::sleep(ENDING_GRACE));
            self.ending = Some(Ending { grace, is_told: false });
        }
        let Some(ending) = &mut self.ending else { return Ok(false) };
        if ending.grace.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !ending.is_told && self.written.rest() == 0 {
            ending.is_told = true;
            let goaway = goaway(&self.info.account);
            let mut inner = Pin::new(&mut self.inner);
            // If the other side does not read, it cannot be told.
            if inner.as_mut().poll_write(cx, &goaway).is_ready() {
                let _ = inner.poll_shutdown(cx);
            }
        }
        Ok(true)
    }

    /// Drops what the other side sends until it has closed the connection, so that its data does not
    /// make the system drop the GOAWAY.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut dropped = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut dropped);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Returns how many of `length` bytes may be written now; `None`: they are dropped.
    fn may_write(&mut self, cx: &mut Context<'_>, length: usize) -> io::Result<Option<usize>> {
        if !self.poll_ending(cx)? {
            return Ok(Some(length));
        }
        // In the middle of a frame, it is finished first.
        let rest = self.written.rest().min(length);
        Ok((rest > 0).then_some(rest))
    }
}

/// Returns a GOAWAY frame that says why an account has ended (RFC 9113, section 6.8). No stream is
/// said not to have been processed.
fn goaway(account: &Account) -> Vec<u8> {
    const GOAWAY: u8 = 7;
    const LAST_STREAM: u32 = u32::MAX >> 1;
    let why = account
        .check()
        .err()
        .map_or_else(String::new, |error| format!("{}: {error}", wire::reason(&error)));
    let [_, length @ ..] = (8 + why.len() as u32).to_be_bytes();
    [
        &length[..],
        &[GOAWAY, 0, 0, 0, 0, 0],
        &LAST_STREAM.to_be_bytes(),
        &u32::from(Reason::ENHANCE_YOUR_CALM).to_be_bytes(),
        why.as_bytes(),
    ]
    .concat()
}

impl std::fmt::Debug for ServerIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIo").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Connected for ServerIo {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

/// A stream whose first bytes were read already, and are read again.
pub(super) struct Replay<IO> {
    front: Bytes,
    inner: IO,
}

impl<IO> Replay<IO> {
    pub(super) fn new(front: Bytes, inner: IO) -> Self {
        Self { front, inner }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Replay<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.front.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let again = self.front.len().min(buf.remaining());
        buf.put_slice(&self.front[..again]);
        self.front.advance(again);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ServerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_ending(cx)? {
            return self.poll_drain(cx);
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            // An idle connection looks closed by the other side.
            Poll::Pending => self.idle.poll(cx).map(Ok),
            read => {
                let data = self.read.follow(&buf.filled()[before..]);
                if data > 0 {
                    self.info.unread.read(data);
                }
                read
            }
        }
    }
}

impl AsyncWrite for ServerIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(length) = self.may_write(cx, buf.len())? else {
            return Poll::Ready(Ok(buf.len()));
        };
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &buf[..length]))?;
        self.written.follow(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.may_write(cx, length)? != Some(length) {
            // Ending.
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| &**buf));
        }
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        let mut rest = written;
        for buf in bufs {
            let part = rest.min(buf.len());
            self.written.follow(&buf[..part]);
            rest -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Replay<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
