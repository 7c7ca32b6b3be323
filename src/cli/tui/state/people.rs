//! Who is here: how they are, and since when.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    client::PeerChange,
    model::{Name, Peer, PeerStatus},
};

use super::Now;

/// For how long somebody may be silent before it is said.
const SILENCE: Duration = Duration::from_secs(60);

/// The listed peers, oneself among them.
#[derive(Debug, Default)]
pub(crate) struct People {
    here: BTreeMap<Name, Person>,
    /// A list that is being told; whoever is not in it has left.
    listing: Option<BTreeSet<Name>>,
}

/// Somebody who is here.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) status: PeerStatus,
    /// Since when they are as they are: seen here, and as the hub says, where it does.
    since: Instant,
    since_at_hub: Option<Timestamp>,
    /// When something was last seen of them.
    heard: Instant,
}

impl People {
    /// Takes a change.
    pub(crate) fn watch(&mut self, change: &PeerChange, now: Now) {
        match change {
            PeerChange::Reset => self.listing = Some(BTreeSet::new()),
            PeerChange::Updated(peer) => self.update(peer, now),
            PeerChange::Left(name) => drop(self.here.remove(name)),
            PeerChange::Listed => {
                if let Some(listed) = self.listing.take() {
                    self.here.retain(|name, _| listed.contains(name));
                }
            }
        }
    }

    fn update(&mut self, peer: &Peer, now: Now) {
        if let Some(listing) = &mut self.listing {
            listing.insert(peer.name.clone());
        }
        let (status, since_at_hub) = (peer.status, peer.status_since);
        let new = || Person { status, since: now.mono, since_at_hub, heard: now.mono };
        let person = self.here.entry(peer.name.clone()).or_insert_with(new);
        if person.status != peer.status {
            *person = new();
        }
        person.since_at_hub = since_at_hub;
    }

    /// That somebody said or did something.
    pub(crate) fn heard_of(&mut self, name: &Name, now: Now) {
        if let Some(person) = self.here.get_mut(name) {
            person.heard = now.mono;
        }
    }

    pub(crate) fn is_here(&self, name: &Name) -> bool {
        self.here.contains_key(name)
    }

    /// Somebody, where they are here.
    pub(crate) fn get(&self, name: &Name) -> Option<&Person> {
        self.here.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.here.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Person)> {
        self.here.iter()
    }

    /// Their names, those who were heard last first: whoever is meant is likely among them.
    pub(crate) fn likely(&self) -> Vec<Name> {
        let mut names: Vec<_> = self.here.iter().collect();
        names.sort_by_key(|(_, person)| std::cmp::Reverse(person.heard));
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }
}

impl Person {
    /// The sign of how they are, wherever they stand.
    pub(crate) fn sign(&self) -> char {
        match self.status {
            PeerStatus::Online => '●',
            PeerStatus::Busy => '■',
            PeerStatus::Away | PeerStatus::Invisible => '◌',
        }
    }

    /// For how long they have been away or busy, or silent; `None`: not for long.
    pub(crate) fn idle(&self, now: Now) -> Option<Duration> {
        let idle = match (self.status, self.since_at_hub) {
            (PeerStatus::Online, _) => now.mono.duration_since(self.heard),
            // Two clocks: where the hub's is ahead, nothing has passed yet.
            (_, Some(since)) => now.wall.duration_since(since).try_into().unwrap_or_default(),
            (_, None) => now.mono.duration_since(self.since),
        };
        (idle >= SILENCE).then_some(idle)
    }
}

/// A time in a few letters.
pub(crate) fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
