//! The state of the full screen: rooms, direct chats, peers, the input, the connection to the hub.
//!
//! Everything that happens is passed in ([`State::on_event`], [`State::on_outcome`],
//! [`State::on_terminal_event`], …). The state answers with [`Effect`]s, which the loop carries out. It
//! knows no client, no terminal and no clock: the caller passes the time.

mod choice;
mod direct_chat;
mod exit_report;
mod extract;
mod hubs;
mod mentions;
mod navigation;
mod on_event;
mod on_input;
mod on_outcome;
mod on_tick;
mod overlay;
mod peer_list;
mod room_chat;
mod room_list;
mod searching;
mod submit;
mod switcher;
mod timeline;
mod unsent;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;

pub(crate) use self::{
    choice::{Choice, Switcher},
    direct_chat::DirectChat,
    hubs::Drafts,
    on_tick::HubStatus,
    overlay::{FoundMessages, Overlay},
    peer_list::{ListedPeer, short_duration},
    room_chat::RoomChat,
    searching::with,
};
use self::{mentions::Reader, on_tick::ActivityTimers, peer_list::PeerList, room_list::RoomList};
use super::{
    areas::Areas,
    chat_id::ChatId,
    complete::CompletionMenu,
    composer::Composer,
    effect::{Effect, Notice},
    found::FoundMessage,
    moment::Moment,
    transcript::{EntryBody, EntryKey, NoticeKind, TranscriptEntry},
};
use crate::{
    cli::{
        chat::roster::Roster,
        config::ProfileName,
        keymap::{Action, Keymap},
        notify::Notify,
        outage::Outage,
        theme::{Theme, ThemeName, detect::TerminalColours},
        view::Clock,
    },
    model::{Message, MessageId, Name, Position, RoomName},
};

/// How long a toast is shown.
const TOAST: Duration = Duration::from_secs(6);

/// A short text in the status line.
pub(crate) struct Toast {
    pub(crate) text: String,
    pub(crate) is_error: bool,
    until: Instant,
    /// The direct message that is being sent, if the text says that.
    sending: Option<MessageId>,
}

/// Which side panels are shown; `None`: if the screen is wide enough.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Panels {
    pub(crate) sidebar: Option<bool>,
    pub(crate) roster: Option<bool>,
}

/// The settings of the screen.
pub(crate) struct Preferences {
    pub(crate) theme: ThemeName,
    /// The colours of the terminal, for which the theme is made.
    pub(crate) colours: TerminalColours,
    pub(crate) zone: TimeZone,
    pub(crate) keymap: Keymap,
    /// No bell and no notices.
    pub(crate) quiet: bool,
    pub(crate) notify: Notify,
    /// Words that count as if the user was named.
    pub(crate) keywords: Vec<String>,
    /// The inputs of earlier chats.
    pub(crate) history: Vec<String>,
}

