//! `chinwag on --run CMD`: a command for every message; what it prints is the answer.
//!
//! No more messages are taken in than commands may run. The rest waits at the hub, and 256 direct
//! messages in the inbox, after which their senders are told that it is full: a slow bot costs
//! neither memory nor messages. Therefore an answer must not wait for the stream on which messages
//! come: it is posted by a call of its own.

mod child;
mod heard;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::heard::{Heard, Place};
use super::{CommandEvents, start};
use crate::{
    backoff,
    cli::{
        failure::{self, Failure},
        options::Settings,
        output::{Output, complain, tell},
        values::duration,
    },
    client::{Client, Error, Event, Result},
    error::Reason,
    model::{MessageId, Posted, Receipt, RoomName, Start, Text},
    text,
};

/// How long a command may take unless something else is said.
const RUN_TIMEOUT: &str = "60s";

/// How long an answer waits for a hub that is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the help of the command ends with.
pub(in crate::cli) const ABOUT_RUN: &str = "\
`sh -c` runs the command once for each message from somebody else, in the rooms or direct.
Standard input is the message as one JSON line, as `tail --json` and `listen --json` print it. The
environment has MESSAGE_TYPE (message or direct), MESSAGE_ROOM, MESSAGE_SENDER, MESSAGE_STANDING,
MESSAGE_ID and MESSAGE_TEXT. CHINWAG_HUB and CHINWAG_NAME are set too, so that chinwag commands
inside it act as the same peer. Quote messages in the shell, \"$MESSAGE_TEXT\", and never eval them.

The output of the command is the reply: to the room, or to the sender of a direct message. Without
output, or if the command fails, there is no reply. Two bots that reply to every message keep
replying to each other: reply only to messages that are meant for your bot.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Command to run with `sh -c`
    #[arg(long, value_name = "CMD")]
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
    /// Print one JSON object per reply, once it is delivered
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    if args.direct_only && settings.direct.is_none() {
        return Err(Failure::Usage("--direct-only and --no-direct leave nothing to hear".into()));
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
    let out = Output::new(args.json);
    let mut happenings = CommandEvents::new(events);
    let bot = Arc::new(Bot {
        environment: heard::environment(settings),
        client: client.clone(),
        run: args.run,
        run_timeout: args.run_timeout,
    });
    let mut answering = Answering {
        bot,
        joining,
        left: args.count.unwrap_or(u64::MAX),
        limited: args.direct_only && args.count.is_some(),
        most: args.jobs.get(),
        jobs: JoinSet::new(),
    };
    let answered = stop.run_until_cancelled(answering.go_on(&mut happenings, &out)).await;
    // Whatever still runs is killed.
    drop(answering);
    client.stop().await;
    tell_rest(happenings).await;
    let written = out.close(stop).await;
    match answered.unwrap_or(Err(Failure::Interrupted)) {
        done @ (Ok(()) | Err(Failure::Interrupted)) => written.and(done),
        failed => failed,
    }
}

/// Says how many messages nobody will answer whose senders hold a receipt. What they keep is
/// answered the next time.
async fn tell_rest(happenings: CommandEvents) {
    let unheard = happenings.events.discard().await;
    if unheard > 0 {
        complain(&format!("direct messages that came in and were not run: {unheard}"));
    }
}

/// The loop: messages in, commands, answers out.
struct Answering {
    bot: Arc<Bot>,
    /// How many rooms are not joined yet.
    joining: usize,
    /// How many messages are still wanted.
    left: u64,
    /// Whether the inbox takes no more than those.
    limited: bool,
    /// The most commands at a time.
    most: usize,
    jobs: JoinSet<Done>,
}

/// What came of a message: where its answer went, if it had one, or why not.
type Done = Result<Option<Answered>, String>;

enum Answered {
    InRoom(Posted),
    Directly(Receipt),
}

impl Answering {
    async fn go_on(&mut self, happenings: &mut CommandEvents, out: &Output) -> Result<(), Failure> {
        self.say_ready();
        while self.left > 0 || !self.jobs.is_empty() {
            let wanted = self.left > 0 && self.jobs.len() < self.most;
            tokio::select! {
                event = happenings.next(), if wanted => self.hear(event?).await?,
                Some(done) = self.jobs.join_next() => report(done, out).await?,
            }
        }
        Ok(())
    }

