//! `chinwag outbox`: direct messages queued for peers who are away.

use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::{
    cli::{
        failure::{self, Failure, Result},
        json::JsonLine,
        options::Settings,
        output::{Output, print_notice},
        queries::{id_prefix_length, matching_ids, peer_of},
        view,
    },
    client::{ClientOptions, Error, Queued},
    model::MessageId,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<OutboxCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum OutboxCommand {
    /// List queued messages: id, receiver, time, text, attempts and last error
    List,
    /// Deliver queued messages now; exit with 4 if some remain
    Retry {
        /// Receiver, or id of one of their messages; all messages if omitted
        #[arg(value_name = "NAME|ID")]
        which: Option<String>,
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
    let file = settings.home.outbox();
    match &args.command {
        None | Some(OutboxCommand::List) if !file.exists() => return Ok(()),
        None | Some(OutboxCommand::List) => options.outbox = Some(file),
        Some(_) => {
            options.outbox = Some(settings.require_writable(file, "change the outbox")?);
        }
    }
    match args.command {
        None | Some(OutboxCommand::List) => list(&options, settings.output(), stop).await,
        Some(OutboxCommand::Retry { which }) => {
            retry(options, which, settings.output(), stop).await
        }
        Some(OutboxCommand::Drop { which, all }) => {
            let out = settings.output();
            let dropped = drop_some(&options, &which, all, &out).await;
            out.close(stop).await?;
            dropped
        }
    }
}

async fn list(options: &ClientOptions, out: Output, stop: &CancellationToken) -> Result<()> {
    let queued = options.queued().await?;
    let shown = |clock: &view::Clock, all| view::outbox(clock, all, id_prefix_length(all));
    let printed = out.print_all(&queued, shown).await;
    out.close(stop).await?;
    Ok(printed?)
}

async fn retry(
    options: ClientOptions,
    which: Option<String>,
    out: Output,
    stop: &CancellationToken,
) -> Result<()> {
    let queued = options.queued().await?;
    let peer = which.map(|which| peer_of(&queued, &which)).transpose()?;
    let concerns = |one: &Queued| peer.as_ref().is_none_or(|peer| *peer == one.peer);
    if !queued.iter().any(concerns) {
        return Ok(());
    }
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
        let left: Vec<Queued> =
            client.queued().await?.into_iter().filter(|one| concerns(one)).collect();
        for queued in &left {
            out.only_json(queued).await?;
        }
        match left.len() {
            0 => Ok(()),
            left => Err(Failure::Undelivered(left)),
        }
    })
    .await
}

async fn drop_some(
    options: &ClientOptions,
    which: &[String],
    all: bool,
    out: &Output,
) -> Result<()> {
    let queued = options.queued().await?;
    let mut chosen: Vec<MessageId> = Vec::new();
    // Nothing is dropped unless all arguments are valid.
    for which in which {
        chosen.extend(matching_ids(&queued, which)?);
    }
    for Queued { id, peer, .. } in queued.iter().filter(|one| all || chosen.contains(&one.id)) {
        match options.drop_queued(*id).await {
            Err(Error::Invalid(_)) => print_notice(&format!("no longer queued: {id}")),
            dropped => {
                dropped?;
                print_notice(&format!("dropped {id}"));
                let (peer, id) = (peer.as_str(), id.to_string());
                out.only_json(JsonLine::Dropped { peer, id }).await?;
            }
        }
    }
    Ok(())
}
