//! The loop of the full screen: passes events to the state, carries out its effects, and draws the
//! changes, at most once in [`FRAME`].

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    effect::Effect, layout, moment::Moment, state::State, tasks::Tasks, term::Screen, view,
};
use crate::{
    cli::{
        chat::{history_file, hubs, joined_rooms::JoinedRooms, link},
        failure::Result,
        options::Settings,
    },
    client::{
        Client, Connection, ConversationChange, ConversationUpdate, Conversations, Error, Event,
        Events, PeerChange, PeerWatch, Unseen,
    },
};

/// The least time between two frames: about sixty per second.
const FRAME: Duration = Duration::from_millis(16);

/// The interval at which the state is updated for the passing of time.
const TICK: Duration = Duration::from_secs(1);

/// Makes F12 panic in debug builds (`CHINWAG_TEST_PANIC=1`), to test that the terminal is restored.
const TEST_PANIC: &str = "CHINWAG_TEST_PANIC";

/// What comes from the terminal.
pub(super) type TerminalEvents = mpsc::Receiver<io::Result<TerminalEvent>>;

/// The full screen: the state, the client and the terminal.
pub(super) struct App {
    pub(super) state: State,
    client: Client,
    unseen: Unseen,
    screen: Screen,
    terminal_events: TerminalEvents,
    tasks: Tasks,
    conversations: Conversations,
    settings: Settings,
    /// The file with the input history, if there is one.
    history: Option<PathBuf>,
    joined: JoinedRooms,
    /// Why the client has stopped.
    stopped: Option<Error>,
    /// Whether the client can have more events.
    has_events: bool,
    drawn_at: Instant,
    is_dirty: bool,
}

impl App {
    pub(super) fn new(
        state: State,
        client: Client,
        unseen: Unseen,
        screen: Screen,
        terminal_events: TerminalEvents,
        settings: Settings,
        joined: JoinedRooms,
    ) -> Self {
        Self {
            state,
            tasks: Tasks::new(client.clone()),
            conversations: Conversations::new(client.clone()),
            client,
            unseen,
            screen,
            terminal_events,
            history: settings.writable(settings.home.input_history()),
            settings,
            joined,
            stopped: None,
            has_events: true,
            drawn_at: Instant::now(),
            is_dirty: true,
        }
    }

    /// Runs until the user leaves or `stop` is cancelled. Returns why the client has stopped, if it has.
    pub(super) async fn run(
        &mut self,
        events: &mut Events,
        stop: &CancellationToken,
    ) -> Result<Option<Error>> {
        let mut peers = PeerUpdates::request(self.client.clone());
        self.tasks.list_conversations();
        let client = self.client.clone();
        let mut connection = self.client.connection();
        self.state.on_connection(&connection.borrow_and_update().clone());
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if self.run_effects().await? {
                return Ok(self.stopped.take());
            }
            self.draw()?;
            // Drawing may have requested history.
            if self.state.has_effects() {
                continue;
            }
            let due = self.drawn_at + FRAME;
            let is_dirty = self.is_dirty && !self.state.is_text_only;
            let is_ready = self.screen.is_ready();
            let readiness = self.screen.readiness();
            let has_events = self.has_events;
            tokio::select! {
                () = stop.cancelled() => return Ok(self.stopped.take()),
                signal = self.screen.signals.next() => {
                    self.screen.handle(signal).await?;
                    self.is_dirty = true;
                }
                event = self.terminal_events.recv() => self.on_terminal_event(event)?,
                event = events.next(), if has_events => self.on_event(event),
                change = peers.next() => self.on_peer_change(change),
                outcome = self.tasks.next() => self.change(|state, now| state.on_outcome(outcome, now)),
                update = self.conversations.next() => self.change(|state, now| state.on_conversation(update, now)),
                Ok(()) = connection.changed() => self.on_connection(&mut connection),
                news = client.next_history_notice() => self.change(|state, now| state.on_history_notice(&news, now)),
                _ = tick.tick() => self.on_tick(),
                () = tokio::time::sleep_until(due.into()), if is_dirty && is_ready => {}
                () = readiness, if is_dirty && !is_ready => {}
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut State, Moment)) {
        change(&mut self.state, Moment::now());
        self.is_dirty = true;
    }

