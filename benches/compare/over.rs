//! What a line's bytes go over: a socket as it is, or TLS on it, the same for every server.
//!
//! Servers have a certificate of the kind that the hub makes for itself, and lines a key each, as
//! the hub's clients have; other servers do not ask for it.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Result;
use chinwag::{
    identity::{CERTIFICATE_FILE, Identity, KEY_FILE, TLS_NAME},
    model::Fingerprint,
    transport::{ClientKeys, Trust, client_config, server_config},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// What is between a server and its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nothing but the socket.
    Plaintext,
    /// TLS 1.3.
    Tls,
}

/// A server's key and certificate, in files.
#[derive(Debug)]
pub(crate) struct Certified {
    folder: PathBuf,
    fingerprint: Fingerprint,
}

impl Certified {
    /// Makes a key and its certificate in a folder: that of a hub's data is where it looks for them.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let identity = Identity::load_or_create(folder)?;
        Ok(Self { folder: folder.to_owned(), fingerprint: identity.fingerprint() })
    }

    /// Where the certificate is, and where its key is.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        [CERTIFICATE_FILE, KEY_FILE].map(|file| self.folder.join(file))
    }

    /// Makes a line to whoever has the key out of a connected socket.
    pub(crate) async fn secure(&self, socket: TcpStream) -> Result<Stream> {
        let own = Identity::generate()?;
        let trust = Trust::Pinned(self.fingerprint);
        let connector = TlsConnector::from(client_config(Some(own.credentials()), &trust)?);
        let stream = connector.connect(TLS_NAME.try_into()?, socket).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }

    /// The other end of such a line.
    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<Stream> {
        let own = Identity::load_or_create(&self.folder)?;
        let config = server_config(own.credentials(), ClientKeys::Mandatory)?;
        Ok(Stream::Tls(Box::new(TlsAcceptor::from(config).accept(socket).await?.into())))
    }
}

/// A line's bytes.
#[derive(Debug)]
pub(crate) enum Stream {
    Plaintext(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plaintext(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plaintext(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plaintext(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plaintext(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
