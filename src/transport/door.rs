//! A server's door: who may come in, and how.
//!
//! One port takes TLS from everywhere and plaintext from loopback, so that
//! `grpcurl -plaintext localhost:50051 list` works on the machine itself.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;

use super::{
    Limits, Meter,
    arrivals::{Accepted, Arrivals},
    handshake::Reception,
    io::Duplex,
    loopback,
};
use crate::error::{Error, Result};

/// Whether callers from loopback may speak without TLS where there is TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// They may.
    FromLoopback,
    /// Nobody may: for a machine whose other users are not to be trusted, or with a proxy that
    /// makes the world look local.
    Never,
}

/// Who may come in, and how.
#[derive(Debug, Clone)]
pub struct Door {
    way: Way,
    limits: Limits,
    meter: Arc<Meter>,
}

#[derive(Debug, Clone)]
enum Way {
    Plaintext,
    Tls(Arc<ServerConfig>, Plaintext),
}

impl Door {
    /// Plaintext, which therefore is for loopback only.
    pub fn plaintext() -> Self {
        Self::new(Way::Plaintext)
    }

    /// TLS for everybody.
    pub fn tls(config: Arc<ServerConfig>, plaintext: Plaintext) -> Self {
        Self::new(Way::Tls(config, plaintext))
    }

    fn new(way: Way) -> Self {
        Self { way, limits: Limits::default(), meter: Arc::default() }
    }

    /// What is counted at this door.
    pub fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    /// Other bounds than the usual ones.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Opens a listening socket.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the address is beyond loopback and there is no TLS; [`Error::Io`]
    /// where it cannot be had.
    pub async fn listen(&self, address: SocketAddr) -> Result<TcpListener> {
        if matches!(self.way, Way::Plaintext) {
            loopback::may_listen(address)?;
        }
        TcpListener::bind(address)
            .await
            .map_err(|error| Error::Io(format!("cannot listen on {address}: {error}")))
    }

    /// Opens the first free port from `address` upwards; port 0 takes any.
    ///
    /// # Errors
    ///
    /// As [`Self::listen`], where none of the next `tries` ports is free.
    pub async fn listen_on_next_free(
        &self,
        mut address: SocketAddr,
        tries: u16,
    ) -> Result<TcpListener> {
        let mut last = self.listen(address).await;
        for _ in 1..tries {
            if last.is_ok() || address.port() == 0 {
                break;
            }
            let Some(next) = address.port().checked_add(1) else { break };
            address.set_port(next);
            last = self.listen(address).await;
        }
        last
    }

    /// The connections of a listener that came through this door.
    pub fn arrivals(&self, listener: TcpListener) -> Arrivals<Accepted, TcpStream> {
        self.arrivals_from(Accepted::new(listener))
    }

    /// The same for connections of any kind: each with the address it came from.
    pub fn arrivals_from<S, IO>(&self, source: S) -> Arrivals<S, IO>
    where
        S: Stream<Item = io::Result<(IO, SocketAddr)>>,
        IO: Duplex + 'static,
    {
        let (tls, plaintext) = match &self.way {
            Way::Plaintext => (None, true),
            Way::Tls(config, plaintext) => {
                (Some(TlsAcceptor::from(config.clone())), *plaintext == Plaintext::FromLoopback)
            }
        };
        let (limits, meter) = (self.limits.clone(), self.meter.clone());
        Arrivals::new(source, Reception { tls, plaintext, limits, places: Arc::default(), meter })
    }
}
