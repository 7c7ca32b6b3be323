//! The full-text index: a database of its own that follows the log with a delay.
//!
//! A thread reads the messages of the log and indexes their words. Nothing waits for it, and
//! nothing is lost with it: an index that is missing, damaged or of another log is rebuilt. It
//! holds words, not texts; those are read from the log.
//!
//! For each room it stores the range of seqs that is indexed. Messages after that range are to be
//! indexed, and those before the first seq of the log to be removed.

use std::{collections::HashMap, fs, io::ErrorKind, sync::Arc, time::Duration};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use tokio::sync::watch;

use super::{
    change_feed::{ChangeFeed, Changes},
    database::{Durability, LogDatabase, may_pass},
    schema,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Messages indexed or removed in one transaction: enough to be efficient, few enough to be quick.
const CHUNK: i64 = 1000;

/// Bytes of text after which a chunk ends.
const CHUNK_BYTES: usize = 512 * 1024;

/// How long the indexer waits on a full disk before it tries again.
const FULL_PAUSE: Duration = Duration::from_secs(10);

/// The version of the index. An index of another version is rebuilt.
const VERSION: i64 = 1;

// The rowid of a message is the time it was stored, which is unique; sorting by rowid sorts by
// time. Room and sender are indexed as words, so that one query covers all conditions.
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
        tokenize = 'unicode61 remove_diacritics 2'
    );
";

/// The index, as its thread uses it.
pub(super) struct Indexer {
    conn: Connection,
    database: Arc<LogDatabase>,
    log: Connection,
    log_database: Arc<LogDatabase>,
    feed: Arc<ChangeFeed>,
    /// The generation of the feed that the index has reached.
    reached: watch::Sender<u64>,
    /// The room of an unfinished removal, and the time up to which it is done: without it, each
    /// step would skip all rows that were removed before.
    removed: Option<(i64, i64)>,
}

/// The range of seqs of a room, in the log or in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexedRange {
    first: i64,
    last: i64,
}

/// The next task for a room.
enum IndexTask {
    Nothing,
    /// Remove messages stored before this time. The room then begins with this seq.
    Remove {
        before: i64,
        first: i64,
    },
    /// Index these messages.
    Enter(Vec<IndexEntry>),
}

struct IndexEntry {
    key: i64,
    sender: i64,
    created_at: i64,
    text: String,
}

impl Indexer {
    /// Opens the index of a log, or rebuilds it. Adds the rooms that are not up to date.
    pub(super) fn open(
        database: Arc<LogDatabase>,
        log_database: Arc<LogDatabase>,
        feed: Arc<ChangeFeed>,
        reached: watch::Sender<u64>,
    ) -> Result<Self> {
        let log = log_database.reader()?;
        let (conn, behind) = match resume(&database, &log) {
            Ok(Some(opened)) => opened,
            unusable => {
                if let Err(error) = unusable {
                    tracing::warn!(%error, "the search index is rebuilt");
                }
                let conn = create(&database, schema::epoch(&log)?)?;
                let behind = behind(&conn, &log)?.unwrap_or_default();
                (conn, behind)
            }
        };
        feed.add(behind);
        Ok(Self { conn, database, log, log_database, feed, reached, removed: None })
    }

    /// Indexes changes until the feed is closed.
    pub(super) fn run(mut self) {
        while let Some(Changes { rooms, generation }) = self.feed.take() {
            for room in rooms {
                if !self.follow(room) {
                    return;
                }
            }
            self.reached.send_replace(generation);
        }
    }

