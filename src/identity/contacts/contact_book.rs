//! The content of a contact book.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ContactsError, Result,
    contact::{Contact, KeyCheck, KnownHub, now},
};
use crate::{
    error::SystemError,
    model::{Endpoint, Fingerprint, KeyMismatch, Name, RoomName},
};

/// The maximum number of hubs: more than anybody joins.
pub const MAX_HUBS: usize = 256;

/// The maximum number of contacts of all hubs together: more than anybody talks to.
pub const MAX_CONTACTS: usize = 2048;

/// The maximum length of a note, in bytes.
pub const MAX_NOTE_BYTES: usize = 500;

/// The maximum number of muted rooms of a hub: as many as a client can join.
pub const MAX_MUTED: usize = 256;

/// The head of the file.
const HEADER: &str = "\
# Chinwag's contact book: hubs, the people met there, and the keys they are known by.
# It may be edited; comments are not kept.

";

/// The known hubs and their contacts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactBook {
    #[serde(default, rename = "hub")]
    hubs: Vec<KnownHub>,
}

impl ContactBook {
    /// Returns all hubs.
    pub fn hubs(&self) -> &[KnownHub] {
        &self.hubs
    }

    /// Returns the hub at an endpoint.
    pub fn hub(&self, at: &Endpoint) -> Option<&KnownHub> {
        self.hubs.iter().find(|hub| hub.endpoints.contains(at))
    }

    /// Returns all endpoints of a hub, past ones included: records with any of them are of that hub.
    pub(crate) fn hub_endpoints(&self, at: &Endpoint) -> Vec<String> {
        let known = self.hub(at).into_iter().flat_map(|hub| &hub.endpoints);
        known.chain([at]).map(ToString::to_string).collect()
    }

    /// Returns a contact of a hub.
    pub fn contact(&self, hub: &Endpoint, name: &Name) -> Option<&Contact> {
        self.hub(hub)?.contacts.get(name)
    }

    /// Checks the key that somebody shows under a name. A blocked contact is blocked under every
    /// name. A name that looks like a contact's stands for that contact.
    pub fn check_key(&self, hub: &Endpoint, name: &Name, key: Fingerprint) -> KeyCheck {
        if self.is_blocked(key) {
            return KeyCheck::Blocked;
        }
        match self.contact(hub, name) {
            Some(contact) => contact.check_key(key),
            None => match self.look_alike(hub, name).map(|contact| contact.key) {
                Some(want) if want != key => KeyCheck::Changed(KeyMismatch { want, got: key }),
                _ => KeyCheck::New,
            },
        }
    }

    /// Returns true if a contact with this key is blocked, at any hub.
    pub fn is_blocked(&self, key: Fingerprint) -> bool {
        let blocked = |contact: &Contact| contact.blocked && contact.key == key;
        self.hubs.iter().flat_map(|hub| hub.contacts.values()).any(blocked)
    }

    /// Returns a contact of a hub whose name looks like this one.
    pub fn look_alike(&self, hub: &Endpoint, name: &Name) -> Option<&Contact> {
        let wanted = name.skeleton();
        let contacts = &self.hub(hub)?.contacts;
        let found = contacts.iter().find(|(known, _)| known.skeleton() == wanted);
        found.map(|(_, contact)| contact)
    }

    /// Records the hub at an endpoint with its key, or without one. A known key at another endpoint
    /// is the same hub, and a hub without a key may get one. A known key is not replaced. Errors
    /// with [`ContactsError::Full`] if the book is full.
    pub fn meet_hub(&mut self, at: &Endpoint, key: Option<Fingerprint>) -> Result<KeyCheck> {
        let met = self.hubs.iter_mut().find(|hub| hub.endpoints.contains(at));
        if let Some(hub) = met {
            return Ok(hub.show(key));
        }
        let same = self.hubs.iter_mut().find(|hub| key.is_some() && hub.key == key);
        if let Some(hub) = same {
            hub.found_at(at);
            return Ok(KeyCheck::Known);
        }
        if self.hubs.len() >= MAX_HUBS {
            return Err(full("hubs", MAX_HUBS));
        }
        self.hubs.push(KnownHub {
            endpoints: vec![at.clone()],
            key,
            refused_key: None,
            first_seen: now(),
            muted: BTreeSet::new(),
            contacts: BTreeMap::new(),
        });
        Ok(KeyCheck::New)
    }

