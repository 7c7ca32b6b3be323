//! Keeps the full-text index up to date: it follows the log with a delay.
//!
//! A thread reads the messages of the log and indexes their [words](crate::text::words). Nothing
//! waits for it, and nothing is lost with it: see [`index_database`].
//!
//! For each room the index has the range of seqs that is indexed. Messages after that range are to be
//! indexed, and those before the first seq of the log to be removed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tokio::sync::watch;

use super::{
    change_feed::{ChangeFeed, Changes},
    database::{LogDatabase, may_pass},
    index_database::{self, IndexedRange, discard, indexed_range, is_damage, set_range},
    schema,
};
use crate::text::words::for_each_word;

/// Messages indexed in one transaction: enough to be efficient, few enough to be quick.
const BATCH: usize = 10_000;

/// Bytes of text after which a batch ends.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Messages removed in one transaction.
const REMOVED_AT_ONCE: i64 = 1000;

/// How long the indexer waits on a full disk before it tries again.
const FULL_PAUSE: Duration = Duration::from_secs(10);

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

/// What one transaction adds to the index.
#[derive(Default)]
struct IndexBatch {
    entries: Vec<IndexEntry>,
    bytes: usize,
    /// The rooms of the entries, and what is indexed of them then.
    rooms: Vec<(i64, IndexedRange)>,
}

struct IndexEntry {
    key: i64,
    sender: i64,
    created_at: i64,
    text: String,
}

impl Indexer {
    /// Opens the index of a log, or begins to rebuild it. Adds the rooms that are not up to date.
    pub(super) fn open(
        database: Arc<LogDatabase>,
        log_database: Arc<LogDatabase>,
        feed: Arc<ChangeFeed>,
        reached: watch::Sender<u64>,
    ) -> index_database::Result<Self> {
        let log = log_database.reader()?;
        let (conn, behind) = index_database::open(&database, &log)?;
        feed.add(behind);
        Ok(Self { conn, database, log, log_database, feed, reached, removed: None })
    }

    /// Indexes changes until the feed is closed.
    pub(super) fn run(mut self) {
        while let Some(Changes { rooms, generation }) = self.feed.take() {
            let mut rooms = VecDeque::from_iter(rooms);
            while !rooms.is_empty() {
                if !self.step(&mut rooms) || !self.feed.give_way() {
                    return;
                }
            }
            self.reached.send_replace(generation);
        }
    }

    /// Runs the next transaction for these rooms, and removes those that are up to date. Returns false
    /// if the index failed or the feed is closed.
    fn step(&mut self, rooms: &mut VecDeque<i64>) -> bool {
        match self.advance(rooms) {
            Ok(done) => {
                rooms.drain(..done);
                true
            }
            Err(error) if may_pass(&error) => {
                tracing::warn!(%error, "the search index does not grow");
                self.feed.pause(FULL_PAUSE)
            }
            Err(error) => {
                tracing::error!(%error, "no search until a restart: the index failed");
                if is_damage(&error)
                    && let Err(error) = discard(&self.database)
                {
                    tracing::error!(%error, "the damaged search index cannot be removed");
                }
                false
            }
        }
    }

    /// Adds or removes messages of the first of these rooms, in one transaction. Returns how many rooms
    /// are up to date then.
    fn advance(&mut self, rooms: &VecDeque<i64>) -> rusqlite::Result<usize> {
        let mut batch = IndexBatch::default();
        let mut done = 0;
        for &room in rooms {
            let reached =
                indexed_range(&self.conn, room)?.unwrap_or(IndexedRange { first: 1, last: 0 });
            let gate = self.log_database.reading();
            let in_log = indexed_range(&self.log, room)?.unwrap_or(reached);
            if reached.first < in_log.first {
                if done == 0 {
                    drop(gate);
                    self.remove(room, reached, in_log.first)?;
                }
                break;
            }
            if !read(&self.log, room, reached, in_log, &mut batch)? {
                break;
            }
            done += 1;
        }
        self.enter(&batch)?;
        Ok(done)
    }

