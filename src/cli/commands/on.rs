//! `chinwag on --run CMD`: runs a command for each message and replies with its output.
//!
//! No more messages are taken than commands may run. Further room messages wait at the hub, and up to
//! 256 direct messages in the inbox; then senders get an error that it is full. So a slow bot costs
//! neither memory nor messages. Replies must not wait for the stream of incoming messages, so they are
//! posted by unary calls.

pub(in crate::cli) mod child;
pub(in crate::cli) mod message;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::message::{IncomingMessage, Source};
use super::{CommandEvents, start, warn_if_new};
use crate::{
    backoff,
    cli::{
        failure::{self, Failure},
        options::Settings,
        output::{Output, print_notice, print_warning},
        values::{duration, shell_command},
        view,
    },
    client::{Client, Error, Event, Result},
    error::Reason,
    model::{MessageId, Posted, Receipt, RoomName, Start, Text},
    text,
};

const RUN_TIMEOUT: &str = "60s";

/// How long a reply waits for a hub that is away.
const HUB_WAIT: Duration = Duration::from_secs(60);

/// What the help of the command ends with.
pub(in crate::cli) const ABOUT_RUN: &str = "\
`sh -c` runs the command once for each message from another peer, in the rooms or direct.
Standard input is the message as one JSON line, as `tail --json` and `listen --json` print it. The
environment has MESSAGE_TYPE (message or direct), MESSAGE_ROOM, MESSAGE_SENDER, MESSAGE_STANDING,
MESSAGE_ID and MESSAGE_TEXT. CHINWAG_HUB and CHINWAG_NAME are set too, so that chinwag commands
inside it act as the same peer. Quote messages in the shell, put -- before them, as in
`chinwag post ops -- \"$MESSAGE_TEXT\"`, and never eval them.

The output of the command is the reply: to the room, or to the sender of a direct message. Without
output, or if the command fails, there is no reply. Two bots that reply to every message keep
replying to each other: reply only to messages that are meant for your bot.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Command to run with `sh -c`
    #[arg(long, value_name = "CMD", value_parser = shell_command)]
    run: String,
    /// Handle room messages only, and receive no direct messages
    #[arg(long)]
    rooms_only: bool,
    /// Handle direct messages only, and join no room
    #[arg(long, conflicts_with = "rooms_only")]
    direct_only: bool,
    /// Exit after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Number of commands that may run at once; with more than one, replies are unordered
    #[arg(long, value_name = "N", default_value = "1")]
    jobs: NonZeroUsize,
    /// Kill a command that takes longer than this
    #[arg(long, value_name = "DURATION", default_value = RUN_TIMEOUT, value_parser = duration)]
    run_timeout: Duration,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    if args.direct_only && settings.direct.is_none() {
        return Err(Failure::Usage("--direct-only and --no-direct cannot be used together".into()));
    }
    let mut options = settings.visible()?;
    if args.rooms_only {
        options.listen = None;
    }
    if !args.direct_only {
        options.rooms = settings.rooms.iter().map(|room| (room.clone(), Start::Head)).collect();
    } else {
        options.inbox_limit = args.count;
    }
    let joining = options.rooms.len();
    let (client, events) = start(options, stop).await?;
    let out = settings.output();
    let mut events = CommandEvents::new(events);
    let bot = Arc::new(Bot {
        environment: message::environment(settings),
        client: client.clone(),
        run: args.run,
        run_timeout: args.run_timeout,
    });
    let mut replies = ReplyLoop {
        bot,
        joining,
        left: args.count.unwrap_or(u64::MAX),
        limited: args.direct_only && args.count.is_some(),
        max_jobs: args.jobs.get(),
        jobs: JoinSet::new(),
    };
    let result = stop.run_until_cancelled(replies.run(&mut events, &out)).await;
    // Kills the commands that still run.
    drop(replies);
    client.stop().await;
    report_unhandled(events).await;
    let written = out.close(stop).await;
    match result.unwrap_or(Err(Failure::Interrupted)) {
        done @ (Ok(()) | Err(Failure::Interrupted)) => written.and(done),
        failed => failed,
    }
}

/// Reports how many accepted messages were not handled. Those in the durable inbox come next time.
async fn report_unhandled(events: CommandEvents) {
    let unhandled = events.inner.discard().await;
    if unhandled > 0 {
        print_warning(&format!("direct messages that were received but not handled: {unhandled}"));
    }
}

/// The loop: takes messages, runs commands, sends replies.
struct ReplyLoop {
    bot: Arc<Bot>,
    /// How many rooms are not joined yet.
    joining: usize,
    /// How many messages are still to be handled.
    left: u64,
    /// Whether the inbox accepts no more than those.
    limited: bool,
    /// The most commands that run at a time.
    max_jobs: usize,
    jobs: JoinSet<ReplyResult>,
}

/// The result of a message: its reply, if there was one, or an error.
type ReplyResult = Result<Option<SentReply>, String>;

