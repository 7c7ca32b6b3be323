//! The sessions of this hub: their tokens, their open streams, and the rooms they are in.
//!
//! The [`Directory`](crate::storage::Directory) decides how long a session lives; this table tracks
//! what the session does meanwhile. Lock order: the directory's lock, this table's, a stream
//! queue's.

mod members;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use slab::Slab;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

pub(crate) use self::members::Membership;
use super::fanout::{StreamCommand, StreamQueue};
use crate::{
    error::{RequestError, Result},
    identity::{SecretHash, hash_secret, new_secret},
    model::{Fingerprint, Name, RoomName},
    storage::{NameHolder, Owner, Session, SessionId},
    transport::{Held, Pool},
};

/// Streams that one session may have open. A client needs three.
const MAX_STREAMS: usize = 32;

/// When to retry after the hub was full: by then leases have expired.
const FULL_DELAY: Duration = Duration::from_secs(30);

/// How long the requests of a session may take to be answered before its streams are ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

const TOKEN_BYTES: usize = 32;

/// What the tables of a hub take for a session beside its certificate and endpoints.
const SESSION_BYTES: usize = 2 * 1024;

/// What an endpoint takes beside its host.
const ENDPOINT_BYTES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) session: SessionId,
    pub(crate) peer: Name,
    /// The owner of the name when the session began; `None` for a guest.
    pub(crate) owner: Option<Owner>,
    /// The key of the connection on which the session began; `None`: it had none.
    pub(crate) key: Option<Fingerprint>,
}

impl Caller {
    /// Returns true if a token proved the owner when the session began, not a key. For as long as
    /// the session lives it proves that name, and nothing else.
    pub(crate) fn is_vouched(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.certificate().is_none())
    }
}

#[derive(Debug)]
struct SessionRecord {
    peer: Name,
    owner: Option<Owner>,
    key: Option<Fingerprint>,
    token: SecretHash,
    /// Whether the registration is complete. Until then the owner may not have the name yet.
    is_committed: bool,
    /// Until when the peer was last told that the session lives.
    promised_until: Instant,
    held: Held,
    streams: Slab<Arc<StreamQueue>>,
    /// How many streams have joined a room, per room.
    rooms: HashMap<RoomName, usize>,
}

#[derive(Debug, Default)]
struct SessionTable {
    by_token: HashMap<SecretHash, SessionId>,
    records: HashMap<SessionId, SessionRecord>,
    /// The members of each room except the lobby, which everybody is in.
    members: BTreeMap<RoomName, HashMap<SessionId, Name>>,
    /// Sessions whose last stream ended since [`Sessions::detached`] returned last.
    detached: Vec<SessionId>,
    closing: bool,
}

#[derive(Debug)]
pub(crate) struct Sessions {
    limit: usize,
    /// What all sessions take.
    memory: Pool,
    table: Mutex<SessionTable>,
    /// How many sessions are complete.
    count: watch::Sender<usize>,
    detached: Notify,
}

impl Sessions {
    /// Takes up to `limit` sessions, and those that fit into `memory`.
    pub(crate) fn new(limit: usize, memory: Pool) -> Arc<Self> {
        let (count, detached) = (watch::Sender::new(0), Notify::new());
        Arc::new(Self { limit, memory, table: Mutex::default(), count, detached })
    }

    /// Adds a session, whose client is promised `lease`, and makes its token. Dropping the result
    /// without a commit removes the session. Errors if the hub is full, or has no random numbers.
    pub(crate) fn begin(
        self: &Arc<Self>,
        caller: Caller,
        lease: Duration,
    ) -> Result<PendingSession> {
        let token = new_secret::<TOKEN_BYTES>()?;
        let hash = hash_secret(&token);
        let Caller { session: id, peer, owner, key } = caller;
        let mut table = self.table.lock();
        if table.records.len() >= self.limit || self.memory.is_full() {
            let what = "the hub has as many sessions as it takes".into();
            return Err(RequestError::LimitReached { what, retry_after: Some(FULL_DELAY) });
        }
        table.by_token.insert(hash, id);
        let record = SessionRecord {
            peer,
            owner,
            key,
            token: hash,
            is_committed: false,
            promised_until: Instant::now() + lease,
            held: self.memory.hold(SESSION_BYTES),
            streams: Slab::new(),
            rooms: HashMap::new(),
        };
        table.records.insert(id, record);
        Ok(PendingSession { sessions: self.clone(), id, token: Some(token) })
    }

