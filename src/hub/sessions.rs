//! The sessions of this hub: whose token it is, which streams are open, who is in which room.
//!
//! The [`Directory`](crate::storage::Directory) decides how long a session lives; this table knows
//! what the session does meanwhile. Lock order: the directory's lock, then this one, then a
//! mailbox's.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::fanout::{self, StreamCommand, StreamQueue};
use crate::{
    error::{RequestError, Result},
    identity::{SecretHash, hash_secret, new_secret},
    model::{Fingerprint, Name, RoomName},
    proto,
    storage::{Holder, Owner, SessionId},
    wire,
};

/// Streams that one session may have open: a client needs three.
const MAX_STREAMS: usize = 32;

/// Sessions of all peers: the hundred thousand that a list of peers is made for, and more. Each takes
/// some kilobytes with its endpoints (at most 8 of 253 bytes) and its certificate (at most 4 KiB).
const MAX_SESSIONS: usize = 128 * 1024;

/// When somebody who found no place may come again: leases of those who have gone end.
const FULL_DELAY: Duration = Duration::from_secs(30);

/// Rooms that one session may be in at a time.
pub(crate) const MAX_ROOMS: usize = 256;

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) session: SessionId,
    pub(crate) peer: Name,
    /// Whose the name was when the session began; `None`: a guest's.
    pub(crate) owner: Option<Owner>,
    /// The key of the connection on which the session began; `None`: it had none.
    pub(crate) key: Option<Fingerprint>,
}

impl Caller {
    /// Whether the name is theirs by a token that was shown when the session began. The session is
    /// proof of that token for as long as it lives, of that name, and of nothing else.
    pub(crate) fn is_vouched(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.certificate().is_none())
    }
}

/// Bytes of a session's token.
const TOKEN_BYTES: usize = 32;

#[derive(Debug)]
struct Entry {
    peer: Name,
    owner: Option<Owner>,
    key: Option<Fingerprint>,
    token: SecretHash,
    /// Until when the peer was told that the session lives, when it last was heard of.
    promised_until: Instant,
    streams: Slab<Arc<StreamQueue>>,
    /// How many streams have joined a room, per room.
    rooms: HashMap<RoomName, usize>,
}

#[derive(Debug, Default)]
struct Table {
    by_token: HashMap<SecretHash, SessionId>,
    entries: HashMap<SessionId, Entry>,
    /// Who is in each room but the lobby, in which everybody is.
    members: BTreeMap<RoomName, HashMap<SessionId, Name>>,
    /// Sessions whose last stream has ended since the keeper looked.
    loosened: Vec<SessionId>,
    closing: bool,
}

/// All sessions of this hub.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: Mutex<Table>,
    count: watch::Sender<usize>,
    loosened: Notify,
}

