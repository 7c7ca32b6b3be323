//! What the full screen knows: places to talk in, who is here, what is typed, how the hub is.
//!
//! It hears of everything ([`State::hear`], [`State::watch`], [`State::done`], [`State::key`], …)
//! and answers with [`Command`]s, which the loop carries out. It knows no client, no terminal and
//! no clock: whoever calls says what time it is.

mod act;
mod done;
mod hear;
mod input;
mod left_over;
mod mentions;
mod overlay;
mod people;
mod places;
mod room;
mod talk;
mod tick;
mod timeline;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::{Timestamp, tz::TimeZone};

pub(crate) use self::{
    overlay::Overlay,
    people::{Person, short},
    places::Place,
    room::Room,
    talk::{Talk, Trust},
    tick::Link,
    timeline::Way,
};
use self::{people::People, tick::Idle};
use super::{
    complete::Menu,
    composer::Composer,
    keys::Keymap,
    theme::Theme,
    transcript::{Body, Entry, Key},
    view::Areas,
};
use crate::{
    cli::{
        chat::{input::Request, roster::Roster},
        outage::Outage,
        view::Clock,
    },
    model::{MessageId, Name, PeerStatus, Position, RoomName, Text},
};

/// For how long a word is shown in the last line.
const TOAST: Duration = Duration::from_secs(6);

/// The present moment, by both of its clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For what lasts.
    pub(crate) mono: Instant,
    /// For what is shown.
    pub(crate) wall: Timestamp,
}

impl Now {
    /// The moment of the call.
    pub(crate) fn here() -> Self {
        Self { mono: Instant::now(), wall: Timestamp::now() }
    }
}

/// What the loop is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Post, in the order of these commands.
    Post { id: MessageId, room: RoomName, text: Text },
    /// Say something directly.
    Say { id: MessageId, to: Name, text: Text },
    /// Open a line, for what is going to be said.
    Open(Name),
    /// Tell that everything up to a message was read.
    MarkRead { to: Name, id: MessageId },
    /// Note that the person has seen these messages.
    Looked { from: Name, ids: Vec<MessageId> },
    /// Tell that one types, or has stopped to.
    Typing { to: Name, active: bool },
    /// Keep a message until the peer is there.
    Queue { id: MessageId, to: Name, text: Text },
    /// What the grammar of the chat asks for; `room` is the one that it is about.
    Ask { request: Request, room: Option<RoomName> },
    /// Load a page of history.
    Page { room: RoomName, way: Way, from: Position },
    /// Load what was said around a message that was found.
    Around(Box<crate::model::Message>),
    /// Look for words.
    Search { room: RoomName, query: String },
    /// Look how far somebody is known.
    Know(Name),
    /// Look how many are in the rooms.
    Census,
    /// Look what other programs of the same person have changed: the contact book, and what became
    /// of these messages that wait in the outbox.
    Files { waiting: Vec<MessageId> },
    /// Look who is in a room.
    Members(RoomName),
    /// See how long an answer of the hub takes.
    Ping,
    /// Tell the others how one is, without a word about it here.
    SetStatus(PeerStatus),
    /// Remember what was typed, beyond the end of the chat.
    Remember(String),
    /// Ring.
    Bell,
    /// Draw everything anew.
    Redraw,
    /// Stop until the person wants to go on.
    Suspend,
    /// Leave.
    Quit,
}

/// A word in the last line, for a while.
pub(crate) struct Toast {
    pub(crate) said: String,
    pub(crate) bad: bool,
    until: Instant,
}

/// Which of the side panels are shown; `None`: where there is room for them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Folds {
    pub(crate) sidebar: Option<bool>,
    pub(crate) roster: Option<bool>,
}

/// What the person wants it to be like.
pub(crate) struct Preferences {
    pub(crate) theme: Theme,
    pub(crate) zone: TimeZone,
    pub(crate) keymap: Keymap,
    /// No bell.
    pub(crate) quiet: bool,
    /// What was typed in earlier chats.
    pub(crate) typed: Vec<String>,
}

/// The state.
pub(crate) struct State {
    pub(crate) me: Name,
    pub(crate) hub: String,
    /// Where direct messages come in, in words.
    reached_at: String,
    pub(crate) theme: Theme,
    pub(crate) zone: TimeZone,
    pub(crate) rooms: Vec<Room>,
    pub(crate) talks: Vec<Talk>,
    pub(crate) current: Option<Place>,
    /// Where one was before that.
    before: Option<Place>,
    pub(crate) people: People,
    pub(crate) link: Link,
    pub(crate) latency: Option<Duration>,
    pub(crate) composer: Composer,
    pub(crate) menu: Option<Menu>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) toast: Option<Toast>,
    pub(crate) folds: Folds,
    /// Where things were drawn, for the mouse.
    pub(crate) areas: Areas,
    clock: Clock,
    keymap: Keymap,
    quiet: bool,
    roster: Roster,
    outage: Outage,
    /// Whether the person looks at this terminal, as far as it tells.
    focused: bool,
    idle: Idle,
    /// The rooms of the hub, for completion.
    listed: Vec<RoomName>,
    muted: Vec<RoomName>,
    /// Up to where rooms were seen in an earlier chat.
    seen: BTreeMap<RoomName, Position>,
    /// Whose messages are not shown.
    blocked: BTreeSet<Name>,
    /// Whether it is being looked at what other programs have changed.
    looking: bool,
    /// The room that is being joined, to talk there: nothing has come between yet.
    joining: Option<RoomName>,
    /// Until when one who leaves waits for what is under way.
    leaving: Option<Instant>,
    /// What was not posted to rooms that are left.
    lost: Vec<(Option<MessageId>, String)>,
    rang: Option<Instant>,
    /// What was typed last and is remembered.
    remembered: Option<String>,
    notices: u64,
    commands: Vec<Command>,
}

