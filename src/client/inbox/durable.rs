//! The file of accepted durable messages, written before there is a receipt.
//!
//! The sender of a durable message repeats it until it has a receipt, across restarts of either
//! side. So the record outlives this client: a repeated message gets its first receipt, and is shown
//! once. Until it is handed out the record contains the text as well, so that messages that a killed
//! client had not shown come out at the next start.
//!
//! Several processes of one person share the file. Only the one that holds the lock beside it writes
//! texts: the others could not tell what it is about to show.

use std::{collections::HashSet, path::Path, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use crate::{
    client::error::Result,
    client::{
        contact_store::ContactStore,
        database::Database,
        received::{Direct, Verification},
    },
    identity::{KeyCheck, files},
    model::{DirectMessage, Fingerprint, MessageId, Name, Text},
    sqlite::Plan,
};

/// How many messages are remembered, the latest ones. Their age does not count: a clock that is wrong
/// for a moment would remove what nobody has seen yet.
const MAX_RECORDS: i64 = 100_000;

/// How many of one sender, so that nobody can displace the records of others. Ten times as many as
/// an outbox holds for one peer.
const MAX_PER_SENDER: i64 = 1000;

/// The format of the file; its mark is "chni".
pub(in crate::client) const PLAN: Plan = Plan {
    what: "list of messages that Chinwag has accepted",
    mark: 0x6368_6e69,
    migrations: &[
        "
        CREATE TABLE kept (
            place INTEGER PRIMARY KEY AUTOINCREMENT,
            receiver TEXT NOT NULL,
            sender TEXT NOT NULL,
            id BLOB NOT NULL,
            text_hash BLOB NOT NULL,
            -- Microseconds since 1970, as all times here.
            accepted_at INTEGER NOT NULL,
            -- What is needed to show it, until it is handed out.
            text TEXT,
            hub TEXT NOT NULL,
            sent_at INTEGER,
            key BLOB,
            -- 0: unverified, 1: known, 2: verified.
            standing INTEGER NOT NULL,
            UNIQUE (receiver, sender, id)
        ) STRICT;
        CREATE INDEX kept_by_time ON kept (accepted_at);
        CREATE INDEX kept_unshown ON kept (place) WHERE text IS NOT NULL;
    ",
        "
        CREATE INDEX kept_by_sender ON kept (receiver, sender, place);
    ",
    ],
};

/// The file. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::client) struct DurableInbox(Arc<DurableInboxInner>);

#[derive(Debug)]
struct DurableInboxInner {
    database: Database,
    contacts: ContactStore,
    /// The lock; `None`: another process writes texts.
    lock: Option<files::FileLock>,
    /// Messages with a text that were not handed out yet.
    unshown: Mutex<HashSet<(Name, MessageId)>>,
}

/// What [`DurableInbox::record`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    New,
    /// It was accepted before, at this time.
    Before(Timestamp),
    /// The id was used for another text.
    Reused,
}

impl DurableInbox {
    /// Opens the file. Blocks on the disk.
    pub(in crate::client) fn open(path: &Path, contacts: ContactStore) -> Result<Self> {
        let database = Database::open(path, PLAN)?;
        let lock = files::try_lock(path)?;
        let unshown = Mutex::default();
        Ok(Self(Arc::new(DurableInboxInner { database, contacts, lock, unshown })))
    }

    /// Returns the messages that earlier runs accepted and did not show, oldest first, without those
    /// of senders who have been blocked since.
    pub(super) async fn unshown(&self) -> Result<Vec<Direct>> {
        if self.0.lock.is_none() {
            return Ok(Vec::new());
        }
        let book = self.0.contacts.book().await?;
        let hub = self.0.contacts.hub();
        let (hubs, me) = (book.hub_endpoints(hub), self.0.contacts.me().to_string());
        let mut found = self.0.database.with(move |file| list(file, &me, &hubs)).await?;
        found.retain(|direct| {
            let sender = &direct.message.sender;
            match direct.verification.key() {
                Some(key) => book.check_key(hub, sender, key) != KeyCheck::Blocked,
                None => !book.contact(hub, sender).is_some_and(|contact| contact.blocked),
            }
        });
        self.0.unshown.lock().extend(found.iter().map(|direct| key_of(&direct.message)));
        Ok(found)
    }

    /// Records a message. It is on the disk when this returns.
    pub(super) async fn record(&self, direct: &Direct, at: Timestamp) -> Result<Recorded> {
        let (me, hub) = (self.0.contacts.me().to_string(), self.0.contacts.hub().to_string());
        let (direct, with_text) = (direct.clone(), self.0.lock.is_some());
        let key = key_of(&direct.message);
        let work = move |file: &mut Connection| add(file, &me, &hub, &direct, at, with_text);
        let recorded = self.0.database.with(work).await?;
        if recorded == Recorded::New && self.0.lock.is_some() {
            self.0.unshown.lock().insert(key);
        }
        Ok(recorded)
    }

