//! `chinwag chat` in line mode: on a terminal with a line editor, or from pipe to pipe.
//!
//! `chat/input.rs` parses what is typed and [`state`] decides which lines to show; neither knows a
//! terminal or a network. This file and [`input`] connect them with the client, and [`console`] with
//! the terminal. Whatever takes time, such as a direct message or a post, is a task whose result is
//! shown once it is known, so that typing never waits. What is said is sent in the order in which it
//! was said: posts by the client, and direct messages to one receiver one after the other. From a
//! pipe, the next line waits for every request.

mod console;
mod editor;
mod input;
mod state;
mod unfinished;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use self::{
    console::Console,
    state::ChatState,
    unfinished::{Unfinished, count_rest},
};
use super::{
    chat::{
        actions::{self, ActionOutcome},
        hubs::{Visit, visit_each},
        input::Request,
        joined_rooms::JoinedRooms,
        link,
    },
    config::ProfileName,
    failure::{Failure, Result},
    options::Settings,
    output::print_warning,
    view::{self, Clock},
};
use crate::{
    client::{Client, Connection, Error, Event, Events, PeerChange, PeerWatch},
    model::{MessageId, Name, RoomName, Text},
};

/// The most unfinished tasks; with more, no lines are read from a pipe.
const MAX_TASKS: usize = 256;

/// How long a user at a terminal waits for unfinished tasks at the end, and for a change of room.
const TERMINAL_WAIT: Duration = Duration::from_secs(2);

/// Chats until the user leaves, the input ends, or a signal comes.
pub(super) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let options = |settings: &Settings| {
        let mut options = settings.visible()?;
        let rooms = JoinedRooms::load(settings).at_start(settings);
        options.rooms = rooms.into_iter().map(|room| (room, actions::start_position())).collect();
        Ok(options)
    };
    let (mut console, mut left) = (None, Unfinished::default());
    let visited = visit_each(settings, options, stop, async |visit| {
        let typed = || visit.settings.writable(visit.settings.home.input_history());
        // One console for all hubs: further lines may have been read already.
        let console = console.get_or_insert_with(|| Console::open(typed()));
        at_hub(visit, console, &mut left, stop).await
    })
    .await;
    let closed: Result<()> = match console {
        Some(mut console) => {
            if visited.is_err() && !console.is_edited() {
                let not_run = count_rest(&mut console).await;
                not_run.iter().for_each(|not_run| print_warning(not_run));
            }
            console.close().await.map_err(Into::into)
        }
        None => Ok(()),
    };
    if let Err(failure) = visited.and(closed) {
        left.unsent.iter().for_each(|unsent| print_warning(unsent));
        return Err(failure);
    }
    left.result()
}

/// Chats at one hub, until the user leaves it. Returns the hub to go to, if there is one. What was not
/// done is added to `left`.
async fn at_hub(
    visit: Visit,
    console: &mut Console,
    left: &mut Unfinished,
    stop: &CancellationToken,
) -> Result<Option<ProfileName>> {
    let Visit { settings, client, mut events, problem } = visit;
    let joined = JoinedRooms::load(&settings);
    let hint = settings.unreachable_hint();
    let mut chat = Chat::new(client.clone(), joined.at_start(&settings), joined, settings);
    chat.show_greeting(hint);
    problem.iter().for_each(|problem| chat.notify(problem));
    let running = chat.run(console, &mut events);
    let result = stop.run_until_cancelled(running).await.unwrap_or(Ok(()));
    // A user at a terminal has seen what failed; a script learns it from the exit code. Unfinished
    // tasks have no receipt and count as failed.
    let failed = if console.is_edited() { 0 } else { chat.failed + chat.tasks.len() };
    let next = chat.next_hub.take();
    // After an error on a pipe, the lines that are not run are still to be counted.
    if next.is_none() && (result.is_ok() || console.is_edited()) {
        console.stop_typing();
    }
    left.add(client.hub(), failed, client.waiting());
    chat.tasks.abort_all();
    client.stop().await;
    chat.show_rest(console, events).await;
    result?;
    Ok(next)
}

struct Chat {
    client: Client,
    state: ChatState,
    tasks: JoinSet<ActionOutcome>,
    /// How many lines could not be carried out.
    failed: usize,
    /// Blocks of lines that wait to be shown.
    pending: VecDeque<String>,
    /// The task that the next line waits for, and until when; without a time, until its end.
    awaited: Option<(Id, Option<Instant>)>,
    /// The receivers of direct messages, each with the end of the last task that sends to it.
    sending: HashMap<String, oneshot::Receiver<()>>,
    prompted: Option<RoomName>,
    joined: JoinedRooms,
    /// The message to a peer who cannot be reached that Enter queues.
    offer: Option<(Name, MessageId, Text)>,
    /// Until when to wait for unfinished tasks at the end; `None` while lines are typed.
    leaving: Option<Instant>,
    settings: Settings,
    /// The hub to go to after leaving.
    next_hub: Option<ProfileName>,
    /// Why the chat ends, if not because the user leaves.
    failure: Option<Failure>,
}

