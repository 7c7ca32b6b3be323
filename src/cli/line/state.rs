//! The state of a chat in line mode: rooms, peers, posts under way. It turns events into lines of text
//! and does not know the terminal.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Instant,
};

use crate::{
    cli::{
        chat::roster::Roster,
        outage::Outage,
        view::{self, Clock},
        words,
    },
    client::{Event, PeerChange},
    model::{Message, Name, Position, Posted, RoomName},
};

pub(crate) struct ChatState {
    /// Formats times.
    pub(crate) clock: Clock,
    roster: Roster,
    rooms: Vec<RoomName>,
    current: Option<RoomName>,
    outage: Outage,
    /// The position of the last message shown of each room.
    shown: HashMap<RoomName, Position>,
    /// The last position of each room when it was joined.
    heads: HashMap<RoomName, Position>,
    /// The rooms whose earlier messages are being shown.
    replaying: HashSet<RoomName>,
    /// The position of the user's last stored post in each room.
    stored: HashMap<RoomName, Position>,
    /// Notices about peers, held back while earlier messages are shown.
    held: Vec<String>,
    /// The peers whose messages are not shown.
    pub(crate) blocked: BTreeSet<Name>,
    /// The peer of the last notice about a hidden message, if nothing was shown since.
    hidden: Option<Name>,
}

impl ChatState {
    /// Creates the state of a chat in `rooms`; the first one is current.
    pub(crate) fn new(me: Name, rooms: Vec<RoomName>, clock: Clock) -> Self {
        Self {
            clock,
            roster: Roster::new(me),
            current: rooms.first().cloned(),
            rooms,
            outage: Outage::default(),
            shown: HashMap::new(),
            heads: HashMap::new(),
            replaying: HashSet::new(),
            stored: HashMap::new(),
            held: Vec::new(),
            blocked: BTreeSet::new(),
            hidden: None,
        }
    }

    /// The room that plain text goes to.
    pub(crate) fn current(&self) -> Option<&RoomName> {
        self.current.as_ref()
    }

    pub(crate) fn rooms(&self) -> &[RoomName] {
        &self.rooms
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.outage.is_offline()
    }

    /// Makes a joined room the current one.
    pub(crate) fn switch_to(&mut self, room: RoomName) {
        self.add_room(&room);
        self.current = Some(room);
    }

    /// Removes a room and returns the notice, if it was still joined.
    pub(crate) fn leave(&mut self, room: &RoomName) -> Option<String> {
        let joined = self.rooms.len();
        self.rooms.retain(|joined| joined != room);
        self.heads.remove(room);
        self.replaying.remove(room);
        if self.current.as_ref() == Some(room) {
            self.current = self.rooms.first().cloned();
        }
        (self.rooms.len() < joined).then(|| view::notice(&format!("left {room}")))
    }

    /// Records that a post of the user was stored. Several may be reported in any order.
    pub(crate) fn stored(&mut self, posted: Posted) {
        let last = self.stored.entry(posted.room).or_insert(posted.position);
        if last.epoch != posted.position.epoch || last.seq < posted.position.seq {
            *last = posted.position;
        }
    }

    /// Returns true if all stored posts of the user were shown, except in rooms that were left.
    pub(crate) fn is_settled(&self) -> bool {
        self.stored.iter().all(|(room, stored)| {
            let shown = self.shown.get(room);
            // In another epoch, the post is lost with its log.
            !self.rooms.contains(room)
                || shown.is_some_and(|shown| shown.epoch != stored.epoch || shown.seq >= stored.seq)
        })
    }

    pub(crate) fn on_event(&mut self, event: &Event, now: Instant) -> Option<String> {
        let lines = self.describe_event(event, now);
        let held = if self.is_replaying() { Vec::new() } else { std::mem::take(&mut self.held) };
        let lines: Vec<String> = lines.into_iter().chain(held).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn describe_event(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Connected | Event::Disconnected { .. } => {
                self.outage.on_event(event, now).map(|text| view::notice(&text))
            }
            Event::Message(message) => {
                self.shown.insert(message.room.clone(), message.position);
                let line = self.line(message);
                let heading = self
                    .begins_history(message)
                    .then(|| view::notice(&format!("earlier in {}:", message.room)));
                heading.into_iter().chain(line).reduce(|heading, line| heading + "\n" + &line)
            }
            Event::Renamed { from, to } => {
                self.roster.rename(to.clone());
                Some(view::notice(&view::renamed(from, to)))
            }
            Event::CallerKeyChanged { name, known, offered } => {
                let notice = view::caller_key_changed(name, *known, *offered);
                Some(view::notice(&format!("{notice}: /accept {name}")))
            }
            Event::Direct(direct) => Some(view::direct(&self.clock, direct)),
            Event::QueuedDelivered { receipt, .. } => {
                Some(view::notice(&view::queued_delivered(receipt)))
            }
            Event::QueuedFailed { id, peer, error, .. } => {
                Some(view::notice(&view::queued_failed(*id, peer, error)))
            }
            Event::Joined { room, head } => {
                self.add_room(room);
                self.heads.entry(room.clone()).or_insert(*head);
                None
            }
            Event::Left { room } => self.leave(room),
            Event::JoinRefused { room, error } => {
                self.leave(room);
                Some(view::notice(&format!("not in {room}: {}", words::problem(error))))
            }
            Event::RoomReset { room, cause } => {
                Some(view::notice(&format!("{room}: messages may be missing here: {cause}")))
            }
            _ => None,
        }
    }

