//! What a chat knows: the rooms, who is here, what is still under way. It becomes lines of text,
//! and knows nothing of a terminal.

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

/// The state of one chat.
#[derive(Debug)]
pub(crate) struct State {
    /// For what is shown.
    pub(crate) clock: Clock,
    roster: Roster,
    rooms: Vec<RoomName>,
    current: Option<RoomName>,
    outage: Outage,
    /// The last message of each room that was shown.
    shown: HashMap<RoomName, Position>,
    /// Up to where each room had been spoken in when it was entered.
    heads: HashMap<RoomName, Position>,
    /// The rooms whose messages from before are being told.
    telling: HashSet<RoomName>,
    /// One's own last post to each room that was stored.
    stored: HashMap<RoomName, Position>,
    /// Who came and went while messages from before are told: shown after them.
    held: Vec<String>,
    /// Whose messages are not shown.
    pub(crate) blocked: BTreeSet<Name>,
    /// Of whom it was said last that something of theirs is hidden, where nothing was shown since.
    hidden: Option<Name>,
}

impl State {
    /// In `rooms`, talking in the first.
    pub(crate) fn new(me: Name, rooms: Vec<RoomName>, clock: Clock) -> Self {
        Self {
            clock,
            roster: Roster::new(me),
            current: rooms.first().cloned(),
            rooms,
            outage: Outage::default(),
            shown: HashMap::new(),
            heads: HashMap::new(),
            telling: HashSet::new(),
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

    /// The joined rooms.
    pub(crate) fn rooms(&self) -> &[RoomName] {
        &self.rooms
    }

    /// Whether the hub is away.
    pub(crate) fn hub_is_away(&self) -> bool {
        self.outage.lasts()
    }

    /// Makes a joined room the current one.
    pub(crate) fn talk_in(&mut self, room: RoomName) {
        self.be_in(&room);
        self.current = Some(room);
    }

    /// That a room was left, and what to show of it: once, whoever tells it first.
    pub(crate) fn leave(&mut self, room: &RoomName) -> Option<String> {
        let joined = self.rooms.len();
        self.rooms.retain(|joined| joined != room);
        self.heads.remove(room);
        self.telling.remove(room);
        if self.current.as_ref() == Some(room) {
            self.current = self.rooms.first().cloned();
        }
        (self.rooms.len() < joined).then(|| view::notice(&format!("left {room}")))
    }

    /// That one's own post was stored. Of several it is told in any order.
    pub(crate) fn stored(&mut self, posted: Posted) {
        let last = self.stored.entry(posted.room).or_insert(posted.position);
        if last.epoch != posted.position.epoch || last.seq < posted.position.seq {
            *last = posted.position;
        }
    }

    /// Whether all that one posted was shown, as far as it comes at all.
    pub(crate) fn is_settled(&self) -> bool {
        self.stored.iter().all(|(room, stored)| {
            let shown = self.shown.get(room);
            // Another epoch: the log that held the post is no more.
            !self.rooms.contains(room)
                || shown.is_some_and(|shown| shown.epoch != stored.epoch || shown.seq >= stored.seq)
        })
    }

    /// What to show of an event.
    pub(crate) fn hear(&mut self, event: &Event, now: Instant) -> Option<String> {
        let said = self.heard(event, now);
        let held = match self.is_telling() {
            true => Vec::new(),
            false => std::mem::take(&mut self.held),
        };
        let lines: Vec<String> = said.into_iter().chain(held).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn heard(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Connected | Event::Disconnected { .. } => {
                self.outage.hear(event, now).map(|said| view::notice(&said))
            }
            Event::Message(message) => {
                self.shown.insert(message.room.clone(), message.position);
                let line = self.line(message);
                match self.begins_history(message) {
                    true => Some(line.map_or_else(
                        || said_before(&message.room),
                        |line| format!("{}\n{line}", said_before(&message.room)),
                    )),
                    false => line,
                }
            }
            Event::CallerKeyChanged { name, known, offered } => {
                let said = view::caller_key_changed(name, *known, *offered);
                Some(view::notice(&format!("{said}: /accept {name}")))
            }
            Event::Direct(direct) => Some(view::direct(&self.clock, direct)),
            Event::QueuedDelivered { receipt, .. } => {
                Some(view::notice(&view::queued_delivered(receipt)))
            }
            Event::QueuedFailed { id, peer, error, .. } => {
                Some(view::notice(&view::queued_failed(*id, peer, error)))
            }
            Event::Joined { room, head } => {
                self.be_in(room);
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

    /// What to show of who comes and goes.
    pub(crate) fn watch(&mut self, change: PeerChange, now: Instant) -> Option<String> {
        let said = self.roster.hear(change, now).map(|said| view::notice(&said))?;
        if self.is_telling() {
            self.held.push(said);
            return None;
        }
        Some(said)
    }

    /// When [`State::settle`] is to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.roster.due()
    }

    /// What to show of who has not come back after a loss.
    pub(crate) fn settle(&mut self) -> Option<String> {
        self.roster.settle().map(|said| view::notice(&said))
    }

    /// A message as it is shown now; its room is said where there are several.
    pub(crate) fn message(&self, message: &Message) -> String {
        let room = (self.rooms.len() > 1).then_some(&message.room);
        view::message(&self.clock, message, room)
    }

    /// A message as it is shown when it comes: of somebody who is blocked only that it came, once
    /// for all that come one after the other.
    fn line(&mut self, message: &Message) -> Option<String> {
        let hidden = self.blocked.contains(&message.sender).then(|| message.sender.clone());
        let said = std::mem::replace(&mut self.hidden, hidden.clone());
        match hidden {
            None => Some(self.message(message)),
            Some(who) if said.as_ref() == Some(&who) => None,
            Some(who) => Some(view::notice(&format!("{who} is blocked: hidden"))),
        }
    }

    /// That somebody is blocked, or not any more.
    pub(crate) fn set_blocked(&mut self, name: Name, blocked: bool) {
        match blocked {
            true => self.blocked.insert(name),
            false => self.blocked.remove(&name),
        };
    }

    /// Whether messages from before are being told, and more of them are to come.
    fn is_telling(&self) -> bool {
        let more = |room: &RoomName| {
            let place = self.heads.get(room).zip(self.shown.get(room));
            place.is_some_and(|(head, shown)| shown.epoch == head.epoch && shown.seq < head.seq)
        };
        !self.hub_is_away() && self.telling.iter().any(more)
    }

    /// Whether it is the first of those that were said before the room was entered.
    fn begins_history(&mut self, message: &Message) -> bool {
        let before = self.heads.get(&message.room).is_some_and(|head| {
            head.epoch == message.position.epoch && message.position.seq <= head.seq
        });
        before && self.telling.insert(message.room.clone())
    }

    /// That one is in a room.
    pub(crate) fn be_in(&mut self, room: &RoomName) {
        if !self.rooms.contains(room) {
            self.rooms.push(room.clone());
        }
        self.current.get_or_insert_with(|| room.clone());
    }
}

fn said_before(room: &RoomName) -> String {
    view::notice(&format!("said before in {room}:"))
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

    fn state(rooms: &[&str]) -> State {
        let rooms = rooms.iter().map(|raw| room(raw)).collect();
        State::new(Name::parse("sova").unwrap(), rooms, Clock::local())
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
        assert!(state.hear(&message("lobby", at(1, 1)), now).unwrap().ends_with(" buzz: hi"));
        state.hear(&joined("ops"), now);
        let shown = state.hear(&message("lobby", at(1, 2)), now).unwrap();
        assert!(shown.ends_with(" lobby buzz: hi"), "{shown}");
    }

    #[test]
    fn what_was_said_before_is_set_off_once() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.hear(&Event::Joined { room: room("lobby"), head: at(1, 2) }, now);
        let first = state.hear(&message("lobby", at(1, 1)), now).unwrap();
        assert!(first.starts_with("* said before in lobby:\n"), "{first}");
        for seq in [2, 3] {
            let next = state.hear(&message("lobby", at(1, seq)), now).unwrap();
            assert!(!next.contains("said before"), "{next}");
        }
    }

    #[test]
    fn who_is_here_is_not_told_in_the_midst_of_what_was_said_before() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.hear(&Event::Joined { room: room("lobby"), head: at(1, 2) }, now);
        state.hear(&message("lobby", at(1, 1)), now);
        assert_eq!(state.watch(PeerChange::Reset, now), None);
        assert_eq!(state.watch(PeerChange::Listed, now), None, "not yet");
        let last = state.hear(&message("lobby", at(1, 2)), now).unwrap();
        assert!(last.ends_with(" buzz: hi\n* nobody else is here"), "{last}");
        assert!(!state.hear(&message("lobby", at(1, 3)), now).unwrap().contains("here"));
    }

    #[test]
    fn who_is_here_is_told_at_last_where_the_rest_does_not_come() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.hear(&Event::Joined { room: room("lobby"), head: at(1, 9) }, now);
        state.hear(&message("lobby", at(1, 1)), now);
        state.watch(PeerChange::Reset, now);
        assert_eq!(state.watch(PeerChange::Listed, now), None);
        let left = state.hear(&Event::Left { room: room("lobby") }, now);
        assert_eq!(left.as_deref(), Some("* left lobby\n* nobody else is here"));
    }

    #[test]
    fn leaving_the_current_room_makes_another_one_current() {
        let mut state = state(&["lobby", "ops"]);
        let now = Instant::now();
        state.talk_in(room("ops"));
        assert_eq!(state.current(), Some(&room("ops")));
        let said = state.hear(&Event::Left { room: room("ops") }, now);
        assert_eq!(said.as_deref(), Some("* left ops"));
        assert_eq!(state.current(), Some(&room("lobby")));
        assert_eq!(state.leave(&room("ops")), None, "said already");
        let error = Error::protocol("no\nway");
        let said = state.hear(&Event::JoinRefused { room: room("lobby"), error }, now).unwrap();
        assert_eq!(said, "* not in lobby: the other side broke the protocol: no␊way");
        assert_eq!(state.current(), None);
        state.hear(&joined("ops"), now);
        assert_eq!(state.current(), Some(&room("ops")));
    }

    #[test]
    fn what_the_blocked_say_is_one_line_for_all_of_it() {
        let mut state = state(&["lobby"]);
        let now = Instant::now();
        state.set_blocked(Name::parse("buzz").unwrap(), true);
        let hidden = state.hear(&message("lobby", at(1, 1)), now);
        assert_eq!(hidden.as_deref(), Some("* buzz is blocked: hidden"));
        assert_eq!(state.hear(&message("lobby", at(1, 2)), now), None);
        state.set_blocked(Name::parse("buzz").unwrap(), false);
        assert!(state.hear(&message("lobby", at(1, 3)), now).unwrap().ends_with(" buzz: hi"));
    }

    #[test]
    fn a_chat_is_settled_when_ones_own_posts_were_shown() {
        let mut state = state(&["lobby", "ops"]);
        let now = Instant::now();
        assert!(state.is_settled());
        state.stored(posted("lobby", at(1, 5)));
        state.stored(posted("lobby", at(1, 4)));
        assert!(!state.is_settled());
        state.hear(&message("lobby", at(1, 4)), now);
        assert!(!state.is_settled());
        state.hear(&message("lobby", at(1, 5)), now);
        assert!(state.is_settled());

        state.stored(posted("ops", at(1, 9)));
        state.hear(&Event::Left { room: room("ops") }, now);
        assert!(state.is_settled(), "a room one has left shows nothing");
        state.stored(posted("lobby", at(1, 6)));
        state.hear(&message("lobby", at(2, 1)), now);
        assert!(state.is_settled(), "a log of another life does not hold the post");
    }
}