impl Chat {
    fn new(client: Client, rooms: Vec<RoomName>, joined: JoinedRooms, settings: Settings) -> Self {
        let state = ChatState::new(client.name(), rooms, Clock::local());
        let (tasks, pending) = (JoinSet::new(), VecDeque::new());
        let (awaited, sending) = (None, HashMap::new());
        let (failed, prompted, leaving, next_hub, failure) = (0, None, None, None, None);
        Self {
            client,
            state,
            tasks,
            failed,
            pending,
            awaited,
            sending,
            prompted,
            joined,
            offer: None,
            leaving,
            settings,
            next_hub,
            failure,
        }
    }

    async fn run(&mut self, console: &mut Console, events: &mut Events) -> Result<()> {
        self.state.blocked = actions::blocked(&self.client).await.unwrap_or_default();
        let mut watch = self.watch_peers().await;
        self.prompt(console, false);
        loop {
            if self.leaving.is_some_and(|until| self.may_leave(until)) {
                return self.failure.take().map_or(Ok(()), Err);
            }
            // While lines wait to be shown, only typed lines are handled: the line editor shows
            // nothing between two lines.
            let idle = self.pending.is_empty();
            let open = self.leaving.is_none();
            let accepts_lines = console.is_edited() || (idle && self.tasks.len() < MAX_TASKS);
            let free = accepts_lines && self.awaited.is_none();
            let awaited_until = self.awaited.and_then(|(_, until)| until);
            let shown = console.shown.clone();
            tokio::select! {
                room = shown.reserve(), if !idle => match (room, self.pending.pop_front()) {
                    (Ok(room), Some(block)) => room.send(block),
                    // The reader is gone; closing the console returns why.
                    _ => return Ok(()),
                },
                line = console.typed.recv(), if open && free => self.on_line(line, console).await?,
                event = events.next(), if idle => {
                    self.refresh_blocked(event.as_ref()).await;
                    self.on_event(event)?;
                }
                change = next_change(&mut watch), if idle => self.show(|s| s.on_peer_change(change, Instant::now())),
                Some(ended) = self.tasks.join_next_with_id(), if idle => self.on_task_end(ended, console),
                news = self.client.next_history_notice(), if idle => {
                    self.notify(&view::history_notice(&news));
                }
                () = at(self.state.due()), if idle => self.show(ChatState::settle),
                () = at(awaited_until) => self.resume_input(console),
                () = at(self.leaving) => {}
            }
        }
    }

    /// Shows what is left after the client has stopped: senders have receipts for these messages.
    async fn show_rest(&mut self, console: &Console, mut events: Events) {
        while let Some(event) = events.next().await {
            if matches!(event, Event::Direct(_)) {
                self.show(|state| state.on_event(&event, Instant::now()));
            }
        }
        for block in self.pending.drain(..) {
            if let Err(unseen) = console.shown.send_timeout(block, TERMINAL_WAIT).await {
                print_warning(&format!("not shown, since nobody reads: {}", unseen.into_inner()));
            }
        }
    }

    /// Updates whether the sender of a message is blocked: another program may have changed that.
    async fn refresh_blocked(&mut self, event: Option<&Event>) {
        if let Some(Event::Message(message)) = event
            && let Ok(blocked) = self.client.is_blocked(&message.sender).await
        {
            self.state.set_blocked(message.sender.clone(), blocked);
            self.client.contacts_problem().iter().for_each(|problem| self.notify(problem));
        }
    }

    fn show_greeting(&mut self, unreachable_hint: Option<String>) {
        let (name, hub) = (self.client.name(), self.client.hub());
        self.notify(&format!("{name} on {hub}; {}", link::reached_at(&self.client)));
        unreachable_hint.iter().for_each(|hint| self.notify(hint));
        self.notify("what you type goes to the room; /help lists the commands, /quit leaves");
    }

    async fn watch_peers(&mut self) -> Option<PeerWatch> {
        match self.client.watch_peers().await {
            Ok(watch) => Some(watch),
            Err(error) => {
                self.notify(&format!("peers that come and go are not shown: {error}"));
                None
            }
        }
    }

    fn on_event(&mut self, event: Option<Event>) -> Result<()> {
        match event {
            None => Err(Error::Stopped.into()),
            Some(Event::Ended { error }) => Err(error.into()),
            Some(event) => {
                if let Event::Joined { room, .. } = &event {
                    let remembered = self.joined.add(room);
                    self.report_forgetful(remembered);
                }
                self.show(|state| state.on_event(&event, Instant::now()));
                Ok(())
            }
        }
    }