    /// Handles a change of the peers and returns the notice to show.
    pub(crate) fn on_peer_change(&mut self, change: PeerChange, now: Instant) -> Option<String> {
        let notice = self.roster.on_change(change, now).map(|text| view::notice(&text))?;
        if self.is_replaying() {
            self.held.push(notice);
            return None;
        }
        Some(notice)
    }

    /// Returns when to call [`ChatState::settle`].
    pub(crate) fn due(&self) -> Option<Instant> {
        self.roster.due
    }

    /// Returns the notice about peers that have not come back after an outage.
    pub(crate) fn settle(&mut self) -> Option<String> {
        self.roster.settle().map(|text| view::notice(&text))
    }

    /// Formats a message, with its room if several are joined.
    pub(crate) fn message(&self, message: &Message) -> String {
        let only = matches!(self.rooms.as_slice(), [room] if *room == message.room);
        let room = (!only).then_some(&message.room);
        view::message(&self.clock, message, room)
    }

    /// Formats a new message. Consecutive messages of a blocked peer become one notice.
    fn line(&mut self, message: &Message) -> Option<String> {
        let hidden = self.blocked.contains(&message.sender).then(|| message.sender.clone());
        let last = std::mem::replace(&mut self.hidden, hidden.clone());
        match hidden {
            None => Some(self.message(message)),
            Some(who) if last.as_ref() == Some(&who) => None,
            Some(who) => Some(view::notice(&format!("{who} is blocked: hidden"))),
        }
    }

    pub(crate) fn set_blocked(&mut self, name: Name, blocked: bool) {
        match blocked {
            true => self.blocked.insert(name),
            false => self.blocked.remove(&name),
        };
    }

    /// Returns true while earlier messages are shown and more of them are expected.
    fn is_replaying(&self) -> bool {
        let more = |room: &RoomName| {
            let place = self.heads.get(room).zip(self.shown.get(room));
            place.is_some_and(|(head, shown)| shown.epoch == head.epoch && shown.seq < head.seq)
        };
        !self.is_offline() && self.replaying.iter().any(more)
    }

    /// Returns true for the first message that is older than the join of its room.
    fn begins_history(&mut self, message: &Message) -> bool {
        let before = self.heads.get(&message.room).is_some_and(|head| {
            head.epoch == message.position.epoch && message.position.seq <= head.seq
        });
        before && self.replaying.insert(message.room.clone())
    }

    pub(crate) fn add_room(&mut self, room: &RoomName) {
        if !self.rooms.contains(room) {
            self.rooms.push(room.clone());
        }
        self.current.get_or_insert_with(|| room.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::Error,
        model::{MessageId, Text},
    };

    fn room(raw: &str) -> RoomName {
        RoomName::parse(raw).unwrap()
    }

    fn state(rooms: &[&str]) -> ChatState {
        let rooms = rooms.iter().map(|raw| room(raw)).collect();
        ChatState::new(Name::parse("sova").unwrap(), rooms, Clock::local())
    }

    fn at(epoch: u64, seq: u64) -> Position {
        Position { epoch, seq }
    }

    fn message(raw: &str, position: Position) -> Event {
        Event::Message(Message {
            id: MessageId::new(),
            room: room(raw),
            position,
            prev_seq: 0,
            sender: Name::parse("buzz").unwrap(),
            created_at: jiff::Timestamp::now(),
            text: Text::parse("hi").unwrap(),
        })
    }

    fn posted(raw: &str, position: Position) -> Posted {
        Posted {
            id: MessageId::new(),
            room: room(raw),
            position,
            created_at: jiff::Timestamp::now(),
            duplicate: false,
        }
    }

    fn joined(raw: &str) -> Event {
        Event::Joined { room: room(raw), head: at(1, 0) }
    }

    #[test]
    fn one_room_goes_without_saying() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        assert!(state.on_event(&message("lobby", at(1, 1)), now).unwrap().ends_with(" buzz: hi"));
        state.on_event(&joined("ops"), now);
        let shown = state.on_event(&message("lobby", at(1, 2)), now).unwrap();
        assert!(shown.ends_with(" lobby buzz: hi"), "{shown}");
    }

