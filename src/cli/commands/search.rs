//! `chinwag search`: messages that contain words.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{coloured_message, with_client};
use crate::{
    cli::{
        failure::{Failure, Result},
        options::Settings,
        output::print_notice,
        progress::Progress,
        queries,
        search_terms::SearchTerms,
        values::{peer, point_in_time},
    },
    client::SearchRequest,
    model::Name,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Words that must all occur; `wor*` matches words that begin with `wor`, and `from:NAME`,
    /// `in:ROOM`, `after:TIME` and `before:TIME` narrow the search
    #[arg(required = true)]
    query: Vec<String>,
    /// Only messages of this peer
    #[arg(long, value_name = "NAME", value_parser = peer)]
    sender: Option<Name>,
    /// Only messages since this time, such as 2026-11-22T08:15:00Z, 2026-11-22, or since this long
    /// ago, such as 1h
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    since: Option<Timestamp>,
    /// Only messages before this time
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    until: Option<Timestamp>,
    /// Sort by time, newest first, instead of by relevance
    #[arg(long)]
    newest: bool,
    /// Maximum number of matches
    #[arg(long, visible_alias = "last", value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let terms = SearchTerms::parse(&args.query.join(" "));
    let terms = terms.map_err(|error| Failure::Usage(error.to_string()))?;
    // The query comes before the options: --room may be from the environment.
    let request = SearchRequest {
        room: terms.room.or_else(|| settings.wanted_room.clone()),
        sender: terms.sender.or(args.sender),
        since: terms.since.or(args.since),
        until: terms.until.or(args.until),
        newest_first: args.newest,
        query: terms.words,
        ..SearchRequest::default()
    };
    let out = settings.output();
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let mut progress = None;
        let hits = queries::search_by_pages(&client, request, args.limit, |found| {
            let begin = || Progress::begin(args.limit.into(), "matches");
            progress.get_or_insert_with(begin).reach(found as u64);
        });
        let hits = hits.await?;
        drop(progress);
        if hits.is_empty() {
            print_notice("nothing found");
        }
        for hit in hits {
            let message = &hit.message;
            out.print(&hit, |clock| {
                coloured_message(&out.paint, clock, message, Some(&message.room))
            })
            .await?;
        }
        Ok(())
    })
    .await
}
