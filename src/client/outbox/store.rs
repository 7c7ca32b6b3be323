//! The tables of the outbox.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, TransactionBehavior, params};

use super::Queued;
use crate::{
    client::error::Error,
    model::{MessageId, Name, Receipt, Text},
    sqlite::Plan,
};

/// The most messages of an outbox: far more than anybody writes to peers who are away.
const MAX_MESSAGES: i64 = 1000;

/// The most messages for one peer: an inbox has room for them.
const MAX_FOR_PEER: i64 = 100;

/// The most bytes of their texts together.
const MAX_BYTES: i64 = 4 * 1024 * 1024;

/// How many receipts are kept.
const MAX_RECEIPTS: i64 = 1000;

/// The format of the file; its mark is "chno".
pub(super) const PLAN: Plan = Plan {
    what: "outbox of Chinwag's",
    mark: 0x6368_6e6f,
    migrations: &[
        "
        CREATE TABLE outbox (
            place INTEGER PRIMARY KEY AUTOINCREMENT,
            id BLOB NOT NULL UNIQUE,
            -- Where the hub was then; the contact book knows where else it is.
            hub TEXT NOT NULL,
            sender TEXT NOT NULL,
            peer TEXT NOT NULL,
            text TEXT NOT NULL,
            -- Microseconds since 1970.
            queued_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            -- 0: waits. 1: refused for good, and those behind it wait. 2: given up.
            state INTEGER NOT NULL DEFAULT 0,
            last_error TEXT
        ) STRICT;
    ",
        "
        -- What was delivered, for those who wait for it in other processes.
        CREATE TABLE delivered (
            place INTEGER PRIMARY KEY AUTOINCREMENT,
            id BLOB NOT NULL UNIQUE,
            receiver TEXT NOT NULL,
            accepted_at INTEGER NOT NULL,
            duplicate INTEGER NOT NULL
        ) STRICT;
    ",
    ],
};

/// Whose messages an operation is about.
#[derive(Debug, Clone)]
pub(super) struct OutboxOwner {
    pub(super) hubs: Vec<String>,
    pub(super) sender: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryState {
    /// It waits for the next attempt.
    Waits = 0,
    /// It is tried again only on request, and so are those behind it.
    Refused = 1,
    /// It cannot be delivered. Those behind it are tried.
    GivenUp = 2,
    /// It is too old. Those behind it are tried, and it is as well if the clock goes back.
    Expired = 3,
}

impl DeliveryState {
    /// Returns true if later messages for the same peer wait for a message in this state.
    pub(super) fn holds_up(self) -> bool {
        matches!(self, Self::Waits | Self::Refused)
    }

