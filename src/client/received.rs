//! A direct message as it came in, and how far its sender is known.

use std::net::SocketAddr;

use crate::model::{DirectMessage, Fingerprint};

/// A direct message, and what is known about its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Direct {
    /// The message.
    pub message: DirectMessage,
    /// Whether the sender was shown to be the owner of the name.
    pub verification: Verification,
    /// The address that it came from; `None` if this client called, or received it earlier.
    pub from: Option<SocketAddr>,
}

/// Whether a peer was shown to be the owner of the name that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The peer has this key, and a person has compared it.
    Verified(Fingerprint),
    /// The peer has the key that the contact book or the hub lists for the name.
    Known(Fingerprint),
    /// Nothing proves the name. The key, if the peer showed one, belongs to nobody known here.
    Unverified(Option<Fingerprint>),
}

impl Verification {
    /// Returns the key that the peer has shown.
    pub fn key(&self) -> Option<Fingerprint> {
        match self {
            Self::Verified(key) | Self::Known(key) => Some(*key),
            Self::Unverified(key) => *key,
        }
    }

    /// Returns true if a person has compared the key.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Verified(_))
    }

    /// Returns the number that stands for it in the databases, beside the key.
    pub(super) fn to_column(self) -> i64 {
        match self {
            Self::Unverified(_) => 0,
            Self::Known(_) => 1,
            Self::Verified(_) => 2,
        }
    }

    /// Returns what [`Self::to_column`] wrote.
    pub(super) fn from_column(number: i64, key: Option<Fingerprint>) -> Self {
        match (number, key) {
            (2, Some(key)) => Self::Verified(key),
            (1, Some(key)) => Self::Known(key),
            (_, key) => Self::Unverified(key),
        }
    }
}
