//! The acceptor of a server: which connections it takes.
//!
//! One port takes TLS from everywhere and plaintext from loopback, so that `grpcurl -plaintext
//! localhost:50051 list` works on the machine itself.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;

use super::{
    Budget, Limits, Meter,
    handshake::Handshaker,
    incoming::{Accepted, Incoming},
    io::Duplex,
    loopback::{self, ListenError},
};
use crate::error::SystemError;

/// Whether callers from loopback may use plaintext if the server has TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Plaintext is allowed from loopback.
    FromLoopback,
    /// Plaintext is refused: for a machine with untrusted users, or behind a proxy, which makes
    /// remote callers look local.
    Never,
}

/// Decides which connections a server takes. Clones share their meter.
#[derive(Debug, Clone)]
pub struct Acceptor {
    encryption: Encryption,
    limits: Limits,
    budget: Budget,
    meter: Arc<Meter>,
}

#[derive(Debug, Clone)]
enum Encryption {
    Plaintext,
    Tls(Arc<ServerConfig>, Plaintext),
}

impl Acceptor {
    /// Plaintext, and therefore loopback only.
    pub fn plaintext() -> Self {
        Self::new(Encryption::Plaintext)
    }

    /// TLS, and plaintext from loopback if `plaintext` allows it.
    pub fn tls(config: Arc<ServerConfig>, plaintext: Plaintext) -> Self {
        Self::new(Encryption::Tls(config, plaintext))
    }

    fn new(encryption: Encryption) -> Self {
        Self {
            encryption,
            limits: Limits::default(),
            budget: Budget::default(),
            meter: Arc::default(),
        }
    }

    /// Returns the counters of this acceptor.
    pub fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    /// Replaces the default limits.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Replaces the default budget.
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Opens a listening socket. Errors with [`ListenError::NotLoopback`] if there is no TLS and
    /// the address is not loopback; [`ListenError::Failed`] if the socket cannot be opened.
    pub async fn listen(&self, address: SocketAddr) -> Result<TcpListener, ListenError> {
        self.listen_on_next_free(address, 1).await
    }

    /// Opens a listening socket on the first free port from `address` upwards, of `tries` ports.
    /// Port 0 takes any. Errors as [`Self::listen`]; also if none of the ports is free.
    pub async fn listen_on_next_free(
        &self,
        mut address: SocketAddr,
        tries: u16,
    ) -> Result<TcpListener, ListenError> {
        if matches!(self.encryption, Encryption::Plaintext) {
            loopback::may_listen(address)?;
        }
        let last = address.port().saturating_add(tries.saturating_sub(1));
        loop {
            match TcpListener::bind(address).await {
                // Another port only helps if this one is taken.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && (1..last).contains(&address.port()) =>
                {
                    address.set_port(address.port() + 1);
                }
                bound => {
                    return bound.map_err(|error| {
                        let failure = format_args!("cannot listen on {address}");
                        ListenError::Failed(SystemError::because(failure, error))
                    });
                }
            }
        }
    }

    /// Returns the incoming connections of a listener.
    pub fn incoming(&self, listener: TcpListener) -> Incoming<Accepted, TcpStream> {
        self.incoming_from(Accepted::new(listener))
    }

    /// As [`Self::incoming`], for connections of any kind, each with its remote address.
    pub fn incoming_from<S, IO>(&self, source: S) -> Incoming<S, IO>
    where
        S: Stream<Item = io::Result<(IO, SocketAddr)>>,
        IO: Duplex + 'static,
    {
        let (tls, plaintext) = match &self.encryption {
            Encryption::Plaintext => (None, true),
            Encryption::Tls(config, plaintext) => {
                (Some(TlsAcceptor::from(config.clone())), *plaintext == Plaintext::FromLoopback)
            }
        };
        let (limits, budget, meter) =
            (self.limits.clone(), self.budget.clone(), self.meter.clone());
        let limiter = Arc::default();
        Incoming::new(source, Handshaker { tls, plaintext, limits, budget, limiter, meter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::Identity,
        transport::{ClientKeys, server_config},
    };

    #[tokio::test]
    async fn the_next_free_port_is_used() {
        let acceptor = Acceptor::plaintext();
        let held = acceptor.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = held.local_addr().unwrap();
        let next = acceptor.listen_on_next_free(taken, 64).await.unwrap().local_addr().unwrap();
        assert!(next.port() > taken.port());
        let none = acceptor.listen_on_next_free(taken, 1).await.unwrap_err();
        assert!(none.to_string().contains(&taken.to_string()), "{none}");
    }

    #[tokio::test]
    async fn other_ports_are_tried_only_if_one_is_in_use() {
        let own = Identity::generate().unwrap();
        let tls = server_config(own.credentials(), ClientKeys::Optional).unwrap();
        for acceptor in [Acceptor::plaintext(), Acceptor::tls(tls, Plaintext::FromLoopback)] {
            // The error names the requested address, not the last one that was tried.
            for hopeless in ["192.0.2.1:54321", "[::ffff:192.0.2.1]:54321"] {
                let error = acceptor.listen_on_next_free(hopeless.parse().unwrap(), 64).await;
                let error = error.unwrap_err();
                assert!(error.to_string().contains(hopeless), "{error}");
            }
        }
    }
}
