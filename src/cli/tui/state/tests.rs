//! The state from outside: events go in, effects come out.

mod direct;
mod extract;
mod files;
mod history;
mod notices;
mod offers;
mod overlays;
mod person;
mod rooms;
mod strangers;
mod switcher;
mod unread;

use jiff::{Timestamp, tz::TimeZone};
use ratatui::crossterm::event::{Event as Typed, KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::{
    cli::{
        keymap::Action,
        tui::{
            layout,
            outcome::{Outcome, PageDirection, TrustLevel},
            view,
        },
    },
    client::{Event, PeerChange},
    model::{Message, MessageId, Peer, PeerStatus, Posted, Text},
};

pub(crate) fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

pub(crate) fn room(raw: &str) -> RoomName {
    RoomName::parse(raw).unwrap()
}

pub(crate) fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

/// This number of seconds after noon of some day.
pub(crate) fn at(second: i64) -> Moment {
    use std::sync::OnceLock;
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    let begin = *BEGIN.get_or_init(Instant::now);
    let seconds = Duration::from_secs(second.unsigned_abs());
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    Moment { mono: begin + seconds, wall: noon + seconds }
}

pub(crate) fn position(seq: u64) -> Position {
    Position { epoch: 1, seq }
}

/// A state in these rooms, which are empty. The first effects are taken.
pub(crate) fn state(rooms: &[&str]) -> State {
    let preferences = Preferences {
        theme: ThemeName::Plain,
        colours: TerminalColours::default(),
        zone: TimeZone::UTC,
        keymap: Keymap::defaults(),
        quiet: false,
        notify: Notify::Terminal,
        keywords: vec!["deploy".into()],
        history: Vec::new(),
    };
    let rooms: Vec<RoomName> = rooms.iter().map(|raw| room(raw)).collect();
    let at_hub = ("127.0.0.1:50051".to_owned(), "no direct messages come in".to_owned());
    let mut state = State::new(name("sova"), at_hub, &rooms, preferences, at(0));
    for room in rooms {
        state.on_event(Event::Joined { room, head: position(0) }, at(0));
    }
    state.take_effects();
    state
}

pub(crate) fn message(raw: &str, seq: u64, who: &str, said: &str) -> Message {
    Message {
        id: MessageId::new(),
        room: room(raw),
        position: position(seq),
        prev_seq: seq - 1,
        sender: name(who),
        created_at: at(0).wall,
        text: text(said),
    }
}

impl State {
    pub(crate) fn said(&mut self, raw: &str, seq: u64, who: &str, what: &str) {
        self.on_event(Event::Message(message(raw, seq, who, what)), at(1));
    }

    #[track_caller]
    pub(crate) fn line(&mut self, line: &str, now: Moment) -> Vec<Effect> {
        self.take_effects();
        self.composer.set(line);
        self.perform(Action::Submit, now);
        self.take_effects()
    }

    pub(crate) fn press(&mut self, code: KeyCode, now: Moment) {
        self.on_terminal_event(Typed::Key(KeyEvent::new(code, KeyModifiers::NONE)), now);
    }

    #[track_caller]
    pub(crate) fn posts(&mut self, line: &str) -> MessageId {
        let ordered = self.line(line, at(1));
        let posts = ordered.iter().find_map(|effect| match effect {
            Effect::Post { id, .. } => Some(*id),
            _ => None,
        });
        posts.unwrap_or_else(|| panic!("not posted: {ordered:?}"))
    }

    /// Receives a post of the user from the hub.
    pub(crate) fn comes_back(&mut self, id: MessageId, raw: &str, seq: u64, said: &str) {
        let message = Message { id, ..message(raw, seq, "sova", said) };
        self.on_event(Event::Message(message), at(2));
    }

    pub(crate) fn acked(&mut self, id: MessageId, raw: &str, seq: u64) {
        let result = Ok(Posted {
            id,
            room: room(raw),
            position: position(seq),
            created_at: at(1).wall,
            duplicate: false,
        });
        self.on_outcome(Outcome::Posted { id, room: room(raw), result }, at(2));
    }

    fn painted(&mut self) -> ratatui::buffer::Buffer {
        let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 78, 40));
        self.panels = Panels { sidebar: Some(false), roster: Some(false) };
        let area = buffer.area;
        layout::arrange(self, area, at(3));
        view::paint(self, at(3), &mut buffer);
        self.mark_seen();
        buffer
    }

    /// The messages of the current chat with their marks, each in one line.
    pub(crate) fn shown(&mut self) -> Vec<String> {
        let buffer = self.painted();
        let rows = buffer.content().chunks(78);
        let rows = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        let rows = rows.map(|row| row.trim_end().to_owned());
        let mut shown: Vec<String> = Vec::new();
        let mut name = String::new();
        for mut row in rows {
            // The name is shown once for several messages of a person.
            if let Some(rest) = row.get(6..).filter(|_| row.starts_with("12:0")) {
                match rest.strip_prefix(' ') {
                    Some(_) => row.replace_range(6..6 + name.len(), &name),
                    None => name = rest.split("  ").next().unwrap_or_default().to_owned(),
                }
            }
            if row.starts_with("12:0") || row.contains(" new ") {
                shown.push(row);
            } else if let (true, Some(last)) = (row.starts_with("      "), shown.last_mut()) {
                last.push(' ');
                last.push_str(row.trim());
            }
        }
        shown
    }

    /// The whole current chat as one text.
    pub(crate) fn shown_notices(&mut self) -> String {
        let buffer = self.painted();
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    pub(crate) fn came(&mut self, who: &str, status: PeerStatus, now: Moment) {
        let peer = Peer {
            name: name(who),
            endpoints: Vec::new(),
            status,
            online_since: now.wall,
            status_since: None,
            key: None,
            certificate: None,
            guest: true,
        };
        self.on_peer_change(PeerChange::Updated(peer), now);
    }
}
