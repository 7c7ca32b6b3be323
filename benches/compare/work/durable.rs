//! Posts that are acknowledged after they are on disk.
//!
//! Each publisher of the hub joins a room of its own and posts to the lobby, to which every session
//! belongs. So the posts have no receivers, as with the other servers.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::{Scale, TEXT_BYTES, rest};
use crate::{
    contender::Contender,
    figure::{Figures, Metric},
    line::Line,
    server::{Keeping, Server},
    speaker::{PIPELINE, post_for, speaker},
};

/// The time for which publishers post.
const TIME: Duration = Duration::from_secs(5);

/// The name of the lobby in requests.
pub(super) const LOBBY: &str = "";

const PUBLISHERS: usize = 64;

pub(super) async fn waiting(contender: Contender, scale: Scale) -> Result<Figures> {
    run(contender, PUBLISHERS, 1, scale).await
}

pub(super) async fn pipelined(contender: Contender, scale: Scale) -> Result<Figures> {
    run(contender, 1, PIPELINE, scale).await
}

async fn run(
    contender: Contender,
    publishers: usize,
    pipeline: usize,
    scale: Scale,
) -> Result<Figures> {
    let server = Arc::new(Server::start(contender, Keeping::SyncedLog).await?);
    let mut lines = Vec::new();
    for index in 0..publishers {
        lines.push(publisher(&server, index).await?);
    }
    rest().await;
    let before = server.usage()?;
    let mut posting = JoinSet::new();
    for mut line in lines {
        let time = scale.time(TIME);
        posting.spawn(async move { post_for(&mut line, LOBBY, TEXT_BYTES, pipeline, time).await });
    }
    let mut posts = 0;
    let mut took = Duration::ZERO;
    while let Some(posted) = posting.join_next().await {
        let (acked, time) = posted??;
        posts += acked;
        took = took.max(time);
    }
    let cpu = server.usage()?.cpu - before.cpu;
    ensure!(posts > 0, "no post was acknowledged in {took:?}");
    Ok(Figures::from([
        (Metric::Posts, posts as f64 / took.as_secs_f64()),
        (Metric::CpuPerPost, cpu * 1e6 / posts as f64),
    ]))
}

/// Opens a publisher and, for JetStream, makes the stream it posts to.
pub(super) async fn publisher(server: &Server, index: usize) -> Result<Line> {
    let mut line = speaker(server, &format!("pub-{index:05}"), &format!("own-{index:05}")).await?;
    if server.contender == Contender::Nats && index == 0 {
        let (nats, out) = line.nats()?;
        nats.make_stream(out);
        line.acked().await?;
    }
    Ok(line)
}
