//! `chinwag outbox`: direct messages queued for peers who are away.

use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::{
    cli::{
        failure::{self, Failure, Result},
        options::Settings,
        output::{Output, print_notice},
        queries::{id_prefix_length, matching_ids, peer_of},
        view,
    },
    client::{ClientOptions, Error, Queued},
    model::MessageId,
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<OutboxCommand>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum OutboxCommand {
    /// List queued messages: id, receiver, time, text, attempts and last error
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Deliver queued messages now; exit with 4 if some remain
    Retry {
        /// Receiver, or id of one of their messages; all messages if omitted
        #[arg(value_name = "NAME|ID")]
        which: Option<String>,
        /// Print the receipts as JSON objects
        #[arg(long)]
        json: bool,
    },
    /// Delete queued messages without delivering them
    Drop {
        /// Receiver whose messages to delete, or message ids or their beginnings
        #[arg(value_name = "NAME|ID", required_unless_present = "all", conflicts_with = "all")]
        which: Vec<String>,
        /// Delete all queued messages
        #[arg(long)]
        all: bool,
    },
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let mut options = settings.invisible_sender()?;
    options.outbox = Some(settings.home.outbox());
    match args.command {
        None => list(&options, args.json, stop).await,
        Some(OutboxCommand::List { json }) => list(&options, json, stop).await,
        Some(OutboxCommand::Retry { which, json }) => retry(options, which, json, stop).await,
        Some(OutboxCommand::Drop { which, all }) => drop_some(&options, &which, all).await,
    }
}

async fn list(options: &ClientOptions, json: bool, stop: &CancellationToken) -> Result<()> {
    let queued = options.queued().await?;
    let out = Output::new(json);
    let shown = |clock: &view::Clock, all| view::outbox(clock, all, id_prefix_length(all));
    let printed = out.print_all(&queued, shown).await;
    out.close(stop).await?;
    Ok(printed?)
}

async fn retry(
    options: ClientOptions,
    which: Option<String>,
    json: bool,
    stop: &CancellationToken,
) -> Result<()> {
    let queued = options.queued().await?;
    let peer = which.map(|which| peer_of(&queued, &which)).transpose()?;
    let concerns = |one: &Queued| peer.as_ref().is_none_or(|peer| *peer == one.peer);
    if !queued.iter().any(concerns) {
        return Ok(());
    }
    let out = Output::new(json);
    with_client(options, out, stop, async |client, _, out| {
        for attempt in client.deliver_queued(peer.as_ref()).await? {
            let to = &attempt.queued.peer;
            match &attempt.result {
                Ok(receipt) => {
                    out.only_json(receipt).await?;
                    print_notice(&view::queued_delivered(receipt));
                }
                Err(error) => {
                    print_notice(&format!("queued for {to}: {}", failure::describe_queued(error)))
                }
            }
        }
        match client.queued().await?.iter().filter(|one| concerns(one)).count() {
            0 => Ok(()),
            left => Err(Failure::Undelivered(left)),
        }
    })
    .await
}

async fn drop_some(options: &ClientOptions, which: &[String], all: bool) -> Result<()> {
    let queued = options.queued().await?;
    let mut chosen: Vec<MessageId> = Vec::new();
    if all {
        chosen.extend(queued.iter().map(|one| one.id));
    }
    // Nothing is dropped unless all arguments are valid.
    for which in which {
        for id in matching_ids(&queued, which)? {
            if !chosen.contains(&id) {
                chosen.push(id);
            }
        }
    }
    for id in chosen {
        match options.drop_queued(id).await {
            Err(Error::Invalid(_)) => print_notice(&format!("no longer queued: {id}")),
            dropped => {
                dropped?;
                print_notice(&format!("dropped {id}"));
            }
        }
    }
    Ok(())
}
