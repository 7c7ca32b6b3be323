//! The rule that nothing leaves the machine without encryption.
//!
//! Without TLS a server listens on loopback only and accepts only callers from there, and a client
//! dials nothing else. Loopback does not protect the users of a machine from each other: all can
//! connect, and a proxy or a tunnel on it makes others look local. Where that matters, plaintext
//! can be switched off.

use std::net::{IpAddr, SocketAddr};

use crate::error::{RequestError, SystemError};

/// Returns true if an address is of this machine only.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

const NOT_LOOPBACK: &str = "is not a loopback address; without encryption this server listens on \
                            loopback only, such as 127.0.0.1";

/// Why a server cannot listen.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Without TLS a server listens on loopback only.
    #[error("{address} {NOT_LOOPBACK}:{}", .address.port())]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The socket cannot be opened.
    #[error(transparent)]
    Failed(SystemError),
}

/// Checks that a server may listen on an address without TLS. Errors with
/// [`ListenError::NotLoopback`].
pub fn may_listen(address: SocketAddr) -> Result<(), ListenError> {
    if is_loopback(address.ip()) { Ok(()) } else { Err(ListenError::NotLoopback { address }) }
}

/// Checks that a caller may use plaintext.
pub(super) fn may_call(remote: SocketAddr) -> Result<(), RequestError> {
    if is_loopback(remote.ip()) { Ok(()) } else { Err(RequestError::PlaintextRefused) }
}

/// A server that is not on this machine.
#[derive(Debug, thiserror::Error)]
#[error("it is not on this machine, and without TLS nothing leaves this machine")]
pub(super) struct NotLoopback;

/// Checks that a server may be dialed without TLS.
pub(super) fn may_dial(remote: SocketAddr) -> Result<(), NotLoopback> {
    if is_loopback(remote.ip()) { Ok(()) } else { Err(NotLoopback) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_recognized() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.168.0.1", false),
            ("::ffff:192.168.0.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_loopback(address.parse().unwrap()), local, "{address}");
            let address = SocketAddr::new(address.parse().unwrap(), 50051);
            assert_eq!(may_listen(address).is_ok(), local, "{address}");
            assert_eq!(may_call(address).is_ok(), local, "{address}");
            assert_eq!(may_dial(address).is_ok(), local, "{address}");
        }
    }
}
