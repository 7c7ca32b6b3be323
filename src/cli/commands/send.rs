//! `chinwag send`: one direct message, now or when the peer is there.

use std::cell::OnceCell;

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, join_words, said, with_client};
use crate::{
    cli::{
        failure::{self, Failure},
        options::Settings,
        output::{Output, tell},
        stdin, view,
    },
    client::{Client, ClientOptions, Error, Queued},
    model::{Name, Text},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the receiver
    #[arg(value_name = "NAME")]
    to: Name,
    /// Words of the message; without any, all of standard input is sent as one message
    text: Vec<String>,
    /// Keep trying until the message is delivered
    #[arg(long)]
    wait: bool,
    /// Queue the message if the peer is away: `chat`, `listen` or `outbox retry` delivers it later
    #[arg(long)]
    queue: bool,
    /// Print the receipt, or the queued message, as a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let raw = match args.text.is_empty() {
        true => stop.run_until_cancelled(stdin::whole()).await.ok_or(Failure::Interrupted)??,
        false => join_words(&args.text),
    };
    let text = said(raw)?;
    let mut options = settings.to_peers()?;
    if options.name == args.to {
        return Err(Failure::Usage(format!("{} is you", args.to)));
    }
    if args.queue {
        options.outbox = Some(settings.home.outbox());
        return keep(&args, text, options, stop).await;
    }
    let out = Output::new(args.json);
    with_client(options, out, stop, async |client, _, out| {
        let to = &args.to;
        let receipt = match args.wait {
            true => {
                let mut told = false;
                let not_yet = |error: &Error| {
                    if !std::mem::replace(&mut told, true) {
                        tell(&format!("{}; trying on", failure::describe(error)));
                    }
                };
                client.send(to, text).until_delivered(not_yet).await?
            }
            false => client.send(to, text).await?,
        };
        Ok(out.only_json(&receipt).await?)
    })
    .await
}

/// Keeps a message and tries once. From the moment in which it is kept, that there was no time for
/// the try is no failure, unless somebody waits for the receipt.
async fn keep(
    args: &Args,
    text: Text,
    options: ClientOptions,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let (out, kept) = (Output::new(args.json), OnceCell::new());
    let done = with_client(options, out, stop, async |client, happenings, out| {
        let queued = client.send(&args.to, text).durable().await?;
        let queued = kept.get_or_init(|| queued);
        queue(&client, queued, args.wait.then_some(happenings), out).await
    })
    .await;
    let Some(kept) = kept.into_inner().filter(|_| matches!(done, Err(Failure::Interrupted))) else {
        return done;
    };
    if args.wait {
        tell(&format!("kept as {}, and not delivered yet", kept.id));
        return done;
    }
    tell(&will_be_delivered(&kept.peer));
    let out = Output::new(args.json);
    let printed = out.only_json(&kept).await;
    out.close(stop).await?;
    Ok(printed?)
}

async fn queue(
    client: &Client,
    queued: &Queued,
    wait: Option<CommandEvents>,
    out: &Output,
) -> Result<(), Failure> {
    let to = &queued.peer;
    let mut attempts = client.deliver_queued(Some(to)).await?;
    for attempt in &attempts {
        match &attempt.result {
            Ok(receipt) if attempt.queued.id == queued.id => {
                return Ok(out.only_json(receipt).await?);
            }
            // One that was queued before it.
            Ok(receipt) => tell(&view::queued_delivered(receipt)),
            Err(_) => {}
        }
    }
    let Some(kept) = client.queued().await?.into_iter().find(|kept| kept.id == queued.id) else {
        return Ok(out.only_json(&client.wait_delivered(queued.id).await?).await?);
    };
    let last = attempts
        .pop()
        .filter(|last| last.refused && (last.holds_up || last.queued.id == queued.id));
    match last.map(|last| last.result) {
        Some(Err(error)) => {
            let why = failure::describe(&error);
            tell(&format!("kept for {to}: {why}; then `chinwag outbox retry {to}`"));
            if wait.is_some() {
                return Err(error.into());
            }
        }
        _ => tell(&will_be_delivered(to)),
    }
    let Some(events) = wait else { return Ok(out.only_json(&kept).await?) };
    tokio::select! {
        receipt = client.wait_delivered(queued.id) => Ok(out.only_json(&receipt?).await?),
        failure = events.pass() => Err(failure),
    }
}

fn will_be_delivered(to: &Name) -> String {
    format!("kept for {to}: delivered by chat, listen or `chinwag outbox retry` when {to} is there")
}
