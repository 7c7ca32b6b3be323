//! The memory of idle subscribers.

use std::sync::Arc;

use anyhow::Result;

use super::{ROOM, Scale, rest};
use crate::{
    audience::{Audience, Plan},
    contender::Contender,
    figure::{Figures, Metric},
    over::Over,
    server::{Keeping, Server},
};

const KIB: f64 = 1024.0;

pub(super) async fn run(over: Over, contender: Contender, scale: Scale) -> Result<Figures> {
    let server = Arc::new(Server::start_over(over, contender, Keeping::Rooms).await?);
    // The first connection allocates what all share.
    let _first = server.connect("first").await?;
    rest().await;
    let before = server.usage()?;
    let plan = Plan { subscribers: scale.of(5_000), stalling: 0, messages: usize::MAX };
    let _audience = Audience::gather(&server, ROOM, plan).await?;
    rest().await;
    let grown = server.usage()?.memory - before.memory;
    Ok(Figures::from([(Metric::MemoryPerSubscriber, grown / KIB / plan.subscribers as f64)]))
}
