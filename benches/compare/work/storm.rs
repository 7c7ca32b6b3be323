//! Many peers register at once, and each watches the list of peers.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::Scale;
use crate::{
    contender::Contender,
    figure::{Figures, Metric},
    over::Over,
    server::{Keeping, Server},
    wire::{
        Heard,
        protobuf::{Fields, Value},
    },
};

/// Connections that are opened at a time. More would overflow the accept queue and retry after a
/// second.
const OPENING: usize = 256;

/// The same over TLS, where more would take longer than the hub waits for a handshake.
const OPENING_TLS: usize = 32;

const KIB: f64 = 1024.0;

/// Field numbers of `WatchPeersResponse` and the messages in it.
mod field {
    pub(super) const SNAPSHOT: u64 = 1;
    pub(super) const DELTA: u64 = 2;
    /// `PeerSnapshot.peers` and `PeerDelta.updated` have the same number.
    pub(super) const PEERS: u64 = 1;
    pub(super) const NAME: u64 = 1;
}

/// The prefix of every peer's name; its number follows.
const PREFIX: &str = "peer-";

pub(super) async fn run(contender: Contender, scale: Scale) -> Result<Figures> {
    let gathered = gather(Over::Plaintext, contender, scale.of(2_000)).await?;
    Ok(Figures::from([
        (Metric::TimeToComplete, gathered.time),
        (Metric::LargestMessage, gathered.largest / KIB),
        (Metric::CpuPerDelivery, gathered.cpu_per_entry * 1e6),
    ]))
}

/// Compares few peers with many, each with a key of its own.
pub(super) async fn joiners(contender: Contender, scale: Scale) -> Result<Figures> {
    let mut all = Vec::new();
    for peers in [500, 2_000, 10_000].map(|peers| scale.of(peers)) {
        let gathered = gather(Over::Tls, contender, peers).await?;
        let (memory, cpu) = (gathered.memory_per_peer / KIB, gathered.cpu_per_entry * 1e6);
        let time = gathered.time;
        writeln!(
            io::stdout(),
            "    {peers} peers: {time:.1} s, {memory:.1} KiB per peer, {cpu:.3} µs of CPU per entry"
        )?;
        all.push(gathered);
    }
    let (few, many) = (&all[0], &all[all.len() - 1]);
    Ok(Figures::from([
        (Metric::TimeToComplete, many.time),
        (Metric::LargestMessage, many.largest / KIB),
        (Metric::MemoryPerSubscriber, many.memory_per_peer / KIB),
        (Metric::CpuPerDelivery, many.cpu_per_entry * 1e6),
        (Metric::MemoryGrowth, many.memory_per_peer / few.memory_per_peer),
        (Metric::CpuGrowth, many.cpu_per_entry / few.cpu_per_entry),
    ]))
}

/// What it took until every peer had the whole list.
struct Gathered {
    /// In seconds.
    time: f64,
    /// The bytes of the largest message.
    largest: f64,
    /// The bytes of the server's memory at the most, without those before.
    memory_per_peer: f64,
    /// The server's CPU time, in seconds, for each entry of each list.
    cpu_per_entry: f64,
}

async fn gather(over: Over, contender: Contender, peers: usize) -> Result<Gathered> {
    let server = Arc::new(Server::start_over(over, contender, Keeping::Rooms).await?);
    let opening = if over == Over::Tls { OPENING_TLS } else { OPENING };
    let opening = Arc::new(Semaphore::new(opening));
    // No peer leaves before all have the whole list.
    let over = watch::Sender::new(0);
    let mut watchers = JoinSet::new();
    let before = server.usage()?;
    let began = Instant::now();
    for index in 0..peers {
        let (server, opening, over) = (server.clone(), opening.clone(), over.clone());
        watchers.spawn(async move { watch_all(&server, index, peers, &opening, &over).await });
    }
    let mut largest = 0;
    let mut complete = Instant::now();
    while let Some(watcher) = watchers.join_next().await {
        let (length, at) = watcher??;
        largest = largest.max(length);
        complete = complete.max(at);
    }
    let after = server.usage()?;
    Ok(Gathered {
        time: (complete - began).as_secs_f64(),
        largest: largest as f64,
        memory_per_peer: (after.peak - before.memory) / peers as f64,
        cpu_per_entry: (after.cpu - before.cpu) / (peers * peers) as f64,
    })
}

/// Registers, and watches until the list is complete. Returns the size of the largest message and
/// the time.
async fn watch_all(
    server: &Server,
    index: usize,
    peers: usize,
    opening: &Semaphore,
    over: &watch::Sender<usize>,
) -> Result<(usize, Instant)> {
    let permit = opening.acquire().await?;
    let mut line = server.connect(&format!("{PREFIX}{index:05}")).await?;
    drop(permit);
    let (grpc, out) = line.grpc()?;
    grpc.watch(out);
    let mut seen = vec![false; peers];
    let mut missing = peers;
    let mut largest = 0;
    while missing > 0 {
        let mut hear = |heard: Heard<'_>| {
            if let Heard::Answer(answer) = heard {
                largest = largest.max(answer.len());
                let new = numbers(answer).filter_map(|number| {
                    Some(!std::mem::replace(seen.get_mut(number)?, true)).filter(|new| *new)
                });
                missing -= new.count();
            }
        };
        line.turn(&mut hear).await.context("the list is not complete")?;
    }
    let complete = Instant::now();
    over.send_modify(|done| *done += 1);
    let mut over = over.subscribe();
    tokio::select! {
        over = over.wait_for(|done| *done == peers) => {
            over?;
        }
        failed = line.attend() => match failed? {},
    }
    Ok((largest, complete))
}

/// Returns the numbers of the peers in an answer.
fn numbers(answer: &[u8]) -> impl Iterator<Item = usize> {
    let list = Fields(answer).find_map(|(number, value)| match (number, value) {
        (field::SNAPSHOT | field::DELTA, Value::Bytes(list)) => Some(list),
        _ => None,
    });
    Fields(list.unwrap_or_default()).filter(|(number, _)| *number == field::PEERS).filter_map(
        |(_, peer)| {
            let name = Fields(peer.bytes()?).find(field::NAME)?.bytes()?;
            std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.parse().ok()
        },
    )
}