    /// Notes what a session takes, when it begins and with each change of it.
    pub(crate) fn measure(&self, session: &Session) {
        let certificate = session.owner.as_ref().and_then(Owner::certificate);
        let certificate = certificate.map_or(0, |certificate| certificate.as_der().len());
        let endpoints = session.endpoints.iter();
        let endpoints = endpoints.map(|endpoint| ENDPOINT_BYTES + endpoint.host().len());
        let bytes = SESSION_BYTES + certificate + endpoints.sum::<usize>();
        if let Some(record) = self.table.lock().records.get_mut(&session.id) {
            record.held.resize(bytes);
        }
    }

    /// Removes a session that has ended, and ends its streams.
    pub(crate) fn remove(&self, id: SessionId) {
        let mut table = self.table.lock();
        let Some(record) = table.records.remove(&id) else { return };
        table.by_token.remove(&record.token);
        for room in record.rooms.keys() {
            table.leave(room, id);
        }
        if record.is_committed {
            self.count.send_modify(|count| *count -= 1);
        }
        for (_, queue) in &record.streams {
            queue.push(StreamCommand::goodbye(RequestError::SessionEnded));
        }
    }

    /// Ends the streams of a session once their requests are answered, and tells its client why.
    pub(crate) async fn end_streams(&self, id: SessionId, why: &RequestError) {
        let streams = self.table.lock().records.get(&id).map(|record| record.streams.clone());
        let until = Instant::now() + SETTLE_TIMEOUT;
        for (_, queue) in streams.unwrap_or_default() {
            // A client that does not read has to do without.
            let _ = tokio::time::timeout_at(until, queue.settled()).await;
            queue.push(StreamCommand::goodbye(why.clone()));
        }
    }

    /// Returns the session of a token. `key` is the key of the connection that the token came over:
    /// a session that began with a key accepts its token only with that key. Errors:
    /// [`RequestError::SessionEnded`] if there is no such session; [`RequestError::TokenRefused`]
    /// if the key is another.
    pub(crate) fn authenticate(&self, token: &str, key: Option<Fingerprint>) -> Result<Caller> {
        let table = self.table.lock();
        let session = *table.by_token.get(&hash_secret(token)).ok_or(RequestError::SessionEnded)?;
        let record = table.records.get(&session).ok_or(RequestError::SessionEnded)?;
        if record.key.is_some() && record.key != key {
            let problem = "it is of a session that began with another key";
            return Err(RequestError::TokenRefused(problem.into()));
        }
        let (peer, owner) = (record.peer.clone(), record.owner.clone());
        Ok(Caller { session, peer, owner, key: record.key })
    }

    /// Returns who holds which name, by the sessions whose registration is complete.
    pub(crate) fn holders(&self) -> Vec<NameHolder> {
        let holder = |(session, record): (&SessionId, &SessionRecord)| NameHolder {
            session: *session,
            name: record.peer.clone(),
            owner: record.owner.as_ref().map(|owner| owner.id().clone()),
        };
        let table = self.table.lock();
        table.records.iter().filter(|(_, record)| record.is_committed).map(holder).collect()
    }

