//! Assigns positions to the drafts of one transaction, one after the other.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use super::schema;
use crate::{
    error::{RequestError, Result},
    model::{Draft, Message, MessageId, Name, Position, Posted, RoomName, Text},
};

/// Rooms, and senders, that are cached between batches.
const MAX_REMEMBERED: usize = 65_536;

#[derive(Default)]
pub(super) struct CommittedBatch {
    /// One for each draft, in order.
    pub(super) outcomes: Vec<Result<Posted>>,
    pub(super) parts: Vec<RoomMessages>,
}

pub(super) struct RoomMessages {
    pub(super) room: i64,
    pub(super) name: RoomName,
    /// In the order of the log; never empty.
    pub(super) messages: Vec<Message>,
}

/// A batch within its transaction.
pub(super) struct Batch<'a> {
    tx: &'a Transaction<'a>,
    find_post: CachedStatement<'a>,
    add_post: CachedStatement<'a>,
    add_message: CachedStatement<'a>,
    known: &'a mut IdCache,
    epoch: u64,
    now: i64,
    last_at: i64,
    stored: CommittedBatch,
    /// The index in `stored.parts` of each room.
    parts: HashMap<i64, usize>,
}

/// The message that was stored under an id.
struct FirstPost {
    key: i64,
    created_at: i64,
    digest: i64,
}

