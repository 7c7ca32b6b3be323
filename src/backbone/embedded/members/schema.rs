//! What stands in `members.db`, and how it is opened.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, TransactionBehavior};

use super::FILE;
use crate::error::{Error, Result};

/// How long to wait for another process that writes: it is done in milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Marks a database as Chinwag's members (`file` and SQLite show it): "chnm".
const APPLICATION_ID: i32 = 0x6368_6e6d;

/// What leads from each version of the schema to the next. Never changed, only added to. Times are in
/// seconds since 1970.
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
"];

/// Opens the file in this directory, making both where they are missing.
pub(super) fn open(directory: &Path) -> Result<Connection> {
    let path = directory.join(FILE);
    let unusable = |problem: &dyn std::fmt::Display| {
        Error::Store(format!("{} cannot be used: {problem}", path.display()))
    };
    make_directory(directory).map_err(|error| unusable(&error))?;
    let mut conn = Connection::open(&path).map_err(|error| unusable(&error))?;
    set_up(&mut conn).map_err(|error| unusable(&error))?;
    Ok(conn)
}

/// A new one in memory.
pub(super) fn in_memory() -> Result<Connection> {
    let unusable = |error| Error::Store(format!("no memory for the members: {error}"));
    let mut conn = Connection::open_in_memory().map_err(unusable)?;
    migrate(&mut conn).map_err(|error| Error::Store(error.to_string()))?;
    Ok(conn)
}

fn make_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

type Attempt<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn set_up(conn: &mut Connection) -> Attempt<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    let mark: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if mark != APPLICATION_ID && tables > 0 {
        return Err("it is no list of Chinwag's members".into());
    }
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    migrate(conn)
}

fn migrate(conn: &mut Connection) -> Attempt<()> {
    let version = |conn: &Connection| -> rusqlite::Result<usize> {
        let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(usize::try_from(version).unwrap_or(usize::MAX))
    };
    if version(conn)? == MIGRATIONS.len() {
        return Ok(());
    }
    // Another process may be at it: what counts is what is read under the lock.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = version(&tx)?;
    if now > MIGRATIONS.len() {
        return Err(format!("its schema has version {now}: a newer Chinwag made it").into());
    }
    for migration in &MIGRATIONS[now..] {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    tx.commit()?;
    Ok(())
}
