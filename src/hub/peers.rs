//! The peers that are online, and the stream of their changes.
//!
//! Changes are published at most once per [`COALESCE`], and less often if very many watch. All changes
//! of a peer in between make one entry of a delta, and a delta is encoded once for all watchers with the
//! same [`View`]. The [`feed`] keeps the recent deltas, and whole lists for those that are new or fell
//! behind.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Notify, watch};

use self::feed::Feed;
pub(crate) use self::feed::{ListReader, NOTHING, View};
use crate::{
    error::{Gone, RequestError, Result},
    model::{Certificate, MAX_ENDPOINTS, Name, Peer, PeerStatus, Position},
    proto,
    storage::{Owner, Session, SessionId},
    wire,
};

mod feed;
#[cfg(test)]
mod tests;

/// How long changes are collected. People take a tenth of a second for instant.
const COALESCE: Duration = Duration::from_millis(100);

/// The same for each 1,000 watchers, if that is longer. A delta costs a write to each of them, which
/// takes about 20 microseconds; so all deltas together take less than half of a core.
const COALESCE_PER_THOUSAND: Duration = Duration::from_millis(50);

/// The most bytes of peers in one page: a quarter of what clients accept by default.
const MAX_PAGE_BYTES: usize = 1024 * 1024 - 1024;

/// The most bytes of peers in one event of a watcher. A peer has at most 7 KiB, with a certificate and
/// eight endpoints of full length.
const MAX_EVENT_BYTES: usize = 64 * 1024 - 128;

/// Names that are looked at under one lock: a quarter of a millisecond.
const NAMES_PER_LOCK: usize = 256;

#[derive(Debug, Default)]
struct PeerTable {
    /// The sessions of each peer, the oldest first.
    sessions: BTreeMap<Name, Vec<Session>>,
    /// The peers that may have changed since the last delta.
    changed: BTreeSet<Name>,
    /// The visible peers as last published.
    published: BTreeMap<Name, Arc<Peer>>,
    /// The number of the last delta. The first list is not the zeroth: see [`feed::NOTHING`].
    revision: u64,
}

#[derive(Debug)]
pub(crate) struct Peers {
    epoch: u64,
    table: Mutex<PeerTable>,
    basic: Feed,
    full: Feed,
    changed: Notify,
    /// How often changes were published.
    flushes: watch::Sender<u64>,
}

/// A published change of a peer.
#[derive(Debug)]
struct Change {
    name: Name,
    before: Option<Arc<Peer>>,
    now: Option<Arc<Peer>>,
}

impl Peers {
    pub(crate) fn new(epoch: u64) -> Arc<Self> {
        Self::with_ring(epoch, feed::RING_BYTES)
    }

