//! `chinwag chat`: talking in this terminal, a line at a time.
//!
//! [`input`] understands what is typed, [`state`] knows what to show of what happens; neither
//! knows of a terminal or a network. This file stands between them and the client, and `console`
//! between all of it and the terminal. Whatever takes time (a direct message, a post) is a task,
//! and what came of it is shown when it is there: typing never waits.

mod console;
mod editor;
mod state;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::{console::Console, state::State};
use super::{
    chat::{
        actions::{self, Done, NO_ROOM},
        help,
        input::{Input, Request},
    },
    commands::start,
    failure::Failure,
    options::Settings,
    output::complain,
    stdin,
    view::{self, Clock},
};
use crate::{
    client::{Client, Connection, Error, Event, Events, PeerChange, PeerWatch},
    model::{MAX_TEXT_BYTES, RoomName, Text},
};

/// How much may be under way before no more lines are read from a pipe.
const MAX_TASKS: usize = 256;

/// How long a pipe waits for the same.
const WAIT_FOR_PIPE: Duration = Duration::from_secs(10);

/// How long a person who leaves, or changes the room, has to wait for what is under way.
const WAIT_FOR_PERSON: Duration = Duration::from_secs(2);

/// Chats until the person leaves, the input ends, or a signal comes.
pub(super) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<(), Failure> {
    let mut options = settings.visible()?;
    options.rooms = settings.rooms.iter().map(|room| (room.clone(), actions::entering())).collect();
    let (client, mut events) = start(options, stop).await?;

    let mut console = Console::open(settings.home.typed_lines());
    let mut chat = Chat::new(client.clone(), settings.rooms.clone());
    chat.greet(settings.out_of_reach());
    let talk = chat.talk(&mut console, &mut events);
    let ended = stop.run_until_cancelled(talk).await.unwrap_or(Ok(()));
    // A person has seen what was not done, and a script has to be told; what is still under way
    // has no receipt.
    let undone = if console.is_edited() { 0 } else { chat.failed + chat.tasks.len() };
    console.stop_typing();
    let unsent = client.waiting();
    chat.tasks.abort_all();
    client.stop().await;
    chat.show_rest(&console, events).await;
    let closed = console.close().await;
    ended?;
    closed?;
    match unsent {
        0 if undone == 0 => Ok(()),
        0 => Err(Failure::Other(format!("lines that could not be carried out: {undone}"))),
        1 => Err(Failure::Other("your last message may not be posted: no receipt for it".into())),
        _ => Err(Failure::Other(format!(
            "your last {unsent} messages may not be posted: no receipt for them"
        ))),
    }
}

struct Chat {
    client: Client,
    state: State,
    /// What is under way.
    tasks: JoinSet<Done>,
    /// How many lines could not be obeyed.
    failed: usize,
    /// What waits to be shown.
    pending: VecDeque<String>,
    /// The task that decides where the next line goes, and how long the next line waits for it.
    moving: Option<(Id, Instant)>,
    /// The room that the prompt names, where there is a prompt.
    prompted: Option<RoomName>,
    /// Until when to wait for what is under way; `None` while lines are typed.
    leaving: Option<Instant>,
}

impl Chat {
    fn new(client: Client, rooms: Vec<RoomName>) -> Self {
        let state = State::new(client.name().clone(), rooms, Clock::local());
        let (tasks, pending) = (JoinSet::new(), VecDeque::new());
        let (moving, prompted, leaving) = (None, None, None);
        Self { client, state, tasks, failed: 0, pending, moving, prompted, leaving }
    }

    async fn talk(&mut self, console: &mut Console, events: &mut Events) -> Result<(), Failure> {
        self.state.blocked = actions::blocked(&self.client).await.unwrap_or_default();
        let mut watch = self.watch_peers().await;
        self.prompt(console, false);
        loop {
            if self.leaving.is_some_and(|until| self.may_leave(until)) {
                return Ok(());
            }
            // Nothing new is taken in while something waits to be shown, except for what is typed:
            // the line editor shows nothing between two lines.
            let calm = self.pending.is_empty();
            let open = self.leaving.is_none();
            let room_for_more = console.is_edited() || (calm && self.tasks.len() < MAX_TASKS);
            let free = room_for_more && self.moving.is_none();
            let moving_until = self.moving.map(|(_, until)| until);
            let shown = console.shown.clone();
            tokio::select! {
                room = shown.reserve(), if !calm => match (room, self.pending.pop_front()) {
                    (Ok(room), Some(block)) => room.send(block),
                    // Whoever read it has gone; closing tells why.
                    _ => return Ok(()),
                },
                line = console.typed.recv(), if open && free => self.typed(line, console).await?,
                event = events.next(), if calm => {
                    self.look_up(event.as_ref()).await;
                    self.happened(event)?;
                }
                change = next_change(&mut watch), if calm => self.show(|s| s.watch(change, Instant::now())),
                Some(done) = self.tasks.join_next_with_id(), if calm => self.ended(done, console),
                () = at(self.state.due()), if calm => self.show(State::settle),
                () = at(moving_until) => self.go_on(console),
                () = at(self.leaving) => {}
            }
        }
    }

