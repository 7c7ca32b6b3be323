//! The schema of the log's database.

use rusqlite::{Connection, Result, TransactionBehavior};

/// The bits of a message's key that hold its seq; the bits above hold the id of its room. This
/// keeps rooms contiguous in the table, and integer keys are the fastest in SQLite.
pub(super) const SEQ_BITS: u32 = 39;

/// The highest seq of a room.
pub(super) const MAX_SEQ: i64 = (1 << SEQ_BITS) - 1;

/// The highest id of a room: about 16 million.
pub(super) const MAX_ROOM: i64 = i64::MAX >> SEQ_BITS;

/// The application id of a Chinwag log, "chnw". `file` shows it.
pub(super) const APPLICATION_ID: i32 = 0x6368_6e77;

/// The version of the schema that this Chinwag reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The migrations from each version to the next. Never change one; only add.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE store (
        epoch INTEGER NOT NULL
    ) STRICT;
    -- first > last: everything was truncated.
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        last_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE senders (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    -- key: the room's id and the seq, see SEQ_BITS. Times are in microseconds since 1970.
    CREATE TABLE messages (
        key INTEGER PRIMARY KEY,
        sender INTEGER NOT NULL,
        id BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    -- What makes a retry recognizable, even after the message was truncated. Ids of version 7 grow
    -- with time: led by them, whatever is posted now goes to the same few pages.
    CREATE TABLE posts (
        id BLOB NOT NULL,
        sender INTEGER NOT NULL,
        key INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        digest INTEGER NOT NULL,
        PRIMARY KEY (id, sender)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- The time that the retention has reached.
    ALTER TABLE store ADD COLUMN retained_at INTEGER;
    -- For messages whose time is ahead of the clock: those up to the time `last` were stored within
    -- the minute after stored_at, or before.
    CREATE TABLE late (
        stored_at INTEGER PRIMARY KEY,
        last INTEGER NOT NULL
    ) STRICT;
",
    "
    -- Whether the room was removed because nobody posted to it: it has no messages and is not listed.
    ALTER TABLE rooms ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX rooms_listed ON rooms (name) WHERE removed = 0;
",
];

pub(super) fn key(room: i64, seq: i64) -> i64 {
    room << SEQ_BITS | seq
}

pub(super) fn seq(key: i64) -> i64 {
    key & MAX_SEQ
}

pub(super) fn room(key: i64) -> i64 {
    key >> SEQ_BITS
}

/// Migrates a database, which may be empty, to [`VERSION`] in one transaction.
pub(super) fn migrate(conn: &mut Connection) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version(&tx)?;
    for (migration, _) in MIGRATIONS.iter().zip(1..).filter(|&(_, leads_to)| leads_to > version) {
        tx.execute_batch(migration)?;
    }
    if version == 0 {
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        let epoch = rand::random_range(1..=u64::MAX);
        tx.execute("INSERT INTO store (epoch) VALUES (?1)", [epoch.cast_signed()])?;
    }
    if version < VERSION {
        tx.pragma_update(None, "user_version", VERSION)?;
    }
    tx.commit()
}

/// Returns the version of the schema; 0 for an empty database.
pub(super) fn version(conn: &Connection) -> Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn epoch(conn: &Connection) -> Result<u64> {
    conn.query_row("SELECT epoch FROM store", [], |row| row.get(0)).map(i64::cast_unsigned)
}

/// Reads a row of every table, which finds damage at its root.
pub(super) fn probe(conn: &Connection) -> Result<()> {
    epoch(conn)?;
    for table in ["rooms", "senders", "messages", "posts"] {
        let mut rows = conn.prepare(&format!("SELECT * FROM {table} LIMIT 1"))?;
        rows.query([])?.next()?;
    }
    Ok(())
}