    /// Accepts a new key of the hub at an endpoint. Its contacts stay. If another known hub has the
    /// key, the endpoint moves to that one. Errors with [`ContactsError::Invalid`] if the hub is
    /// not in the book.
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

    /// Removes a hub and its contacts. Errors with [`ContactsError::Invalid`] if there is none.
    pub fn forget_hub(&mut self, at: &Endpoint) -> Result<()> {
        self.hub_mut(at)?;
        self.hubs.retain(|hub| !hub.endpoints.contains(at));
        Ok(())
    }

    /// Records a contact with their key and their endpoints. Errors with [`ContactsError::Full`] if
    /// the book is full; [`ContactsError::Invalid`] if the hub is not in it.
    pub fn meet(
        &mut self,
        hub: &Endpoint,
        name: &Name,
        key: Fingerprint,
        endpoints: &[Endpoint],
    ) -> Result<KeyCheck> {
        let check = self.check_key(hub, name, key);
        let contacts: usize = self.hubs.iter().map(|hub| hub.contacts.len()).sum();
        let hub = self.hub_mut(hub)?;
        match (hub.contacts.get_mut(name), check) {
            (None, KeyCheck::New) if contacts >= MAX_CONTACTS => {
                return Err(full("contacts", MAX_CONTACTS));
            }
            (None, KeyCheck::New) => {
                hub.contacts.insert(name.clone(), Contact::new(key, endpoints));
            }
            (Some(contact), KeyCheck::Known) => contact.found_at(endpoints),
            (Some(contact), KeyCheck::Changed(_)) => contact.refused_key = Some(key),
            _ => {}
        }
        Ok(check)
    }

    /// Accepts a new key of a contact. It is not verified. Errors with [`ContactsError::Invalid`]
    /// if they are not in the book.
    pub fn accept(&mut self, hub: &Endpoint, name: &Name, key: Fingerprint) -> Result<()> {
        let contact = self.contact_mut(hub, name)?;
        contact.verified &= contact.key == key;
        (contact.key, contact.refused_key) = (key, None);
        Ok(())
    }

    /// Accepts the key that was refused last, and returns it. `expected` is the key that a person
    /// has seen; yet another one may have been refused since. Errors with
    /// [`ContactsError::Invalid`] if they are not in the book, no key of theirs was refused, or it
    /// is not the expected one.
    pub fn accept_refused(
        &mut self,
        hub: &Endpoint,
        name: &Name,
        expected: Option<Fingerprint>,
    ) -> Result<Fingerprint> {
        let key = self.contact_mut(hub, name)?.refused_key.ok_or_else(|| {
            ContactsError::invalid(
                "name",
                format!("{name} has the key they are known by; no other was seen"),
            )
        })?;
        if let Some(expected) = expected.filter(|expected| *expected != key) {
            let problem = format!("{name} has shown the key {key}, and not {expected}");
            return Err(ContactsError::invalid("key", problem));
        }
        self.accept(hub, name, key)?;
        Ok(key)
    }

    /// Marks a contact as verified: a person has compared this key. Errors with
    /// [`ContactsError::Invalid`] if they are not in the book, or have another key in it.
    pub fn verify(&mut self, hub: &Endpoint, name: &Name, key: Fingerprint) -> Result<()> {
        let contact = self.contact_mut(hub, name)?;
        if contact.key != key {
            let mismatch = KeyMismatch { want: contact.key, got: key };
            return Err(ContactsError::invalid("key", mismatch));
        }
        (contact.verified, contact.refused_key) = (true, None);
        Ok(())
    }

