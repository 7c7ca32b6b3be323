//! The list of members, as the hub and its operator change it.

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    expiry, invites,
    schema::{self, MEMBERS_FILE, NEXT_SERIAL, failed},
};
use crate::{
    error::{RequestError, Result, SystemError},
    identity::new_secret,
    model::{InviteCode, Name},
    storage::{MAX_NAMES, Membership, NameClaim, NameHolder, Owner, OwnerId, SessionId},
};

/// The prefix of a bot's token. Tells it from a session's token.
pub const BOT_PREFIX: &str = "chinwag-bot~";

/// How many renames of one member are followed.
const MAX_RENAMES: usize = 64;

/// Less than every serial.
const ANY_SERIAL: i64 = -1;

const TOKEN_BYTES: usize = 32;

/// The names and their owners. Blocks on the disk.
#[derive(Debug)]
pub struct MemberList {
    conn: Connection,
    /// How often this list itself was changed.
    changes: u64,
}

/// A version of the list, comparable with others of the same [`MemberList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListVersion {
    others: i64,
    own: u64,
}

/// A name and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name.
    pub name: Name,
    /// The owner.
    pub owner: OwnerId,
    /// Since when it has this owner.
    pub since: Timestamp,
}

impl MemberList {
    /// Opens the list in a hub's data directory, and creates both if they are missing. The hub may
    /// be running. Errors if the file cannot be used.
    pub fn open(directory: &Path) -> Result<Self, SystemError> {
        Ok(Self { conn: schema::open(directory)?, changes: 0 })
    }

    /// Creates a list in memory. Errors if there is no memory for it.
    pub fn in_memory() -> Result<Self, SystemError> {
        Ok(Self { conn: schema::in_memory()?, changes: 0 })
    }

    /// Returns all members, sorted by name. Errors with [`RequestError::StoreUnavailable`], as all
    /// methods below, if the file cannot be used now.
    pub fn members(&self) -> Result<Vec<Member>> {
        let mut query = self
            .conn
            .prepare_cached("SELECT name, owner, since FROM members ORDER BY name")
            .map_err(failed)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let rows: rusqlite::Result<Vec<(String, String, i64)>> = rows.map_err(failed)?.collect();
        let member = |(name, owner, since): (String, String, i64)| {
            let since = Timestamp::from_second(since).unwrap_or_default();
            Ok(Member { name: known_name(&name)?, owner: OwnerId::new(owner), since })
        };
        rows.map_err(failed)?.into_iter().map(member).collect()
    }

    /// Creates an invitation for a number of newcomers, which expires. Also errors with
    /// [`RequestError::Internal`] if the machine has no random numbers.
    pub fn invite(&mut self, uses: u32, lasts: Duration) -> Result<InviteCode> {
        invites::make(&self.conn, uses, lasts)
    }

    /// Creates a token for a bot, and replaces the one it had. Also errors with
    /// [`RequestError::NameTaken`] and [`RequestError::NameConfusable`] if the name is not a bot's;
    /// [`RequestError::Internal`] if the machine has no random numbers.
    pub fn make_token(&mut self, name: &Name) -> Result<String> {
        let token = format!("{BOT_PREFIX}{}", new_secret::<TOKEN_BYTES>()?);
        let owner = Owner::bot(&token);
        self.write(|tx| {
            if let Some(found) = lookup(tx, name)? {
                if found.name != *name || !found.owner.is_bot() {
                    return Err(RequestError::taken(name, found.name));
                }
                remove(tx, &found.owner)?;
            }
            insert(tx, name, owner.id(), true)
        })?;
        Ok(token)
    }

    /// Removes the owner of a name, and frees all their names. They come back by an invitation that
    /// is made after this; a token does not come back. Also errors with
    /// [`RequestError::MemberUnknown`].
    pub fn remove(&mut self, name: &Name) -> Result<Vec<Name>> {
        self.write(|tx| {
            let found = lookup_exactly(tx, name)?;
            let names = names_of(tx, &found.owner)?;
            remove(tx, &found.owner)?;
            Ok(names)
        })
    }

    /// Revokes a bot's token. Also errors with [`RequestError::MemberUnknown`] if it is no bot.
    pub fn revoke_token(&mut self, name: &Name) -> Result<()> {
        self.write(|tx| {
            let found = lookup_exactly(tx, name)?;
            if !found.owner.is_bot() {
                return Err(RequestError::MemberUnknown(name.clone()));
            }
            remove(tx, &found.owner)
        })
    }

