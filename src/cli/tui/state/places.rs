//! Where one can talk, and going from one place to another.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{MessageId, Name, Position, RoomName, Text};

use super::{Command, Now, Room, State, Talk};
use crate::cli::tui::transcript::Transcript;

/// The most direct conversations that others can begin: names can be made up. See
/// [`State::expendable`].
const MAX_TALKS: usize = 256;

/// Where one can talk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Room(RoomName),
    Peer(Name),
}

impl State {
    /// All places, in the order in which they are listed.
    pub(crate) fn places(&self) -> Vec<Place> {
        let rooms = self.rooms.iter().map(|room| Place::Room(room.name.clone()));
        rooms.chain(self.talks.iter().map(|talk| Place::Peer(talk.name.clone()))).collect()
    }

    pub(crate) fn room(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == *name)
    }

    pub(super) fn room_mut(&mut self, name: &RoomName) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name == *name)
    }

    pub(crate) fn talk(&self, name: &Name) -> Option<&Talk> {
        self.talks.iter().find(|talk| talk.name == *name)
    }

    pub(super) fn talk_mut(&mut self, name: &Name) -> Option<&mut Talk> {
        self.talks.iter_mut().find(|talk| talk.name == *name)
    }

    /// The conversation with somebody, begun where there was none.
    pub(super) fn talk_with(&mut self, name: &Name) -> &mut Talk {
        let known = self.talks.iter().position(|talk| talk.name == *name);
        let index = known.unwrap_or_else(|| {
            if self.talks.len() >= MAX_TALKS
                && let Some(index) = self.expendable()
            {
                self.talks.remove(index);
            }
            self.order(Command::Know(name.clone()));
            self.talks.push(Talk::new(name.clone()));
            self.talks.len() - 1
        });
        &mut self.talks[index]
    }

    /// Whether somebody can begin one more conversation.
    pub(super) fn takes_talk_with(&self, name: &Name) -> bool {
        self.talk(name).is_some() || self.talks.len() < MAX_TALKS || self.expendable().is_some()
    }

    /// The conversation that goes where there are too many: only strangers have spoken in it. The
    /// oldest one, and one that was looked at first.
    fn expendable(&self) -> Option<usize> {
        let here = self.current_peer();
        let talks = self.talks.iter().enumerate();
        let may_go = talks.filter(|(_, talk)| talk.may_go() && here != Some(&talk.name));
        may_go.min_by_key(|(_, talk)| talk.unread > 0).map(|(index, _)| index)
    }

    /// The room one is in, where one is in a room.
    pub(crate) fn current_room(&self) -> Option<&RoomName> {
        match &self.current {
            Some(Place::Room(name)) => Some(name),
            _ => None,
        }
    }

    /// Whom one talks with, where that is one peer.
    pub(crate) fn current_peer(&self) -> Option<&Name> {
        match &self.current {
            Some(Place::Peer(name)) => Some(name),
            _ => None,
        }
    }

    /// What is looked at.
    pub(crate) fn transcript(&mut self) -> Option<&mut Transcript> {
        match self.current.clone()? {
            Place::Room(name) => self.room_mut(&name).map(Room::transcript),
            Place::Peer(name) => self.talk_mut(&name).map(|talk| &mut talk.transcript),
        }
    }

    /// Whether the latest is in sight.
    pub(super) fn is_at_end(&self) -> bool {
        match &self.current {
            Some(Place::Room(name)) => self.room(name).is_none_or(Room::is_at_end),
            Some(Place::Peer(name)) => self.talk(name).is_none_or(|t| t.transcript.at_end()),
            None => true,
        }
    }

    /// Whether what comes there is seen as it comes.
    pub(super) fn is_seen(&self, place: &Place) -> bool {
        self.focused && self.current.as_ref() == Some(place) && self.is_at_end()
    }

    /// Goes to a place that there is. What was typed stays where it was typed.
    pub(crate) fn go_to(&mut self, place: Place, now: Now) {
        if self.current.as_ref() == Some(&place) {
            return self.look();
        }
        self.stop_typing(now);
        self.toast = None;
        self.joining = None;
        let typed = self.composer.text();
        // What was typed where one is no more goes along: the person has chosen this place.
        let homeless = match self.draft() {
            Some(draft) => {
                *draft = typed;
                String::new()
            }
            None => typed,
        };
        self.before = self.current.replace(place);
        let draft = self.draft().map(std::mem::take).unwrap_or_default();
        match (draft.is_empty(), homeless.is_empty()) {
            (_, true) => self.composer.set(&draft),
            (true, false) => {}
            (false, false) => self.composer.set(&format!("{draft}\n{homeless}")),
        }
        self.menu = None;
        if let Some(peer) = self.current_peer().cloned() {
            self.order(Command::Open(peer.clone()));
            self.order(Command::Know(peer));
        }
        self.count_here();
        self.look();
    }

    fn draft(&mut self) -> Option<&mut String> {
        match self.current.clone()? {
            Place::Room(name) => self.room_mut(&name).map(|room| &mut room.draft),
            Place::Peer(name) => self.talk_mut(&name).map(|talk| &mut talk.draft),
        }
    }

    /// Goes `steps` places on, around the end.
    pub(super) fn step(&mut self, steps: isize, now: Now) {
        let places = self.places();
        let Ok(count) = isize::try_from(places.len()) else { return };
        if count == 0 {
            return;
        }
        let at = places.iter().position(|place| Some(place) == self.current.as_ref());
        let at = at.and_then(|at| isize::try_from(at).ok()).unwrap_or(0);
        let next = (at + steps).rem_euclid(count).unsigned_abs();
        if let Some(place) = places.into_iter().nth(next) {
            self.go_to(place, now);
        }
    }

    /// Goes to where something unread is: to a mention or a direct message first.
    pub(super) fn next_unread(&mut self, now: Now) {
        let mentioned = self.rooms.iter().find(|room| room.mentioned && !room.muted);
        let direct = self.talks.iter().find(|talk| talk.unread > 0);
        let unread = self.rooms.iter().find(|room| room.unread > 0 && !room.muted);
        let place = |room: &Room| Place::Room(room.name.clone());
        let found = mentioned
            .map(place)
            .or_else(|| direct.map(|talk| Place::Peer(talk.name.clone())))
            .or_else(|| unread.map(place));
        match found {
            Some(place) => self.go_to(place, now),
            None => self.toast("nothing is unread", false, now),
        }
    }

    /// Takes note that what is in sight is seen: it is unread no more, and its sender is told.
    pub(crate) fn look(&mut self) {
        if !self.focused || !self.is_at_end() {
            return;
        }
        match self.current.clone() {
            Some(Place::Room(name)) => {
                if let Some(room) = self.room_mut(&name) {
                    room.unread = 0;
                    room.mentioned = false;
                    room.seen = room.live.newest().or(room.seen);
                }
            }
            Some(Place::Peer(name)) => {
                let Some(talk) = self.talk_mut(&name) else { return };
                let (looked, read) = (talk.looked(), talk.read());
                if !looked.is_empty() {
                    self.order(Command::Looked { from: name.clone(), ids: looked });
                }
                if let Some(id) = read {
                    self.order(Command::MarkRead { to: name, id });
                }
            }
            None => {}
        }
    }

    /// That one is in a room.
    pub(super) fn be_in(&mut self, name: &RoomName) -> &mut Room {
        let known = self.rooms.iter().position(|room| room.name == *name);
        let index = known.unwrap_or_else(|| {
            let mut room = Room::new(name.clone());
            room.muted = self.muted.contains(name);
            room.live.transcript.block(&self.blocked);
            room.since = self.seen.get(name).copied();
            room.seen = room.since;
            self.rooms.push(room);
            self.rooms.len() - 1
        });
        &mut self.rooms[index]
    }

    /// Whether nobody of this name is known: neither here nor in the contact book, and with nothing
    /// ever said to or by them.
    pub(super) fn is_stranger(&self, name: &Name) -> bool {
        !self.people.is_here(name) && self.talk(name).is_some_and(Talk::is_with_nobody)
    }

    /// That there is nobody of a name: the conversation goes, and what was to be said in it is to be
    /// typed to somebody else. Where something else is being typed, it stays.
    pub(super) fn is_nobody(&mut self, name: &Name, id: Option<MessageId>, now: Now) {
        let why = format!("nobody called {name} is here or in your contact book");
        let Some(talk) = self.talk_mut(name) else { return };
        if let Some(id) = id {
            talk.failed(id, why.clone());
        }
        let said: Vec<Text> = talk.unsent().cloned().collect();
        if !self.composer.is_empty() || said.len() > 1 || self.draft_of(name) {
            return self.toast(format!("not sent: {why}"), true, now);
        }
        self.talks.retain(|talk| talk.name != *name);
        if self.current_peer() == Some(name) {
            self.current = None;
            let before = self.before.take().filter(|before| self.places().contains(before));
            if let Some(place) = before.or_else(|| self.places().into_iter().next()) {
                self.go_to(place, now);
            }
        }
        if let Some(text) = said.first().filter(|_| self.composer.is_empty()) {
            self.composer.set(&format!("/msg {name} {}", text.as_str()));
        }
        let what = if said.is_empty() { "" } else { "not sent: " };
        self.toast(format!("{what}{why}"), true, now);
    }

    fn draft_of(&self, name: &Name) -> bool {
        self.talk(name).is_some_and(|talk| !talk.draft.is_empty())
    }

    /// That a room is joined that one has asked for: one goes there where that is at once, and where
    /// nobody has typed or gone elsewhere meanwhile.
    pub(super) fn is_joined(&mut self, name: RoomName, now: Now) {
        self.be_in(&name);
        let at_once = self.joining.take_if(|joining| *joining == name).is_some();
        if self.current_room() == Some(&name) {
            return;
        }
        if at_once && self.composer.is_empty() {
            return self.go_to(Place::Room(name), now);
        }
        self.say(&format!("joined {name}; /join {name} to talk there"), false, now);
    }

    /// Up to where the rooms were seen in an earlier chat.
    pub(crate) fn has_seen(&mut self, seen: BTreeMap<RoomName, Position>) {
        for room in &mut self.rooms {
            room.since = seen.get(&room.name).copied();
            room.seen = room.since;
        }
        self.seen = seen;
    }

    /// Up to where the rooms are seen: where nothing was looked at, up to when one came.
    pub(crate) fn seen(&self) -> BTreeMap<RoomName, Position> {
        let seen = |room: &Room| Some((room.name.clone(), room.seen.or(room.head)?));
        self.rooms.iter().filter_map(seen).collect()
    }

    /// Hides what these say in rooms, and nothing that others say.
    pub(crate) fn block(&mut self, blocked: BTreeSet<Name>) {
        for room in &mut self.rooms {
            room.live.transcript.block(&blocked);
            if let Some(past) = &mut room.past {
                past.transcript.block(&blocked);
            }
        }
        self.blocked = blocked;
    }

    /// That one is in a room no more. Says so where one sees it; tells whether it was news.
    pub(super) fn leave(&mut self, name: &RoomName, now: Now) -> bool {
        let Some(index) = self.rooms.iter().position(|room| room.name == *name) else {
            return false;
        };
        let here = self.current_room() == Some(name);
        let left = self.rooms.remove(index);
        for (id, text) in left.unsent() {
            let lost = format!("not posted in {name}: {}", text.as_str());
            self.lost.push((Some(id), lost));
        }
        if !left.draft.trim().is_empty() {
            self.lost.push((None, format!("not posted in {name}: {}", left.draft)));
        }
        if here {
            self.current = None;
            self.menu = None;
            let next = self.places().into_iter().next();
            // What is being typed was meant for that room: it goes nowhere else by itself.
            if let Some(place) = next.filter(|_| self.composer.is_empty()) {
                self.go_to(place, now);
            }
        }
        true
    }
}
