//! The input: several lines of text, its history, and completion.
//!
//! `ratatui_textarea` holds the text, cuts, pastes and undoes. `layout` positions the characters.
//!
//! Characters that could harm a terminal, or that nobody would see, never get into the text. A note
//! below the text says that they were left out.

mod edit;
mod input_history;
mod layout;

use ratatui::{
    buffer::Buffer,
    crossterm::event::{KeyEvent, KeyEventKind},
    layout::{Position, Rect},
};
use ratatui_textarea::{CursorMove, TextArea};

use self::{input_history::InputHistory, layout::InputLayout};
use super::complete::{self, Candidates, CompletionMenu, Matches};
use crate::{
    cli::theme::Theme,
    model::{MAX_TEXT_BYTES, Name},
    text,
};

/// A pasted tab becomes this.
const TAB: &str = "    ";

/// The width before the first layout.
const WIDTH: u16 = 80;

/// The input.
pub(crate) struct Composer {
    area: TextArea<'static>,
    history: InputHistory,
    completing: Option<ActiveCompletion>,
    /// Why something is not in the text, shown below it.
    note: Option<String>,
    /// Whether the last typed characters are not in the text. A terminal without bracketed paste sends
    /// a paste as keys, with Enter among them, so the user may not have seen it.
    is_truncated: bool,
    /// The text after the last paste, if all of it was pasted.
    pasted: String,
    /// The width of the last layout. Up and down move by rows.
    width: u16,
    /// The first visible row of the last layout, and the number of rows below the visible ones.
    top: usize,
    below: usize,
}

struct ActiveCompletion {
    matches: Matches,
    /// The word before completion.
    typed: String,
    /// The index of the inserted completion, or `None` for the typed word.
    selected: Option<usize>,
    /// The number of characters of the inserted word.
    len: usize,
}

impl ActiveCompletion {
    fn menu(&self) -> CompletionMenu {
        CompletionMenu { completions: self.matches.completions.clone(), selected: self.selected }
    }
}

impl Composer {
    /// An empty input. `history` has the inputs of earlier chats, oldest first.
    pub(crate) fn new(history: Vec<String>) -> Self {
        Self {
            area: TextArea::default(),
            history: InputHistory::new(history.iter().map(|text| sanitize(text).0)),
            completing: None,
            note: None,
            is_truncated: false,
            pasted: String::new(),
            width: WIDTH,
            top: 0,
            below: 0,
        }
    }

    /// Handles a key that is bound to no action: types a character or edits.
    pub(crate) fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.end_transient();
        match edit::typed(&key) {
            Some(c) => {
                self.is_truncated |= c.len_utf8() > self.free_bytes();
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            None if edit::yanks(&key) => self.insert(&self.area.yank_text()),
            None => {
                self.is_truncated = false;
                edit::edit(&mut self.area, &key, self.width);
            }
        }
    }

    pub(crate) fn types(key: &KeyEvent) -> bool {
        edit::typed(key).is_some()
    }

    pub(crate) fn insert_line_break(&mut self) {
        self.end_transient();
        self.insert("\n");
    }

    /// Inserts pasted text, including its line breaks.
    pub(crate) fn paste(&mut self, text: &str) {
        self.end_transient();
        let is_first = self.is_empty() || self.text() == self.pasted;
        self.insert(text);
        // A paste into a typed text may be the end of a mistyped command.
        self.pasted = if is_first { self.text() } else { String::new() };
    }

    /// Returns true if the text is several lines that were pasted, without a change.
    pub(crate) fn is_pasted_lines(&self) -> bool {
        self.pasted.trim().contains('\n') && self.text() == self.pasted
    }

    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Returns true if there is no text.
    pub(crate) fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// A notice that the last typed characters are not in the text, if the user may not have seen it.
    pub(crate) fn truncation(&self) -> Option<String> {
        self.is_truncated.then(|| format!("the rest was {}", too_long()))
    }

