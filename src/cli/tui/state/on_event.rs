//! Handling events of the client: messages, the connection to the hub, peers, conversations.

use std::time::{Duration, Instant};

use crate::{
    cli::{tui::transcript::NoticeKind, view, words},
    client::{
        ConversationChange, ConversationEvent, ConversationUpdate, Direct, Error, Event, PeerChange,
    },
    model::{Endpoint, Message, MessageId, Name, Position, RoomName},
};

use super::{ChatId, Effect, Moment, Notice, Notify, State, room_chat::Arrival};

/// Arrivals and departures are announced up to this number of peers on the hub.
const CROWD: usize = 50;

/// The least time between two rings of the bell.
const BELL_INTERVAL: Duration = Duration::from_secs(1);

/// The most notices in a minute.
const MAX_NOTICES: usize = 10;
const NOTICE_PERIOD: Duration = Duration::from_secs(60);

impl State {
    /// Handles an event of the client.
    pub(crate) fn on_event(&mut self, event: Event, now: Moment) {
        match event {
            Event::Connected | Event::Disconnected { .. } => {
                if let Some(text) = self.outage.on_event(&event, now.mono) {
                    self.announce_in_room(NoticeKind::Info, &text, now);
                }
                match event {
                    Event::Connected => self.request_members(),
                    // A room that is joined after a reconnect must not become current then.
                    _ => self.joining = None,
                }
            }
            Event::Message(message) => self.on_message(&message, now),
            Event::Joined { room, head } => self.on_room_joined(room, head, now),
            Event::Left { room } => self.on_room_left(&room, &format!("left {room}"), now),
            Event::JoinRefused { room, error } => {
                let text = format!("not in {room}: {}", words::problem(&error));
                self.on_room_left(&room, &text, now);
            }
            Event::RoomReset { room, cause } => {
                let text = format!("messages may be missing here: {cause}");
                let entry = self.notice(NoticeKind::Error, &text, now);
                self.push_entry(&ChatId::Room(room), entry);
            }
            Event::Direct(direct) => self.on_direct(&direct, now),
            Event::Conversation { line, event } => {
                self.on_conversation_event(line.peer(), event, now)
            }
            Event::Renamed { from, to } => {
                self.roster.rename(to.clone());
                self.announce_in_room(NoticeKind::Info, &view::renamed(&from, &to), now);
                self.reader.name = to.clone();
                self.me = to;
            }
            Event::CallerKeyChanged { name, known, offered } => {
                let changed = view::caller_key_changed(&name, known, offered);
                let text = format!("{changed}: /accept {name} {offered}");
                self.announce_to(&name, &text, now);
            }
            Event::QueuedDelivered { id, receipt, endpoint } => {
                let path = endpoint.map(|at| format!("direct {at}"));
                let peer = &receipt.receiver;
                self.ensure_direct_chat(peer).on_delivered(id, path);
                self.toast(format!("delivered a queued message to {peer}"), false, now);
            }
            Event::QueuedFailed { id, peer, error, .. } => {
                self.on_send_failed(&peer, id, &error, now)
            }
            Event::Ended { error } => self.on_client_end(&error, now),
        }
        self.leave_if_done(now);
        self.mark_seen();
    }

    fn on_room_joined(&mut self, room: RoomName, head: Position, now: Moment) {
        self.ensure_room(&room).on_joined(head);
        self.emit(Effect::RememberRoom(room.clone()));
        if self.current_room() == Some(&room) {
            self.request_members();
        }
        if self.current.is_none() && self.composer.is_empty() {
            self.go_to(ChatId::Room(room), now);
        }
    }

    fn on_message(&mut self, message: &Message, now: Moment) {
        self.peers.set_active(&message.sender, now);
        let chat = ChatId::Room(message.room.clone());
        let is_visible = self.is_visible(&chat);
        let me = self.reader.clone();
        let is_hidden = self.blocked.contains(&message.sender);
        let Some(room) = self.room_mut(&message.room) else { return };
        let is_first = !room.mentioned;
        // Hidden messages do not count as unread.
        let had_history = room.has_history();
        let arrival = room.receive(message, &me, is_visible, is_hidden);
        let has_history = room.has_history();
        let rings = matches!(arrival, Arrival::New { mention: true }) && !room.muted && !is_hidden;
        if rings {
            self.ring(&chat, is_first, Notice::Message(Box::new(message.clone())), now);
        }
        if has_history && !had_history && self.current_room() == Some(&message.room) {
            self.open_at_unread();
        }
        if matches!(arrival, Arrival::New { .. }) {
            self.on_speaker(&message.room, &message.sender, now);
        }
    }