    fn with_ring(epoch: u64, capacity: usize) -> Arc<Self> {
        let table = PeerTable { revision: feed::FIRST, ..PeerTable::default() };
        Arc::new(Self {
            epoch,
            table: Mutex::new(table),
            basic: Feed::new(View::Basic, capacity),
            full: Feed::new(View::Full, capacity),
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

    /// Returns the sessions that are not invisible. Lets others have the lock and the thread in between.
    pub(crate) async fn visible_sessions(&self) -> HashSet<SessionId> {
        let (mut visible, mut after) = (HashSet::new(), None);
        while let Some(last) = self.copy_visible(after.as_ref(), &mut visible) {
            after = Some(last);
            tokio::task::yield_now().await;
        }
        visible
    }

    /// Adds the visible sessions of the next names. Returns the last of these names, if there is one.
    fn copy_visible(&self, after: Option<&Name>, visible: &mut HashSet<SessionId>) -> Option<Name> {
        let table = self.table.lock();
        let names = table.after(after).take(NAMES_PER_LOCK);
        names
            .fold(None, |_, (name, sessions)| {
                visible.extend(sessions.iter().filter(|one| is_visible(one)).map(|one| one.id));
                Some(name)
            })
            .cloned()
    }

    /// Returns up to `limit` visible peers that pass `filter`, by name, after the name `after`. Lets
    /// others have the lock and the thread in between.
    pub(crate) async fn list(
        &self,
        mut after: Option<Name>,
        limit: usize,
        filter: impl Fn(&Peer) -> bool,
    ) -> Vec<Peer> {
        let mut found = Vec::new();
        let mut names = limit.min(NAMES_PER_LOCK);
        loop {
            let (peers, last) = self.copy(after.as_ref(), names);
            found.extend(peers.into_iter().filter(&filter).take(limit - found.len()));
            if found.len() == limit || last.is_none() {
                return found;
            }
            (after, names) = (last, NAMES_PER_LOCK);
            tokio::task::yield_now().await;
        }
    }

    /// Returns the visible ones of the next `names`, and the last of these names, if there is one.
    fn copy(&self, after: Option<&Name>, names: usize) -> (Vec<Peer>, Option<Name>) {
        let (mut peers, mut last) = (Vec::new(), None);
        let table = self.table.lock();
        for (name, sessions) in table.after(after).take(names) {
            peers.extend(as_peer(sessions, is_visible));
            last = Some(name);
        }
        (peers, last.cloned())
    }

    /// Waits until all changes before the call are published, with the next delta: peers that come at
    /// once make few deltas.
    pub(crate) async fn published(&self) {
        let mut flushes = self.flushes.subscribe();
        if !self.table.lock().changed.is_empty() {
            // Never fails: `self` owns the sender.
            let _ = flushes.changed().await;
        }
    }

    /// Returns the cursor of a watcher that has seen `revision`. Errors with
    /// [`RequestError::PositionGone`] if the changes since then are not kept.
    pub(crate) fn resume(&self, revision: Position, view: View) -> Result<u64> {
        if revision.epoch != self.epoch {
            return Err(RequestError::PositionGone(Gone::Epoch));
        }
        if revision.seq > self.table.lock().revision {
            return Err(RequestError::PositionGone(Gone::Ahead));
        }
        if self.feed(view).is_behind(revision.seq) {
            return Err(RequestError::PositionGone(Gone::Truncated));
        }
        Ok(revision.seq)
    }

    /// Publishes changes. Does not return.
    pub(crate) async fn publish(&self) {
        loop {
            self.changed.notified().await;
            self.flush();
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// Returns how long changes are collected.
    fn pause(&self) -> Duration {
        let watchers = self.basic.watchers() + self.full.watchers();
        COALESCE.max(COALESCE_PER_THOUSAND * u32::try_from(watchers).unwrap_or(u32::MAX) / 1000)
    }

    fn feed(&self, view: View) -> &Feed {
        match view {
            View::Basic => &self.basic,
            View::Full => &self.full,
        }
    }

    fn position(&self, seq: u64) -> Option<proto::Position> {
        Some(Position { epoch: self.epoch, seq }.into())
    }

    fn change(&self, peer: &Name, change: impl FnOnce(&mut Vec<Session>)) {
        let mut table = self.table.lock();
        table.changed.insert(peer.clone());
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
        let changes = table.take_changes();
        for part in parts(&changes) {
            let prev_seq = table.revision;
            table.revision += 1;
            let revision = self.position(table.revision);
            for feed in [&self.basic, &self.full] {
                feed.append(prev_seq, table.revision, part, revision);
            }
        }
        drop(table);
        self.flushes.send_modify(|count| *count += 1);
    }
}

impl Change {
    /// Returns the most bytes that it takes in a delta.
    fn max_len(&self) -> usize {
        let Some(peer) = &self.now else { return self.name.as_str().len() + 2 };
        let certificate = peer.certificate.as_ref().map_or(0, |it| it.as_der().len() + 4);
        listed_len(&wire::without_certificate(peer)) + certificate
    }
}

impl PeerTable {
    /// Returns the names after this one, and their sessions.
    fn after(&self, name: Option<&Name>) -> impl Iterator<Item = (&Name, &Vec<Session>)> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.sessions.range::<Name, _>((from, Bound::Unbounded))
    }

    fn peer(&self, name: &Name) -> Option<Peer> {
        self.sessions.get(name).and_then(|sessions| as_peer(sessions, is_visible))
    }

    /// Returns the changes since the last call, and takes them as published.
    fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for name in std::mem::take(&mut self.changed) {
            let (before, now) = (self.published.get(&name), self.peer(&name));
            if before.map(|peer| &**peer) == now.as_ref() {
                continue;
            }
            let (before, now) = (before.cloned(), now.map(Arc::new));
            match now.clone() {
                Some(peer) => self.published.insert(name.clone(), peer),
                None => self.published.remove(&name),
            };
            changes.push(Change { name, before, now });
        }
        changes
    }
}

/// Returns how many of these peers, from the first on, fit into one page.
pub(crate) fn fitting(peers: &[proto::Peer]) -> usize {
    first_part(peers, listed_len, MAX_PAGE_BYTES)
}

/// Splits changes into parts that fit into one event each, in any view.
fn parts(all: &[Change]) -> impl Iterator<Item = &[Change]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let fit = first_part(rest, Change::max_len, MAX_EVENT_BYTES);
        let (part, after) = rest.split_at_checked(fit).filter(|(part, _)| !part.is_empty())?;
        rest = after;
        Some(part)
    })
}

fn first_part<T>(all: &[T], size: impl Fn(&T) -> usize, limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |one: &&T| {
        bytes += size(one);
        bytes <= limit
    };
    all.iter().take_while(fits).count()
}

/// The encoded size of a peer in a list, with its tag and length.
fn listed_len(peer: &proto::Peer) -> usize {
    let length = peer.encoded_len();
    length + prost::length_delimiter_len(length) + 1
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
    let certificate = newest.owner.as_ref().and_then(Owner::certificate);
    Some(Peer {
        name: oldest.peer.clone(),
        endpoints,
        status: newest.status,
        online_since: oldest.began_at,
        key: certificate.map(Certificate::fingerprint),
        certificate: certificate.cloned(),
        guest: newest.owner.is_none(),
        status_since: Some(newest.status_since),
    })
}
