//! The contact book of a client, and how a person changes it.

use std::collections::BTreeSet;

use super::Client;
use crate::{
    client::error::{Error, Result},
    identity::{Contact, ContactBook, ContactsError},
    model::{Endpoint, Fingerprint, Name, RoomName},
};

impl Client {
    /// Returns the fingerprint of this client's own key.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.fingerprint
    }

    /// Returns the contacts at this hub. Errors with [`Error::Io`] if the book cannot be read.
    pub async fn contacts(&self) -> Result<Vec<(Name, Contact)>> {
        let store = &self.0.contacts;
        let book = store.book().await?;
        let contacts = book.hub(self.hub()).map(|hub| &hub.contacts).into_iter().flatten();
        let others = contacts.filter(|(name, contact)| !store.is_own(name, contact.key));
        Ok(others.map(|(name, contact)| (name.clone(), contact.clone())).collect())
    }

    /// Returns one of [`Client::contacts`]. Errors with [`Error::Io`] if the book cannot be read.
    pub async fn known(&self, name: &Name) -> Result<Option<Contact>> {
        let store = &self.0.contacts;
        let contact = store.contact(name).await?;
        Ok(contact.filter(|contact| !store.is_own(name, contact.key)))
    }

    /// Returns a contact. A peer that is not in the book is looked up at the hub and added, with
    /// the key that the hub lists. Errors as [`Client::peer`]; [`Error::NoKey`] if the hub lists
    /// the peer without a key; [`Error::Invalid`] if it is this client itself; [`Error::Io`] if the
    /// book cannot be read or written.
    pub async fn contact(&self, name: &Name) -> Result<Contact> {
        let store = &self.0.contacts;
        if let Some(contact) = store.contact(name).await? {
            return Ok(contact);
        }
        if *name == self.name() {
            return Err(is_own());
        }
        let peer = self.peer(name).await?;
        let key = peer.key.ok_or_else(|| Error::NoKey(name.clone()))?;
        if store.is_own(name, key) {
            return Err(is_own());
        }
        store.meet(name, key, peer.endpoints).await?;
        store.contact(name).await?.ok_or_else(|| Error::NoKey(name.clone()))
    }

    /// Marks a peer as verified: a person has compared this fingerprint. Errors with
    /// [`Error::Invalid`] if the peer is known by another key; those of [`Client::contact`].
    pub async fn verify(&self, name: &Name, key: Fingerprint) -> Result<()> {
        self.contact(name).await?;
        self.change_contact(name, move |book, hub, name| book.verify(hub, name, key)).await
    }

    /// Replaces the key of a contact by the one that the hub lists now, and returns it. It is not
    /// verified. `key` is the one that a person has looked at; `None`: the one that was refused
    /// last. Errors with [`Error::Invalid`] if no other key was seen, or another one than `key`;
    /// [`Error::Io`].
    pub async fn accept(&self, name: &Name, key: Option<Fingerprint>) -> Result<Fingerprint> {
        self.change_contact(name, move |book, hub, name| book.accept_refused(hub, name, key)).await
    }

    /// Blocks or unblocks a peer: no direct messages in either direction, whatever name its key
    /// uses. Open conversations end. Takes effect at once, in every process that shares the contact
    /// book. Errors as [`Client::contact`].
    pub async fn block(&self, name: &Name, blocked: bool) -> Result<()> {
        self.contact(name).await?;
        self.change_contact(name, move |book, hub, name| book.block(hub, name, blocked)).await
    }

    /// Returns true if the contact of this name is blocked. In rooms the name alone identifies the
    /// sender. Errors with [`Error::Io`] if the contact book cannot be read.
    pub async fn is_blocked(&self, name: &Name) -> Result<bool> {
        Ok(self.0.contacts.contact(name).await?.is_some_and(|contact| contact.blocked))
    }

    /// Sets the note on a contact, at most [`MAX_NOTE_BYTES`](crate::identity::MAX_NOTE_BYTES)
    /// long. An empty note removes it. Errors with [`Error::Invalid`] if it is too long; those of
    /// [`Client::contact`].
    pub async fn note(&self, name: &Name, note: &str) -> Result<()> {
        self.contact(name).await?;
        let note = note.to_owned();
        self.change_contact(name, move |book, hub, name| book.note(hub, name, &note)).await
    }

    /// Mutes or unmutes the notifications of a room. Its messages are received all the same. The
    /// mark is kept in the contact book, with the hub. Errors with [`Error::LimitReached`] if
    /// [`MAX_MUTED`](crate::identity::MAX_MUTED) rooms are muted; [`Error::Io`].
    pub async fn mute(&self, room: &RoomName, muted: bool) -> Result<()> {
        let room = room.clone();
        self.0.contacts.change(move |book, hub| book.mute(hub, &room, muted)).await
    }

    /// Takes the reason why the contact book cannot be read since its last change: `Some` once after
    /// each change. Until it can be read the book counts as it was before.
    pub fn contacts_problem(&self) -> Option<String> {
        self.0.contacts.problem()
    }

    /// Returns the muted rooms. Errors with [`Error::Io`] if the contact book cannot be read.
    pub async fn muted(&self) -> Result<BTreeSet<RoomName>> {
        Ok(self.0.contacts.book().await?.muted(self.hub()))
    }

    async fn change_contact<T: Send + 'static>(
        &self,
        name: &Name,
        change: impl FnOnce(&mut ContactBook, &Endpoint, &Name) -> Result<T, ContactsError>
        + Send
        + 'static,
    ) -> Result<T> {
        let name = name.clone();
        self.0.contacts.change(move |book, hub| change(book, hub, &name)).await
    }
}

fn is_own() -> Error {
    Error::invalid("name", "that is you, and nobody is a contact of their own")
}
