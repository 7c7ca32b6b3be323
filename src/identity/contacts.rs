//! The contact book: the hubs and peers that one has met, and their keys.
//!
//! A key is trusted at the first contact and remembered ("trust on first use"). A person who has
//! compared fingerprints can mark it as verified. From then on the book decides, not the hub: a
//! known name with another key is refused until a person accepts the key, and a hub that lists
//! another key for somebody is found out. Names belong to a hub, so every hub has its own contacts.
//! A hub is known by its key, or, if it has none, by its endpoint.
//!
//! Incoming calls add nobody: a stranger who calls is looked up ([`ContactBook::check_key`]) but
//! not recorded ([`ContactBook::meet`]), or strangers could fill the book. When it is full, no
//! entry is dropped for a new one.
//!
//! The book also has the muted rooms of each hub.
//!
//! It is a TOML file that people can edit. Every change is made under a lock and replaces the whole
//! file, so processes that share it see all changes of each other.

mod contact;
mod contact_book;

use std::path::{Path, PathBuf};

pub use contact::{Contact, KeyCheck, KnownHub};
pub use contact_book::{ContactBook, MAX_CONTACTS, MAX_HUBS, MAX_MUTED, MAX_NOTE_BYTES};

use super::{
    files,
    permissions::{self, Others},
    unusable,
};
use crate::error::{SystemError, Violation};

type Result<T, E = ContactsError> = std::result::Result<T, E>;

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

/// A contact book in a file. Its methods block on the disk.
#[derive(Debug, Clone)]
pub struct Contacts {
    path: PathBuf,
    read_only: bool,
}

impl Contacts {
    /// Returns the book at this path, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: false }
    }

    /// Never writes the file or its lock: for a directory that cannot be written. What a client
    /// learns by itself is then known for as long as it runs.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// Returns true if the file is never written.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the book; empty if there is no file. Takes away write access of others. Errors with
    /// [`ContactsError::File`] if the file cannot be read, is another user's, or is not a contact book.
    pub fn read(&self) -> Result<ContactBook> {
        if !self.read_only {
            permissions::mend(&self.path, Others::Read)?;
        }
        let content = files::read(&self.path)?.unwrap_or_default();
        ContactBook::parse(&content).map_err(|problem| unusable(&self.path, problem).into())
    }

    /// Changes the book. Nothing is written if `change` fails or changes nothing. Errors as
    /// [`Self::read`], also if the file cannot be written or is read-only; and the errors of `change`.
    pub fn change<T>(&self, change: impl FnOnce(&mut ContactBook) -> Result<T>) -> Result<T> {
        if self.read_only {
            let problem = format!("cannot change {}: it is read-only", self.path.display());
            return Err(SystemError::new(problem).at(&self.path).into());
        }
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
