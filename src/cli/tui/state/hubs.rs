//! `/hub`: listing the hubs, and leaving for another one.

use std::mem;

use crate::cli::{chat::hubs::HubChoice, config::ProfileName};

use super::{ChatId, Moment, Overlay, State};

/// What was typed and not sent, with the chat that it is for.
pub(crate) type Drafts = Vec<(ChatId, String)>;

impl State {
    /// Takes the drafts, to be kept while the user is at another hub.
    pub(crate) fn take_drafts(&mut self) -> Drafts {
        let current = self.current.clone().map(|chat| (chat, self.composer.text()));
        let rooms = self.rooms.iter_mut();
        let rooms = rooms.map(|room| (ChatId::Room(room.name.clone()), mem::take(&mut room.draft)));
        let peers = self.direct_chats.iter_mut();
        let peers = peers.map(|chat| (ChatId::Peer(chat.name.clone()), mem::take(&mut chat.draft)));
        let drafts = current.into_iter().chain(rooms).chain(peers);
        drafts.filter(|(_, draft)| !draft.trim().is_empty()).collect()
    }

    /// Puts drafts back. Those for rooms that are no longer joined are shown when the chat ends.
    pub(crate) fn set_drafts(&mut self, drafts: Drafts) {
        for (chat, draft) in drafts {
            match &chat {
                chat if self.current.as_ref() == Some(chat) => self.composer.set(&draft),
                ChatId::Room(name) => match self.room_mut(name) {
                    Some(room) => room.draft = draft,
                    None => self.lost.push((None, format!("not posted in {name}: {draft}"))),
                },
                ChatId::Peer(name) => self.ensure_direct_chat(name).draft = draft,
            }
        }
    }

    /// Takes the hub to go to after this one; `None` if the user leaves the chat.
    pub(crate) fn take_next_hub(&mut self) -> Option<ProfileName> {
        self.next_hub.take()
    }

    /// Handles what `/hub` leads to: the chat leaves once the messages that are being sent have arrived.
    pub(crate) fn on_hub_choice(&mut self, choice: Result<HubChoice, String>, now: Moment) {
        match choice {
            Ok(HubChoice::List(lines)) => self.open_overlay(Overlay::lines("hubs", lines)),
            Ok(HubChoice::Here(notice)) => self.toast(notice, false, now),
            Ok(HubChoice::Go(profile)) => {
                self.next_hub = Some(profile);
                self.leave(now);
            }
            Err(problem) => self.toast(problem, true, now),
        }
    }

    /// Leaves the chat, once the messages that are being sent have arrived.
    pub(super) fn quit(&mut self, now: Moment) {
        self.next_hub = None;
        self.leave(now);
    }
}
