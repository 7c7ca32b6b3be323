//! How servers listen and clients dial: the one place that knows what a connection is made of.
//!
//! 1. A server has a [`Door`]: it opens the listening socket and makes of what the socket accepts
//!    [`Arrivals`], connections with TLS or from loopback that are ready for HTTP/2. [`server`]
//!    answers on them, and every request carries a [`PeerInfo`].
//! 2. A client has a [`Dial`]: it makes channels, with TLS to whoever has the right key or a name
//!    that an authority vouches for, or without TLS to loopback. [`why`] says what lies behind a
//!    call that failed.
//! 3. Nothing leaves the machine without TLS: neither a door nor a dial can be made otherwise.

mod arrivals;
mod careful;
mod dial;
mod door;
mod handshake;
mod io;
mod limits;
mod loopback;
mod meter;
mod refuse;
mod tls;

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::Sleep,
};
use tokio_stream::Stream;
use tonic::transport::Server;
use tower::layer::util::Identity;

pub use arrivals::{Accepted, Arrivals};
#[cfg(any(test, fuzzing))]
pub(crate) use careful::drop_broken_details;
pub use careful::{Channel, careful};
pub use dial::{CONNECT_TIMEOUT, Dial, DialFailure, certificate_on_loopback, why};
pub use door::{Door, Plaintext};
pub use io::{Duplex, PeerInfo, ServerIo, Via};
pub use limits::Limits;
pub(crate) use limits::source_of;
pub use meter::{Meter, TurnedAway};
pub use tls::{Authorities, ClientKeys, Trust, client_config, server_config};

use crate::{
    error::{Error, Result},
    model::Endpoint,
};

/// The deadline of a unary call, on either side. A stored post takes milliseconds; whatever takes
/// this long has gone wrong.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Concurrent streams of one connection. A client needs one Chat stream and a few calls.
const MAX_STREAMS: u32 = 128;

/// HTTP/2 window of a stream: what may be under way to a reader that stands still.
const STREAM_WINDOW: u32 = 64 * 1024;

/// HTTP/2 window of a connection: more than the streams that one client may leave unread, so that
/// these do not starve the others.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The largest header list of a request: a token and a few metadata fit many times.
const MAX_HEADER_LIST: u32 = 8 * 1024;

/// Streams that this side may have to reset before the connection is closed (the "MadeYouReset"
/// attack, CVE-2025-8671). hyper's own default, which tonic would erase.
const MAX_LOCAL_RESETS: usize = 1024;

/// Opens a listening socket on loopback: [`Door::listen`] without TLS.
///
/// # Errors
///
/// [`Error::Invalid`] where the address is not on loopback; [`Error::Io`] where it cannot be had.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    check_loopback(address)?;
    TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))
}

/// Opens the first free port from `address` upwards; port 0 takes any.
///
/// # Errors
///
/// As [`listen`]; also where none of the next `tries` ports is free.
pub async fn listen_on_next_free(mut address: SocketAddr, tries: u16) -> Result<TcpListener> {
    check_loopback(address)?;
    let last = address.port().saturating_add(tries.saturating_sub(1));
    loop {
        match TcpListener::bind(address).await {
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && (1..last).contains(&address.port()) =>
            {
                address.set_port(address.port() + 1);
            }
            bound => return bound.map_err(|error| cannot_listen(address, &error)),
        }
    }
}

/// Whether a server may listen there: on loopback, at whatever port.
///
/// # Errors
///
/// [`Error::Invalid`] where it may not.
pub fn check_loopback(address: SocketAddr) -> Result<()> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(Error::invalid(
            "listen",
            format!(
                "{address} is not a loopback address; without encryption this server listens on \
                 loopback only, such as 127.0.0.1:{}",
                address.port()
            ),
        ));
    }
    Ok(())
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Error {
    Error::Io(format!("cannot listen on {address}: {error}"))
}

/// How long accepting pauses after it failed, as it does when the process has no file descriptor
/// left: some must be closed first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections of a listener, without Nagle's delay. A failure to accept is logged and tried
/// again a little later.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// Accepts from `listener`.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, pause: None }
    }
}

impl Stream for Incoming {
    type Item = std::io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = self.get_mut();
        loop {
            if let Some(pause) = &mut incoming.pause {
                ready!(pause.as_mut().poll(cx));
                incoming.pause = None;
            }
            match ready!(incoming.listener.poll_accept(cx)) {
                Ok((stream, _)) => {
                    // What fails here fails the connection when it is used.
                    let _ = stream.set_nodelay(true);
                    return Poll::Ready(Some(Ok(stream)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    incoming.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

/// A server with the limits of this house. `keepalive` is both how long a connection may be silent
/// before it is asked for a sign of life and how long the answer may take.
pub fn server(keepalive: Duration) -> Server<Identity> {
    Server::builder()
        .timeout(CALL_TIMEOUT)
        .max_concurrent_streams(Some(MAX_STREAMS))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .http2_keepalive_interval(Some(keepalive))
        .http2_keepalive_timeout(Some(keepalive))
}

/// A channel to a hub on loopback: [`Dial::channel`] without TLS.
///
/// # Errors
///
/// As [`Dial::channel`].
pub fn channel(endpoint: &Endpoint) -> Result<Channel> {
    Dial::plaintext().channel(endpoint)
}

/// A channel to another client's PeerChat server on loopback: [`Dial::peer_channel`] without TLS.
///
/// # Errors
///
/// As [`Dial::peer_channel`].
pub fn peer_channel(endpoint: &Endpoint) -> Result<Channel> {
    Dial::plaintext().peer_channel(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_port_is_tried_where_one_is_taken() {
        let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap().local_addr().unwrap();
        let _held = listen(taken).await.unwrap();
        let next = listen_on_next_free(taken, 64).await.unwrap().local_addr().unwrap();
        assert!(next.port() > taken.port());
        let none = listen_on_next_free(taken, 1).await.unwrap_err();
        assert!(none.to_string().contains(&taken.to_string()), "{none}");
    }

    #[tokio::test]
    async fn no_other_port_is_tried_where_that_would_not_help() {
        // The address that was asked for is named, not the last of those that come after it.
        for hopeless in ["192.0.2.1:54321", "[::ffff:192.0.2.1]:54321"] {
            let error = listen_on_next_free(hopeless.parse().unwrap(), 64).await.unwrap_err();
            assert!(error.to_string().contains(hopeless), "{error}");
        }
    }
}