    /// Renames a member. The old name is free for others; its owner cannot take it back, as a
    /// client would that does not know of the change. Also errors with
    /// [`RequestError::MemberUnknown`], and [`RequestError::NameTaken`] and
    /// [`RequestError::NameConfusable`] if the new name, or one that looks like it, belongs to
    /// another member.
    pub fn rename(&mut self, old: &Name, new: &Name) -> Result<()> {
        self.write(|tx| {
            let found = lookup_exactly(tx, old)?;
            if let Some(other) = look_alike(tx, new, old)? {
                return Err(RequestError::taken(new, other));
            }
            tx.execute("DELETE FROM members WHERE name = ?1", [old.as_str()]).map_err(failed)?;
            let take_back = "DELETE FROM given_up WHERE likeness = ?1 AND owner = ?2";
            tx.execute(take_back, [&new.likeness(), found.owner.as_str()]).map_err(failed)?;
            let give_up =
                "INSERT OR REPLACE INTO given_up (likeness, owner, new_name) VALUES (?1, ?2, ?3)";
            tx.execute(give_up, [&old.likeness(), found.owner.as_str(), new.as_str()])
                .map_err(failed)?;
            insert(tx, new, &found.owner, true)
        })
    }

    /// Returns whether it is recorded that the owner uses this name; `None` if nobody has it.
    pub(super) fn has(&self, name: &Name, owner: &OwnerId) -> Result<Option<bool>> {
        match lookup(&self.conn, name)? {
            Some(found) => {
                found.check(name, owner)?;
                expiry::is_recorded(&self.conn, name).map(Some)
            }
            None => Ok(None),
        }
    }

    pub(super) fn claim(&mut self, name: &Name, owner: &OwnerId, entry: &NameClaim) -> Result<()> {
        self.write(|tx| {
            if let Some(found) = lookup(tx, name)? {
                found.check(name, owner)?;
                return expiry::record(tx, name);
            }
            if has_given_up(tx, name, owner)? {
                return Err(RequestError::NameTaken(name.clone()));
            }
            let removed = removal(tx, owner)?;
            if removed.is_some() && entry.invite.is_none() {
                return Err(RequestError::Removed);
            }
            let names = names_of(tx, owner)?.len();
            if names >= MAX_NAMES {
                let what = format!("one may have {MAX_NAMES} names");
                return Err(RequestError::LimitReached { what, retry_after: None });
            }
            let invited = removed.is_some() || (entry.invite_required && names == 0);
            if invited {
                invites::redeem(tx, entry.invite.as_ref(), removed.unwrap_or(ANY_SERIAL))?;
            }
            if removed.is_some() {
                tx.execute("DELETE FROM removed WHERE owner = ?1", [owner.as_str()])
                    .map_err(failed)?;
            }
            insert(tx, name, owner, invited)
        })
    }

    /// See [`NameRegistry::expire`](crate::storage::NameRegistry::expire).
    pub(super) fn expire(
        &mut self,
        used: &[NameHolder],
        hours: u32,
        idle: Option<Duration>,
    ) -> Result<usize> {
        self.write(|tx| expiry::expire(tx, used, hours, idle))
    }

    pub(super) fn check_free(&self, name: &Name) -> Result<()> {
        match lookup(&self.conn, name)? {
            Some(found) => Err(RequestError::taken(name, found.name)),
            None => Ok(()),
        }
    }

    pub(super) fn find(&self, owner: &OwnerId) -> Result<Membership> {
        let names = names_of(&self.conn, owner)?;
        Ok(match names.is_empty() {
            false => Membership::Member(names),
            true if removal(&self.conn, owner)?.is_some() => Membership::Removed,
            true => Membership::Unknown,
        })
    }

