//! The restart of a hub that was killed, with all stored messages.

use std::time::Instant;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use super::{ROOM, Scale, TEXT_BYTES};
use crate::{
    contender::Contender,
    figure::{Figures, Metric},
    server::{self, Keeping, Server},
    speaker::{post_all, speaker},
};

/// The data directory of a hub with a million messages. All rounds share it, because filling it
/// takes long.
pub(crate) type Stock = Option<TempDir>;

pub(super) async fn run(contender: Contender, scale: Scale, stock: &mut Stock) -> Result<Figures> {
    let folder = match stock {
        Some(folder) => folder,
        none => none.insert(fill(contender, scale).await?),
    };
    let began = Instant::now();
    let server = Server::start_in(folder.path(), contender, Keeping::Rooms).await?;
    // The hub listens; the join shows that it has read the end of the room.
    let mut line = speaker(&server, "early", ROOM).await?;
    let took = began.elapsed().as_secs_f64();
    let seq = line.grpc()?.0.last_seq();
    ensure!(seq == Some(messages(scale) as u64), "the room ends at {seq:?}");
    Ok(Figures::from([(Metric::TimeToServe, took)]))
}

/// Fills the store of a server, and kills it.
async fn fill(contender: Contender, scale: Scale) -> Result<TempDir> {
    let folder = server::folder()?;
    let server = Server::start_in(folder.path(), contender, Keeping::Rooms).await?;
    let mut line = speaker(&server, "speaker", ROOM).await?;
    post_all(&mut line, ROOM, TEXT_BYTES, messages(scale)).await?;
    Ok(folder)
}

fn messages(scale: Scale) -> usize {
    scale.of(1_000_000)
}
