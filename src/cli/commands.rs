//! The commands for scripts, one file each, and what they share.

pub(super) mod accept;
pub(super) mod completions;
pub(super) mod contacts;
pub(super) mod doctor;
pub(super) mod history;
pub(super) mod id;
pub(super) mod listen;
pub(super) mod man;
pub(super) mod on;
pub(super) mod outbox;
pub(super) mod peers;
pub(super) mod people;
pub(super) mod post;
pub(super) mod rooms;
pub(super) mod search;
pub(super) mod send;
pub(super) mod tail;
pub(super) mod verify;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    failure::Failure,
    outage::Outage,
    output::{Output, reader_gone, tell},
    view,
};
use crate::{
    client::{Client, ClientOptions, Error, Event, Events},
    model::Text,
};

/// How long a start may go on after a signal.
const LAST_START: Duration = Duration::from_secs(1);

/// Starts a client. One that a signal finds on its way into the hub still gets there and leaves
/// again: half of a session would be listed until its lease is over.
pub(super) async fn start(
    options: ClientOptions,
    stop: &CancellationToken,
) -> Result<(Client, Events), Failure> {
    let mut started = pin!(Client::start(options));
    if let Some(started) = stop.run_until_cancelled(&mut started).await {
        return Ok(started?);
    }
    if let Ok(Ok((client, _))) = tokio::time::timeout(LAST_START, started).await {
        client.stop().await;
    }
    Err(Failure::Interrupted)
}

/// Starts a client, does `work` with it, and leaves the hub cleanly whatever came of that and
/// whether or not somebody reads `out`.
async fn with_client(
    options: ClientOptions,
    out: Output,
    stop: &CancellationToken,
    work: impl AsyncFnOnce(Client, CommandEvents, &Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (client, events) = start(options, stop).await?;
    let work = work(client.clone(), CommandEvents::new(events), &out);
    let done = stop.run_until_cancelled(work).await.unwrap_or(Err(Failure::Interrupted));
    let written = out.close(stop).await;
    client.stop().await;
    match done {
        Ok(()) | Err(Failure::Output(_)) => written.and(done),
        failed => failed,
    }
}

/// As [`with_client`], for work that has no end of its own: a reader who has seen enough is one of
/// its usual ends, and a signal the other.
async fn follow(
    options: ClientOptions,
    out: Output,
    stop: &CancellationToken,
    work: impl AsyncFnOnce(Client, CommandEvents, &Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    with_client(options, out, stop, async |client, happenings, out| {
        tokio::select! {
            () = reader_gone() => Ok(()),
            done = work(client, happenings, out) => done,
        }
    })
    .await
}

/// The events of a command's client; those about the hub are told to the person here.
struct CommandEvents {
    events: Events,
    outage: Outage,
}

impl CommandEvents {
    fn new(events: Events) -> Self {
        Self { events, outage: Outage::default() }
    }

    /// The next event that concerns the command.
    async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            let event = self.events.next().await.ok_or(Error::Stopped)?;
            if let Some(said) = self.outage.hear(&event, Instant::now()) {
                tell(&crate::text::one_line(&said));
            }
            match event {
                Event::Connected | Event::Disconnected { .. } => {}
                Event::Ended { error } | Event::JoinRefused { error, .. } => {
                    return Err(error.into());
                }
                Event::CallerKeyChanged { name, known, offered } => {
                    let said = view::caller_key_changed(&name, known, offered);
                    tell(&format!("{said}: `chinwag accept {name}`"));
                }
                event => return Ok(event),
            }
        }
    }

    /// Lets events pass until the client ends for good.
    async fn pass(mut self) -> Failure {
        loop {
            if let Err(failure) = self.next().await {
                return failure;
            }
        }
    }
}

/// A text to be said; nothing but white space is none.
fn said(raw: String) -> Result<Text, Failure> {
    let raw = if raw.trim().is_empty() { String::new() } else { raw };
    Text::parse(raw).map_err(|problem| Failure::Usage(problem.to_string()))
}

/// The words of a text, as a shell took them apart.
fn join_words(words: &[String]) -> String {
    words.join(" ")
}