    /// Shows what is left when the client has stopped: whoever sent a private message that was
    /// accepted holds a receipt for it.
    async fn show_rest(&mut self, console: &Console, mut events: Events) {
        while let Some(event) = events.next().await {
            if matches!(event, Event::Direct(_)) {
                self.show(|state| state.hear(&event, Instant::now()));
            }
        }
        for block in self.pending.drain(..) {
            if let Err(unseen) = console.shown.send_timeout(block, WAIT_FOR_PERSON).await {
                complain(&format!("nobody reads this any more: {}", unseen.into_inner()));
            }
        }
    }

    /// Looks whether somebody who speaks is blocked: that may have been said in another program.
    async fn look_up(&mut self, event: Option<&Event>) {
        if let Some(Event::Message(message)) = event
            && let Ok(blocked) = self.client.is_blocked(&message.sender).await
        {
            self.state.set_blocked(message.sender.clone(), blocked);
            self.client.contacts_problem().iter().for_each(|problem| self.say(problem));
        }
    }

    fn greet(&mut self, out_of_reach: Option<String>) {
        let (name, hub) = (self.client.name(), self.client.hub());
        self.say(&format!("{name} on {hub}; {}", self.reached_at()));
        out_of_reach.iter().for_each(|hint| self.say(hint));
        self.say("what you type goes to the room; /help lists the commands, /quit leaves");
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
                self.say(&format!("who comes and goes is not shown: {error}"));
                None
            }
        }
    }

    /// Lets the next line be typed, and remembers which room it seems to go to.
    fn prompt(&mut self, console: &Console, wipe: bool) {
        self.prompted = self.state.current().cloned();
        let room = self.prompted.as_ref().map_or("", |room| room.as_str());
        console.prompt(format!("{room}> "), wipe);
    }

    /// Deals with a typed line, or with the end of all lines.
    async fn typed(
        &mut self,
        line: Option<io::Result<stdin::Line>>,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let input = match line {
            Some(Ok(stdin::Line::Text(line))) => Input::parse(&line),
            Some(Ok(stdin::Line::TooLong)) => {
                Input::Mistake(format!("a text must not be longer than {MAX_TEXT_BYTES} bytes"))
            }
            Some(Err(error)) => {
                return Err(Failure::Other(format!("cannot read standard input: {error}")));
            }
            None => Input::Quit,
        };
        let wait = if console.is_edited() { WAIT_FOR_PERSON } else { WAIT_FOR_PIPE };
        let until = Instant::now() + wait;
        if input == Input::Quit {
            self.leaving = Some(until);
            console.stop_typing();
            return Ok(());
        }
        let wipe = self.comes_back(&input);
        match input {
            Input::Post(_) if console.is_edited() && self.is_elsewhere() => self.say_where(),
            Input::Ask(Request::Join(room)) if console.is_edited() && self.must_wait(&room) => {
                self.join_later(room);
            }
            input => self.obey(input, until).await?,
        }
        if self.moving.is_none() {
            self.prompt(console, wipe);
        }
        Ok(())
    }

    /// Lets the next line be typed, wherever that goes.
    fn go_on(&mut self, console: &Console) {
        self.moving = None;
        self.prompt(console, false);
    }

    /// Whether the line that was typed would go to another room than its prompt said: that one
    /// was lost meanwhile.
    fn is_elsewhere(&self) -> bool {
        self.prompted.as_ref() != self.state.current()
    }

    fn say_where(&mut self) {
        let meant = self.prompted.as_ref().map_or("no room", |room| room.as_str());
        self.say(&match self.state.current() {
            Some(now) => format!("not posted: you talked in {meant}, and now in {now}"),
            None => format!("not posted: you are in {meant} no more, and in no other room"),
        });
    }

    /// Whether a room cannot be joined before the hub is back.
    fn must_wait(&self, room: &RoomName) -> bool {
        self.state.hub_is_away() && !self.state.rooms().contains(room)
    }

    fn join_later(&mut self, room: RoomName) {
        self.say(&format!("{room} will be joined when the hub is back"));
        self.tasks.spawn(actions::run(self.client.clone(), Request::Join(room), None));
    }

    /// Whether what was typed will be shown as a line of its own, with its time: a post as it comes
    /// from the hub, a direct message with its receipt.
    fn comes_back(&self, input: &Input) -> bool {
        match input {
            Input::Post(_) => self.state.current().is_some() && !self.is_elsewhere(),
            Input::Ask(request) => {
                matches!(request, Request::Send { .. } | Request::SendTo { .. })
            }
            _ => false,
        }
    }

    async fn obey(&mut self, input: Input, until: Instant) -> Result<(), Failure> {
        match input {
            Input::Nothing | Input::Quit => {}
            Input::Mistake(problem) => self.fail(&problem),
            Input::Help => self.pending.push_back(help()),
            Input::ShowStatus => self.say_status(),
            Input::Post(text) => self.post(text).await?,
            Input::Ask(Request::Join(room)) if self.state.rooms().contains(&room) => {
                self.talk_in(room);
            }
            Input::Ask(request) => {
                let current = self.state.current().cloned();
                let moves = request.moves();
                let task = self.tasks.spawn(actions::run(self.client.clone(), request, current));
                self.moving = moves.then(|| (task.id(), until));
            }
        }
        Ok(())
    }

    async fn post(&mut self, text: Text) -> Result<(), Failure> {
        let Some(room) = self.state.current().cloned() else {
            self.fail(NO_ROOM);
            return Ok(());
        };
        self.tasks.spawn(actions::post(&self.client, room, text).await?);
        if self.state.hub_is_away() {
            self.say("the hub is away; what you say is kept and posted when it is back");
        }
        Ok(())
    }

    fn happened(&mut self, event: Option<Event>) -> Result<(), Failure> {
        match event {
            None => Err(Error::Stopped.into()),
            Some(Event::Ended { error }) => Err(error.into()),
            Some(event) => {
                self.show(|state| state.hear(&event, Instant::now()));
                Ok(())
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Done), JoinError>, console: &Console) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let awaited = self.moving.is_some_and(|(moving, _)| moving == id);
        match ended {
            // Lines are being typed to another room already, and go on going there.
            Ok((_, Done::Joined(room))) if !awaited => self.joined_late(room),
            ended => self.done(ended.map(|(_, done)| done)),
        }
        if awaited {
            self.go_on(console);
        }
    }

    fn done(&mut self, done: Result<Done, JoinError>) {
        let lines = match done {
            Ok(Done::Posted(posted)) => return self.state.stored(posted),
            Ok(Done::Joined(room)) => return self.talk_in(room),
            Ok(Done::Left(room)) => return self.show(|state| state.leave(&room)),
            Ok(Done::Blocked { name, blocked, said }) => {
                self.state.set_blocked(name, blocked);
                return self.say(&said);
            }
            Ok(Done::Said(said)) => return self.say(&said),
            Ok(Done::Failed(why)) => return self.fail(&why),
            Ok(Done::Messages(messages)) => {
                let shown =
                    messages.iter().filter(|said| !self.state.blocked.contains(&said.sender));
                shown.map(|message| self.state.message(message)).collect()
            }
            Ok(Done::Shown(lines)) => lines,
            Err(lost) => return self.fail(&format!("something went wrong: {lost}")),
        };
        match lines.is_empty() {
            true => self.say("there are none"),
            false => self.pending.push_back(lines.join("\n")),
        }
    }

    fn joined_late(&mut self, room: RoomName) {
        self.say(&format!("joined {room}; /join {room} to talk there"));
        self.state.be_in(&room);
    }

    fn talk_in(&mut self, room: RoomName) {
        self.say(&format!("talking in {room}"));
        self.state.talk_in(room);
    }

    fn say_status(&mut self) {
        let connection = match &*self.client.connection().borrow() {
            Connection::Connected { since, .. } => {
                format!("on {} since {}", self.client.hub(), self.state.clock.show(*since))
            }
            Connection::Lost { cause, retry_at } => {
                let wait = retry_at.saturating_duration_since(tokio::time::Instant::now());
                format!("the hub is gone: {cause}; trying again in {:.1} s", wait.as_secs_f32())
            }
            Connection::Stopped => "stopped".into(),
        };
        self.say(&connection);
        self.say(&self.reached_at());
        let rooms = self.state.rooms().iter().map(RoomName::as_str).collect::<Vec<_>>().join(", ");
        self.say(&match self.state.current() {
            Some(current) => format!("in {rooms}; talking in {current}"),
            None => "in no room".into(),
        });
        self.say(&match self.client.waiting() {
            0 => "everything you said is posted".into(),
            1 => "one of your messages waits for the hub".into(),
            waiting => format!("{waiting} of your messages wait for the hub"),
        });
    }

    fn say(&mut self, said: &str) {
        self.pending.push_back(view::notice(said));
    }

    /// Says why a line was not obeyed.
    fn fail(&mut self, why: &str) {
        self.failed += 1;
        self.say(why);
    }

    fn show(&mut self, heard: impl FnOnce(&mut State) -> Option<String>) {
        self.pending.extend(heard(&mut self.state));
    }

    /// Whether nothing is left to wait for, or the time for it is over.
    fn may_leave(&self, until: Instant) -> bool {
        let done = self.tasks.is_empty() && self.state.is_settled() && self.pending.is_empty();
        done || Instant::now() >= until
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
