//! The switcher: finds a room, a person or a command by some of its letters.

use std::{cmp::Reverse, collections::HashSet};

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{ChatId, Choice, Effect, Moment, Overlay, State, Switcher};
use crate::{
    cli::{
        chat::input::{
            Request,
            commands::{COMMANDS, ChatCommand},
        },
        fuzzy,
        keymap::Action,
        tui::composer::Composer,
    },
    model::{Name, RoomName},
};

/// The most choices that are listed: more than anybody looks through.
const MAX_CHOICES: usize = 500;

/// The most characters of the typed text.
const MAX_TYPED: usize = 64;

impl State {
    /// Opens the switcher.
    pub(super) fn open_switcher(&mut self, now: Moment) {
        self.request_rooms(now);
        self.overlay = Some(Overlay::Switch(Switcher::default()));
        self.update_choices();
    }

    /// Handles a key in the switcher.
    pub(super) fn switcher_key(&mut self, key: &KeyEvent, now: Moment) {
        let action = self.keymap.action(key);
        let page = isize::try_from(self.areas.overlay_rows.max(1)).unwrap_or(isize::MAX);
        let Some(Overlay::Switch(switcher)) = &mut self.overlay else { return };
        match (action, key.code) {
            (None, KeyCode::Char(c)) if Composer::types(key) => {
                self.type_in_switcher(&c.to_string());
            }
            (_, KeyCode::Backspace) => {
                switcher.typed.pop();
                self.update_choices();
            }
            (Some(Action::Submit), _) => self.accept_choice(now),
            (Some(Action::Cancel | Action::Interrupt | Action::Switch), _) | (_, KeyCode::Esc) => {
                self.overlay = None;
            }
            (Some(Action::NextPlace | Action::Complete), _) | (_, KeyCode::Down) => {
                switcher.scroll(1);
            }
            (Some(Action::PreviousPlace | Action::CompleteBack), _) | (_, KeyCode::Up) => {
                switcher.scroll(-1);
            }
            (_, KeyCode::PageDown) => switcher.scroll(page),
            (_, KeyCode::PageUp) => switcher.scroll(-page),
            (Some(Action::Redraw), _) => self.emit(Effect::Redraw),
            (Some(Action::Suspend), _) => self.emit(Effect::Suspend),
            _ => {}
        }
    }

    /// Adds typed or pasted text.
    pub(super) fn type_in_switcher(&mut self, text: &str) {
        let Some(Overlay::Switch(switcher)) = &mut self.overlay else { return };
        let free = MAX_TYPED.saturating_sub(switcher.typed.chars().count());
        let typed = text.chars().filter(|c| !crate::text::is_dangerous(*c));
        switcher.typed.extend(typed.take(free));
        self.update_choices();
    }

    /// Finds what fits the typed text. Called again when rooms were listed meanwhile.
    pub(super) fn update_choices(&mut self) {
        let Some(Overlay::Switch(switcher)) = &self.overlay else { return };
        let typed = switcher.typed.clone();
        let (sign, letters) = match typed.chars().next() {
            Some(sign @ ('#' | '@' | '/')) => (Some(sign), &typed[1..]),
            _ => (None, typed.as_str()),
        };
        let fits = |choice: Choice| {
            let label = choice.label();
            let is_wanted = sign.is_none_or(|sign| label.starts_with(sign));
            let fit = is_wanted.then(|| fuzzy::fit(letters, &label[1..])).flatten()?;
            Some((fit, choice))
        };
        let mut found: Vec<_> = self.all_choices().into_iter().filter_map(fits).collect();
        found.sort_by_key(|(fit, _)| *fit);
        found.truncate(MAX_CHOICES);
        let choices = found.into_iter().map(|(_, choice)| choice).collect();
        if let Some(Overlay::Switch(switcher)) = &mut self.overlay {
            (switcher.choices, switcher.selected) = (choices, 0);
        }
    }

    /// Everything that can be chosen, the most likely first: open chats with unread messages and by
    /// activity, then people, other rooms, and commands.
    fn all_choices(&self) -> Vec<Choice> {
        let rooms = self.rooms.iter().map(|room| {
            let unread = room.unread > 0 && !room.muted;
            (ChatId::Room(room.name.clone()), unread, &room.live.transcript)
        });
        let direct_chats = self
            .direct_chats
            .iter()
            .map(|chat| (ChatId::Peer(chat.name.clone()), chat.unread > 0, &chat.transcript));
        let mut chats: Vec<_> = rooms.chain(direct_chats).collect();
        chats.sort_by_key(|(chat, unread, transcript)| {
            let last = transcript.last().map(|entry| entry.at);
            (self.current.as_ref() == Some(chat), !unread, Reverse(last))
        });
        let chats = chats.into_iter().map(|(chat, ..)| Choice::Chat(chat));
        let is_open = |name: &Name| self.direct_chat(name).is_some();
        let people = self.peers.by_activity().into_iter();
        let people = people.filter(|name| *name != self.me && !is_open(name)).map(Choice::Talk);
        // A hub may have thousands of rooms.
        let joined: HashSet<&RoomName> = self.rooms.iter().map(|room| &room.name).collect();
        let others = self.listed_rooms.names.iter().filter(|name| !joined.contains(name));
        let commands = COMMANDS.iter().map(|command| Choice::Command(command.name));
        chats.chain(people).chain(others.cloned().map(Choice::Join)).chain(commands).collect()
    }

    fn accept_choice(&mut self, now: Moment) {
        let Some(Overlay::Switch(switcher)) = self.overlay.take() else { return };
        match switcher.choices.into_iter().nth(switcher.selected) {
            Some(Choice::Chat(chat)) => self.go_to(chat, now),
            Some(Choice::Join(room)) => self.run_request(Request::Join(room), now),
            Some(Choice::Talk(name)) => self.run_request(Request::Talk(name), now),
            Some(Choice::Command(name)) if self.composer.is_empty() => {
                let command = ChatCommand::find(name);
                let blank = if command.is_some_and(|it| it.args.is_empty()) { "" } else { " " };
                self.composer.set(&format!("/{name}{blank}"));
                self.on_edit(now);
            }
            Some(Choice::Command(_)) => {
                self.toast("send or clear the input first", true, now);
            }
            None => {}
        }
    }
}