    fn of(number: i64) -> Self {
        match number {
            0 => Self::Waits,
            1 => Self::Refused,
            3 => Self::Expired,
            _ => Self::GivenUp,
        }
    }
}

/// A message of the file, with its state.
pub(super) type OutboxRow = (Queued, DeliveryState);

/// Adds a message. It is on the disk when this returns.
pub(super) fn add(
    file: &mut Connection,
    hub: &str,
    sender: &str,
    queued: &Queued,
) -> Result<Result<(), Error>> {
    let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let peer = queued.peer.as_str();
    let (all, bytes): (i64, i64) = change.query_row(
        "SELECT count(*), ifnull(sum(length(CAST(text AS BLOB))), 0) FROM outbox",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let for_one: i64 = change.query_row(
        "SELECT count(*) FROM outbox WHERE hub = ?1 AND peer = ?2",
        params![hub, peer],
        |row| row.get(0),
    )?;
    let size = i64::try_from(queued.text.as_str().len()).unwrap_or(i64::MAX);
    if all >= MAX_MESSAGES {
        return Ok(Err(full(&format!("at most {MAX_MESSAGES} messages"))));
    }
    if for_one >= MAX_FOR_PEER {
        return Ok(Err(full(&format!("at most {MAX_FOR_PEER} messages for {peer}"))));
    }
    if bytes.saturating_add(size) > MAX_BYTES {
        return Ok(Err(full(&format!("at most {MAX_BYTES} bytes"))));
    }
    let known: Option<i64> = change
        .query_row("SELECT place FROM outbox WHERE id = ?", [queued.id.as_bytes()], |row| {
            row.get(0)
        })
        .optional()?;
    if known.is_some() {
        return Ok(Err(Error::invalid("id", format!("{} is in the outbox already", queued.id))));
    }
    change.execute(
        "INSERT INTO outbox (id, hub, sender, peer, text, queued_at) VALUES (?, ?, ?, ?, ?, ?)",
        params![
            queued.id.as_bytes(),
            hub,
            sender,
            peer,
            queued.text.as_str(),
            queued.queued_at.as_microsecond()
        ],
    )?;
    change.commit()?;
    Ok(Ok(()))
}

fn full(most: &str) -> Error {
    Error::LimitReached(format!("the outbox is full: it holds {most}"))
}

/// Returns all messages, in the order of queueing. Those queued since `oldest` are not expired.
pub(super) fn list(
    file: &mut Connection,
    owner: &OutboxOwner,
    oldest: Timestamp,
) -> Result<Vec<OutboxRow>> {
    let mut query = file.prepare_cached(
        "SELECT id, peer, text, queued_at, attempts, last_error, state, hub FROM outbox
         WHERE sender = ? ORDER BY place",
    )?;
    let rows = query.query_map([&owner.sender], |row| {
        let hub: String = row.get(7)?;
        Ok(if owner.hubs.contains(&hub) { read(row, oldest)? } else { None })
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// Returns one message.
pub(super) fn find(
    file: &mut Connection,
    owner: &OutboxOwner,
    id: MessageId,
    oldest: Timestamp,
) -> Result<Option<OutboxRow>> {
    let mut query = file.prepare_cached(
        "SELECT id, peer, text, queued_at, attempts, last_error, state, hub FROM outbox
         WHERE id = ? AND sender = ?",
    )?;
    let row = query.query_row(params![id.as_bytes(), owner.sender], |row| {
        let hub: String = row.get(7)?;
        Ok(if owner.hubs.contains(&hub) { read(row, oldest)? } else { None })
    });
    Ok(row.optional()?.flatten())
}

/// Reads a row; `None` if somebody has edited the file and it is not valid.
fn read(row: &Row<'_>, oldest: Timestamp) -> Result<Option<OutboxRow>> {
    let (peer, text): (String, String) = (row.get(1)?, row.get(2)?);
    let (Ok(peer), Ok(text)) = (Name::parse(&peer), Text::parse(text)) else { return Ok(None) };
    let Ok(queued_at) = Timestamp::from_microsecond(row.get(3)?) else { return Ok(None) };
    let state = match DeliveryState::of(row.get(6)?) {
        DeliveryState::Expired if queued_at >= oldest => DeliveryState::Waits,
        state => state,
    };
    let queued = Queued {
        id: MessageId::from_bytes(row.get(0)?),
        peer,
        text,
        queued_at,
        attempts: row.get(4)?,
        last_error: row.get(5)?,
        refused: state != DeliveryState::Waits,
    };
    Ok(Some((queued, state)))
}

/// Gives the messages of a former name to the owner.
pub(super) fn rename(file: &mut Connection, former: &str, owner: &OutboxOwner) -> Result<()> {
    let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for hub in &owner.hubs {
        let rename = "UPDATE outbox SET sender = ?1 WHERE sender = ?2 AND hub = ?3";
        change.execute(rename, params![owner.sender, former, hub])?;
    }
    change.commit()
}

/// Removes a message, and returns whether it was there.
pub(super) fn remove(file: &mut Connection, owner: &OutboxOwner, id: MessageId) -> Result<bool> {
    let hub: Option<String> = file
        .query_row(
            "SELECT hub FROM outbox WHERE id = ? AND sender = ?",
            params![id.as_bytes(), owner.sender],
            |row| row.get(0),
        )
        .optional()?;
    if hub.is_none_or(|hub| !owner.hubs.contains(&hub)) {
        return Ok(false);
    }
    Ok(file.execute("DELETE FROM outbox WHERE id = ?", [id.as_bytes()])? > 0)
}

/// Removes the messages of all senders for a peer, and returns how many there were.
pub(super) fn remove_all(file: &mut Connection, hubs: &[String], peer: &str) -> Result<u64> {
    let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut removed = 0;
    for hub in hubs {
        let remove = "DELETE FROM outbox WHERE hub = ? AND peer = ?";
        removed += change.execute(remove, params![hub, peer])?;
    }
    change.commit()?;
    Ok(removed as u64)
}

/// Replaces a message by its receipt. Records the receipt of a dropped message as well.
pub(super) fn delivered(file: &mut Connection, id: MessageId, receipt: &Receipt) -> Result<()> {
    let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute("DELETE FROM outbox WHERE id = ?", [id.as_bytes()])?;
    change.execute(
        "INSERT OR REPLACE INTO delivered (id, receiver, accepted_at, duplicate)
         VALUES (?, ?, ?, ?)",
        params![
            id.as_bytes(),
            receipt.receiver.as_str(),
            receipt.accepted_at.as_microsecond(),
            receipt.duplicate
        ],
    )?;
    change.execute(
        "DELETE FROM delivered WHERE place <= (SELECT max(place) FROM delivered) - ?",
        [MAX_RECEIPTS],
    )?;
    change.commit()
}

pub(super) fn receipt(file: &mut Connection, id: MessageId) -> Result<Option<Receipt>> {
    let found = file.query_row(
        "SELECT receiver, accepted_at, duplicate FROM delivered WHERE id = ?",
        [id.as_bytes()],
        |row| {
            let receiver: String = row.get(0)?;
            let Ok(receiver) = Name::parse(&receiver) else { return Ok(None) };
            let at = Timestamp::from_microsecond(row.get(1)?).unwrap_or_default();
            Ok(Some(Receipt { id, receiver, accepted_at: at, duplicate: row.get(2)? }))
        },
    );
    Ok(found.optional()?.flatten())
}

/// Records a failed attempt.
pub(super) fn record_failure(
    file: &mut Connection,
    id: MessageId,
    state: DeliveryState,
    problem: &str,
) -> Result<()> {
    file.execute(
        "UPDATE outbox SET attempts = attempts + 1, state = ?, last_error = ? WHERE id = ?",
        params![state as i64, problem, id.as_bytes()],
    )?;
    Ok(())
}

/// Has refused messages, of a peer or all, tried again, and with `Expired` all others as well.
pub(super) fn reset(
    file: &mut Connection,
    owner: &OutboxOwner,
    peer: Option<&str>,
    last: DeliveryState,
) -> Result<()> {
    for hub in &owner.hubs {
        file.execute(
            "UPDATE outbox SET state = 0 WHERE state BETWEEN 1 AND ?4
             AND hub = ?1 AND sender = ?2 AND (?3 IS NULL OR peer = ?3)",
            params![hub, owner.sender, peer, last as i64],
        )?;
    }
    Ok(())
}

/// Returns a number that changes when another process changes the file.
pub(super) fn version(file: &mut Connection) -> Result<i64> {
    file.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Rounds a time as the file keeps it.
pub(super) fn to_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
