//! The list of peers as it changes.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use super::{
    Client, event::Connection, hub_connection::HubConnection, peers::Peers, retry::MAX_PAUSE,
    trust::is_hub_unreachable,
};
use crate::{
    backoff::{self, Backoff},
    client::error::{Error, Result},
    model::{Endpoint, Name, Peer},
    proto::{self, watch_peers_response::Event as Answer},
    wire,
};

/// The most peers that are listed, which bounds what a hub can make its clients hold. A hub takes half as
/// many by default.
const MAX_LISTED: usize = 256 * 1024;

/// The most bytes of the peers that are listed, more than those of a hub need with three endpoints each.
const MAX_LISTED_BYTES: usize = 64 * 1024 * 1024;

/// A change of the list of peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// The list starts anew: forget all peers. The first change, and one after a long loss.
    Reset,
    /// A peer is online as described: it was listed, came or changed.
    Updated(Peer),
    /// A peer left.
    Left(Name),
    /// The list is complete.
    Listed,
}

/// The changes of the list of peers, across losses of the hub.
pub struct PeerWatch {
    watcher: PeerWatcher,
    client: Client,
}

impl fmt::Debug for PeerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerWatch").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The same without a [`Client`], so that it does not keep the client alive.
pub(super) struct PeerWatcher {
    hub: Arc<HubConnection>,
    peers: Arc<Peers>,
    connection: watch::Receiver<Connection>,
    stop: CancellationToken,
    stream: WatchStream,
    /// The revision of the list so far; `None` if a new list is needed.
    revision: Option<proto::Position>,
    /// Whether a list has begun that is not complete yet.
    listing: bool,
    /// The revision from which on the list is complete, after its last part.
    complete_at: Option<proto::Position>,
    /// The list so far.
    listed: HashMap<Name, Peer>,
    /// What those take.
    bytes: usize,
    ready: VecDeque<PeerChange>,
    backoff: Backoff,
}

type Answers = Streaming<proto::WatchPeersResponse>;

enum WatchStream {
    /// The call is under way. It is kept here because [`PeerWatch::next`] may be cancelled and
    /// repeated many times before the hub answers.
    Opening(Pin<Box<dyn Future<Output = Result<Answers>> + Send>>),
    Open(Box<Answers>),
}

impl Client {
    /// Watches the list of peers: the list as it is, then its changes. A loss of the hub is bridged if
    /// possible; otherwise the list comes again after [`PeerChange::Reset`].
    ///
    /// The watch keeps the client alive, but [`Client::stop`] ends it. If the hub is away or
    /// refuses for now, the watch begins as soon as it can. Errors if waiting does not help:
    /// [`Error::Refused`], and [`Error::HubKeyChanged`] and [`Error::HubUntrusted`].
    pub async fn watch_peers(&self) -> Result<PeerWatch> {
        let inner = &self.0;
        let connection = inner.connection.clone();
        let (hub, peers) = (inner.hub.clone(), inner.peers.clone());
        let mut watcher = PeerWatcher::new(hub, peers, connection, inner.stop.clone());
        match inner.hub.watch_peers(None).await {
            Ok(answers) => watcher.stream = WatchStream::Open(Box::new(answers)),
            Err(error) if is_transient(&error) => watcher.refused(&error),
            Err(error) => return Err(error),
        }
        Ok(PeerWatch { watcher, client: self.clone() })
    }
}

impl PeerWatch {
    /// Returns the next change; `None` when the client has stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<PeerChange> {
        self.watcher.next().await
    }
}

impl PeerWatcher {
    /// Returns a watcher that begins at the first call of `next`.
    pub(super) fn new(
        hub: Arc<HubConnection>,
        peers: Arc<Peers>,
        connection: watch::Receiver<Connection>,
        stop: CancellationToken,
    ) -> Self {
        let call = open(hub.clone(), connection.clone(), None, Instant::now());
        Self {
            hub,
            peers,
            connection,
            stop,
            stream: WatchStream::Opening(Box::pin(call)),
            revision: None,
            listing: false,
            complete_at: None,
            listed: HashMap::new(),
            bytes: 0,
            ready: VecDeque::new(),
            backoff: backoff::RECONNECT,
        }
    }

