//! `chinwag search`: messages that contain words.

use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::{
    cli::{
        failure::Result,
        options::Settings,
        output::{Output, print_notice},
        queries, view,
    },
    client::SearchRequest,
    model::Name,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Words that must all occur; `wor*` matches words that begin with `wor`
    #[arg(required = true)]
    query: Vec<String>,
    /// Only messages of this peer
    #[arg(long, value_name = "NAME")]
    sender: Option<Name>,
    /// Sort by time, newest first, instead of by relevance
    #[arg(long)]
    newest: bool,
    /// Maximum number of matches
    #[arg(long, visible_alias = "last", value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let request = SearchRequest {
        query: args.query.join(" "),
        room: settings.wanted_room.clone(),
        sender: args.sender.clone(),
        newest_first: args.newest,
        ..SearchRequest::default()
    };
    let out = Output::new(args.json);
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let hits = queries::search(&client, request, args.limit).await?;
        if hits.is_empty() {
            print_notice("nothing found");
        }
        for hit in hits {
            let message = &hit.message;
            out.print(&hit, |clock| view::message(clock, message, Some(&message.room))).await?;
        }
        Ok(())
    })
    .await
}
