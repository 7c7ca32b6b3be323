//! A database and its connections: one writer and several readers.
//!
//! In a directory, SQLite's write-ahead log lets readers and the writer work at the same time. A
//! database in memory has no such log: there an [`AccessGuard`] keeps readers out during a commit,
//! so that neither side ever finds the database busy.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::{error::SystemError, identity::files};

/// How long a connection waits for a lock of another one. Only recovery after a crash and closing
/// connections take such locks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The page cache of a writing connection: enough for some thousand rooms and a large batch.
const WRITER_CACHE_KIB: i64 = 16 * 1024;

/// Cached statements per connection: more than any of them uses.
const STATEMENTS: usize = 32;

/// Each connection is used by one thread at a time, so SQLite need not lock it.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A database and the lock for access to it.
pub(super) struct LogDatabase {
    place: Location,
    gate: RwLock<()>,
}

enum Location {
    File(PathBuf),
    Memory {
        /// A name in SQLite's memory VFS, unique in the process.
        name: String,
        /// Keeps the database alive: it exists as long as it has a connection.
        _anchor: Mutex<Connection>,
    },
}

/// What a crash of the machine may lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Nothing that was committed. The writer runs the checkpoints.
    Full,
    /// The latest commits, but not the integrity of the database.
    Relaxed,
}

/// Returns the path of a file that SQLite keeps beside a database.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Access for reading or writing, until it is dropped.
pub(super) enum AccessGuard<'a> {
    /// The database needs no lock.
    Open,
    /// Shared with other readers.
    Reading { _guard: RwLockReadGuard<'a, ()> },
    /// Exclusive.
    Writing { _guard: RwLockWriteGuard<'a, ()> },
}

impl LogDatabase {
    pub(super) fn file(path: &Path) -> Self {
        Self { place: Location::File(path.to_owned()), gate: RwLock::default() }
    }

    pub(super) fn memory() -> rusqlite::Result<Self> {
        let name = format!("file:/{}?vfs=memdb", uuid::Uuid::now_v7());
        let anchor = Connection::open_with_flags(&name, FLAGS | OpenFlags::SQLITE_OPEN_URI)?;
        let place = Location::Memory { name, _anchor: Mutex::new(anchor) };
        Ok(Self { place, gate: RwLock::default() })
    }

    /// Returns true if the database exists; one in memory does.
    pub(super) fn exists(&self) -> bool {
        match &self.place {
            Location::File(path) => path.exists(),
            Location::Memory { .. } => true,
        }
    }

    /// Creates an empty file, if the database is in one.
    pub(super) fn touch(&self) -> Result<(), SystemError> {
        match &self.place {
            Location::File(path) => files::open_private(path).map(drop),
            Location::Memory { .. } => Ok(()),
        }
    }

    /// Returns the files of the database, whether they exist or not.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let path = match &self.place {
            Location::File(path) => Some(path),
            Location::Memory { .. } => None,
        };
        path.into_iter().flat_map(|path| ["", "-wal", "-shm"].map(|end| with_suffix(path, end)))
    }

    /// Opens a read-only connection. The database must exist.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let conn = self.connect()?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    }

    /// Opens the connection that writes. A file must exist.
    pub(super) fn writer(&self, durability: Durability) -> rusqlite::Result<Connection> {
        let conn = self.connect()?;
        match (&self.place, durability) {
            (Location::File(_), Durability::Full) => {
                conn.pragma_update(None, "journal_mode", "wal")?;
                conn.pragma_update(None, "synchronous", "full")?;
                conn.pragma_update(None, "wal_autocheckpoint", 0)?;
                // Matters on macOS only, where fsync leaves data in the disk's cache.
                conn.pragma_update(None, "fullfsync", true)?;
            }
            (Location::File(_), Durability::Relaxed) => {
                conn.pragma_update(None, "journal_mode", "wal")?;
                conn.pragma_update(None, "synchronous", "normal")?;
            }
            (Location::Memory { .. }, _) => conn.pragma_update(None, "journal_mode", "memory")?,
        }
        // SQLite reads a negative number as KiB.
        conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        Ok(conn)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let conn = match &self.place {
            Location::File(path) => Connection::open_with_flags(path, FLAGS)?,
            Location::Memory { name, .. } => {
                Connection::open_with_flags(name, FLAGS | OpenFlags::SQLITE_OPEN_URI)?
            }
        };
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.pragma_update(None, "trusted_schema", false)?;
        Ok(conn)
    }

    pub(super) fn reading(&self) -> AccessGuard<'_> {
        match self.place {
            Location::File(_) => AccessGuard::Open,
            Location::Memory { .. } => AccessGuard::Reading { _guard: self.gate.read() },
        }
    }

    /// Returns the guard to hold throughout a transaction.
    pub(super) fn writing(&self) -> AccessGuard<'_> {
        match self.place {
            Location::File(_) => AccessGuard::Open,
            Location::Memory { .. } => AccessGuard::Writing { _guard: self.gate.write() },
        }
    }
}

/// Returns true if a later write may succeed: the store is full or locked, and nothing that was
/// synced is in doubt.
pub(super) fn may_pass(error: &rusqlite::Error) -> bool {
    let Some(failure) = error.sqlite_error() else { return false };
    match failure.code {
        ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => true,
        // SQLite knows ENOSPC as full, but not EFBIG (`ulimit -f`) and EDQUOT, nor a file of the
        // write-ahead log's index that cannot grow.
        _ => matches!(failure.extended_code, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE),
    }
}
