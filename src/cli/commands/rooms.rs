//! `chinwag rooms`: the rooms of the hub.

use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::cli::{failure::Result, options::Settings, output::Output, view};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let out = Output::new(args.json);
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let rooms = client.list_rooms().await?;
        Ok(out.print_all(&rooms, view::rooms).await?)
    })
    .await
}
