//! What a person types: several lines, what they typed before, and the words that complete
//! themselves.
//!
//! The text is kept by `ratatui_textarea`, which knows how to edit, cut and take back. Where it
//! stands on the screen is the `layout`'s matter: it goes by what one sees as a character, and
//! breaks lines at blanks.
//!
//! What would harm a screen never gets into the text: it could only be meant to deceive whoever
//! looks at it before they send it. That something was left out is said below the text.

mod edit;
mod layout;
mod recall;

use std::cell::Cell;

use ratatui::{
    buffer::Buffer,
    crossterm::event::{KeyEvent, KeyEventKind},
    layout::{Position, Rect},
};
use ratatui_textarea::{CursorMove, TextArea};

use self::{layout::Layout, recall::Recall};
use super::{
    complete::{self, Found, Menu, Words},
    theme::Theme,
};
use crate::{
    model::{MAX_TEXT_BYTES, Name},
    text,
};

/// What a tab that is pasted becomes.
const TAB: &str = "    ";

/// How wide the text is taken to be before it was drawn.
const WIDTH: u16 = 80;

/// A text that is being written.
#[derive(Debug)]
pub(crate) struct Composer {
    area: TextArea<'static>,
    recall: Recall,
    /// A word that is being completed.
    completing: Option<Completing>,
    /// Why something is not in the text: shown below it.
    note: Option<String>,
    /// The end of what was typed is not in the text, and nobody has looked since: what is pasted
    /// into a terminal that does not tell comes as keys, and Enter may be among them.
    is_cut: bool,
    /// How wide it was drawn last: up and down go by rows.
    width: Cell<u16>,
    /// The first row that was drawn last.
    top: Cell<usize>,
}

#[derive(Debug)]
struct Completing {
    found: Found,
    /// What was typed.
    typed: String,
    /// Which choice stands there; `None`: what was typed.
    selected: Option<usize>,
    /// How many characters stand there now.
    len: usize,
}

impl Completing {
    fn menu(&self) -> Menu {
        Menu { choices: self.found.choices.clone(), selected: self.selected }
    }
}

impl Composer {
    /// Nothing typed yet; `history` is what was typed in earlier chats, oldest first.
    pub(crate) fn new(history: Vec<String>) -> Self {
        Self {
            area: TextArea::default(),
            recall: Recall::new(history.iter().map(|text| harmless(text).0)),
            completing: None,
            note: None,
            is_cut: false,
            width: Cell::new(WIDTH),
            top: Cell::new(0),
        }
    }

    /// A key that means no action: types a character or edits.
    pub(crate) fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.forget_passing();
        match edit::typed(&key) {
            Some(c) => {
                self.is_cut |= c.len_utf8() > self.free();
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            None if edit::yanks(&key) => self.insert(&self.area.yank_text()),
            None => {
                self.is_cut = false;
                edit::edit(&mut self.area, &key, self.width.get());
            }
        }
    }

    /// Whether a key types a character.
    pub(crate) fn types(key: &KeyEvent) -> bool {
        edit::typed(key).is_some()
    }

    /// A new line where the cursor is.
    pub(crate) fn new_line(&mut self) {
        self.forget_passing();
        self.insert("\n");
    }

    /// Puts in what was pasted, with its lines: it is not sent before the person says so.
    pub(crate) fn paste(&mut self, text: &str) {
        self.forget_passing();
        self.insert(text);
    }

    /// What is typed.
    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing is typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// That the end of what was typed is not in the text, where that is so and may not have been seen.
    pub(crate) fn cut(&self) -> Option<String> {
        self.is_cut.then(|| format!("the rest was {}", too_long()))
    }

    /// Puts a text in the place of what is typed, with the cursor at its end.
    pub(crate) fn set(&mut self, text: &str) {
        self.forget_passing();
        self.recall.stop();
        self.is_cut = false;
        self.put(text);
    }

    /// Removes what is typed; to take it back takes one key.
    pub(crate) fn clear(&mut self) {
        self.forget_passing();
        self.recall.stop();
        self.is_cut = false;
        let cut = self.area.yank_text();
        self.area.clear();
        self.area.set_yank_text(cut);
    }

    /// Takes what is typed and remembers it for this chat. What is for one person alone must not
    /// get into the file of what was typed: see `is_private` of the chat's input, and what is typed
    /// in a direct conversation is private whatever it is. What was said to one peer alone comes back
    /// only in the conversation with them. None where there is nothing but blanks.
    pub(crate) fn submit_to(&mut self, peer: Option<&Name>) -> Option<String> {
        let text = self.text();
        if text.trim().is_empty() {
            return None;
        }
        self.recall.remember(&text, peer);
        self.set("");
        Some(text)
    }

    /// That one talks with this peer alone from now on, or with nobody alone.
    pub(crate) fn be_with(&mut self, peer: Option<&Name>) {
        self.recall.be_with(peer);
    }

    /// Goes up a row; from the first one, to what was typed before. Whether there was anything.
    pub(crate) fn history_up(&mut self) -> bool {
        self.forget_passing();
        edit::up(&mut self.area, self.width.get()) || {
            let older = self.recall.older(self.text());
            self.put_recalled(older)
        }
    }

    /// Goes down a row; from the last one, to what was typed after, and at last to what was being
    /// typed. Whether there was anything.
    pub(crate) fn history_down(&mut self) -> bool {
        self.forget_passing();
        edit::down(&mut self.area, self.width.get()) || {
            let newer = self.recall.newer(self.text());
            self.put_recalled(newer)
        }
    }

