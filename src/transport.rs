//! How servers listen and clients dial. The only module that knows what a connection is made of.
//!
//! 1. A server has an [`Acceptor`]. It opens the listening socket, and turns accepted connections
//!    into [`Incoming`] ones: with TLS, or in plaintext from loopback, and ready for HTTP/2.
//!    [`server`] answers on them, and every request carries a [`PeerInfo`].
//! 2. A client has a [`Dial`]. It opens channels: with TLS to a pinned key or to a name that an
//!    authority vouches for, or in plaintext to loopback. [`dial_failure`] finds the cause of a
//!    failed call.
//! 3. Nothing leaves the machine without TLS: neither an acceptor nor a dial can be made otherwise.

mod acceptor;
mod budget;
mod channel;
mod charge;
mod deadline;
mod dial;
mod frames;
mod grpc_only;
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
mod source;
mod tls;
mod unread;

use std::time::Duration;

use tonic::transport::Server;
use tower::layer::util::{Identity, Stack};

pub use acceptor::{Acceptor, Plaintext};
pub use budget::{Account, Budget};
#[cfg(feature = "hub")]
pub(crate) use budget::{Charge, Held, Pool, allocated};
#[cfg(any(test, fuzzing))]
pub(crate) use channel::drop_broken_details;
pub use channel::{Channel, guarded};
pub use charge::ChargeCalls;
pub use deadline::Deadline;
pub use dial::{
    CONNECT_TIMEOUT, Dial, DialFailure, Probe, certificate_on_loopback, dial_failure, probe,
};
pub use grpc_only::GrpcOnly;
pub use incoming::{Accepted, Incoming};
pub use io::{Duplex, ServerIo};
pub use limits::Limits;
pub use loopback::{ListenError, may_listen};
pub use meter::{Meter, Rejection};
pub use observe::{Observe, Observer};
pub use peer_info::{PeerInfo, Via};
#[cfg(feature = "hub")]
pub(crate) use source::network_of;
pub(crate) use source::source_of;
pub use tls::{Authorities, ClientKeys, Trust, client_config, server_config};

/// The deadline of a unary call, on either side. A post takes milliseconds.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Concurrent streams of one connection. A client needs one Chat stream and a few calls.
const MAX_STREAMS: u32 = 128;

/// HTTP/2 window of a stream: the bytes in flight to a reader that does not read.
const STREAM_WINDOW: u32 = 64 * 1024;

/// HTTP/2 window of a connection: more than the streams that a client may leave unread, so that
/// these do not starve the others.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The largest header list of a request: many times a token and some metadata.
const MAX_HEADER_LIST: u32 = 8 * 1024;

/// The largest one that is read. What is between the two is refused in gRPC, with a reason, and not
/// by HTTP/2 alone.
const MAX_READ_HEADER_LIST: u32 = 16 * 1024;

/// Streams that this side may have to reset before the connection is closed (the "MadeYouReset"
/// attack, CVE-2025-8671). hyper's own default, which tonic would remove.
const MAX_LOCAL_RESETS: usize = 1024;

/// Returns a server with the limits of this module. `keepalive` is both the silence after which a
/// connection gets a keepalive, and the time to answer it. A connection that belongs to no peer may
/// have `max_anonymous` calls in progress.
pub fn server(
    keepalive: Duration,
    max_anonymous: usize,
) -> Server<Stack<GrpcOnly, Stack<ChargeCalls, Identity>>> {
    http2(keepalive).layer(ChargeCalls::new(max_anonymous)).layer(GrpcOnly::layer())
}

/// Returns a server with the limits of HTTP/2 alone, for other layers than those of [`server`].
pub fn http2(keepalive: Duration) -> Server {
    Server::builder()
        .timeout(CALL_TIMEOUT)
        .max_concurrent_streams(Some(MAX_STREAMS))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_READ_HEADER_LIST)
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .http2_keepalive_interval(Some(keepalive))
        .http2_keepalive_timeout(Some(keepalive))
}