    /// Gives this client's messages its present name, after it had another.
    pub(in crate::client) async fn rename_from(&self, former: &Name) -> Result<()> {
        let book = self.0.contacts.book().await?;
        let (hubs, me) = (book.hub_endpoints(self.0.contacts.hub()), self.0.contacts.me());
        let former = former.to_string();
        let rename = move |file: &mut Connection| {
            let change = file.transaction()?;
            for hub in &hubs {
                // The same message may have come under both names.
                let rename =
                    "UPDATE OR REPLACE kept SET receiver = ?1 WHERE receiver = ?2 AND hub = ?3";
                change.execute(rename, params![me.as_str(), former, hub])?;
            }
            change.commit()
        };
        self.0.database.with(rename).await
    }

    /// Returns true if the file contains the text of a message.
    pub(in crate::client) fn holds(&self, message: &DirectMessage) -> bool {
        self.0.unshown.lock().contains(&key_of(message))
    }

    /// Marks a message as shown, or about to be. Ignores one that the file does not hold.
    pub(in crate::client) async fn mark_shown(&self, sender: &Name, id: MessageId) {
        let shown = (sender.clone(), id);
        if !self.0.unshown.lock().contains(&shown) {
            return;
        }
        let (me, sender) = (self.0.contacts.me().to_string(), sender.clone());
        let recorded = self.0.database.with(move |file| {
            file.execute(
                "UPDATE kept SET text = NULL WHERE receiver = ? AND sender = ? AND id = ?",
                params![me, sender.as_str(), id.as_bytes()],
            )
        });
        match recorded.await {
            Ok(_) => drop(self.0.unshown.lock().remove(&shown)),
            // It may be shown again after the next start.
            Err(error) => tracing::warn!(%error, "cannot mark a message as shown"),
        }
    }
}

impl DurableInbox {
    /// Removes the texts of a sender that nobody has seen, for all names that their receiver has or had
    /// at this hub. Repeated messages are still recognized.
    pub(in crate::client) async fn forget(&self, sender: &Name) -> Result<()> {
        self.0.unshown.lock().retain(|(name, _)| name != sender);
        let hubs = self.0.contacts.book().await?.hub_endpoints(self.0.contacts.hub());
        let sender = sender.clone();
        let forget = move |file: &mut Connection| {
            let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for hub in &hubs {
                let forget = "UPDATE kept SET text = NULL WHERE hub = ? AND sender = ?";
                change.execute(forget, params![hub, sender.as_str()])?;
            }
            change.commit()
        };
        self.0.database.with(forget).await
    }
}

fn key_of(message: &DirectMessage) -> (Name, MessageId) {
    (message.sender.clone(), message.id)
}

