//! `chinwag contacts`: the contacts at the hub, with their keys.

use tokio_util::sync::CancellationToken;

use crate::cli::{failure::Result, keys, options::Settings};

pub(crate) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let book = settings.contacts().read()?;
    let hub = book.hub(&settings.hub.hub).map(|hub| &hub.contacts);
    // Contact books of older versions may contain the user's own name.
    let others = hub.into_iter().flatten().filter(|(name, _)| **name != settings.name);
    let contacts: Vec<_> = others.collect();
    let out = settings.output();
    let printed =
        out.print_all(&contacts, |_, contacts| keys::contacts(contacts.iter().copied())).await;
    out.close(stop).await?;
    Ok(printed?)
}