    fn on_room_left(&mut self, room: &RoomName, text: &str, now: Moment) {
        if self.remove_room(room, now) {
            self.announce(text, false, now);
        }
    }

    /// Handles a direct message.
    pub(super) fn on_direct(&mut self, direct: &Direct, now: Moment) {
        let sender = &direct.message.sender;
        self.peers.set_active(sender, now);
        if !self.can_open_direct_chat(sender) {
            return self.announce(&view::direct(&self.clock, direct), true, now);
        }
        let chat = ChatId::Peer(sender.clone());
        let is_visible = self.is_visible(&chat);
        let zone = self.zone.clone();
        let direct_chat = self.ensure_direct_chat(sender);
        let is_first = direct_chat.unread == 0;
        direct_chat.receive(direct, is_visible, now, &zone);
        self.ring(&chat, is_first, Notice::Direct(Box::new(direct.clone())), now);
    }

    /// Shows an error in the direct chat with a peer, and as a toast if another chat is current.
    fn announce_to(&mut self, name: &Name, text: &str, now: Moment) {
        self.ensure_direct_chat(name);
        if self.current_peer() == Some(name) {
            return self.announce(text, true, now);
        }
        let entry = self.notice(NoticeKind::Error, text, now);
        self.push_entry(&ChatId::Peer(name.clone()), entry);
        self.toast(text, true, now);
    }

    /// Handles an event of a live conversation, whoever has opened it.
    fn on_conversation_event(&mut self, peer: &Name, event: ConversationEvent, now: Moment) {
        match event {
            ConversationEvent::Message(direct) => self.on_direct(&direct, now),
            ConversationEvent::Read(id) => {
                if let Some(chat) = self.direct_chat_mut(peer) {
                    chat.on_read(id);
                }
            }
            ConversationEvent::Typing(active) => {
                self.peers.set_active(peer, now);
                if let Some(chat) = self.direct_chat_mut(peer) {
                    chat.set_typing(active, now);
                }
            }
            // Opening and closing count only for the user's own conversation: see `on_conversation`.
            _ => {}
        }
    }

    /// Handles an update of a conversation that the user has opened.
    pub(crate) fn on_conversation(&mut self, update: ConversationUpdate, now: Moment) {
        let ConversationUpdate { peer, change } = update;
        match change {
            ConversationChange::Event(event) => self.on_conversation_event(&peer, event, now),
            ConversationChange::Open(endpoint) => {
                let chat = self.ensure_direct_chat(&peer);
                chat.live = true;
                chat.path = path_to(endpoint).or(chat.path.take());
                // The contact book has the peer from now on.
                self.emit(Effect::LookUp(peer));
            }
            ConversationChange::Closed => {
                if let Some(chat) = self.direct_chat_mut(&peer) {
                    chat.live = false;
                    chat.set_typing(false, now);
                }
            }
            ConversationChange::NotOpen(error) => self.on_call_failed(&peer, &error, now),
            ConversationChange::Delivered { id, endpoint } => {
                self.ensure_direct_chat(&peer).on_delivered(id, path_to(endpoint));
                if self.end_sending(id) {
                    let text = format!("sent to {peer} only: see the list on the left");
                    self.toast(text, false, now);
                }
            }
            ConversationChange::Failed { id, error } => self.on_send_failed(&peer, id, &error, now),
        }
        self.leave_if_done(now);
        self.mark_seen();
    }

