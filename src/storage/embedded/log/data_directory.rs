//! The directory of a log: who may use it, and how the database gets into it.
//!
//! A new database is made beside its place and then renamed into it, so that a crash leaves a
//! whole one or none. An existing one is looked at before anything may be written: what is not
//! Chinwag's, is damaged, or was made by a newer Chinwag is refused and left as it is.

use std::{
    error::Error as StdError,
    fs::{self, File, TryLockError},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{database::with_suffix, schema};
use crate::{error::SystemError, storage::embedded::private};

/// The bytes of a database page: large enough that a long text rarely needs pages of its own,
/// small enough that a commit of one message writes little.
const PAGE_BYTES: u32 = 4096;

/// The bytes of a database's header: <https://sqlite.org/fileformat2.html#the_database_header>.
const HEADER_BYTES: usize = 100;

/// A directory that is ours alone for as long as this lives.
pub(super) struct DataDirectory {
    directory: PathBuf,
    _lock: File,
}

type Attempt<T> = Result<T, Box<dyn StdError + Send + Sync>>;

impl DataDirectory {
    /// Takes the directory, making it (for its owner alone) where there is none.
    ///
    /// # Errors
    ///
    /// If another hub has it or it cannot be used.
    pub(super) fn take(directory: &Path) -> Result<Self, SystemError> {
        private::directory(directory).map_err(|error| SystemError::unusable(directory, error))?;
        let path = directory.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| SystemError::unusable(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let problem = format!("{} is in use by another hub", directory.display());
                Err(SystemError::new(problem).at(directory))
            }
            Err(TryLockError::Error(error)) => Err(SystemError::unusable(&path, error)),
        }
    }

    /// The path of the search index, which need not be there.
    pub(super) fn index(&self) -> PathBuf {
        self.directory.join("search.db")
    }

    /// The path of the log's database, which is there and sound as far as can be seen without
    /// reading all of it.
    ///
    /// # Errors
    ///
    /// Says what is wrong with what is there; nothing was changed then.
    pub(super) fn log(&self) -> Result<PathBuf, SystemError> {
        let path = self.directory.join("log.db");
        let there = path.try_exists().map_err(|error| SystemError::unusable(&path, error))?;
        if !there {
            create(&path).map_err(|error| SystemError::unusable(&path, error))?;
        }
        check(&path).map_err(|error| SystemError::unusable(&path, error))?;
        for ours in [&path, &self.index()].into_iter().filter(|path| path.exists()) {
            private::file(ours).map_err(|error| SystemError::unusable(ours, error))?;
        }
        Ok(path)
    }
}

/// Makes a new database, whole or not at all.
fn create(path: &Path) -> Attempt<()> {
    // SQLite would replay a log that has lost its database into the new one.
    let orphan = with_suffix(path, "-wal");
    if orphan.try_exists()? {
        return Err(format!("it is missing, but {} is there", orphan.display()).into());
    }
    let fresh = with_suffix(path, ".new");
    for leftover in [&fresh, &with_suffix(&fresh, "-journal")] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    path.parent().map_or(Ok(()), sync_way_to)?;
    private::file(&fresh)?;
    let mut conn = Connection::open(&fresh)?;
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    schema::migrate(&mut conn)?;
    conn.close().map_err(|(_, error)| error)?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_directory)?;
    Ok(())
}

/// Has the entries that lead to a directory survive a crash of the machine.
fn sync_way_to(directory: &Path) -> std::io::Result<()> {
    for above in fs::canonicalize(directory)?.ancestors().skip(1) {
        match sync_directory(above) {
            // Those of others were there before.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Has a directory's entries survive a crash of the machine.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    // Elsewhere a directory cannot be opened, and need not be.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Reads what can be read without reading everything.
fn check(path: &Path) -> Attempt<()> {
    check_header(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // A damaged database must not even receive what its write-ahead log holds for it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "query_only", true)?;
    let version = schema::version(&conn)?;
    if version > schema::VERSION {
        return Err(format!("its schema has version {version}: a newer Chinwag made it").into());
    }
    schema::probe(&conn)?;
    Ok(())
}

/// Looks at the file's first bytes: a foreign database that SQLite opens may change, if only by
/// recovery.
fn check_header(path: &Path) -> Attempt<()> {
    let mut header = [0; HEADER_BYTES];
    match File::open(path)?.read_exact(&mut header) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err("it is not a database".into());
    }
    if header[68..72] != schema::APPLICATION_ID.to_be_bytes() {
        return Err("it is not a log of Chinwag".into());
    }
    Ok(())
}
