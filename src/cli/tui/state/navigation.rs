//! The chats, and going from one to another.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChatId, DirectChat, Effect, Moment, RoomChat, State};
use crate::{
    cli::{chat::actions::joined_elsewhere, tui::transcript::Transcript},
    model::{MessageId, Name, Position, RoomName, Text},
};

/// The most direct chats that peers can open. Above it, those of strangers are closed.
const MAX_DIRECT_CHATS: usize = 256;

impl State {
    /// All chats in the order of the sidebar.
    pub(crate) fn chats(&self) -> Vec<ChatId> {
        let rooms = self.rooms.iter().map(|room| ChatId::Room(room.name.clone()));
        rooms.chain(self.direct_chats.iter().map(|chat| ChatId::Peer(chat.name.clone()))).collect()
    }

    pub(crate) fn room(&self, name: &RoomName) -> Option<&RoomChat> {
        self.rooms.iter().find(|room| room.name == *name)
    }

    pub(super) fn room_mut(&mut self, name: &RoomName) -> Option<&mut RoomChat> {
        self.rooms.iter_mut().find(|room| room.name == *name)
    }

    pub(crate) fn direct_chat(&self, name: &Name) -> Option<&DirectChat> {
        self.direct_chats.iter().find(|chat| chat.name == *name)
    }

    pub(super) fn direct_chat_mut(&mut self, name: &Name) -> Option<&mut DirectChat> {
        self.direct_chats.iter_mut().find(|chat| chat.name == *name)
    }

    /// The direct chat with a peer, which is opened if there is none.
    pub(super) fn ensure_direct_chat(&mut self, name: &Name) -> &mut DirectChat {
        let known = self.direct_chats.iter().position(|chat| chat.name == *name);
        let index = known.unwrap_or_else(|| {
            if self.direct_chats.len() >= MAX_DIRECT_CHATS
                && let Some(index) = self.evictable()
            {
                self.direct_chats.remove(index);
            }
            self.emit(Effect::LookUp(name.clone()));
            self.direct_chats.push(DirectChat::new(name.clone()));
            self.direct_chats.len() - 1
        });
        &mut self.direct_chats[index]
    }

    pub(super) fn can_open_direct_chat(&self, name: &Name) -> bool {
        self.direct_chat(name).is_some()
            || self.direct_chats.len() < MAX_DIRECT_CHATS
            || self.evictable().is_some()
    }

    /// The direct chat to close if there are too many: the oldest with a stranger, best a read one.
    fn evictable(&self) -> Option<usize> {
        let current = self.current_peer();
        let chats = self.direct_chats.iter().enumerate();
        let closable = chats.filter(|(_, chat)| chat.is_closable() && current != Some(&chat.name));
        closable.min_by_key(|(_, chat)| chat.unread > 0).map(|(index, _)| index)
    }

    /// The title of the window: the number of unread messages, except in muted rooms, and the chat.
    pub(crate) fn title(&self) -> String {
        let rooms = self.rooms.iter().filter(|room| !room.muted).map(|room| room.unread);
        let unread: usize = rooms.chain(self.direct_chats.iter().map(|chat| chat.unread)).sum();
        let count = if unread > 0 { format!("({unread}) ") } else { String::new() };
        match &self.current {
            Some(ChatId::Room(room)) => format!("{count}{room} · chinwag"),
            Some(ChatId::Peer(peer)) => format!("{count}{peer} · chinwag"),
            None => format!("{count}chinwag"),
        }
    }

    pub(crate) fn current_room(&self) -> Option<&RoomName> {
        match &self.current {
            Some(ChatId::Room(name)) => Some(name),
            _ => None,
        }
    }

