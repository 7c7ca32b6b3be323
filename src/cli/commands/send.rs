//! `chinwag send`: one direct message, now or once the peer is back.

use std::cell::OnceCell;

use tokio_util::sync::CancellationToken;

use super::{CommandEvents, parse_text, read_whole, text_of, with_client};
use crate::{
    cli::{
        chat::queueing,
        failure::{self, Failure, Result},
        options::Settings,
        output::{Output, print_notice},
        values, view, words,
    },
    client::{Client, ClientOptions, Error, Queued},
    model::{Name, Text},
};

/// What to do about a message to a known peer who is away.
const KEEP_IT: &str = "before the text, `--queue` keeps the message until they are back, and `--wait` \
                       tries until it is delivered";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the receiver
    #[arg(value_name = "NAME", value_parser = values::peer)]
    to: Name,
    /// Words of the message; options come before it. Without any, or with - alone, all of standard
    /// input is sent as one message
    #[arg(trailing_var_arg = true)]
    text: Vec<String>,
    /// Keep trying until the message is delivered
    #[arg(long)]
    wait: bool,
    /// Queue the message if the peer is away: `chat`, `listen` or `outbox retry` delivers it later
    #[arg(long)]
    queue: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let text = match args.text.as_slice() {
        [] => parse_text(read_whole(stop).await?)?,
        words => text_of(words, stop).await?,
    };
    let mut options = settings.invisible_sender()?;
    if options.name == args.to {
        return Err(Failure::Usage(format!("{} is you", args.to)));
    }
    if args.queue {
        let outbox = settings.require_writable(settings.home.outbox(), "queue a message")?;
        options.outbox = Some(outbox);
        return send_queued(&args, text, options, settings, stop).await;
    }
    let out = settings.output();
    with_client(options, out, stop, async |client, _, out| {
        let to = &args.to;
        let receipt = match args.wait {
            true => {
                let mut reported = false;
                let not_yet = |error: &Error| {
                    if !std::mem::replace(&mut reported, true) {
                        print_notice(&format!("{}; still trying", failure::describe(error)));
                    }
                };
                client.send(to, text).until_delivered(not_yet).await?
            }
            false => client.send(to, text).await.map_err(|error| explain(error, to, settings))?,
        };
        Ok(out.only_json(&receipt).await?)
    })
    .await
}

/// Says how a message to a known peer who is away can be kept.
fn explain(error: Error, to: &Name, settings: &Settings) -> Failure {
    let is_away = matches!(error, Error::PeerUnknown(_) | Error::PeerUnreachable { .. });
    let book = settings.contacts().read().unwrap_or_default();
    match book.contact(&settings.hub.hub, to) {
        Some(_) if is_away => {
            let message = words::problem(&error);
            Failure::Explained { error: Box::new(error), message, remedy: KEEP_IT }
        }
        _ => error.into(),
    }
}

/// Queues a message and tries to deliver it once. Once it is queued, an interrupted attempt is not a
/// failure, unless `--wait` is given.
async fn send_queued(
    args: &Args,
    text: Text,
    options: ClientOptions,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let (out, stored) = (settings.output(), OnceCell::new());
    let done = with_client(options, out, stop, async |client, events, out| {
        let queued = client.send(&args.to, text).durable().await?;
        let queued = stored.get_or_init(|| queued);
        deliver(&client, queued, args.wait.then_some(events), settings, out).await
    })
    .await;
    let Some(queued) = stored.into_inner().filter(|_| matches!(done, Err(Failure::Interrupted)))
    else {
        return done;
    };
    if args.wait {
        print_notice(&format!("queued as {}, not delivered yet", queued.id));
        return done;
    }
    print_notice(&will_be_delivered(&queued.peer, settings));
    let out = settings.output();
    let printed = out.only_json(&queued).await;
    out.close(stop).await?;
    Ok(printed?)
}

async fn deliver(
    client: &Client,
    queued: &Queued,
    wait: Option<CommandEvents>,
    settings: &Settings,
    out: &Output,
) -> Result<()> {
    let to = &queued.peer;
    let mut attempts = client.deliver_queued(Some(to)).await?;
    for attempt in &attempts {
        match &attempt.result {
            Ok(receipt) if attempt.queued.id == queued.id => {
                return Ok(out.only_json(receipt).await?);
            }
            // A message that was queued earlier.
            Ok(receipt) => print_notice(&view::queued_delivered(receipt)),
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
            print_notice(&format!("queued for {to}: {why}; then `chinwag outbox retry {to}`"));
            if wait.is_some() {
                return Err(error.into());
            }
        }
        _ => print_notice(&will_be_delivered(to, settings)),
    }
    let Some(events) = wait else { return Ok(out.only_json(&kept).await?) };
    tokio::select! {
        receipt = client.wait_delivered(queued.id) => Ok(out.only_json(&receipt?).await?),
        failure = events.drain() => Err(failure),
    }
}

fn will_be_delivered(to: &Name, settings: &Settings) -> String {
    let book = settings.contacts().read();
    // Without a key nobody is met.
    let is_known = settings.plaintext
        || book.map_or(true, |book| book.contact(&settings.hub.hub, to).is_some());
    match is_known {
        true => format!(
            "queued for {to}: chat, listen or `chinwag outbox retry` delivers it once {to} is back"
        ),
        false => queueing::for_stranger(to),
    }
}
