//! What stands in a contact book.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    model::{Endpoint, Fingerprint, KeyMismatch, MAX_ENDPOINTS, Name},
};

/// The most hubs in a book: more than anybody joins.
pub const MAX_HUBS: usize = 256;

/// The most contacts in a book, those of all hubs together: more than anybody talks to, few enough
/// that the file is read in a moment.
pub const MAX_CONTACTS: usize = 2048;

/// The most bytes of a note.
pub const MAX_NOTE_BYTES: usize = 500;

/// What a person finds at the top of the file.
const HEADER: &str = "\
# Chinwag's contact book: hubs, the people met there, and the keys they are known by.
# It may be edited; comments are not kept.

";

/// Whom one has met, by hub.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    #[serde(default, rename = "hub")]
    hubs: Vec<KnownHub>,
}

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
    /// What one wants to remember of them. At most [`MAX_NOTE_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What the book says of somebody who shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Standing {
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

impl Book {
    /// All hubs.
    pub fn hubs(&self) -> &[KnownHub] {
        &self.hubs
    }

    /// The hub that was found at an endpoint.
    pub fn hub(&self, at: &Endpoint) -> Option<&KnownHub> {
        self.hubs.iter().find(|hub| hub.endpoints.contains(at))
    }

    /// Somebody met at a hub.
    pub fn contact(&self, hub: &Endpoint, name: &Name) -> Option<&Contact> {
        self.hub(hub)?.contacts.get(name)
    }

    /// What the book says of somebody who goes by a name and shows a key. Whom one has blocked is
    /// blocked under every name.
    pub fn standing(&self, hub: &Endpoint, name: &Name, key: Fingerprint) -> Standing {
        let blocked = |contact: &Contact| contact.blocked && contact.key == key;
        if self.hubs.iter().flat_map(|hub| hub.contacts.values()).any(blocked) {
            return Standing::Blocked;
        }
        self.contact(hub, name).map_or(Standing::New, |contact| contact.standing(key))
    }

    /// Notes that the hub at an endpoint has this key, or that none is known of it. A known key at
    /// another endpoint is the same hub, and a hub without a key may get one. A known key stays:
    /// it is what the hub at this endpoint must have.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] where the book is full.
    pub fn meet_hub(&mut self, at: &Endpoint, key: Option<Fingerprint>) -> Result<Standing> {
        let met = self.hubs.iter_mut().find(|hub| hub.endpoints.contains(at));
        if let Some(hub) = met {
            return Ok(hub.show(key));
        }
        let same = self.hubs.iter_mut().find(|hub| key.is_some() && hub.key == key);
        if let Some(hub) = same {
            hub.found_at(at);
            return Ok(Standing::Known);
        }
        if self.hubs.len() >= MAX_HUBS {
            return Err(full("hubs", MAX_HUBS));
        }
        self.hubs.push(KnownHub {
            endpoints: vec![at.clone()],
            key,
            refused_key: None,
            first_seen: now(),
            contacts: BTreeMap::new(),
        });
        Ok(Standing::New)
    }

    /// Accepts that the hub at an endpoint has this key now. Its people stay with it; where it is
    /// the key of another known hub, the endpoint becomes that one's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the hub is not in the book.
    pub fn accept_hub(&mut self, at: &Endpoint, key: Fingerprint) -> Result<()> {
        let other = self.hubs.iter().position(|hub| hub.key == Some(key));
        let hub = self.hub_mut(at)?;
        hub.refused_key = None;
        match other {
            Some(other) if hub.key != Some(key) => {
                hub.endpoints.retain(|endpoint| endpoint != at);
                self.hubs[other].found_at(at);
            }
            _ => hub.key = Some(key),
        }
        Ok(())
    }

    /// Forgets a hub and everybody met there.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the hub is not in the book.
    pub fn forget_hub(&mut self, at: &Endpoint) -> Result<()> {
        self.hub_mut(at)?;
        self.hubs.retain(|hub| !hub.endpoints.contains(at));
        Ok(())
    }

    /// Notes somebody one speaks with, with the key they show and where they are.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] where the book is full; [`Error::Invalid`] where the hub is not in
    /// it.
    pub fn meet(
        &mut self,
        hub: &Endpoint,
        name: &Name,
        key: Fingerprint,
        endpoints: &[Endpoint],
    ) -> Result<Standing> {
        let standing = self.standing(hub, name, key);
        let contacts: usize = self.hubs.iter().map(|hub| hub.contacts.len()).sum();
        let hub = self.hub_mut(hub)?;
        match (hub.contacts.get_mut(name), standing) {
            (None, Standing::New) if contacts >= MAX_CONTACTS => {
                return Err(full("contacts", MAX_CONTACTS));
            }
            (None, Standing::New) => {
                hub.contacts.insert(name.clone(), Contact::new(key, endpoints));
            }
            (Some(contact), Standing::Known) => contact.found_at(endpoints),
            (Some(contact), Standing::Changed(_)) => contact.refused_key = Some(key),
            _ => {}
        }
        Ok(standing)
    }

