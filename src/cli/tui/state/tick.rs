//! What changes because time passes: words that fade, typing that stops, a person who goes away.

use std::time::{Duration, Instant};

use crate::{
    cli::failure,
    client::Connection,
    error::Error,
    model::{Name, PeerStatus, RoomName},
};

use super::{Command, Now, Overlay, State, Talk};

/// After how long without a key one is away.
const AWAY: Duration = Duration::from_secs(10 * 60);

/// How often the hub is asked for a sign of life.
const PING: Duration = Duration::from_secs(10);

/// How often it is asked how many are in the rooms: where that may have changed, where the hub has
/// more rooms than [`MANY`], and in any case.
const COUNT: Duration = Duration::from_secs(2);
const COUNT_MANY: Duration = Duration::from_secs(30);
const COUNT_ANYWAY: Duration = Duration::from_secs(60);

/// How many rooms are so many that all of them are not asked for often.
const MANY: usize = 100;

/// With how many on the hub it is left at the hub's count of who is in a room.
const CROWD: usize = 200;

/// How long one who leaves waits for what is under way, before one is asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// How things are with the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is there.
    Up,
    /// It is away; when it is tried again.
    Lost { retry_at: Instant },
    /// It will not be tried again: why, and what to do.
    Ended(String),
}

/// Whether the person is at the keyboard.
#[derive(Debug)]
pub(super) struct Idle {
    key: Instant,
    /// The others were told that nobody is.
    away: bool,
    /// The person has said how they are, and the program does not know better.
    said: bool,
    pinged: Instant,
    counted: Instant,
    /// Somebody has come or gone since.
    changed: bool,
    minute: i64,
}

impl Idle {
    pub(super) fn new(now: Now) -> Self {
        let minute = now.wall.as_second() / 60;
        let (key, pinged, counted) = (now.mono, now.mono, now.mono);
        Self { key, away: false, said: false, pinged, counted, changed: false, minute }
    }
}

impl State {
    /// Lets time pass, to be called about once a second. Returns whether something looks different.
    pub(crate) fn tick(&mut self, now: Now) -> bool {
        let toast = self.toast.take_if(|toast| now.mono >= toast.until).is_some();
        let typing =
            self.talks.iter_mut().filter_map(|t| t.typing_ended(now).then_some(())).count();
        let settled = self.settle(now);
        self.ask_hub(now);
        self.go_away(now);
        self.leave_in_time(now);
        let minute = now.wall.as_second() / 60;
        let minute = std::mem::replace(&mut self.idle.minute, minute) != minute;
        let counts = matches!(self.link, Link::Lost { .. });
        toast || typing > 0 || settled || minute || counts || self.has_orders()
    }

    /// Has it looked what other programs have changed, to be called about once a second. A disk that
    /// is slow is not asked again meanwhile.
    pub(crate) fn order_files(&mut self) {
        if !std::mem::replace(&mut self.looking, true) {
            let waiting = self.talks.iter().flat_map(Talk::waiting).collect();
            self.order(Command::Files { waiting });
        }
    }

    /// Who has not come back after a loss of the hub has left.
    fn settle(&mut self, now: Now) -> bool {
        let due = self.roster.due().is_some_and(|due| now.mono >= due);
        let said = if due { self.roster.settle() } else { None };
        if let Some(said) = &said {
            self.say_in_room(said, now);
        }
        said.is_some()
    }

    fn ask_hub(&mut self, now: Now) {
        if self.link == Link::Up && now.mono.duration_since(self.idle.pinged) >= PING {
            self.idle.pinged = now.mono;
            self.order(Command::Ping);
        }
        let pause = match (self.idle.changed, self.listed.len() > MANY) {
            (true, false) => COUNT,
            (true, true) => COUNT_MANY,
            (false, _) => COUNT_ANYWAY,
        };
        if self.link == Link::Up && now.mono.duration_since(self.idle.counted) >= pause {
            self.idle.counted = now.mono;
            self.idle.changed = false;
            self.count();
        }
    }

