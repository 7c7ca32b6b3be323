//! `chinwag tail`: new messages of rooms.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{CommandEvents, coloured_message, follow, warn_if_new};
use crate::{
    cli::{
        failure::{Failure, Result},
        json::JsonLine,
        options::Settings,
        output::{Output, print_notice},
        values::{self, point_in_time},
    },
    client::Event,
    model::{Position, RoomName, Start},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rooms to follow, instead of --room
    #[arg(value_name = "ROOM", value_parser = values::room)]
    rooms: Vec<RoomName>,
    /// Start with up to this many past messages of each room
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    last: Option<u32>,
    /// Start with the messages since this time, such as 2026-11-22T08:15:00Z, 2026-11-22, or since
    /// this long ago, such as 1h
    #[arg(long, value_name = "TIME", conflicts_with = "last", value_parser = point_in_time)]
    since: Option<Timestamp>,
    /// Start directly after this message of the one room: its epoch and seq, as --json prints them
    #[arg(long, value_name = "EPOCH:SEQ", conflicts_with_all = ["last", "since"])]
    #[arg(value_parser = position)]
    after: Option<Position>,
    /// Exit after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let start = match (args.last, args.since, args.after) {
        (Some(count), ..) => Start::Last(count),
        (_, Some(at), _) => Start::Since(at),
        (.., Some(position)) => Start::After(position),
        _ => Start::Head,
    };
    let rooms = if args.rooms.is_empty() { &settings.rooms } else { &args.rooms };
    let several = rooms.len() > 1;
    if several && args.after.is_some() {
        return Err(Failure::Usage("--after is about one room: name only that".into()));
    }
    let mut options = settings.invisible()?;
    options.rooms = rooms.iter().map(|room| (room.clone(), start)).collect();

    let out = settings.output();
    follow(options, out, stop, async |_client, events, out| {
        print_all(events, out, several, args.count.unwrap_or(u64::MAX)).await
    })
    .await
}

/// Parses the position of a message.
fn position(raw: &str) -> Result<Position, &'static str> {
    let position = raw.split_once(':').and_then(|(epoch, seq)| {
        Some(Position { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
    });
    position.ok_or("expected the epoch and the seq of a message, such as 1234:56")
}

async fn print_all(
    mut events: CommandEvents,
    out: &Output,
    several: bool,
    count: u64,
) -> Result<()> {
    let mut printed = 0;
    while printed < count {
        match events.next().await? {
            Event::Message(message) => {
                let room = several.then_some(&message.room);
                out.print(&message, |clock| coloured_message(&out.paint, clock, &message, room))
                    .await?;
                printed += 1;
            }
            Event::Joined { room, head } => warn_if_new(&room, head),
            Event::RoomReset { room, cause } => {
                let notice = format!("{room}: messages may be missing here: {cause}");
                print_notice(&crate::text::one_line(&notice));
                out.only_json(JsonLine::Gap { room: room.as_str(), cause: &cause }).await?;
            }
            Event::Left { room } => {
                return Err(Failure::Other(format!("the hub removed this client from {room}")));
            }
            _ => {}
        }
    }
    Ok(())
}