    /// Replaces the text and moves the cursor to its end.
    pub(crate) fn set(&mut self, text: &str) {
        self.end_transient();
        self.history.reset();
        self.is_truncated = false;
        self.put(text);
    }

    /// Clears the text. This can be undone.
    pub(crate) fn clear(&mut self) {
        self.end_transient();
        self.history.reset();
        self.is_truncated = false;
        let yank = self.area.yank_text();
        self.area.clear();
        self.area.set_yank_text(yank);
    }

    /// Takes the text and adds it to the history of this chat, or returns `None` if it is blank. A text
    /// sent to `peer` is recalled only in the chat with that peer. The caller stores the history, and
    /// must leave out private texts (see `is_private` of the chat's input).
    pub(crate) fn submit(&mut self, peer: Option<&Name>) -> Option<String> {
        let text = self.text();
        if text.trim().is_empty() {
            return None;
        }
        self.history.add(&text, peer);
        self.set("");
        Some(text)
    }

    /// Sets the peer of the current direct chat.
    pub(crate) fn set_peer(&mut self, peer: Option<&Name>) {
        self.history.set_peer(peer);
    }

    /// Moves up a row or, from the first one, recalls the previous input. Returns false if there is
    /// none.
    pub(crate) fn history_up(&mut self) -> bool {
        self.end_transient();
        edit::up(&mut self.area, self.width) || {
            let older = self.history.older(self.text());
            self.put_recalled(older)
        }
    }

    /// Moves down a row or, from the last one, recalls the next input. Returns false without one.
    pub(crate) fn history_down(&mut self) -> bool {
        self.end_transient();
        edit::down(&mut self.area, self.width) || {
            let newer = self.history.newer(self.text());
            self.put_recalled(newer)
        }
    }

    /// Completes the word before the cursor. Further calls insert the other completions in turn, and
    /// finally the typed word. Returns the menu of completions if there are several.
    pub(crate) fn complete(
        &mut self,
        candidates: &Candidates<'_>,
        back: bool,
    ) -> Option<CompletionMenu> {
        self.note = None;
        let mut completing = match self.completing.take() {
            Some(completing) => completing,
            None => self.begin_completing(candidates)?,
        };
        let (count, selected) = (completing.matches.completions.len(), completing.selected);
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

    /// The menu of completions, while a word is being completed.
    pub(crate) fn menu(&self) -> Option<CompletionMenu> {
        self.completing.as_ref().map(ActiveCompletion::menu)
    }

    /// Restores the typed word. Returns false if no word was being completed.
    pub(crate) fn cancel_completion(&mut self) -> bool {
        let Some(mut completing) = self.completing.take() else { return false };
        completing.selected = None;
        self.replace_word(&mut completing);
        true
    }

    /// Lays out for a width. Returns the number of rows of the input and the note: 1 to `most`.
    pub(crate) fn arrange(&mut self, width: u16, most: u16) -> u16 {
        let layout = InputLayout::new(self.area.lines(), width);
        let rows = layout.rows.len() + usize::from(self.note.is_some());
        let rows = u16::try_from(rows).unwrap_or(u16::MAX).clamp(1, most.max(1));
        let (row, _) = layout.position(edit::cursor(&self.area));
        self.top = layout.top(self.top, row, usize::from(self.text_rows(rows)));
        let visible = usize::from(self.text_rows(rows));
        self.below = layout.rows.len().saturating_sub(self.top + visible);
        self.width = width;
        rows
    }

    /// The rows above and below those that the last layout shows.
    pub(crate) fn hidden_rows(&self) -> (usize, usize) {
        (self.top, self.below)
    }

    /// Draws the input as [`Composer::arrange`] has laid it out, or the placeholder if it is empty.
    /// Returns the position of the cursor, or `None` if the area is empty.
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
        let width = usize::from(area.width);
        let text_area = Rect { height: self.text_rows(area.height), ..area };
        if let Some(note) = self.note.as_ref().filter(|_| text_area.height < area.height) {
            buffer.set_stringn(area.x, text_area.bottom(), note, width, theme.warn);
        }
        if self.is_empty() {
            let shown = text::one_line(placeholder);
            buffer.set_stringn(area.x, area.y, shown, width, theme.dim);
        }
        let layout = InputLayout::new(self.area.lines(), area.width);
        layout.draw(self.top, text_area, buffer, theme.text);
        let (row, column) = layout.position(edit::cursor(&self.area));
        let x = area.x + u16::try_from(column).unwrap_or(u16::MAX).min(area.width - 1);
        let y = u16::try_from(row.saturating_sub(self.top)).unwrap_or(u16::MAX);
        Some(Position::new(x, area.y + y.min(text_area.height.saturating_sub(1))))
    }

