//! The entries of a contact book: hubs and contacts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Endpoint, Fingerprint, KeyMismatch, MAX_ENDPOINTS, Name, RoomName};

/// A known hub and its contacts.
// Unknown fields are refused, as the next change would lose them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownHub {
    /// Its endpoints, the latest first.
    pub endpoints: Vec<Endpoint>,
    /// Its key; `None` if an authority vouches for it, or if it is on this machine and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// Another key that it showed later and that nobody has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_key: Option<Fingerprint>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// The muted rooms. At most [`super::MAX_MUTED`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub muted: BTreeSet<RoomName>,
    /// The contacts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contacts: BTreeMap<Name, Contact>,
}

/// A contact: a peer that this client has talked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The known key.
    pub key: Fingerprint,
    /// Another key that they showed later and that nobody has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_key: Option<Fingerprint>,
    /// When they were first seen.
    pub first_seen: Timestamp,
    /// Whether a person has compared the fingerprint.
    #[serde(default, skip_serializing_if = "is_false")]
    pub verified: bool,
    /// Whether the contact is blocked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blocked: bool,
    /// The last known endpoints. At most [`MAX_ENDPOINTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// A note. At most [`super::MAX_NOTE_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The result of checking a key against the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum KeyCheck {
    /// The contact is new.
    New,
    /// The key is the known one.
    Known,
    /// The key is another one: it is another person, or somebody intercepts the connection. Nothing
    /// may be sent until a person accepts the key.
    Changed(KeyMismatch),
    /// The contact is blocked.
    Blocked,
}

impl KnownHub {
    pub(super) fn show(&mut self, key: Option<Fingerprint>) -> KeyCheck {
        match (self.key, key) {
            (Some(want), Some(got)) if want != got => {
                self.refused_key = Some(got);
                KeyCheck::Changed(KeyMismatch { want, got })
            }
            (None, Some(key)) => {
                self.key = Some(key);
                KeyCheck::Known
            }
            _ => KeyCheck::Known,
        }
    }

    pub(super) fn found_at(&mut self, at: &Endpoint) {
        self.endpoints.retain(|endpoint| endpoint != at);
        self.endpoints.insert(0, at.clone());
        self.endpoints.truncate(MAX_ENDPOINTS);
    }
}

impl Contact {
    pub(super) fn new(key: Fingerprint, endpoints: &[Endpoint]) -> Self {
        let mut contact = Self {
            key,
            refused_key: None,
            first_seen: now(),
            verified: false,
            blocked: false,
            endpoints: Vec::new(),
            note: String::new(),
        };
        contact.found_at(endpoints);
        contact
    }

    pub(super) fn check_key(&self, got: Fingerprint) -> KeyCheck {
        match self.key {
            _ if self.blocked => KeyCheck::Blocked,
            want if want != got => KeyCheck::Changed(KeyMismatch { want, got }),
            _ => KeyCheck::Known,
        }
    }

    /// An empty list keeps the last known endpoints.
    pub(super) fn found_at(&mut self, endpoints: &[Endpoint]) {
        if !endpoints.is_empty() {
            self.endpoints = endpoints.iter().take(MAX_ENDPOINTS).cloned().collect();
        }
    }
}

/// Returns the time, in whole seconds for readability.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
