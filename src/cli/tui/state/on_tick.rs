//! What changes with time: toasts, typing, the user's absence, questions to the hub, leaving.

use std::time::{Duration, Instant};

use crate::{
    cli::{failure, tui::transcript::NoticeKind},
    client::{Connection, Error},
    model::{Name, PeerStatus, RoomName},
};

use super::{Effect, Moment, Overlay, State};

/// The time without a key after which the user is away.
const AWAY: Duration = Duration::from_secs(10 * 60);

/// The time without a key after which the user may not look at a terminal that does not report its focus.
const IDLE: Duration = Duration::from_secs(60);

/// The interval of measuring the round trip to the hub.
const PING: Duration = Duration::from_secs(10);

/// The intervals of asking for the members of the current room: after peers have come or gone, the same
/// with [`MANY_PEERS`] on the hub, and otherwise.
const LIST_CHANGED: Duration = Duration::from_secs(2);
const LIST_CHANGED_MANY: Duration = Duration::from_secs(30);
const LIST_UNCHANGED: Duration = Duration::from_secs(60);

/// Below this number of peers on the hub, the members of the current room are listed by name; from it on,
/// they are counted.
const MANY_PEERS: usize = 200;

/// How long to wait for messages that are being sent before asking whether to leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of the connection to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HubStatus {
    Up,
    Lost {
        retry_at: Instant,
    },
    /// Closed for good: why, and what to do.
    Ended(String),
}

/// What the state does at intervals.
pub(super) struct ActivityTimers {
    last_key: Instant,
    /// Whether the status was set to away because no key was pressed.
    is_away: bool,
    /// Whether the user has chosen a status other than online.
    has_chosen: bool,
    last_ping: Instant,
    last_listing: Instant,
    /// Whether peers have come or gone since the last listing.
    has_changed: bool,
    /// The minute that the clock shows.
    minute: i64,
}

impl ActivityTimers {
    pub(super) fn new(now: Moment) -> Self {
        let minute = now.wall.as_second() / 60;
        Self {
            last_key: now.mono,
            is_away: false,
            has_chosen: false,
            last_ping: now.mono,
            last_listing: now.mono,
            has_changed: false,
            minute,
        }
    }
}

impl State {
    /// Handles the passing of time, about once a second. Returns true if the screen has changed.
    pub(crate) fn on_tick(&mut self, now: Moment) -> bool {
        let toast = self.toast.take_if(|toast| now.mono >= toast.until).is_some();
        let typing = self
            .direct_chats
            .iter_mut()
            .filter_map(|chat| chat.expire_typing(now).then_some(()))
            .count();
        let settled = self.settle_roster(now);
        self.poll_hub(now);
        self.update_away(now);
        self.leave_if_done(now);
        let minute = now.wall.as_second() / 60;
        let minute = std::mem::replace(&mut self.timers.minute, minute) != minute;
        let counts = matches!(self.hub_status, HubStatus::Lost { .. });
        toast || typing > 0 || settled || minute || counts || self.has_effects()
    }

    /// Requests reading the files that other programs may have changed; to be called about once a
    /// second. Nothing is requested while they are being read.
    pub(crate) fn poll_files(&mut self) {
        if !std::mem::replace(&mut self.reading_files, true) {
            let queued = self.direct_chats.iter().flat_map(|chat| chat.unsent.queued()).collect();
            self.emit(Effect::ReadFiles { queued });
        }
    }

    /// Announces the peers that have not come back after the hub was lost.
    fn settle_roster(&mut self, now: Moment) -> bool {
        let due = self.roster.due.is_some_and(|due| now.mono >= due);
        let text = if due { self.roster.settle() } else { None };
        if let Some(text) = &text {
            self.announce_in_room(NoticeKind::Presence, text, now);
        }
        text.is_some()
    }

    fn poll_hub(&mut self, now: Moment) {
        if self.hub_status == HubStatus::Up
            && now.mono.duration_since(self.timers.last_ping) >= PING
        {
            self.timers.last_ping = now.mono;
            self.emit(Effect::Ping);
        }
        let pause = match (self.timers.has_changed, self.lists_members()) {
            (true, true) => LIST_CHANGED,
            (true, false) => LIST_CHANGED_MANY,
            (false, _) => LIST_UNCHANGED,
        };
        if self.hub_status == HubStatus::Up
            && now.mono.duration_since(self.timers.last_listing) >= pause
        {
            self.timers.last_listing = now.mono;
            self.timers.has_changed = false;
            self.request_members();
        }
    }