    /// Handles that no conversation opened. With no message to send, only a new key is reported.
    fn on_call_failed(&mut self, peer: &Name, error: &Error, now: Moment) {
        if let Error::PeerUnknown(_) = error
            && self.is_unknown_peer(peer)
        {
            return self.on_unknown_peer(peer, None, now);
        }
        if let Some(chat) = self.direct_chat_mut(peer) {
            chat.live = false;
        }
        if let Error::KeyChanged { offered, .. } = error {
            let text = format!(
                "{error}; if {peer} has told you that this is the new key: /accept {peer} {offered}"
            );
            self.announce_to(peer, &text, now);
        }
    }

    fn on_send_failed(&mut self, peer: &Name, id: MessageId, error: &Error, now: Moment) {
        self.end_sending(id);
        if let Error::PeerUnknown(_) = error
            && self.is_unknown_peer(peer)
        {
            return self.on_unknown_peer(peer, Some(id), now);
        }
        if matches!(error, Error::KeyChanged { .. }) {
            self.on_call_failed(peer, error, now);
        }
        let is_unreachable = words::is_unreachable(error);
        let reason = match is_unreachable {
            true => format!(
                "{peer} is unreachable: Enter or /queue keeps it until {peer} is back, Ctrl-R \
                 sends again ({error})"
            ),
            false => words::problem(error),
        };
        self.offer = is_unreachable.then(|| (peer.clone(), id));
        self.ensure_direct_chat(peer).fail(id, reason.clone());
        if self.current_peer() != Some(peer) {
            self.toast(format!("not sent to {peer}: {reason}"), true, now);
        }
    }

    pub(crate) fn on_peer_change(&mut self, change: PeerChange, now: Moment) {
        self.peers.apply(&change, now);
        if let PeerChange::Left(name) = &change {
            for room in &mut self.rooms {
                room.names.as_mut().map(|names| names.remove(name));
            }
        }
        self.on_peers_changed();
        // The peer of the current chat may be back.
        if let PeerChange::Updated(peer) = &change
            && self.current_peer() == Some(&peer.name)
            && self.direct_chat(&peer.name).is_some_and(|chat| !chat.live)
        {
            self.emit(Effect::Open(peer.name.clone()));
        }
        let text = self.roster.on_change(change, now.mono);
        if let Some(text) = text.filter(|_| self.peers.len() <= CROWD) {
            self.announce_in_room(NoticeKind::Presence, &text, now);
        }
    }

    /// Returns true if there were fewer than [`MAX_NOTICES`] in the last minute, and counts one more.
    fn may_notify(&mut self, now: Moment) -> bool {
        let is_over = |at: &mut Instant| now.mono.duration_since(*at) >= NOTICE_PERIOD;
        while self.notified.front_mut().is_some_and(is_over) {
            self.notified.pop_front();
        }
        let may = self.notified.len() < MAX_NOTICES;
        if may {
            self.notified.push_back(now.mono);
        }
        may
    }

    /// Returns true if a message is to be pointed out. `is_first`: it is the first unread one of its chat
    /// that is.
    fn rings_for(&self, chat: &ChatId, is_first: bool, now: Moment) -> bool {
        if self.quiet {
            return false;
        }
        let is_elsewhere = self.current.as_ref() != Some(chat);
        match self.focus {
            Some(false) => true,
            Some(true) => is_elsewhere && is_first,
            None => is_elsewhere || self.is_idle(now),
        }
    }

    /// Rings the bell and shows a notice, unless the user looks at the chat or wants no bell.
    fn ring(&mut self, chat: &ChatId, is_first: bool, notice: Notice, now: Moment) {
        if !self.rings_for(chat, is_first, now) {
            return;
        }
        if self.may_notify(now) {
            match self.notify.clone() {
                Notify::Bell => {}
                Notify::Terminal => self.emit(notice.shown()),
                Notify::Command(run) => self.emit(Effect::RunForNotice { run, notice }),
            }
        }
        let rang = self.rang.is_some_and(|rang| now.mono.duration_since(rang) < BELL_INTERVAL);
        if !rang {
            self.rang = Some(now.mono);
            self.emit(Effect::Bell);
        }
    }
}

/// Returns the way to a peer, as the screen shows it.
fn path_to(endpoint: Option<Endpoint>) -> Option<String> {
    endpoint.map(|endpoint| format!("direct {endpoint}"))
}
