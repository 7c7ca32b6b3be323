//! Many rooms, in which all members post and receive.

use std::{sync::Arc, time::Instant};

use anyhow::{Result, ensure};
use tokio::{
    sync::{Barrier, Semaphore},
    task::JoinSet,
};

use super::{Scale, TEXT_BYTES, rest};
use crate::{
    audience::stamped,
    contender::Contender,
    figure::{Figures, Metric},
    line::Line,
    server::{Keeping, Server},
    wire::Heard,
};

const MEMBERS: usize = 10;

/// The messages of each member.
const SAID: usize = 50;

/// Connections that are opened at a time.
const OPENING: usize = 64;

pub(super) async fn run(contender: Contender, scale: Scale) -> Result<Figures> {
    let server = Arc::new(Server::start(contender, Keeping::Rooms).await?);
    let everybody = scale.of(200) * MEMBERS;
    // All members, and the measuring task.
    let start = Arc::new(Barrier::new(everybody + 1));
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut members = JoinSet::new();
    for index in 0..everybody {
        let (server, start, opening) = (server.clone(), start.clone(), opening.clone());
        members.spawn(async move {
            let room = format!("room-{:03}", index / MEMBERS);
            let permit = opening.acquire().await?;
            let mut line = server.connect(&format!("sub-{index:05}")).await?;
            line.subscribe(&room);
            line.subscribed().await?;
            drop(permit);
            start.wait().await;
            start.wait().await;
            talk(line, &room).await
        });
    }
    tokio::select! {
        _ = start.wait() => {}
        Some(failed) = members.join_next() => failed??,
    }
    rest().await;
    let before = server.usage()?;
    let began = Instant::now();
    start.wait().await;
    while let Some(member) = members.join_next().await {
        member??;
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = server.usage()?.cpu - before.cpu;
    let deliveries = (everybody * MEMBERS * SAID) as f64;
    Ok(Figures::from([
        (Metric::Deliveries, deliveries / took),
        (Metric::CpuPerDelivery, cpu * 1e6 / deliveries),
    ]))
}

async fn talk(mut line: Line, room: &str) -> Result<()> {
    let (mut said, mut heard) = (0, 0);
    while heard < MEMBERS * SAID {
        while said < SAID && line.can_post(TEXT_BYTES) {
            line.post(room, &stamped(TEXT_BYTES));
            said += 1;
        }
        line.turn(&mut |event| heard += usize::from(matches!(event, Heard::Message(_)))).await?;
    }
    ensure!(heard == MEMBERS * SAID, "heard {heard} messages, not {}", MEMBERS * SAID);
    Ok(())
}