    /// Requests the members of the current room: their names, or how many they are.
    pub(super) fn request_members(&mut self) {
        let Some(name) = self.current_room().cloned() else { return };
        if self.lists_members() {
            return self.emit(Effect::ListMembers(name));
        }
        self.rooms.iter_mut().for_each(|room| room.names = None);
        self.emit(Effect::CountMembers(name));
    }

    /// Returns true if there are few enough peers to list the members of a room by name.
    pub(super) fn lists_members(&self) -> bool {
        self.peers.len() < MANY_PEERS
    }

    /// Handles that a peer has posted to a room, which it may have joined just now.
    pub(super) fn on_speaker(&mut self, room: &RoomName, who: &Name, now: Moment) {
        let names = self.room(room).and_then(|room| room.names.as_ref());
        if names.is_some_and(|names| !names.contains(who)) {
            self.on_peers_changed();
            self.poll_hub(now);
        }
    }

    /// Handles that peers have come or gone, so that the members of rooms may have changed.
    pub(super) fn on_peers_changed(&mut self) {
        self.timers.has_changed = true;
    }

    fn update_away(&mut self, now: Moment) {
        let idle = now.mono.duration_since(self.timers.last_key) >= AWAY;
        if idle
            && !self.timers.is_away
            && !self.timers.has_chosen
            && self.hub_status == HubStatus::Up
        {
            self.timers.is_away = true;
            self.emit(Effect::SetStatus(PeerStatus::Away));
        }
    }

    /// Returns true if the user has pressed no key for a while.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        now.mono.duration_since(self.timers.last_key) >= IDLE
    }

    /// Handles that the user is active.
    pub(super) fn on_activity(&mut self, now: Moment) {
        self.timers.last_key = now.mono;
        if std::mem::take(&mut self.timers.is_away) {
            self.emit(Effect::SetStatus(PeerStatus::Online));
        }
    }

    /// Handles that the user has chosen a status. Any but online is not changed automatically.
    pub(super) fn on_status_chosen(&mut self, status: PeerStatus) {
        self.timers.has_chosen = status != PeerStatus::Online;
        self.timers.is_away = false;
    }

    /// Leaves once the messages that are being sent have arrived.
    pub(super) fn leave(&mut self, now: Moment) {
        let waits = self.sending() > 0 && self.hub_status == HubStatus::Up;
        match self.unsent().len() {
            0 => self.emit(Effect::Quit),
            _ if waits => self.leaving = Some(now.mono + LEAVE_TIMEOUT),
            _ => self.overlay = Some(Overlay::Quit),
        }
    }

    /// Leaves if the user wanted to and all messages have arrived. Asks if that takes too long.
    pub(super) fn leave_if_done(&mut self, now: Moment) {
        let Some(until) = self.leaving else { return };
        if self.unsent().is_empty() {
            self.leaving = None;
            self.emit(Effect::Quit);
        } else if now.mono >= until || self.sending() == 0 {
            self.leaving = None;
            self.overlay = Some(Overlay::Quit);
        }
    }

    /// Handles a change of the connection to the hub.
    pub(crate) fn on_connection(&mut self, connection: &Connection) {
        if matches!(self.hub_status, HubStatus::Ended(_)) {
            return;
        }
        match connection {
            Connection::Connected { .. } => {
                // The toast may be about the lost connection.
                if self.hub_status != HubStatus::Up {
                    self.toast = None;
                }
                self.hub_status = HubStatus::Up;
            }
            Connection::Lost { retry_at, .. } => {
                self.hub_status = HubStatus::Lost { retry_at: retry_at.into_std() };
                self.latency = None;
                self.joining = None;
            }
            Connection::Stopped => {}
        }
    }

    /// Handles that the client has stopped for good. The input is kept.
    pub(crate) fn on_client_end(&mut self, error: &Error, now: Moment) {
        let why = failure::describe(error);
        self.latency = None;
        // The toast may be about the lost connection.
        self.toast = None;
        for room in &mut self.rooms {
            room.fail_all(&why);
        }
        self.direct_chats.iter_mut().for_each(|chat| chat.fail_all(&why));
        self.announce(&format!("the chat is over: {why}"), true, now);
        self.hub_status = HubStatus::Ended(why);
    }
}