    pub(super) async fn next(&mut self) -> Option<PeerChange> {
        let stop = self.stop.clone();
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            stop.run_until_cancelled(self.advance()).await?;
        }
    }

    async fn advance(&mut self) {
        match &mut self.stream {
            WatchStream::Opening(call) => match call.await {
                Ok(answers) => self.stream = WatchStream::Open(Box::new(answers)),
                Err(error) => self.refused(&error),
            },
            WatchStream::Open(answers) => match answers.message().await {
                Ok(Some(answer)) => {
                    if let Some(event) = answer.event {
                        self.on_event(event);
                    }
                }
                Ok(None) => self.lost(Duration::ZERO),
                Err(status) => self.refused(&self.hub.call_error(&status)),
            },
        }
    }

    fn refused(&mut self, error: &Error) {
        let mut pause = Duration::ZERO;
        if let Error::Refused(refusal) = error {
            pause = refusal.retry_after.unwrap_or_default();
            if refusal.code == Code::OutOfRange {
                self.revision = None;
            }
        }
        self.lost(pause);
    }

    fn lost(&mut self, pause: Duration) {
        if std::mem::take(&mut self.listing) {
            self.revision = None;
        }
        let pause = pause.min(MAX_PAUSE) + self.backoff.next_delay();
        let (hub, connection) = (self.hub.clone(), self.connection.clone());
        let call = open(hub, connection, self.revision, Instant::now() + pause);
        self.stream = WatchStream::Opening(Box::pin(call));
    }

    /// Handles an event; invalid parts are skipped. Only a whole list, or a change of one, resets the
    /// backoff: a hub that ends the stream before that is asked less and less often.
    fn on_event(&mut self, event: Answer) {
        match event {
            Answer::Snapshot(part) => {
                if !std::mem::replace(&mut self.listing, true) || self.complete_at.is_some() {
                    self.listed.clear();
                    self.bytes = 0;
                    self.complete_at = None;
                    self.ready.push_back(PeerChange::Reset);
                }
                self.updated(part.peers);
                self.revision = part.revision;
                if part.last {
                    // Hubs of version 0.1.0 do not send `current`.
                    self.complete_at = part.current.or(part.revision);
                    self.complete();
                }
            }
            Answer::Delta(delta) => {
                self.updated(delta.updated);
                for change in &delta.changed {
                    self.changed(change);
                }
                // An invalid name was never listed.
                for name in delta.removed.iter().filter_map(|name| Name::parse(name).ok()) {
                    self.bytes -= self.listed.remove(&name).as_ref().map_or(0, size);
                    self.ready.push_back(PeerChange::Left(name));
                }
                self.revision = delta.revision;
                self.complete();
                self.backoff.reset();
            }
            // The status that follows says the same.
            Answer::Goodbye(_) => {}
        }
    }

    fn updated(&mut self, peers: Vec<proto::Peer>) {
        for peer in wire::listed_peers(peers) {
            self.list(peer);
        }
    }

    fn changed(&mut self, change: &proto::PeerChange) {
        // An invalid peer was never listed.
        let listed =
            Name::parse(&change.name).ok().and_then(|name| self.listed.get(&name).cloned());
        let Some(mut peer) = listed else { return };
        match wire::apply_change(&mut peer, change) {
            Ok(()) => self.list(peer),
            Err(error) => tracing::warn!(%error, "skipped an invalid change of a peer"),
        }
    }

    fn list(&mut self, peer: Peer) {
        let before = self.listed.get(&peer.name);
        let bytes = self.bytes - before.map_or(0, size) + size(&peer);
        if (self.listed.len() >= MAX_LISTED && before.is_none()) || bytes > MAX_LISTED_BYTES {
            return;
        }
        self.bytes = bytes;
        self.peers.remember(&peer);
        self.listed.insert(peer.name.clone(), peer.clone());
        self.ready.push_back(PeerChange::Updated(peer));
    }

    /// Ends the list if its last part has come, and the changes up to the revision that it named.
    fn complete(&mut self) {
        let seq = |position: Option<proto::Position>| position.map(|position| position.seq);
        if self.listing && self.complete_at.is_some() && seq(self.revision) >= seq(self.complete_at)
        {
            (self.listing, self.complete_at) = (false, None);
            self.ready.push_back(PeerChange::Listed);
            self.backoff.reset();
        }
    }
}

/// Returns the approximate bytes of a listed peer.
fn size(peer: &Peer) -> usize {
    let hosts: usize = peer.endpoints.iter().map(|endpoint| endpoint.host().len()).sum();
    size_of::<Peer>() + peer.endpoints.len() * size_of::<Endpoint>() + hosts
}

/// Opens the stream, not before `at` and not while the hub is away.
async fn open(
    hub: Arc<HubConnection>,
    mut connection: watch::Receiver<Connection>,
    revision: Option<proto::Position>,
    at: Instant,
) -> Result<Answers> {
    tokio::time::sleep_until(at).await;
    let connected = |now: &Connection| !matches!(now, Connection::Lost { .. });
    connection.wait_for(connected).await.map_err(|_| Error::Stopped)?;
    hub.watch_peers(revision).await
}

/// Returns true if the hub may accept the call later.
fn is_transient(error: &Error) -> bool {
    match error {
        // A session that the hub does not know registers again as soon as it learns of that.
        Error::Refused(refusal) if refusal.code == Code::Unauthenticated => true,
        Error::Refused(refusal) if refusal.retry_after.is_some() => true,
        error => is_hub_unreachable(error),
    }
}
