//! What an operator sees of a hub: counters and gauges, in Prometheus's text format.
//!
//! Each hub has its own, and hands them to whoever counts: there is no recorder of the whole process,
//! so that two hubs in one process do not mix. Labels have few values, all of them known here: no
//! name, no address, no text is ever one.

mod page;
mod serve;

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::error::Reason;

pub(crate) use page::Page;
pub(crate) use serve::{listen, serve};

/// What all names begin with.
const PREFIX: &str = "chinwag_hub";

/// Bounds of the commit times: from a memory store's to a disk's that has trouble.
const SECONDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// Bounds of the batch sizes, up to the largest.
const MESSAGES: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

/// The label of reasons that a hub does not give by itself: the other side may have made them up.
const OTHER: &str = "OTHER";

/// What has a rate: see `rates`.
const LIMITED: [&str; 4] = ["failures", "posts", "reads", "registrations"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

/// The hub's own counters. Cheap to clone; all clones count the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    posts: Counter,
    deliveries: Counter,
    delivered_bytes: Counter,
    left_behind: Counter,
    commit_seconds: Histogram,
    commit_messages: Histogram,
    refusals: Family<ReasonLabel, Counter>,
    rate_limited: Family<What, Counter>,
    sessions: Gauge,
    peers: Gauge,
    streams: Gauge,
    rooms: Gauge,
}

/// The reasons that a hub gives; the others are of clients only.
fn hub_reasons() -> impl Iterator<Item = &'static Reason> {
    let of_clients = [Reason::CallerKeyChanged, Reason::InboxFull, Reason::WrongReceiver];
    Reason::KNOWN.iter().filter(move |reason| !of_clients.contains(reason))
}

impl Default for Counters {
    /// With all labels that will ever be, so that what has not happened yet is 0 and not unknown.
    fn default() -> Self {
        let counters = Self {
            posts: Counter::default(),
            deliveries: Counter::default(),
            delivered_bytes: Counter::default(),
            left_behind: Counter::default(),
            commit_seconds: Histogram::new(SECONDS),
            commit_messages: Histogram::new(MESSAGES),
            refusals: Family::default(),
            rate_limited: Family::default(),
            sessions: Gauge::default(),
            peers: Gauge::default(),
            streams: Gauge::default(),
            rooms: Gauge::default(),
        };
        for reason in hub_reasons().map(Reason::as_str).chain([OTHER]) {
            drop(counters.refusals.get_or_create(&ReasonLabel { reason }));
        }
        for what in LIMITED {
            drop(counters.rate_limited.get_or_create(&What { what }));
        }
        counters
    }
}

impl Metrics {
    /// Messages were stored by one commit.
    pub(crate) fn committed(&self, messages: usize, took: Duration) {
        self.0.posts.inc_by(messages as u64);
        self.0.commit_messages.observe(messages as f64);
        self.0.commit_seconds.observe(took.as_secs_f64());
    }

    /// Messages of a room were handed to HTTP/2 for one reader.
    pub(crate) fn delivered(&self, messages: u64, bytes: usize) {
        self.0.deliveries.inc_by(messages);
        self.0.delivered_bytes.inc_by(bytes as u64);
    }

    /// A reader has to catch up from the store.
    pub(crate) fn left_behind(&self) {
        self.0.left_behind.inc();
    }

    /// A call, or a request on a stream, was refused.
    pub(crate) fn refused(&self, reason: &Reason) {
        let reason = hub_reasons().find(|known| *known == reason).map_or(OTHER, Reason::as_str);
        self.0.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Somebody did something too often.
    pub(crate) fn rate_limited(&self, what: &'static str) {
        self.0.rate_limited.get_or_create(&What { what }).inc();
    }

    fn register(&self, registry: &mut Registry) {
        let Counters {
            posts,
            deliveries,
            delivered_bytes,
            left_behind,
            commit_seconds,
            commit_messages,
            refusals,
            rate_limited,
            sessions,
            peers,
            streams,
            rooms,
        } = &*self.0;
        registry.register("posts", "Messages stored", posts.clone());
        registry.register(
            "deliveries",
            "Messages handed to HTTP/2, once for each reader",
            deliveries.clone(),
        );
        registry.register("delivered_bytes", "Bytes of those", delivered_bytes.clone());
        registry.register(
            "readers_left_behind",
            "Times that a reader was so slow that it had to catch up from the store",
            left_behind.clone(),
        );
        registry.register(
            "commit_seconds",
            "Time that a commit of messages took, until they were on disk",
            commit_seconds.clone(),
        );
        registry.register("commit_messages", "Messages of a commit", commit_messages.clone());
        registry.register("refusals", "Refused requests, by reason", refusals.clone());
        registry.register(
            "rate_limited",
            "Requests refused because there were too many, by what was limited",
            rate_limited.clone(),
        );
        registry.register("sessions", "Living sessions", sessions.clone());
        registry.register(
            "peers",
            "Peers who are here, the invisible ones included",
            peers.clone(),
        );
        registry.register("streams", "Open streams of all sessions", streams.clone());
        registry.register("rooms", "Rooms in memory, as somebody reads them", rooms.clone());
    }
}
