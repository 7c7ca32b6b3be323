//! The page that Prometheus reads.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::Registry,
};

use super::{Metrics, PREFIX};
use crate::{
    hub::State,
    transport::{Meter, TurnedAway},
};

/// All that is counted in one hub, ready to be read.
#[derive(Debug)]
pub(crate) struct Page {
    registry: Registry,
    metrics: Metrics,
    state: Arc<State>,
}

impl Page {
    pub(crate) fn new(metrics: Metrics, state: Arc<State>, meter: Arc<Meter>) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        metrics.register(&mut registry);
        registry.register_collector(Box::new(Connections(meter)));
        Self { registry, metrics, state }
    }

    /// What the numbers are now.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let (state, metrics) = (&self.state, &self.metrics.0);
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.sessions.set(gauge(*state.sessions.count().borrow()));
        metrics.streams.set(gauge(state.sessions.streams()));
        metrics.peers.set(gauge(state.peers.count()));
        metrics.rooms.set(gauge(state.rooms.count()));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// What the door counts.
#[derive(Debug)]
struct Connections(Arc<Meter>);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(meter) = self;
        let mut gauges = encoder.encode_descriptor(
            "connections",
            "Open connections, by kind",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for (kind, open) in [("tls", meter.tls()), ("plaintext", meter.plaintext())] {
            let gauge = ConstGauge::new(i64::try_from(open).unwrap_or(i64::MAX));
            gauge.encode(gauges.encode_family(&[("kind", kind)])?)?;
        }
        let pending = ConstGauge::new(i64::try_from(meter.pending()).unwrap_or(i64::MAX));
        pending.encode(encoder.encode_descriptor(
            "connections_pending",
            "Connections that have not come to HTTP/2 yet",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?)?;
        ConstCounter::new(meter.accepted()).encode(encoder.encode_descriptor(
            "connections_accepted",
            "Connections taken from the system",
            None,
            prometheus_client::metrics::MetricType::Counter,
        )?)?;
        let mut refused = encoder.encode_descriptor(
            "connections_refused",
            "Connections turned away, by reason",
            None,
            prometheus_client::metrics::MetricType::Counter,
        )?;
        for why in TurnedAway::ALL {
            let count = ConstCounter::new(meter.turned_away(why));
            count.encode(refused.encode_family(&[("reason", why.as_str())])?)?;
        }
        Ok(())
    }
}
