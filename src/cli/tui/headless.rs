//! The full screen without a terminal and a hub, for `benches/screen.rs`.

use jiff::tz::TimeZone;
use ratatui::{Frame, crossterm::event::Event as TerminalEvent};

use super::{
    layout,
    moment::Moment,
    state::{Preferences, State},
    transcript::{EntryBody, EntryKey, TranscriptEntry},
    view,
};
use crate::{
    cli::{
        keymap::Keymap,
        notify::Notify,
        theme::{ThemeName, detect::TerminalColours},
    },
    client::Event,
    model::{Message, Name, Position, RoomName},
};

/// The full screen with the rooms it is in. Effects are dropped.
pub struct HeadlessScreen {
    state: State,
}

impl HeadlessScreen {
    /// A screen in empty rooms, whose logs have epoch 1. The first one is shown.
    pub fn new(me: Name, rooms: &[RoomName]) -> Self {
        let preferences = Preferences {
            theme: ThemeName::Auto,
            colours: TerminalColours::default(),
            zone: TimeZone::system(),
            keymap: Keymap::defaults(),
            quiet: true,
            notify: Notify::Bell,
            keywords: Vec::new(),
            history: Vec::new(),
        };
        let (now, hub) = (Moment::now(), ("127.0.0.1:50051".to_owned(), String::new()));
        let mut state = State::new(me, hub, rooms, preferences, now);
        for room in rooms {
            let head = Position { epoch: 1, seq: 0 };
            state.on_event(Event::Joined { room: room.clone(), head }, now);
        }
        Self { state }
    }

    /// Receives a message of one of the rooms.
    pub fn receive(&mut self, message: Message) {
        self.state.on_event(Event::Message(message), Moment::now());
    }

    /// Handles an event of the terminal, such as a key.
    pub fn on_terminal_event(&mut self, event: TerminalEvent) {
        self.state.on_terminal_event(event, Moment::now());
    }

    /// Scrolls to the message at a position.
    pub fn jump(&mut self, at: Position) {
        if let Some(transcript) = self.state.transcript_mut() {
            transcript.jump(EntryKey::Posted(at));
        }
    }

    /// Prepends messages to the history, the oldest first.
    pub fn prepend(&mut self, messages: Vec<Message>) {
        let entry = |message: Message| TranscriptEntry {
            key: EntryKey::Own(message.id),
            at: message.created_at,
            body: EntryBody::Message {
                sender: message.sender,
                own: false,
                mention: false,
                text: message.text.as_str().to_owned(),
                mark: None,
            },
        };
        if let Some(transcript) = self.state.transcript_mut() {
            transcript.prepend(messages.into_iter().map(entry).collect());
        }
    }

    /// Lays out and draws a frame, as the loop of the chat does.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let now = Moment::now();
        layout::arrange(&mut self.state, frame.area(), now);
        view::draw(&self.state, now, frame);
        self.state.mark_seen();
        self.state.request_history(now);
        self.state.take_effects();
    }
}