enum SentReply {
    InRoom(Posted),
    Direct(Receipt),
}

impl ReplyLoop {
    async fn run(&mut self, events: &mut CommandEvents, out: &Output) -> Result<(), Failure> {
        self.report_ready();
        let client = self.bot.client.clone();
        while self.left > 0 || !self.jobs.is_empty() {
            let accepts = self.left > 0 && self.jobs.len() < self.max_jobs;
            tokio::select! {
                event = events.next(), if accepts => self.on_event(event?).await?,
                Some(done) = self.jobs.join_next() => report(done, out).await?,
                news = client.next_history_notice() => {
                    print_notice(&view::history_notice(&news));
                }
            }
        }
        Ok(())
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        let message = match &event {
            Event::Message(message) => IncomingMessage::in_room(message)?,
            Event::Direct(direct) => IncomingMessage::direct(direct)?,
            Event::Joined { room, head } => {
                warn_if_new(room, *head);
                self.joining = self.joining.saturating_sub(1);
                self.report_ready();
                return Ok(());
            }
            Event::RoomReset { room, cause } => {
                let notice = format!("{room}: messages may be missing here: {cause}");
                print_notice(&text::one_line(&notice));
                return Ok(());
            }
            Event::Left { room } => {
                return Err(Failure::Other(format!("the hub removed this client from {room}")));
            }
            _ => return Ok(()),
        };
        let client = &self.bot.client;
        // Messages from before the block are skipped too.
        let blocked = client.is_blocked(&message.sender).await?;
        client.contacts_problem().iter().for_each(|problem| print_warning(problem));
        if message.sender != client.name() && !blocked {
            self.left -= 1;
            self.jobs.spawn(self.bot.clone().handle(message));
        } else if self.limited {
            // The inbox has counted it and accepts no other in its place.
            self.left -= 1;
        }
        Ok(())
    }

    fn report_ready(&self) {
        if self.joining > 0 {
            return;
        }
        let client = &self.bot.client;
        let rooms: Vec<String> = client.rooms().iter().map(ToString::to_string).collect();
        let mut sources = rooms.join(", ");
        if let Some(address) = client.direct_address() {
            let and = if sources.is_empty() { "" } else { ", and " };
            sources.push_str(&format!("{and}direct messages at {address}"));
        }
        print_notice(&format!("{} listens to {sources}", client.name()));
    }
}

async fn report(done: Result<ReplyResult, JoinError>, out: &Output) -> Result<(), Failure> {
    match done {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(SentReply::InRoom(posted)))) => out.only_json(&posted).await?,
        Ok(Ok(Some(SentReply::Direct(receipt)))) => out.only_json(&receipt).await?,
        Ok(Err(problem)) => print_warning(&text::one_line(&problem)),
        Err(lost) => print_warning(&format!("internal error: {lost}")),
    }
    Ok(())
}

/// What all messages are handled with.
struct Bot {
    client: Client,
    run: String,
    run_timeout: Duration,
    /// Settings of the bot, for chinwag commands that the command runs.
    environment: Vec<(&'static str, String)>,
}

impl Bot {
    async fn handle(self: Arc<Self>, message: IncomingMessage) -> ReplyResult {
        let about = |problem: String| format!("{message}: {problem}");
        let mut command = child::shell(&self.run);
        command.envs(self.environment.iter().cloned());
        command.envs(message.environment());
        let output =
            child::run(command, message.line.clone(), self.run_timeout).await.map_err(about)?;
        if output.is_empty() {
            return Ok(None);
        }
        let reply = Text::parse(output).map_err(|problem| about(format!("reply: {problem}")))?;
        let delivered = match &message.source {
            Source::Room(room) => self.post(room, reply).await.map(SentReply::InRoom),
            Source::Direct(_) => {
                self.client.send(&message.sender, reply).await.map(SentReply::Direct)
            }
        };
        let no_reply = |error: Error| about(format!("no reply: {}", failure::describe(&error)));
        delivered.map(Some).map_err(no_reply)
    }

    /// Posts a reply exactly once, retrying while the hub is away.
    async fn post(&self, room: &RoomName, reply: Text) -> Result<Posted> {
        let (id, started, mut pauses) = (MessageId::new(), Instant::now(), backoff::RECONNECT);
        loop {
            let posted = self.client.post(room.clone(), reply.clone()).id(id).unary().await;
            let may_retry = match &posted {
                Err(Error::HubUnreachable { .. }) => true,
                // Connected again, but not yet back in the room.
                Err(Error::Refused(refusal)) => {
                    refusal.is_shutdown()
                        || matches!(refusal.reason, Reason::NotJoined | Reason::SessionEnded)
                }
                _ => false,
            };
            if !may_retry || started.elapsed() > HUB_WAIT {
                return posted;
            }
            tokio::time::sleep(pauses.next_delay()).await;
        }
    }
}
