//! The metrics of a hub.
//!
//! Each hub has its own instance, passed to the code that counts, so that two hubs in one process
//! do not mix. All label values are known in advance; names, addresses and texts are never labels.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

use crate::error::Reason;

/// Bounds of the commit times: from those of memory to those of a failing disk.
const SECONDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// Bounds of the batch sizes, up to the largest.
const MESSAGES: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

/// The label of all reasons that are not a hub's own.
const OTHER: &str = "OTHER";

/// The rates that have a label from the start; see `rates`.
const LIMITED: [&str; 6] =
    ["bytes of posts", "failures", "posts", "reads", "registrations", "requests"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RateLabel {
    what: &'static str,
}

pub(super) const PREFIX: &str = "chinwag_hub";

/// The metrics of a hub. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Registered>);

#[derive(Debug)]
struct Registered {
    registry: Registry,
    posts: Counter,
    deliveries: Counter,
    delivered_bytes: Counter,
    left_behind: Counter,
    commit_seconds: Histogram,
    commit_messages: Histogram,
    refusals: Family<ReasonLabel, Counter>,
    rate_limited: Family<RateLabel, Counter>,
    sessions: Gauge,
    peers: Gauge,
    streams: Gauge,
    rooms: Gauge,
}

impl Default for Registered {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        let r = &mut registry;
        let metrics = Self {
            posts: register(r, "posts", "Messages stored"),
            deliveries: register(r, "deliveries", "Messages passed to HTTP/2, once per reader"),
            delivered_bytes: register(r, "delivered_bytes", "Bytes of the delivered messages"),
            left_behind: register(
                r,
                "readers_left_behind",
                "Times that a slow reader had to catch up from the storage",
            ),
            commit_seconds: register_as(
                r,
                "commit_seconds",
                "Duration of a commit of messages, until they were on disk",
                Histogram::new(SECONDS),
            ),
            commit_messages: register_as(
                r,
                "commit_messages",
                "Messages per commit",
                Histogram::new(MESSAGES),
            ),
            refusals: register(r, "refusals", "Refused requests, by reason"),
            rate_limited: register(
                r,
                "rate_limited",
                "Requests over a rate limit, by what was limited",
            ),
            sessions: register(r, "sessions", "Sessions"),
            peers: register(r, "peers", "Online peers, including invisible ones"),
            streams: register(r, "streams", "Open streams of all sessions"),
            rooms: register(r, "rooms", "Rooms with readers"),
            registry,
        };
        // With all labels, so that what has not happened yet is reported as 0.
        for reason in hub_reasons().map(Reason::as_str).chain([OTHER]) {
            drop(metrics.refusals.get_or_create(&ReasonLabel { reason }));
        }
        for what in LIMITED {
            drop(metrics.rate_limited.get_or_create(&RateLabel { what }));
        }
        metrics
    }
}

fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    register_as(registry, name, help, M::default())
}

fn register_as<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// The reasons that a hub gives; the others are of clients only.
fn hub_reasons() -> impl Iterator<Item = &'static Reason> {
    let of_clients = [Reason::CallerKeyChanged, Reason::InboxFull, Reason::WrongReceiver];
    Reason::KNOWN.iter().filter(move |reason| !of_clients.contains(reason))
}

impl Metrics {
    /// Counts messages stored by one commit.
    pub(crate) fn committed(&self, messages: usize, took: Duration) {
        self.0.posts.inc_by(messages as u64);
        self.0.commit_messages.observe(messages as f64);
        self.0.commit_seconds.observe(took.as_secs_f64());
    }

    /// Counts messages passed to HTTP/2 for one reader.
    pub(crate) fn delivered(&self, messages: u64, bytes: usize) {
        self.0.deliveries.inc_by(messages);
        self.0.delivered_bytes.inc_by(bytes as u64);
    }

    /// Counts a reader that has to catch up from the storage.
    pub(crate) fn left_behind(&self) {
        self.0.left_behind.inc();
    }

    /// Counts a refused call, or a refused request on a stream.
    pub(crate) fn refused(&self, reason: &Reason) {
        let reason = hub_reasons().find(|known| *known == reason).map_or(OTHER, Reason::as_str);
        self.0.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn rate_limited(&self, what: &'static str) {
        self.0.rate_limited.get_or_create(&RateLabel { what }).inc();
    }

    pub(super) fn set_counts(&self, sessions: usize, streams: usize, peers: usize, rooms: usize) {
        let gauges = [&self.0.sessions, &self.0.streams, &self.0.peers, &self.0.rooms];
        for (gauge, count) in gauges.into_iter().zip([sessions, streams, peers, rooms]) {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.0.registry
    }
}
