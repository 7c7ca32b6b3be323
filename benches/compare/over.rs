//! The transport of a connection: a plain socket or TLS, the same for every server.
//!
//! Servers have a certificate of the kind that the hub makes for itself. Each connection has a
//! client key, as clients of the hub do; other servers do not ask for it.

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

/// The transport between a server and its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// A plain socket.
    Plaintext,
    /// TLS 1.3.
    Tls,
}

/// The key and certificate of a server, in files.
#[derive(Debug)]
pub(crate) struct Certified {
    folder: PathBuf,
    fingerprint: Fingerprint,
}

impl Certified {
    /// Makes a key and its certificate in a directory. A hub reads them from its data directory.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let identity = Identity::load_or_create(folder)?;
        Ok(Self { folder: folder.to_owned(), fingerprint: identity.fingerprint() })
    }

    /// Returns the paths of the certificate and of the key.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        [CERTIFICATE_FILE, KEY_FILE].map(|file| self.folder.join(file))
    }

    /// Opens TLS to the owner of the key on a connected socket.
    pub(crate) async fn secure(&self, socket: TcpStream) -> Result<Stream> {
        let own = Identity::generate()?;
        let trust = Trust::Pinned(self.fingerprint);
        let connector = TlsConnector::from(client_config(Some(own.credentials()), &trust)?);
        let stream = connector.connect(TLS_NAME.try_into()?, socket).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }

    /// Accepts TLS at the other end.
    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<Stream> {
        let own = Identity::load_or_create(&self.folder)?;
        let config = server_config(own.credentials(), ClientKeys::Mandatory)?;
        Ok(Stream::Tls(Box::new(TlsAcceptor::from(config).accept(socket).await?.into())))
    }
}

/// The stream of bytes of a connection.
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
