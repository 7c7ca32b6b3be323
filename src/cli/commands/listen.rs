//! `chinwag listen`: direct messages as they come.
//!
//! Whoever sent one holds a receipt that says it arrived. So no more are accepted than are wanted,
//! and at the end, whatever its reason, those that were accepted meanwhile are shown too.

use std::{io, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Happenings, start};
use crate::{
    cli::{
        failure::Failure,
        options::Settings,
        output::{Output, complain, reader_gone, tell},
        view,
        writer::LAST_WORDS,
    },
    client::{Direct, Event},
    text,
};

/// Why there is nothing to listen for.
const NOTHING_TO_HEAR: &str = "with --no-direct no direct messages come in, so there is nothing to \
                               listen for: leave it out, or set no_direct = false in config.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ends after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    if settings.direct.is_none() {
        return Err(Failure::Usage(NOTHING_TO_HEAR.into()));
    }
    let out = Output::new(args.json);
    let mut options = settings.visible()?;
    options.inbox_limit = args.count;
    let (client, events) = start(options, stop).await?;
    if let Some(address) = client.direct_address() {
        tell(&format!("{} takes direct messages at {address}", client.name()));
        settings.out_of_reach().iter().for_each(|hint| tell(hint));
    }
    let mut happenings = Happenings::new(events);
    let mut taken = None;
    // A signal is its usual end, and so is a reader who has seen enough.
    let listened = tokio::select! {
        () = stop.cancelled() => Err(Failure::Interrupted),
        () = reader_gone() => Ok(()),
        listened = listen(&mut happenings, &mut taken, args.count, &out) => listened,
    };
    client.stop().await;
    show_rest(taken, happenings, &out).await;
    let written = out.close(stop).await;
    match (listened, written) {
        (Err(Failure::Output(_)), Err(Failure::Interrupted)) => Err(Failure::Interrupted),
        (done @ (Ok(()) | Err(Failure::Interrupted)), written) => written.and(done),
        (failed, _) => failed,
    }
}

/// Shows messages as they come. `taken` is the one that waits to be read, where this is dropped
/// before somebody does.
async fn listen(
    happenings: &mut Happenings,
    taken: &mut Option<Direct>,
    count: Option<u64>,
    out: &Output,
) -> Result<(), Failure> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        match happenings.next().await? {
            Event::Direct(direct) => {
                let shown = show(taken.insert(direct), out, None).await;
                *taken = None;
                shown?;
                left -= 1;
            }
            Event::QueuedDelivered { receipt, .. } => tell(&view::queued_delivered(&receipt)),
            Event::QueuedFailed { id, peer, error, .. } => {
                tell(&view::queued_failed(id, &peer, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Shows what a client that has stopped had accepted.
async fn show_rest(taken: Option<Direct>, mut happenings: Happenings, out: &Output) {
    if let Some(direct) = taken {
        // What nobody reads is told to the person there.
        let _ = show(&direct, out, Some(LAST_WORDS)).await;
    }
    while let Some(event) = happenings.events.next().await {
        if let Event::Direct(direct) = event {
            let _ = show(&direct, out, Some(LAST_WORDS)).await;
        }
    }
}

/// Shows a message; where nobody reads it any more, within `patience`, to the person.
async fn show(direct: &Direct, out: &Output, patience: Option<Duration>) -> io::Result<()> {
    let printed = out.print(direct, |clock| view::direct(clock, direct));
    let shown = match patience {
        Some(patience) => tokio::time::timeout(patience, printed)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => printed.await,
    };
    if shown.is_err() {
        let unseen = view::direct(&out.clock, direct);
        complain(&format!("nobody reads this any more: {}", text::one_line(&unseen)));
    }
    shown
}
