//! The limits of a server's connections, in all and for one address.
//!
//! A connection is *pending* until its TLS handshake and the HTTP/2 preface are done, then *open*.
//!
//! Too many pending connections come from many honest callers, as after an outage, or from silent
//! ones. Further ones wait in the queue of the system, until one is done, or until the oldest has
//! used up its patience and is aborted: honest callers finish sooner, and silent ones displace each
//! other. An open connection stays as long as it is used; a newcomer beyond the limit is told to
//! come back later.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::source::{network_of, source_of};
use crate::{
    error::{RequestError, Result},
    limiter::{Exceeded, KeyedLimiter, KeyedPermit},
};

/// The limits of a server's connections. The defaults give their reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long TLS and the first bytes of HTTP/2 may take.
    pub deadline: Duration,
    /// How long a pending connection keeps its place if others wait for one.
    pub patience: Duration,
    /// Pending connections in all.
    pub pending: usize,
    /// Pending connections of one address.
    pub pending_per_address: usize,
    /// Open connections in all.
    pub open: usize,
    /// Open connections of one address; four times as many for an IPv6 network of 48 bits.
    pub open_per_address: usize,
    /// How long an open connection may be without a call in progress; it ends within twice that.
    pub idle: Duration,
}

/// What an open connection costs without calls, and TLS in addition: measured with 1,000 of them,
/// HTTP/2's buffers included.
pub(super) const CONNECTION_BYTES: usize = 16 * 1024;
pub(super) const TLS_BYTES: usize = 12 * 1024;

/// The open connections of an IPv6 network of 48 bits, in multiples of those of one address. The
/// network may belong to one customer, who then has 65,536 networks of 64 bits. With the defaults
/// it is an eighth of all.
const NETWORK_SHARE: usize = 4;

impl Limits {
    /// Ten seconds: two lost packets on a slow line. Only the caller waits.
    pub const DEADLINE: Duration = Duration::from_secs(10);

    /// One second: three round trips around the world, and twice the time that all pending
    /// handshakes take on two cores (a thousand a second).
    pub const PATIENCE: Duration = Duration::from_secs(1);

    /// 512: half a second of work for two cores.
    pub const PENDING: usize = 512;

    /// An eighth of all: enough for an office that comes back after an outage. Further ones are
    /// closed at once, as waiting would hold up others.
    pub const PENDING_PER_ADDRESS: usize = 64;

    /// 8,192: 320 MB at 40 KB each (TLS and one idle stream). See [`Limits::within`].
    pub const OPEN: usize = 8192;

    /// 256: the people of an office behind one address.
    pub const OPEN_PER_ADDRESS: usize = 256;

    /// A minute: a client always has a stream open, and one that makes single calls makes the next
    /// within seconds. It reconnects with the next call.
    pub const IDLE: Duration = Duration::from_secs(60);

    /// Replaces the number of open connections. That of one address keeps its share of it.
    pub fn with_open(self, open: usize) -> Self {
        let share = open.saturating_mul(self.open_per_address) / self.open.max(1);
        Self { open, open_per_address: share.max(1), ..self }
    }

    /// Raises the limit of open files to what these limits need, and lowers these to what the
    /// system grants: a connection without a file descriptor could not even be refused.
    pub fn fit(self) -> Self {
        let need = self.pending + self.open + RESERVED_FILES;
        let granted = grant_files(need);
        if granted >= need {
            return self;
        }
        let fitting = self.lowered(granted);
        tracing::warn!(
            files = granted,
            connections = fitting.open,
            "the limit of open files lowers the number of connections (ulimit -n {need} would not)"
        );
        fitting
    }

    /// Lowers the number of open connections so that they use at most half of a budget without a
    /// call: connections alone then never use it up.
    pub fn within(self, memory: usize) -> Self {
        let most = memory / 2 / (CONNECTION_BYTES + TLS_BYTES);
        if self.open <= most {
            return self;
        }
        tracing::warn!(connections = most, "the memory lowers the number of connections");
        Self { open: most, ..self }
    }

    /// A quarter of the files for pending connections, the rest for open ones.
    fn lowered(self, files: usize) -> Self {
        let files = files.saturating_sub(RESERVED_FILES);
        let pending = self.pending.min(files / 4).max(1);
        Self { pending, open: self.open.min(files.saturating_sub(pending)).max(1), ..self }
    }
}

/// Files that are not connections: the store, the log, the runtime, and one to spare.
const RESERVED_FILES: usize = 64;

