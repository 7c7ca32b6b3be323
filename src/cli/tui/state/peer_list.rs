//! The peers on the hub: their status, and since when they have it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    client::PeerChange,
    model::{Name, Peer, PeerStatus},
};

use super::Moment;

/// How long a peer can be silent before that is shown.
const SILENCE: Duration = Duration::from_secs(60);

/// The most peers that have gone that can still be addressed.
const MAX_GONE: usize = 100;

/// The listed peers, including the user.
#[derive(Debug, Default)]
pub(crate) struct PeerList {
    peers: BTreeMap<Name, ListedPeer>,
    /// The names of a list that is being received. Peers that are not in it have left.
    listing: Option<BTreeSet<Name>>,
    /// The peers that have gone, the latest first.
    gone: VecDeque<Name>,
}

#[derive(Debug)]
pub(crate) struct ListedPeer {
    pub(crate) status: PeerStatus,
    /// Since when the peer has the status: as observed here, and as the hub says, if it does.
    since: Instant,
    since_at_hub: Option<Timestamp>,
    active_at: Instant,
}

impl PeerList {
    pub(crate) fn apply(&mut self, change: &PeerChange, now: Moment) {
        match change {
            PeerChange::Reset => self.listing = Some(BTreeSet::new()),
            PeerChange::Updated(peer) => self.update(peer, now),
            PeerChange::Left(name) => {
                self.peers.remove(name);
                self.on_gone(name.clone());
            }
            PeerChange::Listed => {
                if let Some(listed) = self.listing.take() {
                    let all = self.peers.keys().cloned();
                    let gone: Vec<Name> = all.filter(|name| !listed.contains(name)).collect();
                    self.peers.retain(|name, _| listed.contains(name));
                    gone.into_iter().for_each(|name| self.on_gone(name));
                }
            }
        }
    }

    fn on_gone(&mut self, name: Name) {
        self.gone.retain(|gone| *gone != name);
        self.gone.truncate(MAX_GONE - 1);
        self.gone.push_front(name);
    }

    /// The peers that have gone and are not back, the latest first.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &Name> {
        self.gone.iter().filter(|name| !self.peers.contains_key(*name))
    }

    fn update(&mut self, peer: &Peer, now: Moment) {
        if let Some(listing) = &mut self.listing {
            listing.insert(peer.name.clone());
        }
        let (status, since_at_hub) = (peer.status, peer.status_since);
        let new = || ListedPeer { status, since: now.mono, since_at_hub, active_at: now.mono };
        let listed = self.peers.entry(peer.name.clone()).or_insert_with(new);
        if listed.status != peer.status {
            *listed = new();
        }
        listed.since_at_hub = since_at_hub;
    }

    pub(crate) fn set_active(&mut self, name: &Name, now: Moment) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.active_at = now.mono;
        }
    }

    pub(crate) fn contains(&self, name: &Name) -> bool {
        self.peers.contains_key(name)
    }

    pub(crate) fn get(&self, name: &Name) -> Option<&ListedPeer> {
        self.peers.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &ListedPeer)> {
        self.peers.iter()
    }

    /// The names, those of the most recently active peers first.
    pub(crate) fn by_activity(&self) -> Vec<Name> {
        let mut names: Vec<_> = self.peers.iter().collect();
        names.sort_by_key(|(_, peer)| std::cmp::Reverse(peer.active_at));
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }
}

impl ListedPeer {
    pub(crate) fn symbol(&self) -> char {
        match self.status {
            PeerStatus::Online => '●',
            PeerStatus::Busy => '■',
            PeerStatus::Away | PeerStatus::Invisible => '◌',
        }
    }

    /// How long the peer has been away, busy or silent; `None` if less than [`SILENCE`].
    pub(crate) fn idle(&self, now: Moment) -> Option<Duration> {
        let idle = match (self.status, self.since_at_hub) {
            (PeerStatus::Online, _) => now.mono.duration_since(self.active_at),
            // The clock of the hub may be ahead.
            (_, Some(since)) => now.wall.duration_since(since).try_into().unwrap_or_default(),
            (_, None) => now.mono.duration_since(self.since),
        };
        (idle >= SILENCE).then_some(idle)
    }
}

/// A duration in a few characters, such as `5m`.
pub(crate) fn short_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
