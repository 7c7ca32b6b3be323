//! The contact book of this client, which other processes of the same person may share.
//!
//! The file is read again whenever it changed, so that a key that a person accepts, or a contact
//! that they block, counts from then on in every process.

use std::{fs, path::Path, sync::Arc, time::SystemTime};

use parking_lot::Mutex;

use super::{blocking::blocking, own_name::OwnName, received::Verification};
use crate::{
    client::error::{Error, Result},
    identity::{Contact, ContactBook, Contacts, ContactsError, KeyCheck},
    model::{Endpoint, Fingerprint, KeyMismatch, Name},
};

/// The part of the contact book that is about one hub. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct ContactStore(Arc<ContactStoreInner>);

#[derive(Debug)]
struct ContactStoreInner {
    hub: Endpoint,
    me: OwnName,
    own: Option<Fingerprint>,
    /// `None`: the book is kept in memory only.
    file: Option<Contacts>,
    cache: Mutex<BookCache>,
}

/// How far the peer of a conversation is known. The book may change in the course of it.
pub(super) struct PeerTrust {
    contacts: ContactStore,
    name: Name,
    /// How far the peer was known at the last refresh.
    pub(super) verification: Verification,
    seen: Option<Arc<ContactBook>>,
}

/// The book as it was read last.
#[derive(Debug, Default)]
struct BookCache {
    book: Arc<ContactBook>,
    /// The state of the file that was read.
    stamp: Option<FileStamp>,
    /// Why the present state of the file cannot be read, until it is reported.
    problem: Option<String>,
}

/// Tells two states of a file apart: its time, size and inode.
type FileStamp = (SystemTime, u64, u64);

impl ContactStore {
    /// Returns the contacts of `me`, whose key is `own`, at a hub.
    pub(super) fn new(
        hub: Endpoint,
        me: impl Into<OwnName>,
        own: Option<Fingerprint>,
        file: Option<Contacts>,
    ) -> Self {
        let me = me.into();
        Self(Arc::new(ContactStoreInner { hub, me, own, file, cache: Mutex::default() }))
    }

    /// Returns the name of this client.
    pub(super) fn me(&self) -> Name {
        self.0.me.get()
    }

    /// Returns true if the name or the key is this client's own, which is never a contact.
    pub(super) fn is_own(&self, name: &Name, key: Fingerprint) -> bool {
        self.0.me.is(name) || self.0.own == Some(key)
    }

    /// Returns true if this client has a key, so that those of its peers are known.
    pub(super) fn has_key(&self) -> bool {
        self.0.own.is_some()
    }

    pub(super) async fn book(&self) -> Result<Arc<ContactBook>> {
        let inner = self.0.clone();
        match &self.0.file {
            None => Ok(inner.cache.lock().book.clone()),
            Some(_) => blocking(move || inner.refresh()).await,
        }
    }

    /// Takes the reason why the file cannot be read since its last change: `Some` once for each
    /// state of the file. Until it can be read the book counts as it was before.
    pub(super) fn problem(&self) -> Option<String> {
        self.0.cache.lock().problem.take()
    }

    pub(super) async fn contact(&self, name: &Name) -> Result<Option<Contact>> {
        Ok(self.book().await?.contact(&self.0.hub, name).cloned())
    }

