//! Metrics and goals.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::contender::Contender;

/// The measurements of one run.
pub(crate) type Figures = BTreeMap<Metric, f64>;

/// A metric, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Messages that reached a subscriber, per second.
    Deliveries,
    /// Microseconds of the server's CPU time for each of them.
    CpuPerDelivery,
    /// Milliseconds from posting to reading: the median.
    DelayMedian,
    /// The same: the 99th percentile.
    DelayP99,
    /// Acknowledged posts per second.
    Posts,
    /// Microseconds of the server's CPU time for each of them.
    CpuPerPost,
    /// Stored messages per second that one reader receives.
    StoredReads,
    /// KiB of the server's memory for each subscriber.
    MemoryPerSubscriber,
    /// MiB by which the server's memory grew for each subscriber that stopped reading.
    MemoryPerStalled,
    /// The 99th percentile of the delay while others are stalled, as a multiple of the delay
    /// before.
    DelayBesideStalled,
    /// Seconds from the start of the process to the first answer.
    TimeToServe,
    /// Seconds until every list is complete.
    TimeToComplete,
    /// The server's memory for each peer at the most, as a multiple of that with a twentieth of them.
    MemoryGrowth,
    /// The server's CPU time for each entry of a list, as a multiple of the same.
    CpuGrowth,
    /// KiB of the largest message that was sent.
    LargestMessage,
    /// Microseconds for a `Send` and its receipt.
    SendRoundTrip,
    /// `Send`s per second, many at a time.
    Sends,
    /// Microseconds for a message in a conversation and its receipt.
    ConverseRoundTrip,
    /// Messages per second in a conversation.
    Lines,
}

impl Metric {
    /// Returns its name in the table, with the unit.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries/s",
            Self::CpuPerDelivery => "µs of CPU per delivery",
            Self::DelayMedian => "ms of delay, median",
            Self::DelayP99 => "ms of delay, p99",
            Self::Posts => "acked posts/s",
            Self::CpuPerPost => "µs of CPU per post",
            Self::StoredReads => "stored messages/s",
            Self::MemoryPerSubscriber => "KiB per subscriber",
            Self::MemoryPerStalled => "MiB per stalled subscriber",
            Self::DelayBesideStalled => "p99 of the others, × before",
            Self::TimeToServe => "s until it serves",
            Self::TimeToComplete => "s until all lists are complete",
            Self::MemoryGrowth => "memory per peer, × that of few",
            Self::CpuGrowth => "CPU per entry, × that of few",
            Self::LargestMessage => "KiB, largest message",
            Self::SendRoundTrip => "µs for a Send",
            Self::Sends => "Sends/s",
            Self::ConverseRoundTrip => "µs for a line and its receipt",
            Self::Lines => "lines/s",
        }
    }
}

/// A goal of chinwag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) metric: Metric,
    pub(crate) bound: Bound,
}

/// A bound, absolute or relative to another contender in the same workload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    OrMore(f64),
    OrLess(f64),
    TimesOrMore(f64, Contender),
    TimesOrLess(f64, Contender),
}

impl Bound {
    /// Returns the contender that chinwag is compared with.
    pub(crate) fn other(self) -> Option<Contender> {
        match self {
            Self::TimesOrMore(_, other) | Self::TimesOrLess(_, other) => Some(other),
            Self::OrMore(_) | Self::OrLess(_) => None,
        }
    }

    /// Returns true if a value, or its ratio to that of the other contender, is within the bound.
    pub(crate) fn keeps(self, value: f64) -> bool {
        match self {
            Self::OrMore(bound) | Self::TimesOrMore(bound, _) => value >= bound,
            Self::OrLess(bound) | Self::TimesOrLess(bound, _) => value <= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrMore(bound) => write!(f, "≥ {}", number(*bound)),
            Self::OrLess(bound) => write!(f, "≤ {}", number(*bound)),
            Self::TimesOrMore(bound, other) => write!(f, "≥ {}× {other}", number(*bound)),
            Self::TimesOrLess(bound, other) => write!(f, "≤ {}× {other}", number(*bound)),
        }
    }
}

/// Formats a number with three significant digits.
pub(crate) fn number(value: f64) -> String {
    let (value, unit) = match value.abs() {
        1e6.. => (value / 1e6, " M"),
        1e4.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let digits = format!("{value:.decimals$}");
    let short = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{short}{unit}")
}

/// Returns the median; 0 for no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

/// Returns the quantile; 0 for no values.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
