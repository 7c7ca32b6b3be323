//! What a client knows of others, and how a person changes it.

use std::collections::BTreeSet;

use super::Client;
use crate::{
    error::{Error, Result},
    identity::{Book, Contact},
    model::{Endpoint, Fingerprint, Name, RoomName},
};

impl Client {
    /// The fingerprint of this client's own key.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.fingerprint
    }

    /// Everybody in the contact book who was met at this hub. One is no contact of one's own.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the book cannot be read.
    pub async fn contacts(&self) -> Result<Vec<(Name, Contact)>> {
        let people = &self.0.people;
        let book = people.book().await?;
        let contacts = book.hub(self.hub()).map(|hub| &hub.contacts).into_iter().flatten();
        let others = contacts.filter(|(name, contact)| !people.is_oneself(name, contact.key));
        Ok(others.map(|(name, contact)| (name.clone(), contact.clone())).collect())
    }

    /// Somebody, where they are among [`Client::contacts`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the book cannot be read.
    pub async fn known(&self, name: &Name) -> Result<Option<Contact>> {
        let people = &self.0.people;
        let contact = people.contact(name).await?;
        Ok(contact.filter(|contact| !people.is_oneself(name, contact.key)))
    }

    /// Somebody in the contact book. Whoever is not in it is looked up at the hub and noted, with
    /// the key that the hub lists.
    ///
    /// # Errors
    ///
    /// Those of [`Client::peer`]; [`Error::NoKey`] where the hub lists the peer without a key;
    /// [`Error::Invalid`] where it is this client itself; [`Error::Io`] where the book cannot be
    /// read or written.
    pub async fn contact(&self, name: &Name) -> Result<Contact> {
        let people = &self.0.people;
        if let Some(contact) = people.contact(name).await? {
            return Ok(contact);
        }
        if name == self.name() {
            return Err(oneself());
        }
        let peer = self.peer(name).await?;
        let key = peer.certificate.ok_or_else(|| Error::NoKey(name.clone()))?.fingerprint();
        if people.is_oneself(name, key) {
            return Err(oneself());
        }
        people.meet(name, key, peer.endpoints).await?;
        people.contact(name).await?.ok_or_else(|| Error::NoKey(name.clone()))
    }

    /// Marks somebody as verified: a person has compared this fingerprint.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are known by another key; those of [`Client::contact`].
    pub async fn verify(&self, name: &Name, key: Fingerprint) -> Result<()> {
        self.contact(name).await?;
        self.note_of(name, move |book, hub, name| book.verify(hub, name, key)).await
    }

    /// Accepts the key that the hub has listed for a contact instead of the one they were known by,
    /// and returns it. It is not verified. `key` is the one that a person has looked at; `None`:
    /// whichever was refused last.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where no other key was seen, or another one than `key`; [`Error::Io`].
    pub async fn accept(&self, name: &Name, key: Option<Fingerprint>) -> Result<Fingerprint> {
        self.note_of(name, move |book, hub, name| book.accept_refused(hub, name, key)).await
    }

    /// Blocks somebody, or no longer. Whom one has blocked is not heard, whatever their name, and
    /// told nothing; conversations with them end. It counts at once, in every process that shares
    /// the contact book.
    ///
    /// # Errors
    ///
    /// Those of [`Client::contact`].
    pub async fn block(&self, name: &Name, blocked: bool) -> Result<()> {
        self.contact(name).await?;
        self.note_of(name, move |book, hub, name| book.block(hub, name, blocked)).await
    }

    /// Whether somebody is blocked, as far as their name says who they are: in rooms it does.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the contact book cannot be read.
    pub async fn is_blocked(&self, name: &Name) -> Result<bool> {
        Ok(self.0.people.contact(name).await?.is_some_and(|contact| contact.blocked))
    }

    /// Notes something about somebody, at most [`MAX_NOTE_BYTES`](crate::identity::MAX_NOTE_BYTES)
    /// of it; an empty note is none.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where it is too long; those of [`Client::contact`].
    pub async fn note(&self, name: &Name, note: &str) -> Result<()> {
        self.contact(name).await?;
        let note = note.to_owned();
        self.note_of(name, move |book, hub, name| book.note(hub, name, &note)).await
    }

    /// Forgets somebody: their key, their note, and that they were blocked. Whoever comes next under
    /// the name is met for the first time.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not in the book; [`Error::Io`].
    pub async fn forget(&self, name: &Name) -> Result<()> {
        self.note_of(name, |book, hub, name| book.forget(hub, name)).await
    }

    /// Mutes a room, or no longer: faces of this client point out nothing that is said there. It is
    /// kept in the contact book, with the hub. The messages come all the same.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] where [`MAX_MUTED`](crate::identity::MAX_MUTED) rooms are muted;
    /// [`Error::Io`].
    pub async fn mute(&self, room: &RoomName, muted: bool) -> Result<()> {
        let room = room.clone();
        self.0.people.change(move |book, hub| book.mute(hub, &room, muted)).await
    }

    /// What is wrong with the contact book, where it cannot be read since somebody changed it. It
    /// counts as it was before until that is mended. It is told once after each change.
    pub fn contacts_problem(&self) -> Option<String> {
        self.0.people.problem()
    }

    /// The rooms that are muted.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the contact book cannot be read.
    pub async fn muted(&self) -> Result<BTreeSet<RoomName>> {
        Ok(self.0.people.book().await?.muted(self.hub()))
    }

    async fn note_of<T: Send + 'static>(
        &self,
        name: &Name,
        change: impl FnOnce(&mut Book, &Endpoint, &Name) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let name = name.clone();
        self.0.people.change(move |book, hub| change(book, hub, &name)).await
    }
}

fn oneself() -> Error {
    Error::invalid("name", "that is you, and nobody is a contact of their own")
}
