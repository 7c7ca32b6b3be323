//! The tables of the history, and changes to them.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior, params};

use super::{
    HistoryPermit, KeepFor,
    owner::{HistoryOwner, seconds},
};
use crate::{
    client::received::Verification,
    model::{DirectMessage, MessageId, Name},
    sqlite::Plan,
};

/// The most messages of a history, and of one conversation; beyond that the oldest are removed, those
/// of conversations without an answer first.
const MAX_MESSAGES: i64 = 200_000;
const MAX_PER_CONVERSATION: i64 = 20_000;

/// The most bytes of their texts together.
const MAX_BYTES: i64 = 128 * 1024 * 1024;

/// The most conversations.
const MAX_CONVERSATIONS: i64 = 1000;

/// How much a history may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct HistoryLimits {
    pub(super) messages: i64,
    pub(super) per_conversation: i64,
    pub(super) bytes: i64,
    pub(super) conversations: i64,
}

pub(super) const LIMITS: HistoryLimits = HistoryLimits {
    messages: MAX_MESSAGES,
    per_conversation: MAX_PER_CONVERSATION,
    bytes: MAX_BYTES,
    conversations: MAX_CONVERSATIONS,
};

/// A clock that went forward by more than this is not trusted at once, so that one that is wrong for
/// a moment removes nothing.
const LEAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long it must be so before messages expire by it, unless it goes forward as far once more: by
/// then a second start has seen it.
const TRUSTED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Reading stores the clock at least this often, far below [`LEAP`].
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The format of the file; its mark is "chnd".
pub(in crate::client) const PLAN: Plan = Plan {
    what: "history of direct messages of Chinwag's",
    mark: 0x6368_6e64,
    migrations: &["
        CREATE TABLE conversation (
            id INTEGER PRIMARY KEY,
            -- Where the hub was then; the contact book knows where else it is.
            hub TEXT NOT NULL,
            me TEXT NOT NULL,
            -- The key of the peer; NULL: none is known, and the name stands for the peer.
            key BLOB,
            -- The name that the peer used last.
            peer TEXT NOT NULL,
            -- Whether this side has sent anything.
            answered INTEGER NOT NULL DEFAULT 0,
            -- Seconds that messages are kept; 0: not at all; NULL: as long as there is room.
            keep_for INTEGER,
            -- Kept by triggers.
            messages INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE message (
            place INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation INTEGER NOT NULL REFERENCES conversation (id),
            outgoing INTEGER NOT NULL,
            id BLOB NOT NULL,
            text TEXT NOT NULL,
            -- Microseconds since 1970, as all times here.
            sent_at INTEGER,
            kept_at INTEGER NOT NULL,
            -- 0: unverified, 1: known, 2: verified.
            standing INTEGER NOT NULL,
            -- 1: delivered. 2: read. Later versions may have more.
            state INTEGER NOT NULL,
            UNIQUE (conversation, outgoing, id)
        ) STRICT;
        CREATE INDEX message_by_conversation ON message (conversation, place);
        CREATE INDEX message_unread ON message (conversation) WHERE outgoing = 0 AND state < 2;
        CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
            UPDATE conversation SET messages = messages + 1,
                bytes = bytes + length(CAST(NEW.text AS BLOB)) WHERE id = NEW.conversation;
        END;
        CREATE TRIGGER message_removed AFTER DELETE ON message BEGIN
            UPDATE conversation SET messages = messages - 1,
                bytes = bytes - length(CAST(OLD.text AS BLOB)) WHERE id = OLD.conversation;
        END;
        -- The last time that was seen, and from when on messages expire by the clock.
        CREATE TABLE clock (last INTEGER NOT NULL, trusted_from INTEGER NOT NULL) STRICT;
        INSERT INTO clock VALUES (0, 0);
    "],
};

/// A change that waits to be written.
#[derive(Debug)]
pub(super) enum Change {
    Message {
        peer: Name,
        outgoing: bool,
        message: DirectMessage,
        verification: Verification,
        kept_at: Timestamp,
    },
    /// A message of this direction and those before it were read.
    Read { peer: Name, id: MessageId, outgoing: bool },
}

/// Writes changes. Returns the peer of the first message of all, if it is among them.
pub(super) fn write(
    file: &mut Connection,
    owner: &HistoryOwner,
    batch: &[(Change, Option<HistoryPermit>)],
    now: Timestamp,
    limits: HistoryLimits,
) -> Result<Option<Name>> {
    let tx = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut first = None;
    for (change, _) in batch {
        match change {
            Change::Message { peer, outgoing, message, verification, kept_at } => {
                let added = add(&tx, owner, peer, *outgoing, message, *verification, *kept_at)?;
                if added == Some(1) {
                    first = Some(peer.clone());
                }
            }
            Change::Read { peer, id, outgoing } => {
                for row in owner.conversations(&tx)?.iter().filter(|row| row.peer == *peer) {
                    mark_read(&tx, row.id, *id, *outgoing)?;
                }
            }
        }
    }
    expire(&tx, now)?;
    trim(&tx, limits)?;
    tx.commit()?;
    Ok(first)
}

/// Adds a message, and returns its position; `None`: it is there already, or not to be kept.
fn add(
    tx: &Transaction<'_>,
    owner: &HistoryOwner,
    peer: &Name,
    outgoing: bool,
    message: &DirectMessage,
    verification: Verification,
    kept_at: Timestamp,
) -> Result<Option<i64>> {
    let conversation = owner.find_or_add(tx, peer, verification.key())?;
    if conversation.keep == KeepFor::Never {
        return Ok(None);
    }
    let added = tx.execute(
        "INSERT OR IGNORE INTO message
         (conversation, outgoing, id, text, sent_at, kept_at, standing, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
        params![
            conversation.id,
            outgoing,
            message.id.as_bytes(),
            message.text.as_str(),
            message.sent_at.map(Timestamp::as_microsecond),
            kept_at.as_microsecond(),
            verification.to_column()
        ],
    )?;
    let position = tx.last_insert_rowid();
    if outgoing {
        let answered = "UPDATE conversation SET answered = 1 WHERE id = ? AND answered = 0";
        tx.execute(answered, [conversation.id])?;
    }
    Ok((added > 0).then_some(position))
}

fn mark_read(tx: &Transaction<'_>, conversation: i64, id: MessageId, outgoing: bool) -> Result<()> {
    let last: Option<i64> = tx
        .query_row(
            "SELECT place FROM message WHERE conversation = ? AND outgoing = ? AND id = ?",
            params![conversation, outgoing, id.as_bytes()],
            |row| row.get(0),
        )
        .optional()?;
    let Some(last) = last else { return Ok(()) };
    tx.execute(
        "UPDATE message SET state = 2
         WHERE conversation = ?1 AND outgoing = ?2 AND state = 1 AND place <= ?3",
        params![conversation, outgoing, last],
    )?;
    Ok(())
}

/// Does what [`expire`] does before the messages are read, but writes only if there is something to
/// remove, or the clock was noted long ago.
pub(super) fn expire_before_read(file: &mut Connection, now: Timestamp) -> Result<()> {
    let is_due = "SELECT abs(?1 - last) > ?2 OR EXISTS (
            SELECT 1 FROM conversation AS c JOIN message ON conversation = c.id
            WHERE keep_for > 0 AND kept_at < ?1 - keep_for * 1000000
        ) FROM clock";
    let params = [now.as_microsecond(), to_micros(NOTED_EVERY)];
    // The home may be on a medium that cannot be written.
    if file.is_readonly("main")? || !file.query_row(is_due, params, |row| row.get(0))? {
        return Ok(());
    }
    let tx = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    expire(&tx, now)?;
    tx.commit()
}

/// Notes the clock, and removes the messages whose time is over. A clock that has just leapt forward
/// is not trusted yet.
fn expire(tx: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let micros = now.as_microsecond();
    let (last, mut trusted_from): (i64, i64) =
        tx.query_row("SELECT last, trusted_from FROM clock", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (is_new, was_trusted) = (last == 0, last >= trusted_from);
    if !is_new && was_trusted && micros.saturating_sub(last) > to_micros(LEAP) {
        trusted_from = micros.saturating_add(to_micros(TRUSTED_AFTER));
    } else if micros < last {
        // Back from a leap, or wrong now: what expires by it has expired anyway.
        trusted_from = trusted_from.min(micros);
    }
    tx.execute("UPDATE clock SET last = ?, trusted_from = ?", [micros, trusted_from])?;
    if micros < trusted_from {
        return Ok(());
    }
    let mut timed =
        tx.prepare_cached("SELECT id, keep_for FROM conversation WHERE keep_for > 0")?;
    let timed = timed.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, seconds) in timed.collect::<Result<Vec<(i64, i64)>>>()? {
        let oldest = micros.saturating_sub(seconds.saturating_mul(1_000_000));
        remove_before(tx, id, oldest)?;
    }
    Ok(())
}

/// Returns since when messages must have been kept for this setting not to hide them.
pub(super) fn oldest(keep: KeepFor, now: Timestamp) -> Timestamp {
    match keep {
        KeepFor::Only(time) => now.checked_sub(time).unwrap_or(Timestamp::MIN),
        KeepFor::Always | KeepFor::Never => Timestamp::MIN,
    }
}

fn to_micros(time: SignedDuration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Removes messages that were kept before a time, and returns their number.
fn remove_before(tx: &Transaction<'_>, conversation: i64, micros: i64) -> Result<usize> {
    let expired = "DELETE FROM message WHERE conversation = ? AND kept_at < ?";
    tx.execute(expired, [conversation, micros])
}

/// Removes what is too much, and conversations without messages and settings.
fn trim(tx: &Transaction<'_>, limits: HistoryLimits) -> Result<()> {
    let mut long = tx.prepare_cached("SELECT id, messages FROM conversation WHERE messages > ?")?;
    let long = long.query_map([limits.per_conversation], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, messages) in long.collect::<Result<Vec<(i64, i64)>>>()? {
        remove_oldest(tx, id, messages - limits.per_conversation)?;
    }
    loop {
        let (conversations, messages, bytes): (i64, i64, i64) = tx.query_row(
            "SELECT count(*), ifnull(sum(messages), 0), ifnull(sum(bytes), 0) FROM conversation
             WHERE messages > 0",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let too_many = conversations > limits.conversations;
        if !too_many && messages <= limits.messages && bytes <= limits.bytes {
            break;
        }
        let oldest: i64 = tx.query_row(
            "SELECT id FROM conversation AS c WHERE messages > 0 ORDER BY answered,
             (SELECT min(place) FROM message WHERE conversation = c.id) LIMIT 1",
            [],
            |row| row.get(0),
        )?;
        remove_oldest(tx, oldest, if too_many { i64::MAX } else { 1 })?;
    }
    tx.execute("DELETE FROM conversation WHERE messages = 0 AND keep_for IS NULL", [])?;
    Ok(())
}

fn remove_oldest(tx: &Transaction<'_>, conversation: i64, count: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM message WHERE place IN
         (SELECT place FROM message WHERE conversation = ? ORDER BY place LIMIT ?)",
        [conversation, count],
    )?;
    Ok(())
}

/// Sets how long the messages with a peer are kept, whatever key it had or will have, and removes older
/// ones. Returns how many messages were removed.
pub(super) fn keep(
    file: &mut Connection,
    owner: &HistoryOwner,
    peer: &Name,
    keep: KeepFor,
    now: Timestamp,
) -> Result<u64> {
    let tx = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = owner.book.contact(&owner.hub, peer).map(|contact| contact.key);
    if owner.find(&tx, peer)?.is_none() {
        owner.find_or_add(&tx, peer, key)?;
    }
    let oldest = match keep {
        KeepFor::Always => i64::MIN,
        KeepFor::Never => i64::MAX,
        KeepFor::Only(time) => {
            let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            now.as_microsecond().saturating_sub(time)
        }
    };
    let mut removed = 0;
    for row in owner.conversations(&tx)?.iter().filter(|row| owner.is_set_with(row, peer)) {
        let set = "UPDATE conversation SET keep_for = ? WHERE id = ?";
        tx.execute(set, params![seconds(keep), row.id])?;
        removed += remove_before(&tx, row.id, oldest)?;
    }
    trim(&tx, LIMITS)?;
    tx.commit()?;
    Ok(removed as u64)
}

/// Removes all messages with peers of this name, whatever key they had and whatever name their owner
/// had, and the settings for them.
pub(super) fn forget(file: &mut Connection, owner: &HistoryOwner, peer: &Name) -> Result<u64> {
    let tx = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut removed = 0;
    for row in owner.of_all_own_names(&tx)? {
        if owner.is_with(&row, peer) {
            removed += tx.execute("DELETE FROM message WHERE conversation = ?", [row.id])?;
            tx.execute("DELETE FROM conversation WHERE id = ?", [row.id])?;
        }
    }
    tx.commit()?;
    Ok(removed as u64)
}
