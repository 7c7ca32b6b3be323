//! Overlays: boxes with text, search hits or a question, which stay open until they are closed.

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Effect, Moment, State, Switcher};
use crate::{
    cli::{
        chat,
        keymap::{Action, Keymap},
        search_terms::SearchTerms,
        tui::{composer::Composer, found::FoundMessage},
    },
    model::Name,
};

/// An overlay.
pub(crate) enum Overlay {
    /// Text. `top` is the first visible line.
    Lines { title: String, lines: Vec<String>, top: usize },
    /// Search hits to go to.
    Hits(FoundMessages),
    /// Finds a room, person or command to go to.
    Switch(Switcher),
    /// Web links of the chat, to open or copy.
    Links { links: Vec<String>, selected: usize },
    /// The question whether to leave, with the messages that have not arrived.
    Quit,
}

/// The hits of a search.
#[derive(Debug, Default)]
pub(crate) struct FoundMessages {
    /// Whose direct messages were searched; `None`: rooms.
    pub(crate) peer: Option<Name>,
    pub(crate) terms: SearchTerms,
    pub(crate) hits: Vec<FoundMessage>,
    pub(crate) selected: usize,
    /// The token of the next page, if there is one.
    pub(crate) next: Option<String>,
    pub(crate) is_loading: bool,
}

impl Overlay {
    /// Text with a title.
    pub(crate) fn lines(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self::Lines { title: title.into(), lines, top: 0 }
    }

    /// The help: keys, symbols and commands. `commands` come first, or the keys.
    pub(crate) fn help(keymap: &Keymap, commands: bool) -> Self {
        let mut keys = Vec::new();
        for (key, about) in keymap.listing() {
            match key.chars().count() {
                0 => keys.extend([String::new(), about.to_owned()]),
                1..=KEYS => keys.push(format!("  {key:KEYS$}  {about}")),
                _ => keys.extend([format!("  {key}"), format!("  {:KEYS$}  {about}", "")]),
            }
        }
        let symbols = SYMBOLS.iter().map(|(symbol, about)| format!("  {symbol:KEYS$}  {about}"));
        let symbols = [String::new(), "Symbols".into()].into_iter().chain(symbols);
        let listed = chat::help();
        let listed = listed.lines().map(str::to_owned);
        let listed = [String::new(), "Commands".into()].into_iter().chain(listed);
        let lines: Vec<String> = match commands {
            true => listed.chain(symbols).chain(keys).collect(),
            false => keys.into_iter().chain(symbols).chain(listed).collect(),
        };
        // Without the blank line above the first heading.
        Self::lines("help", lines.into_iter().skip(1).collect())
    }

    /// Scrolls by lines, or moves the selection by hits. The next layout limits scrolling to the text.
    pub(crate) fn scroll(&mut self, by: isize) {
        match self {
            Self::Lines { top, .. } => *top = top.saturating_add_signed(by),
            Self::Hits(found) => {
                let last = found.hits.len().saturating_sub(1);
                found.selected = found.selected.saturating_add_signed(by).min(last);
            }
            Self::Links { links, selected } => {
                *selected = selected.saturating_add_signed(by).min(links.len().saturating_sub(1));
            }
            Self::Switch(switcher) => switcher.scroll(by),
            Self::Quit => {}
        }
    }
}

/// The width of the key column of the help. Longer keys have a line of their own.
const KEYS: usize = 18;

/// The symbols on the screen.
const SYMBOLS: &[(&str, &str)] = &[
    ("● ■ ◌ ✗", "before a peer: online, busy, away, not on the hub"),
    ("…", "after a peer: typing"),
    ("5m, 2h", "after a peer: inactive for that long"),
    ("3, @1", "after a room or peer: unread messages; with @, one mentions you"),
    ("… ✓ ✗", "after your message: being sent, stored, failed with the reason"),
    ("✓ ✓✓ ⧗", "after your direct message: delivered, read, in the outbox"),
    ("● ✗", "in the last line: connected to the hub, or not"),
];

