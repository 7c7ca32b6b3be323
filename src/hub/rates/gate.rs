//! What counts, for each peer and each address.

use std::{hash::Hash, net::IpAddr, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::model::Name;

/// The most peers or addresses that are told apart, each at some 100 bytes: more than a hub has
/// connections. Beyond that, which takes an attack from as many networks, all others share one
/// limit until some of these have been idle.
const MAX_KEYS: usize = 16 * 1024;

type Now = <DefaultClock as Clock>::Instant;

/// A limit for peers and for addresses; none, where there is no rate.
#[derive(Debug)]
pub(crate) struct Gate {
    what: &'static str,
    limits: Option<(Keyed<Name>, Keyed<IpAddr>)>,
}

impl Gate {
    pub(super) fn new(what: &'static str, quotas: Option<(Quota, Quota)>) -> Self {
        let limits = quotas.map(|(peer, address)| (Keyed::new(peer), Keyed::new(address)));
        Self { what, limits }
    }

    /// What it limits.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// Counts one; refused, it answers when to come again.
    pub(super) fn check(&self, address: IpAddr, peer: Option<&Name>) -> Result<(), Duration> {
        let Some((peers, addresses)) = &self.limits else { return Ok(()) };
        if let Some(peer) = peer {
            peers.check(peer)?;
        }
        addresses.check(&address)
    }

    pub(super) fn sweep(&self) {
        if let Some((peers, addresses)) = &self.limits {
            peers.sweep();
            addresses.sweep();
        }
    }
}

#[derive(Debug)]
struct Keyed<K: Hash + Eq + Clone> {
    each: RateLimiter<K, HashMapStateStore<K>, DefaultClock, NoOpMiddleware<Now>>,
    others: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(quota: Quota) -> Self {
        Self {
            each: RateLimiter::hashmap(quota),
            others: RateLimiter::direct(quota),
            clock: DefaultClock::default(),
        }
    }

    fn check(&self, key: &K) -> Result<(), Duration> {
        let checked =
            if self.each.len() < MAX_KEYS { self.each.check_key(key) } else { self.others.check() };
        checked.map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    fn sweep(&self) {
        self.each.retain_recent();
        self.each.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_forgotten() {
        let quota = Quota::with_period(Duration::from_millis(1)).unwrap();
        let keyed = Keyed::new(quota);
        for key in 0..2 * MAX_KEYS {
            let _ = keyed.check(&key);
        }
        assert_eq!(keyed.each.len(), MAX_KEYS);
        while !keyed.each.is_empty() {
            std::thread::yield_now();
            keyed.sweep();
        }
        keyed.check(&0).unwrap();
    }
}
