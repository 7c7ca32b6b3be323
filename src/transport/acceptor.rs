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
    handshake::Handshaker,
    incoming::{Accepted, Incoming},
    io::Duplex,
    loopback::{self, ListenError},
};
use crate::error::SystemError;

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
pub struct Acceptor {
    encryption: Encryption,
    limits: Limits,
    meter: Arc<Meter>,
}

#[derive(Debug, Clone)]
enum Encryption {
    Plaintext,
    Tls(Arc<ServerConfig>, Plaintext),
}

impl Acceptor {
    /// Plaintext, which therefore is for loopback only.
    pub fn plaintext() -> Self {
        Self::new(Encryption::Plaintext)
    }

    /// TLS for everybody.
    pub fn tls(config: Arc<ServerConfig>, plaintext: Plaintext) -> Self {
        Self::new(Encryption::Tls(config, plaintext))
    }

    fn new(encryption: Encryption) -> Self {
        Self { encryption, limits: Limits::default(), meter: Arc::default() }
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
    /// [`ListenError::NotLoopback`] if there is no TLS and the address is not loopback;
    /// [`ListenError::Failed`] if the socket cannot be opened.
    pub async fn listen(&self, address: SocketAddr) -> Result<TcpListener, ListenError> {
        self.listen_on_next_free(address, 1).await
    }

    /// Opens the first free port from `address` upwards; port 0 takes any.
    ///
    /// # Errors
    ///
    /// As [`Self::listen`]; also where none of the next `tries` ports is free.
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
                // Another port is no help against anything else.
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

    /// The connections of a listener that came through this door.
    pub fn incoming(&self, listener: TcpListener) -> Incoming<Accepted, TcpStream> {
        self.incoming_from(Accepted::new(listener))
    }

    /// The same for connections of any kind: each with the address it came from.
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
        let (limits, meter) = (self.limits.clone(), self.meter.clone());
        Incoming::new(source, Handshaker { tls, plaintext, limits, limiter: Arc::default(), meter })
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
    async fn the_next_port_is_tried_where_one_is_taken() {
        let door = Acceptor::plaintext();
        let held = door.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = held.local_addr().unwrap();
        let next = door.listen_on_next_free(taken, 64).await.unwrap().local_addr().unwrap();
        assert!(next.port() > taken.port());
        let none = door.listen_on_next_free(taken, 1).await.unwrap_err();
        assert!(none.to_string().contains(&taken.to_string()), "{none}");
    }

    #[tokio::test]
    async fn no_other_port_is_tried_where_that_would_not_help() {
        let own = Identity::generate().unwrap();
        let tls = server_config(own.credentials(), ClientKeys::Optional).unwrap();
        for door in [Acceptor::plaintext(), Acceptor::tls(tls, Plaintext::FromLoopback)] {
            // The address that was asked for is named, not the last of those that come after it.
            for hopeless in ["192.0.2.1:54321", "[::ffff:192.0.2.1]:54321"] {
                let error = door.listen_on_next_free(hopeless.parse().unwrap(), 64).await;
                let error = error.unwrap_err();
                assert!(error.to_string().contains(hopeless), "{error}");
            }
        }
    }
}