/// Raises the process's limit of open files to `need`, or as far as allowed. Returns the limit.
#[cfg(unix)]
fn grant_files(need: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let need = need as u64;
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= need);
    if !enough(now.current) {
        let most = now.maximum.map_or(need, |maximum| maximum.min(need));
        // If this fails, the limit read below is unchanged.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..now });
    }
    let granted = getrlimit(Resource::Nofile).current;
    granted.map_or(usize::MAX, |granted| granted.try_into().unwrap_or(usize::MAX))
}

/// Other systems have no such limit.
#[cfg(not(unix))]
fn grant_files(_: usize) -> usize {
    usize::MAX
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Self::DEADLINE,
            patience: Self::PATIENCE,
            pending: Self::PENDING,
            pending_per_address: Self::PENDING_PER_ADDRESS,
            open: Self::OPEN,
            open_per_address: Self::OPEN_PER_ADDRESS,
            idle: Self::IDLE,
        }
    }
}

/// When a refused caller may try again: connections end at any time.
const RETRY: Duration = Duration::from_secs(5);

/// Counts the open connections, by address and by network.
pub(super) type ConnectionLimiter = KeyedLimiter<Source>;

/// The permit of one open connection.
pub(super) type Permit = KeyedPermit<Source>;

/// An address, or a network, with the length of its prefix.
type Source = (IpAddr, u8);

impl ConnectionLimiter {
    /// Takes a permit for a connection from `address`. Errors with [`RequestError::LimitReached`]
    /// if the server or the address has as many connections as allowed.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Result<Permit> {
        let source = source_of(address);
        let network = source.and_then(network_of);
        let per_address = limits.open_per_address;
        let keys = [
            source.map(|address| ((address, 64), per_address)),
            network.map(|network| ((network, 48), per_address.saturating_mul(NETWORK_SHARE))),
        ];
        self.acquire(limits.open, keys.into_iter().flatten()).map_err(|exceeded| {
            let what = match exceeded {
                Exceeded::Total => "this server has as many connections as it takes",
                Exceeded::Key => "your address has as many connections as one may have",
            };
            RequestError::LimitReached {
                what: format!("{what}; come again later"),
                retry_after: Some(RETRY),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn permits_are_released() {
        let places = Arc::new(ConnectionLimiter::default());
        let limits = Limits { open: 3, open_per_address: 2, ..Limits::default() };
        let take = |address| places.take(ip(address), &limits);
        let first = take("192.0.2.1").unwrap();
        let second = take("192.0.2.1").unwrap();
        let refusal = take("192.0.2.1").unwrap_err().to_string();
        assert!(refusal.contains("your address"), "{refusal}");
        let third = take("192.0.2.2").unwrap();
        assert!(take("192.0.2.3").unwrap_err().to_string().contains("this server"));
        drop(first);
        take("192.0.2.1").unwrap();
        drop((second, third));
    }

    #[test]
    fn a_network_of_48_bits_has_a_limit() {
        let places = Arc::new(ConnectionLimiter::default());
        let limits = Limits { open: 100, open_per_address: 2, ..Limits::default() };
        let take =
            |network, host| places.take(ip(&format!("2001:db8:{network}:{host}::1")), &limits);
        let most = 2 * NETWORK_SHARE;
        let held: Vec<_> = (0..most).map(|host| take(0, host).unwrap()).collect();
        assert!(take(0, most).unwrap_err().to_string().contains("your address"));
        take(1, 0).unwrap();
        drop(held);
        take(0, most).unwrap();
    }

    #[test]
    fn limits_fit_the_file_descriptors() {
        let lowered = |files| {
            let Limits { pending, open, .. } = Limits::default().lowered(files);
            (pending, open)
        };
        assert_eq!(lowered(1024), (240, 720));
        assert_eq!(lowered(256), (48, 144));
        assert_eq!(lowered(1_000_000), (Limits::PENDING, Limits::OPEN));
        assert_eq!(lowered(0), (1, 1));
    }

    #[test]
    fn connections_fit_a_budget() {
        let within = |mib: usize| Limits::default().within(mib * 1024 * 1024).open;
        assert!(within(2048) == Limits::OPEN && within(192) < Limits::OPEN / 2);
        let each = CONNECTION_BYTES + TLS_BYTES;
        assert_eq!(within(192) * each * 2 / (1024 * 1024), 191);
    }

    #[test]
    fn loopback_has_no_limit_of_its_own() {
        let places = Arc::new(ConnectionLimiter::default());
        let limits = Limits { open: 3, open_per_address: 1, ..Limits::default() };
        let held: Vec<_> = (0..3).map(|_| places.take(ip("::1"), &limits).unwrap()).collect();
        assert!(places.take(ip("::1"), &limits).is_err());
        assert_eq!(held.len(), 3);
    }
}
