//! Handling the terminal: keys, the mouse, pastes, focus.

use ratatui::{
    crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind},
    layout::{Position, Rect},
};

use crate::cli::{
    keymap::Action,
    tui::{
        areas::MIN_DIVISIBLE, complete::Candidates, outcome::PageDirection, transcript::Transcript,
    },
};

use super::{ChatId, DirectChat, Effect, HubStatus, Moment, Overlay, State};

/// The error for a column that has no room.
const TOO_NARROW: &str = "the screen is too narrow for one more column";

/// The rows that the mouse wheel scrolls by.
const WHEEL: isize = 3;

impl State {
    pub(crate) fn on_terminal_event(&mut self, event: Event, now: Moment) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(&key, now),
            Event::Mouse(mouse) => self.mouse(mouse, now),
            Event::Paste(text) if matches!(self.overlay, Some(Overlay::Switch(_))) => {
                self.on_activity(now);
                self.type_in_switcher(&text);
            }
            Event::Paste(_) if matches!(self.overlay, Some(Overlay::Quit)) => {
                self.on_activity(now);
                self.end_text_only();
            }
            Event::Paste(text) => {
                self.end_text_only();
                self.on_activity(now);
                self.overlay = None;
                self.composer.paste(&text);
                self.on_edit(now);
            }
            Event::Resize(..) => drop(self.end_text_only()),
            Event::FocusGained => self.focus = Some(true),
            Event::FocusLost => self.focus = Some(false),
            _ => {}
        }
        self.leave_if_done(now);
        self.mark_seen();
    }

    fn key(&mut self, key: &KeyEvent, now: Moment) {
        self.on_activity(now);
        // The report may have been lost.
        self.focus = self.focus.map(|_| true);
        if self.end_text_only() {
            return;
        }
        if self.overlay.is_some() {
            return self.overlay_key(key, now);
        }
        let action = match self.composer.is_empty() {
            true => self.keymap.action_on_empty(key),
            false => self.keymap.action(key),
        };
        match action {
            Some(action) => self.perform(action, now),
            None => self.edit(key, now),
        }
    }

    /// Passes a key to the composer.
    pub(super) fn edit(&mut self, key: &KeyEvent, now: Moment) {
        self.composer.on_key(*key);
        self.on_edit(now);
    }

    pub(crate) fn perform(&mut self, action: Action, now: Moment) {
        if !matches!(action, Action::Complete | Action::CompleteBack | Action::Cancel) {
            self.menu = None;
        }
        if matches!(action, Action::HistoryUp | Action::HistoryDown) {
            let peer = self.current_peer().cloned();
            self.composer.set_peer(peer.as_ref());
        }
        if matches!(action, Action::HistoryDown | Action::Interrupt) {
            // They may empty the input, which has had something else.
            self.offer = None;
        }
        match action {
            Action::Submit
                if self.composer.is_empty() && (self.queue_offered() || self.toggle_folds()) => {}
            Action::Submit => self.submit(now),
            Action::NewLine => self.composer.insert_line_break(),
            Action::Quit => self.quit(now),
            Action::Interrupt if self.composer.is_empty() => self.overlay = Some(Overlay::Quit),
            Action::Interrupt => {
                self.composer.clear();
                self.stop_typing(now);
            }
            Action::Help => self.overlay = Some(Overlay::help(&self.keymap, false)),
            Action::Complete => self.complete(false, now),
            Action::CompleteBack => self.complete(true, now),
            Action::HistoryUp => drop(self.composer.history_up()),
            Action::HistoryDown => drop(self.composer.history_down()),
            Action::ScrollUp => self.scroll(-1),
            Action::ScrollDown => self.scroll(1),
            Action::PageUp => self.page_by(-1),
            Action::PageDown => self.page_by(1),
            Action::Top => self.top(),
            Action::Bottom => {
                self.found_from = None;
                self.go_to_latest();
            }
            Action::NextPlace => self.step(1, now),
            Action::PreviousPlace => self.step(-1, now),
            Action::NextUnread => self.next_unread(now),
            Action::FirstUnread => self.first_unread(now),
            Action::Switch => self.open_switcher(now),
            Action::GoTo(number) => self.go_to_number(number, now),
            Action::ToggleSidebar => self.toggle_sidebar(now),
            Action::ToggleRoster => self.toggle_roster(now),
            Action::Search => self.start_search(),
            Action::Retry if self.retry() => {}
            Action::Retry => self.toast("no failed messages here", false, now),
            Action::Copy => self.copy_messages(None, now),
            Action::OpenLink => self.list_links(1, now),
            Action::TextOnly => self.show_text_only(),
            Action::Redraw => self.emit(Effect::Redraw),
            Action::Cancel => self.cancel(now),
            Action::Suspend => self.emit(Effect::Suspend),
        }
    }

    fn toggle_sidebar(&mut self, now: Moment) {
        let is_shown = self.toggled(self.areas.parts.sidebar, self.areas.screen.width, now);
        self.panels.sidebar = is_shown.or(self.panels.sidebar);
    }

    fn toggle_roster(&mut self, now: Moment) {
        let is_shown = self.toggled(self.areas.parts.roster, self.areas.parts.messages.width, now);
        self.panels.roster = is_shown.or(self.panels.roster);
    }

    /// Returns whether a column is shown from now on. `None`, with a toast: `cells` cannot be divided.
    fn toggled(&mut self, column: Rect, cells: u16, now: Moment) -> Option<bool> {
        if column.is_empty() && cells < MIN_DIVISIBLE {
            self.toast(TOO_NARROW, true, now);
            return None;
        }
        Some(column.is_empty())
    }

    /// Closes the topmost of what is open.
    fn cancel(&mut self, now: Moment) {
        let had_menu = self.menu.take().is_some();
        if self.composer.cancel_completion() || had_menu || self.toast.take().is_some() {
            return;
        }
        let from = self.found_from().cloned();
        self.go_to_latest();
        from.into_iter().for_each(|chat| self.go_to(chat, now));
    }

    /// Scrolls to the latest message.
    fn go_to_latest(&mut self) {
        if let Some(name) = self.current_room().cloned()
            && let Some(room) = self.room_mut(&name)
        {
            room.past = None;
        }
        if let Some(transcript) = self.transcript_mut() {
            transcript.to_end();
        }
    }

    fn go_to_number(&mut self, number: usize, now: Moment) {
        let chat = number.checked_sub(1).and_then(|index| self.chats().into_iter().nth(index));
        if let Some(chat) = chat {
            self.go_to(chat, now);
        }
    }

    fn start_search(&mut self) {
        if self.composer.is_empty() {
            self.composer.set("/search ");
        }
    }

    fn complete(&mut self, back: bool, now: Moment) {
        self.request_rooms_for_input(now);
        let mut names = self.peers.by_activity();
        names.retain(|name| *name != self.me);
        if let Some(peer) = self.current_peer().cloned() {
            names.retain(|name| *name != peer);
            names.insert(0, peer);
        }
        let gone = self.peers.gone().cloned();
        let others = self.direct_chats.iter().map(|chat| chat.name.clone()).chain(gone);
        let others: Vec<_> = others.filter(|name| !names.contains(name)).collect();
        names.extend(others);
        let mut rooms: Vec<_> = self.rooms.iter().map(|room| room.name.clone()).collect();
        let others: Vec<_> =
            self.listed_rooms.names.iter().filter(|r| !rooms.contains(r)).cloned().collect();
        rooms.extend(others);
        self.menu = self.composer.complete(&Candidates { names: &names, rooms: &rooms }, back);
    }

    /// Shows the long messages in view with all rows, or folds them. Returns false if there are none.
    fn toggle_folds(&mut self) -> bool {
        self.transcript_mut().is_some_and(Transcript::toggle_folds)
    }

    fn scroll(&mut self, rows: isize) {
        if let Some(transcript) = self.transcript_mut() {
            transcript.scroll(rows);
        }
    }

    fn page_by(&mut self, pages: isize) {
        if let Some(transcript) = self.transcript_mut() {
            transcript.page(pages);
        }
    }

    fn top(&mut self) {
        if let Some(transcript) = self.transcript_mut() {
            transcript.to_start();
        }
    }

    /// Requests history if the view is close to the end of what is loaded.
    pub(crate) fn request_history(&mut self, now: Moment) {
        if let Some(peer) = self.current_peer().cloned() {
            let before = self.direct_chat_mut(&peer).and_then(DirectChat::begin_loading);
            return before.into_iter().for_each(|before| {
                self.emit(Effect::LoadDirect { peer: peer.clone(), before });
            });
        }
        if self.hub_status != HubStatus::Up {
            return;
        }
        let Some(name) = self.current_room().cloned() else { return };
        let Some(room) = self.room_mut(&name).filter(|room| room.has_history()) else { return };
        let is_past = room.past.is_some();
        let timeline = room.timeline_mut();
        if let Some(from) = timeline.begin_loading_older(now) {
            self.emit(Effect::LoadPage { room: name, direction: PageDirection::Older, from });
        } else if let Some(from) = is_past.then(|| timeline.begin_loading_newer(now)).flatten() {
            self.emit(Effect::LoadPage { room: name, direction: PageDirection::Newer, from });
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, now: Moment) {
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(at, -WHEEL),
            MouseEventKind::ScrollDown => self.wheel(at, WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                self.on_activity(now);
                self.click(at, now);
            }
            _ => {}
        }
    }

    fn wheel(&mut self, at: Position, rows: isize) {
        if let Some(overlay) = &mut self.overlay {
            overlay.scroll(rows);
        } else if self.areas.parts.sidebar.contains(at) {
            // The next layout limits both to their lists.
            self.areas.sidebar_top = self.areas.sidebar_top.saturating_add_signed(rows);
        } else if self.areas.parts.roster.contains(at) {
            self.areas.roster_top = self.areas.roster_top.saturating_add_signed(rows);
        } else {
            self.scroll(rows);
        }
    }

    fn click(&mut self, at: Position, now: Moment) {
        if self.overlay.is_some() {
            return;
        }
        if let Some(chat) = self.areas.chat_at(at).cloned() {
            self.go_to(chat, now);
        } else if let Some(name) = self.areas.peer_at(at).cloned()
            && name != self.me
        {
            self.ensure_direct_chat(&name);
            self.go_to(ChatId::Peer(name), now);
        }
    }
}
