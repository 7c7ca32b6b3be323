//! The schema of `members.db`, and how the file is opened.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, ErrorCode};

use crate::{
    error::{RequestError, SystemError},
    identity::files,
    sqlite::{self, Plan, Trouble},
};

/// The name of the file in the hub's data directory.
pub const MEMBERS_FILE: &str = "members.db";

/// The list of members. Times are in seconds since 1970.
const PLAN: Plan = Plan {
    what: "list of Chinwag's members",
    // "chnm".
    mark: 0x6368_6e6d,
    migrations: MIGRATIONS,
};

/// The migrations of the [`PLAN`].
const MIGRATIONS: &[&str] = &["
    CREATE TABLE members (
        skeleton TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        since INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX members_by_owner ON members (owner);
    -- Who may not come back without an invitation.
    CREATE TABLE removed (
        owner TEXT PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT;
    -- Names that their owners were made to give up for others.
    CREATE TABLE given_up (
        skeleton TEXT NOT NULL,
        owner TEXT NOT NULL,
        PRIMARY KEY (skeleton, owner)
    ) STRICT, WITHOUT ROWID;
    -- hash: SHA-256 of the code.
    CREATE TABLE invites (
        hash BLOB PRIMARY KEY,
        uses INTEGER NOT NULL,
        ends_at INTEGER NOT NULL
    ) STRICT;
", "
    -- The order in which invitations and removals were made, as far as they are still there: who was
    -- removed comes back by an invitation that was made after that.
    ALTER TABLE invites ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE removed ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
", "
    -- The name that the owner got instead.
    ALTER TABLE given_up ADD COLUMN new_name TEXT;
"];

pub(super) const NEXT_SERIAL: &str = "(SELECT 1 + max(serial) FROM
    (SELECT 0 AS serial UNION ALL SELECT serial FROM invites UNION ALL SELECT serial FROM removed))";

/// Opens the file in this directory, and creates both if they are missing.
pub(super) fn open(directory: &Path) -> Result<Connection, SystemError> {
    let path = directory.join(MEMBERS_FILE);
    files::create_directory(directory)?;
    files::make_private(&path)?;
    let mut conn = Connection::open(&path).map_err(|error| SystemError::unusable(&path, error))?;
    set_up(&mut conn).map_err(|error| SystemError::unusable(&path, error))?;
    Ok(conn)
}

/// Creates a list in memory.
pub(super) fn in_memory() -> Result<Connection, SystemError> {
    let unusable = |error| SystemError::because("no memory for the members", error);
    let mut conn = Connection::open_in_memory().map_err(unusable)?;
    sqlite::migrate(&mut conn, PLAN)
        .map_err(|error| SystemError::because("no memory for the members", error))?;
    Ok(conn)
}

fn set_up(conn: &mut Connection) -> Result<(), Trouble> {
    sqlite::check(conn, PLAN)?;
    conn.pragma_update(None, "synchronous", "full")?;
    sqlite::migrate(conn, PLAN)?;
    // With a write-ahead log a write waits for the disk once instead of several times. Switching
    // needs the database alone, which is soon the case; until then it is as safe.
    match conn.pragma_update(None, "journal_mode", "wal") {
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// The error of a list that cannot be read or written now, which is logged.
pub(super) fn failed(error: rusqlite::Error) -> RequestError {
    let error = SystemError::because("the list of members cannot be used", error);
    tracing::error!(%error);
    RequestError::StoreUnavailable(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_processes_can_create_the_list_at_once() {
        for _ in 0..40 {
            let directory = tempfile::tempdir().unwrap();
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        open(directory.path()).unwrap();
                    });
                }
            });
        }
    }
}