    /// Brings one room up to date. Returns false once the feed is closed or the index failed.
    fn follow(&mut self, room: i64) -> bool {
        loop {
            match self.advance(room) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(error) if may_pass(&error) => {
                    tracing::warn!(%error, "the search index does not grow");
                    if !self.feed.pause(FULL_PAUSE) {
                        return false;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "no search until a restart: the index failed");
                    if is_damage(&error)
                        && let Err(error) = discard(&self.database)
                    {
                        tracing::error!(%error, "the damaged search index cannot be removed");
                    }
                    return false;
                }
            }
            if !self.feed.give_way() {
                return false;
            }
        }
    }

    /// Runs the next task of a room. Returns whether there may be more.
    fn advance(&mut self, room: i64) -> rusqlite::Result<bool> {
        let reached =
            indexed_range(&self.conn, room)?.unwrap_or(IndexedRange { first: 1, last: 0 });
        let work = self.plan(room, reached)?;
        let _gate = self.database.writing();
        let tx = self.conn.transaction()?;
        let reached = match work {
            IndexTask::Nothing => return Ok(false),
            IndexTask::Remove { before, first } => {
                let after = self.removed.filter(|&(of, _)| of == room).map_or(0, |(_, at)| at);
                let more = remove(&tx, room, after, before)?;
                self.removed = more.map(|at| (room, at));
                IndexedRange {
                    first: if more.is_some() { reached.first } else { first },
                    ..reached
                }
            }
            IndexTask::Enter(entries) => {
                IndexedRange { last: enter(&tx, room, &entries)?, ..reached }
            }
        };
        tx.prepare_cached("INSERT OR REPLACE INTO rooms (id, first, last) VALUES (?1, ?2, ?3)")?
            .execute(params![room, reached.first, reached.last])?;
        tx.commit()?;
        Ok(true)
    }

    fn plan(&self, room: i64, reached: IndexedRange) -> rusqlite::Result<IndexTask> {
        let _gate = self.log_database.reading();
        let Some(in_log) = indexed_range(&self.log, room)? else { return Ok(IndexTask::Nothing) };
        let end = schema::key(room, schema::MAX_SEQ);
        if reached.first < in_log.first {
            let before = self
                .log
                .prepare_cached(
                    "SELECT created_at FROM messages WHERE key >= ?1 AND key <= ?2 \
                     ORDER BY key LIMIT 1",
                )?
                .query_row([schema::key(room, in_log.first), end], |row| row.get(0))
                .optional()?
                .unwrap_or(i64::MAX);
            return Ok(IndexTask::Remove { before, first: in_log.first });
        }
        // Messages that were removed before they were indexed are skipped.
        let after = reached.last.max(in_log.first - 1);
        if after >= in_log.last {
            return Ok(IndexTask::Nothing);
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut read = self.log.prepare_cached(
            "SELECT key, sender, created_at, text FROM messages WHERE key > ?1 AND key <= ?2 \
             ORDER BY key LIMIT ?3",
        )?;
        let mut rows = read.query([schema::key(room, after), end, CHUNK])?;
        while bytes < CHUNK_BYTES
            && let Some(row) = rows.next()?
        {
            let entry = IndexEntry {
                key: row.get(0)?,
                sender: row.get(1)?,
                created_at: row.get(2)?,
                text: row.get(3)?,
            };
            bytes += entry.text.len();
            entries.push(entry);
        }
        Ok(IndexTask::Enter(entries))
    }
}

/// Indexes messages of a room. Returns the seq of the last one.
fn enter(tx: &Transaction<'_>, room: i64, entries: &[IndexEntry]) -> rusqlite::Result<i64> {
    let mut add = tx.prepare_cached(
        "INSERT INTO words (rowid, room, sender, text, key) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let room = room.to_string();
    for IndexEntry { key, sender, created_at, text } in entries {
        add.execute(params![created_at, room, sender.to_string(), text, key])?;
    }
    Ok(entries.last().map_or(0, |entry| schema::seq(entry.key)))
}

/// Removes up to [`CHUNK`] messages of a room that were stored between two times. Returns the time
/// of the last of them if there may be more.
fn remove(
    tx: &Transaction<'_>,
    room: i64,
    after: i64,
    before: i64,
) -> rusqlite::Result<Option<i64>> {
    let found: Vec<i64> = tx
        .prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid > ?2 AND rowid < ?3 \
             ORDER BY rowid LIMIT ?4",
        )?
        .query_map(params![format!("room : \"{room}\""), after, before, CHUNK], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut remove = tx.prepare_cached("DELETE FROM words WHERE rowid = ?1")?;
    for at in &found {
        remove.execute([at])?;
    }
    Ok(found.last().copied().filter(|_| found.len() as i64 == CHUNK))
}

/// Returns the range of a room. Both databases have it in a table of the same form.
fn indexed_range(conn: &Connection, room: i64) -> rusqlite::Result<Option<IndexedRange>> {
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
fn discard(database: &LogDatabase) -> std::io::Result<()> {
    database.files().try_for_each(|file| match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Returns true if the index is damaged, and not the machine at fault.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation)
    )
}
