//! The peers that are online, and the stream of their changes.
//!
//! Changes are published at most once per [`COALESCE`]. All changes of a peer in between make one
//! entry of a delta, and a delta is encoded once for all watchers. A watcher that fell behind the
//! ring of deltas receives the whole list again.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Notify, watch};
use tonic::async_trait;

use super::fanout::{self, Chunk, Ring, Source};
use crate::{
    error::{Gone, RequestError, Result},
    model::{MAX_ENDPOINTS, Name, Peer, PeerStatus, Position, RoomName},
    proto::{self, watch_peers_response::Event},
    storage::{Owner, Session, SessionId},
};

/// How long changes are collected. People take a tenth of a second for instant.
const COALESCE: Duration = Duration::from_millis(100);

/// Peers in one delta or one part of a snapshot. A typical peer has 600 bytes with its certificate.
const PEERS_PER_EVENT: usize = 200;

/// The most bytes of peers in one response: a quarter of what clients accept by default. A peer has
/// at most 7 KiB, with a certificate and eight endpoints of full length.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024 - 1024;

/// Bytes of deltas that are kept for watchers that are slow or reconnect.
const RING_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
struct PeerTable {
    /// The sessions of each peer, the oldest first.
    sessions: BTreeMap<Name, Vec<Session>>,
    /// The peers that changed since the last delta, as last published.
    published: BTreeMap<Name, Option<Peer>>,
    revision: u64,
    /// The encoded list at that revision, if it was needed.
    snapshot: Option<Bytes>,
}

#[derive(Debug)]
pub(crate) struct Peers {
    epoch: u64,
    table: Mutex<PeerTable>,
    ring: Ring,
    changed: Notify,
    /// How often changes were published.
    flushes: watch::Sender<u64>,
}

