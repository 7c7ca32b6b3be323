//! How servers listen and clients dial: the one place that knows what a connection is made of.
//!
//! 1. A server has a [`Acceptor`]: it opens the listening socket and makes of what the socket accepts
//!    [`Incoming`], connections with TLS or from loopback that are ready for HTTP/2. [`server`]
//!    answers on them, and every request carries a [`PeerInfo`].
//! 2. A client has a [`Dial`]: it makes channels, with TLS to whoever has the right key or a name
//!    that an authority vouches for, or without TLS to loopback. [`dial_failure`] says what lies behind a
//!    call that failed.
//! 3. Nothing leaves the machine without TLS: neither a door nor a dial can be made otherwise.

mod acceptor;
mod channel;
mod dial;
mod handshake;
mod idle;
mod incoming;
mod io;
mod limits;
mod loopback;
mod meter;
mod observe;
mod peer_info;
mod refuse;
mod tls;

use std::time::Duration;

use tonic::transport::Server;
use tower::layer::util::{Identity, Stack};

pub use acceptor::{Acceptor, Plaintext};
#[cfg(any(test, fuzzing))]
pub(crate) use channel::drop_broken_details;
pub use channel::{Channel, guarded};
pub use dial::{
    CONNECT_TIMEOUT, Dial, DialFailure, Probe, certificate_on_loopback, dial_failure, probe,
};
pub use idle::CountCalls;
pub use incoming::{Accepted, Incoming};
pub use io::{Duplex, ServerIo};
pub use limits::Limits;
#[cfg(feature = "hub")]
pub(crate) use limits::network_of;
pub(crate) use limits::source_of;
pub use loopback::{ListenError, may_listen};
pub use meter::{Meter, Rejection};
pub use observe::{Observe, Observer};
pub use peer_info::{PeerInfo, Via};
pub use tls::{Authorities, ClientKeys, Trust, client_config, server_config};

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

/// A server with the limits of this house. `keepalive` is both how long a connection may be silent
/// before it is asked for a sign of life and how long the answer may take.
pub fn server(keepalive: Duration) -> Server<Stack<Observe<CountCalls>, Identity>> {
    Server::builder()
        .timeout(CALL_TIMEOUT)
        .max_concurrent_streams(Some(MAX_STREAMS))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .http2_keepalive_interval(Some(keepalive))
        .http2_keepalive_timeout(Some(keepalive))
        .layer(Observe::new(CountCalls))
}
