//! What the client tells: messages, the hub's coming and going, who is here, conversations.

use std::time::Duration;

use crate::{
    cli::{
        tui::talks::{Told, What},
        view, words,
    },
    client::{ConversationEvent, Direct, Event, PeerChange},
    error::Error,
    model::{Message, MessageId, Name, Position, RoomName},
};

use super::{Command, Now, Place, State, room::Heard};

/// Of how many it is told who comes and goes.
const CROWD: usize = 50;

/// How often the bell rings at most.
const RING: Duration = Duration::from_secs(1);

impl State {
    /// Takes an event.
    pub(crate) fn hear(&mut self, event: Event, now: Now) {
        match event {
            Event::Connected | Event::Disconnected { .. } => {
                if let Some(said) = self.outage.hear(&event, now.mono) {
                    self.say_in_room(&said, now);
                }
                match event {
                    Event::Connected => self.count(),
                    // What is joined when the hub is back is not joined at once.
                    _ => self.joining = None,
                }
            }
            Event::Message(message) => self.message(&message, now),
            Event::Joined { room, head } => self.joined(room, head, now),
            Event::Left { room } => self.left(&room, &format!("left {room}"), now),
            Event::JoinRefused { room, error } => {
                self.left(&room, &format!("not in {room}: {error}"), now);
            }
            Event::RoomReset { room, cause } => {
                let said = format!("messages may be missing here: {cause}");
                let entry = self.notice(&said, now);
                self.note(&Place::Room(room), entry);
            }
            Event::Direct(direct) => self.direct(&direct, now),
            Event::Conversation { line, event } => self.conversed(line.peer(), event, now),
            Event::CallerKeyChanged { name, known, offered } => {
                let said = view::caller_key_changed(&name, known, offered);
                let said = format!("{said}: /accept {name} {offered}");
                self.say_to(&name, &said, now);
            }
            Event::QueuedDelivered { id, receipt, endpoint } => {
                let path = endpoint.map(|at| format!("direct {at}"));
                self.talk_with(&receipt.receiver).delivered(id, path);
                self.toast(format!("{} has what was kept for them", receipt.receiver), false, now);
            }
            Event::QueuedFailed { id, peer, error, .. } => self.not_sent(&peer, id, &error, now),
            Event::Ended { error } => self.ended(&error, now),
        }
        self.leave_in_time(now);
        self.look();
    }

    fn joined(&mut self, room: RoomName, head: Position, now: Now) {
        self.be_in(&room).joined(head);
        self.count();
        if self.current.is_none() && self.composer.is_empty() {
            self.go_to(Place::Room(room), now);
        }
    }

    fn message(&mut self, message: &Message, now: Now) {
        self.people.heard_of(&message.sender, now);
        let place = Place::Room(message.room.clone());
        let (seen, me) = (self.is_seen(&place), self.me.clone());
        // What is hidden is not counted either.
        let hidden = self.blocked.contains(&message.sender);
        let seen = seen || hidden;
        let Some(room) = self.room_mut(&message.room) else { return };
        let heard = room.hear(message, &me, seen);
        let rings = matches!(heard, Heard::Said { mention: true }) && !room.muted && !hidden;
        if rings {
            self.ring(now);
        }
        if matches!(heard, Heard::Said { .. }) {
            self.spoke(&message.room, &message.sender, now);
        }
    }

    fn left(&mut self, room: &RoomName, said: &str, now: Now) {
        if self.leave(room, now) {
            self.say(said, false, now);
        }
    }

    /// Takes a private message, whichever way it came.
    pub(super) fn direct(&mut self, direct: &Direct, now: Now) {
        let sender = &direct.message.sender;
        self.people.heard_of(sender, now);
        if !self.takes_talk_with(sender) {
            return self.say(&view::direct(&self.clock, direct), true, now);
        }
        let seen = self.is_seen(&Place::Peer(sender.clone()));
        let zone = self.zone.clone();
        self.talk_with(sender).hear(direct, seen, now, &zone);
        self.ring(now);
    }

    /// Says something in the conversation with somebody.
    fn say_to(&mut self, name: &Name, said: &str, now: Now) {
        self.talk_with(name);
        if self.current_peer() == Some(name) {
            return self.say(said, true, now);
        }
        let entry = self.notice(said, now);
        self.note(&Place::Peer(name.clone()), entry);
        self.toast(said, true, now);
    }

