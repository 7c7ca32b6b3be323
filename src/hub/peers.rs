//! The list of peers as others see it, and its changes.
//!
//! Changes are published at most every [`COALESCE`]: what happened to a peer in between becomes one
//! entry of a delta, and each delta is encoded once for all who watch. A watcher who fell behind
//! the ring of deltas gets the list anew.

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
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

/// How long changes are collected. A leave must show within a second; ten times a second is what
/// an eye takes for at once.
const COALESCE: Duration = Duration::from_millis(100);

/// Peers in one delta or one part of a snapshot. A usual one has 600 bytes, its certificate
/// included.
const PEERS_PER_EVENT: usize = 200;

/// The most bytes of peers in one answer: a quarter of what clients take by default. One peer has
/// 7 KiB at most, with a certificate and eight endpoints of full length each.
const MAX_ANSWER_BYTES: usize = 1024 * 1024 - 1024;

/// Bytes of deltas that are kept for watchers who read slowly or come back.
const RING_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
struct State {
    /// Each peer's sessions, the oldest first.
    sessions: BTreeMap<Name, Vec<Session>>,
    /// Peers that changed since the last delta, as they were in it.
    published: BTreeMap<Name, Option<Peer>>,
    /// The revision of the last delta.
    revision: u64,
    /// The list at that revision, once somebody asked.
    snapshot: Option<Bytes>,
}

/// The list of peers.
#[derive(Debug)]
pub(crate) struct Peers {
    epoch: u64,
    state: Mutex<State>,
    ring: Ring,
    changed: Notify,
    /// Counts how often changes were published.
    flushes: watch::Sender<u64>,
}

