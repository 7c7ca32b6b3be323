//! Dials servers, and checks their keys.

mod failure;
mod first_use;
mod probe;

use std::{error::Error as StdError, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::Endpoint as Settings;
use tower::{Service, service_fn};

pub use failure::{DialFailure, dial_failure};
pub use first_use::certificate_on_loopback;
pub use probe::{Probe, probe};

use super::{
    CONNECTION_WINDOW, Channel, MAX_HEADER_LIST, STREAM_WINDOW, Trust, channel::guarded,
    client_config, io::Duplex, loopback, tls::ALPN_H2,
};
use crate::{
    error::SystemError,
    identity::{Credentials, TLS_NAME},
    model::Endpoint,
};

/// How long dialing may take, TLS included, before the server counts as unreachable.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The keepalive interval of a client that waits for its hub, and the time to answer it. Without it
/// a cut network would look like a quiet room.
const HUB_KEEPALIVE: Duration = Duration::from_secs(10);

/// The keepalive interval towards another client's server, which may be any implementation:
/// grpc-core closes connections with keepalives more often than every five minutes.
const PEER_KEEPALIVE: Duration = Duration::from_secs(330);

/// TCP keepalive: the silence before the first probe, the interval of further ones, and their
/// number. A lost connection is noticed within a minute.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE_RETRIES: u32 = 3;

/// Opens connections to servers.
#[derive(Debug, Clone)]
pub struct Dial {
    tls: Option<TlsSettings>,
}

#[derive(Debug, Clone)]
struct TlsSettings {
    config: Arc<ClientConfig>,
    /// The server name; `None` for the host of the endpoint.
    name: Option<&'static str>,
}

impl Dial {
    /// Plaintext, and therefore to loopback only.
    pub fn plaintext() -> Self {
        Self { tls: None }
    }

    /// TLS, with the caller's own key if it has one. Errors as [`client_config`].
    pub fn tls(own: Option<&Credentials>, trust: &Trust) -> Result<Self, SystemError> {
        let name = match trust {
            Trust::Pinned(_) => Some(TLS_NAME),
            Trust::Authorities(_) => None,
        };
        let tls = TlsSettings { config: client_config(own, trust)?, name };
        Ok(Self { tls: Some(tls) })
    }

    /// Returns a channel to a hub. It connects on first use, and again after the connection was
    /// lost. [`dial_failure`] finds the cause of a failed call. Errors if the endpoint is no valid
    /// URI.
    pub fn channel(&self, endpoint: &Endpoint) -> Result<Channel, SystemError> {
        self.open(endpoint, HUB_KEEPALIVE)
    }

    /// Returns a channel to another client's PeerChat server; otherwise as [`Self::channel`].
    /// Errors if the endpoint is no valid URI.
    pub fn peer_channel(&self, endpoint: &Endpoint) -> Result<Channel, SystemError> {
        self.open(endpoint, PEER_KEEPALIVE)
    }

    fn open(&self, endpoint: &Endpoint, keepalive: Duration) -> Result<Channel, SystemError> {
        let failure = format_args!("cannot dial {endpoint}");
        // TLS is made here, so tonic sees plaintext; the origin gives servers the real scheme.
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin: Uri = format!("{scheme}://{}", authority(endpoint))
            .parse()
            .map_err(|e| SystemError::because(failure, e))?;
        let settings = Settings::from_shared(format!("http://{endpoint}"))
            .map_err(|e| SystemError::because(failure, e))?
            .origin(origin)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(MAX_HEADER_LIST)
            .http2_keep_alive_interval(keepalive)
            .keep_alive_timeout(HUB_KEEPALIVE);
        let dial = self.clone();
        let channel = settings.connect_with_connector_lazy(service_fn(move |uri| {
            let dial = dial.clone();
            async move {
                // tonic's own timeout cannot be told from other failures.
                timeout(CONNECT_TIMEOUT, dial.connect(uri))
                    .await
                    .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            }
        }));
        Ok(guarded(channel))
    }

    async fn connect(&self, to: Uri) -> Result<TokioIo<Box<dyn Duplex>>, BoxError> {
        let host = without_zone(to.host().unwrap_or_default()).to_owned();
        let tcp = tcp_connector().call(to).await?.into_inner();
        let remote = tcp.peer_addr()?;
        self.secure(tcp, remote, &host).await.map(TokioIo::new)
    }

    /// Secures a connection to `remote`, or checks that it is allowed without TLS.
    async fn secure<IO>(
        &self,
        io: IO,
        remote: SocketAddr,
        host: &str,
    ) -> Result<Box<dyn Duplex>, BoxError>
    where
        IO: Duplex + 'static,
    {
        let Some(tls) = &self.tls else {
            loopback::may_dial(remote)?;
            return Ok(Box::new(io));
        };
        let name = tls.name.unwrap_or(host);
        let name = ServerName::try_from(name)?.to_owned();
        let connected = TlsConnector::from(tls.config.clone()).connect(name, io).await;
        let stream = connected.map_err(cut_short)?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
            return Err("it does not speak HTTP/2 inside TLS".into());
        }
        Ok(Box::new(stream))
    }
}

/// Returns how a server is told the endpoint: without a zone, which only this machine knows.
fn authority(endpoint: &Endpoint) -> String {
    let (host, port) = (endpoint.without_zone(), endpoint.port());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Returns the host of a URI as TLS names it: without brackets and without a zone.
fn without_zone(host: &str) -> &str {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.split_once('%').map_or(host, |(address, _)| address)
}

/// The cause is either overload or a server without TLS that just closes; both look the same.
const CUT_SHORT: &str = "the connection ended with the TLS handshake half done; either the server \
                         has too much to do, or it does not speak TLS";

fn cut_short(error: io::Error) -> BoxError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => CUT_SHORT.into(),
        _ => error.into(),
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Resolves names, and tries the addresses of both families in parallel (RFC 8305).
fn tcp_connector() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    tcp.set_keepalive_interval(Some(TCP_KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(TCP_KEEPALIVE_RETRIES));
    tcp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plaintext_dials_loopback_only() {
        let (near, _far) = tokio::io::duplex(64);
        let elsewhere = "192.0.2.7:50051".parse().unwrap();
        let refused = Dial::plaintext().secure(near, elsewhere, "hub").await.err().unwrap();
        assert_eq!(dial_failure(refused.as_ref()), Some(DialFailure::PlaintextBeyondLoopback));

        let (near, _far) = tokio::io::duplex(64);
        let here = "[::1]:50051".parse().unwrap();
        assert!(Dial::plaintext().secure(near, here, "hub").await.is_ok());
    }
}
