//! `chinwag history`: the past messages of a room.

use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::{
    cli::{
        failure::Result,
        options::Settings,
        output::{Output, print_notice},
        queries::{HISTORY_PAGE, latest_messages},
        view,
    },
    client::{Client, PageRequest},
    model::{Message, RoomName},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Room to print, instead of --room
    #[arg(value_name = "ROOM")]
    of: Option<RoomName>,
    /// Number of latest messages to print
    #[arg(long, visible_alias = "last", value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print all messages, oldest first
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let room = args.of.as_ref().unwrap_or_else(|| settings.room()).clone();
    let out = Output::new(args.json);
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        if args.all {
            return print_from_start(&client, room, out).await;
        }
        let messages = latest_messages(&client, room.clone(), args.limit).await?;
        if messages.is_empty() {
            print_notice(&no_messages(&room));
        }
        print_all(&messages, out).await
    })
    .await
}

/// Prints page by page, so that memory does not grow with the history.
async fn print_from_start(client: &Client, room: RoomName, out: &Output) -> Result<()> {
    let mut request = PageRequest { size: HISTORY_PAGE, forward: true, ..PageRequest::default() };
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