    /// The rows that are left for the text beside the note.
    fn text_rows(&self, rows: u16) -> u16 {
        rows - u16::from(self.note.is_some() && rows > 1)
    }

    fn begin_completing(&self, candidates: &Candidates<'_>) -> Option<ActiveCompletion> {
        let (row, column) = edit::cursor(&self.area);
        let line = self.area.lines().get(row)?;
        let (before, after) = line.split_at(edit::byte(line, column));
        let matches = complete::find(before, after, row == 0, *candidates)?;
        let typed: String = before.chars().skip(matches.from).collect();
        Some(ActiveCompletion { len: typed.chars().count(), matches, typed, selected: None })
    }

    fn replace_word(&mut self, completing: &mut ActiveCompletion) {
        let word = completing.selected.and_then(|at| completing.matches.completions.get(at));
        let word = word.map_or(completing.typed.as_str(), |completion| &completion.text);
        let (row, _) = edit::cursor(&self.area);
        if self.free_bytes() + completing.len < word.len() {
            self.refuse();
            return;
        }
        edit::go_to(&mut self.area, row, completing.matches.from);
        edit::erase(&mut self.area, completing.len);
        self.area.insert_str(word);
        completing.len = word.chars().count();
    }

    fn put_recalled(&mut self, recalled: Option<String>) -> bool {
        recalled.as_deref().map(|text| self.put(text)).is_some()
    }

    fn put(&mut self, text: &str) {
        let (text, _) = sanitize(text);
        let mut area = TextArea::from(text.split('\n'));
        area.set_yank_text(self.area.yank_text());
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        self.area = area;
    }

    fn insert(&mut self, text: &str) {
        let (text, left_out) = sanitize(text);
        if text.len() > self.free_bytes() {
            self.refuse();
            return;
        }
        self.area.insert_str(text);
        self.note = (left_out > 0).then(|| match left_out {
            1 => "left out an invisible character".to_owned(),
            some => format!("left out {some} invisible characters"),
        });
    }

    /// The number of bytes that can still be typed.
    fn free_bytes(&self) -> usize {
        let lines = self.area.lines();
        let bytes = lines.iter().map(String::len).sum::<usize>() + lines.len() - 1;
        MAX_TEXT_BYTES.saturating_sub(bytes)
    }

    fn refuse(&mut self) {
        self.note = Some(too_long());
    }

    /// Ends what lasts only until the next key.
    fn end_transient(&mut self) {
        self.note = None;
        self.completing = None;
    }
}

fn too_long() -> String {
    format!("not inserted: a text can have at most {MAX_TEXT_BYTES} bytes")
}

/// The text with line feeds as line ends, tabs as blanks, and without control characters and invisible
/// ones; and the number of characters that were left out.
fn sanitize(text: &str) -> (String, usize) {
    let mut left_out = 0;
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', TAB);
    let harmless = lines.chars().filter(|&c| {
        let keep = c == '\n' || !text::is_dangerous(c);
        left_out += usize::from(!keep);
        keep
    });
    (harmless.collect(), left_out)
}

#[cfg(test)]
mod tests;
