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
mod turn;
mod watch;

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use governor::Quota;
use http::Extensions;

pub(crate) use gate::Gate;
pub(crate) use turn::Turn;
pub(crate) use watch::Watch;

use super::metrics::Metrics;
use crate::{
    error::{Error, Result},
    model::Name,
    transport::{self, PeerInfo},
};

/// How much may be used at once: what this many seconds bring.
const BURST_SECONDS: u32 = 10;

/// How many peers' worth one address gets: the people of an office.
const PEERS_PER_ADDRESS: u32 = 10;

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
    /// Registrations from an address.
    pub registrations: Option<Rate>,
    /// Searches, pages of history and lists that a peer asks for.
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
pub(crate) struct Gates {
    posts: Gate,
    registrations: Gate,
    reads: Gate,
    failures: Gate,
    loopback: bool,
    metrics: Metrics,
}

impl Gates {
    pub(crate) fn new(rates: Rates, metrics: Metrics) -> Self {
        let shared = |rate: Option<Rate>| {
            let (peer, address) = (rate?.quota(1)?, rate?.quota(PEERS_PER_ADDRESS)?);
            Some((peer, address))
        };
        let alone = |rate: Option<Rate>| rate?.quota(1).map(|quota| (quota, quota));
        Self {
            posts: Gate::new("posts", shared(rates.posts)),
            registrations: Gate::new("registrations", alone(rates.registrations)),
            reads: Gate::new("reads", shared(rates.reads)),
            failures: Gate::new("failures", alone(rates.failures)),
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
    /// [`Error::RateLimited`], as all of these.
    pub(crate) fn post(&self, origin: Origin, peer: &Name) -> Result<()> {
        self.check(&self.posts, origin, Some(peer))
    }

    /// Lets a registration through.
    pub(crate) fn register(&self, origin: Origin) -> Result<()> {
        self.check(&self.registrations, origin, None)
    }

    /// Lets a search, or the reading of a page, through.
    pub(crate) fn read(&self, extensions: &Extensions, peer: &Name) -> Result<()> {
        self.check(&self.reads, self.origin(extensions), Some(peer))
    }

    /// Notes a failure to prove something.
    pub(crate) fn fail(&self, origin: Origin) -> Result<()> {
        self.check(&self.failures, origin, None)
    }

    /// Forgets those who have used nothing for a while.
    pub(crate) fn sweep(&self) {
        for gate in [&self.posts, &self.registrations, &self.reads, &self.failures] {
            gate.sweep();
        }
    }

    fn check(&self, gate: &Gate, Origin(address): Origin, peer: Option<&Name>) -> Result<()> {
        let Some(address) = address else { return Ok(()) };
        gate.check(address, peer).map_err(|retry_after| {
            self.metrics.rate_limited(gate.what());
            Error::RateLimited { what: gate.what(), retry_after }
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_they_are_read() {
        for raw in ["50/s", "1/m", "1000000/s"] {
            assert_eq!(raw.parse::<Rate>().unwrap().to_string(), raw);
        }
        for raw in ["", "50", "0/s", "50/h", "-1/s", "1000001/s", "50/s/s"] {
            assert!(raw.parse::<Rate>().unwrap_err().contains("50/s"), "{raw}");
        }
        assert_eq!("50/s".parse::<Rate>().unwrap().burst(), 500);
        assert_eq!("1/m".parse::<Rate>().unwrap().burst(), 1);
        assert_eq!("60/m".parse::<Rate>().unwrap().burst(), 10);
    }

    pub(super) fn from(address: &str) -> Extensions {
        let remote = format!("{address}:1").parse().unwrap();
        let mut extensions = Extensions::new();
        let via = transport::Via::Tls;
        extensions.insert(PeerInfo { via, remote, certificate: None });
        extensions
    }

    fn gates(loopback: bool) -> Gates {
        let posts = Some("6/m".parse().unwrap());
        Gates::new(Rates { posts, loopback, ..Rates::NONE }, Metrics::default())
    }

    #[test]
    fn a_peer_has_its_rate_and_an_address_ten_times_that() {
        let gates = gates(false);
        let origin = gates.origin(&from("192.0.2.7"));
        let name = |i| Name::parse(&format!("peer{i}")).unwrap();
        gates.post(origin, &name(0)).unwrap();
        let refused = gates.post(origin, &name(0)).unwrap_err();
        let Error::RateLimited { what, retry_after } = refused else { panic!("{refused}") };
        assert_eq!(what, "posts");
        assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&retry_after));
        for i in 1..10 {
            gates.post(origin, &name(i)).unwrap();
        }
        let refused = gates.post(origin, &name(10)).unwrap_err();
        assert!(matches!(refused, Error::RateLimited { .. }), "the address has had ten");
        gates.post(gates.origin(&from("192.0.2.8")), &name(11)).unwrap();
        for _ in 0..100 {
            gates.register(origin).unwrap();
        }
    }

    #[test]
    fn the_machine_itself_is_limited_only_where_that_is_said() {
        for (loopback, refused) in [(false, false), (true, true)] {
            let gates = gates(loopback);
            let (origin, name) = (gates.origin(&from("127.0.0.1")), Name::parse("a").unwrap());
            gates.post(origin, &name).unwrap();
            assert_eq!(gates.post(origin, &name).is_err(), refused);
        }
    }
}
