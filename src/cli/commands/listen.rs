//! `chinwag listen`: direct messages as they come.

use tokio_util::sync::CancellationToken;

use super::follow;
use crate::{
    cli::{
        failure::Failure,
        options::Settings,
        output::{Output, tell},
        view,
    },
    client::Event,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ends after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let out = Output::new(args.json);
    follow(settings.visible()?, stop, async |client, mut happenings| {
        if let Some(address) = client.direct_address() {
            tell(&format!("{} takes direct messages at {address}", client.name()));
        }
        let mut left = args.count.unwrap_or(u64::MAX);
        while left > 0 {
            if let Event::Direct(direct) = happenings.next().await? {
                out.print(&direct, |clock| view::direct(clock, &direct))?;
                left -= 1;
            }
        }
        Ok(())
    })
    .await
}