    #[test]
    fn what_was_said_before_is_set_off_once() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.on_event(&Event::Joined { room: room("lobby"), head: at(1, 2) }, now);
        let first = state.on_event(&message("lobby", at(1, 1)), now).unwrap();
        assert!(first.starts_with("* earlier in lobby:\n"), "{first}");
        for seq in [2, 3] {
            let next = state.on_event(&message("lobby", at(1, seq)), now).unwrap();
            assert!(!next.contains("earlier"), "{next}");
        }
    }

    #[test]
    fn who_is_here_is_not_told_in_the_midst_of_what_was_said_before() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.on_event(&Event::Joined { room: room("lobby"), head: at(1, 2) }, now);
        state.on_event(&message("lobby", at(1, 1)), now);
        assert_eq!(state.on_peer_change(PeerChange::Reset, now), None);
        assert_eq!(state.on_peer_change(PeerChange::Listed, now), None, "not yet");
        let last = state.on_event(&message("lobby", at(1, 2)), now).unwrap();
        assert!(last.ends_with(" buzz: hi\n* nobody else is here"), "{last}");
        assert!(!state.on_event(&message("lobby", at(1, 3)), now).unwrap().contains("here"));
    }

    #[test]
    fn who_is_here_is_told_at_last_where_the_rest_does_not_come() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.on_event(&Event::Joined { room: room("lobby"), head: at(1, 9) }, now);
        state.on_event(&message("lobby", at(1, 1)), now);
        state.on_peer_change(PeerChange::Reset, now);
        assert_eq!(state.on_peer_change(PeerChange::Listed, now), None);
        let left = state.on_event(&Event::Left { room: room("lobby") }, now);
        assert_eq!(left.as_deref(), Some("* left lobby\n* nobody else is here"));
    }

    #[test]
    fn leaving_the_current_room_makes_another_one_current() {
        let mut state = state(&["lobby", "ops"]);
        let now = Instant::now();
        state.switch_to(room("ops"));
        assert_eq!(state.current(), Some(&room("ops")));
        let notice = state.on_event(&Event::Left { room: room("ops") }, now);
        assert_eq!(notice.as_deref(), Some("* left ops"));
        assert_eq!(state.current(), Some(&room("lobby")));
        assert_eq!(state.leave(&room("ops")), None, "reported already");
        let error = Error::protocol("no\nway");
        let notice =
            state.on_event(&Event::JoinRefused { room: room("lobby"), error }, now).unwrap();
        assert_eq!(notice, "* not in lobby: the other side broke the protocol: no␊way");
        assert_eq!(state.current(), None);
        state.on_event(&joined("ops"), now);
        assert_eq!(state.current(), Some(&room("ops")));
    }

    #[test]
    fn what_the_blocked_say_is_one_line_for_all_of_it() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.set_blocked(Name::parse("buzz").unwrap(), true);
        let hidden = state.on_event(&message("lobby", at(1, 1)), now);
        assert_eq!(hidden.as_deref(), Some("* buzz is blocked: hidden"));
        assert_eq!(state.on_event(&message("lobby", at(1, 2)), now), None);
        state.set_blocked(Name::parse("buzz").unwrap(), false);
        assert!(state.on_event(&message("lobby", at(1, 3)), now).unwrap().ends_with(" buzz: hi"));
    }

    #[test]
    fn a_chat_is_settled_when_ones_own_posts_were_shown() {
        let mut state = state(&["lobby", "ops"]);
        let now = Instant::now();
        assert!(state.is_settled());
        state.stored(posted("lobby", at(1, 5)));
        state.stored(posted("lobby", at(1, 4)));
        assert!(!state.is_settled());
        state.on_event(&message("lobby", at(1, 4)), now);
        assert!(!state.is_settled());
        state.on_event(&message("lobby", at(1, 5)), now);
        assert!(state.is_settled());

        state.stored(posted("ops", at(1, 9)));
        state.on_event(&Event::Left { room: room("ops") }, now);
        assert!(state.is_settled(), "a room one has left shows nothing");
        state.stored(posted("lobby", at(1, 6)));
        state.on_event(&message("lobby", at(2, 1)), now);
        assert!(state.is_settled(), "a log of another life does not hold the post");
    }
}
