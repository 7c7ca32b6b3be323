//! The data directory of a log: its lock, and the creation and the checks of the database in it.
//!
//! A new database is created under another name and renamed, so that a crash leaves a complete one
//! or none. An existing database is checked before anything may be written: one that is not
//! Chinwag's, is damaged, or was made by a newer Chinwag is refused and not changed.

use std::{
    error::Error as StdError,
    fs::{self, File, TryLockError},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{database::with_suffix, schema};
use crate::{
    error::SystemError,
    identity::{
        files::{self, FileLock},
        permissions::{self, Others},
    },
};

/// The bytes of a database page: large enough that a long text rarely needs overflow pages, small
/// enough that a commit of one message writes little.
const PAGE_BYTES: u32 = 4096;

/// The bytes of the database header: <https://sqlite.org/fileformat2.html#the_database_header>.
const HEADER_BYTES: usize = 100;

/// A locked data directory. The lock is released when this is dropped.
pub(super) struct DataDirectory {
    directory: PathBuf,
    _lock: FileLock,
}

type Attempt<T> = Result<T, Box<dyn StdError + Send + Sync>>;

impl DataDirectory {
    /// Locks the directory, and creates it (private to its owner) if it is missing. Errors if
    /// another hub uses it, or it cannot be used.
    pub(super) fn lock(directory: &Path) -> Result<Self, SystemError> {
        permissions::check_way_to(directory)?;
        files::create_directory(directory)?;
        if permissions::mend(directory, Others::Read)? {
            tracing::warn!(
                directory = %directory.display(),
                "others could write to the data directory, and cannot any more"
            );
        }
        let path = directory.join("lock");
        // Up to version 0.2.0, all users could open it, and so hold the lock.
        let was_open_to_all = permissions::is_exposed(&path, Others::Nothing)?;
        let lock = files::open_private(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: FileLock(lock) }),
            Err(TryLockError::WouldBlock) => {
                let mut problem = format!("{} is in use by another hub", directory.display());
                if was_open_to_all {
                    problem += &format!(
                        ", or another user holds its lock: if no hub runs, remove {}",
                        path.display()
                    );
                }
                Err(SystemError::new(problem).at(directory))
            }
            Err(TryLockError::Error(error)) => Err(SystemError::unusable(&path, error)),
        }
    }

    /// Returns the path of the search index, which may not exist.
    pub(super) fn index(&self) -> PathBuf {
        self.directory.join("search.db")
    }

    /// Returns the path of the log's database, which exists and is intact as far as can be seen
    /// without reading all of it. Errors with what is wrong with the existing file, and changes
    /// nothing then.
    pub(super) fn log(&self) -> Result<PathBuf, SystemError> {
        let path = self.directory.join("log.db");
        let exists = path.try_exists().map_err(|error| SystemError::unusable(&path, error))?;
        if !exists {
            create(&path).map_err(|error| SystemError::unusable(&path, error))?;
        }
        check(&path).map_err(|error| SystemError::unusable(&path, error))?;
        for ours in [&path, &self.index()].into_iter().filter(|path| path.exists()) {
            files::open_private(ours)?;
        }
        Ok(path)
    }
}

/// Creates a database, completely or not at all.
fn create(path: &Path) -> Attempt<()> {
    // SQLite would replay an orphaned write-ahead log into the new database.
    let orphan = with_suffix(path, "-wal");
    if orphan.try_exists()? {
        return Err(format!("it is missing, but {} exists", orphan.display()).into());
    }
    let fresh = with_suffix(path, ".new");
    for leftover in [&fresh, &with_suffix(&fresh, "-journal")] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    path.parent().map_or(Ok(()), sync_way_to)?;
    files::open_private(&fresh)?;
    let mut conn = Connection::open(&fresh)?;
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    schema::migrate(&mut conn)?;
    conn.close().map_err(|(_, error)| error)?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), files::sync_directory)?;
    Ok(())
}

/// Makes the path to a directory survive a crash of the machine.
fn sync_way_to(directory: &Path) -> std::io::Result<()> {
    for above in fs::canonicalize(directory)?.ancestors().skip(1) {
        match files::sync_directory(above) {
            // Directories of other users existed before.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Checks the database without reading all of it.
fn check(path: &Path) -> Attempt<()> {
    check_header(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // A damaged database must not even receive the content of its write-ahead log.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "query_only", true)?;
    let version = schema::version(&conn)?;
    if version > schema::VERSION {
        return Err(format!("its schema has version {version}: a newer Chinwag made it").into());
    }
    check_length(path, &conn)?;
    schema::probe(&conn)?;
    Ok(())
}

/// Refuses a file that was cut off. A crash during a checkpoint can leave the file shorter than the
/// database, with the rest in the write-ahead log: only then is everything read.
fn check_length(path: &Path, conn: &Connection) -> Attempt<()> {
    let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page_bytes: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    if i128::from(path.metadata()?.len()) >= i128::from(pages) * i128::from(page_bytes) {
        return Ok(());
    }
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err("database disk image is malformed".into()),
    }
}

/// Checks the header of the file, as SQLite may change a foreign database by opening it.
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