fn add(
    file: &mut Connection,
    me: &str,
    hub: &str,
    direct: &Direct,
    at: Timestamp,
    with_text: bool,
) -> rusqlite::Result<Recorded> {
    let message = &direct.message;
    let (sender, text) = (message.sender.as_str(), message.text.as_str());
    let hash = Sha256::digest(text).to_vec();
    let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let first: Option<(Vec<u8>, i64)> = change
        .query_row(
            "SELECT text_hash, accepted_at FROM kept
             WHERE receiver = ? AND sender = ? AND id = ?",
            params![me, sender, message.id.as_bytes()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    match first {
        Some((first, _)) if first != hash => return Ok(Recorded::Reused),
        Some((_, first_at)) => {
            return Ok(Recorded::Before(Timestamp::from_microsecond(first_at).unwrap_or(at)));
        }
        None => {}
    }
    change.execute(
        "INSERT INTO kept (receiver, sender, id, text_hash, accepted_at, text, hub, sent_at, key, standing)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            me,
            sender,
            message.id.as_bytes(),
            hash,
            at.as_microsecond(),
            with_text.then_some(text),
            hub,
            message.sent_at.map(Timestamp::as_microsecond),
            direct.verification.key().map(|key| *key.as_bytes()),
            direct.verification.to_column()
        ],
    )?;
    change.execute(
        "DELETE FROM kept WHERE receiver = ?1 AND sender = ?2 AND place <=
         (SELECT place FROM kept WHERE receiver = ?1 AND sender = ?2
          ORDER BY place DESC LIMIT 1 OFFSET ?3)",
        params![me, sender, MAX_PER_SENDER],
    )?;
    change.execute(
        "DELETE FROM kept WHERE place <=
         (SELECT place FROM kept ORDER BY place DESC LIMIT 1 OFFSET ?)",
        [MAX_RECORDS],
    )?;
    change.commit()?;
    Ok(Recorded::New)
}

fn list(file: &mut Connection, me: &str, hubs: &[String]) -> rusqlite::Result<Vec<Direct>> {
    let mut query = file.prepare(
        "SELECT sender, id, text, sent_at, key, standing, hub FROM kept
         WHERE text IS NOT NULL AND receiver = ? ORDER BY place",
    )?;
    let rows = query.query_map([me], |row| {
        let hub: String = row.get(6)?;
        Ok(if hubs.contains(&hub) { read(row)? } else { None })
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// Reads a row; `None` if somebody has edited the file and it is not valid.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Direct>> {
    let (sender, text): (String, String) = (row.get(0)?, row.get(2)?);
    let (Ok(sender), Ok(text)) = (Name::parse(&sender), Text::parse(text)) else { return Ok(None) };
    let sent_at: Option<i64> = row.get(3)?;
    let key: Option<[u8; 32]> = row.get(4)?;
    let key = key.map(Fingerprint::from_bytes);
    let verification = Verification::from_column(row.get(5)?, key);
    let message = DirectMessage {
        id: MessageId::from_bytes(row.get(1)?),
        sender,
        sent_at: sent_at.and_then(|at| Timestamp::from_microsecond(at).ok()),
        text,
    };
    Ok(Some(Direct { message, verification, from: None }))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::Endpoint;

    fn direct(said: &str) -> Direct {
        let (sender, text) = (Name::parse("bob").unwrap(), Text::parse(said).unwrap());
        let message = DirectMessage { id: MessageId::new(), sender, sent_at: None, text };
        Direct { message, verification: Verification::Unverified(None), from: None }
    }

    #[tokio::test]
    async fn records_outlive_the_process_and_wrong_clocks() {
        let home = tempfile::tempdir().unwrap();
        let open = || {
            let (hub, me) =
                (Endpoint::parse("127.0.0.1:1").unwrap(), Name::parse("alice").unwrap());
            let contacts = ContactStore::new(hub, me, None, None);
            DurableInbox::open(&home.path().join("inbox.db"), contacts).unwrap()
        };
        let (inbox, one, now) = (open(), direct("one"), Timestamp::now());
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap();
        // For a moment the clock is ahead by 400 days.
        let ahead = now + SignedDuration::from_hours(400 * 24);
        assert_eq!(inbox.record(&one, now).await.unwrap(), Recorded::New);
        // A second process writes no texts, but sees the records.
        let second = open();
        assert_eq!(second.record(&one, ahead).await.unwrap(), Recorded::Before(now));
        let mut forged = one.clone();
        forged.message.text = Text::parse("two").unwrap();
        assert_eq!(second.record(&forged, now).await.unwrap(), Recorded::Reused);
        let two = direct("two");
        assert_eq!(second.record(&two, ahead).await.unwrap(), Recorded::New);
        assert!(inbox.holds(&one.message) && !second.holds(&two.message));
        drop(second);

        // The first record and its text are still there.
        drop(inbox);
        let inbox = open();
        assert_eq!(inbox.record(&one, now).await.unwrap(), Recorded::Before(now));
        assert_eq!(inbox.record(&two, now).await.unwrap(), Recorded::Before(ahead));
        drop(inbox);
        let inbox = open();
        assert_eq!(inbox.unshown().await.unwrap(), std::slice::from_ref(&one));
        inbox.mark_shown(&one.message.sender, one.message.id).await;
        assert!(!inbox.holds(&one.message));
        drop(inbox);
        assert_eq!(open().unshown().await.unwrap(), []);
    }

    #[test]
    fn a_sender_displaces_only_their_own_records() {
        let mut file = Connection::open_in_memory().unwrap();
        for migration in PLAN.migrations {
            file.execute_batch(migration).unwrap();
        }
        let now = Timestamp::now();
        let mut record =
            |direct: &Direct| add(&mut file, "alice", "hub", direct, now, false).unwrap();
        let mut first = direct("one");
        first.message.sender = Name::parse("carol").unwrap();
        assert_eq!(record(&first), Recorded::New);
        let much: Vec<Direct> = (0..=MAX_PER_SENDER).map(|_| direct("much")).collect();
        for direct in &much {
            assert_eq!(record(direct), Recorded::New);
        }
        assert!(matches!(record(&first), Recorded::Before(_)));
        assert!(matches!(record(&much[1]), Recorded::Before(_)));
        assert_eq!(record(&much[0]), Recorded::New, "the oldest of the same sender was displaced");
        let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM kept"), MAX_PER_SENDER + 1);
    }
}
