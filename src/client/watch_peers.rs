//! The list of peers as it changes.

use std::{collections::VecDeque, fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use super::{
    Client, events::Connection, hub_connection::HubConnection, peers::Peers, trust::is_away,
};
use crate::{
    backoff::{self, Backoff},
    error::{Error, Result},
    model::{Name, Peer},
    proto::{self, watch_peers_response::Event as Answer},
    wire,
};

/// A step of the watched list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// Whatever was known is void; the list follows. The first of all changes, and one after a
    /// loss that could not be bridged.
    Reset,
    /// A peer is here, as described: one of the list, one who came, or one who changed.
    Updated(Peer),
    /// A peer left.
    Left(Name),
    /// The list is complete.
    Listed,
}

/// The list of peers and its changes, across losses of the hub.
pub struct PeerWatch {
    watch: Watch,
    client: Client,
}

impl fmt::Debug for PeerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerWatch").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The same, which does not keep the client from stopping.
pub(super) struct Watch {
    link: Arc<HubConnection>,
    peers: Arc<Peers>,
    connection: watch::Receiver<Connection>,
    stop: CancellationToken,
    stream: Stream,
    /// What the stream holds so far; `None` where only a new list can tell.
    revision: Option<proto::Position>,
    /// Whether a part of a list was seen and its last part not yet.
    listing: bool,
    ready: VecDeque<PeerChange>,
    backoff: Backoff,
}

type Answers = Streaming<proto::WatchPeersResponse>;

/// How far the stream is.
enum Stream {
    /// The hub is asked for it. The call is kept here: whoever waits for the next change may give
    /// up and come again many times before the hub has answered.
    Asked(Pin<Box<dyn Future<Output = Result<Answers>> + Send>>),
    Open(Box<Answers>),
}

impl Client {
    /// Watches the list of peers: as it is, then what changes. A loss of the hub is bridged; where
    /// it cannot be, the list is told anew after [`PeerChange::Reset`].
    ///
    /// A watch keeps the client from stopping by itself, but not from being stopped. Where the hub
    /// is away, or refuses for now, it begins as soon as the hub lets it.
    ///
    /// # Errors
    ///
    /// For the beginning of the watch, where waiting does not help: [`Error::Refused`], and
    /// [`Error::HubKeyChanged`] and [`Error::HubUntrusted`].
    pub async fn watch_peers(&self) -> Result<PeerWatch> {
        let inner = &self.0;
        let connection = inner.connection.clone();
        let (link, peers) = (inner.link.clone(), inner.peers.clone());
        let mut watch = Watch::new(link, peers, connection, inner.stop.clone());
        match inner.link.watch_peers(None).await {
            Ok(answers) => watch.stream = Stream::Open(Box::new(answers)),
            Err(error) if passes(&error) => watch.refused(&error),
            Err(error) => return Err(error),
        }
        Ok(PeerWatch { watch, client: self.clone() })
    }
}

impl PeerWatch {
    /// The next change; `None` when the client has stopped. Nothing is lost when the future is
    /// dropped.
    pub async fn next(&mut self) -> Option<PeerChange> {
        self.watch.next().await
    }
}

impl Watch {
    /// A watch that begins when it is asked for the next change.
    pub(super) fn new(
        link: Arc<HubConnection>,
        peers: Arc<Peers>,
        connection: watch::Receiver<Connection>,
        stop: CancellationToken,
    ) -> Self {
        let call = open(link.clone(), connection.clone(), None, Instant::now());
        Self {
            link,
            peers,
            connection,
            stop,
            stream: Stream::Asked(Box::pin(call)),
            revision: None,
            listing: false,
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
            Stream::Asked(call) => match call.await {
                Ok(answers) => self.stream = Stream::Open(Box::new(answers)),
                Err(error) => self.refused(&error),
            },
            Stream::Open(answers) => match answers.message().await {
                Ok(Some(answer)) => {
                    if let Some(event) = answer.event {
                        self.understand(event);
                    }
                }
                Ok(None) => self.lost(Duration::ZERO),
                Err(status) => self.refused(&self.link.failed(&status)),
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
        let pause = pause.min(super::session::MAX_PAUSE) + self.backoff.next_delay();
        let (link, connection) = (self.link.clone(), self.connection.clone());
        let call = open(link, connection, self.revision, Instant::now() + pause);
        self.stream = Stream::Asked(Box::pin(call));
    }

    /// What makes no sense is passed over. Only a whole list, or a change of one, shows that the
    /// watch works: a hub that ends it before that is asked again ever more slowly.
    fn understand(&mut self, event: Answer) {
        match event {
            Answer::Snapshot(part) => {
                if !std::mem::replace(&mut self.listing, !part.last) {
                    self.ready.push_back(PeerChange::Reset);
                }
                self.updated(part.peers);
                if part.last {
                    self.ready.push_back(PeerChange::Listed);
                    self.backoff.reset();
                }
                self.revision = part.revision;
            }
            Answer::Delta(delta) => {
                self.updated(delta.updated);
                // A name that is none was never listed.
                let left = delta.removed.iter().filter_map(|name| Name::parse(name).ok());
                self.ready.extend(left.map(PeerChange::Left));
                self.revision = delta.revision;
                self.backoff.reset();
            }
            // The status that follows says the same.
            Answer::Goodbye(_) => {}
        }
    }

    fn updated(&mut self, peers: Vec<proto::Peer>) {
        for peer in wire::listed_peers(peers) {
            self.peers.remember(&peer);
            self.ready.push_back(PeerChange::Updated(peer));
        }
    }
}

/// Asks for the stream, not before `at` and not while the hub is away.
async fn open(
    link: Arc<HubConnection>,
    mut connection: watch::Receiver<Connection>,
    revision: Option<proto::Position>,
    at: Instant,
) -> Result<Answers> {
    tokio::time::sleep_until(at).await;
    let connected = |now: &Connection| !matches!(now, Connection::Lost { .. });
    connection.wait_for(connected).await.map_err(|_| Error::Stopped)?;
    link.watch_peers(revision).await
}

/// Whether the hub may grant later what it does not grant now.
fn passes(error: &Error) -> bool {
    match error {
        // A session that the hub does not know registers anew as soon as it learns of that.
        Error::Refused(refusal) if refusal.code == Code::Unauthenticated => true,
        Error::Refused(refusal) if refusal.retry_after.is_some() => true,
        error => is_away(error),
    }
}
