//! The database of the full-text index, and when it is made anew.
//!
//! It holds words, not texts; those are read from the log. Nothing is lost with it: an index that is
//! missing, damaged, of another log or of another version is replaced by an empty one, which the
//! [indexer](super::indexer) fills. Searches find what is indexed so far.

use std::{collections::HashMap, fs, io::ErrorKind};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

use super::{
    database::{Durability, LogDatabase},
    schema,
};

pub(super) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The version of the index. An index of another version is rebuilt.
const VERSION: i64 = 2;

// The rowid of a message is the time it was stored, which is unique; sorting by rowid sorts by
// time. Room and sender are indexed as words, so that one query covers all conditions. Texts are
// already cut into words: all that is not ASCII belongs to one.
const SCHEMA: &str = "
    CREATE TABLE store (
        epoch INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE words USING fts5 (
        room, sender, text, key UNINDEXED,
        content = '', contentless_delete = 1, contentless_unindexed = 1,
        prefix = '2 3', tokenize = 'ascii'
    );
";

/// The range of seqs of a room, in the log or in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexedRange {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Opens the index of a log, or creates it. Returns the rooms that are not up to date, too.
pub(super) fn open(database: &LogDatabase, log: &Connection) -> Result<(Connection, Vec<i64>)> {
    match resume(database, log) {
        Ok(Some(opened)) => return Ok(opened),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the search index is rebuilt"),
    }
    let conn = create(database, schema::epoch(log)?)?;
    let behind = behind(&conn, log)?.unwrap_or_default();
    Ok((conn, behind))
}

/// Returns the range of a room. Both databases have it in a table of the same form.
pub(super) fn indexed_range(
    conn: &Connection,
    room: i64,
) -> rusqlite::Result<Option<IndexedRange>> {
    conn.prepare_cached("SELECT first, last FROM rooms WHERE id = ?1")?
        .query_row([room], |row| Ok(IndexedRange { first: row.get(0)?, last: row.get(1)? }))
        .optional()
}

/// Opens an existing index if it can be used, and returns the rooms that are not up to date.
fn resume(database: &LogDatabase, log: &Connection) -> Result<Option<(Connection, Vec<i64>)>> {
    if !database.exists() {
        return Ok(None);
    }
    let conn = database.writer(Durability::Relaxed)?;
    if schema::version(&conn)? != VERSION || schema::epoch(&conn)? != schema::epoch(log)? {
        return Ok(None);
    }
    Ok(behind(&conn, log)?.map(|rooms| (conn, rooms)))
}

/// Returns the rooms that are not fully indexed; `None` if the index has more than the log, as
/// after the log was restored from a copy.
fn behind(conn: &Connection, log: &Connection) -> rusqlite::Result<Option<Vec<i64>>> {
    let mut indexed = all(conn)?;
    let mut behind = Vec::new();
    for (room, in_log) in all(log)? {
        match indexed.remove(&room) {
            Some(reached) if reached.last > in_log.last || reached.first > in_log.first => {
                return Ok(None);
            }
            Some(reached) if reached == in_log => {}
            _ => behind.push(room),
        }
    }
    Ok(indexed.is_empty().then_some(behind))
}

fn all(conn: &Connection) -> rusqlite::Result<HashMap<i64, IndexedRange>> {
    conn.prepare("SELECT id, first, last FROM rooms")?
        .query_map([], |row| {
            Ok((row.get(0)?, IndexedRange { first: row.get(1)?, last: row.get(2)? }))
        })?
        .collect()
}

/// Creates an empty index, and replaces an existing one.
fn create(database: &LogDatabase, epoch: u64) -> Result<Connection> {
    discard(database)?;
    database.touch()?;
    let mut conn = database.writer(Durability::Relaxed)?;
    let tx = conn.transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.execute("INSERT INTO store (epoch) VALUES (?1)", [epoch.cast_signed()])?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(conn)
}

/// Removes the files of the index.
pub(super) fn discard(database: &LogDatabase) -> std::io::Result<()> {
    database.files().try_for_each(|file| match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Returns true if the index is damaged, and not the machine at fault.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation)
    )
}

/// Records the range of a room in the index.
pub(super) fn set_range(
    tx: &Transaction<'_>,
    room: i64,
    reached: IndexedRange,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO rooms (id, first, last) VALUES (?1, ?2, ?3)")?
        .execute(params![room, reached.first, reached.last])
        .map(drop)
}
