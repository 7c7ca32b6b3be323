//! Rates, and the ones that a hub limits.

use std::{fmt, str::FromStr, time::Duration};

use governor::Quota;

/// The burst of a rate: what this many seconds bring.
const BURST_SECONDS: u32 = 10;

/// How often something is allowed.
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
    /// The highest rate.
    pub const MAX: u32 = 1_000_000;

    /// `count` times per second, clamped to the range from 1 to [`Self::MAX`].
    pub const fn per_second(count: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self { count: if count > Self::MAX { Self::MAX } else { count }, per: Per::Second }
    }

    pub(super) const fn per_minute(count: u32) -> Self {
        Self { count, per: Per::Minute }
    }

    /// How many are allowed at once.
    pub fn burst(self) -> u32 {
        match self.per {
            Per::Second => self.count * BURST_SECONDS,
            Per::Minute => (self.count * BURST_SECONDS).div_ceil(60),
        }
    }

    pub(super) fn quota(self, times: u32) -> Option<Quota> {
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
        let expected = || format!("write it as 50/s or 30/m, up to {}", Self::MAX);
        let (count, per) = raw.split_once('/').ok_or_else(expected)?;
        let per = match per {
            "s" => Per::Second,
            "m" => Per::Minute,
            _ => return Err(expected()),
        };
        let count = count.trim().parse().ok().filter(|count| (1..=Self::MAX).contains(count));
        count.map(|count| Self { count, per }).ok_or_else(expected)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, if self.per == Per::Second { "s" } else { "m" })
    }
}

/// The rate limits of callers; `None`: no limit. The defaults give the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Posts of a peer.
    pub posts: Option<Rate>,
    /// Bytes of a peer's posts in a day. They may be used at once.
    pub post_bytes: Option<u64>,
    /// Registrations from an address. If they are limited, those that claim a new name are limited
    /// to six per minute as well, and 64 at once.
    pub registrations: Option<Rate>,
    /// Searches, pages of history and lists, of a peer. If they are limited, changes of a peer's
    /// status and endpoints are limited to one per second as well, and ten at once. Dial-backs are
    /// always limited, to six per minute for a peer and for an address.
    pub reads: Option<Rate>,
    /// Calls from an address with a wrong token or invitation, or without a required one.
    pub failures: Option<Rate>,
    /// Whether callers from loopback are limited as well.
    pub loopback: bool,
}

impl Rates {
    /// A person types a line in seconds. A program that pipes its output in may post 500 lines at
    /// once, and 50 per second after that.
    pub const POSTS: Rate = Rate::per_second(50);

    /// A person writes some kilobytes in a day. A program that posts lines of 200 bytes at the full rate
    /// needs less.
    pub const POST_BYTES: u64 = 1024 * 1024 * 1024;

    /// An office of 256 people reconnects within a second after an outage.
    pub const REGISTRATIONS: Rate = Rate::per_second(30);

    /// Each may read a thousand messages from disk: this limits one peer's share of a processor.
    pub const READS: Rate = Rate::per_second(20);

    /// Tokens and invitations cannot be guessed at any rate: this limits log lines and load.
    pub const FAILURES: Rate = Rate::per_second(10);

    /// No limits.
    pub const NONE: Self = Self {
        posts: None,
        post_bytes: None,
        registrations: None,
        reads: None,
        failures: None,
        loopback: false,
    };
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            posts: Some(Self::POSTS),
            post_bytes: Some(Self::POST_BYTES),
            registrations: Some(Self::REGISTRATIONS),
            reads: Some(Self::READS),
            failures: Some(Self::FAILURES),
            loopback: false,
        }
    }
}
