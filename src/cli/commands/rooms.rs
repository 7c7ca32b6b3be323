//! `chinwag rooms`: the rooms of the hub.

use tokio_util::sync::CancellationToken;

use super::with_client;
use crate::cli::{failure::Result, options::Settings, view};

pub(crate) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let out = settings.output();
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let rooms = client.list_rooms().await?;
        Ok(out.print_all(&rooms, view::rooms).await?)
    })
    .await
}
