//! Whom this client knows: its contact book, which other processes of the same person may share.
//!
//! What stands in the file is read again whenever the file changed, so that a key that a person
//! accepts, or a contact that they block, counts from then on in every process.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::events::Verification;
use crate::{
    error::{Error, Result},
    identity::{Book, Contact, Contacts, KeyCheck},
    model::{Endpoint, Fingerprint, KeyMismatch, Name},
};

/// The contact book as far as it is about one hub. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct ContactStore(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    hub: Endpoint,
    me: Name,
    own: Option<Fingerprint>,
    /// `None`: what is learnt is forgotten with the client.
    file: Option<Contacts>,
    read: Mutex<Read>,
}

/// Somebody a conversation goes on with: what the book says of them may change meanwhile.
#[derive(Debug)]
pub(super) struct PeerTrust {
    people: ContactStore,
    name: Name,
    standing: Verification,
    seen: Option<Arc<Book>>,
}

/// What was read, and of which state of the file.
#[derive(Debug, Default)]
struct Read {
    book: Arc<Book>,
    stamp: Option<Stamp>,
    /// Why the file cannot be read in this state, and that the book is as it was before; until
    /// somebody was told.
    problem: Option<String>,
}

/// Tells two states of a file apart: it is replaced as a whole, or changed by an editor.
type Stamp = (SystemTime, u64, u64);

impl ContactStore {
    /// What `me`, who has this key, knows of the others at a hub.
    pub(super) fn new(
        hub: Endpoint,
        me: Name,
        own: Option<Fingerprint>,
        file: Option<Contacts>,
    ) -> Self {
        Self(Arc::new(Shelf { hub, me, own, file, read: Mutex::default() }))
    }

    /// Whether it is oneself that goes by a name or has a key: nobody is a contact of their own.
    pub(super) fn is_oneself(&self, name: &Name, key: Fingerprint) -> bool {
        *name == self.0.me || self.0.own == Some(key)
    }

    /// What stands in the book now.
    pub(super) async fn book(&self) -> Result<Arc<Book>> {
        let shelf = self.0.clone();
        match &self.0.file {
            None => Ok(shelf.read().book.clone()),
            Some(_) => blocking(move || shelf.look()).await,
        }
    }

    /// Why the book counts as it was when it was last read, where it cannot be read any more: once
    /// for each state of the file.
    pub(super) fn problem(&self) -> Option<String> {
        self.0.read().problem.take()
    }

    /// Somebody met at this hub.
    pub(super) async fn contact(&self, name: &Name) -> Result<Option<Contact>> {
        Ok(self.book().await?.contact(&self.0.hub, name).cloned())
    }

    /// Changes the book; the endpoint is this hub's.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Book, &Endpoint) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shelf = self.0.clone();
        blocking(move || shelf.change(change)).await
    }

    /// Notes the hub, with the key that it has shown. `said` is a key that a person named: it takes
    /// the place of any other.
    pub(super) async fn meet_hub(&self, key: Option<Fingerprint>, said: bool) -> Result<()> {
        self.change(move |book, hub| {
            let _ = book.meet_hub(hub, key)?;
            match key {
                Some(key) if said => book.accept_hub(hub, key),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Notes somebody this client has spoken with, if that is news.
    pub(super) async fn meet(
        &self,
        name: &Name,
        key: Fingerprint,
        endpoints: Vec<Endpoint>,
    ) -> Result<()> {
        if self.is_oneself(name, key) {
            return Ok(());
        }
        let known = self.contact(name).await?;
        if known.is_some_and(|known| known.key == key && known.endpoints == endpoints) {
            return Ok(());
        }
        let name = name.clone();
        self.change(move |book, hub| book.meet(hub, &name, key, &endpoints).map(drop)).await
    }

    pub(super) fn hub(&self) -> &Endpoint {
        &self.0.hub
    }

    /// Wherever the book says that this hub is or was: what was noted with one of these places is
    /// about this hub.
    pub(super) fn places(&self, book: &Book) -> Vec<String> {
        let known = book.hub(self.hub()).into_iter().flat_map(|hub| &hub.endpoints);
        known.chain([self.hub()]).map(ToString::to_string).collect()
    }
}

impl PeerTrust {
    pub(super) fn new(people: ContactStore, name: Name, standing: Verification) -> Self {
        Self { people, name, standing, seen: None }
    }

    /// How far they were known last.
    pub(super) fn standing(&self) -> Verification {
        self.standing
    }

    /// Looks into the book again.
    ///
    /// # Errors
    ///
    /// [`Error::Blocked`] and [`Error::KeyChanged`] where nothing may be said any more;
    /// [`Error::Io`] where the book cannot be read.
    pub(super) async fn look(&mut self) -> Result<()> {
        let book = self.people.book().await?;
        if self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &book)) {
            return Ok(());
        }
        let (hub, name) = (self.people.hub(), &self.name);
        let contact = book.contact(hub, name);
        match self.standing.key() {
            None if contact.is_some_and(|contact| contact.blocked) => {
                return Err(Error::Blocked(name.clone()));
            }
            None => {}
            Some(key) => match book.standing(hub, name, key) {
                KeyCheck::Blocked => return Err(Error::Blocked(name.clone())),
                KeyCheck::Changed(KeyMismatch { want, got }) => {
                    return Err(Error::KeyChanged {
                        name: name.clone(),
                        known: want,
                        offered: got,
                    });
                }
                KeyCheck::Known if contact.is_some_and(|contact| contact.verified) => {
                    self.standing = Verification::Verified(key);
                }
                KeyCheck::Known => self.standing = Verification::Known(key),
                KeyCheck::New => {}
            },
        }
        self.seen = Some(book);
        Ok(())
    }
}

impl Shelf {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> Result<Arc<Book>> {
        let Some(file) = &self.file else { return Ok(self.read().book.clone()) };
        // Before the file is read: a change that comes in between is then seen the next time.
        let stamp = stamp(file.path());
        {
            let read = self.read();
            if stamp.is_some() && read.stamp == stamp {
                return Ok(read.book.clone());
            }
        }
        let book = file.read();
        let mut read = self.read();
        let known = read.stamp.is_some();
        read.stamp = stamp;
        let book = match book {
            // A person may be writing in it, and mend it in a moment.
            Err(problem) if known => {
                read.problem = Some(format!("{problem}; until that is mended it counts as it was"));
                return Ok(read.book.clone());
            }
            book => book?,
        };
        read.problem = None;
        // A file that was written again is another book, also where it says the same: something else
        // may have stood there in between. One that is missing is the same each time.
        if stamp.is_some() || *read.book != book {
            read.book = Arc::new(book);
        }
        Ok(read.book.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Book, &Endpoint) -> Result<T>) -> Result<T> {
        if let Some(file) = &self.file {
            return file.change(|book| change(book, &self.hub));
        }
        let mut read = self.read();
        let mut book = Book::clone(&read.book);
        let done = change(&mut book, &self.hub)?;
        read.book = Arc::new(book);
        Ok(done)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let identity = std::os::unix::fs::MetadataExt::ino(&file);
    #[cfg(not(unix))]
    let identity = 0;
    Some((file.modified().ok()?, file.len(), identity))
}

/// Runs what waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Stopped))
}
