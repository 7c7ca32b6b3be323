//! What watchers of the list of peers receive: whole lists, and the deltas after them.
//!
//! A watcher first reads a snapshot, which many share, and then the deltas after its revision. A snapshot
//! is used again until the deltas since then are a quarter as large, so that many who come at once cost
//! few snapshots. A reader holds no snapshot, only its place in one: a slow reader keeps one piece alive.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tonic::async_trait;

use super::{Change, MAX_EVENT_BYTES, Peers, listed_len};
use crate::{
    error::{Gone, RequestError, Result},
    hub::fanout::{self, Chunk, Ring, Source},
    model::{Peer, RoomName},
    proto::{self, watch_peers_response::Event},
    wire,
};

/// The cursor of a reader that has no list yet. It is behind every ring, so that a snapshot follows.
pub(crate) const NOTHING: u64 = 0;

/// The revision of the first, empty list.
pub(super) const FIRST: u64 = NOTHING + 1;

/// Bytes of deltas that are kept for watchers that are slow or reconnect.
pub(super) const RING_BYTES: usize = 4 * 1024 * 1024;

/// How much of each peer a watcher receives: see `chinwag.v1.PeerView`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// No certificates, and of a change only what has changed.
    Basic,
    /// Whole peers.
    Full,
}

impl View {
    /// Parses a view.
    pub(crate) fn parse(field: &str, raw: i32) -> Result<Self> {
        match proto::PeerView::try_from(raw) {
            Ok(proto::PeerView::Basic) => Ok(Self::Basic),
            Ok(proto::PeerView::Unspecified | proto::PeerView::Full) => Ok(Self::Full),
            Err(_) => Err(RequestError::invalid(field, format!("{raw} is not a view"))),
        }
    }

    /// Returns what a list contains of a peer.
    pub(crate) fn of(self, peer: &Peer) -> proto::Peer {
        match self {
            Self::Basic => wire::without_certificate(peer),
            Self::Full => peer.into(),
        }
    }

    fn delta(self, changes: &[Change], revision: Option<proto::Position>) -> proto::PeerDelta {
        let mut delta = proto::PeerDelta { revision, ..proto::PeerDelta::default() };
        for Change { name, before, now } in changes {
            match (before, now) {
                (_, None) => delta.removed.push(name.to_string()),
                (Some(before), Some(now))
                    if self == Self::Basic
                        && let Some(change) = wire::peer_change(before, now) =>
                {
                    delta.changed.push(change);
                }
                (_, Some(now)) => delta.updated.push(self.of(now)),
            }
        }
        delta
    }
}

/// A whole list, in pieces.
#[derive(Debug)]
pub(super) struct Snapshot {
    revision: u64,
    pub(super) pieces: Vec<Bytes>,
    bytes: usize,
    /// [`Feed::appended`] at the revision.
    appended: u64,
}

/// The snapshots and deltas of one view.
#[derive(Debug)]
pub(super) struct Feed {
    view: View,
    ring: Ring,
    /// The most bytes of deltas that are kept.
    capacity: usize,
    /// The bytes of all deltas so far.
    appended: AtomicU64,
    /// The snapshots that readers can continue from, the oldest first. Before the next one is made, a quarter
    /// of its size in deltas comes into the ring, or a quarter of the ring: together they have at most
    /// 16 MiB, or the size of five lists.
    snapshots: Mutex<VecDeque<Arc<Snapshot>>>,
    /// Notified when a reader needs a new snapshot.
    wanted: Notify,
    /// How often a snapshot was asked for and is there.
    made: watch::Sender<u64>,
}

impl Feed {
    pub(super) fn new(view: View, capacity: usize) -> Self {
        let ring = Ring::new(capacity);
        ring.advance(FIRST);
        Self {
            view,
            ring,
            capacity,
            appended: AtomicU64::new(0),
            snapshots: Mutex::default(),
            wanted: Notify::new(),
            made: watch::Sender::new(0),
        }
    }

    pub(super) fn is_behind(&self, revision: u64) -> bool {
        self.ring.is_behind(revision)
    }

    pub(super) fn watchers(&self) -> usize {
        self.ring.subscribers()
    }

    /// Appends a delta. Called under the lock of the table. Without watchers it is not encoded, and who
    /// comes later gets a new snapshot.
    pub(super) fn append(
        &self,
        prev_seq: u64,
        last_seq: u64,
        changes: &[Change],
        revision: Option<proto::Position>,
    ) {
        if self.view == View::Full && self.watchers() == 0 {
            self.ring.skip(last_seq);
            return;
        }
        let frames = fanout::frame(&event(Event::Delta(self.view.delta(changes, revision))));
        self.appended.fetch_add(frames.len() as u64, Ordering::Relaxed);
        self.ring.append(prev_seq, Chunk { frames, last_seq });
    }

    /// Returns the latest snapshot, if readers can continue from it.
    fn latest(&self) -> Option<Arc<Snapshot>> {
        let latest = self.snapshots.lock().back().cloned()?;
        (!self.is_behind(latest.revision)).then_some(latest)
    }