    /// The peer of the current chat, if that is a direct one.
    pub(crate) fn current_peer(&self) -> Option<&Name> {
        match &self.current {
            Some(ChatId::Peer(name)) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn transcript(&self) -> Option<&Transcript> {
        match self.current.as_ref()? {
            ChatId::Room(name) => self.room(name).map(|room| &room.timeline().transcript),
            ChatId::Peer(name) => self.direct_chat(name).map(|chat| &chat.transcript),
        }
    }

    pub(crate) fn transcript_mut(&mut self) -> Option<&mut Transcript> {
        match self.current.clone()? {
            ChatId::Room(name) => self.room_mut(&name).map(RoomChat::transcript_mut),
            ChatId::Peer(name) => self.direct_chat_mut(&name).map(|chat| &mut chat.transcript),
        }
    }

    /// Returns true if the end of the current chat is visible.
    pub(super) fn is_at_end(&self) -> bool {
        match &self.current {
            Some(ChatId::Room(name)) => self.room(name).is_none_or(RoomChat::is_at_end),
            Some(ChatId::Peer(name)) => {
                self.direct_chat(name).is_none_or(|t| t.transcript.is_at_end())
            }
            None => true,
        }
    }

    /// Returns true if the terminal has reported that it has no focus.
    fn is_out_of_focus(&self) -> bool {
        self.focus == Some(false)
    }

    /// Returns true if the user sees new messages of the chat.
    pub(super) fn is_visible(&self, chat: &ChatId) -> bool {
        !self.is_out_of_focus() && self.current.as_ref() == Some(chat) && self.is_at_end()
    }

    /// Makes a chat the current one. The input becomes the draft of the previous chat.
    pub(crate) fn go_to(&mut self, chat: ChatId, now: Moment) {
        if self.current.as_ref() == Some(&chat) {
            return self.mark_seen();
        }
        self.stop_typing(now);
        self.toast = None;
        self.offer = None;
        self.joining = None;
        self.found_from = None;
        let typed = self.composer.text();
        // Input without a chat of its own goes along, because the user has chosen this chat for it.
        let unassigned = match self.draft() {
            Some(draft) => {
                *draft = typed;
                String::new()
            }
            None => typed,
        };
        self.previous = self.current.replace(chat);
        let draft = self.draft().map(std::mem::take).unwrap_or_default();
        match (draft.is_empty(), unassigned.is_empty()) {
            (_, true) => self.composer.set(&draft),
            (true, false) => {}
            (false, false) => self.composer.set(&format!("{draft}\n{unassigned}")),
        }
        self.menu = None;
        if let Some(peer) = self.current_peer().cloned() {
            self.emit(Effect::Open(peer.clone()));
            self.emit(Effect::LookUp(peer));
        }
        self.request_members();
        self.open_at_unread();
        self.mark_seen();
    }

    /// Goes to the first unread message of the current chat, which is loaded if necessary.
    pub(super) fn open_at_unread(&mut self) {
        match self.current.clone() {
            Some(ChatId::Room(name)) => {
                let after = self.room_mut(&name).and_then(RoomChat::jump_to_unread);
                if let Some(after) = after {
                    self.emit(Effect::LoadUnread { room: name, after });
                }
            }
            Some(ChatId::Peer(name)) => {
                if let Some(chat) = self.direct_chat_mut(&name).filter(|chat| chat.unread > 0) {
                    chat.transcript.to_new_line();
                }
            }
            None => {}
        }
    }

    /// Goes to the line above the first message that was unread here.
    pub(super) fn first_unread(&mut self, now: Moment) {
        let has_line = self.transcript_mut().is_some_and(Transcript::to_new_line);
        if !has_line && let Some(name) = self.current_room().cloned() {
            // The line may be among the latest messages.
            let room = self.room_mut(&name);
            if room.is_some_and(|room| room.live.transcript.to_new_line()) {
                self.room_mut(&name).map(|room| room.past.take());
                return;
            }
        }
        if !has_line {
            self.toast("no unread messages here", false, now);
        }
    }

    fn draft(&mut self) -> Option<&mut String> {
        match self.current.clone()? {
            ChatId::Room(name) => self.room_mut(&name).map(|room| &mut room.draft),
            ChatId::Peer(name) => self.direct_chat_mut(&name).map(|chat| &mut chat.draft),
        }
    }

    /// Goes to the chat that is `steps` further in the sidebar, which wraps around.
    pub(super) fn step(&mut self, steps: isize, now: Moment) {
        let chats = self.chats();
        let Ok(count) = isize::try_from(chats.len()) else { return };
        if count == 0 {
            return;
        }
        let at = chats.iter().position(|chat| Some(chat) == self.current.as_ref());
        let at = at.and_then(|at| isize::try_from(at).ok()).unwrap_or(0);
        let next = (at + steps).rem_euclid(count).unsigned_abs();
        if let Some(chat) = chats.into_iter().nth(next) {
            self.go_to(chat, now);
        }
    }

    /// Goes to a chat with unread messages, preferring mentions and direct messages.
    pub(super) fn next_unread(&mut self, now: Moment) {
        let mentioned = self.rooms.iter().find(|room| room.mentioned && !room.muted);
        let direct = self.direct_chats.iter().find(|chat| chat.unread > 0);
        let unread = self.rooms.iter().find(|room| room.unread > 0 && !room.muted);
        let chat = |room: &RoomChat| ChatId::Room(room.name.clone());
        let found = mentioned
            .map(chat)
            .or_else(|| direct.map(|chat| ChatId::Peer(chat.name.clone())))
            .or_else(|| unread.map(chat));
        match found {
            Some(chat) => self.go_to(chat, now),
            None => self.toast("no unread messages", false, now),
        }
    }

    /// Marks the current chat as read if its end is visible, and tells the peer of a direct chat.
    pub(crate) fn mark_seen(&mut self) {
        if self.is_out_of_focus() || !self.is_at_end() {
            return;
        }
        match self.current.clone() {
            Some(ChatId::Room(name)) => {
                // Until then the view is not where the first unread message is.
                if let Some(room) = self.room_mut(&name).filter(|room| room.has_history()) {
                    room.mark_read();
                }
            }
            Some(ChatId::Peer(name)) => {
                let Some(chat) = self.direct_chat_mut(&name) else { return };
                let (seen, read) = (std::mem::take(&mut chat.unseen_ids), chat.mark_read());
                if !seen.is_empty() {
                    self.emit(Effect::MarkSeen { from: name.clone(), ids: seen });
                }
                if let Some(id) = read {
                    self.emit(Effect::MarkRead { to: name, id });
                }
            }
            None => {}
        }
    }

    /// The chat of a room, which is added if there is none.
    pub(super) fn ensure_room(&mut self, name: &RoomName) -> &mut RoomChat {
        let known = self.rooms.iter().position(|room| room.name == *name);
        let index = known.unwrap_or_else(|| {
            let mut room = RoomChat::new(name.clone());
            room.muted = self.muted.contains(name);
            room.live.transcript.set_blocked(&self.blocked);
            room.read_before = self.read_before.get(name).copied();
            room.read = room.read_before;
            self.rooms.push(room);
            self.rooms.len() - 1
        });
        &mut self.rooms[index]
    }

    /// Returns true if no peer of this name is on the hub, in the contact book or in a chat here.
    pub(super) fn is_unknown_peer(&self, name: &Name) -> bool {
        !self.peers.contains(name)
            && self.peers.gone().all(|gone| gone != name)
            && self.direct_chat(name).is_some_and(DirectChat::is_with_unknown_peer)
    }

    /// Closes the direct chat with a peer that does not exist and puts the unsent text back into the
    /// input. The chat stays open if there is other input or more than one text.
    pub(super) fn on_unknown_peer(&mut self, name: &Name, id: Option<MessageId>, now: Moment) {
        let reason = format!("nobody called {name} is on the hub or in your contact book");
        let Some(chat) = self.direct_chat_mut(name) else { return };
        if let Some(id) = id {
            chat.fail(id, reason.clone());
        }
        let texts: Vec<Text> = chat.unsent.iter().map(|(_, text)| text.clone()).collect();
        if !self.composer.is_empty() || texts.len() > 1 || self.has_draft(name) {
            return self.toast(format!("not sent: {reason}"), true, now);
        }
        self.direct_chats.retain(|chat| chat.name != *name);
        if self.current_peer() == Some(name) {
            self.current = None;
            let previous = self.previous.take().filter(|chat| self.chats().contains(chat));
            match previous {
                Some(chat) => self.go_to(chat, now),
                None => self.go_to_first_room(now),
            }
        }
        if let Some(text) = texts.first().filter(|_| self.composer.is_empty()) {
            self.composer.set(&format!("/msg {name} {}", text.as_str()));
        }
        let prefix = if texts.is_empty() { "" } else { "not sent: " };
        self.toast(format!("{prefix}{reason}"), true, now);
    }

    fn has_draft(&self, name: &Name) -> bool {
        self.direct_chat(name).is_some_and(|chat| !chat.draft.is_empty())
    }

    /// Goes to a room that was joined on request, unless the user has typed or moved meanwhile.
    pub(super) fn on_join_done(&mut self, name: RoomName, now: Moment) {
        self.ensure_room(&name);
        let at_once = self.joining.take_if(|joining| *joining == name).is_some();
        let sought = self.sought.take().filter(|message| message.room == name && at_once);
        if let Some(message) = sought {
            return self.show_message(message, now);
        }
        if self.current_room() == Some(&name) {
            return;
        }
        if at_once && self.composer.is_empty() {
            return self.go_to(ChatId::Room(name), now);
        }
        self.announce(&joined_elsewhere(&name), false, now);
    }

    /// Sets up to where the rooms were read in earlier chats.
    pub(crate) fn set_read_positions(&mut self, read: BTreeMap<RoomName, Position>) {
        for room in &mut self.rooms {
            room.read_before = read.get(&room.name).copied();
            room.read = room.read_before;
        }
        self.read_before = read;
    }

    /// Up to where the rooms are read. A room that was never visible counts up to when it was joined.
    pub(crate) fn read_positions(&self) -> BTreeMap<RoomName, Position> {
        let position = |room: &RoomChat| Some((room.name.clone(), room.read.or(room.head)?));
        self.rooms.iter().filter_map(position).collect()
    }

    /// Hides the messages of these peers in rooms, and shows those of all others.
    pub(crate) fn set_blocked(&mut self, blocked: BTreeSet<Name>) {
        for room in &mut self.rooms {
            room.live.transcript.set_blocked(&blocked);
            if let Some(past) = &mut room.past {
                past.transcript.set_blocked(&blocked);
            }
        }
        self.blocked = blocked;
    }

    /// Removes a room and keeps its unsent texts. Returns false if there is no such room.
    pub(super) fn remove_room(&mut self, name: &RoomName, now: Moment) -> bool {
        let Some(index) = self.rooms.iter().position(|room| room.name == *name) else {
            return false;
        };
        let is_current = self.current_room() == Some(name);
        let left = self.rooms.remove(index);
        if let Some(read) = left.read {
            self.read_before.insert(name.clone(), read);
        }
        for (id, text) in left.unsent.iter() {
            let lost = format!("not posted in {name}: {}", text.as_str());
            self.lost.push((Some(id), lost));
        }
        if !left.draft.trim().is_empty() {
            self.lost.push((None, format!("not posted in {name}: {}", left.draft)));
        }
        if is_current {
            self.current = None;
            self.menu = None;
            // The input was meant for that room, so nothing sends it elsewhere.
            if self.composer.is_empty() {
                self.go_to_first_room(now);
            }
        }
        true
    }

    /// Goes to the first room, if there is one. Nobody writes to one person without having chosen that.
    pub(super) fn go_to_first_room(&mut self, now: Moment) {
        if let Some(room) = self.rooms.first() {
            self.go_to(ChatId::Room(room.name.clone()), now);
        }
    }
}