pub(crate) struct State {
    pub(crate) me: Name,
    reader: Reader,
    pub(crate) hub: String,
    /// Where direct messages are accepted, as a sentence.
    reached_at: String,
    /// How others join the hub, as lines.
    join_lines: Vec<String>,
    pub(crate) theme: Theme,
    theme_name: ThemeName,
    colours: TerminalColours,
    pub(crate) zone: TimeZone,
    pub(crate) rooms: Vec<RoomChat>,
    pub(crate) direct_chats: Vec<DirectChat>,
    pub(crate) current: Option<ChatId>,
    /// The current chat before that.
    previous: Option<ChatId>,
    /// The chat to which Esc goes back from a found message, until the user goes elsewhere or posts.
    found_from: Option<ChatId>,
    pub(crate) peers: PeerList,
    pub(crate) hub_status: HubStatus,
    pub(crate) latency: Option<Duration>,
    pub(crate) composer: Composer,
    pub(crate) menu: Option<CompletionMenu>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) toast: Option<Toast>,
    pub(crate) panels: Panels,
    pub(crate) areas: Areas,
    clock: Clock,
    keymap: Keymap,
    quiet: bool,
    roster: Roster,
    outage: Outage,
    /// Whether the terminal has the focus; `None` until it reports that, which not all terminals do.
    pub(super) focus: Option<bool>,
    timers: ActivityTimers,
    /// The rooms of the hub.
    listed_rooms: RoomList,
    muted: Vec<RoomName>,
    /// Up to where rooms were read in earlier chats.
    read_before: BTreeMap<RoomName, Position>,
    blocked: BTreeSet<Name>,
    /// Whether the files of other programs are being read.
    reading_files: bool,
    /// The message to a peer who cannot be reached that Enter queues, unless the user does something else first.
    offer: Option<(Name, MessageId)>,
    /// The room to go to once it is joined, unless the user does something else first.
    joining: Option<RoomName>,
    /// The hub to go to after leaving.
    next_hub: Option<ProfileName>,
    /// The found message to go to once its room is joined.
    sought: Option<Message>,
    /// While leaving: until when to wait for messages that are being sent.
    leaving: Option<Instant>,
    /// The unsent posts and drafts of rooms that were left.
    lost: Vec<(Option<MessageId>, String)>,
    rang: Option<Instant>,
    notify: Notify,
    /// The times of the latest notices, the oldest first.
    notified: VecDeque<Instant>,
    stored_input: Option<String>,
    /// A refused input that a second Enter sends as text, and the chat for it.
    refused: Option<(ChatId, String)>,
    /// Whether only the text of messages is shown, and nothing is drawn.
    pub(crate) is_text_only: bool,
    notices: u64,
    effects: Vec<Effect>,
}

impl State {
    /// A state in `rooms`, of which the first is current.
    pub(crate) fn new(
        me: Name,
        (hub, reached_at): (String, String),
        rooms: &[RoomName],
        preferences: Preferences,
        now: Moment,
    ) -> Self {
        let Preferences { theme, colours, zone, keymap, quiet, notify, keywords, history } =
            preferences;
        let stored_input = history.last().cloned();
        Self {
            roster: Roster::new(me.clone()),
            reader: Reader::new(me.clone(), keywords),
            me,
            hub,
            reached_at,
            join_lines: Vec::new(),
            theme: Theme::new(theme, &colours),
            theme_name: theme,
            colours,
            zone,
            rooms: rooms.iter().cloned().map(RoomChat::new).collect(),
            direct_chats: Vec::new(),
            current: rooms.first().cloned().map(ChatId::Room),
            previous: None,
            found_from: None,
            peers: PeerList::default(),
            hub_status: HubStatus::Up,
            latency: None,
            composer: Composer::new(history),
            menu: None,
            overlay: None,
            toast: None,
            panels: Panels::default(),
            areas: Areas::default(),
            clock: Clock::local(),
            keymap,
            quiet,
            outage: Outage::default(),
            focus: None,
            timers: ActivityTimers::new(now),
            listed_rooms: RoomList::default(),
            muted: Vec::new(),
            read_before: BTreeMap::new(),
            blocked: BTreeSet::new(),
            reading_files: false,
            offer: None,
            joining: None,
            next_hub: None,
            sought: None,
            leaving: None,
            lost: Vec::new(),
            rang: None,
            notify,
            notified: VecDeque::new(),
            stored_input,
            refused: None,
            is_text_only: false,
            notices: 0,
            effects: vec![Effect::Ping],
        }
    }

    /// Shows the user's name, the hub, and where direct messages are accepted.
    pub(crate) fn greet(&mut self, now: Moment) {
        let text = format!("{} on {}; {}", self.me, self.hub, self.reached_at);
        self.announce(&text, false, now);
    }

    /// Sets how others join the hub, as lines.
    pub(crate) fn set_join_lines(&mut self, lines: Vec<String>) {
        self.join_lines = lines;
    }