    /// See [`NameRegistry::renamed`](crate::storage::NameRegistry::renamed).
    pub(super) fn renamed(&self, name: &Name, owner: &OwnerId) -> Result<Option<Name>> {
        let mut name = name.clone();
        for _ in 0..MAX_RENAMES {
            match lookup(&self.conn, &name)? {
                Some(found) if found.owner == *owner && found.name == name => {
                    return Ok(Some(name));
                }
                _ => {}
            }
            match new_name(&self.conn, &name, owner)? {
                Some(new) => name = new,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    pub(super) fn expelled(&self, holders: &[NameHolder]) -> Result<Vec<SessionId>> {
        let mut expelled = Vec::new();
        for holder in holders {
            let belongs_to = lookup(&self.conn, &holder.name)?;
            let may_stay = match (&holder.owner, belongs_to) {
                (None, found) => found.is_none(),
                (Some(owner), Some(found)) => found.check(&holder.name, owner).is_ok(),
                (Some(_), None) => false,
            };
            if !may_stay {
                expelled.push(holder.session);
            }
        }
        Ok(expelled)
    }

    pub(super) fn version(&self) -> Result<ListVersion> {
        let others = self.conn.pragma_query_value(None, "data_version", |row| row.get(0));
        Ok(ListVersion { others: others.map_err(failed)?, own: self.changes })
    }

    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(failed)?;
        let done = work(&tx)?;
        tx.commit().map_err(failed)?;
        self.changes += 1;
        Ok(done)
    }
}

/// A name with its owner.
struct MemberRecord {
    name: Name,
    owner: OwnerId,
}

impl MemberRecord {
    fn check(self, name: &Name, owner: &OwnerId) -> Result<()> {
        if self.owner == *owner && self.name == *name {
            Ok(())
        } else {
            Err(RequestError::taken(name, self.name))
        }
    }
}

/// Returns the member with this name; without one, a member whose name looks like it.
fn lookup(conn: &Connection, name: &Name) -> Result<Option<MemberRecord>> {
    let query =
        "SELECT name, owner FROM members WHERE likeness = ?1 ORDER BY name = ?2 DESC LIMIT 1";
    let found: Option<(String, String)> = conn
        .prepare_cached(query)
        .and_then(|mut query| {
            let likeness = name.likeness();
            query
                .query_row([&likeness, name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(failed)?;
    let found = found.map(|(name, owner)| {
        Ok(MemberRecord { name: known_name(&name)?, owner: OwnerId::new(owner) })
    });
    found.transpose()
}

/// Returns a name of a member, other than `except`, that is this one or looks like it.
fn look_alike(conn: &Connection, name: &Name, except: &Name) -> Result<Option<Name>> {
    let query = "SELECT name FROM members WHERE likeness = ?1 AND name <> ?2 \
                 ORDER BY name = ?3 DESC LIMIT 1";
    let found: Option<String> = conn
        .prepare_cached(query)
        .and_then(|mut query| {
            let likeness = name.likeness();
            query
                .query_row([&likeness, except.as_str(), name.as_str()], |row| row.get(0))
                .optional()
        })
        .map_err(failed)?;
    found.map(|name| known_name(&name)).transpose()
}

fn lookup_exactly(conn: &Connection, name: &Name) -> Result<MemberRecord> {
    let found = lookup(conn, name)?.filter(|found| found.name == *name);
    found.ok_or_else(|| RequestError::MemberUnknown(name.clone()))
}

fn names_of(conn: &Connection, owner: &OwnerId) -> Result<Vec<Name>> {
    let names: rusqlite::Result<Vec<String>> = conn
        .prepare_cached("SELECT name FROM members WHERE owner = ?1 ORDER BY name")
        .and_then(|mut query| query.query_map([owner.as_str()], |row| row.get(0))?.collect());
    names.map_err(failed)?.iter().map(|name| known_name(name)).collect()
}

/// Returns the serial of the owner's removal, if they were removed.
fn removal(conn: &Connection, owner: &OwnerId) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT serial FROM removed WHERE owner = ?1")
        .and_then(|mut query| query.query_row([owner.as_str()], |row| row.get(0)).optional())
        .map_err(failed)
}

fn has_given_up(conn: &Connection, name: &Name, owner: &OwnerId) -> Result<bool> {
    conn.prepare_cached("SELECT 1 FROM given_up WHERE likeness = ?1 AND owner = ?2")
        .and_then(|mut query| query.exists([&name.likeness(), owner.as_str()]))
        .map_err(failed)
}

/// Returns the name that the owner of `name` got instead.
fn new_name(conn: &Connection, name: &Name, owner: &OwnerId) -> Result<Option<Name>> {
    let new: Option<Option<String>> = conn
        .prepare_cached("SELECT new_name FROM given_up WHERE likeness = ?1 AND owner = ?2")
        .and_then(|mut query| {
            query.query_row([&name.likeness(), owner.as_str()], |row| row.get(0)).optional()
        })
        .map_err(failed)?;
    new.flatten().map(|new| known_name(&new)).transpose()
}

/// Adds a name. One that is `kept` stays even if nobody uses it.
fn insert(conn: &Connection, name: &Name, owner: &OwnerId, kept: bool) -> Result<()> {
    let insert = "INSERT INTO members (likeness, name, owner, since, kept, used_at) \
                  VALUES (?1, ?2, ?3, ?4, ?5, (SELECT hours FROM uptime))";
    let now = Timestamp::now().as_second();
    conn.execute(insert, params![name.likeness(), name.as_str(), owner.as_str(), now, kept])
        .map(drop)
        .map_err(failed)
}

fn remove(conn: &Connection, owner: &OwnerId) -> Result<()> {
    let note = format!(
        "INSERT OR REPLACE INTO removed (owner, at, serial) VALUES (?1, ?2, {NEXT_SERIAL})"
    );
    conn.execute("DELETE FROM members WHERE owner = ?1", [owner.as_str()])
        .and_then(|_| conn.execute(&note, params![owner.as_str(), Timestamp::now().as_second()]))
        .map(drop)
        .map_err(failed)
}

/// Parses a name of the file.
fn known_name(raw: &str) -> Result<Name> {
    Name::parse(raw).map_err(|problem| {
        SystemError::because(
            format_args!("{MEMBERS_FILE} holds {raw:?}, which is not a valid name"),
            problem,
        )
        .into()
    })
}