impl Peers {
    pub(crate) fn new(epoch: u64) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            table: Mutex::default(),
            ring: Ring::new(RING_BYTES),
            changed: Notify::new(),
            flushes: watch::Sender::new(0),
        })
    }

    /// Adds a session, or replaces it with its new state.
    pub(crate) fn put(&self, session: Session) {
        self.change(&session.peer.clone(), |sessions| {
            match sessions.iter_mut().find(|present| present.id == session.id) {
                Some(present) => *present = session,
                None => sessions.push(session),
            }
        });
    }

    pub(crate) fn remove(&self, id: SessionId, peer: &Name) {
        self.change(peer, |sessions| sessions.retain(|session| session.id != id));
    }

    /// Counts the peers, including invisible ones.
    pub(crate) fn count(&self) -> usize {
        self.table.lock().sessions.len()
    }

    /// Returns a peer, unless it is invisible.
    pub(crate) fn get(&self, name: &Name) -> Option<Peer> {
        self.table.lock().peer(name)
    }

    /// Returns the current state of a session.
    pub(crate) fn session(&self, peer: &Name, id: SessionId) -> Option<Session> {
        let table = self.table.lock();
        table.sessions.get(peer)?.iter().find(|session| session.id == id).cloned()
    }

    /// Returns a peer as if all of its sessions were visible.
    pub(crate) fn get_even_invisible(&self, name: &Name) -> Option<Peer> {
        let table = self.table.lock();
        table.sessions.get(name).and_then(|sessions| as_peer(sessions, |_| true))
    }

    /// Returns the sessions that are not invisible.
    pub(crate) fn visible_sessions(&self) -> HashSet<SessionId> {
        let table = self.table.lock();
        let sessions = table.sessions.values().flatten().filter(|session| is_visible(session));
        sessions.map(|session| session.id).collect()
    }

    /// Returns up to `limit` visible peers that pass `filter`, by name, after the name `after`.
    pub(crate) fn list(
        &self,
        after: Option<&Name>,
        limit: usize,
        filter: impl Fn(&Peer) -> bool,
    ) -> Vec<Peer> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let table = self.table.lock();
        table
            .sessions
            .range::<Name, _>((from, Bound::Unbounded))
            .filter_map(|(_, sessions)| as_peer(sessions, is_visible))
            .filter(filter)
            .take(limit)
            .collect()
    }

    /// Returns the whole list as frames, at a revision that includes all changes before the call.
    /// Waits for the next delta instead of publishing one: peers that come at once make few deltas.
    pub(crate) async fn current(&self) -> Chunk {
        let mut flushes = self.flushes.subscribe();
        if !self.table.lock().published.is_empty() {
            // Never fails: `self` owns the sender.
            let _ = flushes.changed().await;
        }
        self.snapshot()
    }

    /// Returns the whole list as frames, as last published.
    fn snapshot(&self) -> Chunk {
        let mut table = self.table.lock();
        let frames = match &table.snapshot {
            Some(frames) => frames.clone(),
            None => table.encode(self.epoch),
        };
        table.snapshot = Some(frames.clone());
        Chunk { frames, last_seq: table.revision }
    }

    /// Returns the cursor of a watcher that has seen `revision`. Errors with
    /// [`RequestError::PositionGone`] if the changes since then are not kept.
    pub(crate) fn resume(&self, revision: Position) -> Result<u64> {
        if revision.epoch != self.epoch {
            return Err(RequestError::PositionGone(Gone::Epoch));
        }
        if revision.seq > self.table.lock().revision {
            return Err(RequestError::PositionGone(Gone::Ahead));
        }
        if self.ring.is_behind(revision.seq) {
            return Err(RequestError::PositionGone(Gone::Truncated));
        }
        Ok(revision.seq)
    }

    /// Publishes changes. Does not return.
    pub(crate) async fn publish(&self) {
        loop {
            self.changed.notified().await;
            self.flush();
            tokio::time::sleep(COALESCE).await;
        }
    }

    fn change(&self, peer: &Name, change: impl FnOnce(&mut Vec<Session>)) {
        let mut table = self.table.lock();
        if !table.published.contains_key(peer) {
            let before = table.peer(peer);
            table.published.insert(peer.clone(), before);
        }
        let sessions = table.sessions.entry(peer.clone()).or_default();
        change(sessions);
        if sessions.is_empty() {
            table.sessions.remove(peer);
        }
        self.changed.notify_one();
    }

    /// Publishes the collected changes, as one or more deltas.
    fn flush(&self) {
        let mut table = self.table.lock();
        let mut changes: Vec<(Name, Option<proto::Peer>)> = Vec::new();
        for (name, before) in std::mem::take(&mut table.published) {
            let now = table.peer(&name);
            if now != before {
                changes.push((name, now.as_ref().map(Into::into)));
            }
        }
        let size = |(name, peer): &(Name, Option<proto::Peer>)| {
            peer.as_ref().map_or(name.as_str().len() + 2, listed_len)
        };
        for part in parts(&changes, size) {
            let prev_seq = table.revision;
            table.revision += 1;
            table.snapshot = None;
            let delta = proto::PeerDelta {
                updated: part.iter().filter_map(|(_, peer)| peer.clone()).collect(),
                removed: part
                    .iter()
                    .filter(|(_, peer)| peer.is_none())
                    .map(|(name, _)| name.to_string())
                    .collect(),
                revision: Some(Position { epoch: self.epoch, seq: table.revision }.into()),
            };
            let frames = fanout::frame(&event(Event::Delta(delta)));
            self.ring.append(prev_seq, Chunk { frames, last_seq: table.revision });
        }
        drop(table);
        self.flushes.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Source for Peers {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn room(&self) -> Option<&RoomName> {
        None
    }

    async fn catch_up(&self, _seq: u64) -> Result<Chunk> {
        Ok(self.snapshot())
    }

    fn end_event(&self, _error: &RequestError) -> Option<Bytes> {
        None
    }
}

impl PeerTable {
    fn peer(&self, name: &Name) -> Option<Peer> {
        self.sessions.get(name).and_then(|sessions| as_peer(sessions, is_visible))
    }

    /// Encodes the list as it was at the last delta.
    fn encode(&self, epoch: u64) -> Bytes {
        let unchanged = self
            .sessions
            .iter()
            .filter(|(name, _)| !self.published.contains_key(*name))
            .filter_map(|(_, sessions)| as_peer(sessions, is_visible));
        let peers: Vec<proto::Peer> = unchanged
            .chain(self.published.values().flatten().cloned())
            .map(|peer| (&peer).into())
            .collect();
        let revision = Some(Position { epoch, seq: self.revision }.into());
        let mut frames = BytesMut::new();
        let mut parts = parts(&peers, listed_len).peekable();
        loop {
            let part = parts.next().unwrap_or_default().to_vec();
            let last = parts.peek().is_none();
            let snapshot = proto::PeerSnapshot { peers: part, last, revision };
            fanout::put_frame(&mut frames, &event(Event::Snapshot(snapshot)));
            if last {
                return frames.freeze();
            }
        }
    }
}

/// Returns how many of these peers, from the first on, fit into one response.
pub(crate) fn fitting(peers: &[proto::Peer]) -> usize {
    first_part(peers, listed_len)
}

/// Splits a list into parts that fit into one event each.
fn parts<T>(all: &[T], size: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let fit = first_part(rest, &size).min(PEERS_PER_EVENT);
        let (part, after) = rest.split_at_checked(fit).filter(|(part, _)| !part.is_empty())?;
        rest = after;
        Some(part)
    })
}

fn first_part<T>(all: &[T], size: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    let fits = |one: &&T| {
        bytes += size(one);
        bytes <= MAX_RESPONSE_BYTES
    };
    all.iter().take_while(fits).count()
}

/// The encoded size of a peer in a list, with its tag and length.
fn listed_len(peer: &proto::Peer) -> usize {
    let length = peer.encoded_len();
    length + prost::length_delimiter_len(length) + 1
}

fn event(event: Event) -> proto::WatchPeersResponse {
    proto::WatchPeersResponse { event: Some(event) }
}

fn is_visible(session: &Session) -> bool {
    session.status != PeerStatus::Invisible
}

/// Merges the sessions of one name that pass `counts` into a peer; `None` if none does.
fn as_peer(sessions: &[Session], counts: impl Fn(&Session) -> bool) -> Option<Peer> {
    let mut counted = sessions.iter().filter(|session| counts(session));
    let oldest = counted.next()?;
    let newest = counted.next_back().unwrap_or(oldest);
    let mut endpoints = Vec::new();
    for session in sessions.iter().rev().filter(|session| counts(session)) {
        for endpoint in &session.endpoints {
            if !endpoints.contains(endpoint) && endpoints.len() < MAX_ENDPOINTS {
                endpoints.push(endpoint.clone());
            }
        }
    }
    Some(Peer {
        name: oldest.peer.clone(),
        endpoints,
        status: newest.status,
        online_since: oldest.began_at,
        certificate: newest.owner.as_ref().and_then(Owner::certificate).cloned(),
        guest: newest.owner.is_none(),
        status_since: Some(newest.status_since),
    })
}
