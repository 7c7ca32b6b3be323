//! A database and the connections to it: one that writes, others that read.
//!
//! In a directory SQLite's write-ahead log lets readers and the writer pass each other. A database in
//! memory has no such log; there a [`AccessGuard`] keeps readers out while the writer commits, so that
//! neither ever meets a busy database.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use rusqlite::{Connection, OpenFlags};

use crate::storage::embedded::private;

/// How long a connection waits for a lock of another. Only recovery after a crash and the closing
/// of connections take such locks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The page cache of a connection that writes. The ends of some thousand rooms fit in, and so does
/// what a large batch changes.
const WRITER_CACHE_KIB: i64 = 16 * 1024;

/// Prepared statements kept by a connection: more than any of them uses.
const STATEMENTS: usize = 32;

/// A connection is used by one thread at a time: SQLite need not lock it again.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Where a database is, and who may use it now.
pub(super) struct LogDatabase {
    place: Location,
    gate: RwLock<()>,
}

enum Location {
    File(PathBuf),
    Memory {
        /// A name of SQLite's memory VFS, unique in the process.
        name: String,
        /// Keeps the database: it lives as long as a connection to it does.
        _anchor: Mutex<Connection>,
    },
}

/// What a crash of the machine may take from a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Nothing that was committed. Checkpoints are up to the writer.
    Full,
    /// The latest commits, but never its integrity.
    Relaxed,
}

/// The path of a file that SQLite keeps beside a database.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A permission to read, or to write, held as long as that lasts.
pub(super) enum AccessGuard<'a> {
    /// The database needs none.
    Open,
    /// Others may read too.
    Reading { _guard: RwLockReadGuard<'a, ()> },
    /// Nobody else is in.
    Writing { _guard: RwLockWriteGuard<'a, ()> },
}

impl LogDatabase {
    /// The database in this file.
    pub(super) fn file(path: &Path) -> Self {
        Self { place: Location::File(path.to_owned()), gate: RwLock::default() }
    }

    /// A new, empty database in memory.
    pub(super) fn memory() -> rusqlite::Result<Self> {
        let name = format!("file:/{}?vfs=memdb", uuid::Uuid::now_v7());
        let anchor = Connection::open_with_flags(&name, FLAGS | OpenFlags::SQLITE_OPEN_URI)?;
        let place = Location::Memory { name, _anchor: Mutex::new(anchor) };
        Ok(Self { place, gate: RwLock::default() })
    }

    /// Whether the database is there: one in memory is.
    pub(super) fn exists(&self) -> bool {
        match &self.place {
            Location::File(path) => path.exists(),
            Location::Memory { .. } => true,
        }
    }

    /// Makes an empty file, where the database is to be in one.
    pub(super) fn touch(&self) -> std::io::Result<()> {
        match &self.place {
            Location::File(path) => private::file(path),
            Location::Memory { .. } => Ok(()),
        }
    }

    /// The files that the database consists of, there or not.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let path = match &self.place {
            Location::File(path) => Some(path),
            Location::Memory { .. } => None,
        };
        path.into_iter().flat_map(|path| ["", "-wal", "-shm"].map(|end| with_suffix(path, end)))
    }

    /// A connection that changes nothing. The database must exist.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let conn = self.connect()?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    }

    /// The connection that writes. A file must exist.
    pub(super) fn writer(&self, durability: Durability) -> rusqlite::Result<Connection> {
        let conn = self.connect()?;
        match (&self.place, durability) {
            (Location::File(_), Durability::Full) => {
                conn.pragma_update(None, "journal_mode", "wal")?;
                conn.pragma_update(None, "synchronous", "full")?;
                conn.pragma_update(None, "wal_autocheckpoint", 0)?;
                // Only macOS knows the difference: there fsync leaves data in the disk's cache.
                conn.pragma_update(None, "fullfsync", true)?;
            }
            (Location::File(_), Durability::Relaxed) => {
                conn.pragma_update(None, "journal_mode", "wal")?;
                conn.pragma_update(None, "synchronous", "normal")?;
            }
            (Location::Memory { .. }, _) => conn.pragma_update(None, "journal_mode", "memory")?,
        }
        // SQLite takes a negative number for KiB.
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

    /// To be held while reading.
    pub(super) fn reading(&self) -> AccessGuard<'_> {
        match self.place {
            Location::File(_) => AccessGuard::Open,
            Location::Memory { .. } => AccessGuard::Reading { _guard: self.gate.read() },
        }
    }

    /// To be held from a transaction's begin to its end.
    pub(super) fn writing(&self) -> AccessGuard<'_> {
        match self.place {
            Location::File(_) => AccessGuard::Open,
            Location::Memory { .. } => AccessGuard::Writing { _guard: self.gate.write() },
        }
    }
}