impl Peers {
    pub(crate) fn new(epoch: u64) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            state: Mutex::default(),
            ring: Ring::new(RING_BYTES),
            changed: Notify::new(),
            flushes: watch::Sender::new(0),
        })
    }

    /// A session began or changed.
    pub(crate) fn put(&self, session: Session) {
        self.change(&session.peer.clone(), |sessions| {
            match sessions.iter_mut().find(|present| present.id == session.id) {
                Some(present) => *present = session,
                None => sessions.push(session),
            }
        });
    }

    /// A session ended.
    pub(crate) fn remove(&self, id: SessionId, peer: &Name) {
        self.change(peer, |sessions| sessions.retain(|session| session.id != id));
    }

    /// How many peers there are, the invisible ones included.
    pub(crate) fn count(&self) -> usize {
        self.lock().sessions.len()
    }

    /// One listed peer.
    pub(crate) fn get(&self, name: &Name) -> Option<Peer> {
        self.lock().peer(name)
    }

    /// A session as it is now.
    pub(crate) fn session(&self, peer: &Name, id: SessionId) -> Option<Session> {
        let state = self.lock();
        state.sessions.get(peer)?.iter().find(|session| session.id == id).cloned()
    }

    /// A peer as it would be listed if its sessions were all visible.
    pub(crate) fn get_even_invisible(&self, name: &Name) -> Option<Peer> {
        let state = self.lock();
        state.sessions.get(name).and_then(|sessions| as_peer(sessions, |_| true))
    }

    /// Up to `limit` listed peers after `after`, in the order of names, that pass `filter`.
    pub(crate) fn list(
        &self,
        after: Option<&Name>,
        limit: usize,
        filter: impl Fn(&Peer) -> bool,
    ) -> Vec<Peer> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.lock();
        state
            .sessions
            .range::<Name, _>((from, Bound::Unbounded))
            .filter_map(|(_, sessions)| as_peer(sessions, is_visible))
            .filter(filter)
            .take(limit)
            .collect()
    }

    /// The whole list in frames, and the revision that it shows: one with all that happened before
    /// the call. It waits for the changes to be published instead of publishing them, so that many
    /// who come together are told of each other together.
    pub(crate) async fn current(&self) -> Chunk {
        let mut flushes = self.flushes.subscribe();
        if !self.lock().published.is_empty() {
            // The sender is part of `self`: it cannot be gone.
            let _ = flushes.changed().await;
        }
        self.snapshot()
    }

    /// The whole list in frames, as it was published last.
    fn snapshot(&self) -> Chunk {
        let mut state = self.lock();
        let frames = match &state.snapshot {
            Some(frames) => frames.clone(),
            None => state.encode(self.epoch),
        };
        state.snapshot = Some(frames.clone());
        Chunk { frames, last_seq: state.revision }
    }

    /// The cursor of a watcher who has seen `revision`.
    ///
    /// # Errors
    ///
    /// [`RequestError::PositionGone`] where the changes since then are not known.
    pub(crate) fn resume(&self, revision: Position) -> Result<u64> {
        if revision.epoch != self.epoch {
            return Err(RequestError::PositionGone(Gone::Epoch));
        }
        if revision.seq > self.lock().revision {
            return Err(RequestError::PositionGone(Gone::Ahead));
        }
        if self.ring.lacks(revision.seq) {
            return Err(RequestError::PositionGone(Gone::Truncated));
        }
        Ok(revision.seq)
    }

    /// Publishes changes for as long as it is polled.
    pub(crate) async fn publish(&self) {
        loop {
            self.changed.notified().await;
            self.flush();
            tokio::time::sleep(COALESCE).await;
        }
    }

    fn change(&self, peer: &Name, change: impl FnOnce(&mut Vec<Session>)) {
        let mut state = self.lock();
        if !state.published.contains_key(peer) {
            let before = state.peer(peer);
            state.published.insert(peer.clone(), before);
        }
        let sessions = state.sessions.entry(peer.clone()).or_default();
        change(sessions);
        if sessions.is_empty() {
            state.sessions.remove(peer);
        }
        self.changed.notify_one();
    }

    /// Publishes what has changed, as one or more deltas.
    fn flush(&self) {
        let mut state = self.lock();
        let mut changes: Vec<(Name, Option<proto::Peer>)> = Vec::new();
        for (name, before) in std::mem::take(&mut state.published) {
            let now = state.peer(&name);
            if now != before {
                changes.push((name, now.as_ref().map(Into::into)));
            }
        }
        let size = |(name, peer): &(Name, Option<proto::Peer>)| {
            peer.as_ref().map_or(name.as_str().len() + 2, listed_len)
        };
        for part in parts(&changes, size) {
            let prev_seq = state.revision;
            state.revision += 1;
            state.snapshot = None;
            let delta = proto::PeerDelta {
                updated: part.iter().filter_map(|(_, peer)| peer.clone()).collect(),
                removed: part
                    .iter()
                    .filter(|(_, peer)| peer.is_none())
                    .map(|(name, _)| name.to_string())
                    .collect(),
                revision: Some(Position { epoch: self.epoch, seq: state.revision }.into()),
            };
            let frames = fanout::frame(&event(Event::Delta(delta)));
            self.ring.append(prev_seq, Chunk { frames, last_seq: state.revision });
        }
        drop(state);
        self.flushes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
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

    fn farewell(&self, _error: &RequestError) -> Option<Bytes> {
        None
    }
}

impl State {
    fn peer(&self, name: &Name) -> Option<Peer> {
        self.sessions.get(name).and_then(|sessions| as_peer(sessions, is_visible))
    }

    /// The list as it was at the last delta.
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

/// How many of the first of these peers one answer takes.
pub(crate) fn fitting(peers: &[proto::Peer]) -> usize {
    first_part(peers, listed_len)
}

/// Pieces that make an answer each.
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
        bytes <= MAX_ANSWER_BYTES
    };
    all.iter().take_while(fits).count()
}

/// The bytes of a peer in a list: its own, a tag and a length.
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

/// The peer that these sessions of one name make, if any of them counts.
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
