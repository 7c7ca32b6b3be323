//! The schema of `members.db`, and how the file is opened.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::{
    error::{RequestError, SystemError},
    identity::files,
    model::Name,
    sqlite::{self, Plan, Trouble},
};

/// The name of the file in the hub's data directory.
pub const MEMBERS_FILE: &str = "members.db";

/// The list of members. Times are in seconds since 1970.
const PLAN: Plan = Plan {
    what: "list of Chinwag's members",
    // "chnm".
    mark: 0x6368_6e6d,
    migrations: MIGRATIONS,
};

/// The migrations of the [`PLAN`].
const MIGRATIONS: &[&str] = &["
    CREATE TABLE members (
        skeleton TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        since INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX members_by_owner ON members (owner);
    -- Who may not come back without an invitation.
    CREATE TABLE removed (
        owner TEXT PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT;
    -- Names that their owners were made to give up for others.
    CREATE TABLE given_up (
        skeleton TEXT NOT NULL,
        owner TEXT NOT NULL,
        PRIMARY KEY (skeleton, owner)
    ) STRICT, WITHOUT ROWID;
    -- hash: SHA-256 of the code.
    CREATE TABLE invites (
        hash BLOB PRIMARY KEY,
        uses INTEGER NOT NULL,
        ends_at INTEGER NOT NULL
    ) STRICT;
", "
    -- The order in which invitations and removals were made, as far as they are still there: who was
    -- removed comes back by an invitation that was made after that.
    ALTER TABLE invites ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE removed ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
", "
    -- The name that the owner got instead.
    ALTER TABLE given_up ADD COLUMN new_name TEXT;
", "
    -- Names that can be mistaken for each other have the same likeness: see refresh(). More than one
    -- of them are there only if they were given out when the rules were less strict.
    CREATE TABLE names (
        name TEXT PRIMARY KEY,
        likeness TEXT NOT NULL,
        owner TEXT NOT NULL,
        since INTEGER NOT NULL
    ) STRICT;
    INSERT INTO names (name, likeness, owner, since) SELECT name, skeleton, owner, since FROM members;
    DROP TABLE members;
    ALTER TABLE names RENAME TO members;
    CREATE INDEX members_by_owner ON members (owner);
    CREATE INDEX members_by_likeness ON members (likeness);
    ALTER TABLE given_up RENAME COLUMN skeleton TO likeness;
", "
    -- How many hours the hub ran, and had run when a name was last used.
    CREATE TABLE uptime (
        hours INTEGER NOT NULL
    ) STRICT;
    INSERT INTO uptime (hours) VALUES (0);
    ALTER TABLE members ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
    -- Whether the operator let the member in, by an invitation, a token or a new name.
    ALTER TABLE members ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
    UPDATE members SET kept = owner LIKE 'bot:%' OR EXISTS (SELECT 1 FROM invites);
"];

pub(super) const NEXT_SERIAL: &str = "(SELECT 1 + max(serial) FROM
    (SELECT 0 AS serial UNION ALL SELECT serial FROM invites UNION ALL SELECT serial FROM removed))";

/// Opens the file in this directory, and creates both if they are missing.
pub(super) fn open(directory: &Path) -> Result<Connection, SystemError> {
    let path = directory.join(MEMBERS_FILE);
    files::create_directory(directory)?;
    files::open_private(&path)?;
    let mut conn = Connection::open(&path).map_err(|error| SystemError::unusable(&path, error))?;
    set_up(&mut conn).map_err(|error| SystemError::unusable(&path, error))?;
    Ok(conn)
}

/// Creates a list in memory.
pub(super) fn in_memory() -> Result<Connection, SystemError> {
    let unusable = |error| SystemError::because("no memory for the members", error);
    let mut conn = Connection::open_in_memory().map_err(unusable)?;
    sqlite::migrate(&mut conn, PLAN)
        .map_err(|error| SystemError::because("no memory for the members", error))?;
    Ok(conn)
}

fn set_up(conn: &mut Connection) -> Result<(), Trouble> {
    sqlite::check(conn, PLAN)?;
    conn.pragma_update(None, "synchronous", "full")?;
    sqlite::migrate(conn, PLAN)?;
    refresh(conn)?;
    // With a write-ahead log a write waits for the disk once instead of several times. Switching
    // needs the database alone, which is soon the case; until then it is as safe.
    match conn.pragma_update(None, "journal_mode", "wal") {
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Computes the likenesses again that an earlier version of the rules, or of Unicode, has computed.
fn refresh(conn: &mut Connection) -> rusqlite::Result<()> {
    let likeness = |name: &str| Name::parse(name).ok().map(|name| name.likeness());
    let names = stale(conn, "SELECT name, likeness FROM members", likeness)?;
    // The names that were given up are not known any more.
    let given_up = stale(conn, "SELECT likeness, likeness FROM given_up", |likeness| {
        Some(Name::likeness_of(likeness))
    })?;
    if names.is_empty() && given_up.is_empty() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (name, likeness) in names {
        tx.execute("UPDATE members SET likeness = ?2 WHERE name = ?1", [name, likeness])?;
    }
    for (old, new) in given_up {
        tx.execute("UPDATE OR REPLACE given_up SET likeness = ?2 WHERE likeness = ?1", [old, new])?;
    }
    tx.commit()
}

/// Returns the keys of rows whose second column is not what it should be, and what it should be.
fn stale(
    conn: &Connection,
    query: &str,
    expected: impl Fn(&str) -> Option<String>,
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut stale = Vec::new();
    let mut read = conn.prepare(query)?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (key, stored): (String, String) = (row.get(0)?, row.get(1)?);
        stale.extend(expected(&key).filter(|expected| *expected != stored).map(|new| (key, new)));
    }
    Ok(stale)
}

/// The error of a list that cannot be read or written now, which is logged.
pub(super) fn failed(error: rusqlite::Error) -> RequestError {
    let error = SystemError::because("the list of members cannot be used", error);
    tracing::error!(%error);
    RequestError::StoreUnavailable(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a list as 0.2.0 did.
    fn list_of_0_2_0(directory: &Path, members: &[(&str, &str)], given_up: &[(&str, &str)]) {
        let old = Connection::open(directory.join(MEMBERS_FILE)).unwrap();
        MIGRATIONS[..2].iter().for_each(|migration| old.execute_batch(migration).unwrap());
        old.pragma_update(None, "application_id", PLAN.mark).unwrap();
        old.pragma_update(None, "user_version", 2).unwrap();
        for (name, owner) in members {
            let add = "INSERT INTO members (skeleton, name, owner, since) VALUES (?1, ?2, ?3, 7)";
            let skeleton = Name::parse(name).unwrap().skeleton();
            old.execute(add, [skeleton.as_str(), name, owner]).unwrap();
        }
        for (name, owner) in given_up {
            let add = "INSERT INTO given_up (skeleton, owner) VALUES (?1, ?2)";
            let skeleton = Name::parse(name).unwrap().skeleton();
            old.execute(add, [skeleton.as_str(), owner]).unwrap();
        }
    }

    #[test]
    fn names_of_an_older_list_keep_their_owners() {
        let directory = tempfile::tempdir().unwrap();
        let names = [("alice", "a"), ("alice_", "b"), ("alicė", "a"), ("mia", "c")];
        list_of_0_2_0(directory.path(), &names, &[("zoe.", "d"), ("zoe_", "d"), ("zoe", "e")]);
        for _ in 0..2 {
            let list = open(directory.path()).unwrap();
            let all = |query: &str| -> Vec<(String, String)> {
                let mut query = list.prepare(query).unwrap();
                let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                rows.map(Result::unwrap).collect()
            };
            let expected = names.map(|(name, owner)| (name.to_owned(), owner.to_owned()));
            let found = all("SELECT name, owner FROM members WHERE since = 7 ORDER BY rowid");
            assert_eq!(found, expected);
            let likeness = Name::parse("mia").unwrap().likeness();
            let likenesses = all("SELECT likeness, count(*) || '' FROM members GROUP BY likeness");
            assert_eq!(likenesses, [("alice".into(), "3".into()), (likeness, "1".into())]);
            let given_up = all("SELECT likeness, owner FROM given_up ORDER BY owner");
            assert_eq!(given_up, [("zoe".into(), "d".into()), ("zoe".into(), "e".into())]);
        }
    }

    #[test]
    fn several_processes_can_create_the_list_at_once() {
        for _ in 0..40 {
            let directory = tempfile::tempdir().unwrap();
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        open(directory.path()).unwrap();
                    });
                }
            });
        }
    }
}