    /// Adds a stream to a session until the result is dropped. Errors if the session has ended or
    /// has too many streams, or the hub is stopping.
    pub(crate) fn open_stream(
        self: &Arc<Self>,
        id: SessionId,
        queue: Arc<StreamQueue>,
    ) -> Result<StreamGuard> {
        let mut table = self.table.lock();
        if table.closing {
            return Err(RequestError::ShuttingDown);
        }
        let record = table.records.get_mut(&id).ok_or(RequestError::SessionEnded)?;
        if record.streams.len() == MAX_STREAMS {
            let what = format!("a session may have {MAX_STREAMS} streams open");
            return Err(RequestError::LimitReached { what, retry_after: None });
        }
        let key = record.streams.insert(queue);
        Ok(StreamGuard { sessions: self.clone(), id, key })
    }

    /// Notes that a session's client was told now that the session lives for `lease`.
    pub(crate) fn promise(&self, id: SessionId, lease: Duration) {
        if let Some(record) = self.table.lock().records.get_mut(&id) {
            record.promised_until = Instant::now() + lease;
        }
    }

    pub(crate) fn with_streams(&self) -> Vec<SessionId> {
        let table = self.table.lock();
        let has_stream = |(id, record): (&SessionId, &SessionRecord)| {
            (!record.streams.is_empty()).then_some(*id)
        };
        table.records.iter().filter_map(has_stream).collect()
    }

    /// Waits for sessions whose last stream has ended. Returns them with the rest of their leases.
    pub(crate) async fn detached(&self) -> Vec<(SessionId, Duration)> {
        loop {
            let detached = self.table.lock().take_detached();
            if !detached.is_empty() {
                return detached;
            }
            self.detached.notified().await;
        }
    }

    /// Waits until the number of sessions whose registration is complete is as `wanted`. It changes
    /// under the lock of the table, so no borrow of it is handed out.
    pub(crate) async fn wait_for_count(&self, wanted: impl FnMut(&usize) -> bool) {
        // Never fails: the sender lives as long as this.
        let _ = self.count.subscribe().wait_for(wanted).await;
    }

    /// Returns the number of sessions whose registration is complete, and of all open streams.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let table = self.table.lock();
        let streams = table.records.values().map(|record| record.streams.len());
        (*self.count.borrow(), streams.sum())
    }

    /// Ends all streams and refuses new ones.
    pub(crate) fn close(&self) {
        let mut table = self.table.lock();
        table.closing = true;
        for (_, queue) in table.records.values().flat_map(|record| &record.streams) {
            queue.push(StreamCommand::goodbye(RequestError::ShuttingDown));
        }
    }
}

impl SessionTable {
    fn take_detached(&mut self) -> Vec<(SessionId, Duration)> {
        let now = Instant::now();
        let promised = |id| {
            // Some have opened another stream since, or have ended.
            let record = self.records.get(&id).filter(|record| record.streams.is_empty())?;
            Some((id, record.promised_until.saturating_duration_since(now)))
        };
        std::mem::take(&mut self.detached).into_iter().filter_map(promised).collect()
    }
}

/// A session whose registration is not complete: removed on drop, unless committed.
#[derive(Debug)]
#[must_use]
pub(crate) struct PendingSession {
    sessions: Arc<Sessions>,
    id: SessionId,
    /// `None` once committed.
    token: Option<String>,
}

impl PendingSession {
    /// Keeps the session. Returns its token.
    pub(crate) fn commit(mut self) -> String {
        let mut table = self.sessions.table.lock();
        if let Some(record) = table.records.get_mut(&self.id) {
            record.is_committed = true;
            self.sessions.count.send_modify(|count| *count += 1);
        }
        drop(table);
        self.token.take().unwrap_or_default()
    }
}

impl Drop for PendingSession {
    fn drop(&mut self) {
        if self.token.is_some() {
            self.sessions.remove(self.id);
        }
    }
}

/// An open stream of a session, closed on drop.
#[derive(Debug)]
pub(crate) struct StreamGuard {
    sessions: Arc<Sessions>,
    id: SessionId,
    key: usize,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut table = self.sessions.table.lock();
        let Some(record) = table.records.get_mut(&self.id) else { return };
        record.streams.try_remove(self.key);
        if record.streams.is_empty() {
            table.detached.push(self.id);
            self.sessions.detached.notify_one();
        }
    }
}