    async fn hear(&mut self, event: Event) -> Result<(), Failure> {
        let heard = match &event {
            Event::Message(message) => Heard::said(message)?,
            Event::Direct(direct) => Heard::direct(direct)?,
            Event::Joined { .. } => {
                self.joining = self.joining.saturating_sub(1);
                self.say_ready();
                return Ok(());
            }
            Event::RoomReset { room, cause } => {
                let said = format!("{room}: messages may be missing here: {cause}");
                tell(&text::one_line(&said));
                return Ok(());
            }
            Event::Left { room } => {
                return Err(Failure::Other(format!("the hub took this client out of {room}")));
            }
            _ => return Ok(()),
        };
        let client = &self.bot.client;
        // Also what they had said before they were blocked.
        let blocked = client.is_blocked(&heard.sender).await?;
        client.contacts_problem().iter().for_each(|problem| complain(problem));
        if heard.sender != *client.name() && !blocked {
            self.left -= 1;
            self.jobs.spawn(self.bot.clone().answer(heard));
        } else if self.limited {
            // The inbox has counted it, and takes nothing in its place.
            self.left -= 1;
        }
        Ok(())
    }

    fn say_ready(&self) {
        if self.joining > 0 {
            return;
        }
        let client = &self.bot.client;
        let rooms: Vec<String> = client.rooms().iter().map(ToString::to_string).collect();
        let mut hears = rooms.join(", ");
        if let Some(address) = client.direct_address() {
            let and = if hears.is_empty() { "" } else { ", and " };
            hears.push_str(&format!("{and}direct messages at {address}"));
        }
        tell(&format!("{} hears {hears}", client.name()));
    }
}

async fn report(done: Result<Done, JoinError>, out: &Output) -> Result<(), Failure> {
    match done {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(Answered::InRoom(posted)))) => out.only_json(&posted).await?,
        Ok(Ok(Some(Answered::Directly(receipt)))) => out.only_json(&receipt).await?,
        Ok(Err(problem)) => complain(&text::one_line(&problem)),
        Err(lost) => complain(&format!("something went wrong: {lost}")),
    }
    Ok(())
}

/// What every message meets.
struct Bot {
    client: Client,
    run: String,
    run_timeout: Duration,
    /// Who the bot is, for the chinwag commands that its command runs.
    environment: Vec<(&'static str, String)>,
}

impl Bot {
    async fn answer(self: Arc<Self>, heard: Heard) -> Done {
        let about =
            |problem: String| format!("what {} said {}: {problem}", heard.sender, heard.place);
        let mut command = child::shell(&self.run);
        command.envs(self.environment.iter().cloned());
        command.envs(heard.environment());
        let said =
            child::run(command, heard.line.clone(), self.run_timeout).await.map_err(about)?;
        if said.is_empty() {
            return Ok(None);
        }
        let answer =
            Text::parse(said).map_err(|problem| about(format!("its answer: {problem}")))?;
        let delivered = match &heard.place {
            Place::Room(room) => self.post(room, answer).await.map(Answered::InRoom),
            Place::Direct(_) => {
                self.client.send(&heard.sender, answer).await.map(Answered::Directly)
            }
        };
        let unanswered = |error: Error| about(format!("no answer: {}", failure::describe(&error)));
        delivered.map(Some).map_err(unanswered)
    }

    /// Posts an answer once, also while the hub is away for a moment.
    async fn post(&self, room: &RoomName, answer: Text) -> Result<Posted> {
        let (id, begun, mut pauses) = (MessageId::new(), Instant::now(), backoff::RECONNECT);
        loop {
            let posted = self.client.post(room.clone(), answer.clone()).id(id).unary().await;
            let again = match &posted {
                Err(Error::HubUnreachable { .. }) => true,
                // Back on the hub, and not back in the room yet.
                Err(Error::Refused(refusal)) => {
                    refusal.is_shutdown()
                        || matches!(refusal.reason, Reason::NotJoined | Reason::SessionEnded)
                }
                _ => false,
            };
            if !again || begun.elapsed() > PATIENCE {
                return posted;
            }
            tokio::time::sleep(pauses.next_delay()).await;
        }
    }
}
