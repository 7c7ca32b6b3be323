//! Reads the log, concurrently with the writer.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    budget::{MAX_TIME, Queries},
    clock::log_time,
    database::LogDatabase,
    schema,
};
use crate::{
    error::{Gone, RequestError, Result, SystemError},
    model::{Invalid, Message, MessageId, Name, Position, RoomName, Text},
    storage::{Edge, Extent, MAX_SLICE_BYTES, RoomSelection, Slice},
};

/// Rooms, and senders, whose names a reader caches.
const MAX_REMEMBERED: usize = 65_536;

pub(super) struct Reader {
    database: Arc<LogDatabase>,
    conn: Connection,
    epoch: u64,
    names: NameCache,
}

/// Names that were looked up before.
#[derive(Default)]
struct NameCache {
    rooms: HashMap<i64, RoomName>,
    senders: HashMap<i64, Name>,
}

struct RoomRow {
    id: i64,
    name: String,
    first: i64,
    last: i64,
    last_at: i64,
    removed: bool,
}

impl Queries for Reader {
    fn too_long() -> RequestError {
        let what = format!("reading this takes more than {MAX_TIME:?}: ask for a smaller page");
        RequestError::LimitReached { what, retry_after: None }
    }

    fn connections(
        &mut self,
        mut each: impl FnMut(&mut Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        each(&mut self.conn)
    }
}

impl Reader {
    /// Opens a connection to the log.
    pub(super) fn new(database: Arc<LogDatabase>, epoch: u64) -> Result<Self> {
        let conn = database.reader().map_err(unreadable)?;
        Ok(Self { database, conn, epoch, names: NameCache::default() })
    }

    /// See [`MessageLog::extents`](crate::storage::MessageLog::extents).
    pub(super) fn extents(&mut self, rooms: &RoomSelection) -> Result<HashMap<RoomName, Extent>> {
        let _gate = self.database.reading();
        match rooms {
            RoomSelection::One(name) => {
                self.room(name)?.into_iter().map(|row| Ok((name.clone(), row.extent()?))).collect()
            }
            RoomSelection::These(names) => {
                let mut extents = HashMap::new();
                for name in names {
                    if let Some(row) = self.room(name)? {
                        extents.insert(name.clone(), row.extent()?);
                    }
                }
                Ok(extents)
            }
            RoomSelection::After { after, limit } => {
                let mut page = self
                    .conn
                    .prepare_cached(
                        "SELECT id, name, first, last, last_at, removed FROM rooms \
                         WHERE name > ?1 AND removed = 0 ORDER BY name LIMIT ?2",
                    )
                    .map_err(unreadable)?;
                let after = after.as_ref().map_or("", RoomName::as_str);
                let rows = page
                    .query_and_then(params![after, clamp(*limit)], RoomRow::read)
                    .map_err(unreadable)?;
                rows.map(|row| {
                    let row = row.map_err(unreadable)?;
                    Ok((RoomName::parse(&row.name).map_err(unreadable)?, row.extent()?))
                })
                .collect()
            }
        }
    }

    /// See [`MessageLog::read`](crate::storage::MessageLog::read).
    pub(super) fn read(&mut self, room: &RoomName, slice: Slice) -> Result<Vec<Message>> {
        let database = self.database.clone();
        let _gate = database.reading();
        let Some(row) = self.room(room)? else { return Ok(Vec::new()) };
        let (sql, from, to) = match slice.from {
            Edge::After(seq) if seq > 0 && seq.saturating_add(1) < row.first.cast_unsigned() => {
                return Err(RequestError::PositionGone(Gone::Truncated));
            }
            Edge::After(seq) => (
                "SELECT key, sender, id, created_at, text FROM messages \
                 WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3",
                clamp_seq(seq),
                schema::MAX_SEQ,
            ),
            Edge::Before(seq) => (
                "SELECT key, sender, id, created_at, text FROM messages \
                 WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3",
                0,
                clamp_seq(seq),
            ),
        };
        let range = params![schema::key(row.id, from), schema::key(row.id, to), clamp(slice.limit)];
        let mut statement = self.conn.prepare_cached(sql).map_err(unreadable)?;
        let mut rows = statement.query(range).map_err(unreadable)?;
        let mut messages = Vec::new();
        let mut bytes = 0;
        while bytes < MAX_SLICE_BYTES
            && let Some(row) = rows.next().map_err(unreadable)?
        {
            let message = message(&self.conn, &mut self.names, self.epoch, room, row)?;
            bytes += message.text.as_str().len();
            messages.push(message);
        }
        if matches!(slice.from, Edge::Before(_)) {
            messages.reverse();
        }
        Ok(messages)
    }

    /// See [`MessageLog::seq_before`](crate::storage::MessageLog::seq_before).
    pub(super) fn seq_before(&mut self, room: &RoomName, at: Timestamp) -> Result<u64> {
        let _gate = self.database.reading();
        let Some(row) = self.room(room)? else { return Ok(0) };
        let seq = seq_before(&self.conn, row.id, row.first, row.last, at.as_microsecond());
        seq.map(i64::cast_unsigned).map_err(unreadable)
    }

    /// Returns the time of the log that stands for a time: see [`clock`](super::clock).
    pub(super) fn log_time(&self, at: Timestamp) -> Result<i64> {
        let _gate = self.database.reading();
        log_time(&self.conn, at.as_microsecond()).map_err(unreadable)
    }

