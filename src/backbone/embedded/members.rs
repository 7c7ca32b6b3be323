//! The names that belong to somebody, in SQLite.
//!
//! They are in a file of their own, `members.db`, which the log's lock does not cover: the hub's
//! keeper changes it ([`Book`]) while the hub runs, and the hub notices within a second.

mod book;
mod invites;
mod schema;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tonic::async_trait;

pub use book::{BOT_PREFIX, Book, FILE, Member};

use super::{Store, pool::Pool};
use crate::{
    backbone::{Entry, Holder, Known, Members, OwnerId, SessionId},
    error::Result,
    model::Name,
};

/// How often the file is looked at: a removal takes effect while its maker still looks on.
const POLL: Duration = Duration::from_secs(1);

/// [`Members`] in a file, or in memory as long as this lives.
pub struct EmbeddedMembers {
    /// One: SQLite takes one writer, and what is read is read in microseconds.
    book: Arc<Pool<Book>>,
    /// The version of the book that was told of last.
    told: Mutex<Option<book::Version>>,
}

impl EmbeddedMembers {
    /// Opens the members of a store, making them where there are none. Reads and writes files: not
    /// for an async task.
    ///
    /// # Errors
    ///
    /// [`Error::Store`](crate::error::Error::Store) where the file cannot be used.
    pub fn open(store: &Store) -> Result<Self> {
        let store = store.clone();
        let open = move || match &store {
            Store::Directory(directory) => Book::open(directory),
            Store::Memory => Book::in_memory(),
        };
        open()?;
        Ok(Self { book: Pool::new(1, open), told: Mutex::default() })
    }

    async fn poll(&self) -> Result<bool> {
        let version = self.book.with(|book| book.version()).await?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(told.replace(version) != Some(version))
    }
}

#[async_trait]
impl Members for EmbeddedMembers {
    async fn claim(&self, name: &Name, owner: &OwnerId, entry: Entry) -> Result<()> {
        let (name, owner) = (name.clone(), owner.clone());
        self.book.with(move |book| book.claim(&name, &owner, &entry)).await
    }

    async fn check_free(&self, name: &Name) -> Result<()> {
        let name = name.clone();
        self.book.with(move |book| book.check_free(&name)).await
    }

    async fn find(&self, owner: &OwnerId) -> Result<Known> {
        let owner = owner.clone();
        self.book.with(move |book| book.find(&owner)).await
    }

    async fn expelled(&self, holders: Vec<Holder>) -> Result<Vec<SessionId>> {
        self.book.with(move |book| book.expelled(&holders)).await
    }

    async fn changed(&self) {
        loop {
            tokio::time::sleep(POLL).await;
            match self.poll().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot look for changes of the members"),
            }
        }
    }
}