    /// Orders to look how many are in the rooms, and who is in the one that one sees.
    pub(super) fn count(&mut self) {
        self.order(Command::Census);
        self.count_here();
    }

    pub(super) fn count_here(&mut self) {
        let Some(name) = self.current_room().cloned() else { return };
        match self.is_no_crowd() {
            true => self.order(Command::Members(name)),
            false => self.rooms.iter_mut().for_each(|room| room.names = None),
        }
    }

    /// Whether there are so few on the hub that it is asked who is in a room.
    pub(super) fn is_no_crowd(&self) -> bool {
        self.people.len() < CROWD
    }

    /// That somebody speaks in a room: they may be new there.
    pub(super) fn spoke(&mut self, room: &RoomName, who: &Name, now: Now) {
        let names = self.room(room).and_then(|room| room.names.as_ref());
        if names.is_some_and(|names| !names.contains(who)) {
            self.recount();
            self.ask_hub(now);
        }
    }

    /// That somebody has come or gone: there may be others in the rooms.
    pub(super) fn recount(&mut self) {
        self.idle.changed = true;
    }

    fn go_away(&mut self, now: Now) {
        let idle = now.mono.duration_since(self.idle.key) >= AWAY;
        if idle && !self.idle.away && !self.idle.said && self.link == Link::Up {
            self.idle.away = true;
            self.order(Command::SetStatus(PeerStatus::Away));
        }
    }

    /// That the person is at the keyboard.
    pub(super) fn is_here(&mut self, now: Now) {
        self.idle.key = now.mono;
        if std::mem::take(&mut self.idle.away) {
            self.order(Command::SetStatus(PeerStatus::Online));
        }
    }

    /// That the person says how they are. From then on the program leaves it at that, unless they
    /// are online, as anybody is.
    pub(super) fn says_status(&mut self, status: PeerStatus) {
        self.idle.said = status != PeerStatus::Online;
        self.idle.away = false;
    }

    /// Leaves, as soon as what is under way has arrived.
    pub(super) fn quit(&mut self, now: Now) {
        let waits = self.sending() > 0 && self.link == Link::Up;
        match self.unsent().len() {
            0 => self.order(Command::Quit),
            _ if waits => self.leaving = Some(now.mono + PATIENCE),
            _ => self.overlay = Some(Overlay::Quit),
        }
    }

    /// Leaves if one wanted to and nothing is in the way any more.
    pub(super) fn leave_in_time(&mut self, now: Now) {
        let Some(until) = self.leaving else { return };
        if self.unsent().is_empty() {
            self.leaving = None;
            self.order(Command::Quit);
        } else if now.mono >= until || self.sending() == 0 {
            self.leaving = None;
            self.overlay = Some(Overlay::Quit);
        }
    }

    /// Takes how things are with the hub.
    pub(crate) fn connection(&mut self, connection: &Connection) {
        if matches!(self.link, Link::Ended(_)) {
            return;
        }
        match connection {
            Connection::Connected { .. } => {
                // What was said of its absence does not hold any more.
                if self.link != Link::Up {
                    self.toast = None;
                }
                self.link = Link::Up;
            }
            Connection::Lost { retry_at, .. } => {
                self.link = Link::Lost { retry_at: retry_at.into_std() };
                self.latency = None;
                self.joining = None;
            }
            Connection::Stopped => {}
        }
    }

    /// That the hub refused for good. Nothing that was typed is lost.
    pub(crate) fn ended(&mut self, error: &Error, now: Now) {
        let why = failure::describe(error);
        self.latency = None;
        // What waits for the hub waits for nothing any more.
        self.toast = None;
        for room in &mut self.rooms {
            room.all_failed(&why);
        }
        self.talks.iter_mut().for_each(|talk: &mut Talk| talk.all_failed(&why));
        self.say(&format!("the chat is over: {why}"), true, now);
        self.link = Link::Ended(why);
    }
}
