//! The connection that writes to the log.

use std::sync::Arc;

use rusqlite::{Connection, Result, TransactionBehavior};

use super::{
    batch::{Batch, CommittedBatch, IdCache},
    clock,
    database::{Durability, LogDatabase},
    schema,
    trim::{Trim, TrimStep},
};
use crate::model::Draft;

/// Pages of the write-ahead log that a checkpoint moves at once. Posts wait for it.
const CHECKPOINT_PAGES: i64 = 1000;

/// Pages of the write-ahead log after which the writer waits for readers, so that the log restarts.
const MAX_WAL_PAGES: i64 = 16_000;

/// The connection that writes, with its cache of ids.
pub(super) struct WriteConnection {
    database: Arc<LogDatabase>,
    conn: Connection,
    pub(super) epoch: u64,
    known: IdCache,
    /// The time of the latest message, in microseconds.
    pub(super) last_at: i64,
    /// The latest mark in the table `late` that this connection has made.
    marked_at: Option<i64>,
    page_bytes: i64,
}

impl WriteConnection {
    /// Opens the connection, and brings the schema up to date first.
    pub(super) fn open(database: Arc<LogDatabase>) -> Result<Self> {
        let mut conn = database.writer(Durability::Full)?;
        schema::migrate(&mut conn)?;
        let epoch = schema::epoch(&conn)?;
        let last_at =
            conn.query_row("SELECT coalesce(max(last_at), 0) FROM rooms", [], |row| row.get(0))?;
        let page_bytes = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let (known, marked_at) = (IdCache::default(), None);
        Ok(Self { database, conn, epoch, known, last_at, marked_at, page_bytes })
    }

    /// Stores a batch durably at the time `now`. After an error none of it is stored.
    pub(super) fn store(&mut self, drafts: Vec<Draft>, now: i64) -> Result<CommittedBatch> {
        self.known.forget_if_many();
        let stored = self.try_store(drafts, now);
        if stored.is_err() {
            // Ids of a transaction that was rolled back may be wrong.
            self.known = IdCache::default();
        }
        stored
    }

    fn try_store(&mut self, drafts: Vec<Draft>, now: i64) -> Result<CommittedBatch> {
        let _gate = self.database.writing();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::begin(&tx, &mut self.known, self.epoch, self.last_at, now)?;
        for draft in drafts {
            batch.add(draft)?;
        }
        let (stored, last_at) = batch.end()?;
        let is_ahead = self.last_at - now > clock::TOLERANCE;
        let mark = is_ahead.then(|| {
            let covers = |at: &i64| (*at..at + clock::TOLERANCE).contains(&now);
            self.marked_at.filter(covers).unwrap_or(now)
        });
        if let Some(at) = mark {
            tx.prepare_cached("INSERT OR REPLACE INTO late (stored_at, last) VALUES (?1, ?2)")?
                .execute([at, last_at])?;
        }
        tx.commit()?;
        self.last_at = last_at;
        self.marked_at = mark.or(self.marked_at);
        Ok(stored)
    }

    /// Returns the time that the retention has reached, if it was stored.
    pub(super) fn retained_at(&self) -> Result<Option<i64>> {
        self.conn.query_row("SELECT retained_at FROM store", [], |row| row.get(0))
    }

    /// Stores the time that the retention has reached.
    pub(super) fn set_retained_at(&mut self, at: i64) -> Result<()> {
        let _gate = self.database.writing();
        self.conn.execute("UPDATE store SET retained_at = ?1", [at]).map(drop)
    }

    pub(super) fn trim(&mut self, trim: &mut Trim) -> Result<TrimStep> {
        let _gate = self.database.writing();
        trim.step(&mut self.conn)
    }

    /// Returns the bytes that the database uses, without pages that are free.
    pub(super) fn used_bytes(&self) -> Result<u64> {
        let read = |pragma| -> Result<i64> {
            self.conn.prepare_cached(pragma)?.query_row([], |row| row.get(0))
        };
        let pages = read("PRAGMA page_count")? - read("PRAGMA freelist_count")?;
        Ok((pages * self.page_bytes).cast_unsigned())
    }

    /// Moves the write-ahead log into the database, if it is long enough to be worth the fsyncs.
    ///
    /// SQLite's automatic checkpoints run within a commit, and fail silently.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let (pages, moved) = self.wal()?;
        let mode = match pages {
            MAX_WAL_PAGES.. => "RESTART",
            _ if pages - moved >= CHECKPOINT_PAGES => "PASSIVE",
            _ => return Ok(()),
        };
        self.conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
    }

    /// Returns the pages of the write-ahead log, and how many of them were moved.
    pub(super) fn wal(&self) -> Result<(i64, i64)> {
        self.conn
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
            .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
    }
}

#[cfg(test)]
impl WriteConnection {
    /// Limits the size of the database, as a full disk would.
    pub(super) fn limit_pages(&self, pages: u32) {
        self.conn.pragma_update(None, "max_page_count", pages).unwrap();
    }

    /// Makes all writes fail.
    pub(super) fn break_off(&self) {
        self.conn.pragma_update(None, "query_only", true).unwrap();
    }

    /// Undoes [`break_off`](Self::break_off).
    pub(super) fn repair(&self) {
        self.conn.pragma_update(None, "query_only", false).unwrap();
    }
}