    /// What the screen shows without a chat, or in an empty room: what it is, the most useful keys, and
    /// how others join.
    pub(crate) fn welcome(&self) -> Option<Vec<String>> {
        let about = match &self.current {
            None => vec![
                "No conversation is open.".to_owned(),
                "/join ROOM joins a room, /rooms lists the rooms of the hub.".to_owned(),
            ],
            Some(ChatId::Peer(_)) => return None,
            Some(ChatId::Room(name)) if self.room(name)?.is_empty() => vec![
                format!("This is the room {name}. Nobody has said anything yet."),
                "What you type goes to all who are in it.".to_owned(),
            ],
            Some(ChatId::Room(_)) => return None,
        };
        let keys = [
            (Action::Help, "help"),
            (Action::Switch, "rooms and people"),
            (Action::Search, "search"),
        ];
        let keys = keys.iter().filter_map(|(action, about)| {
            Some(format!("{} {about}", self.keymap.key_of(*action)?))
        });
        let keys: Vec<String> = keys.collect();
        let mut lines = about;
        lines.extend([String::new(), keys.join(" · "), String::new()]);
        lines.extend(self.join_lines.iter().cloned());
        Some(lines)
    }

    /// Returns true if there are effects to carry out.
    pub(crate) fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes the effects, to be carried out in this order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Shows a text in the status line for a while; an error that does not fit there, as a message.
    pub(crate) fn toast(&mut self, text: impl Into<String>, is_error: bool, now: Moment) {
        let text = text.into();
        match self.current.clone() {
            Some(chat) if is_error && !self.areas.fits_toast(&text) => {
                let entry = self.notice(NoticeKind::Error, &text, now);
                self.push_entry(&chat, entry);
                if !self.is_at_end() {
                    self.show_toast(text, is_error, now);
                }
            }
            _ => self.show_toast(text, is_error, now),
        }
    }

    /// Shows a text in the status line, even if it does not fit.
    fn show_toast(&mut self, text: String, is_error: bool, now: Moment) {
        self.toast = Some(Toast { text, is_error, until: now.mono + TOAST, sending: None });
    }

    /// Shows a notice in the current chat, and also as a toast if it could be overlooked there.
    pub(crate) fn announce(&mut self, text: &str, is_error: bool, now: Moment) {
        let kind = if is_error { NoticeKind::Error } else { NoticeKind::Info };
        self.announce_as(kind, text, now);
    }

    fn announce_as(&mut self, kind: NoticeKind, text: &str, now: Moment) {
        let is_error = kind == NoticeKind::Error;
        let entry = self.notice(kind, text, now);
        match self.current.clone() {
            Some(chat) => self.push_entry(&chat, entry),
            None => return self.show_toast(text.to_owned(), is_error, now),
        }
        if !self.is_at_end() || (is_error && self.areas.fits_toast(text)) {
            self.show_toast(text.to_owned(), is_error, now);
        }
    }

    /// Shows a notice about the hub and its peers: in the current room, or else the first one.
    fn announce_in_room(&mut self, kind: NoticeKind, text: &str, now: Moment) {
        if self.current_room().is_some() || self.rooms.is_empty() {
            return self.announce_as(kind, text, now);
        }
        let entry = self.notice(kind, text, now);
        if let Some(room) = self.rooms.first_mut() {
            room.live.transcript.push(entry);
        }
        self.toast(text, false, now);
    }

    fn push_entry(&mut self, chat: &ChatId, entry: TranscriptEntry) {
        match chat {
            ChatId::Room(name) => {
                if let Some(room) = self.room_mut(name) {
                    room.live.transcript.push(entry);
                }
            }
            ChatId::Peer(name) => {
                if let Some(chat) = self.direct_chat_mut(name) {
                    chat.transcript.push(entry);
                }
            }
        }
    }

    fn notice(&mut self, kind: NoticeKind, text: &str, now: Moment) -> TranscriptEntry {
        let key = self.notice_key();
        TranscriptEntry { key, at: now.wall, body: EntryBody::Notice(kind, text.to_owned()) }
    }

    fn notice_key(&mut self) -> EntryKey {
        self.notices += 1;
        EntryKey::Notice(self.notices)
    }
}

#[cfg(test)]
pub(crate) mod tests;