    /// Completes the word before the cursor; again: with what else fits, and at last what was
    /// typed. What is to be shown as long as [`Composer::menu`] says so; none where there is
    /// nothing to choose.
    pub(crate) fn complete(&mut self, words: &Words<'_>, back: bool) -> Option<Menu> {
        self.note = None;
        let mut completing = match self.completing.take() {
            Some(completing) => completing,
            None => self.begin_completing(words)?,
        };
        let (count, selected) = (completing.found.choices.len(), completing.selected);
        completing.selected = match (selected, back) {
            (None, false) => Some(0),
            (None, true) => Some(count - 1),
            (Some(at), false) => Some(at + 1).filter(|next| *next < count),
            (Some(at), true) => at.checked_sub(1),
        };
        self.replace_word(&mut completing);
        self.completing = Some(completing).filter(|_| count > 1);
        self.menu()
    }

    /// What can be chosen while a word is being completed.
    pub(crate) fn menu(&self) -> Option<Menu> {
        self.completing.as_ref().map(Completing::menu)
    }

    /// Gives up completing: what was typed stands there again. Whether a word was being completed.
    pub(crate) fn cancel(&mut self) -> bool {
        let Some(mut completing) = self.completing.take() else { return false };
        completing.selected = None;
        self.replace_word(&mut completing);
        true
    }

    /// How many rows it takes in this width, from 1 to `most`; one of them says why something is not
    /// in the text, as long as that was the last thing to happen.
    pub(crate) fn rows(&self, width: u16, most: u16) -> u16 {
        let rows =
            Layout::new(self.area.lines(), width).rows.len() + usize::from(self.note.is_some());
        u16::try_from(rows).unwrap_or(u16::MAX).clamp(1, most.max(1))
    }

    /// Draws it, or what is to be typed where nothing is. Where the terminal's cursor belongs: in
    /// the area, and nowhere in an empty one.
    pub(crate) fn draw(
        &self,
        area: Rect,
        buffer: &mut Buffer,
        theme: &Theme,
        placeholder: &str,
    ) -> Option<Position> {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return None;
        }
        self.width.set(area.width);
        let mut lines = area;
        if let Some(note) = self.note.as_ref().filter(|_| area.height > 1) {
            lines.height -= 1;
            let width = usize::from(area.width);
            buffer.set_stringn(area.x, lines.bottom(), note, width, theme.warn);
        }
        if self.is_empty() {
            let shown = text::one_line(placeholder);
            buffer.set_stringn(area.x, area.y, shown, usize::from(area.width), theme.dim);
        }
        let layout = Layout::new(self.area.lines(), area.width);
        let (row, column) = layout.place(edit::cursor(&self.area));
        let top = layout.top(self.top.get(), row, usize::from(lines.height));
        self.top.set(top);
        layout.draw(top, lines, buffer, theme.text);
        let x = area.x + column.min(area.width - 1);
        Some(Position::new(x, area.y + u16::try_from(row - top).unwrap_or_default()))
    }

    fn begin_completing(&self, words: &Words<'_>) -> Option<Completing> {
        let (row, column) = edit::cursor(&self.area);
        let line = self.area.lines().get(row)?;
        let (before, after) = line.split_at(edit::byte(line, column));
        let found = complete::find(before, after, row == 0, *words)?;
        let typed: String = before.chars().skip(found.from).collect();
        Some(Completing { len: typed.chars().count(), found, typed, selected: None })
    }

    /// Puts the selected choice in the place of what stands there.
    fn replace_word(&mut self, completing: &mut Completing) {
        let word = completing.selected.and_then(|at| completing.found.choices.get(at));
        let word = word.map_or(completing.typed.as_str(), |choice| &choice.text);
        let (row, _) = edit::cursor(&self.area);
        if self.free() + completing.len < word.len() {
            self.refuse();
            return;
        }
        edit::go_to(&mut self.area, row, completing.found.from);
        edit::erase(&mut self.area, completing.len);
        self.area.insert_str(word);
        completing.len = word.chars().count();
    }

    fn put_recalled(&mut self, recalled: Option<String>) -> bool {
        recalled.as_deref().map(|text| self.put(text)).is_some()
    }

    fn put(&mut self, text: &str) {
        let (text, _) = harmless(text);
        let mut area = TextArea::from(text.split('\n'));
        area.set_yank_text(self.area.yank_text());
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        self.area = area;
    }

    fn insert(&mut self, text: &str) {
        let (text, left_out) = harmless(text);
        if text.len() > self.free() {
            self.refuse();
            return;
        }
        self.area.insert_str(text);
        self.note = (left_out > 0).then(|| match left_out {
            1 => "a character that nobody would see was left out".to_owned(),
            some => format!("{some} characters that nobody would see were left out"),
        });
    }

    /// How many bytes more may be typed.
    fn free(&self) -> usize {
        let lines = self.area.lines();
        let bytes = lines.iter().map(String::len).sum::<usize>() + lines.len() - 1;
        MAX_TEXT_BYTES.saturating_sub(bytes)
    }

    fn refuse(&mut self) {
        self.note = Some(too_long());
    }

    /// Forgets what holds for the next key only.
    fn forget_passing(&mut self) {
        self.note = None;
        self.completing = None;
    }
}

fn too_long() -> String {
    format!("not put in: a text must not be longer than {MAX_TEXT_BYTES} bytes")
}

/// A text without what a terminal would obey or hide, its lines ended in one way, tabs as blanks;
/// and how many characters were left out.
fn harmless(text: &str) -> (String, usize) {
    let mut left_out = 0;
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', TAB);
    let kept = lines.chars().filter(|&c| {
        let keep = c == '\n' || !text::is_dangerous(c);
        left_out += usize::from(!keep);
        keep
    });
    (kept.collect(), left_out)
}

#[cfg(test)]
mod tests;