    fn on_event(&mut self, event: Option<Event>) {
        match event {
            None => {
                self.has_events = false;
                if self.stopped.is_none() {
                    self.on_stopped(Error::Stopped);
                }
            }
            Some(Event::Ended { error }) => self.on_stopped(error),
            Some(event) => {
                if matches!(event, Event::Connected) {
                    self.state.set_join_lines(link::lines(&self.client));
                }
                if let Event::Conversation { line, event } = &event {
                    self.conversations.on_incoming(line, event);
                }
                self.change(|state, now| state.on_event(event, now));
            }
        }
    }

    fn on_stopped(&mut self, error: Error) {
        self.change(|state, now| state.on_client_end(&error, now));
        self.stopped = Some(error);
    }

    fn on_peer_change(&mut self, change: Result<PeerChange, Error>) {
        self.change(|state, now| match change {
            Ok(change) => state.on_peer_change(change, now),
            Err(error) => {
                state.announce(&format!("cannot list the peers on the hub: {error}"), true, now);
            }
        });
    }

    fn on_tick(&mut self) {
        let now = Moment::now();
        self.is_dirty |= self.state.on_tick(now);
        self.state.request_history(now);
        self.state.poll_files();
    }

    fn on_connection(&mut self, connection: &mut watch::Receiver<Connection>) {
        let now = connection.borrow_and_update().clone();
        self.change(|state, _| state.on_connection(&now));
    }

    fn on_terminal_event(&mut self, event: Option<io::Result<TerminalEvent>>) -> Result<()> {
        let event = match event {
            Some(event) => event?,
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        };
        if cfg!(debug_assertions) {
            panic_if_tested(&event);
        }
        self.change(|state, now| state.on_terminal_event(event, now));
        Ok(())
    }

    /// Draws if something has changed and the terminal has taken the last frame.
    fn draw(&mut self) -> Result<()> {
        let can_draw = self.screen.is_ready() && !self.state.is_text_only;
        if !self.is_dirty || self.drawn_at.elapsed() < FRAME || !can_draw {
            return Ok(());
        }
        let (state, now) = (&mut self.state, Moment::now());
        self.screen.draw(|frame| {
            layout::arrange(state, frame.area(), now);
            view::draw(state, now, frame);
            view::links(state)
        })?;
        self.screen.set_title(self.state.title())?;
        self.drawn_at = Instant::now();
        self.is_dirty = false;
        // The layout decides which messages are visible.
        self.state.mark_seen();
        self.state.request_history(now);
        Ok(())
    }

