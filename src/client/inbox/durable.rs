//! What was accepted of messages that their senders keep: noted on disk before there is a receipt.
//!
//! A sender that keeps a message repeats it until it has a receipt, whatever happens to either side
//! in between. So the note outlives this client: a message that comes again gets its first receipt,
//! and is shown once. Until it is handed out the note has its text as well, and what a client that
//! was killed had not shown comes out at the next start.
//!
//! Several processes of one person share the file. Only the first of them, which holds the lock
//! beside it, notes texts, or the next could not tell what another is about to show.

use std::{
    collections::HashSet,
    fs::File,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use crate::{
    client::{
        contact_store::ContactStore,
        database::Database,
        events::{Direct, Verification},
    },
    error::Result,
    identity::{KeyCheck, files},
    model::{DirectMessage, Fingerprint, MessageId, Name, Text},
    sqlite::Plan,
};

/// How long a message is remembered: more than twice as long as senders try.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many are remembered.
const MAX_NOTES: i64 = 100_000;

/// How many of one sender, so that nobody has the notes of others forgotten. Ten times as many as
/// an outbox holds for one peer.
const MAX_OF_ONE: i64 = 1000;

/// The file: "chni".
const PLAN: Plan = Plan {
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

/// The notes. Clones are one.
#[derive(Debug, Clone)]
pub(in crate::client) struct DurableInbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    people: ContactStore,
    me: Name,
    /// Whether this is the process that notes texts.
    turn: Option<File>,
    /// What was noted and not handed out yet.
    unshown: Mutex<HashSet<(Name, MessageId)>>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is noted now.
    New,
    /// It was accepted before, then.
    Before(Timestamp),
    /// The id was used for another text.
    Reused,
}

impl DurableInbox {
    /// Opens the file. Waits for the disk: not for async tasks.
    pub(in crate::client) fn open(path: &Path, people: ContactStore, me: Name) -> Result<Self> {
        let database = Database::open(path, PLAN)?;
        let turn = files::try_lock(path)?;
        Ok(Self(Arc::new(Inner { database, people, me, turn, unshown: Mutex::default() })))
    }

    /// What earlier runs had accepted and not shown, the oldest first, except from those who have
    /// been blocked since.
    pub(super) async fn unshown(&self) -> Result<Vec<Direct>> {
        if self.0.turn.is_none() {
            return Ok(Vec::new());
        }
        let book = self.0.people.book().await?;
        let hub = self.0.people.hub();
        let (hubs, me) = (self.0.people.places(&book), self.0.me.to_string());
        let mut found = self.0.database.with(move |file| list(file, &me, &hubs)).await?;
        found.retain(|direct| {
            let sender = &direct.message.sender;
            match direct.standing.key() {
                Some(key) => book.standing(hub, sender, key) != KeyCheck::Blocked,
                None => !book.contact(hub, sender).is_some_and(|contact| contact.blocked),
            }
        });
        self.pending().extend(found.iter().map(|direct| which(&direct.message)));
        Ok(found)
    }

    /// Notes a message, on the disk when this returns.
    pub(super) async fn note(&self, direct: &Direct, at: Timestamp) -> Result<Noted> {
        let (me, hub) = (self.0.me.to_string(), self.0.people.hub().to_string());
        let (direct, with_text) = (direct.clone(), self.0.turn.is_some());
        let message = which(&direct.message);
        let work = move |file: &mut Connection| add(file, &me, &hub, &direct, at, with_text);
        let noted = self.0.database.with(work).await?;
        if noted == Noted::New && self.0.turn.is_some() {
            self.pending().insert(message);
        }
        Ok(noted)
    }

    /// Whether a message is noted with its text.
    pub(in crate::client) fn holds(&self, message: &DirectMessage) -> bool {
        self.pending().contains(&which(message))
    }

    /// Notes that a message is shown, or about to be. One that is not held is left alone.
    pub(in crate::client) async fn shown(&self, sender: &Name, id: MessageId) {
        let shown = (sender.clone(), id);
        if !self.pending().contains(&shown) {
            return;
        }
        let (me, sender) = (self.0.me.to_string(), sender.clone());
        let noted = self.0.database.with(move |file| {
            file.execute(
                "UPDATE kept SET text = NULL WHERE receiver = ? AND sender = ? AND id = ?",
                params![me, sender.as_str(), id.as_bytes()],
            )
        });
        match noted.await {
            Ok(_) => drop(self.pending().remove(&shown)),
            // It may be shown again after the next start.
            Err(error) => tracing::warn!(%error, "cannot note that a message is shown"),
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashSet<(Name, MessageId)>> {
        self.0.unshown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn which(message: &DirectMessage) -> (Name, MessageId) {
    (message.sender.clone(), message.id)
}

fn add(
    file: &mut Connection,
    me: &str,
    hub: &str,
    direct: &Direct,
    at: Timestamp,
    with_text: bool,
) -> rusqlite::Result<Noted> {
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
        Some((first, _)) if first != hash => return Ok(Noted::Reused),
        Some((_, first_at)) => {
            return Ok(Noted::Before(Timestamp::from_microsecond(first_at).unwrap_or(at)));
        }
        None => {}
    }
    let standing = match direct.standing {
        Verification::Unverified(_) => 0,
        Verification::Known(_) => 1,
        Verification::Verified(_) => 2,
    };
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
            direct.standing.key().map(|key| *key.as_bytes()),
            standing
        ],
    )?;
    let oldest = at.checked_sub(MAX_AGE).map_or(0, Timestamp::as_microsecond);
    change.execute("DELETE FROM kept WHERE accepted_at < ?", [oldest])?;
    change.execute(
        "DELETE FROM kept WHERE receiver = ?1 AND sender = ?2 AND place <=
         (SELECT place FROM kept WHERE receiver = ?1 AND sender = ?2
          ORDER BY place DESC LIMIT 1 OFFSET ?3)",
        params![me, sender, MAX_OF_ONE],
    )?;
    change.execute(
        "DELETE FROM kept WHERE accepted_at <=
         (SELECT accepted_at FROM kept ORDER BY accepted_at DESC LIMIT 1 OFFSET ?)",
        [MAX_NOTES],
    )?;
    change.commit()?;
    Ok(Noted::New)
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

/// A row; what a person has written into the file by hand may be none.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Direct>> {
    let (sender, text): (String, String) = (row.get(0)?, row.get(2)?);
    let (Ok(sender), Ok(text)) = (Name::parse(&sender), Text::parse(text)) else { return Ok(None) };
    let sent_at: Option<i64> = row.get(3)?;
    let key: Option<[u8; 32]> = row.get(4)?;
    let key = key.map(Fingerprint::from_bytes);
    let standing = match (row.get::<_, i64>(5)?, key) {
        (2, Some(key)) => Verification::Verified(key),
        (1, Some(key)) => Verification::Known(key),
        (_, key) => Verification::Unverified(key),
    };
    let message = DirectMessage {
        id: MessageId::from_bytes(row.get(1)?),
        sender,
        sent_at: sent_at.and_then(|at| Timestamp::from_microsecond(at).ok()),
        text,
    };
    Ok(Some(Direct { message, standing, from: None }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    fn direct(said: &str) -> Direct {
        let (sender, text) = (Name::parse("bob").unwrap(), Text::parse(said).unwrap());
        let message = DirectMessage { id: MessageId::new(), sender, sent_at: None, text };
        Direct { message, standing: Verification::Unverified(None), from: None }
    }

    #[tokio::test]
    async fn notes_outlive_the_process_and_go_when_nobody_can_ask_any_more() {
        let home = tempfile::tempdir().unwrap();
        let open = || {
            let (hub, me) =
                (Endpoint::parse("127.0.0.1:1").unwrap(), Name::parse("alice").unwrap());
            let people = ContactStore::new(hub, me.clone(), None, None);
            DurableInbox::open(&home.path().join("inbox.db"), people, me).unwrap()
        };
        let (kept, one, now) = (open(), direct("one"), Timestamp::now());
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap();
        let long_ago = now - MAX_AGE - SignedDuration::from_secs(1);
        assert_eq!(kept.note(&one, long_ago).await.unwrap(), Noted::New);
        // A second process notes no texts, but sees the notes.
        let second = open();
        assert_eq!(second.note(&one, now).await.unwrap(), Noted::Before(long_ago));
        let mut forged = one.clone();
        forged.message.text = Text::parse("two").unwrap();
        assert_eq!(second.note(&forged, now).await.unwrap(), Noted::Reused);
        let two = direct("two");
        assert_eq!(second.note(&two, now).await.unwrap(), Noted::New);
        assert!(kept.holds(&one.message) && !second.holds(&two.message));
        drop(second);

        // The note of the first is gone, as that of the second came.
        drop(kept);
        let kept = open();
        assert_eq!(kept.unshown().await.unwrap(), []);
        assert_eq!(kept.note(&one, now).await.unwrap(), Noted::New);
        assert_eq!(kept.note(&two, now).await.unwrap(), Noted::Before(now));
        drop(kept);
        let kept = open();
        assert_eq!(kept.unshown().await.unwrap(), std::slice::from_ref(&one));
        kept.shown(&one.message.sender, one.message.id).await;
        assert!(!kept.holds(&one.message));
        drop(kept);
        assert_eq!(open().unshown().await.unwrap(), []);
    }

    #[test]
    fn who_sends_much_has_nobody_elses_notes_forgotten() {
        let mut file = Connection::open_in_memory().unwrap();
        for migration in PLAN.migrations {
            file.execute_batch(migration).unwrap();
        }
        let now = Timestamp::now();
        let mut note =
            |direct: &Direct| add(&mut file, "alice", "hub", direct, now, false).unwrap();
        let mut first = direct("one");
        first.message.sender = Name::parse("carol").unwrap();
        assert_eq!(note(&first), Noted::New);
        let much: Vec<Direct> = (0..=MAX_OF_ONE).map(|_| direct("much")).collect();
        for direct in &much {
            assert_eq!(note(direct), Noted::New);
        }
        assert!(matches!(note(&first), Noted::Before(_)));
        assert!(matches!(note(&much[1]), Noted::Before(_)));
        assert_eq!(note(&much[0]), Noted::New, "the oldest of the same sender went");
        let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM kept"), MAX_OF_ONE + 1);
    }
}
