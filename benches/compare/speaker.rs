//! Publishers.

use std::{convert::Infallible, time::Duration};

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use crate::{audience::stamped, line::Line, server::Server, wire::Heard};

/// The messages of a publisher.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speech {
    /// The number of messages.
    pub(crate) messages: usize,
    /// The bytes of each.
    pub(crate) size: usize,
    /// Messages per second; `None`: as fast as the server accepts them.
    pub(crate) rate: Option<u32>,
}

/// A connection that may post to a room. A publisher of the hub is in the room and receives its own
/// messages; those of other servers do not.
pub(crate) async fn speaker(server: &Server, name: &str, room: &str) -> Result<Line> {
    let mut line = server.connect(name).await?;
    if line.grpc().is_ok() {
        line.subscribe(room);
        line.subscribed().await?;
    }
    Ok(line)
}

/// Posts all messages to a room, and continues to read until it is dropped: closing the connection
/// would lose what the server has not read yet.
pub(crate) async fn speak(line: &mut Line, room: &str, speech: Speech) -> Result<Infallible> {
    match speech.rate {
        Some(rate) => speak_paced(line, room, speech, rate).await?,
        None => speak_fast(line, room, speech).await?,
    }
    line.attend().await
}

async fn speak_fast(line: &mut Line, room: &str, speech: Speech) -> Result<()> {
    let mut said = 0;
    while said < speech.messages {
        while said < speech.messages && line.can_post(speech.size) {
            line.post(room, &stamped(speech.size));
            said += 1;
        }
        line.turn(&mut |_| {}).await?;
    }
    Ok(())
}

async fn speak_paced(line: &mut Line, room: &str, speech: Speech, rate: u32) -> Result<()> {
    let began = Instant::now();
    let pause = Duration::from_secs(1) / rate;
    for message in 0..speech.messages {
        let due = began + pause * u32::try_from(message)?;
        tokio::select! {
            () = sleep_until(due) => {}
            failed = line.attend() => match failed? {},
        }
        while !line.can_post(speech.size) {
            line.turn(&mut |_| {}).await?;
        }
        line.post(room, &stamped(speech.size));
    }
    Ok(())
}

/// Posts for some time with up to `pipeline` unacknowledged posts. Returns the number of
/// acknowledged posts and the time they took.
pub(crate) async fn post_for(
    line: &mut Line,
    room: &str,
    size: usize,
    pipeline: usize,
    time: Duration,
) -> Result<(usize, Duration)> {
    let began = Instant::now();
    let (mut posted, mut acked) = (0, 0);
    while began.elapsed() < time {
        while posted - acked < pipeline && line.can_post(size) {
            line.post(room, &stamped(size));
            posted += 1;
        }
        line.turn(&mut |heard| acked += usize::from(matches!(heard, Heard::Acked))).await?;
    }
    Ok((acked, began.elapsed()))
}

/// Posts the given number of messages, and waits until all are acknowledged.
pub(crate) async fn post_all(line: &mut Line, room: &str, size: usize, count: usize) -> Result<()> {
    let (mut posted, mut acked) = (0, 0);
    while acked < count {
        while posted < count && posted - acked < PIPELINE && line.can_post(size) {
            line.post(room, &stamped(size));
            posted += 1;
        }
        line.turn(&mut |heard| acked += usize::from(matches!(heard, Heard::Acked))).await?;
    }
    Ok(())
}

/// Unacknowledged posts of a publisher that posts as fast as the server stores.
pub(crate) const PIPELINE: usize = 4096;