    /// Carries out the effects of the state. Returns true if the user leaves.
    async fn run_effects(&mut self) -> Result<bool> {
        for effect in self.state.take_effects() {
            match effect {
                Effect::Quit => return Ok(true),
                Effect::Post { id, room, text } => self.tasks.post(id, room, text).await,
                Effect::Send { id, to, text } => {
                    if !self.conversations.send(&to, id, text) {
                        let what = "too many messages are waiting".to_owned();
                        let error = Error::LimitReached(what);
                        let change = ConversationChange::Failed { id, error };
                        let update = ConversationUpdate { peer: to, change };
                        self.change(|state, now| state.on_conversation(update, now));
                    }
                }
                Effect::StoreInput(line) => self.store_input(&line),
                Effect::ChooseHub(wanted) => {
                    let choice = hubs::choose(&self.settings, wanted.as_deref());
                    self.change(|state, now| state.on_hub_choice(choice, now));
                }
                Effect::RememberRoom(room) => {
                    let remembered = self.joined.add(&room);
                    self.report_forgetful(remembered);
                }
                Effect::ForgetRoom(room) => {
                    let forgotten = self.joined.remove(&room);
                    self.report_forgetful(forgotten);
                }
                Effect::Bell => self.screen.ring()?,
                Effect::ShowNotice { title, text } => self.screen.notify(&title, &text)?,
                Effect::RunForNotice { run, notice } => self.tasks.run_for_notice(&run, &notice),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::OpenLink(link) => self.tasks.open_link(link),
                Effect::ShowTextOnly(lines) => self.screen.show_text_only(&lines)?,
                Effect::Redraw => self.screen.force_redraw()?,
                Effect::Suspend => self.screen.suspend().await?,
                Effect::Open(peer) => self.conversations.open(&peer),
                Effect::MarkSeen { from, ids } => {
                    // Not in a task, which leaving would end.
                    for id in ids {
                        self.unseen.seen(&from, id).await;
                    }
                }
                Effect::MarkRead { to, id } => self.conversations.mark_read(&to, id),
                Effect::Typing { to, active } => self.conversations.typing(&to, active),
                Effect::Queue { id, to, text } => self.tasks.queue(id, to, text),
                Effect::Run { request, room } => self.tasks.run(request, room),
                Effect::LoadPage { room, direction, from } => {
                    self.tasks.load_page(room, direction, from);
                }
                Effect::LoadUnread { room, after } => self.tasks.load_unread(room, after),
                Effect::LoadContext(message) => self.tasks.load_context(message),
                Effect::LoadDirect { peer, before } => self.tasks.load_direct(peer, before),
                Effect::SearchDirect { peer, terms, token } => {
                    self.tasks.search_direct(peer, terms, token);
                }
                Effect::Search { terms, token } => self.tasks.search(terms, token),
                Effect::LookUp(name) => self.tasks.look_up(name),
                Effect::ListRooms => self.tasks.list_rooms(),
                Effect::ReadFiles { queued } => self.tasks.read_files(queued),
                Effect::ListMembers(room) => self.tasks.list_members(room),
                Effect::CountMembers(room) => self.tasks.count_members(room),
                Effect::Ping => self.tasks.ping(),
                Effect::SetStatus(status) => self.tasks.set_status(status),
            }
            self.is_dirty = true;
        }
        Ok(false)
    }

    fn report_forgetful(&mut self, remembered: Result<(), String>) {
        if let Err(problem) = remembered {
            self.change(|state, now| state.announce(&problem, true, now));
        }
    }

    fn store_input(&mut self, line: &str) {
        // The file has one line per input. Longer inputs are recalled in this chat only.
        if line.contains(['\n', '\r']) {
            return;
        }
        let stored = self.history.as_ref().map_or(Ok(()), |file| history_file::append(file, line));
        if let Err(error) = stored {
            let text = format!("cannot store the input history: {error}");
            self.change(|state, now| state.toast(text, true, now));
        }
    }

    /// Restores the terminal and returns the state, and the events for the next screen.
    pub(super) async fn close(self) -> (State, TerminalEvents) {
        self.screen.close().await;
        (self.state, self.terminal_events)
    }
}

#[allow(clippy::panic, reason = "a test requests it")]
fn panic_if_tested(event: &TerminalEvent) {
    let is_set = || std::env::var_os(TEST_PANIC).is_some_and(|value| value == "1");
    if matches!(event, TerminalEvent::Key(key) if key.code == KeyCode::F(12)) && is_set() {
        panic!("{TEST_PANIC} is set, and F12 was pressed");
    }
}

/// The changes of the peers on the hub.
enum PeerUpdates {
    Requested(Pin<Box<dyn Future<Output = Result<PeerWatch, Error>> + Send>>),
    Open(Box<PeerWatch>),
    Closed,
}

impl PeerUpdates {
    fn request(client: Client) -> Self {
        Self::Requested(Box::pin(async move { client.watch_peers().await }))
    }

    /// The next change. No change is lost if the future is dropped.
    async fn next(&mut self) -> Result<PeerChange, Error> {
        loop {
            match self {
                Self::Requested(answer) => match answer.await {
                    Ok(watch) => *self = Self::Open(Box::new(watch)),
                    Err(error) => {
                        *self = Self::Closed;
                        return Err(error);
                    }
                },
                Self::Open(watch) => match watch.next().await {
                    Some(change) => return Ok(change),
                    None => *self = Self::Closed,
                },
                Self::Closed => std::future::pending().await,
            }
        }
    }
}
