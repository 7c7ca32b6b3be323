//! One publisher, and many subscribers of one room.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{ROOM, Scale, TEXT_BYTES, rest};
use crate::{
    audience::{Audience, Plan},
    contender::Contender,
    figure::{Figures, Metric, quantile},
    over::Over,
    server::{Keeping, Server},
    speaker::{Speech, speak, speaker},
};

pub(super) async fn burst(over: Over, contender: Contender, scale: Scale) -> Result<Figures> {
    let speech = Speech { messages: scale.of(10_000), size: TEXT_BYTES, rate: None };
    let mut figures = run(over, contender, scale.of(1_000), speech).await?;
    // In a burst the delay only reflects the length of the burst.
    figures.retain(|metric, _| !matches!(metric, Metric::DelayMedian | Metric::DelayP99));
    Ok(figures)
}

pub(super) async fn paced(contender: Contender, scale: Scale) -> Result<Figures> {
    let speech = Speech { messages: scale.of(400), size: TEXT_BYTES, rate: Some(40) };
    let mut figures = run(Over::Plaintext, contender, scale.of(1_000), speech).await?;
    figures.remove(&Metric::Deliveries);
    Ok(figures)
}

pub(super) async fn large(contender: Contender, scale: Scale) -> Result<Figures> {
    let speech = Speech { messages: scale.of(1_000), size: 16 * 1024, rate: None };
    let mut figures = run(Over::Plaintext, contender, scale.of(100), speech).await?;
    figures.retain(|metric, _| !matches!(metric, Metric::DelayMedian | Metric::DelayP99));
    Ok(figures)
}

async fn run(
    over: Over,
    contender: Contender,
    subscribers: usize,
    speech: Speech,
) -> Result<Figures> {
    let server = Arc::new(Server::start_over(over, contender, Keeping::Rooms).await?);
    let plan = Plan { subscribers, stalling: 0, messages: speech.messages };
    let audience = Audience::gather(&server, ROOM, plan).await?;
    let mut line = speaker(&server, "speaker", ROOM).await?;
    rest().await;
    let before = server.usage()?;
    let began = Instant::now();
    let delays = tokio::select! {
        delays = audience.finish() => delays?,
        failed = speak(&mut line, ROOM, speech) => match failed? {},
    };
    let took = began.elapsed().as_secs_f64();
    let cpu = server.usage()?.cpu - before.cpu;
    let deliveries = (subscribers * speech.messages) as f64;
    let mut delays: Vec<_> = delays.iter().flatten().map(milliseconds).collect();
    Ok(Figures::from([
        (Metric::Deliveries, deliveries / took),
        (Metric::CpuPerDelivery, cpu * 1e6 / deliveries),
        (Metric::DelayMedian, quantile(&mut delays, 0.5)),
        (Metric::DelayP99, quantile(&mut delays, 0.99)),
    ]))
}

pub(super) fn milliseconds(delay: &Duration) -> f64 {
    delay.as_secs_f64() * 1e3
}
