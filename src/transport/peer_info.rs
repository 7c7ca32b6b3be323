//! What a server knows of a caller from the connection alone.

use std::{net::SocketAddr, sync::Arc};

use super::{budget::Account, idle::Calls, unread::Unread};
use crate::model::{Certificate, Fingerprint};

/// How a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Without encryption, from this machine.
    Plaintext,
    /// With TLS.
    Tls,
}

/// What is known of the other end of a connection. Every request over it carries this as extension.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// How the connection is made.
    pub via: Via,
    /// The remote address.
    pub remote: SocketAddr,
    /// The certificate of the caller, who has proven to have its key.
    pub certificate: Option<Certificate>,
    /// The calls of this connection.
    pub(crate) calls: Calls,
    /// What the connection makes the server hold.
    pub(crate) account: Arc<Account>,
    pub(super) unread: Arc<Unread>,
}

impl PeerInfo {
    pub(crate) fn new(
        via: Via,
        remote: SocketAddr,
        certificate: Option<Certificate>,
        account: Arc<Account>,
    ) -> Self {
        let unread = Arc::new(Unread::new(&account));
        Self { via, remote, certificate, calls: Calls::default(), account, unread }
    }

    /// Returns what a request's extensions say of its caller; `None` if it came another way.
    pub fn of(extensions: &tonic::Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Returns the fingerprint of the caller's key.
    pub fn key(&self) -> Option<Fingerprint> {
        self.certificate.as_ref().map(Certificate::fingerprint)
    }
}
