//! The conversations of a history: whose they are, and under which names they are shown.

use std::{sync::Arc, time::Duration};

use rusqlite::{Connection, Result, params};

use super::KeepFor;
use crate::{
    identity::ContactBook,
    model::{Endpoint, Fingerprint, Name},
};

/// Whose conversations an operation is about, and the keys of their peers.
#[derive(Debug)]
pub(super) struct HistoryOwner {
    pub(super) book: Arc<ContactBook>,
    pub(super) hub: Endpoint,
    pub(super) me: Name,
}

/// A row of the table of conversations.
#[derive(Debug, Clone)]
pub(super) struct ConversationRow {
    pub(super) id: i64,
    /// The own name that the conversation was held under.
    pub(super) me: Name,
    pub(super) key: Option<Fingerprint>,
    /// The name as it is in the table.
    pub(super) peer: Name,
    pub(super) keep: KeepFor,
    pub(super) messages: u64,
    /// The position of the last message.
    pub(super) last: Option<i64>,
}

impl HistoryOwner {
    /// Returns the conversations of this owner at this hub, under any of its endpoints.
    pub(super) fn conversations(&self, file: &Connection) -> Result<Vec<ConversationRow>> {
        let mut rows = self.of_all_own_names(file)?;
        rows.retain(|row| row.me == self.me);
        Ok(rows)
    }

    /// Returns the conversations at this hub of all names that its owner has or had there.
    pub(super) fn of_all_own_names(&self, file: &Connection) -> Result<Vec<ConversationRow>> {
        let hubs = self.book.hub_endpoints(&self.hub);
        let mut query = file.prepare_cached(
            "SELECT id, key, peer, keep_for, messages, hub,
                 (SELECT max(place) FROM message WHERE conversation = c.id), me
             FROM conversation AS c",
        )?;
        let rows = query.query_map([], |row| {
            let (peer, hub, me): (String, String, String) = (row.get(2)?, row.get(5)?, row.get(7)?);
            let key: Option<[u8; 32]> = row.get(1)?;
            // A row that somebody has edited, so that it is not valid, is left out.
            let peer = Name::parse(&peer).ok().filter(|_| hubs.contains(&hub));
            let (Some(peer), Ok(me)) = (peer, Name::parse(&me)) else { return Ok(None) };
            let seconds: Option<u32> = row.get(3)?;
            let keep = match seconds {
                None => KeepFor::Always,
                Some(0) => KeepFor::Never,
                Some(seconds) => KeepFor::Only(Duration::from_secs(seconds.into())),
            };
            let messages = row.get::<_, i64>(4)?.try_into().unwrap_or_default();
            let (id, key, last) = (row.get(0)?, key.map(Fingerprint::from_bytes), row.get(6)?);
            Ok(Some(ConversationRow { id, me, key, peer, keep, messages, last }))
        })?;
        rows.filter_map(Result::transpose).collect()
    }

    /// Returns under which name a conversation is shown; `None`: the name belongs to another key.
    pub(super) fn name_of(&self, row: &ConversationRow) -> Option<Name> {
        if self.knows_as(row, &row.peer) {
            return Some(row.peer.clone());
        }
        let contacts = self.book.hub(&self.hub).map(|hub| &hub.contacts);
        let of_key = contacts.into_iter().flatten().filter(|(_, known)| Some(known.key) == row.key);
        match of_key.max_by_key(|(_, known)| known.first_seen) {
            Some((name, _)) => Some(name.clone()),
            None if self.book.contact(&self.hub, &row.peer).is_some() => None,
            None => Some(row.peer.clone()),
        }
    }

    /// Returns true if the contact book has the key of a conversation under this name, which may be
    /// a former name of the peer.
    fn knows_as(&self, row: &ConversationRow, name: &Name) -> bool {
        self.book.contact(&self.hub, name).is_some_and(|known| Some(known.key) == row.key)
    }

    /// Returns true if a conversation is shown under the name of a peer, or was.
    pub(super) fn is_with(&self, row: &ConversationRow, peer: &Name) -> bool {
        row.peer == *peer || self.name_of(row).as_ref() == Some(peer)
    }

    /// Returns true if a setting for the name is one for this conversation: it is found under the
    /// name, or was, before another key took the name.
    pub(super) fn is_set_with(&self, row: &ConversationRow, name: &Name) -> bool {
        self.knows_as(row, name)
            || row.peer == *name && self.name_of(row).is_none_or(|shown| shown == *name)
    }

    /// Returns the conversation with the peer of a name: that of the key in the contact book, or else
    /// the latest that is shown under the name, one with a key before one without.
    pub(super) fn find(&self, file: &Connection, peer: &Name) -> Result<Option<ConversationRow>> {
        let rows = self.conversations(file)?.into_iter();
        let named =
            rows.filter(|row| self.knows_as(row, peer) || self.name_of(row).as_ref() == Some(peer));
        Ok(named.max_by_key(|row| (row.key.is_some(), row.last)))
    }

    /// Returns how long messages with the peer of a name are kept.
    pub(super) fn kept_for(&self, file: &Connection, peer: &Name) -> Result<KeepFor> {
        match self.find(file, peer)? {
            Some(row) => Ok(row.keep),
            None => Ok(self.set_for(&self.conversations(file)?, peer)),
        }
    }

    /// Returns what a person has set for a name, before its present key was known.
    fn set_for(&self, rows: &[ConversationRow], peer: &Name) -> KeepFor {
        let set = rows.iter().filter(|row| self.is_set_with(row, peer)).max_by_key(|row| row.id);
        set.map_or(KeepFor::Always, |row| row.keep)
    }

    /// Gives the conversations of a former name at this hub the present one.
    pub(super) fn rename_from(&self, file: &Connection, former: &Name) -> Result<()> {
        let before = Self { book: self.book.clone(), hub: self.hub.clone(), me: former.clone() };
        for row in before.conversations(file)? {
            let rename = "UPDATE conversation SET me = ? WHERE id = ?";
            file.execute(rename, params![self.me.as_str(), row.id])?;
        }
        Ok(())
    }

    /// Returns the conversation with the owner of a key, or of a name without one, which is added if
    /// there is none.
    pub(super) fn find_or_add(
        &self,
        file: &Connection,
        peer: &Name,
        key: Option<Fingerprint>,
    ) -> Result<ConversationRow> {
        let rows = self.conversations(file)?;
        let is_it = |row: &&ConversationRow| match key {
            Some(_) => row.key == key,
            None => row.key.is_none() && row.peer == *peer,
        };
        if let Some(row) = rows.iter().find(is_it) {
            if row.peer != *peer {
                let change = "UPDATE conversation SET peer = ? WHERE id = ?";
                file.execute(change, params![peer.as_str(), row.id])?;
            }
            return Ok(row.clone());
        }
        let keep = self.set_for(&rows, peer);
        file.execute(
            "INSERT INTO conversation (hub, me, key, peer, keep_for) VALUES (?, ?, ?, ?, ?)",
            params![
                self.hub.to_string(),
                self.me.as_str(),
                key.map(|key| *key.as_bytes()),
                peer.as_str(),
                seconds(keep)
            ],
        )?;
        let (id, me, peer) = (file.last_insert_rowid(), self.me.clone(), peer.clone());
        Ok(ConversationRow { id, me, key, peer, keep, messages: 0, last: None })
    }
}

/// Returns a setting as the table has it.
pub(super) fn seconds(keep: KeepFor) -> Option<u32> {
    match keep {
        KeepFor::Always => None,
        KeepFor::Never => Some(0),
        KeepFor::Only(time) => Some(u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
    }
}
