//! The list of peers as it changes.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::{Client, events::Connection};
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
#[derive(Debug)]
pub struct PeerWatch {
    client: Client,
    stream: Option<Streaming<proto::WatchPeersResponse>>,
    /// What the stream holds so far; `None` where only a new list can tell.
    revision: Option<proto::Position>,
    /// Whether a part of a list was seen and its last part not yet.
    listing: bool,
    ready: VecDeque<PeerChange>,
    backoff: Backoff,
    retry_at: Instant,
}

impl Client {
    /// Watches the list of peers: as it is, then what changes. A loss of the hub is bridged; where
    /// it cannot be, the list is told anew after [`PeerChange::Reset`].
    ///
    /// A watch keeps the client from stopping by itself, but not from being stopped.
    ///
    /// # Errors
    ///
    /// [`Error::HubUnreachable`] and [`Error::Refused`], for the beginning of the watch.
    pub async fn watch_peers(&self) -> Result<PeerWatch> {
        Ok(PeerWatch {
            client: self.clone(),
            stream: Some(self.0.link.watch_peers(None).await?),
            revision: None,
            listing: false,
            ready: VecDeque::new(),
            backoff: backoff::RECONNECT,
            retry_at: Instant::now(),
        })
    }
}

impl PeerWatch {
    /// The next change; `None` when the client has stopped. Nothing is lost when the future is
    /// dropped.
    pub async fn next(&mut self) -> Option<PeerChange> {
        let stop = self.client.0.stop.clone();
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            stop.run_until_cancelled(self.advance()).await?;
        }
    }

    async fn advance(&mut self) {
        let Some(stream) = &mut self.stream else { return self.open().await };
        match stream.message().await {
            Ok(Some(answer)) => {
                if let Some(event) = answer.event {
                    self.understand(event);
                }
            }
            Ok(None) => self.lost(Duration::ZERO),
            Err(status) => self.refused(&self.client.0.link.failed(&status)),
        }
    }

    async fn open(&mut self) {
        tokio::time::sleep_until(self.retry_at).await;
        let mut connection = self.client.connection();
        let connected = |now: &Connection| !matches!(now, Connection::Lost { .. });
        if connection.wait_for(connected).await.is_err() {
            return;
        }
        match self.client.0.link.watch_peers(self.revision).await {
            Ok(stream) => self.stream = Some(stream),
            Err(error) => self.refused(&error),
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
        self.stream = None;
        self.retry_at =
            Instant::now() + pause.min(super::session::MAX_PAUSE) + self.backoff.next_delay();
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
            self.client.0.peers.remember(&peer);
            self.ready.push_back(PeerChange::Updated(peer));
        }
    }
}