impl<'a> Batch<'a> {
    /// Begins an empty batch at the time `now`. The latest message of the log was stored at `last_at`.
    pub(super) fn begin(
        tx: &'a Transaction<'a>,
        known: &'a mut IdCache,
        epoch: u64,
        last_at: i64,
        now: i64,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            find_post: tx.prepare_cached(
                "SELECT key, created_at, digest FROM posts WHERE id = ?1 AND sender = ?2",
            )?,
            add_post: tx.prepare_cached(
                "INSERT INTO posts (id, sender, key, created_at, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            add_message: tx.prepare_cached(
                "INSERT INTO messages (key, sender, id, created_at, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            tx,
            known,
            epoch,
            now,
            last_at,
            stored: CommittedBatch::default(),
            parts: HashMap::new(),
        })
    }

    /// Stores a draft or records why not. An error is a failure of the store.
    pub(super) fn add(&mut self, draft: Draft) -> rusqlite::Result<()> {
        let sender = self.sender(&draft.sender)?;
        let digest = digest(&draft.text);
        let outcome = match self.first(draft.id, sender)? {
            Some(first) => self.again(first, draft, digest)?,
            None => match self.head(&draft.room)? {
                Some(head) if head.last < schema::MAX_SEQ => {
                    Ok(self.append(draft, head, sender, digest)?)
                }
                _ => Err(RequestError::LimitReached {
                    what: format!("the log has no place left for the room {}", draft.room),
                    retry_after: None,
                }),
            },
        };
        self.stored.outcomes.push(outcome);
        Ok(())
    }

    /// Stores a new message.
    fn append(
        &mut self,
        draft: Draft,
        head: RoomHead,
        sender: i64,
        digest: i64,
    ) -> rusqlite::Result<Posted> {
        let Draft { id, room, sender: sender_name, text } = draft;
        // Strictly increasing over the whole log, whatever the clock does: the index relies on it.
        let at = self.now.max(self.last_at + 1);
        let created_at = timestamp(at)?;
        let seq = head.last + 1;
        let key = schema::key(head.room, seq);
        self.add_post.execute(params![id.as_bytes(), sender, key, at, digest])?;
        self.add_message.execute(params![key, sender, id.as_bytes(), at, text.as_str()])?;
        self.last_at = at;
        self.known.rooms.insert(room.clone(), RoomHead { last: seq, ..head });
        let position = Position { epoch: self.epoch, seq: seq.cast_unsigned() };
        let posted = Posted { id, room: room.clone(), position, created_at, duplicate: false };
        let prev_seq = head.last.cast_unsigned();
        let sender = sender_name;
        let message = Message { id, room, position, prev_seq, sender, created_at, text };
        self.part(head.room, &posted.room).push(message);
        Ok(posted)
    }

    fn part(&mut self, room: i64, name: &RoomName) -> &mut Vec<Message> {
        let parts = &mut self.stored.parts;
        let index = *self.parts.entry(room).or_insert_with(|| {
            parts.push(RoomMessages { room, name: name.clone(), messages: Vec::new() });
            parts.len() - 1
        });
        &mut parts[index].messages
    }

    fn first(&mut self, id: MessageId, sender: i64) -> rusqlite::Result<Option<FirstPost>> {
        let first = self.find_post.query_row(params![id.as_bytes(), sender], |row| {
            Ok(FirstPost { key: row.get(0)?, created_at: row.get(1)?, digest: row.get(2)? })
        });
        first.optional()
    }

    /// Answers a draft whose id is stored already.
    fn again(
        &mut self,
        first: FirstPost,
        draft: Draft,
        digest: i64,
    ) -> rusqlite::Result<Result<Posted>> {
        let room = self.known_head(&draft.room)?.map(|head| head.room);
        if room != Some(schema::room(first.key)) || digest != first.digest {
            return Ok(Err(RequestError::MessageIdReused(draft.id)));
        }
        let seq = schema::seq(first.key).cast_unsigned();
        Ok(Ok(Posted {
            id: draft.id,
            room: draft.room,
            position: Position { epoch: self.epoch, seq },
            created_at: timestamp(first.created_at)?,
            duplicate: true,
        }))
    }

    fn sender(&mut self, name: &Name) -> rusqlite::Result<i64> {
        if let Some(&id) = self.known.senders.get(name) {
            return Ok(id);
        }
        let id = self
            .tx
            .prepare_cached("SELECT id FROM senders WHERE name = ?1")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        let id = match id {
            Some(id) => id,
            None => self
                .tx
                .prepare_cached("INSERT INTO senders (name) VALUES (?1)")?
                .insert([name.as_str()])?,
        };
        self.known.senders.insert(name.clone(), id);
        Ok(id)
    }

    /// Returns the head of a room, which is created if new; `None` if there are too many rooms.
    fn head(&mut self, name: &RoomName) -> rusqlite::Result<Option<RoomHead>> {
        if let Some(head) = self.known_head(name)? {
            return Ok(Some(head));
        }
        let room = self
            .tx
            .prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM rooms")?
            .query_row([], |row| row.get(0))?;
        if room > schema::MAX_ROOM {
            return Ok(None);
        }
        self.tx
            .prepare_cached(
                "INSERT INTO rooms (id, name, first, last, last_at) VALUES (?1, ?2, 1, 0, 0)",
            )?
            .execute(params![room, name.as_str()])?;
        let head = RoomHead { room, last: 0 };
        self.known.rooms.insert(name.clone(), head);
        Ok(Some(head))
    }

    fn known_head(&mut self, name: &RoomName) -> rusqlite::Result<Option<RoomHead>> {
        if let Some(&head) = self.known.rooms.get(name) {
            return Ok(Some(head));
        }
        let head = self
            .tx
            .prepare_cached("SELECT id, last FROM rooms WHERE name = ?1")?
            .query_row([name.as_str()], |row| Ok(RoomHead { room: row.get(0)?, last: row.get(1)? }))
            .optional()?;
        if let Some(head) = head {
            self.known.rooms.insert(name.clone(), head);
        }
        Ok(head)
    }

    /// Writes the new heads of the rooms. Returns what is stored once the transaction is committed,
    /// and the time of the latest message.
    pub(super) fn end(self) -> rusqlite::Result<(CommittedBatch, i64)> {
        let mut extend = self.tx.prepare_cached(
            "UPDATE rooms SET last = ?2, last_at = ?3, removed = 0 WHERE id = ?1",
        )?;
        for part in &self.stored.parts {
            if let Some(last) = part.messages.last() {
                let seq = last.position.seq.cast_signed();
                extend.execute(params![part.room, seq, last.created_at.as_microsecond()])?;
            }
        }
        Ok((self.stored, self.last_at))
    }
}

/// Ids that were looked up before.
#[derive(Default)]
pub(super) struct IdCache {
    rooms: HashMap<RoomName, RoomHead>,
    senders: HashMap<Name, i64>,
}

/// The end of a room's log.
#[derive(Debug, Clone, Copy)]
struct RoomHead {
    room: i64,
    last: i64,
}

impl IdCache {
    /// Bounds the cache. Must not be called within a batch.
    pub(super) fn forget_if_many(&mut self) {
        if self.rooms.len() > MAX_REMEMBERED {
            self.rooms.clear();
        }
        if self.senders.len() > MAX_REMEMBERED {
            self.senders.clear();
        }
    }
}

/// A part of the hash of the text, which stands for the text once that is removed. A sender who
/// finds another text with the same part fools only himself.
fn digest(text: &Text) -> i64 {
    let hash = Sha256::digest(text.as_str());
    hash.iter().take(size_of::<i64>()).fold(0, |digest, &byte| digest << 8 | i64::from(byte))
}

fn timestamp(microseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
