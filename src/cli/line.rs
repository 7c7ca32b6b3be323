//! `chinwag chat` in line mode: on a terminal with a line editor, or from pipe to pipe.
//!
//! `chat/input.rs` parses what is typed and [`state`] decides which lines to show; neither knows a
//! terminal or a network. This file connects them with the client, and [`console`] with the terminal.
//! Whatever takes time, such as a direct message or a post, is a task whose result is shown once it is
//! known, so that typing never waits. What is said is sent in the order in which it was said: posts by
//! the client, and direct messages to one receiver one after the other. From a pipe, the next line waits
//! for every request.

mod console;
mod editor;
mod state;

use std::{
    collections::{HashMap, VecDeque},
    io,
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use self::{console::Console, state::ChatState};
use super::{
    chat::{
        actions::{self, ActionOutcome, NO_ROOM, POST_WAITS},
        help,
        hubs::{self, HubChoice, Visit, visit_each},
        input::{Input, Request},
        joined_rooms::JoinedRooms,
        link,
    },
    config::ProfileName,
    failure::{Failure, Result},
    options::Settings,
    output::print_warning,
    stdin,
    view::{self, Clock},
};
use crate::{
    client::{Client, Connection, Error, Event, Events, PeerChange, PeerWatch},
    model::{Endpoint, MessageId, Name, RoomName, Text},
};

/// The most unfinished tasks; with more, no lines are read from a pipe.
const MAX_TASKS: usize = 256;

/// How long to wait for unfinished tasks at the end of a pipe.
const PIPE_WAIT: Duration = Duration::from_secs(10);

/// How long to wait for the same with a user at a terminal, and for a change of room.
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
        Some(console) => console.close().await.map_err(Into::into),
        None => Ok(()),
    };
    if let Err(failure) = visited.and(closed) {
        left.unsent.iter().for_each(|unsent| print_warning(unsent));
        return Err(failure);
    }
    left.result()
}

/// What was not done when a hub was left.
#[derive(Default)]
struct Unfinished {
    /// Lines that could not be carried out.
    failed: usize,
    /// For each hub that has not acknowledged all posts, how many.
    unsent: Vec<String>,
}

impl Unfinished {
    fn add(&mut self, hub: &Endpoint, failed: usize, unsent: usize) {
        self.failed += failed;
        match unsent {
            0 => {}
            1 => self.unsent.push(format!(
                "your last message at {hub} may not be posted: the hub has not acknowledged it"
            )),
            unsent => self.unsent.push(format!(
                "your last {unsent} messages at {hub} may not be posted: the hub has not \
                 acknowledged them"
            )),
        }
    }

    fn result(self) -> Result<()> {
        match self.failed {
            _ if !self.unsent.is_empty() => Err(Failure::Other(self.unsent.join("; "))),
            0 => Ok(()),
            failed => Err(Failure::Other(format!("lines that could not be carried out: {failed}"))),
        }
    }
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
    if next.is_none() {
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
    /// The message to a peer who is away that Enter queues.
    offer: Option<(Name, MessageId, Text)>,
    /// Until when to wait for unfinished tasks at the end; `None` while lines are typed.
    leaving: Option<Instant>,
    settings: Settings,
    /// The hub to go to after leaving.
    next_hub: Option<ProfileName>,
}

impl Chat {
    fn new(client: Client, rooms: Vec<RoomName>, joined: JoinedRooms, settings: Settings) -> Self {
        let state = ChatState::new(client.name(), rooms, Clock::local());
        let (tasks, pending) = (JoinSet::new(), VecDeque::new());
        let (awaited, sending) = (None, HashMap::new());
        let (failed, prompted, leaving, next_hub) = (0, None, None, None);
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
        }
    }

