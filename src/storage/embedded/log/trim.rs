//! Removes old messages in small steps.
//!
//! The text of a message is removed; its id stays, so that a retry is still recognized. Each step
//! is a transaction of its own, small enough that posts hardly wait. The file does not shrink; free
//! pages are reused.
//!
//! A room without a message for a while is removed: it loses all messages and is not listed any more.
//! Its row stays, so that its sequence goes on with the next message, and no reader takes a new message
//! for an old one.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, TransactionBehavior, params};

use super::{reader::seq_before, schema};
use crate::storage::Retention;

/// Messages that one step removes at most.
const STEP: i64 = 1000;

const STEP_ROOMS: usize = 256;

/// A retention in progress.
pub(super) struct Trim {
    /// Messages stored before this time are removed, in microseconds.
    oldest: i64,
    /// Rooms are removed whose last message was stored before this time.
    idle: i64,
    /// How many messages a room keeps.
    count: i64,
    /// The id of the next room to look at.
    room: i64,
    /// How many messages have been removed.
    pub(super) removed: u64,
}

pub(super) enum TrimStep {
    /// Removed messages of this room, or none. There may be more to do.
    Removed(Option<i64>),
    Done,
}

struct RoomExtent {
    id: i64,
    first: i64,
    last: i64,
    last_at: i64,
    removed: bool,
}

impl Trim {
    /// Begins with the first room, at the time `now` in microseconds.
    pub(super) fn new(retention: Retention, now: i64) -> Self {
        let before = |age: Option<Duration>| {
            age.map_or(i64::MIN, |age| {
                now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
            })
        };
        let (oldest, idle) = (before(retention.age), before(retention.idle));
        let count = retention.count.map_or(i64::MAX, |count| count.try_into().unwrap_or(i64::MAX));
        Self { oldest, idle, count, room: 0, removed: 0 }
    }

    pub(super) fn step(&mut self, conn: &mut Connection) -> Result<TrimStep> {
        for _ in 0..STEP_ROOMS {
            let Some(room) = next_room(conn, self.room)? else { return Ok(TrimStep::Done) };
            let idle = !room.removed && room.last_at < self.idle;
            let keep = if idle { room.last + 1 } else { self.keep_from(conn, &room)? };
            if keep > room.first || idle {
                let first = keep.min(room.first + STEP);
                self.removed += remove(conn, &room, first, idle && first == keep)?;
                return Ok(TrimStep::Removed(Some(room.id)));
            }
            self.room = room.id + 1;
        }
        Ok(TrimStep::Removed(None))
    }

    fn keep_from(&self, conn: &Connection, room: &RoomExtent) -> Result<i64> {
        let by_count = room.last.saturating_sub(self.count) + 1;
        let by_age = seq_before(conn, room.id, room.first, room.last, self.oldest)? + 1;
        Ok(by_count.max(by_age))
    }
}

fn next_room(conn: &Connection, from: i64) -> Result<Option<RoomExtent>> {
    let query =
        "SELECT id, first, last, last_at, removed FROM rooms WHERE id >= ?1 ORDER BY id LIMIT 1";
    conn.prepare_cached(query)?
        .query_row([from], |row| {
            Ok(RoomExtent {
                id: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
                last_at: row.get(3)?,
                removed: row.get(4)?,
            })
        })
        .optional()
}

/// Removes the messages of a room before `first`, and the room itself if it is to be `removed`.
fn remove(conn: &mut Connection, room: &RoomExtent, first: i64, removed: bool) -> Result<u64> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let count = tx
        .prepare_cached("DELETE FROM messages WHERE key >= ?1 AND key < ?2")?
        .execute(params![schema::key(room.id, room.first), schema::key(room.id, first)])?;
    tx.prepare_cached("UPDATE rooms SET first = ?2, removed = removed OR ?3 WHERE id = ?1")?
        .execute(params![room.id, first, removed])?;
    tx.commit()?;
    Ok(count as u64)
}
