//! `chinwag listen`: direct messages as they come.
//!
//! Whoever sent one holds a receipt that says it arrived. So no more are accepted than are wanted,
//! and at the end, whatever its reason, those that were accepted meanwhile are shown too.

use std::{io, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, start};
use crate::{
    cli::{
        failure::Failure,
        options::Settings,
        output::{Output, complain, reader_gone, tell},
        view,
        writer::LAST_WORDS,
    },
    client::{Direct, Event, Unseen},
    model::{DirectMessage, MessageId, Name},
    text,
};

/// Why there is nothing to listen for.
const NOTHING_TO_HEAR: &str = "with --no-direct no direct messages come in, so there is nothing to \
                               listen for: leave it out, or set no_direct = false in config.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Exit after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print one JSON object per line
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
    let (client, mut events) = start(options, stop).await?;
    let mut shown = Shown { unseen: events.keep_until_seen(), printed: Vec::new() };
    if let Some(address) = client.direct_address() {
        tell(&format!("{} takes direct messages at {address}", client.name()));
        settings.out_of_reach().iter().for_each(|hint| tell(hint));
    }
    let mut happenings = CommandEvents::new(events);
    let mut taken = None;
    // A signal is its usual end, and so is a reader who has seen enough.
    let listened = tokio::select! {
        () = stop.cancelled() => Err(Failure::Interrupted),
        () = reader_gone() => Ok(()),
        listened = listen(&mut happenings, &mut taken, &mut shown, args.count, &out) => listened,
    };
    client.stop().await;
    show_rest(taken, happenings, &mut shown, &out).await;
    let written = out.close(stop).await;
    if written.is_ok() {
        shown.is_written().await;
    }
    match (listened, written) {
        (Err(Failure::Output(_)), Err(Failure::Interrupted)) => Err(Failure::Interrupted),
        (done @ (Ok(()) | Err(Failure::Interrupted)), written) => written.and(done),
        (failed, _) => failed,
    }
}

/// What was printed and may not be written yet. What its sender keeps comes out of the next client
/// again unless it was.
struct Shown {
    unseen: Unseen,
    printed: Vec<(Name, MessageId)>,
}

impl Shown {
    /// That a message was given to the writer.
    fn print(&mut self, message: &DirectMessage) {
        if self.unseen.holds(message) {
            self.printed.push((message.sender.clone(), message.id));
        }
    }

    async fn is_written(&mut self) {
        for (sender, id) in self.printed.drain(..) {
            self.unseen.seen(&sender, id).await;
        }
    }
}

/// Shows messages as they come. `taken` is the one that waits to be read, where this is dropped
/// before somebody does.
async fn listen(
    happenings: &mut CommandEvents,
    taken: &mut Option<Direct>,
    shown: &mut Shown,
    count: Option<u64>,
    out: &Output,
) -> Result<(), Failure> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let event = tokio::select! {
            event = happenings.next() => event?,
            () = out.flushed(), if !shown.printed.is_empty() => {
                shown.is_written().await;
                continue;
            }
        };
        match event {
            Event::Direct(direct) => {
                let direct = taken.insert(direct);
                // Somebody reads: it is written at once, and no end of this program shows it twice.
                if out.is_flushed() {
                    shown.unseen.seen(&direct.message.sender, direct.message.id).await;
                }
                let printed = show(direct, out, None).await;
                if printed.is_ok() {
                    shown.print(&direct.message);
                }
                *taken = None;
                printed?;
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

/// Shows what a client that has stopped had accepted. What nobody reads is told to the person there,
/// unless it comes again.
async fn show_rest(
    taken: Option<Direct>,
    mut happenings: CommandEvents,
    shown: &mut Shown,
    out: &Output,
) {
    let mut rest = taken;
    loop {
        if let Some(direct) = rest.take()
            && !shown.unseen.holds(&direct.message)
        {
            let _ = show(&direct, out, Some(LAST_WORDS)).await;
        }
        match happenings.events.next().await {
            None => return,
            Some(Event::Direct(direct)) => rest = Some(direct),
            Some(_) => {}
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
