//! `chinwag id`: the user's own key.

use tokio_util::sync::CancellationToken;

use crate::cli::{failure::Result, json::JsonLine, keys, options::Settings};

pub(crate) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let key = settings.identity()?.fingerprint();
    let out = settings.output();
    let line = JsonLine::Identity {
        name: settings.name.as_str(),
        fingerprint: key.to_string(),
        words: key.words(),
        hex: key.hex(),
    };
    let printed = out.print(line, |_| keys::own(&settings.name, key).join("\n")).await;
    out.close(stop).await?;
    Ok(printed?)
}
