//! What counts, for each peer and each address.

mod cells;

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
};
use parking_lot::Mutex;

use self::cells::Cells;
use crate::model::Name;

/// The most peers or addresses that are told apart, each at some 100 bytes: more than a hub has
/// connections. Beyond that, which takes an attack from as many networks, those who come share one
/// limit until some of these have been idle.
const MAX_KEYS: usize = 16 * 1024;

/// How often those who have been idle are looked for while there is no room for others: it takes
/// under a millisecond.
const SWEEP: Duration = Duration::from_secs(1);

type Now = <DefaultClock as Clock>::Instant;

/// A limit for peers and for addresses; none, where there is no rate.
#[derive(Debug)]
pub(crate) struct Gate {
    what: &'static str,
    limits: Option<Limits>,
}

#[derive(Debug)]
struct Limits {
    peers: Keyed<Name>,
    addresses: Keyed<IpAddr>,
    /// IPv6 networks of 48 bits, of which one customer may have all 65,536 of 64 bits.
    networks: Keyed<Ipv6Addr>,
}

/// How much a peer, an address and an IPv6 network of 48 bits may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quotas {
    pub(super) peer: Quota,
    pub(super) address: Quota,
    pub(super) network: Quota,
}

impl Quotas {
    /// The same, with so many at once.
    pub(super) fn allow(self, peer: NonZeroU32, network: NonZeroU32) -> Self {
        Self {
            peer: self.peer.allow_burst(peer),
            address: self.address.allow_burst(peer),
            network: self.network.allow_burst(network),
        }
    }
}

impl Gate {
    pub(super) fn new(what: &'static str, quotas: Option<Quotas>) -> Self {
        let limits = quotas.map(|Quotas { peer, address, network }| Limits {
            peers: Keyed::new(peer),
            addresses: Keyed::new(address),
            networks: Keyed::new(network),
        });
        Self { what, limits }
    }

    /// What it limits.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// Counts one; refused, it answers when to come again.
    pub(super) fn check(&self, address: IpAddr, peer: Option<&Name>) -> Result<(), Duration> {
        let Some(limits) = &self.limits else { return Ok(()) };
        if let Some(peer) = peer {
            limits.peers.check(peer)?;
        }
        limits.addresses.check(&address)?;
        match address {
            IpAddr::V6(address) => limits.networks.check(&network_of(address)),
            IpAddr::V4(_) => Ok(()),
        }
    }

    pub(super) fn sweep(&self) {
        if let Some(Limits { peers, addresses, networks }) = &self.limits {
            peers.sweep();
            addresses.sweep();
            networks.sweep();
        }
    }
}

/// The network of 48 bits.
fn network_of(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80))
}

#[derive(Debug)]
struct Keyed<K: Hash + Eq + Clone> {
    each: RateLimiter<K, Cells<K>, DefaultClock, NoOpMiddleware<Now>>,
    clock: DefaultClock,
    swept: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(quota: Quota) -> Self {
        let clock = DefaultClock::default();
        let each = RateLimiter::new(quota, Cells::new(MAX_KEYS), clock.clone());
        Self { each, clock, swept: Mutex::new(Instant::now()) }
    }

    fn check(&self, key: &K) -> Result<(), Duration> {
        if self.each.len() >= MAX_KEYS && self.is_time_to_sweep() {
            self.sweep();
        }
        let checked = self.each.check_key(key);
        checked.map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    fn is_time_to_sweep(&self) -> bool {
        let mut swept = self.swept.lock();
        let due = swept.elapsed() >= SWEEP;
        if due {
            *swept = Instant::now();
        }
        due
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

    /// Whoever fills the table takes nothing from those who were in it before.
    #[test]
    fn who_is_known_keeps_their_own_limit_where_there_is_no_room_for_others() {
        let quota = Quota::per_hour(NonZeroU32::new(2).unwrap());
        let keyed = Keyed::new(quota);
        for key in 0..MAX_KEYS {
            keyed.check(&key).unwrap();
        }
        // Those who come share one limit, and have used it up.
        for key in MAX_KEYS..MAX_KEYS + 2 {
            keyed.check(&key).unwrap();
        }
        assert!(keyed.check(&(MAX_KEYS + 2)).is_err());
        keyed.check(&0).unwrap();
        assert!(keyed.check(&0).is_err());
        assert_eq!(keyed.each.len(), MAX_KEYS);
    }

    #[test]
    fn a_customer_with_many_networks_has_a_limit_for_all_of_them() {
        let [few, more] = [2, 3].map(|n| Quota::per_hour(NonZeroU32::new(n).unwrap()));
        let gate = Gate::new("posts", Some(Quotas { peer: few, address: few, network: more }));
        let check = |address: &str| gate.check(address.parse().unwrap(), None);
        for network in 1..=3 {
            check(&format!("2001:db8:0:{network}::")).unwrap();
        }
        assert!(check("2001:db8:0:4::").is_err());
        check("2001:db8:1:1::").unwrap();
    }
}