impl Sessions {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            count: watch::Sender::new(0),
            loosened: Notify::new(),
        })
    }

    /// Enters a session, which was promised `lease`, and makes its token.
    ///
    /// # Errors
    ///
    /// [`RequestError::Io`] where the machine has no random numbers.
    pub(crate) fn enter(&self, caller: Caller, lease: Duration) -> Result<String> {
        let token = new_secret::<TOKEN_BYTES>()?;
        let hash = hash_secret(&token);
        let Caller { session: id, peer, owner, key } = caller;
        let mut table = self.lock();
        if table.entries.len() >= MAX_SESSIONS {
            let what = "the hub has as many sessions as it takes".into();
            return Err(RequestError::LimitReached { what, retry_after: Some(FULL_DELAY) });
        }
        table.by_token.insert(hash, id);
        let entry = Entry {
            peer,
            owner,
            key,
            token: hash,
            promised_until: Instant::now() + lease,
            streams: Slab::new(),
            rooms: HashMap::new(),
        };
        table.entries.insert(id, entry);
        self.count.send_replace(table.entries.len());
        Ok(token)
    }

    /// Removes a session that has ended, and ends its streams.
    pub(crate) fn remove(&self, id: SessionId) {
        let mut table = self.lock();
        let Some(entry) = table.entries.remove(&id) else { return };
        table.by_token.remove(&entry.token);
        for room in entry.rooms.keys() {
            table.leave(room, id);
        }
        self.count.send_replace(table.entries.len());
        for (_, mailbox) in &entry.streams {
            mailbox.push(goodbye(RequestError::SessionEnded));
        }
    }

    /// Whose token this is. `key` is the key of the connection that it came over: where the session
    /// began with a key, the token is worth nothing without it.
    ///
    /// # Errors
    ///
    /// [`RequestError::SessionEnded`], and [`RequestError::TokenRefused`] where the key is another.
    pub(crate) fn authenticate(&self, token: &str, key: Option<Fingerprint>) -> Result<Caller> {
        let table = self.lock();
        let session = *table.by_token.get(&hash_secret(token)).ok_or(RequestError::SessionEnded)?;
        let entry = table.entries.get(&session).ok_or(RequestError::SessionEnded)?;
        if entry.key.is_some() && entry.key != key {
            let problem = "it is of a session that began with another key";
            return Err(RequestError::TokenRefused(problem.into()));
        }
        let (peer, owner) = (entry.peer.clone(), entry.owner.clone());
        Ok(Caller { session, peer, owner, key: entry.key })
    }

    /// Who holds which name.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let holder = |(session, entry): (&SessionId, &Entry)| Holder {
            session: *session,
            name: entry.peer.clone(),
            owner: entry.owner.as_ref().map(|owner| owner.id().clone()),
        };
        self.lock().entries.iter().map(holder).collect()
    }

    /// Notes that a stream of the session is open, for as long as the answer lives.
    pub(crate) fn hold(
        self: &Arc<Self>,
        id: SessionId,
        mailbox: Arc<StreamQueue>,
    ) -> Result<StreamGuard> {
        let mut table = self.lock();
        if table.closing {
            return Err(RequestError::ShuttingDown);
        }
        let entry = table.entries.get_mut(&id).ok_or(RequestError::SessionEnded)?;
        if entry.streams.len() == MAX_STREAMS {
            let what = format!("a session may have {MAX_STREAMS} streams open");
            return Err(RequestError::LimitReached { what, retry_after: None });
        }
        let key = entry.streams.insert(mailbox);
        Ok(StreamGuard { sessions: self.clone(), id, key })
    }

    /// Puts the session into a room for as long as the answer lives.
    pub(crate) fn join(self: &Arc<Self>, id: SessionId, room: &RoomName) -> Result<Membership> {
        let mut table = self.lock();
        let entry = table.entries.get_mut(&id).ok_or(RequestError::SessionEnded)?;
        if entry.rooms.len() >= MAX_ROOMS && !entry.rooms.contains_key(room) {
            let what = format!("a session may be in {MAX_ROOMS} rooms");
            return Err(RequestError::LimitReached { what, retry_after: None });
        }
        *entry.rooms.entry(room.clone()).or_default() += 1;
        let peer = entry.peer.clone();
        table.members.entry(room.clone()).or_default().insert(id, peer);
        Ok(Membership { sessions: self.clone(), id, room: room.clone() })
    }

    /// Checks that the session may post to the room.
    ///
    /// # Errors
    ///
    /// [`RequestError::SessionEnded`], which a stream whose client does not read learns late, and
    /// [`RequestError::NotJoined`].
    pub(crate) fn check_member(&self, id: SessionId, room: &RoomName) -> Result<()> {
        let table = self.lock();
        let entry = table.entries.get(&id).ok_or(RequestError::SessionEnded)?;
        if *room == RoomName::lobby() || entry.rooms.contains_key(room) {
            Ok(())
        } else {
            Err(RequestError::NotJoined(room.clone()))
        }
    }

    /// Notes that the session's peer was alive just now, and was promised `lease`.
    pub(crate) fn promise(&self, id: SessionId, lease: Duration) {
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.promised_until = Instant::now() + lease;
        }
    }

    /// The peers in a room, by name; each as often as it has sessions there.
    pub(crate) fn members(&self, room: &RoomName) -> Vec<Name> {
        let table = self.lock();
        if *room == RoomName::lobby() {
            return table.entries.values().map(|entry| entry.peer.clone()).collect();
        }
        table.members.get(room).into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// How many sessions are in each of up to `limit` rooms whose names come after `after`.
    pub(crate) fn member_counts(
        &self,
        after: Option<&RoomName>,
        limit: usize,
    ) -> BTreeMap<RoomName, u32> {
        use std::ops::Bound;
        let table = self.lock();
        let lobby = RoomName::lobby();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut counts: BTreeMap<_, _> = table
            .members
            .range::<RoomName, _>((from, Bound::Unbounded))
            .take(limit)
            .map(|(room, members)| (room.clone(), count(members.len())))
            .collect();
        if after.is_none_or(|after| *after < lobby) {
            counts.insert(lobby, count(table.entries.len()));
        }
        counts
    }

    /// The sessions that have a stream open.
    pub(crate) fn held(&self) -> Vec<SessionId> {
        let table = self.lock();
        table
            .entries
            .iter()
            .filter(|(_, entry)| !entry.streams.is_empty())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Waits for sessions whose last stream has ended, and says how much longer each was promised
    /// to live.
    pub(crate) async fn loosened(&self) -> Vec<(SessionId, Duration)> {
        loop {
            let loosened = self.lock().take_loosened();
            if !loosened.is_empty() {
                return loosened;
            }
            self.loosened.notified().await;
        }
    }

    /// How many sessions there are, now and whenever that changes.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// How many streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.lock().entries.values().map(|entry| entry.streams.len()).sum()
    }

    /// Ends all streams and lets no new one begin.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.closing = true;
        for (_, mailbox) in table.entries.values().flat_map(|entry| &entry.streams) {
            mailbox.push(goodbye(RequestError::ShuttingDown));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Table {
    fn take_loosened(&mut self) -> Vec<(SessionId, Duration)> {
        let now = Instant::now();
        let promised = |id| {
            // Some have opened another stream meanwhile, or have ended.
            let entry = self.entries.get(&id).filter(|entry| entry.streams.is_empty())?;
            Some((id, entry.promised_until.saturating_duration_since(now)))
        };
        std::mem::take(&mut self.loosened).into_iter().filter_map(promised).collect()
    }

    fn leave(&mut self, room: &RoomName, id: SessionId) {
        if let Some(members) = self.members.get_mut(room) {
            members.remove(&id);
            if members.is_empty() {
                self.members.remove(room);
            }
        }
    }
}

/// An open stream of a session.
#[derive(Debug)]
pub(crate) struct StreamGuard {
    sessions: Arc<Sessions>,
    id: SessionId,
    key: usize,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        let Some(entry) = table.entries.get_mut(&self.id) else { return };
        entry.streams.try_remove(self.key);
        if entry.streams.is_empty() {
            table.loosened.push(self.id);
            self.sessions.loosened.notify_one();
        }
    }
}

/// A session's stay in a room, by one of its streams.
#[derive(Debug)]
pub(crate) struct Membership {
    sessions: Arc<Sessions>,
    id: SessionId,
    room: RoomName,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        let Some(entry) = table.entries.get_mut(&self.id) else { return };
        let Some(streams) = entry.rooms.get_mut(&self.room) else { return };
        *streams -= 1;
        if *streams == 0 {
            entry.rooms.remove(&self.room);
            table.leave(&self.room, self.id);
        }
    }
}

/// Tells a stream why it ends, and ends it.
fn goodbye(error: RequestError) -> StreamCommand {
    use proto::chat_response::Event;
    let goodbye = proto::Goodbye { refusal: Some(wire::refusal(&error)) };
    let last: Bytes = fanout::frame(&proto::ChatResponse { event: Some(Event::Goodbye(goodbye)) });
    StreamCommand::End { last, error: Some(error) }
}
