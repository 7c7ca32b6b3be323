//! An accepted connection, as the server reads and writes it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::{idle::Idle, limits::Permit, meter::Open, peer_info::PeerInfo};

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that is ready for HTTP/2.
pub struct ServerIo {
    inner: Replay<Box<dyn Duplex>>,
    info: PeerInfo,
    idle: Idle,
    /// Released with the connection.
    _place: Permit,
    _open: Open,
}

impl ServerIo {
    pub(super) fn new(
        inner: Replay<Box<dyn Duplex>>,
        info: PeerInfo,
        place: Permit,
        open: Open,
        idle_timeout: Duration,
    ) -> Self {
        let idle = Idle::new(info.calls.clone(), idle_timeout);
        Self { inner, info, idle, _place: place, _open: open }
    }
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
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            // An idle connection looks closed by the other side.
            Poll::Pending => self.idle.poll(cx).map(Ok),
            read => read,
        }
    }
}

/// Forwards writes to the inner stream.
macro_rules! writes_through {
    ($type:ty $(, $io:ident)?) => {
        impl $(<$io: AsyncWrite + Unpin>)? AsyncWrite for $type {
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

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_shutdown(cx)
            }
        }
    };
}

writes_through!(Replay<IO>, IO);
writes_through!(ServerIo);
