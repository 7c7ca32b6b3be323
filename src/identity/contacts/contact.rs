//! One hub in a contact book, and one contact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Endpoint, Fingerprint, KeyMismatch, MAX_ENDPOINTS, Name, RoomName};

/// A hub, and the people met there.
// Unknown fields are refused, as the next change would lose them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownHub {
    /// Where it has been found, the latest first.
    pub endpoints: Vec<Endpoint>,
    /// The key it is known by; `None` where an authority vouches for it, or where it is on this
    /// machine and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// Another key that it showed since, which nobody has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_key: Option<Fingerprint>,
    /// When it was first met.
    pub first_seen: Timestamp,
    /// The rooms of which one wants to be told nothing unasked. At most [`super::MAX_MUTED`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub muted: BTreeSet<RoomName>,
    /// The people, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contacts: BTreeMap<Name, Contact>,
}

/// Somebody one has met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// The key they are known by.
    pub key: Fingerprint,
    /// Another key that they showed since, which nobody has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_key: Option<Fingerprint>,
    /// When they were first met.
    pub first_seen: Timestamp,
    /// Whether a person has compared the fingerprint.
    #[serde(default, skip_serializing_if = "is_false")]
    pub verified: bool,
    /// Whether one wants to hear nothing of them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blocked: bool,
    /// Where they were found last. At most [`MAX_ENDPOINTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// What one wants to remember of them. At most [`super::MAX_NOTE_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What the book says of somebody who shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum KeyCheck {
    /// They have not been met before.
    New,
    /// They have this key.
    Known,
    /// They have another key: they are not who they were, or somebody stands in between. Nothing
    /// may be said to them until a person accepts the key.
    Changed(KeyMismatch),
    /// One wants to hear nothing of them.
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

    pub(super) fn standing(&self, got: Fingerprint) -> KeyCheck {
        match self.key {
            _ if self.blocked => KeyCheck::Blocked,
            want if want != got => KeyCheck::Changed(KeyMismatch { want, got }),
            _ => KeyCheck::Known,
        }
    }

    /// Nowhere is no news: the last place is kept.
    pub(super) fn found_at(&mut self, endpoints: &[Endpoint]) {
        if !endpoints.is_empty() {
            self.endpoints = endpoints.iter().take(MAX_ENDPOINTS).cloned().collect();
        }
    }
}

/// To the second: nobody wants to read more.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
