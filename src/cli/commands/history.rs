//! `chinwag history`: the past messages of a room, or those with one peer, which are kept here.

use std::io::{self, IsTerminal};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{coloured_message, with_client};
use crate::{
    cli::{
        failure::Result,
        options::Settings,
        output::{Output, print_notice},
        progress::Progress,
        queries::{HISTORY_PAGE, latest_messages},
        values::{self, point_in_time},
        view,
    },
    client::{
        Client, DirectPage, DirectState, Error, KeptDirect, PageRequest, Queued, Verification,
    },
    model::{DirectMessage, Message, Name, RoomName},
};

/// The number of messages that are printed by default.
const DEFAULT_LIMIT: u32 = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Room to print, instead of --room
    #[arg(value_name = "ROOM", value_parser = values::room)]
    of: Option<RoomName>,
    /// Print the direct messages with this peer, which are kept on this machine
    #[arg(long, value_name = "NAME", conflicts_with = "of", value_parser = values::peer)]
    with: Option<Name>,
    /// Number of latest messages to print [default: 50, or all with --since]
    #[arg(long, visible_alias = "last", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print all messages, oldest first
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Only messages since this time, such as 2026-11-22T08:15:00Z, 2026-11-22, or since this long
    /// ago, such as 1h
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    since: Option<Timestamp>,
    /// Only messages before this time
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    until: Option<Timestamp>,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    if let Some(peer) = &args.with {
        return print_direct(peer, &args, settings, stop).await;
    }
    let room = args.of.as_ref().unwrap_or_else(|| settings.room()).clone();
    let out = settings.output();
    with_client(settings.invisible()?, out, stop, async |client, _, out| {
        let (since, until) = (args.since, args.until);
        let period = PageRequest { size: HISTORY_PAGE, since, until, ..PageRequest::default() };
        if args.all || (args.since.is_some() && args.limit.is_none()) {
            return print_from_start(&client, room, period, out).await;
        }
        let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
        let messages = latest_messages(&client, room.clone(), period, limit).await?;
        if messages.is_empty() {
            print_notice(&no_messages(&room));
        }
        print_all(&messages, out).await
    })
    .await
}

/// Prints the kept messages with a peer, and those that wait in the outbox. The hub is not asked.
async fn print_direct(
    peer: &Name,
    args: &Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let mut options = settings.offline();
    for file in [&mut options.history, &mut options.outbox] {
        // Reading creates no file.
        file.take_if(|file| !file.exists());
    }
    let all = args.all || (args.since.is_some() && args.limit.is_none());
    let limit = if all { u32::MAX } else { args.limit.unwrap_or(DEFAULT_LIMIT) };
    let (since, until) = (args.since, args.until);
    let page = DirectPage { since, until, ..DirectPage::latest(limit) };
    let mut messages = options.direct_messages(peer, page).await?;
    let queued = match options.outbox {
        Some(_) => options.queued().await,
        None => Ok(Vec::new()),
    };
    // An outbox that cannot be used does not hold up what is kept.
    let (queued, problem) = queued.map_or_else(|e| (Vec::new(), Some(e)), |all| (all, None));
    {
        let queued = queued.into_iter().filter(|one| one.peer == *peer);
        let queued = queued.filter(|one| {
            since.is_none_or(|since| one.queued_at >= since)
                && until.is_none_or(|until| one.queued_at < until)
        });
        messages.extend(queued.map(|one| queued_direct(&settings.name, one)));
    }
    if messages.is_empty() {
        let mut notice = format!("no direct messages with {peer} are kept");
        let others = options.other_own_names(peer).await?;
        if !others.is_empty() {
            let me = &settings.name;
            let others: Vec<&str> = others.iter().map(Name::as_str).collect();
            let others = others.join(", ");
            notice.push_str(&format!(" under your name {me}, but under {others}: see --name"));
        }
        print_notice(&notice);
    }
    let skipped = messages.len().saturating_sub(limit as usize);
    let out = settings.output();
    for message in &messages[skipped..] {
        out.print(message, |clock| view::kept_direct(clock, message)).await?;
    }
    out.close(stop).await?;
    problem.map_or(Ok(()), |error| Err(error.into()))
}

/// Returns a message of the outbox as one that follows those of the history.
fn queued_direct(me: &Name, queued: Queued) -> KeptDirect {
    let Queued { id, peer, text, queued_at, .. } = queued;
    KeptDirect {
        position: i64::MAX,
        message: DirectMessage { id, sender: me.clone(), sent_at: Some(queued_at), text },
        receiver: Some(peer),
        verification: Verification::Unverified(None),
        kept_at: queued_at,
        state: DirectState::Queued,
    }
}

/// Prints page by page, so that memory does not grow with the history. Messages on a terminal are
/// progress enough; otherwise a bar shows it.
async fn print_from_start(
    client: &Client,
    room: RoomName,
    period: PageRequest,
    out: &Output,
) -> Result<()> {
    let mut request = PageRequest { forward: true, ..period };
    let mut progress = None;
    let (mut printed, mut last) = (0, 0);
    loop {
        let page = client.messages(room.clone(), request.clone()).await?;
        if page.items.is_empty() && request.token.is_empty() {
            print_notice(&no_messages(&room));
        }
        if page.next.is_some() && progress.is_none() && !io::stdout().is_terminal() {
            let first = page.items.first().map_or(0, |message| message.position.seq);
            let last = client.room(&room).await?.map_or(0, |room| room.head.seq);
            progress = Some(Progress::begin((last + 1).saturating_sub(first), "messages"));
        }
        // Otherwise a hub could make this go on without end.
        for message in &page.items {
            if message.position.seq <= last {
                return Err(Error::protocol("messages of a room are repeated").into());
            }
            last = message.position.seq;
        }
        print_all(&page.items, out).await?;
        printed += page.items.len() as u64;
        if let Some(progress) = &progress {
            progress.reach(printed);
        }
        match page.next.filter(|_| !page.items.is_empty()) {
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
        out.print(message, |clock| coloured_message(&out.paint, clock, message, None)).await?;
    }
    Ok(())
}