    /// Accepts that somebody has this key now. It is not verified.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book.
    pub fn accept(&mut self, hub: &Endpoint, name: &Name, key: Fingerprint) -> Result<()> {
        let contact = self.contact_mut(hub, name)?;
        contact.verified &= contact.key == key;
        (contact.key, contact.refused_key) = (key, None);
        Ok(())
    }

    /// Accepts the key that was refused last, and returns it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book, or no key of theirs was refused.
    pub fn accept_refused(&mut self, hub: &Endpoint, name: &Name) -> Result<Fingerprint> {
        let key = self.contact_mut(hub, name)?.refused_key.ok_or_else(|| {
            Error::invalid(
                "name",
                format!("{name} has the key they are known by; no other was seen"),
            )
        })?;
        self.accept(hub, name, key)?;
        Ok(key)
    }

    /// Marks somebody as verified: a person has compared this key.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book, or have another key in it.
    pub fn verify(&mut self, hub: &Endpoint, name: &Name, key: Fingerprint) -> Result<()> {
        let contact = self.contact_mut(hub, name)?;
        if contact.key != key {
            let mismatch = KeyMismatch { want: contact.key, got: key };
            return Err(Error::invalid("key", mismatch));
        }
        (contact.verified, contact.refused_key) = (true, None);
        Ok(())
    }

    /// Blocks somebody, or no longer.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book.
    pub fn block(&mut self, hub: &Endpoint, name: &Name, blocked: bool) -> Result<()> {
        self.contact_mut(hub, name)?.blocked = blocked;
        Ok(())
    }

    /// Notes something about somebody.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book, or the note is too long.
    pub fn note(&mut self, hub: &Endpoint, name: &Name, note: &str) -> Result<()> {
        if note.len() > MAX_NOTE_BYTES {
            let problem = format!("must not be longer than {MAX_NOTE_BYTES} bytes");
            return Err(Error::invalid("note", problem));
        }
        self.contact_mut(hub, name)?.note = note.to_owned();
        Ok(())
    }

    /// Forgets somebody.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book.
    pub fn forget(&mut self, hub: &Endpoint, name: &Name) -> Result<()> {
        self.contact_mut(hub, name)?;
        self.hub_mut(hub)?.contacts.remove(name);
        Ok(())
    }

    /// Reads a book as [`Self::to_toml`] writes it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], which says where the text is no book.
    pub fn parse(toml: &str) -> Result<Self> {
        toml::from_str(toml).map_err(|problem: toml::de::Error| {
            let before = problem.span().map_or(0, |at| at.start.min(toml.len()));
            let line = 1 + toml.as_bytes()[..before].iter().filter(|&&byte| byte == b'\n').count();
            Error::invalid(format!("line {line}"), problem.message())
        })
    }

    /// The book as a text that a person can read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        let hubs = toml::to_string_pretty(self).map_err(|error| Error::Io(error.to_string()))?;
        Ok(format!("{HEADER}{hubs}"))
    }

    fn hub_mut(&mut self, at: &Endpoint) -> Result<&mut KnownHub> {
        self.hubs
            .iter_mut()
            .find(|hub| hub.endpoints.contains(at))
            .ok_or_else(|| Error::invalid("hub", format!("{at} is not in the contact book")))
    }

    fn contact_mut(&mut self, hub: &Endpoint, name: &Name) -> Result<&mut Contact> {
        self.hub_mut(hub)?.contacts.get_mut(name).ok_or_else(|| {
            Error::invalid("name", format!("{name} is not in the contact book for {hub}"))
        })
    }
}

impl KnownHub {
    fn show(&mut self, key: Option<Fingerprint>) -> Standing {
        match (self.key, key) {
            (Some(want), Some(got)) if want != got => {
                self.refused_key = Some(got);
                Standing::Changed(KeyMismatch { want, got })
            }
            (None, Some(key)) => {
                self.key = Some(key);
                Standing::Known
            }
            _ => Standing::Known,
        }
    }

    fn found_at(&mut self, at: &Endpoint) {
        self.endpoints.retain(|endpoint| endpoint != at);
        self.endpoints.insert(0, at.clone());
        self.endpoints.truncate(MAX_ENDPOINTS);
    }
}

impl Contact {
    fn new(key: Fingerprint, endpoints: &[Endpoint]) -> Self {
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

    fn standing(&self, got: Fingerprint) -> Standing {
        match self.key {
            _ if self.blocked => Standing::Blocked,
            want if want != got => Standing::Changed(KeyMismatch { want, got }),
            _ => Standing::Known,
        }
    }

    /// Nowhere is no news: the last place is kept.
    fn found_at(&mut self, endpoints: &[Endpoint]) {
        if !endpoints.is_empty() {
            self.endpoints = endpoints.iter().take(MAX_ENDPOINTS).cloned().collect();
        }
    }
}

fn full(what: &str, most: usize) -> Error {
    Error::LimitReached {
        what: format!("the contact book is full: it holds {most} {what}; forget some first"),
        retry_after: None,
    }
}

/// To the second: nobody wants to read more.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
