//! `chinwag history`: the past messages of a room.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::{
    cli::{
        failure::Result,
        options::Settings,
        output::{Output, print_notice},
        queries::{HISTORY_PAGE, latest_messages},
        values::point_in_time,
        view,
    },
    client::{Client, PageRequest},
    model::{Message, RoomName},
};

/// The number of messages that are printed by default.
const DEFAULT_LIMIT: u32 = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Room to print, instead of --room
    #[arg(value_name = "ROOM")]
    of: Option<RoomName>,
    /// Number of latest messages to print [default: 50, or all with --since]
    #[arg(long, visible_alias = "last", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print all messages, oldest first
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Only messages since this time, such as 2026-11-22T08:15:00Z, 2026-11-22, or since this long
    /// ago, such as 1h
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    since: Option<Timestamp>,
    /// Only messages before this time
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    until: Option<Timestamp>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let room = args.of.as_ref().unwrap_or_else(|| settings.room()).clone();
    let out = Output::new(args.json);
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let (since, until) = (args.since, args.until);
        let period = PageRequest { size: HISTORY_PAGE, since, until, ..PageRequest::default() };
        if args.all || (args.since.is_some() && args.limit.is_none()) {
            return print_from_start(&client, room, period, out).await;
        }
        let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
        let messages = latest_messages(&client, room.clone(), period, limit).await?;
        if messages.is_empty() {
            print_notice(&no_messages(&room));
        }
        print_all(&messages, out).await
    })
    .await
}

/// Prints page by page, so that memory does not grow with the history.
async fn print_from_start(
    client: &Client,
    room: RoomName,
    period: PageRequest,
    out: &Output,
) -> Result<()> {
    let mut request = PageRequest { forward: true, ..period };
    loop {
        let page = client.messages(room.clone(), request.clone()).await?;
        if page.items.is_empty() && request.token.is_empty() {
            print_notice(&no_messages(&room));
        }
        print_all(&page.items, out).await?;
        match page.next {
            Some(token) => request.token = token,
            None => return Ok(()),
        }
    }
}

fn no_messages(room: &RoomName) -> String {
    format!("no messages in {room}")
}

async fn print_all(messages: &[Message], out: &Output) -> Result<()> {
    for message in messages {
        out.print(message, |clock| view::message(clock, message, None)).await?;
    }
    Ok(())
}
