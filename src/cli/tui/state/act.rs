//! What the person does: keys, the mouse, pasting, going away and coming back.

use ratatui::{
    crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind},
    layout::Position,
};

use crate::cli::tui::{complete::Words, keys::Action};

use super::{Command, Link, Now, Overlay, Place, State};

/// How many rows the wheel moves by.
const WHEEL: isize = 3;

impl State {
    /// Takes what the terminal tells.
    pub(crate) fn terminal(&mut self, event: Event, now: Now) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(&key, now),
            Event::Mouse(mouse) => self.mouse(mouse, now),
            Event::Paste(text) => {
                self.is_here(now);
                self.overlay = None;
                self.composer.paste(&text);
                self.typed(now);
            }
            Event::FocusGained => self.focused = true,
            Event::FocusLost => self.focused = false,
            _ => {}
        }
        self.leave_in_time(now);
        self.look();
    }

    fn key(&mut self, key: &KeyEvent, now: Now) {
        self.is_here(now);
        // Whoever types looks, whatever the terminal says of it.
        self.focused = true;
        if self.overlay.is_some() {
            return self.overlay_key(key, now);
        }
        let action = match self.composer.is_empty() {
            true => self.keymap.action_on_empty(key),
            false => self.keymap.action(key),
        };
        match action {
            Some(action) => self.act(action, now),
            None => self.write(key, now),
        }
    }

    /// Gives a key to what is typed.
    pub(super) fn write(&mut self, key: &KeyEvent, now: Now) {
        self.composer.key(*key);
        self.typed(now);
    }

    /// Does what a key means.
    pub(crate) fn act(&mut self, action: Action, now: Now) {
        if !matches!(action, Action::Complete | Action::CompleteBack | Action::Cancel) {
            self.menu = None;
        }
        if matches!(action, Action::HistoryUp | Action::HistoryDown) {
            let peer = self.current_peer().cloned();
            self.composer.be_with(peer.as_ref());
        }
        match action {
            Action::Submit => self.submit(now),
            Action::NewLine => self.composer.new_line(),
            Action::Quit => self.quit(now),
            Action::Interrupt if self.composer.is_empty() => self.overlay = Some(Overlay::Quit),
            Action::Interrupt => {
                self.composer.clear();
                self.stop_typing(now);
            }
            Action::Help => self.overlay = Some(Overlay::help(&self.keymap, false)),
            Action::Complete => self.complete(false),
            Action::CompleteBack => self.complete(true),
            Action::HistoryUp => drop(self.composer.history_up()),
            Action::HistoryDown => drop(self.composer.history_down()),
            Action::ScrollUp => self.scroll(-1),
            Action::ScrollDown => self.scroll(1),
            Action::PageUp => self.page_by(-1),
            Action::PageDown => self.page_by(1),
            Action::Top => self.top(),
            Action::Bottom => self.back_to_now(),
            Action::NextPlace => self.step(1, now),
            Action::PreviousPlace => self.step(-1, now),
            Action::NextUnread => self.next_unread(now),
            Action::GoTo(number) => self.go_to_number(number, now),
            Action::ToggleSidebar => self.folds.sidebar = Some(self.areas.sidebar.is_empty()),
            Action::ToggleRoster => self.folds.roster = Some(self.areas.roster.is_empty()),
            Action::Search => self.begin_search(),
            Action::Retry if self.retry() => {}
            Action::Retry => self.toast("nothing has failed here", false, now),
            Action::Redraw => self.order(Command::Redraw),
            Action::Cancel => self.cancel(),
            Action::Suspend => self.order(Command::Suspend),
        }
    }

    /// Closes what is open, from the top.
    fn cancel(&mut self) {
        if self.composer.cancel() || self.menu.take().is_some() || self.toast.take().is_some() {
            self.menu = None;
            return;
        }
        self.back_to_now();
    }

    /// Shows what comes, where something else was shown.
    fn back_to_now(&mut self) {
        if let Some(name) = self.current_room().cloned()
            && let Some(room) = self.room_mut(&name)
        {
            room.past = None;
        }
        if let Some(transcript) = self.transcript() {
            transcript.to_end();
        }
    }

    fn go_to_number(&mut self, number: usize, now: Now) {
        let place = number.checked_sub(1).and_then(|index| self.places().into_iter().nth(index));
        if let Some(place) = place {
            self.go_to(place, now);
        }
    }

    fn begin_search(&mut self) {
        if self.composer.is_empty() {
            self.composer.set("/search ");
        }
    }

    fn complete(&mut self, back: bool) {
        let mut names = self.people.likely();
        names.retain(|name| *name != self.me);
        if let Some(peer) = self.current_peer().cloned() {
            names.retain(|name| *name != peer);
            names.insert(0, peer);
        }
        let talks = self.talks.iter().map(|talk| talk.name.clone());
        let others: Vec<_> = talks.filter(|name| !names.contains(name)).collect();
        names.extend(others);
        let mut rooms: Vec<_> = self.rooms.iter().map(|room| room.name.clone()).collect();
        let others: Vec<_> = self.listed.iter().filter(|r| !rooms.contains(r)).cloned().collect();
        rooms.extend(others);
        self.menu = self.composer.complete(&Words { names: &names, rooms: &rooms }, back);
    }

    fn scroll(&mut self, rows: isize) {
        if let Some(transcript) = self.transcript() {
            transcript.scroll(rows);
        }
    }

    fn page_by(&mut self, pages: isize) {
        if let Some(transcript) = self.transcript() {
            transcript.page(pages);
        }
    }

    fn top(&mut self) {
        if let Some(transcript) = self.transcript() {
            transcript.to_start();
        }
    }

    /// Orders the history that the view is about to need.
    pub(crate) fn order_history(&mut self, now: Now) {
        if self.link != Link::Up {
            return;
        }
        let Some(name) = self.current_room().cloned() else { return };
        let Some(room) = self.room_mut(&name).filter(|room| room.is_told()) else { return };
        let looks_back = room.past.is_some();
        let strand = room.strand();
        if let Some(from) = strand.wants_older(now) {
            self.order(Command::Page { room: name, way: super::Way::Older, from });
        } else if let Some(from) = looks_back.then(|| strand.wants_newer(now)).flatten() {
            self.order(Command::Page { room: name, way: super::Way::Newer, from });
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, now: Now) {
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(at, -WHEEL),
            MouseEventKind::ScrollDown => self.wheel(at, WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                self.is_here(now);
                self.click(at, now);
            }
            _ => {}
        }
    }

    fn wheel(&mut self, at: Position, rows: isize) {
        if let Some(overlay) = &mut self.overlay {
            overlay.scroll(rows);
        } else if self.areas.sidebar.contains(at) {
            self.areas.scroll_sidebar(rows);
        } else if self.areas.roster.contains(at) {
            self.areas.scroll_roster(rows);
        } else {
            self.scroll(rows);
        }
    }

    fn click(&mut self, at: Position, now: Now) {
        if self.overlay.is_some() {
            return;
        }
        if let Some(place) = self.areas.place_at(at).cloned() {
            self.go_to(place, now);
        } else if let Some(name) = self.areas.person_at(at).cloned()
            && name != self.me
        {
            self.talk_with(&name);
            self.go_to(Place::Peer(name), now);
        }
    }
}