    /// Calls `each` with the text of the message with this key, unless the message was removed.
    pub(super) fn text<T>(&self, key: i64, each: impl FnOnce(&str) -> T) -> Result<Option<T>> {
        let _gate = self.database.reading();
        let mut find = self
            .conn
            .prepare_cached("SELECT text FROM messages WHERE key = ?1")
            .map_err(unreadable)?;
        let mut rows = find.query([key]).map_err(unreadable)?;
        let Some(row) = rows.next().map_err(unreadable)? else { return Ok(None) };
        let text = row.get_ref(0).map_err(unreadable)?.as_str().map_err(unreadable)?;
        Ok(Some(each(text)))
    }

    /// Returns the message with this key, unless it was removed.
    pub(super) fn message(&mut self, key: i64) -> Result<Option<Message>> {
        let Self { database, conn, epoch, names } = self;
        let _gate = database.reading();
        let mut find = conn
            .prepare_cached("SELECT key, sender, id, created_at, text FROM messages WHERE key = ?1")
            .map_err(unreadable)?;
        let mut rows = find.query([key]).map_err(unreadable)?;
        let Some(row) = rows.next().map_err(unreadable)? else { return Ok(None) };
        let room = names.room(conn, schema::room(key))?;
        message(conn, names, *epoch, &room, row).map(Some)
    }

    pub(super) fn room_id(&self, name: &RoomName) -> Result<Option<i64>> {
        let _gate = self.database.reading();
        Ok(self.room(name)?.map(|row| row.id))
    }

    pub(super) fn sender_id(&self, name: &Name) -> Result<Option<i64>> {
        let _gate = self.database.reading();
        let find = || {
            self.conn
                .prepare_cached("SELECT id FROM senders WHERE name = ?1")?
                .query_row([name.as_str()], |row| row.get(0))
                .optional()
        };
        find().map_err(unreadable)
    }

    fn room(&self, name: &RoomName) -> Result<Option<RoomRow>> {
        let find = || {
            self.conn
                .prepare_cached(
                    "SELECT id, name, first, last, last_at, removed FROM rooms WHERE name = ?1",
                )?
                .query_row([name.as_str()], RoomRow::read)
                .optional()
        };
        find().map_err(unreadable)
    }
}

impl RoomRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            first: row.get(2)?,
            last: row.get(3)?,
            last_at: row.get(4)?,
            removed: row.get(5)?,
        })
    }

    fn extent(&self) -> Result<Extent> {
        Ok(Extent {
            first: self.first.cast_unsigned(),
            last: self.last.cast_unsigned(),
            last_at: Timestamp::from_microsecond(self.last_at).map_err(unreadable)?,
            removed: self.removed,
        })
    }
}

/// Returns the last seq of a room, up to `last`, whose message was stored before `at`, or `first` - 1
/// if there is none. A binary search: times never decrease within a room.
pub(super) fn seq_before(
    conn: &Connection,
    room: i64,
    first: i64,
    last: i64,
    at: i64,
) -> rusqlite::Result<i64> {
    let at = log_time(conn, at)?;
    let mut created_at = conn.prepare_cached("SELECT created_at FROM messages WHERE key = ?1")?;
    // Invariant: all up to `low` are older, none after `high` is.
    let (mut low, mut high) = (first - 1, last);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        let time: i64 = created_at.query_row([schema::key(room, middle)], |row| row.get(0))?;
        if time < at {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

fn message(
    conn: &Connection,
    names: &mut NameCache,
    epoch: u64,
    room: &RoomName,
    row: &Row<'_>,
) -> Result<Message> {
    let seq = schema::seq(row.get(0).map_err(unreadable)?).cast_unsigned();
    let text = row.get_ref(4).map_err(unreadable)?.as_str().map_err(unreadable)?;
    Ok(Message {
        id: MessageId::from_bytes(row.get(2).map_err(unreadable)?),
        room: room.clone(),
        position: Position { epoch, seq },
        prev_seq: seq - 1,
        sender: names.sender(conn, row.get(1).map_err(unreadable)?)?,
        created_at: Timestamp::from_microsecond(row.get(3).map_err(unreadable)?)
            .map_err(unreadable)?,
        text: Text::parse(text).map_err(unreadable)?,
    })
}

impl NameCache {
    fn room(&mut self, conn: &Connection, id: i64) -> Result<RoomName> {
        name_of(&mut self.rooms, conn, "SELECT name FROM rooms WHERE id = ?1", id)
    }

    fn sender(&mut self, conn: &Connection, id: i64) -> Result<Name> {
        name_of(&mut self.senders, conn, "SELECT name FROM senders WHERE id = ?1", id)
    }
}

fn name_of<N>(known: &mut HashMap<i64, N>, conn: &Connection, sql: &str, id: i64) -> Result<N>
where
    N: FromStr<Err = Invalid> + Clone,
{
    if let Some(name) = known.get(&id) {
        return Ok(name.clone());
    }
    let name: String = conn
        .prepare_cached(sql)
        .and_then(|mut find| find.query_row([id], |row| row.get(0)))
        .map_err(unreadable)?;
    let name: N = name.parse().map_err(unreadable)?;
    if known.len() >= MAX_REMEMBERED {
        known.clear();
    }
    known.insert(id, name.clone());
    Ok(name)
}

/// The error of a log that is damaged or cannot be read.
fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RequestError {
    SystemError::because("the log cannot be read", cause).into()
}

/// Converts a number for SQLite.
pub(super) fn clamp(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Converts a seq to one that fits into a key.
fn clamp_seq(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX).min(schema::MAX_SEQ)
}
