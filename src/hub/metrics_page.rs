//! The page of metrics, in Prometheus's text format.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeMetric,
        text::{encode_eof, encode_registry},
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{metrics::PREFIX, state::HubState};
use crate::{
    storage::{LogSpace, MessageLog},
    transport::{Budget, Meter, Rejection},
};

#[derive(Debug)]
pub(crate) struct MetricsPage {
    state: Arc<HubState>,
    collected: Registry,
}

impl MetricsPage {
    pub(crate) fn new(state: Arc<HubState>, meter: Arc<Meter>, budget: Budget) -> Self {
        let mut collected = Registry::with_prefix(PREFIX);
        collected.register_collector(Box::new(Connections(meter, budget)));
        collected.register_collector(Box::new(Stored(state.log.clone())));
        Self { state, collected }
    }

    /// Returns the current values as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let HubState { metrics, sessions, peers, rooms, .. } = &*self.state;
        let (session_count, streams) = sessions.counts();
        metrics.set_counts(session_count, streams, peers.count(), rooms.count());
        let mut text = String::new();
        encode_registry(&mut text, metrics.registry())?;
        encode_registry(&mut text, &self.collected)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Connections(Arc<Meter>, Budget);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(meter, budget) = self;
        let mut gauges = encoder.encode_descriptor(
            "connections",
            "Open connections, by kind",
            None,
            MetricType::Gauge,
        )?;
        for (kind, open) in [("tls", meter.tls()), ("plaintext", meter.plaintext())] {
            let gauge = ConstGauge::new(i64::try_from(open).unwrap_or(i64::MAX));
            gauge.encode(gauges.encode_family(&[("kind", kind)])?)?;
        }
        let pending = ConstGauge::new(i64::try_from(meter.pending()).unwrap_or(i64::MAX));
        pending.encode(encoder.encode_descriptor(
            "connections_pending",
            "Connections that have not reached HTTP/2 yet",
            None,
            MetricType::Gauge,
        )?)?;
        ConstCounter::new(meter.accepted()).encode(encoder.encode_descriptor(
            "connections_accepted",
            "Accepted connections",
            None,
            MetricType::Counter,
        )?)?;
        let held = [
            ("memory_held_bytes", "Memory that callers make the hub hold", budget.held()),
            ("memory_limit_bytes", "Memory that callers may make the hub hold", budget.limit()),
        ];
        for (name, help, bytes) in held {
            encode_gauge(&mut encoder, name, help, bytes as u64)?;
        }
        ConstCounter::new(budget.ended()).encode(encoder.encode_descriptor(
            "connections_ended",
            "Connections that were ended because they made the hub hold too much memory",
            None,
            MetricType::Counter,
        )?)?;
        let mut refused = encoder.encode_descriptor(
            "connections_refused",
            "Refused connections, by reason",
            None,
            MetricType::Counter,
        )?;
        for why in Rejection::ALL {
            let count = ConstCounter::new(meter.rejected(why));
            count.encode(refused.encode_family(&[("reason", why.as_str())])?)?;
        }
        Ok(())
    }
}

struct Stored(Arc<dyn MessageLog>);

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stored").finish_non_exhaustive()
    }
}

impl Collector for Stored {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let LogSpace { used, limit } = self.0.space();
        encode_gauge(&mut encoder, "store_bytes", "Bytes that the stored messages take", used)?;
        let Some(limit) = limit else { return Ok(()) };
        let help = "Bytes that the stored messages may take";
        encode_gauge(&mut encoder, "store_limit_bytes", help, limit)
    }
}

fn encode_gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::{
        hub::{Hub, HubOptions, sessions::Caller},
        model::Name,
        storage::{SessionId, embedded::Store},
    };

    #[tokio::test]
    async fn scrapes_and_registrations_do_not_wait_for_each_other() {
        let hub = Hub::new(HubOptions::new(Store::Memory)).await.unwrap();
        let page = MetricsPage::new(hub.state.clone(), Arc::default(), Default::default());
        let (sessions, peer) = (hub.state.sessions.clone(), Name::parse("alice").unwrap());
        let (done, ended) = std::sync::mpsc::channel();
        let registered = done.clone();
        thread::spawn(move || {
            for _ in 0..5_000 {
                let session = SessionId::new();
                let caller = Caller { session, peer: peer.clone(), owner: None, key: None };
                sessions.begin(caller, Duration::ZERO).unwrap().commit();
                sessions.remove(session);
            }
            registered.send(()).unwrap();
        });
        thread::spawn(move || {
            for _ in 0..500 {
                page.text().unwrap();
            }
            done.send(()).unwrap();
        });
        for _ in 0..2 {
            ended.recv_timeout(Duration::from_secs(30)).expect("one waits for the other");
        }
    }
}
