//! The rooms that sessions are in, and the members of each room.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use super::{SessionTable, Sessions};
use crate::{
    error::{RequestError, Result},
    model::{Name, RoomName},
    storage::SessionId,
};

/// Rooms that one session may be in at a time.
const MAX_ROOMS: usize = 256;

/// Members of rooms that are copied under one lock, with the rest of the last room.
const MEMBERS_PER_LOCK: usize = 4_096;

impl Sessions {
    /// Makes a session a member of a room until the result is dropped. Errors if the session has
    /// ended or is in too many rooms.
    pub(crate) fn join(self: &Arc<Self>, id: SessionId, room: &RoomName) -> Result<Membership> {
        let mut table = self.table.lock();
        let record = table.records.get_mut(&id).ok_or(RequestError::SessionEnded)?;
        if record.rooms.len() >= MAX_ROOMS && !record.rooms.contains_key(room) {
            let what = format!("a session may be in {MAX_ROOMS} rooms");
            return Err(RequestError::LimitReached { what, retry_after: None });
        }
        *record.rooms.entry(room.clone()).or_default() += 1;
        let peer = record.peer.clone();
        table.members.entry(room.clone()).or_default().insert(id, peer);
        Ok(Membership { sessions: self.clone(), id, room: room.clone() })
    }

    /// Checks that a session may post to a room. Errors: [`RequestError::NotJoined`], and
    /// [`RequestError::SessionEnded`], which a stream whose client does not read would not notice
    /// otherwise.
    pub(crate) fn check_member(&self, id: SessionId, room: &RoomName) -> Result<()> {
        let table = self.table.lock();
        let record = table.records.get(&id).ok_or(RequestError::SessionEnded)?;
        let is_member = *room == RoomName::lobby() || record.rooms.contains_key(room);
        if is_member { Ok(()) } else { Err(RequestError::NotJoined(room.clone())) }
    }

    /// Returns the members of a room, a peer once for each of its sessions there.
    pub(crate) fn members(&self, room: &RoomName) -> Vec<Name> {
        let table = self.table.lock();
        if *room == RoomName::lobby() {
            let records = table.records.values().filter(|record| record.is_committed);
            return records.map(|record| record.peer.clone()).collect();
        }
        table.members.get(room).into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// Counts the `visible` sessions in the lobby, and in each of up to `limit` other rooms that have
    /// any, by name. Lets others have the lock and the thread in between.
    pub(crate) async fn member_counts(
        &self,
        from: Bound<&RoomName>,
        limit: usize,
        visible: &HashSet<SessionId>,
    ) -> BTreeMap<RoomName, u32> {
        let lobby = RoomName::lobby();
        let with_lobby = RangeBounds::<RoomName>::contains(&(from, Bound::Unbounded), &lobby);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (mut counts, mut from) = (BTreeMap::new(), from.cloned());
        while counts.len() < limit {
            let rooms = self.next_members(from.as_ref(), limit - counts.len());
            let Some((last, _)) = rooms.last() else { break };
            from = Bound::Excluded(last.clone());
            counts.extend(rooms.into_iter().filter_map(|(room, members)| {
                let members = members.iter().filter(|id| visible.contains(id)).count();
                (members > 0).then(|| (room, count(members)))
            }));
            tokio::task::yield_now().await;
        }
        if with_lobby {
            counts.insert(lobby, count(visible.len()));
        }
        counts
    }

    /// Returns the sessions in the next rooms other than the lobby, by name: in up to `limit` rooms, and
    /// in fewer if they have many members.
    fn next_members(
        &self,
        from: Bound<&RoomName>,
        limit: usize,
    ) -> Vec<(RoomName, Vec<SessionId>)> {
        let (mut copied, mut count) = (Vec::new(), 0);
        let table = self.table.lock();
        for (room, members) in table.members.range::<RoomName, _>((from, Bound::Unbounded)) {
            if copied.len() == limit || count >= MEMBERS_PER_LOCK {
                break;
            }
            count += members.len();
            copied.push((room.clone(), members.keys().copied().collect()));
        }
        copied
    }
}

impl SessionTable {
    pub(super) fn leave(&mut self, room: &RoomName, id: SessionId) {
        if let Some(members) = self.members.get_mut(room) {
            members.remove(&id);
            if members.is_empty() {
                self.members.remove(room);
            }
        }
    }
}

/// The membership of one of a session's streams in a room, ended on drop.
#[derive(Debug)]
pub(crate) struct Membership {
    sessions: Arc<Sessions>,
    id: SessionId,
    room: RoomName,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut table = self.sessions.table.lock();
        let Some(record) = table.records.get_mut(&self.id) else { return };
        let Some(streams) = record.rooms.get_mut(&self.room) else { return };
        *streams -= 1;
        if *streams == 0 {
            record.rooms.remove(&self.room);
            table.leave(&self.room, self.id);
        }
    }
}
