//! How often callers may do what costs: posts, registrations, reads, failed attempts to prove who
//! they are.
//!
//! A rate is that of one peer; what stands behind one address may have ten times as much, as an
//! office does. Both may be used up at once, up to what ten seconds bring ([`Rate::burst`]). Who has
//! used it up is refused with `RATE_LIMITED` and told when to come again.
//!
//! Callers from loopback are exempt unless [`Rates::loopback`] says otherwise: the machine's own
//! users are trusted as their plaintext is, and could take its processor by easier means. A hub
//! behind a proxy of the same machine sees everybody come from there: then the proxy has to limit.

mod gate;
mod post_order;
mod watch;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    str::FromStr,
    time::{Duration, Instant},
};

use governor::Quota;
use http::Extensions;
use parking_lot::{Mutex, MutexGuard};

pub(crate) use post_order::PostOrder;
pub(crate) use watch::Watch;

use self::gate::{Gate, Quotas};
use super::metrics::Metrics;
use crate::{
    error::{RequestError, Result},
    model::Name,
    transport::{self, PeerInfo},
};

/// How much may be used at once: what this many seconds bring.
const BURST_SECONDS: u32 = 10;

/// How many peers' worth one address gets: the people of an office.
const PEERS_PER_ADDRESS: u32 = 10;

/// How many addresses' worth an IPv6 network of 48 bits gets: it may be one customer's, or a small
/// provider's.
const ADDRESSES_PER_NETWORK: u32 = 8;

/// How often an address may take a name for good, as every new key does: a hub keeps names for ever.
const CLAIMS: Rate = Rate { count: 6, per: Per::Minute };

/// How many names an address may take at once: those of an office that begins to use the hub.
const CLAIM_BURST: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// The same for an IPv6 network of 48 bits.
const CLAIM_BURST_OF_NETWORK: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// How often the hub dials a peer back to see whether others reach them, and how often at once: somebody
/// who mends their network tries a few times.
const DIAL_BACKS: Rate = Rate { count: 6, per: Per::Minute };
const DIAL_BACK_BURST: NonZeroU32 = NonZeroU32::new(6).unwrap();

/// The same for an IPv6 network of 48 bits.
const DIAL_BACK_BURST_OF_NETWORK: NonZeroU32 = NonZeroU32::new(48).unwrap();

/// The most addresses that are barred at a time, each for moments.
const MAX_BARRED: usize = 16 * 1024;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Per,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Second,
    Minute,
}

impl Rate {
    /// The most that a rate may be: more is no limit.
    pub const MAX: u32 = 1_000_000;

    /// So often a second; at least once, at most [`Self::MAX`].
    pub const fn per_second(count: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self { count: if count > Self::MAX { Self::MAX } else { count }, per: Per::Second }
    }

    /// How many may come at once.
    pub fn burst(self) -> u32 {
        match self.per {
            Per::Second => self.count * BURST_SECONDS,
            Per::Minute => (self.count * BURST_SECONDS).div_ceil(60),
        }
    }

    fn quota(self, times: u32) -> Option<Quota> {
        let period = match self.per {
            Per::Second => Duration::from_secs(1),
            Per::Minute => Duration::from_secs(60),
        };
        let burst = self.burst().saturating_mul(times).try_into().ok()?;
        let each = period.checked_div(self.count.saturating_mul(times))?;
        Quota::with_period(each.max(Duration::from_nanos(1))).map(|quota| quota.allow_burst(burst))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let how = || format!("write it as 50/s or 30/m, up to {}", Self::MAX);
        let (count, per) = raw.split_once('/').ok_or_else(how)?;
        let per = match per {
            "s" => Per::Second,
            "m" => Per::Minute,
            _ => return Err(how()),
        };
        let count = count.trim().parse().ok().filter(|count| (1..=Self::MAX).contains(count));
        count.map(|count| Self { count, per }).ok_or_else(how)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, if self.per == Per::Second { "s" } else { "m" })
    }
}

/// How often callers may do what costs; `None`: as often as they like. The defaults say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Posts of a peer.
    pub posts: Option<Rate>,
    /// Registrations from an address. Where they are limited, those that take a name for good are to
    /// six a minute besides, and 64 at once.
    pub registrations: Option<Rate>,
    /// Searches, pages of history and lists that a peer asks for. A peer, and an address, is dialed
    /// back six times a minute at most in any case.
    pub reads: Option<Rate>,
    /// Calls from an address that show a wrong token or invitation, or none where one is needed.
    pub failures: Option<Rate>,
    /// Whether callers from loopback are limited, too.
    pub loopback: bool,
}

impl Rates {
    /// A person types one line in seconds; a program that pipes its output in has some hundred at
    /// once, and 50 a second after that.
    pub const POSTS: Rate = Rate::per_second(50);

    /// An office of 256 that comes back after an outage is in within a second.
    pub const REGISTRATIONS: Rate = Rate::per_second(30);

    /// Each may read a thousand messages from the disk: this is all of a processor that one peer
    /// may have.
    pub const READS: Rate = Rate::per_second(20);

    /// Tokens and invitations cannot be guessed at any speed: this keeps logs short and processors
    /// free.
    pub const FAILURES: Rate = Rate::per_second(10);

