//! `chinwag send`: one direct message.

use tokio_util::sync::CancellationToken;

use super::{join_words, with_client};
use crate::{
    cli::{failure::Failure, options::Settings, output::Output},
    model::{Name, Text},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who is to have it
    #[arg(value_name = "NAME")]
    to: Name,
    /// What to say; several words are joined by blanks
    #[arg(required = true)]
    text: Vec<String>,
    /// Prints the receipt as a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let text = Text::parse(join_words(&args.text)).map_err(|p| Failure::Usage(p.to_string()))?;
    let out = Output::new(args.json);
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let receipt = client.send(&args.to, text).await?;
        Ok(out.only_json(&receipt).await?)
    })
    .await
}