    fn on_task_end(&mut self, ended: Result<(Id, ActionOutcome), JoinError>, console: &Console) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let awaited = self.awaited.is_some_and(|(awaited, _)| awaited == id);
        match ended {
            // Lines are already being typed to another room, which stays the current one.
            Ok((_, ActionOutcome::Joined(room))) if !awaited => {
                self.notify(&actions::joined_elsewhere(&room));
                self.state.add_room(&room);
            }
            ended => self.on_outcome(ended.map(|(_, outcome)| outcome), console.is_edited()),
        }
        if awaited {
            self.resume_input(console);
        }
    }

    fn on_outcome(&mut self, outcome: Result<ActionOutcome, JoinError>, is_edited: bool) {
        let lines = match outcome {
            Ok(ActionOutcome::Posted(posted)) => return self.state.stored(posted),
            Ok(ActionOutcome::Joined(room)) => return self.switch_to(room),
            Ok(ActionOutcome::Left(room)) => return self.show(|state| state.leave(&room)),
            Ok(ActionOutcome::Blocked { name, blocked, notice }) => {
                self.state.set_blocked(name, blocked);
                return self.notify(&notice);
            }
            Ok(ActionOutcome::Notice(notice) | ActionOutcome::Forgotten { notice, .. }) => {
                return self.notify(&notice);
            }
            Ok(ActionOutcome::Failed(why)) => return self.report_failure(&why),
            Ok(ActionOutcome::Unreachable { to, id, text, why }) => {
                self.report_failure(&why);
                // A script presses no Enter.
                if is_edited {
                    self.notify(&format!("Enter or /queue keeps it until {to} is back"));
                    self.offer = Some((to, id, text));
                }
                return;
            }
            Ok(ActionOutcome::Messages(messages)) => {
                let shown =
                    messages.iter().filter(|message| !self.state.blocked.contains(&message.sender));
                shown.map(|message| self.state.message(message)).collect()
            }
            Ok(ActionOutcome::Shown(lines)) => lines,
            Err(lost) => return self.report_failure(&format!("internal error: {lost}")),
        };
        match lines.is_empty() {
            true => self.notify("there are none"),
            false => self.pending.push_back(lines.join("\n")),
        }
    }

    fn switch_to(&mut self, room: RoomName) {
        self.notify(&format!("talking in {room}"));
        self.state.switch_to(room);
    }

    fn show_status(&mut self) {
        let connection = match &*self.client.connection().borrow() {
            Connection::Connected { since, .. } => {
                format!("on {} since {}", self.client.hub(), self.state.clock.show(*since))
            }
            Connection::Lost { cause, retry_at } => {
                let wait = retry_at.saturating_duration_since(tokio::time::Instant::now());
                let (hub, wait) = (self.client.hub(), wait.as_secs_f32());
                format!("{hub} is unreachable: {cause}; trying again in {wait:.1} s")
            }
            Connection::Stopped => "stopped".into(),
        };
        self.notify(&connection);
        self.notify(&link::reached_at(&self.client));
        link::lines(&self.client).iter().for_each(|line| self.notify(line));
        let rooms = self.state.rooms().iter().map(RoomName::as_str).collect::<Vec<_>>().join(", ");
        self.notify(&match self.state.current() {
            Some(current) => format!("in {rooms}; talking in {current}"),
            None => "in no room".into(),
        });
        self.notify(&match self.client.waiting() {
            0 => "all your messages are posted".into(),
            1 => "one of your messages waits for the hub".into(),
            waiting => format!("{waiting} of your messages wait for the hub"),
        });
        self.tasks.spawn(actions::run(self.client.clone(), Request::Conversations, None));
    }

    fn notify(&mut self, text: &str) {
        self.pending.push_back(view::notice(text));
    }

    fn report_forgetful(&mut self, remembered: Result<(), String>) {
        if let Err(problem) = remembered {
            self.notify(&problem);
        }
    }

    /// Shows why a line could not be carried out.
    fn report_failure(&mut self, why: &str) {
        self.failed += 1;
        self.notify(why);
    }

    fn show(&mut self, update: impl FnOnce(&mut ChatState) -> Option<String>) {
        self.pending.extend(update(&mut self.state));
    }

    /// Returns true if everything is finished, or the time to wait is over.
    fn may_leave(&self, until: Instant) -> bool {
        let is_done = self.tasks.is_empty() && self.state.is_settled() && self.pending.is_empty();
        is_done || Instant::now() >= until
    }
}

async fn next_change(watch: &mut Option<PeerWatch>) -> PeerChange {
    if let Some(watch) = watch
        && let Some(change) = watch.next().await
    {
        return change;
    }
    std::future::pending().await
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}
