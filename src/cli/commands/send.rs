//! `chinwag send`: one direct message, now or when the peer is there.

use std::{cell::OnceCell, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, join_words, said, with_client};
use crate::{
    cli::{
        failure::{self, Failure},
        options::Settings,
        output::{Output, tell},
        stdin, view,
    },
    client::{Client, ClientOptions, Event, Queued},
    error::Error,
    model::{Name, Text},
};

/// How often it is looked whether another process has delivered a message.
const LOOK: Duration = Duration::from_secs(1);

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
                client.send_until_held(to, text, not_yet).await?
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
        let queued = client.queue(&args.to, text).await?;
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
    let Some(kept) = find(client, queued).await? else {
        return gone(client, queued, out).await;
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
    match wait {
        None => Ok(out.only_json(&kept).await?),
        Some(happenings) => delivered(client, queued, happenings, out).await,
    }
}

fn will_be_delivered(to: &Name) -> String {
    format!("kept for {to}: delivered by chat, listen or `chinwag outbox retry` when {to} is there")
}

/// Waits until a kept message is delivered.
async fn delivered(
    client: &Client,
    queued: &Queued,
    mut happenings: CommandEvents,
    out: &Output,
) -> Result<(), Failure> {
    client.start_courier();
    loop {
        tokio::select! {
            event = happenings.next() => match event? {
                Event::QueuedDelivered { id, receipt, .. } if id == queued.id => {
                    return Ok(out.only_json(&receipt).await?);
                }
                // Those behind one that was given up are tried.
                Event::QueuedFailed { id, peer, error, holds_up }
                    if id == queued.id || (peer == queued.peer && holds_up) =>
                {
                    return Err(error.into());
                }
                _ => {}
            },
            () = tokio::time::sleep(LOOK) => {
                match find(client, queued).await? {
                    None => return gone(client, queued, out).await,
                    // Another process was told why.
                    Some(Queued { refused: true, last_error, .. }) => {
                        let why = last_error.unwrap_or_default();
                        return Err(Failure::Other(format!("not delivered: {why}")));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// A message is not in the outbox any more: another process of the same person has delivered it, or
/// somebody has dropped it.
async fn gone(client: &Client, queued: &Queued, out: &Output) -> Result<(), Failure> {
    match client.queued_receipt(queued.id).await? {
        Some(receipt) => Ok(out.only_json(&receipt).await?),
        None => Err(Failure::Other(format!("not delivered: {} was dropped", queued.id))),
    }
}

async fn find(client: &Client, queued: &Queued) -> Result<Option<Queued>, Failure> {
    Ok(client.queued().await?.into_iter().find(|kept| kept.id == queued.id))
}
