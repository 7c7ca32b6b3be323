//! The commands other than `chat`, one file each, and what they share.

pub(super) mod accept;
pub(super) mod completions;
pub(super) mod contact_book;
pub(super) mod contacts;
pub(super) mod doctor;
pub(super) mod history;
pub(super) mod hubs;
pub(super) mod id;
pub(super) mod listen;
pub(super) mod man;
pub(super) mod on;
pub(super) mod outbox;
pub(super) mod peers;
pub(super) mod post;
pub(super) mod rooms;
pub(super) mod schema;
pub(super) mod search;
pub(super) mod send;
pub(super) mod tail;
pub(super) mod verify;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    colours::Paint,
    failure::{Failure, Result},
    json::JsonLine,
    keys,
    options::Settings,
    outage::Outage,
    output::{Output, is_json, print_notice, reader_gone},
    question, stdin, terminal,
    view::{self, Clock},
};
use crate::{
    client::{Client, ClientOptions, Error, Event, Events, HubTrust},
    model::{Endpoint, Fingerprint, Message, Position, RoomName, Text},
};

/// How long a client may still take to start after a signal.
const START_GRACE: Duration = Duration::from_secs(1);

/// Starts a client. If the join link has another key than the contact book, the user is asked whether
/// to accept it. Where nobody can be asked, that is the error.
pub(super) async fn start(
    options: ClientOptions,
    stop: &CancellationToken,
) -> Result<(Client, Events)> {
    let trust = options.trust;
    match start_unasked(options.clone(), stop).await {
        Err(Failure::Chat(Error::HubKeyChanged { hub, known, offered }))
            if trust == HubTrust::Pinned(offered) =>
        {
            if !accepts_hub_key(&hub, known, offered, stop).await? {
                return Err(Error::HubKeyChanged { hub, known, offered }.into());
            }
            start_unasked(options.trust(HubTrust::Accepted(offered)), stop).await
        }
        started => started,
    }
}

/// Shows the known key of a hub and that of its join link, and asks whether to accept the latter.
/// Returns false if there is nobody to ask.
async fn accepts_hub_key(
    hub: &Endpoint,
    known: Fingerprint,
    linked: Fingerprint,
    stop: &CancellationToken,
) -> Result<bool> {
    if is_json() || !terminal::can_ask() {
        return Ok(false);
    }
    for line in keys::hub_to_accept(hub, known, linked) {
        question::show(&format!("{line}\n"))?;
    }
    Ok(question::confirm("Accept the new key?", stop).await? == Some(true))
}

/// Starts a client, and asks nothing. If a signal comes while it registers, it still completes that and
/// leaves again: otherwise the session would be listed until its lease expires.
pub(super) async fn start_unasked(
    options: ClientOptions,
    stop: &CancellationToken,
) -> Result<(Client, Events)> {
    let mut started = pin!(Client::start(options));
    if let Some(started) = stop.run_until_cancelled(&mut started).await {
        return Ok(started?);
    }
    if let Ok(Ok((client, _))) = tokio::time::timeout(START_GRACE, started).await {
        client.stop().await;
    }
    Err(Failure::Interrupted)
}

/// Starts a client, runs `work` with it, and leaves the hub cleanly, whatever the result is and
/// whether or not somebody reads `out`.
async fn with_client(
    options: ClientOptions,
    out: Output,
    stop: &CancellationToken,
    work: impl AsyncFnOnce(Client, CommandEvents, &Output) -> Result<()>,
) -> Result<()> {
    let (client, events) = start(options, stop).await?;
    let work = work(client.clone(), CommandEvents::new(events), &out);
    let done = stop.run_until_cancelled(work).await.unwrap_or(Err(Failure::Interrupted));
    let written = out.close(stop).await;
    let notices = client.clone();
    client.stop().await;
    print_history_notice(&notices);
    match done {
        Ok(()) | Err(Failure::Output(_)) => written.and(done),
        failed => failed,
    }
}

/// As [`with_client`], for endless work: it succeeds once the reader of standard output is gone.
async fn follow(
    options: ClientOptions,
    out: Output,
    stop: &CancellationToken,
    work: impl AsyncFnOnce(Client, CommandEvents, &Output) -> Result<()>,
) -> Result<()> {
    with_client(options, out, stop, async |client, events, out| {
        tokio::select! {
            () = reader_gone() => Ok(()),
            done = work(client, events, out) => done,
        }
    })
    .await
}

/// The events of a command's client, without those about the hub, which are printed as notices.
struct CommandEvents {
    inner: Events,
    outage: Outage,
}

impl CommandEvents {
    fn new(inner: Events) -> Self {
        Self { inner, outage: Outage::default() }
    }

    async fn next(&mut self) -> Result<Event> {
        loop {
            let event = self.inner.next().await.ok_or(Error::Stopped)?;
            if let Some(notice) = self.outage.on_event(&event, Instant::now()) {
                print_notice(&crate::text::one_line(&notice));
            }
            match event {
                Event::Connected | Event::Disconnected { .. } => {}
                Event::Ended { error } | Event::JoinRefused { error, .. } => {
                    return Err(error.into());
                }
                Event::Renamed { from, to } => print_notice(&view::renamed(&from, &to)),
                Event::CallerKeyChanged { name, known, offered } => {
                    let notice = view::caller_key_changed(&name, known, offered);
                    print_notice(&format!("{notice}: `chinwag accept {name}`"));
                }
                event => return Ok(event),
            }
        }
    }

    /// Discards events until the client ends for good.
    async fn drain(mut self) -> Failure {
        loop {
            if let Err(failure) = self.next().await {
                return failure;
            }
        }
    }
}

/// Prints a notice about a joined room in which nobody has ever posted: its name may be a typing error.
fn warn_if_new(room: &RoomName, head: Position) {
    if head.seq == 0 && *room != RoomName::lobby() {
        print_notice(&format!("{room} is a new room: nobody has posted there before"));
    }
}

/// Formats a message of a room; `room` is given if there are several.
fn coloured_message(
    paint: &Paint,
    clock: &Clock,
    message: &Message,
    room: Option<&RoomName>,
) -> String {
    let room_before = room.map(|room| format!("{room} ")).unwrap_or_default();
    let before = format!("{} {room_before}", clock.show(message.created_at));
    paint.name(view::message(clock, message, room), &before, &message.sender)
}

/// The text that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Returns the message of these words: joined by blanks, or standard input if the only one is `-`.
async fn text_of(words: &[String], stop: &CancellationToken) -> Result<Text> {
    match words {
        [word] if word == STANDARD_INPUT => parse_text(read_whole(stop).await?),
        words => parse_text(words.join(" ")),
    }
}

/// Reads all of standard input as one text.
async fn read_whole(stop: &CancellationToken) -> Result<String> {
    stop.run_until_cancelled(stdin::whole()).await.ok_or(Failure::Interrupted)?
}

/// Prints what the user should know about the history of direct messages.
fn print_history_notice(client: &Client) {
    client.history_notice().iter().for_each(|news| print_notice(&view::history_notice(news)));
}

/// Prints the object of a command that prints nothing as text.
async fn print_object<'a>(
    thing: impl Into<JsonLine<'a>>,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let out = settings.output();
    let printed = out.only_json(thing).await;
    out.close(stop).await?;
    Ok(printed?)
}

/// Parses a message. White space alone counts as empty.
fn parse_text(raw: String) -> Result<Text> {
    let raw = if raw.trim().is_empty() { String::new() } else { raw };
    Text::parse(raw).map_err(|problem| Failure::Usage(problem.to_string()))
}
