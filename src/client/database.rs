//! The small databases of a client: private, consistent after a crash, shared by its processes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Semaphore;

use super::blocking::blocking;
use crate::{
    client::error::{Error, Result},
    error::SystemError,
    identity::files,
    sqlite::{self, Plan, Trouble},
};

/// A database. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Database {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
    read_only: bool,
    /// At most one thread of the pool waits for the disk.
    turn: Arc<Semaphore>,
}

impl Database {
    /// Opens the file, and creates it if it is missing. A file or directory that is read-only can only
    /// be read, and must exist. Blocks on the disk.
    pub(super) fn open(path: &Path, plan: Plan) -> Result<Self> {
        let directory = files::directory_of(path);
        let read_only = !files::is_writable(directory) || !files::is_writable(path);
        let flags = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
        } else {
            files::create_directory(directory)?;
            // The journal files of SQLite get the permissions of the database.
            files::open_private(path)?;
            OpenFlags::default()
        };
        let opened = Connection::open_with_flags(path, flags).map_err(Trouble::from).and_then(
            |mut connection| {
                set_up(&mut connection, plan)?;
                Ok(connection)
            },
        );
        let connection = opened.map_err(|problem| unusable(path, problem))?;
        let connection = Arc::new(Mutex::new(connection));
        let (path, turn) = (Arc::new(path.to_owned()), Arc::new(Semaphore::new(1)));
        Ok(Self { path, connection, read_only, turn })
    }

    /// Returns true if the file can only be read.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Runs `work` on the database, off the async threads.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| Error::Stopped)?;
        blocking(move || {
            let _turn = turn;
            let mut connection = this.connection.lock();
            work(&mut connection).map_err(|problem| unusable(&this.path, problem))
        })
        .await
    }
}

/// Checks that an existing file is an intact database that can be used, without a change to it. Blocks
/// on the disk.
pub(super) fn check(path: &Path, plan: Plan) -> Result<()> {
    let flags = OpenFlags::default() & !OpenFlags::SQLITE_OPEN_CREATE;
    let opened = Connection::open_with_flags(path, flags).map_err(Trouble::from);
    let found = opened.and_then(|mut connection| {
        sqlite::check(&mut connection, plan)?;
        Ok(connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0))?)
    });
    match found.map_err(|problem| unusable(path, problem))? {
        said if said == "ok" => Ok(()),
        said => Err(Error::Store(SystemError::unusable(path, said))),
    }
}

/// Returns [`Error::Store`] for a damaged file, which another attempt does not repair.
fn unusable(path: &Path, problem: impl Into<Trouble>) -> Error {
    let problem = problem.into();
    let code = problem.downcast_ref().and_then(rusqlite::Error::sqlite_error_code);
    let error = SystemError::unusable(path, problem);
    match code {
        Some(ErrorCode::ReadOnly) => Error::Io(SystemError::file("write", path, "it is read-only")),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::Store(error),
        _ => Error::Io(error),
    }
}

fn set_up(connection: &mut Connection, plan: Plan) -> Result<(), Trouble> {
    sqlite::check(connection, plan)?;
    // Removed messages are private: they must not stay in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    // A stored message has to be on the disk. Not in WAL mode: that is for many readers, and
    // switching to it fails if two processes start at once.
    connection.pragma_update(None, "synchronous", "full")?;
    sqlite::migrate(connection, plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        what: "list of cakes",
        mark: 7,
        migrations: &["CREATE TABLE cakes (name TEXT) STRICT"],
    };

    #[tokio::test]
    async fn it_is_private_and_shared_and_rejects_other_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("cakes.db");
        let databases =
            [Database::open(&path, PLAN).unwrap(), Database::open(&path, PLAN).unwrap()];
        let put = |c: &mut Connection| c.execute("INSERT INTO cakes VALUES ('apple')", []);
        databases[0].with(put).await.unwrap();
        let count =
            |c: &mut Connection| c.query_row("SELECT count(*) FROM cakes", [], |r| r.get(0));
        let cakes: i64 = databases[1].with(count).await.unwrap();
        assert_eq!(cakes, 1);
        #[cfg(unix)]
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            use std::os::unix::fs::MetadataExt;
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{:?}", entry.path());
        }
        let other = Plan { mark: 8, ..PLAN };
        let refused = Database::open(&path, other).unwrap_err().to_string();
        assert!(refused.contains("it is no list of cakes"), "{refused}");
        let newer = Plan { migrations: &[], ..PLAN };
        let refused = Database::open(&path, newer).unwrap_err().to_string();
        assert!(refused.contains("a newer Chinwag made it"), "{refused}");
    }

    #[test]
    fn many_processes_may_create_it_at_once() {
        for _ in 0..40 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("cakes.db");
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        Database::open(&path, PLAN).unwrap();
                    });
                }
            });
        }
    }
}
