//! A rate limit that counts per peer, per address and per network.

mod cells;

use std::{
    hash::Hash,
    net::IpAddr,
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
use crate::{model::Name, transport::network_of};

/// The most peers or addresses that are counted separately, each at some 100 bytes: more than a hub
/// has connections. Beyond that, which takes an attack from as many networks, new ones share one
/// limit until some of these have been idle.
const MAX_KEYS: usize = 16 * 1024;

/// How often idle keys are dropped while the table is full. It takes less than a millisecond.
const SWEEP: Duration = Duration::from_secs(1);

type ClockInstant = <DefaultClock as Clock>::Instant;

#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) what: &'static str,
    /// `None`: no limit.
    scopes: Option<Scopes>,
}

#[derive(Debug)]
struct Scopes {
    peers: KeyedRate<Name>,
    addresses: KeyedRate<IpAddr>,
    /// IPv6 networks of 48 bits: one customer may have all 65,536 networks of 64 bits in one.
    networks: KeyedRate<IpAddr>,
}

/// The quotas of a peer, an address and an IPv6 network of 48 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quotas {
    pub(super) peer: Quota,
    pub(super) address: Quota,
    pub(super) network: Quota,
}

impl Quotas {
    pub(super) fn with_bursts(self, peer: NonZeroU32, network: NonZeroU32) -> Self {
        Self {
            peer: self.peer.allow_burst(peer),
            address: self.address.allow_burst(peer),
            network: self.network.allow_burst(network),
        }
    }
}

impl Limiter {
    pub(super) fn new(what: &'static str, quotas: Option<Quotas>) -> Self {
        let scopes = quotas.map(|Quotas { peer, address, network }| Scopes {
            peers: KeyedRate::new(peer),
            addresses: KeyedRate::new(address),
            networks: KeyedRate::new(network),
        });
        Self { what, scopes }
    }

    /// Counts `count`, which is no more than a burst. Errors with the time to retry.
    pub(super) fn check(
        &self,
        address: IpAddr,
        peer: Option<&Name>,
        count: NonZeroU32,
    ) -> Result<(), Duration> {
        let Some(scopes) = &self.scopes else { return Ok(()) };
        if let Some(peer) = peer {
            scopes.peers.check(peer, count)?;
        }
        scopes.addresses.check(&address, count)?;
        network_of(address).map_or(Ok(()), |network| scopes.networks.check(&network, count))
    }

    pub(super) fn sweep(&self) {
        if let Some(Scopes { peers, addresses, networks }) = &self.scopes {
            peers.sweep();
            addresses.sweep();
            networks.sweep();
        }
    }
}

#[derive(Debug)]
struct KeyedRate<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, Cells<K>, DefaultClock, NoOpMiddleware<ClockInstant>>,
    clock: DefaultClock,
    swept: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> KeyedRate<K> {
    fn new(quota: Quota) -> Self {
        let clock = DefaultClock::default();
        let limiter = RateLimiter::new(quota, Cells::new(MAX_KEYS), clock.clone());
        Self { limiter, clock, swept: Mutex::new(Instant::now()) }
    }

    fn check(&self, key: &K, count: NonZeroU32) -> Result<(), Duration> {
        if self.limiter.len() >= MAX_KEYS && self.is_sweep_due() {
            self.sweep();
        }
        match self.limiter.check_key_n(key, count) {
            Ok(checked) => checked.map_err(|refused| refused.wait_time_from(self.clock.now())),
            // More than a burst, which no caller asks for.
            Err(_) => Err(Duration::from_secs(u32::MAX.into())),
        }
    }

    fn is_sweep_due(&self) -> bool {
        let mut swept = self.swept.lock();
        let due = swept.elapsed() >= SWEEP;
        if due {
            *swept = Instant::now();
        }
        due
    }

    fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    #[test]
    fn keys_are_limited_and_dropped() {
        let quota = Quota::with_period(Duration::from_millis(1)).unwrap();
        let keyed = KeyedRate::new(quota);
        for key in 0..2 * MAX_KEYS {
            let _ = keyed.check(&key, ONE);
        }
        assert_eq!(keyed.limiter.len(), MAX_KEYS);
        while !keyed.limiter.is_empty() {
            std::thread::yield_now();
            keyed.sweep();
        }
        keyed.check(&0, ONE).unwrap();
    }

    #[test]
    fn known_keys_keep_their_own_limits_while_the_table_is_full() {
        let quota = Quota::per_hour(NonZeroU32::new(2).unwrap());
        let keyed = KeyedRate::new(quota);
        for key in 0..MAX_KEYS {
            keyed.check(&key, ONE).unwrap();
        }
        // New keys share one limit, and use it up.
        for key in MAX_KEYS..MAX_KEYS + 2 {
            keyed.check(&key, ONE).unwrap();
        }
        assert!(keyed.check(&(MAX_KEYS + 2), ONE).is_err());
        keyed.check(&0, ONE).unwrap();
        assert!(keyed.check(&0, ONE).is_err());
        assert_eq!(keyed.limiter.len(), MAX_KEYS);
    }

    #[test]
    fn a_network_of_48_bits_has_a_limit_for_all_of_its_parts() {
        let [few, more] = [2, 3].map(|n| Quota::per_hour(NonZeroU32::new(n).unwrap()));
        let limiter =
            Limiter::new("posts", Some(Quotas { peer: few, address: few, network: more }));
        let check = |address: &str| limiter.check(address.parse().unwrap(), None, ONE);
        for network in 1..=3 {
            check(&format!("2001:db8:0:{network}::")).unwrap();
        }
        assert!(check("2001:db8:0:4::").is_err());
        check("2001:db8:1:1::").unwrap();
    }
}