    /// Changes the book. The closure gets the endpoint of this hub.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut ContactBook, &Endpoint) -> Result<T, ContactsError> + Send + 'static,
    ) -> Result<T> {
        let inner = self.0.clone();
        blocking(move || inner.change(change)).await
    }

    /// As [`Self::change`], for what this client has learned by itself: in memory if the file is
    /// read-only, until the file changes.
    pub(super) async fn record(
        &self,
        change: impl FnOnce(&mut ContactBook, &Endpoint) -> Result<(), ContactsError> + Send + 'static,
    ) -> Result<()> {
        let inner = self.0.clone();
        blocking(move || match inner.is_read_only() {
            true => inner.refresh().and_then(|_| inner.change_in_memory(change)),
            false => inner.change(change),
        })
        .await
    }

    /// Records the hub with the key that it has shown. A key that a person has accepted replaces any
    /// other.
    pub(super) async fn meet_hub(&self, key: Option<Fingerprint>, accepted: bool) -> Result<()> {
        self.record(move |book, hub| {
            let _ = book.meet_hub(hub, key)?;
            match key {
                Some(key) if accepted => book.accept_hub(hub, key),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Records a peer that was reached, unless the book has it already.
    pub(super) async fn meet(
        &self,
        name: &Name,
        key: Fingerprint,
        endpoints: Vec<Endpoint>,
    ) -> Result<()> {
        if self.is_own(name, key) {
            return Ok(());
        }
        let known = self.contact(name).await?;
        if known.is_some_and(|known| known.key == key && known.endpoints == endpoints) {
            return Ok(());
        }
        let name = name.clone();
        self.record(move |book, hub| book.meet(hub, &name, key, &endpoints).map(drop)).await
    }

    pub(super) fn hub(&self) -> &Endpoint {
        &self.0.hub
    }
}

impl PeerTrust {
    pub(super) fn new(contacts: ContactStore, name: Name, verification: Verification) -> Self {
        Self { contacts, name, verification, seen: None }
    }

    /// Checks the peer against the book, if that has changed. Errors: [`Error::Blocked`] and
    /// [`Error::KeyChanged`] if the conversation must end; [`Error::Io`] if the book cannot be
    /// read.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        let book = self.contacts.book().await?;
        if self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &book)) {
            return Ok(());
        }
        let (hub, name) = (self.contacts.hub(), &self.name);
        let contact = book.contact(hub, name);
        match self.verification.key() {
            None if contact.is_some_and(|contact| contact.blocked) => {
                return Err(Error::Blocked(name.clone()));
            }
            None => {}
            Some(key) => match book.check_key(hub, name, key) {
                KeyCheck::Blocked => return Err(Error::Blocked(name.clone())),
                KeyCheck::Changed(KeyMismatch { want, got }) => {
                    return Err(Error::KeyChanged {
                        name: name.clone(),
                        known: want,
                        offered: got,
                    });
                }
                KeyCheck::Known if contact.is_some_and(|contact| contact.verified) => {
                    self.verification = Verification::Verified(key);
                }
                KeyCheck::Known => self.verification = Verification::Known(key),
                KeyCheck::New => {}
            },
        }
        self.seen = Some(book);
        Ok(())
    }
}

impl ContactStoreInner {
    fn refresh(&self) -> Result<Arc<ContactBook>> {
        let Some(file) = &self.file else { return Ok(self.cache.lock().book.clone()) };
        // Taken before the file is read, so that a change in between is seen the next time.
        let stamp = stamp(file.path());
        {
            let cache = self.cache.lock();
            if cache.stamp == stamp && (stamp.is_some() || self.is_read_only()) {
                return Ok(cache.book.clone());
            }
        }
        let book = file.read();
        let mut cache = self.cache.lock();
        let was_read = cache.stamp.is_some();
        cache.stamp = stamp;
        let book = match book {
            // Somebody may be editing the file, and fix it in a moment.
            Err(problem) if was_read => {
                cache.problem = Some(format!("{problem}; until that is fixed it counts as it was"));
                return Ok(cache.book.clone());
            }
            book => book?,
        };
        cache.problem = None;
        // A file that was written again is another book even if its content is the same: it may have
        // differed in between. A missing file is the same book each time.
        if stamp.is_some() || *cache.book != book {
            cache.book = Arc::new(book);
        }
        Ok(cache.book.clone())
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut ContactBook, &Endpoint) -> Result<T, ContactsError>,
    ) -> Result<T> {
        if let Some(file) = &self.file {
            return Ok(file.change(|book| change(book, &self.hub))?);
        }
        self.change_in_memory(change)
    }

    fn is_read_only(&self) -> bool {
        self.file.as_ref().is_some_and(Contacts::is_read_only)
    }

    fn change_in_memory<T>(
        &self,
        change: impl FnOnce(&mut ContactBook, &Endpoint) -> Result<T, ContactsError>,
    ) -> Result<T> {
        let mut cache = self.cache.lock();
        let mut book = ContactBook::clone(&cache.book);
        let done = change(&mut book, &self.hub)?;
        cache.book = Arc::new(book);
        Ok(done)
    }
}

fn stamp(path: &Path) -> Option<FileStamp> {
    let file = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let identity = std::os::unix::fs::MetadataExt::ino(&file);
    #[cfg(not(unix))]
    let identity = 0;
    Some((file.modified().ok()?, file.len(), identity))
}
