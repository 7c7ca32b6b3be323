//! The other end of an incoming direct connection.

use std::net::SocketAddr;

use crate::{
    model::Fingerprint,
    transport::{PeerInfo, Via},
};

/// Who is at the other end of a connection, as far as the connection shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) from: Option<SocketAddr>,
    /// The key that the caller proved in the TLS handshake.
    pub(super) key: Option<Fingerprint>,
    /// Whether the connection is encrypted.
    pub(super) via: Via,
}

impl Caller {
    pub(super) fn of(extensions: &tonic::Extensions) -> Self {
        let info = PeerInfo::of(extensions);
        Self {
            from: info.map(|info| info.remote),
            key: info.and_then(PeerInfo::key),
            via: info.map_or(Via::Plaintext, |info| info.via),
        }
    }
}
