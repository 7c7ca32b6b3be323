//! The loop of the full screen: whatever happens goes to the state, what the state orders is carried
//! out, and what has changed is drawn, at most every [`FRAME`].

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{Event as Typed, KeyCode};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    state::{Command, Now, State},
    talks::{Talks, Told},
    tasks::Tasks,
    term::Screen,
    view,
};
use crate::{
    cli::{chat::typed, failure::Failure},
    client::{Client, Connection, Event, Events, PeerChange, PeerWatch, Unseen},
    error::Error,
};

/// The shortest time from one frame to the next: sixty a second are all that anybody sees.
const FRAME: Duration = Duration::from_millis(16);

/// How often time itself may change what is shown.
const TICK: Duration = Duration::from_secs(1);

/// Makes F12 panic, in builds for tests: `CHINWAG_TEST_PANIC=1`. Only so can be shown that the
/// terminal comes back.
const TEST_PANIC: &str = "CHINWAG_TEST_PANIC";

/// The full screen and all that it stands between.
pub(super) struct App {
    pub(super) state: State,
    client: Client,
    unseen: Unseen,
    screen: Screen,
    keys: mpsc::Receiver<io::Result<Typed>>,
    tasks: Tasks,
    talks: Talks,
    /// The file with the typed lines.
    typed: PathBuf,
    /// Why the client has ended.
    ended: Option<Error>,
    /// Whether the client may tell more.
    tells: bool,
    drawn: Instant,
    dirty: bool,
}

impl App {
    pub(super) fn new(
        state: State,
        client: Client,
        unseen: Unseen,
        screen: Screen,
        keys: mpsc::Receiver<io::Result<Typed>>,
        typed: PathBuf,
    ) -> Self {
        Self {
            state,
            tasks: Tasks::new(client.clone()),
            talks: Talks::new(client.clone()),
            client,
            unseen,
            screen,
            keys,
            typed,
            ended: None,
            tells: true,
            drawn: Instant::now(),
            dirty: true,
        }
    }

    /// Runs until the person leaves, or somebody wants the program to end. Returns why the client has
    /// ended, where it has.
    pub(super) async fn run(
        &mut self,
        events: &mut Events,
        stop: &CancellationToken,
    ) -> Result<Option<Error>, Failure> {
        let mut watch = Watching::of(self.client.clone());
        let mut connection = self.client.connection();
        self.state.connection(&connection.borrow_and_update().clone());
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if self.carry_out().await? {
                return Ok(self.ended.take());
            }
            self.draw()?;
            // Only a frame shows what of the history is wanted.
            if self.state.has_orders() {
                continue;
            }
            let due = self.drawn + FRAME;
            let (wants, ready) = (self.dirty, self.screen.is_ready());
            let readiness = self.screen.readiness();
            let tells = self.tells;
            tokio::select! {
                () = stop.cancelled() => return Ok(self.ended.take()),
                asked = self.screen.asked() => {
                    self.screen.obey(asked).await?;
                    self.dirty = true;
                }
                key = self.keys.recv() => self.typed(key)?,
                event = events.next(), if tells => self.heard(event),
                change = watch.next() => self.watched(change),
                outcome = self.tasks.next() => self.change(|state, now| state.done(outcome, now)),
                Some(told) = self.talks.told.recv() => self.change(|state, now| state.told(told, now)),
                Ok(()) = connection.changed() => self.connection(&mut connection),
                _ = tick.tick() => self.ticked(),
                () = tokio::time::sleep_until(due.into()), if wants && ready => {}
                () = readiness, if wants && !ready => {}
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut State, Now)) {
        change(&mut self.state, Now::here());
        self.dirty = true;
    }

    fn heard(&mut self, event: Option<Event>) {
        match event {
            None => {
                self.tells = false;
                if self.ended.is_none() {
                    self.end(Error::Stopped);
                }
            }
            Some(Event::Ended { error }) => self.end(error),
            Some(event) => {
                if let Event::Conversation { line, event } = &event {
                    self.talks.theirs(line, event);
                }
                self.change(|state, now| state.hear(event, now));
            }
        }
    }

    fn end(&mut self, error: Error) {
        self.change(|state, now| state.ended(&error, now));
        self.ended = Some(error);
    }

    fn watched(&mut self, change: Result<PeerChange, Error>) {
        self.change(|state, now| match change {
            Ok(change) => state.watch(change, now),
            Err(error) => {
                state.say(&format!("who comes and goes is not shown: {error}"), true, now);
            }
        });
    }

    fn ticked(&mut self) {
        let now = Now::here();
        self.dirty |= self.state.tick(now);
        self.state.order_history(now);
        self.state.order_files();
    }

