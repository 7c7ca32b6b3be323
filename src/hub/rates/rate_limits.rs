//! The rate limits of a hub.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::Quota;
use http::Extensions;
use parking_lot::Mutex;

use super::{
    limiter::{Limiter, Quotas},
    rate::{Rate, Rates},
};
use crate::{
    error::{RequestError, Result},
    hub::metrics::Metrics,
    model::{Name, Text},
    transport::{self, PeerInfo},
};

/// How many peers' rate an address has: the people of an office.
const PEERS_PER_ADDRESS: u32 = 10;

/// How many addresses' rate an IPv6 network of 48 bits has: that of a customer or a small provider.
const ADDRESSES_PER_NETWORK: u32 = 8;

/// How many requests of streams a post's worth is: joins, leaves, and refused ones, too.
const REQUESTS_PER_POST: u32 = 10;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What bytes of posts are counted in.
const POST_UNIT: u64 = 256;

/// What a post takes beside its text: its row, the record of its id, and the search index.
const POST_BYTES: usize = 256;

/// How long a stream waits at least for its rate, so that the many that may wait for one rate do not
/// keep the hub busy.
const PAUSE: Duration = Duration::from_millis(100);

/// How often an address may claim a new name, as every new key does: a hub stores names forever.
const CLAIMS: Rate = Rate::per_minute(6);

/// How many names an address may claim at once: those of an office that starts to use the hub.
const CLAIM_BURST: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// The same for an IPv6 network of 48 bits.
const CLAIM_BURST_OF_NETWORK: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// How often the hub dials a peer back, and how often at once: people repair networks by trying.
const DIAL_BACKS: Rate = Rate::per_minute(6);
const DIAL_BACK_BURST: NonZeroU32 = NonZeroU32::new(6).unwrap();

/// The same for an IPv6 network of 48 bits.
const DIAL_BACK_BURST_OF_NETWORK: NonZeroU32 = NonZeroU32::new(48).unwrap();

/// How often a peer changes its own entry, which all watchers of the list receive.
const CHANGES: Rate = Rate::per_second(1);

/// The most addresses that are blocked at a time, each for seconds.
const MAX_BLOCKED: usize = 16 * 1024;

/// The address that a call is limited by; `None`: it is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(Option<IpAddr>);

#[derive(Debug)]
pub(crate) struct RateLimits {
    requests: Limiter,
    posts: Limiter,
    post_bytes: Limiter,
    registrations: Limiter,
    claims: Limiter,
    reads: Limiter,
    failures: Limiter,
    dial_backs: Limiter,
    changes: Limiter,
    /// Until when costly proofs from an address with too many failures are not checked.
    blocked: Mutex<HashMap<IpAddr, Instant>>,
    loopback: bool,
    metrics: Metrics,
}

impl RateLimits {
    pub(crate) fn new(rates: Rates, metrics: Metrics) -> Self {
        let of = |rate: Option<Rate>, times: u32, peers: u32| {
            let (peer, address) = (rate?.quota(times)?, rate?.quota(times * peers)?);
            let network = rate?.quota(times * peers * ADDRESSES_PER_NETWORK)?;
            Some(Quotas { peer, address, network })
        };
        let (shared, alone) = (|rate| of(rate, 1, PEERS_PER_ADDRESS), |rate| of(rate, 1, 1));
        let requests = of(rates.posts, REQUESTS_PER_POST, PEERS_PER_ADDRESS);
        let claims = rates
            .registrations
            .and_then(|_| alone(Some(CLAIMS)))
            .map(|quotas| quotas.with_bursts(CLAIM_BURST, CLAIM_BURST_OF_NETWORK));
        // Always limited: the peer that is dialed may not be the one that asks.
        let dial_backs = alone(Some(DIAL_BACKS))
            .map(|quotas| quotas.with_bursts(DIAL_BACK_BURST, DIAL_BACK_BURST_OF_NETWORK));
        Self {
            requests: Limiter::new("requests", requests),
            posts: Limiter::new("posts", shared(rates.posts)),
            post_bytes: Limiter::new("bytes of posts", rates.post_bytes.and_then(daily)),
            registrations: Limiter::new("registrations", alone(rates.registrations)),
            claims: Limiter::new("new names", claims),
            reads: Limiter::new("reads", shared(rates.reads)),
            failures: Limiter::new("failures", alone(rates.failures)),
            dial_backs: Limiter::new("checks of endpoints", dial_backs),
            changes: Limiter::new("changes of status", shared(rates.reads.and(Some(CHANGES)))),
            blocked: Mutex::default(),
            loopback: rates.loopback,
            metrics,
        }
    }

    pub(crate) fn origin(&self, extensions: &Extensions) -> Origin {
        let info = extensions.get::<PeerInfo>();
        Origin(info.map(|info| info.remote.ip()).and_then(|ip| match transport::source_of(ip) {
            None if self.loopback => Some(ip),
            source => source,
        }))
    }

