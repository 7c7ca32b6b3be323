//! What lies over everything else until it is closed: texts, what was found, a question.

use crate::{
    cli::{
        chat,
        tui::{
            composer::Composer,
            keys::{Action, Keymap},
        },
    },
    model::{Message, SearchHit},
};

use super::{Command, Now, Place, State};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

/// What lies over everything.
pub(crate) enum Overlay {
    /// Lines to read. `top` is the first that is shown.
    Lines { title: String, lines: Vec<String>, top: usize },
    /// What was found, to be looked at where it was said.
    Hits { query: String, hits: Vec<SearchHit>, chosen: usize },
    /// Whether to leave, though something is not sent.
    Quit,
}

impl Overlay {
    /// Lines under a title.
    pub(crate) fn lines(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self::Lines { title: title.into(), lines, top: 0 }
    }

    /// The keys, the signs and the commands: `commands` first, or the keys.
    pub(crate) fn help(keymap: &Keymap, commands: bool) -> Self {
        let mut keys = Vec::new();
        for (key, what) in keymap.listing() {
            match key.chars().count() {
                0 => keys.extend([String::new(), what.to_owned()]),
                1..=KEYS => keys.push(format!("  {key:KEYS$}  {what}")),
                _ => keys.extend([format!("  {key}"), format!("  {:KEYS$}  {what}", "")]),
            }
        }
        let signs = SIGNS.iter().map(|(sign, what)| format!("  {sign:KEYS$}  {what}"));
        let signs = [String::new(), "Signs".into()].into_iter().chain(signs);
        let listed = chat::help();
        let listed = listed.lines().map(str::to_owned);
        let listed = [String::new(), "Commands".into()].into_iter().chain(listed);
        let lines: Vec<String> = match commands {
            true => listed.chain(signs).chain(keys).collect(),
            false => keys.into_iter().chain(signs).chain(listed).collect(),
        };
        // Nothing stands above the first head.
        Self::lines("help", lines.into_iter().skip(1).collect())
    }

    /// Moves by so many lines, or hits. The view keeps it from going beyond the end.
    pub(crate) fn scroll(&mut self, by: isize) {
        match self {
            Self::Lines { top, .. } => *top = top.saturating_add_signed(by),
            Self::Hits { hits, chosen, .. } => {
                *chosen = chosen.saturating_add_signed(by).min(hits.len().saturating_sub(1));
            }
            Self::Quit => {}
        }
    }
}

/// The cells of the keys' column in the help: what needs more has a line of its own.
const KEYS: usize = 18;

/// What the signs of the screen mean.
const SIGNS: &[(&str, &str)] = &[
    ("● ■ ◌ ✗", "before somebody: online, busy, away, not here"),
    ("…", "after a conversation: they type"),
    ("5m, 2h", "after a name: for how long nothing was heard of them"),
    ("3, @1", "after a place: how much is unread there; you are named, or it is for you"),
    ("… ✓ ✗", "after what you said: under way, stored, not sent and why"),
    ("✓ ✓✓ ⧗", "after a direct message: they have it, have read it; it waits for them"),
    ("● ✗", "in the last line: the hub is there, or away"),
];

impl State {
    /// Deals with a key while something lies over the rest. What is typed is typed: a list that lies
    /// over the input, or has come while somebody was writing, gives way to it.
    pub(super) fn overlay_key(&mut self, key: &KeyEvent, now: Now) {
        if matches!(self.overlay, Some(Overlay::Quit)) {
            return self.answer(key, now);
        }
        let page = isize::try_from(self.areas.page.max(1)).unwrap_or(isize::MAX);
        let written = !self.composer.is_empty();
        let action = match written {
            true => self.keymap.action(key),
            false => self.keymap.action_on_empty(key),
        };
        let Some(overlay) = &mut self.overlay else { return };
        match (action, key.code) {
            _ if Composer::types(key) => {
                self.overlay = None;
                self.write(key, now);
            }
            // What was written behind a list is not sent by the key that closes the list.
            (Some(Action::Submit), _) if written => self.overlay = None,
            (Some(Action::Submit), _) => self.overlay_chosen(now),
            (Some(Action::Redraw), _) => self.order(Command::Redraw),
            (Some(Action::Suspend), _) => self.order(Command::Suspend),
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
                self.act(action, now);
            }
            (
                None,
                KeyCode::Char(_)
                | KeyCode::Backspace
                | KeyCode::Delete
                | KeyCode::Left
                | KeyCode::Right,
            ) if written => {
                self.overlay = None;
                self.write(key, now);
            }
            (None, _) => {}
        }
    }

    /// Takes the answer to whether to leave.
    fn answer(&mut self, key: &KeyEvent, now: Now) {
        let may_leave = self.unsent().is_empty();
        match (self.keymap.action_on_empty(key), key.code) {
            (Some(Action::Submit | Action::Quit), _) | (_, KeyCode::Char('y')) => {
                self.overlay_chosen(now);
            }
            (Some(Action::Interrupt), _) if may_leave => self.overlay_chosen(now),
            (Some(Action::Redraw), _) => self.order(Command::Redraw),
            (Some(Action::Suspend), _) => self.order(Command::Suspend),
            (Some(Action::Cancel | Action::Interrupt), _)
            | (_, KeyCode::Char('n') | KeyCode::Esc) => self.overlay = None,
            _ => {}
        }
    }

    /// Lays something over the rest, unless a question waits there for its answer.
    pub(super) fn lay(&mut self, overlay: Overlay) {
        if !matches!(self.overlay, Some(Overlay::Quit)) {
            self.overlay = Some(overlay);
        }
    }

    fn overlay_chosen(&mut self, now: Now) {
        match self.overlay.take() {
            Some(Overlay::Quit) => self.order(Command::Quit),
            Some(Overlay::Hits { hits, chosen, .. }) => {
                if let Some(hit) = hits.into_iter().nth(chosen) {
                    self.jump(hit.message, now);
                }
            }
            Some(Overlay::Lines { .. }) | None => {}
        }
    }

    /// Shows a message where it was said. What is not loaded is loaded first.
    fn jump(&mut self, message: Message, now: Now) {
        let room = message.room.clone();
        if self.room(&room).is_none() {
            return self.say(&format!("you are not in {room}: /join {room}"), true, now);
        }
        self.go_to(Place::Room(room.clone()), now);
        let key = crate::cli::tui::transcript::Key::Posted(message.position);
        let Some(shown) = self.room_mut(&room) else { return };
        if shown.live.transcript.jump(key) {
            shown.past = None;
        } else if !shown.transcript().jump(key) {
            self.order(Command::Around(Box::new(message)));
        }
    }
}
