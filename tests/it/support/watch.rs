//! The list of peers, requested and watched.

use chinwag::proto::{
    ListPeersRequest, Peer, PeerDelta, Position, WatchPeersRequest, WatchPeersResponse,
    watch_peers_response::Event,
};
use tonic::Streaming;

use crate::support::{
    peer::Session,
    within::{PATIENCE, within},
};

/// A WatchPeers stream.
pub(crate) struct Watch(Streaming<WatchPeersResponse>);

impl Watch {
    /// Opens the list and reads until it is complete.
    pub(crate) async fn open(session: &Session) -> (Self, Vec<Peer>) {
        let mut watch = Self::after(session, None).await;
        let mut peers = Vec::new();
        let (mut seq, mut complete_at) = (0, u64::MAX);
        while seq < complete_at {
            match watch.event().await {
                Event::Snapshot(part) => {
                    peers.extend(part.peers);
                    if part.last {
                        seq = part.revision.unwrap().seq;
                        complete_at = part.current.unwrap().seq;
                    }
                }
                Event::Delta(delta) => {
                    let is_new =
                        |name: &String| delta.updated.iter().all(|peer| peer.name != *name);
                    peers.retain(|peer| is_new(&peer.name) && !delta.removed.contains(&peer.name));
                    peers.extend(delta.updated);
                    seq = delta.revision.unwrap().seq;
                }
                Event::Goodbye(goodbye) => panic!("{goodbye:?}"),
            }
        }
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        (watch, peers)
    }

    /// Opens the list and reads until it contains all of `names`.
    pub(crate) async fn with(session: &Session, names: &[&str]) -> Self {
        let (mut watch, peers) = Self::open(session).await;
        let mut missing: Vec<_> = names.to_vec();
        missing.retain(|name| peers.iter().all(|peer| peer.name != *name));
        while !missing.is_empty() {
            let delta = watch.delta().await;
            missing.retain(|name| delta.updated.iter().all(|peer| peer.name != *name));
        }
        watch
    }

    /// Resumes from a revision.
    pub(crate) async fn after(session: &Session, revision: Option<Position>) -> Self {
        let request = WatchPeersRequest { revision, ..Default::default() };
        let call = session.presence().watch_peers(request).await;
        Self(call.unwrap().into_inner())
    }

    async fn event(&mut self) -> Event {
        let next = within(PATIENCE, "an event of the list", self.0.message()).await.unwrap();
        next.expect("the stream has ended").event.unwrap()
    }

    /// Returns the next change.
    pub(crate) async fn delta(&mut self) -> PeerDelta {
        match self.event().await {
            Event::Delta(delta) => delta,
            other => panic!("not a change: {other:?}"),
        }
    }

    /// Reads until `name` is added or changed; also returns the changes of others before that.
    pub(crate) async fn until_updated(&mut self, name: &str) -> (Peer, Vec<PeerDelta>) {
        let mut before = Vec::new();
        loop {
            let mut delta = self.delta().await;
            if let Some(at) = delta.updated.iter().position(|peer| peer.name == name) {
                let peer = delta.updated.swap_remove(at);
                before.push(delta);
                return (peer, before);
            }
            before.push(delta);
        }
    }

    /// Reads until `name` is removed.
    pub(crate) async fn until_removed(&mut self, name: &str) {
        while !self.delta().await.removed.iter().any(|gone| gone == name) {}
    }
}

/// Returns a page of the list.
pub(crate) async fn list(session: &Session, request: ListPeersRequest) -> Vec<Peer> {
    session.presence().list_peers(request).await.unwrap().into_inner().peers
}

/// Returns the names on the list.
pub(crate) async fn listed(session: &Session) -> Vec<String> {
    let peers = list(session, ListPeersRequest::default()).await;
    peers.into_iter().map(|peer| peer.name).collect()
}

/// Returns the names of these peers.
pub(crate) fn names(peers: &[Peer]) -> Vec<&str> {
    peers.iter().map(|peer| peer.name.as_str()).collect()
}