    async fn run(&mut self, console: &mut Console, events: &mut Events) -> Result<()> {
        self.state.blocked = actions::blocked(&self.client).await.unwrap_or_default();
        let mut watch = self.watch_peers().await;
        self.prompt(console, false);
        loop {
            if self.leaving.is_some_and(|until| self.may_leave(until)) {
                return Ok(());
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
        self.notify(&format!("{name} on {hub}; {}", self.reached_at()));
        unreachable_hint.iter().for_each(|hint| self.notify(hint));
        self.notify("what you type goes to the room; /help lists the commands, /quit leaves");
    }

    fn reached_at(&self) -> String {
        if self.client.direct_address().is_none() {
            return "no direct messages come in".into();
        }
        let at: Vec<String> = self.client.advertised().iter().map(ToString::to_string).collect();
        format!("direct messages come in at {}", at.join(", "))
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

    /// Handles `/hub`. For a script, a hub that cannot be found is an error: its next lines are meant for
    /// that hub.
    fn choose_hub(&mut self, wanted: Option<&str>, is_edited: bool) -> Result<()> {
        match hubs::choose(&self.settings, wanted) {
            Ok(HubChoice::List(lines)) => self.pending.push_back(lines.join("\n")),
            Ok(HubChoice::Here(profile)) => self.notify(&format!("you are at {profile}")),
            Ok(HubChoice::Go(profile)) => self.next_hub = Some(profile),
            Err(problem) if is_edited || wanted.is_none() => self.report_failure(&problem),
            Err(problem) => return Err(Failure::Other(problem)),
        }
        Ok(())
    }

    /// Asks for the next line, and remembers the room in its prompt.
    fn prompt(&mut self, console: &Console, wipe: bool) {
        self.prompted = self.state.current().cloned();
        let room = self.prompted.as_ref().map_or("", |room| room.as_str());
        console.prompt(format!("{room}> "), wipe);
    }

    /// Handles a typed line, or the end of the input.
    async fn on_line(
        &mut self,
        line: Option<io::Result<stdin::InputLine>>,
        console: &mut Console,
    ) -> Result<()> {
        let offer = self.offer.take();
        let input = match line {
            Some(Ok(stdin::InputLine::Text(line)))
                if let Some((to, id, text)) = offer
                    && matches!(line.trim(), "" | "/queue") =>
            {
                self.tasks.spawn(actions::queue(self.client.clone(), to, id, text));
                Input::Nothing
            }
            Some(Ok(stdin::InputLine::Text(line))) => Input::parse(&line),
            Some(Ok(stdin::InputLine::Invalid(problem))) => Input::Invalid(problem),
            Some(Err(error)) => return Err(stdin::unreadable(&error)),
            None => Input::Quit,
        };
        if let Input::Hub(wanted) = &input {
            self.choose_hub(wanted.as_deref(), console.is_edited())?;
        }
        if input == Input::Quit || self.next_hub.is_some() {
            let wait = if console.is_edited() { TERMINAL_WAIT } else { PIPE_WAIT };
            self.leaving = Some(Instant::now() + wait);
            if self.next_hub.is_none() {
                console.stop_typing();
            }
            return Ok(());
        }
        let wipe = self.is_echoed(&input);
        match input {
            Input::Post(_) if console.is_edited() && self.room_has_changed() => self.report_moved(),
            Input::Ask(Request::Join(room)) if console.is_edited() && self.must_wait(&room) => {
                self.notify(&format!("{room} will be joined when the hub is back"));
                let join = actions::run(self.client.clone(), Request::Join(room), None);
                self.tasks.spawn(join);
            }
            input => self.execute(input, console.is_edited()).await?,
        }
        if self.awaited.is_none() {
            self.prompt(console, wipe);
        }
        Ok(())
    }

    /// Asks for the next line, whether or not the room has changed yet.
    fn resume_input(&mut self, console: &Console) {
        self.awaited = None;
        self.prompt(console, false);
    }

    /// Returns true if a typed line would go to another room than its prompt said, which was left.
    fn room_has_changed(&self) -> bool {
        self.prompted.as_ref() != self.state.current()
    }

    fn report_moved(&mut self) {
        let prompted = self.prompted.as_ref().map_or("no room", |room| room.as_str());
        self.notify(&match self.state.current() {
            Some(now) => {
                format!("not posted: the current room has changed from {prompted} to {now}")
            }
            None => format!("not posted: you are no longer in {prompted}, and in no other room"),
        });
    }

    /// Returns true if a room cannot be joined before the hub is back.
    fn must_wait(&self, room: &RoomName) -> bool {
        self.state.is_offline() && !self.state.rooms().contains(room)
    }

    /// Returns true if the input will appear as a line of its own: a post once it comes from the hub, a
    /// direct message once it has a receipt.
    fn is_echoed(&self, input: &Input) -> bool {
        match input {
            Input::Post(_) => self.state.current().is_some() && !self.room_has_changed(),
            Input::Ask(request) => {
                matches!(request, Request::Send { .. } | Request::SendTo { .. })
            }
            _ => false,
        }
    }

    async fn execute(&mut self, input: Input, is_edited: bool) -> Result<()> {
        match input {
            // Done before.
            Input::Nothing | Input::Quit | Input::Hub(_) => {}
            Input::Invalid(problem) => self.report_failure(&problem),
            Input::Help => self.pending.push_back(help()),
            Input::ShowStatus => self.show_status(),
            Input::Theme(_) => self.report_failure("a theme is for the full screen"),
            Input::OnScreen(_) => self.report_failure("this command is for the full screen"),
            Input::Post(text) => self.post(text).await?,
            Input::Ask(Request::Join(room)) if self.state.rooms().contains(&room) => {
                self.switch_to(room);
            }
            Input::Ask(request) => {
                let current = self.state.current().cloned();
                if let Request::Leave(room) = &request
                    && let Some(room) = room.as_ref().or(current.as_ref())
                {
                    let forgotten = self.joined.remove(room);
                    self.report_forgetful(forgotten);
                }
                let waits = request.changes_room() || !is_edited;
                let task = self.in_order(request);
                let id = self.tasks.spawn(task).id();
                self.awaited =
                    waits.then(|| (id, is_edited.then(|| Instant::now() + TERMINAL_WAIT)));
            }
        }
        Ok(())
    }

    /// Returns the task of a request. A direct message begins once the one before it to the same
    /// receiver is done.
    fn in_order(&mut self, request: Request) -> impl Future<Output = ActionOutcome> + Send + use<> {
        let current = self.state.current().cloned();
        self.sending.retain(|_, last| last.try_recv() == Err(TryRecvError::Empty));
        let (done, next) = oneshot::channel();
        let last = receiver(&request).and_then(|to| self.sending.insert(to, next));
        let task = actions::run(self.client.clone(), request, current);
        async move {
            if let Some(last) = last {
                // Errors once that task has dropped its end.
                let _ = last.await;
            }
            let outcome = task.await;
            drop(done);
            outcome
        }
    }

    async fn post(&mut self, text: Text) -> Result<()> {
        let Some(room) = self.state.current().cloned() else {
            self.report_failure(NO_ROOM);
            return Ok(());
        };
        self.tasks.spawn(actions::post(&self.client, room, text).await?);
        if self.state.is_offline() {
            self.notify(POST_WAITS);
        }
        Ok(())
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
                self.notify(&format!("joined {room}; /join {room} to talk there"));
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
            Ok(ActionOutcome::Away { to, id, text, why }) => {
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
        self.notify(&self.reached_at());
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

    fn report_forgetful(&mut self, remembered: io::Result<()>) {
        if let Err(error) = remembered {
            self.notify(&format!("the next chat will not know your rooms: {error}"));
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

/// Returns who a direct message is for; `None` for other requests.
fn receiver(request: &Request) -> Option<String> {
    match request {
        Request::Send { to, .. } | Request::Queue { to, .. } => Some(to.to_string()),
        Request::SendTo { to, .. } => Some(to.to_string()),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_that_may_be_lost_are_reported_with_their_hub() {
        let mut left = Unfinished::default();
        let hub = |raw| Endpoint::parse(raw).unwrap();
        left.add(&hub("here.example:1"), 0, 1);
        left.add(&hub("work.example:1"), 0, 0);
        left.add(&hub("den.example:1"), 1, 2);
        let Err(Failure::Other(report)) = left.result() else { panic!("nothing is reported") };
        assert!(report.starts_with("your last message at here.example:1 may"), "{report}");
        assert!(report.contains("; your last 2 messages at den.example:1 may"), "{report}");
        assert!(!report.contains("work.example"), "{report}");
    }
}