impl State {
    /// In `rooms`, talking in the first.
    pub(crate) fn new(
        me: Name,
        (hub, reached_at): (String, String),
        rooms: &[RoomName],
        taste: Preferences,
        now: Now,
    ) -> Self {
        let Preferences { theme, zone, keymap, quiet, typed } = taste;
        let remembered = typed.last().cloned();
        Self {
            roster: Roster::new(me.clone()),
            me,
            hub,
            reached_at,
            theme,
            zone,
            rooms: rooms.iter().cloned().map(Room::new).collect(),
            talks: Vec::new(),
            current: rooms.first().cloned().map(Place::Room),
            before: None,
            people: People::default(),
            link: Link::Up,
            latency: None,
            composer: Composer::new(typed),
            menu: None,
            overlay: None,
            toast: None,
            folds: Folds::default(),
            areas: Areas::default(),
            clock: Clock::local(),
            keymap,
            quiet,
            outage: Outage::default(),
            focused: true,
            idle: Idle::new(now),
            listed: Vec::new(),
            muted: Vec::new(),
            seen: BTreeMap::new(),
            blocked: BTreeSet::new(),
            looking: false,
            joining: None,
            leaving: None,
            lost: Vec::new(),
            rang: None,
            remembered,
            notices: 0,
            commands: vec![Command::Census, Command::Ping],
        }
    }

    /// Says what is good to know at the beginning.
    pub(crate) fn greet(&mut self, now: Now) {
        let said = format!("{} on {}; {}", self.me, self.hub, self.reached_at);
        self.say(&said, false, now);
    }

    /// That nobody looks any more: the screen is gone.
    pub(crate) fn look_away(&mut self) {
        self.focused = false;
    }

    /// Whether something is to be done.
    pub(crate) fn has_orders(&self) -> bool {
        !self.commands.is_empty()
    }

    /// What is to be done, in this order; each once.
    pub(crate) fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    fn order(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Says something in the last line, until something else is done, or for a while. A complaint
    /// that does not fit there is said among the messages.
    pub(crate) fn toast(&mut self, said: impl Into<String>, bad: bool, now: Now) {
        let said = said.into();
        match self.current.clone() {
            Some(place) if bad && !self.areas.holds(&said) => {
                let entry = self.notice(&said, now);
                self.note(&place, entry);
                if !self.is_at_end() {
                    self.whisper(said, bad, now);
                }
            }
            _ => self.whisper(said, bad, now),
        }
    }

    /// Says something in the last line, whether it fits or not.
    fn whisper(&mut self, said: String, bad: bool, now: Now) {
        self.toast = Some(Toast { said, bad, until: now.mono + TOAST });
    }

    /// Says something among the messages of where one is; in the last line, too, where that might
    /// not be seen.
    pub(crate) fn say(&mut self, said: &str, bad: bool, now: Now) {
        let entry = self.notice(said, now);
        match self.current.clone() {
            Some(place) => self.note(&place, entry),
            None => return self.whisper(said.to_owned(), bad, now),
        }
        if !self.is_at_end() || (bad && self.areas.holds(said)) {
            self.whisper(said.to_owned(), bad, now);
        }
    }

    /// Says something about the hub and who is there: not in the midst of what two talk about.
    fn say_in_room(&mut self, said: &str, now: Now) {
        if self.current_room().is_some() || self.rooms.is_empty() {
            return self.say(said, false, now);
        }
        let entry = self.notice(said, now);
        if let Some(room) = self.rooms.first_mut() {
            room.live.transcript.push(entry);
        }
        self.toast(said, false, now);
    }

    fn note(&mut self, place: &Place, entry: Entry) {
        match place {
            Place::Room(name) => {
                if let Some(room) = self.room_mut(name) {
                    room.live.transcript.push(entry);
                }
            }
            Place::Peer(name) => {
                if let Some(talk) = self.talk_mut(name) {
                    talk.transcript.push(entry);
                }
            }
        }
    }

    fn notice(&mut self, said: &str, now: Now) -> Entry {
        let key = self.notice_key();
        Entry { key, at: now.wall, body: Body::Notice(said.to_owned()) }
    }

    fn notice_key(&mut self) -> Key {
        self.notices += 1;
        Key::Notice(self.notices)
    }
}

#[cfg(test)]
pub(crate) mod tests;
