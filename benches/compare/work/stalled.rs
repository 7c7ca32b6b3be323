//! Subscribers that stop reading: their effect on the others, and their cost in memory.
//!
//! All receive the messages. Then a tenth of them stops reading while the others receive the
//! messages again. Then the stalled ones continue, and must receive everything that was posted
//! meanwhile.

use std::{sync::Arc, time::Duration};

use anyhow::Result;

use super::{ROOM, Scale, fan_out::milliseconds, rest};
use crate::{
    audience::{Audience, Plan},
    contender::Contender,
    figure::{Figures, Metric, quantile},
    line::Line,
    server::{Keeping, Server},
    speaker::{Speech, speak, speaker},
};

/// The bytes of a message: so large that all messages do not fit into the kernel's buffers.
const TEXT_BYTES: usize = 4096;

const MIB: f64 = 1024.0 * 1024.0;

pub(super) async fn run(contender: Contender, scale: Scale) -> Result<Figures> {
    let speech = Speech { messages: scale.of(400), size: TEXT_BYTES, rate: Some(40) };
    let server = Arc::new(Server::start(contender, Keeping::Rooms).await?);
    let stalling = scale.of(100);
    let subscribers = scale.of(1_000);
    let plan = Plan { subscribers, stalling, messages: 2 * speech.messages };
    let mut audience = Audience::gather(&server, ROOM, plan).await?;
    let mut line = speaker(&server, "speaker", ROOM).await?;
    rest().await;
    say(&mut line, speech, audience.until_heard(speech.messages)).await?;
    rest().await;
    let before = server.usage()?;
    audience.stall(true);
    say(&mut line, speech, audience.until_heard(2 * speech.messages)).await?;
    let grown = server.usage()?.memory - before.memory;
    audience.stall(false);
    let delays = audience.finish().await?;
    let p99 = |part: fn(&[Duration], usize) -> &[Duration]| {
        let part = delays.iter().flat_map(|delays| part(delays, speech.messages));
        quantile(&mut part.map(milliseconds).collect::<Vec<_>>(), 0.99)
    };
    let (first, second) = (p99(|all, half| &all[..half]), p99(|all, half| &all[half..]));
    Ok(Figures::from([
        (Metric::DelayP99, second),
        (Metric::DelayBesideStalled, second / first),
        (Metric::MemoryPerStalled, grown / MIB / stalling as f64),
    ]))
}

/// Posts all messages and waits until all subscribers have received them.
async fn say(
    line: &mut Line,
    speech: Speech,
    all_heard: impl Future<Output = Result<()>>,
) -> Result<()> {
    tokio::select! {
        heard = all_heard => heard,
        failed = speak(line, ROOM, speech) => match failed? {},
    }
}
