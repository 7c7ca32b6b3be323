//! Whether a server is there and has the right key, for somebody who wants nothing else of it.

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

/// How far one comes with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// There is no connection.
    NotConnected(DialFailure),
    /// There is a connection, and no TLS on it.
    NotSecure(DialFailure),
    /// Its key is another one.
    WrongKey(KeyMismatch),
    /// It is there.
    Reached,
}

/// Connects, sees whether the server has this key, and hangs up, without a word of HTTP/2 and without
/// a key of one's own. Without a key it is dialed on loopback only, and there is nothing to see but
/// that it takes connections. It takes no longer than `patience`.
pub async fn probe(at: SocketAddr, key: Option<Fingerprint>, patience: Duration) -> Probe {
    let until = Instant::now() + patience;
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