    /// What happens in a live conversation, whoever has opened it.
    fn conversed(&mut self, peer: &Name, event: ConversationEvent, now: Now) {
        match event {
            ConversationEvent::Message(direct) => self.direct(&direct, now),
            ConversationEvent::Read(id) => {
                if let Some(talk) = self.talk_mut(peer) {
                    talk.was_read(id);
                }
            }
            ConversationEvent::Typing(active) => {
                self.people.heard_of(peer, now);
                if let Some(talk) = self.talk_mut(peer) {
                    talk.types(active, now);
                }
            }
            // Whose line it is, is known of one's own only; see `told`.
            _ => {}
        }
    }

    /// Takes what comes of one's own lines.
    pub(crate) fn told(&mut self, told: Told, now: Now) {
        let Told { peer, what } = told;
        match what {
            What::Heard(event) => self.conversed(&peer, event, now),
            What::Open(path) => {
                let talk = self.talk_with(&peer);
                talk.live = true;
                talk.path = path.or(talk.path.take());
                // Whoever was called is noted in the book.
                self.order(Command::Know(peer));
            }
            What::Closed => {
                if let Some(talk) = self.talk_mut(&peer) {
                    talk.live = false;
                    talk.types(false, now);
                }
            }
            What::NotOpen(error) => self.not_open(&peer, &error, now),
            What::Delivered { id, path } => self.talk_with(&peer).delivered(id, path),
            What::Failed { id, error } => self.not_sent(&peer, id, &error, now),
        }
        self.leave_in_time(now);
        self.look();
    }

    /// A line that was opened for what might be said: only what a person has to know is said.
    fn not_open(&mut self, peer: &Name, error: &Error, now: Now) {
        if let Error::PeerUnknown(_) = error
            && self.is_stranger(peer)
        {
            return self.is_nobody(peer, None, now);
        }
        if let Some(talk) = self.talk_mut(peer) {
            talk.live = false;
        }
        if let Error::KeyChanged { offered, .. } = error {
            let said = format!(
                "{error}; if {peer} has told you of a new key, and it is this one: /accept {peer} \
                 {offered}"
            );
            self.say_to(peer, &said, now);
        }
    }

    fn not_sent(&mut self, peer: &Name, id: MessageId, error: &Error, now: Now) {
        if let Error::PeerUnknown(_) = error
            && self.is_stranger(peer)
        {
            return self.is_nobody(peer, Some(id), now);
        }
        if matches!(error, Error::KeyChanged { .. }) {
            self.not_open(peer, error, now);
        }
        let why = match error {
            Error::PeerUnknown(_)
            | Error::PeerUnreachable { .. }
            | Error::HubUnreachable { .. } => {
                format!(
                    "{peer} is away: Ctrl-R tries again, /queue keeps it until {peer} is back \
                     ({error})"
                )
            }
            error => words::problem(error),
        };
        self.talk_with(peer).failed(id, why.clone());
        if self.current_peer() != Some(peer) {
            self.toast(format!("not sent to {peer}: {why}"), true, now);
        }
    }

    /// Takes a change of who is here.
    pub(crate) fn watch(&mut self, change: PeerChange, now: Now) {
        self.people.watch(&change, now);
        if let PeerChange::Left(name) = &change {
            for room in &mut self.rooms {
                room.names.as_mut().map(|names| names.remove(name));
            }
        }
        self.recount();
        // Who was away may be back, and one waits for them.
        if let PeerChange::Updated(peer) = &change
            && self.current_peer() == Some(&peer.name)
            && self.talk(&peer.name).is_some_and(|talk| !talk.live)
        {
            self.order(Command::Open(peer.name.clone()));
        }
        let said = self.roster.hear(change, now.mono);
        // In a crowd somebody always comes or goes.
        if let Some(said) = said.filter(|_| self.people.len() <= CROWD) {
            self.say_in_room(&said, now);
        }
    }

    /// Rings, if the person does not look, and wants it.
    fn ring(&mut self, now: Now) {
        let rang = self.rang.is_some_and(|rang| now.mono.duration_since(rang) < RING);
        if !self.focused && !self.quiet && !rang {
            self.rang = Some(now.mono);
            self.order(Command::Bell);
        }
    }
}
