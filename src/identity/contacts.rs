//! The contact book: whom one has met, and by which key.
//!
//! A key is trusted when it is first met and remembered from then on ("trust on first use"); a
//! person who has compared fingerprints can mark it as verified. From then on the book decides and
//! not the hub: whoever shows another key under a known name is refused until a person accepts it,
//! and a hub that hands out another key for somebody is caught at it. Names are a hub's, so every
//! hub has contacts of its own; a hub is known by its key, or where it has none by its endpoint.
//!
//! Nobody is remembered for what *they* do: a stranger who calls is looked up
//! ([`ContactBook::standing`]) but not noted ([`ContactBook::meet`]), or a crowd of strangers could fill the book
//! of somebody who never spoke with them. When it is full, nobody is forgotten in favour of others.
//!
//! Beside the people stands which rooms of a hub are muted.
//!
//! It is a TOML file that a person can read and change. Every change is made under a lock and
//! replaces the file as a whole, so processes that share it see all of each other's changes.

mod contact;
mod contact_book;

use std::path::{Path, PathBuf};

pub use contact::{Contact, KeyCheck, KnownHub};
pub use contact_book::{ContactBook, MAX_CONTACTS, MAX_HUBS, MAX_MUTED, MAX_NOTE_BYTES};

use super::{files, unusable};
use crate::error::{SystemError, Violation};

/// Why a contact book cannot be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ContactsError {
    /// The change is invalid, for example of somebody who is not in the book.
    #[error("{}: {}", .0.field, .0.problem)]
    Invalid(Violation),
    /// The book is full.
    #[error("{0}")]
    Full(String),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] SystemError),
}

impl ContactsError {
    fn invalid(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Invalid(Violation::new(field, problem))
    }
}

/// A contact book in a file. It reads and writes files: not for async tasks.
#[derive(Debug, Clone)]
pub struct Contacts {
    path: PathBuf,
}

impl Contacts {
    /// The book at this path, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it now; nothing where there is no file.
    ///
    /// # Errors
    ///
    /// [`ContactsError::File`] if the file cannot be read, or is no contact book.
    pub fn read(&self) -> Result<ContactBook, ContactsError> {
        let content = files::read(&self.path)?.unwrap_or_default();
        ContactBook::parse(&content).map_err(|problem| unusable(&self.path, problem).into())
    }

    /// Changes what stands in it. Nothing is written where `change` fails or changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and where the file cannot be written; and what `change` returns.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut ContactBook) -> Result<T, ContactsError>,
    ) -> Result<T, ContactsError> {
        files::create_directory(files::directory_of(&self.path))?;
        let _lock = files::lock(&self.path)?;
        let before = self.read()?;
        let mut book = before.clone();
        let result = change(&mut book)?;
        if book != before {
            files::replace(&self.path, &book.to_toml()?)?;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests;