    /// Counts a post and its bytes. Errors: [`RequestError::RateLimited`], like all of these.
    pub(crate) fn post(&self, origin: Origin, peer: &Name, text: &Text) -> Result<()> {
        self.check(&self.posts, origin, Some(peer))?;
        let bytes = (text.as_str().len() + POST_BYTES) as u64;
        self.check_many(&self.post_bytes, origin, Some(peer), units(bytes))
    }

    /// Counts a registration.
    pub(crate) fn register(&self, origin: Origin) -> Result<()> {
        self.check(&self.registrations, origin, None)
    }

    /// Counts a claim of a new name.
    pub(crate) fn claim(&self, origin: Origin) -> Result<()> {
        self.check(&self.claims, origin, None)
    }

    /// Counts a read: a search, a page, the history of a room, a peer.
    pub(crate) fn read(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.reads, origin, Some(peer))
    }

    /// Counts a read, once the rate allows one more.
    pub(crate) async fn wait_to_read(&self, origin: Origin, peer: &Name) {
        self.wait(&self.reads, origin, Some(peer)).await;
    }

    /// Counts a request of somebody unknown as a read, once the rate allows one more.
    pub(crate) async fn wait_to_ask(&self, origin: Origin) {
        self.wait(&self.reads, origin, None).await;
    }

    /// Counts a request of a stream, once the rate allows one more.
    pub(crate) async fn wait_to_request(&self, origin: Origin, peer: &Name) {
        self.wait(&self.requests, origin, Some(peer)).await;
    }

    /// Counts a change of a peer's own entry.
    pub(crate) fn change(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.changes, origin, Some(peer))
    }

    pub(crate) fn dial_back(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.dial_backs, origin, Some(peer))
    }

    /// Counts a failed authentication. Too many block the address for a while.
    pub(crate) fn fail(&self, origin: Origin) -> Result<()> {
        let failed = self.check(&self.failures, origin, None);
        if let (Err(RequestError::RateLimited { retry_after, .. }), Some(address)) =
            (&failed, origin.0)
        {
            let mut blocked = self.blocked.lock();
            if blocked.len() < MAX_BLOCKED {
                blocked.insert(address, Instant::now() + *retry_after);
            }
        }
        failed
    }

    /// Checks that the address is not blocked for failures, before a costly proof is checked.
    pub(crate) fn check_failures(&self, Origin(address): Origin) -> Result<()> {
        let until = address.and_then(|address| self.blocked.lock().get(&address).copied());
        let retry_after = until.and_then(|until| until.checked_duration_since(Instant::now()));
        match retry_after {
            Some(retry_after) => {
                Err(RequestError::RateLimited { what: self.failures.what, retry_after })
            }
            None => Ok(()),
        }
    }

    /// Drops the counts of those that were idle for a while.
    pub(crate) fn sweep(&self) {
        let Self { requests, posts, post_bytes, registrations, claims, reads, failures, .. } = self;
        for limiter in [requests, posts, post_bytes, registrations, claims, reads, failures] {
            limiter.sweep();
        }
        for limiter in [&self.dial_backs, &self.changes] {
            limiter.sweep();
        }
        self.blocked.lock().retain(|_, until| *until > Instant::now());
    }

    async fn wait(&self, limiter: &Limiter, origin: Origin, peer: Option<&Name>) {
        while let Err(RequestError::RateLimited { retry_after, .. }) =
            self.check(limiter, origin, peer)
        {
            tokio::time::sleep(retry_after.max(PAUSE)).await;
        }
    }

    fn check(&self, limiter: &Limiter, origin: Origin, peer: Option<&Name>) -> Result<()> {
        self.check_many(limiter, origin, peer, NonZeroU32::MIN)
    }

    fn check_many(
        &self,
        limiter: &Limiter,
        Origin(address): Origin,
        peer: Option<&Name>,
        count: NonZeroU32,
    ) -> Result<()> {
        let Some(address) = address else { return Ok(()) };
        limiter.check(address, peer, count).map_err(|retry_after| {
            self.metrics.rate_limited(limiter.what);
            RequestError::RateLimited { what: limiter.what, retry_after }
        })
    }
}

/// Returns the quotas of bytes in a day.
fn daily(bytes: u64) -> Option<Quotas> {
    let quota = |times: u32| {
        let burst = units(bytes.saturating_mul(times.into()));
        Quota::with_period(DAY.checked_div(burst.get())?.max(Duration::from_nanos(1)))
            .map(|quota| quota.allow_burst(burst))
    };
    Some(Quotas {
        peer: quota(1)?,
        address: quota(PEERS_PER_ADDRESS)?,
        network: quota(PEERS_PER_ADDRESS * ADDRESSES_PER_NETWORK)?,
    })
}

fn units(bytes: u64) -> NonZeroU32 {
    let units = u32::try_from(bytes.div_ceil(POST_UNIT)).unwrap_or(u32::MAX);
    NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
pub(crate) mod tests;