    /// Returns the latest snapshot, unless it is too old.
    fn fresh(&self) -> Option<Arc<Snapshot>> {
        let latest = self.latest()?;
        let since = self.appended.load(Ordering::Relaxed) - latest.appended;
        let allowed = (latest.bytes / 4).clamp(self.capacity / 64, self.capacity / 4);
        (since <= allowed as u64).then_some(latest)
    }

    /// Returns a snapshot that was not too old during this call.
    pub(super) async fn snapshot(&self) -> Arc<Snapshot> {
        let mut made = self.made.subscribe();
        let mut snapshot = self.fresh();
        loop {
            if let Some(snapshot) = snapshot {
                return snapshot;
            }
            self.wanted.notify_one();
            // Never fails: `self` owns the sender.
            let _ = made.changed().await;
            snapshot = self.latest();
        }
    }

    /// Adds a snapshot, and drops those that no reader can continue from.
    fn keep(&self, snapshot: Arc<Snapshot>) {
        let kept: Vec<_> = self.snapshots.lock().iter().map(|kept| kept.revision).collect();
        let behind = kept.into_iter().filter(|revision| self.is_behind(*revision)).max();
        let mut snapshots = self.snapshots.lock();
        snapshots.retain(|kept| behind.is_none_or(|behind| kept.revision > behind));
        snapshots.push_back(snapshot);
    }

    /// Returns a piece of the snapshot at `revision`; `None` after the last one. Errors with
    /// [`RequestError::PositionGone`] if the snapshot is not kept any more.
    fn piece(&self, revision: u64, piece: usize) -> Result<Option<Bytes>> {
        let snapshots = self.snapshots.lock();
        let found = snapshots.iter().find(|snapshot| snapshot.revision == revision);
        let found = found.ok_or(RequestError::PositionGone(Gone::Truncated))?;
        Ok(found.pieces.get(piece).cloned())
    }
}

impl Peers {
    /// Makes the snapshots of a view when they are needed. Does not return. No reader makes one: it is
    /// polled only while its client reads, and others wait for the same snapshot.
    pub(crate) async fn make_snapshots(&self, view: View) {
        let feed = self.feed(view);
        loop {
            feed.wanted.notified().await;
            if feed.fresh().is_none() {
                let snapshot = self.encode(view).await;
                feed.keep(Arc::new(snapshot));
            }
            feed.made.send_modify(|count| *count += 1);
        }
    }

    async fn encode(&self, view: View) -> Snapshot {
        let feed = self.feed(view);
        let (peers, revision, appended) = {
            let table = self.table.lock();
            let peers: Vec<_> = table.published.values().cloned().collect();
            (peers, table.revision, feed.appended.load(Ordering::Relaxed))
        };
        let mut pieces = Vec::new();
        let mut rest = peers.iter().peekable();
        while rest.peek().is_some() {
            let mut room = MAX_EVENT_BYTES;
            let mut part = Vec::new();
            while let Some(peer) = rest.peek().map(|peer| view.of(peer))
                && let Some(left) = room.checked_sub(listed_len(&peer))
            {
                room = left;
                part.push(peer);
                rest.next();
            }
            let (revision, last) = (self.position(revision), false);
            let part = proto::PeerSnapshot { peers: part, last, revision, current: None };
            pieces.push(fanout::frame(&event(Event::Snapshot(part))));
            // A long list must not hold up other calls.
            tokio::task::yield_now().await;
        }
        let bytes = pieces.iter().map(Bytes::len).sum();
        Snapshot { revision, pieces, bytes, appended }
    }
}

/// The list of peers, as one stream reads it.
#[derive(Debug)]
pub(crate) struct ListReader {
    peers: Arc<Peers>,
    view: View,
    /// The revision of the snapshot that is being read, and its next piece.
    at: Mutex<Option<(u64, usize)>>,
}

impl ListReader {
    pub(crate) fn new(peers: Arc<Peers>, view: View) -> Self {
        Self { peers, view, at: Mutex::default() }
    }
}

#[async_trait]
impl Source for ListReader {
    fn ring(&self) -> &Ring {
        &self.peers.feed(self.view).ring
    }

    fn room(&self) -> Option<&RoomName> {
        None
    }

    /// Reads the next piece of a snapshot. The cursor stays where it is, behind the ring, until the last.
    async fn catch_up(&self, seq: u64) -> Result<Chunk> {
        let at = self.at.lock().take();
        let (revision, piece) = match at {
            Some(at) => at,
            None => (self.peers.feed(self.view).snapshot().await.revision, 0),
        };
        if let Some(frames) = self.peers.feed(self.view).piece(revision, piece)? {
            *self.at.lock() = Some((revision, piece + 1));
            return Ok(Chunk { frames, last_seq: seq });
        }
        let last = proto::PeerSnapshot {
            peers: Vec::new(),
            last: true,
            revision: self.peers.position(revision),
            current: self.peers.position(self.ring().head()),
        };
        let frames = fanout::frame(&event(Event::Snapshot(last)));
        Ok(Chunk { frames, last_seq: revision })
    }

    fn end_event(&self, _error: &RequestError) -> Option<Bytes> {
        None
    }
}

fn event(event: Event) -> proto::WatchPeersResponse {
    proto::WatchPeersResponse { event: Some(event) }
}
