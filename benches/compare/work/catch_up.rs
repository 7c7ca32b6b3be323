//! A late subscriber that reads all stored messages.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{ROOM, Scale, TEXT_BYTES, rest};
use crate::{
    contender::Contender,
    figure::{Figures, Metric},
    line::Line,
    server::{Keeping, Server},
    speaker::{post_all, speaker},
    wire::{Heard, Start},
};

pub(super) async fn run(contender: Contender, scale: Scale) -> Result<Figures> {
    let count = scale.of(100_000);
    let server = Server::start(contender, Keeping::Log).await?;
    let mut line = speaker(&server, "speaker", ROOM).await?;
    let epoch = line.grpc().map_or(0, |(grpc, _)| grpc.epoch());
    if contender == Contender::Nats {
        let (nats, out) = line.nats()?;
        nats.make_stream(out);
        line.acked().await?;
    }
    post_all(&mut line, ROOM, TEXT_BYTES, count).await?;
    let mut late = server.connect("late").await?;
    rest().await;
    let before = server.usage()?;
    let began = Instant::now();
    ask_for_all(&mut late, contender, epoch)?;
    let mut heard = 0;
    while heard < count {
        let mut hear = |event: Heard<'_>| heard += usize::from(matches!(event, Heard::Message(_)));
        tokio::select! {
            turned = late.turn(&mut hear) => turned?,
            failed = line.attend() => match failed.context("the speaker is gone")? {},
        }
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = server.usage()?.cpu - before.cpu;
    Ok(Figures::from([
        (Metric::StoredReads, heard as f64 / took),
        (Metric::CpuPerDelivery, cpu * 1e6 / heard as f64),
    ]))
}

fn ask_for_all(late: &mut Line, contender: Contender, epoch: u64) -> Result<()> {
    match contender {
        Contender::Chinwag => {
            let (grpc, out) = late.grpc()?;
            grpc.join(ROOM, Start::Origin(epoch), out);
        }
        Contender::Nats => {
            let (nats, out) = late.nats()?;
            nats.replay(out);
        }
        other => bail!("{other} keeps nothing"),
    }
    Ok(())
}