    /// No limit at all.
    pub const NONE: Self =
        Self { posts: None, registrations: None, reads: None, failures: None, loopback: false };
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            posts: Some(Self::POSTS),
            registrations: Some(Self::REGISTRATIONS),
            reads: Some(Self::READS),
            failures: Some(Self::FAILURES),
            loopback: false,
        }
    }
}

/// Where a call comes from, for limits; `None`: nowhere that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(Option<IpAddr>);

/// The gates of a hub.
#[derive(Debug)]
pub(crate) struct RateLimits {
    posts: Gate,
    registrations: Gate,
    claims: Gate,
    reads: Gate,
    failures: Gate,
    dial_backs: Gate,
    /// Until when addresses that have failed too often are not even listened to.
    barred: Mutex<HashMap<IpAddr, Instant>>,
    loopback: bool,
    metrics: Metrics,
}

impl RateLimits {
    pub(crate) fn new(rates: Rates, metrics: Metrics) -> Self {
        let of = |rate: Option<Rate>, peers: u32| {
            let (peer, address) = (rate?.quota(1)?, rate?.quota(peers)?);
            let network = rate?.quota(peers * ADDRESSES_PER_NETWORK)?;
            Some(Quotas { peer, address, network })
        };
        let (shared, alone) = (|rate| of(rate, PEERS_PER_ADDRESS), |rate| of(rate, 1));
        let claims = rates
            .registrations
            .and_then(|_| alone(Some(CLAIMS)))
            .map(|quotas| quotas.allow(CLAIM_BURST, CLAIM_BURST_OF_NETWORK));
        // Whatever else is limited: who is dialed may not be who asks.
        let dial_backs = alone(Some(DIAL_BACKS))
            .map(|quotas| quotas.allow(DIAL_BACK_BURST, DIAL_BACK_BURST_OF_NETWORK));
        Self {
            posts: Gate::new("posts", shared(rates.posts)),
            registrations: Gate::new("registrations", alone(rates.registrations)),
            claims: Gate::new("new names", claims),
            reads: Gate::new("reads", shared(rates.reads)),
            failures: Gate::new("failures", alone(rates.failures)),
            dial_backs: Gate::new("checks of endpoints", dial_backs),
            barred: Mutex::default(),
            loopback: rates.loopback,
            metrics,
        }
    }

    /// Where a call with these extensions comes from.
    pub(crate) fn origin(&self, extensions: &Extensions) -> Origin {
        let info = extensions.get::<PeerInfo>();
        Origin(info.map(|info| info.remote.ip()).and_then(|ip| match transport::source_of(ip) {
            None if self.loopback => Some(ip),
            source => source,
        }))
    }

    /// Lets a post through.
    ///
    /// # Errors
    ///
    /// [`RequestError::RateLimited`], as all of these.
    pub(crate) fn post(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.posts, origin, Some(peer))
    }

    /// Lets a registration through.
    pub(crate) fn register(&self, origin: Origin) -> Result<()> {
        self.check(&self.registrations, origin, None)
    }

    /// Lets somebody take a name for good.
    pub(crate) fn claim(&self, origin: Origin) -> Result<()> {
        self.check(&self.claims, origin, None)
    }

    /// Lets through a search, the reading of a page or of what a room said before, a look at a peer,
    /// and a change of what a peer shows of itself, which all others read.
    pub(crate) fn read(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.reads, origin, Some(peer))
    }

    /// The same, as soon as there may be one more.
    pub(crate) async fn read_in_turn(&self, origin: Origin, peer: &Name) {
        while let Err(RequestError::RateLimited { retry_after, .. }) = self.read(origin, peer) {
            tokio::time::sleep(retry_after).await;
        }
    }

    /// Lets a peer have its endpoints dialed.
    pub(crate) fn dial_back(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.dial_backs, origin, Some(peer))
    }

    /// Notes a failure to prove something.
    pub(crate) fn fail(&self, origin: Origin) -> Result<()> {
        let failed = self.check(&self.failures, origin, None);
        if let (Err(RequestError::RateLimited { retry_after, .. }), Some(address)) =
            (&failed, origin.0)
        {
            let mut barred = self.barred();
            if barred.len() < MAX_BARRED {
                barred.insert(address, Instant::now() + *retry_after);
            }
        }
        failed
    }

    /// Lets somebody try to prove what takes work to look at.
    pub(crate) fn prove(&self, Origin(address): Origin) -> Result<()> {
        let until = address.and_then(|address| self.barred().get(&address).copied());
        let retry_after = until.and_then(|until| until.checked_duration_since(Instant::now()));
        match retry_after {
            Some(retry_after) => {
                Err(RequestError::RateLimited { what: self.failures.what(), retry_after })
            }
            None => Ok(()),
        }
    }

    fn barred(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.barred.lock()
    }

    /// Forgets those who have used nothing for a while.
    pub(crate) fn sweep(&self) {
        let Self { posts, registrations, claims, reads, failures, dial_backs, .. } = self;
        for gate in [posts, registrations, claims, reads, failures, dial_backs] {
            gate.sweep();
        }
        self.barred().retain(|_, until| *until > Instant::now());
    }

    fn check(&self, gate: &Gate, Origin(address): Origin, peer: Option<&Name>) -> Result<()> {
        let Some(address) = address else { return Ok(()) };
        gate.check(address, peer).map_err(|retry_after| {
            self.metrics.rate_limited(gate.what());
            RequestError::RateLimited { what: gate.what(), retry_after }
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
