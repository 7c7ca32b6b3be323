//! Checks that a server is there and has the right key.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{Dial, DialFailure, dial_failure};
use crate::{
    model::{Fingerprint, KeyMismatch},
    transport::Trust,
};

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The connection failed.
    NotConnected(DialFailure),
    /// TLS failed.
    NotSecure(DialFailure),
    /// The server has another key.
    WrongKey(KeyMismatch),
    /// The server is there.
    Reached,
}

/// Connects, checks that the server has this key, and hangs up. Uses no HTTP/2 and shows no key.
/// Without a key it dials loopback only, and only connects. Takes `timeout` at most.
pub async fn probe(at: SocketAddr, key: Option<Fingerprint>, timeout: Duration) -> Probe {
    let until = Instant::now() + timeout;
    let dial = match key {
        None => Ok(Dial::plaintext()),
        Some(key) => Dial::tls(None, &Trust::Pinned(key)),
    };
    let dial = match dial {
        Ok(dial) => dial,
        Err(error) => return Probe::NotConnected(DialFailure::Other(error.to_string())),
    };
    let tcp = match timeout_at(until, TcpStream::connect(at)).await {
        Ok(Ok(tcp)) => tcp,
        Err(_) => return Probe::NotConnected(DialFailure::Timeout),
        Ok(Err(error)) => {
            return Probe::NotConnected(dial_failure(&error).unwrap_or(DialFailure::Lost));
        }
    };
    match timeout_at(until, dial.secure(tcp, at, "")).await {
        Ok(Ok(_)) => Probe::Reached,
        Err(_) => Probe::NotSecure(DialFailure::Timeout),
        Ok(Err(error)) => match dial_failure(error.as_ref()).unwrap_or(DialFailure::Lost) {
            DialFailure::KeyChanged(mismatch) => Probe::WrongKey(mismatch),
            failure => Probe::NotSecure(failure),
        },
    }
}
