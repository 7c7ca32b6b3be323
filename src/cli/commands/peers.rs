//! `chinwag peers`: the peers that are online.

use tokio_util::sync::CancellationToken;

use super::{follow, with_client};
use crate::{
    cli::{
        failure::Result,
        json::JsonLine,
        options::Settings,
        output::Output,
        view::{self, Clock},
    },
    client::{Error, PeerChange, PeerFilter, PeerWatch},
    model::Peer,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keep printing changes until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let out = settings.output();
    if !args.watch {
        return with_client(settings.invisible()?, out, stop, async |client, _, out| {
            let peers = client.peers(PeerFilter::default()).await?;
            let lines = |clock: &Clock, peers: &[Peer]| {
                let lines = view::peers(clock, peers).into_iter().zip(peers);
                lines.map(|(line, peer)| out.paint.name(line, "", &peer.name)).collect()
            };
            Ok(out.print_all(&peers, lines).await?)
        })
        .await;
    }
    follow(settings.invisible()?, out, stop, async |client, events, out| {
        let changes = client.watch_peers().await?;
        tokio::select! {
            failure = events.drain() => Err(failure),
            done = watch(changes, out) => done,
        }
    })
    .await
}

async fn watch(mut changes: PeerWatch, out: &Output) -> Result<()> {
    while let Some(change) = changes.next().await {
        match change {
            PeerChange::Reset => out.only_json(JsonLine::Reset {}).await?,
            PeerChange::Updated(peer) => {
                out.print(&peer, |clock| out.paint.name(view::peer(clock, &peer), "", &peer.name))
                    .await?;
            }
            PeerChange::Left(name) => {
                out.print(JsonLine::Left { name: name.as_str() }, |_| format!("{name}  left"))
                    .await?;
            }
            PeerChange::Listed => out.only_json(JsonLine::Listed {}).await?,
        }
    }
    Err(Error::Stopped.into())
}