    fn connection(&mut self, connection: &mut watch::Receiver<Connection>) {
        let now = connection.borrow_and_update().clone();
        self.change(|state, _| state.connection(&now));
    }

    fn typed(&mut self, typed: Option<io::Result<Typed>>) -> Result<(), Failure> {
        let typed = match typed {
            Some(typed) => typed?,
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        };
        if cfg!(debug_assertions) {
            panic_for_a_test(&typed);
        }
        self.change(|state, now| state.terminal(typed, now));
        Ok(())
    }

    /// Draws, if something has changed, the last frame is old enough and the terminal has taken it.
    fn draw(&mut self) -> Result<(), Failure> {
        if !self.dirty || self.drawn.elapsed() < FRAME || !self.screen.is_ready() {
            return Ok(());
        }
        let (state, now) = (&mut self.state, Now::here());
        self.screen.draw(|frame| view::draw(state, now, frame))?;
        self.drawn = Instant::now();
        self.dirty = false;
        // Only now is it known how much of the history is in sight.
        self.state.look();
        self.state.order_history(now);
        Ok(())
    }

    /// Does what the state orders; true: leave.
    async fn carry_out(&mut self) -> Result<bool, Failure> {
        for command in self.state.take() {
            match command {
                Command::Quit => return Ok(true),
                Command::Post { id, room, text } => self.tasks.post(id, room, text).await,
                Command::Say { id, to, text } => {
                    if !self.talks.say(&to, id, text) {
                        let what = "too much is waiting to be said".to_owned();
                        let error = Error::LimitReached { what, retry_after: None };
                        self.change(|state, now| state.told(Told::failed(to, id, error), now));
                    }
                }
                Command::Remember(line) => self.remember(&line),
                Command::Bell => self.screen.ring()?,
                Command::Redraw => self.screen.forget()?,
                Command::Suspend => self.screen.suspend().await?,
                Command::Open(peer) => self.talks.open(&peer),
                Command::Looked { from, ids } => {
                    // Not beside the loop: whoever leaves now has seen it all the same.
                    for id in ids {
                        self.unseen.seen(&from, id).await;
                    }
                }
                Command::MarkRead { to, id } => self.talks.mark_read(&to, id),
                Command::Typing { to, active } => self.talks.typing(&to, active),
                Command::Queue { id, to, text } => self.tasks.queue(id, to, text),
                Command::Ask { request, room } => self.tasks.ask(request, room),
                Command::Page { room, way, from } => self.tasks.page(room, way, from),
                Command::Around(message) => self.tasks.around(message),
                Command::Search { room, query } => self.tasks.search(room, query),
                Command::Know(name) => self.tasks.know(name),
                Command::Census => self.tasks.census(),
                Command::Files { waiting } => self.tasks.files(waiting),
                Command::Members(room) => self.tasks.members(room),
                Command::Ping => self.tasks.ping(),
                Command::SetStatus(status) => self.tasks.set_status(status),
            }
            self.dirty = true;
        }
        Ok(false)
    }

    fn remember(&mut self, line: &str) {
        // The file has a line for each; what has several is remembered for this chat only.
        if line.contains(['\n', '\r']) {
            return;
        }
        if let Err(error) = typed::append(&self.typed, line) {
            let said = format!("what you type is not remembered: {error}");
            self.change(|state, now| state.toast(said, true, now));
        }
    }

    /// Gives the terminal back, and what the state holds.
    pub(super) async fn close(self) -> State {
        self.screen.close().await;
        self.state
    }
}

#[allow(clippy::panic, reason = "a test wants it")]
fn panic_for_a_test(typed: &Typed) {
    let wants = || std::env::var_os(TEST_PANIC).is_some_and(|wants| wants == "1");
    if matches!(typed, Typed::Key(key) if key.code == KeyCode::F(12)) && wants() {
        panic!("{TEST_PANIC} is set, and F12 was pressed");
    }
}

/// Who comes and goes.
enum Watching {
    /// The hub was asked, which may take a while.
    Asked(Pin<Box<dyn Future<Output = Result<PeerWatch, Error>> + Send>>),
    Open(Box<PeerWatch>),
    Over,
}

impl Watching {
    fn of(client: Client) -> Self {
        Self::Asked(Box::pin(async move { client.watch_peers().await }))
    }

    /// The next change; nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<PeerChange, Error> {
        loop {
            match self {
                Self::Asked(answer) => match answer.await {
                    Ok(watch) => *self = Self::Open(Box::new(watch)),
                    Err(error) => {
                        *self = Self::Over;
                        return Err(error);
                    }
                },
                Self::Open(watch) => match watch.next().await {
                    Some(change) => return Ok(change),
                    None => *self = Self::Over,
                },
                Self::Over => std::future::pending().await,
            }
        }
    }
}