    /// Indexes a batch.
    fn enter(&mut self, batch: &IndexBatch) -> rusqlite::Result<()> {
        if batch.rooms.is_empty() {
            return Ok(());
        }
        let _gate = self.database.writing();
        let tx = self.conn.transaction()?;
        let mut add = tx.prepare_cached(
            "INSERT INTO words (rowid, room, sender, text, key) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut words = String::new();
        for IndexEntry { key, sender, created_at, text } in &batch.entries {
            words.clear();
            for_each_word(text, |word| {
                words.push_str(word.folded);
                words.push(' ');
            });
            let room = schema::room(*key).to_string();
            add.execute(params![created_at, room, sender.to_string(), words, key])?;
        }
        drop(add);
        for &(room, reached) in &batch.rooms {
            set_range(&tx, room, reached)?;
        }
        tx.commit()
    }

    /// Removes messages of a room that the log no longer has: all before the seq `first`.
    fn remove(&mut self, room: i64, reached: IndexedRange, first: i64) -> rusqlite::Result<()> {
        let before = {
            let _gate = self.log_database.reading();
            self.log
                .prepare_cached(
                    "SELECT created_at FROM messages WHERE key >= ?1 AND key <= ?2 \
                     ORDER BY key LIMIT 1",
                )?
                .query_row([schema::key(room, first), schema::key(room, schema::MAX_SEQ)], |row| {
                    row.get(0)
                })
                .optional()?
                .unwrap_or(i64::MAX)
        };
        let _gate = self.database.writing();
        let tx = self.conn.transaction()?;
        let after = self.removed.filter(|&(of, _)| of == room).map_or(0, |(_, at)| at);
        let more = remove(&tx, room, after, before)?;
        let first = if more.is_some() { reached.first } else { first };
        set_range(&tx, room, IndexedRange { first, ..reached })?;
        tx.commit()?;
        self.removed = more.map(|at| (room, at));
        Ok(())
    }
}

/// Reads messages of a room that are not indexed yet into a batch. Returns false if it is full.
fn read(
    log: &Connection,
    room: i64,
    reached: IndexedRange,
    in_log: IndexedRange,
    batch: &mut IndexBatch,
) -> rusqlite::Result<bool> {
    // Messages that were removed before they were indexed are skipped.
    let after = reached.last.max(in_log.first - 1);
    if after >= in_log.last {
        return Ok(true);
    }
    let mut last = after;
    let mut read = log.prepare_cached(
        "SELECT key, sender, created_at, text FROM messages WHERE key > ?1 AND key <= ?2 \
         ORDER BY key",
    )?;
    let mut rows = read.query([schema::key(room, after), schema::key(room, in_log.last)])?;
    while batch.entries.len() < BATCH && batch.bytes < BATCH_BYTES {
        let Some(row) = rows.next()? else {
            batch.rooms.push((room, IndexedRange { last: in_log.last, ..reached }));
            return Ok(true);
        };
        let entry = IndexEntry {
            key: row.get(0)?,
            sender: row.get(1)?,
            created_at: row.get(2)?,
            text: row.get(3)?,
        };
        last = schema::seq(entry.key);
        batch.bytes += entry.text.len();
        batch.entries.push(entry);
    }
    if last > after {
        batch.rooms.push((room, IndexedRange { last, ..reached }));
    }
    Ok(false)
}

/// Removes up to [`REMOVED_AT_ONCE`] messages of a room that were stored between two times. Returns the time
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
        .query_map(params![format!("room : \"{room}\""), after, before, REMOVED_AT_ONCE], |row| {
            row.get(0)
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut remove = tx.prepare_cached("DELETE FROM words WHERE rowid = ?1")?;
    for at in &found {
        remove.execute([at])?;
    }
    Ok(found.last().copied().filter(|_| found.len() as i64 == REMOVED_AT_ONCE))
}