impl State {
    /// Handles a key while an overlay is open. A key that types closes the overlay and edits the input,
    /// because an overlay can open while the user is writing.
    pub(super) fn overlay_key(&mut self, key: &KeyEvent, now: Moment) {
        if matches!(self.overlay, Some(Overlay::Quit)) {
            return self.answer_quit(key, now);
        }
        if matches!(self.overlay, Some(Overlay::Switch(_))) {
            return self.switcher_key(key, now);
        }
        let page = isize::try_from(self.areas.overlay_rows.max(1)).unwrap_or(isize::MAX);
        let has_input = !self.composer.is_empty();
        let action = match has_input {
            true => self.keymap.action(key),
            false => self.keymap.action_on_empty(key),
        };
        let Some(overlay) = &mut self.overlay else { return };
        match (action, key.code) {
            _ if Composer::types(key) => {
                self.overlay = None;
                self.edit(key, now);
            }
            // The key that closes an overlay does not send the input behind it.
            (Some(Action::Submit), _) if has_input && !matches!(overlay, Overlay::Links { .. }) => {
                self.overlay = None;
            }
            (Some(Action::Submit), _) => self.accept_overlay(now),
            (Some(Action::Copy), _) => self.copy_overlay(now),
            (Some(Action::Redraw), _) => self.emit(Effect::Redraw),
            (Some(Action::Suspend), _) => self.emit(Effect::Suspend),
            (Some(Action::Cancel | Action::Interrupt | Action::Help), _) | (_, KeyCode::Esc) => {
                self.overlay = None;
            }
            (_, KeyCode::Up) => overlay.scroll(-1),
            (_, KeyCode::Down) => overlay.scroll(1),
            (_, KeyCode::PageUp) => overlay.scroll(-page),
            (_, KeyCode::PageDown) => overlay.scroll(page),
            (_, KeyCode::Home) => overlay.scroll(isize::MIN),
            (_, KeyCode::End) => overlay.scroll(isize::MAX),
            (Some(action), _) => {
                self.overlay = None;
                self.perform(action, now);
            }
            (
                None,
                KeyCode::Char(_)
                | KeyCode::Backspace
                | KeyCode::Delete
                | KeyCode::Left
                | KeyCode::Right,
            ) if has_input => {
                self.overlay = None;
                self.edit(key, now);
            }
            (None, _) => {}
        }
        self.request_hits();
    }

    /// Handles the answer to the question whether to leave. No other key closes it, because the rest of
    /// what the user types, perhaps for a shell, would get into the input.
    fn answer_quit(&mut self, key: &KeyEvent, now: Moment) {
        match (self.keymap.action_on_empty(key), key.code) {
            (Some(Action::Submit | Action::Quit | Action::Interrupt), _) => {
                self.accept_overlay(now);
            }
            (_, KeyCode::Char('y')) if Composer::types(key) => self.accept_overlay(now),
            (Some(Action::Redraw), _) => self.emit(Effect::Redraw),
            (Some(Action::Suspend), _) => self.emit(Effect::Suspend),
            (Some(Action::Cancel), _) | (_, KeyCode::Esc) => self.overlay = None,
            _ => {}
        }
    }

    /// Opens an overlay, unless a question is open.
    pub(super) fn open_overlay(&mut self, overlay: Overlay) {
        if !matches!(self.overlay, Some(Overlay::Quit)) {
            self.overlay = Some(overlay);
        }
    }

    fn accept_overlay(&mut self, now: Moment) {
        match self.overlay.take() {
            Some(Overlay::Quit) => self.emit(Effect::Quit),
            Some(Overlay::Hits(found)) => {
                match (found.hits.into_iter().nth(found.selected), found.peer) {
                    (Some(FoundMessage::Posted(hit)), _) => self.show_message(hit.message, now),
                    (Some(FoundMessage::Direct(kept, _)), Some(peer)) => {
                        self.show_direct(peer, &kept, now);
                    }
                    _ => {}
                }
            }
            Some(Overlay::Links { links, selected }) => {
                if let Some(link) = links.into_iter().nth(selected) {
                    self.emit(Effect::OpenLink(link));
                }
            }
            Some(Overlay::Lines { .. } | Overlay::Switch(_)) | None => {}
        }
    }
}
