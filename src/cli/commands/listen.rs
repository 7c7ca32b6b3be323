//! `chinwag listen`: incoming direct messages.
//!
//! The sender of an accepted message holds a receipt for it. So no more are accepted than `--count`
//! allows, and messages that were accepted before the end are printed, whatever ended the command.

use std::{io, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, print_history_notice, start};
use crate::{
    cli::{
        failure::{Failure, Result},
        options::Settings,
        output::{Output, print_notice, print_warning, reader_gone},
        view,
        writer::LAST_WORDS,
    },
    client::{Client, Direct, Event, Unseen},
    model::{DirectMessage, MessageId, Name},
    text,
};

/// Why `--no-direct` is an error.
const NO_DIRECT_MESSAGES: &str = "--no-direct turns direct messages off: leave it out, or set \
                                  no_direct = false in config.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Exit after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    if settings.direct.is_none() {
        return Err(Failure::Usage(NO_DIRECT_MESSAGES.into()));
    }
    let out = settings.output();
    let mut options = settings.visible()?;
    options.inbox_limit = args.count;
    let (client, mut events) = start(options, stop).await?;
    let mut shown = PrintedMessages { unseen: events.keep_until_seen(), printed: Vec::new() };
    if let Some(address) = client.direct_address() {
        print_notice(&format!("{} receives direct messages at {address}", client.name()));
        settings.unreachable_hint().iter().for_each(|hint| print_notice(hint));
    }
    let mut events = CommandEvents::new(events);
    let mut taken = None;
    // A signal and a closed reader are its usual ends.
    let listened = tokio::select! {
        () = stop.cancelled() => Err(Failure::Interrupted),
        () = reader_gone() => Ok(()),
        listened = listen(&client, &mut events, &mut taken, &mut shown, args.count, &out) => listened,
    };
    let client_at_end = client.clone();
    client.stop().await;
    show_rest(taken, events, &mut shown, &out).await;
    print_history_notice(&client_at_end);
    let written = out.close(stop).await;
    if written.is_ok() {
        shown.mark_written().await;
    }
    match (listened, written) {
        (Err(Failure::Output(_)), Err(Failure::Interrupted)) => Err(Failure::Interrupted),
        (done @ (Ok(()) | Err(Failure::Interrupted)), written) => written.and(done),
        (failed, _) => failed,
    }
}

/// Messages that were printed but may not be written yet; until then the durable inbox keeps them.
struct PrintedMessages {
    unseen: Unseen,
    printed: Vec<(Name, MessageId)>,
}

impl PrintedMessages {
    /// Records that a message was passed to the writer.
    fn add(&mut self, message: &DirectMessage) {
        if self.unseen.holds(message) {
            self.printed.push((message.sender.clone(), message.id));
        }
    }

    async fn mark_written(&mut self) {
        for (sender, id) in self.printed.drain(..) {
            self.unseen.seen(&sender, id).await;
        }
    }
}

/// Prints messages as they arrive. `taken` is the one being printed if this future is dropped.
async fn listen(
    client: &Client,
    events: &mut CommandEvents,
    taken: &mut Option<Direct>,
    shown: &mut PrintedMessages,
    count: Option<u64>,
    out: &Output,
) -> Result<()> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let event = tokio::select! {
            event = events.next() => event?,
            news = client.next_history_notice() => {
                print_notice(&view::history_notice(&news));
                continue;
            }
            () = out.flushed(), if !shown.printed.is_empty() => {
                shown.mark_written().await;
                continue;
            }
        };
        match event {
            Event::Direct(direct) => {
                let direct = taken.insert(direct);
                // Nothing waits to be written, so it is written at once and must not be shown twice.
                if out.is_flushed() {
                    shown.unseen.seen(&direct.message.sender, direct.message.id).await;
                }
                let printed = show(direct, out, None).await;
                if printed.is_ok() {
                    shown.add(&direct.message);
                }
                *taken = None;
                printed?;
                left -= 1;
            }
            Event::QueuedDelivered { receipt, .. } => {
                print_notice(&view::queued_delivered(&receipt))
            }
            Event::QueuedFailed { id, peer, error, .. } => {
                print_notice(&view::queued_failed(id, &peer, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Prints the messages accepted before the client stopped, except those that the inbox keeps.
async fn show_rest(
    taken: Option<Direct>,
    mut events: CommandEvents,
    shown: &mut PrintedMessages,
    out: &Output,
) {
    let mut rest = taken;
    loop {
        if let Some(direct) = rest.take()
            && !shown.unseen.holds(&direct.message)
        {
            let _ = show(&direct, out, Some(LAST_WORDS)).await;
        }
        match events.inner.next().await {
            None => return,
            Some(Event::Direct(direct)) => rest = Some(direct),
            Some(_) => {}
        }
    }
}

/// Prints a message, or prints it to standard error if nobody reads it within `timeout`.
async fn show(direct: &Direct, out: &Output, timeout: Option<Duration>) -> io::Result<()> {
    let printed = out.print(direct, |clock| {
        let before = format!("{} [direct] ", clock.show_now());
        out.paint.name(view::direct(clock, direct), &before, &direct.message.sender)
    });
    let shown = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, printed)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => printed.await,
    };
    if shown.is_err() {
        let unseen = view::direct(&out.clock, direct);
        print_warning(&format!("not printed, since nobody reads: {}", text::one_line(&unseen)));
    }
    shown
}