    /// Blocks or unblocks a contact. Errors with [`ContactsError::Invalid`] if there is none.
    pub fn block(&mut self, hub: &Endpoint, name: &Name, blocked: bool) -> Result<()> {
        self.contact_mut(hub, name)?.blocked = blocked;
        Ok(())
    }

    /// Sets the note about a contact. Errors with [`ContactsError::Invalid`] if they are not in the
    /// book, or the note is too long.
    pub fn note(&mut self, hub: &Endpoint, name: &Name, note: &str) -> Result<()> {
        if note.len() > MAX_NOTE_BYTES {
            let length = note.len();
            let problem =
                format!("must not be longer than {MAX_NOTE_BYTES} bytes; this one has {length}");
            return Err(ContactsError::invalid("note", problem));
        }
        self.contact_mut(hub, name)?.note = note.to_owned();
        Ok(())
    }

    /// Removes a contact. Errors with [`ContactsError::Invalid`] if they are not in the book.
    pub fn forget(&mut self, hub: &Endpoint, name: &Name) -> Result<()> {
        self.contact_mut(hub, name)?;
        self.hub_mut(hub)?.contacts.remove(name);
        Ok(())
    }

    /// Returns the muted rooms of a hub.
    pub fn muted(&self, hub: &Endpoint) -> BTreeSet<RoomName> {
        self.hub(hub).map(|hub| hub.muted.clone()).unwrap_or_default()
    }

    /// Mutes or unmutes a room of a hub. Errors with [`ContactsError::Invalid`] if the hub is not
    /// in the book; [`ContactsError::Full`] if [`MAX_MUTED`] rooms are muted.
    pub fn mute(&mut self, hub: &Endpoint, room: &RoomName, muted: bool) -> Result<()> {
        let rooms = &mut self.hub_mut(hub)?.muted;
        if !muted {
            rooms.remove(room);
        } else if rooms.len() >= MAX_MUTED && !rooms.contains(room) {
            let what = format!("at most {MAX_MUTED} muted rooms of a hub: unmute some first");
            return Err(ContactsError::Full(what));
        } else {
            rooms.insert(room.clone());
        }
        Ok(())
    }

    /// Parses what [`Self::to_toml`] writes. Errors with [`ContactsError::Invalid`] with the line.
    pub fn parse(toml: &str) -> Result<Self> {
        toml::from_str(toml).map_err(|problem: toml::de::Error| {
            let before = problem.span().map_or(0, |at| at.start.min(toml.len()));
            let line = 1 + toml.as_bytes()[..before].iter().filter(|&&byte| byte == b'\n').count();
            ContactsError::invalid(format!("line {line}"), problem.message())
        })
    }

    /// Returns the book as TOML. Errors with [`ContactsError::File`] if that is not possible.
    pub fn to_toml(&self) -> Result<String> {
        let hubs = toml::to_string_pretty(self)
            .map_err(|error| SystemError::because("cannot write the contact book", error))?;
        Ok(format!("{HEADER}{hubs}"))
    }

    fn hub_mut(&mut self, at: &Endpoint) -> Result<&mut KnownHub> {
        self.hubs.iter_mut().find(|hub| hub.endpoints.contains(at)).ok_or_else(|| {
            ContactsError::invalid("hub", format!("{at} is not in the contact book"))
        })
    }

    fn contact_mut(&mut self, hub: &Endpoint, name: &Name) -> Result<&mut Contact> {
        self.hub_mut(hub)?.contacts.get_mut(name).ok_or_else(|| {
            ContactsError::invalid("name", format!("{name} is not in the contact book for {hub}"))
        })
    }
}

fn full(what: &str, most: usize) -> ContactsError {
    ContactsError::Full(format!(
        "the contact book is full: it holds {most} {what}; forget some first"
    ))
}
