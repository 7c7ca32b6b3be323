//! The editing keys: those of readline.
//!
//! Steps and words go by what one sees as a character, which the text area does not know.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, TextArea};
use unicode_width::UnicodeWidthChar;

use super::layout::{Layout, borders};

/// Where the cursor may go from where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Left,
    Right,
    WordLeft,
    WordRight,
    /// To the blank before.
    BlankLeft,
    Home,
    End,
}

/// The character that a key types, if it types one.
pub(super) fn typed(key: &KeyEvent) -> Option<char> {
    let KeyCode::Char(c) = key.code else { return None };
    let held = key.modifiers - KeyModifiers::SHIFT;
    // AltGr, with which half of the keyboards of this world type @ and {, is both on Windows.
    let alt_gr = KeyModifiers::CONTROL | KeyModifiers::ALT;
    let typed = held.is_empty() || (held == alt_gr && !c.is_ascii_alphanumeric());
    typed.then_some(c)
}

/// Whether a key puts in what was cut last.
pub(super) fn yanks(key: &KeyEvent) -> bool {
    key.modifiers == KeyModifiers::CONTROL && key.code == KeyCode::Char('y')
}

/// Moves the cursor, or removes something. Nothing becomes longer here than it was once.
pub(super) fn edit(area: &mut TextArea<'_>, key: &KeyEvent, width: u16) {
    let (ctrl, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
    let held = key.modifiers & (ctrl | alt);
    if key.modifiers.intersects(KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META) {
        return;
    }
    let code = match key.code {
        KeyCode::Char(c) => KeyCode::Char(c.to_ascii_lowercase()),
        code => code,
    };
    match (code, held) {
        (KeyCode::Left, KeyModifiers::NONE) => go(area, Way::Left),
        (KeyCode::Right, KeyModifiers::NONE) => go(area, Way::Right),
        (KeyCode::Up, KeyModifiers::NONE) => _ = up(area, width),
        (KeyCode::Down, KeyModifiers::NONE) => _ = down(area, width),
        (KeyCode::Home, _) => go(area, Way::Home),
        (KeyCode::End, _) => go(area, Way::End),
        (KeyCode::Left, _) => go(area, Way::WordLeft),
        (KeyCode::Right, _) => go(area, Way::WordRight),
        (KeyCode::Backspace, KeyModifiers::NONE) => remove(area, Way::Left, false),
        (KeyCode::Delete, KeyModifiers::NONE) => remove(area, Way::Right, false),
        (KeyCode::Backspace, _) => remove(area, Way::WordLeft, true),
        (KeyCode::Delete, _) => remove(area, Way::WordRight, true),
        (KeyCode::Char(c), held) if held == ctrl => control(area, c),
        (KeyCode::Char('b'), held) if held == alt => go(area, Way::WordLeft),
        (KeyCode::Char('f'), held) if held == alt => go(area, Way::WordRight),
        (KeyCode::Char('d'), held) if held == alt => remove(area, Way::WordRight, true),
        _ => {}
    }
}

fn control(area: &mut TextArea<'_>, c: char) {
    match c {
        'a' => go(area, Way::Home),
        'e' => go(area, Way::End),
        'b' => go(area, Way::Left),
        'f' => go(area, Way::Right),
        'h' => remove(area, Way::Left, false),
        'd' => remove(area, Way::Right, false),
        'w' => remove(area, Way::BlankLeft, true),
        'u' => remove(area, Way::Home, true),
        'k' => remove(area, Way::End, true),
        't' => swap(area),
        // The byte of Ctrl-_ and Ctrl-/ is read as that of Ctrl-7.
        '_' | '/' | '7' => _ = area.undo(),
        _ => {}
    }
}

/// Goes up a row, as it is shown. Whether there is one.
pub(super) fn up(area: &mut TextArea<'_>, width: u16) -> bool {
    let layout = Layout::new(area.lines(), width);
    let (row, column) = layout.place(cursor(area));
    let place = row.checked_sub(1).and_then(|row| layout.character(row, column));
    place.map(|(line, column)| go_to(area, line, column)).is_some()
}

/// Goes down a row, as it is shown. Whether there is one.
pub(super) fn down(area: &mut TextArea<'_>, width: u16) -> bool {
    let layout = Layout::new(area.lines(), width);
    let (row, column) = layout.place(cursor(area));
    let place = layout.character(row + 1, column);
    place.map(|(line, column)| go_to(area, line, column)).is_some()
}

/// The line and the character of it before which the cursor stands.
pub(super) fn cursor(area: &TextArea<'_>) -> (usize, usize) {
    let cursor = area.cursor();
    (cursor.0, cursor.1)
}

/// Moves the cursor.
pub(super) fn go_to(area: &mut TextArea<'_>, line: usize, column: usize) {
    // A text has at most 16 KiB.
    let [line, column] = [line, column].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
    area.move_cursor(CursorMove::Jump(line, column));
}

/// Removes this many characters after the cursor, without putting them where cut ones are.
pub(super) fn erase(area: &mut TextArea<'_>, chars: usize) {
    let cut = area.yank_text();
    area.delete_str(chars);
    area.set_yank_text(cut);
}

/// Where a character of a line begins in its bytes.
pub(super) fn byte(line: &str, column: usize) -> usize {
    line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte)
}

fn go(area: &mut TextArea<'_>, way: Way) {
    let (line, column) = target(area, way);
    go_to(area, line, column);
}

/// Removes what is between the cursor and where a way leads; at the border of a line, the border.
fn remove(area: &mut TextArea<'_>, way: Way, cuts: bool) {
    let from = cursor(area);
    let mut to = target(area, way);
    if to == from {
        let on = matches!(way, Way::Right | Way::WordRight | Way::End);
        to = target(area, if on { Way::Right } else { Way::Left });
    }
    let (start, end) = (from.min(to), from.max(to));
    let chars = distance(area, start, end);
    go_to(area, start.0, start.1);
    if cuts {
        area.delete_str(chars);
    } else {
        erase(area, chars);
    }
}

/// How many characters there are from one place to another one that is not before it.
fn distance(area: &TextArea<'_>, from: (usize, usize), to: (usize, usize)) -> usize {
    let lines = area.lines().get(from.0..to.0).unwrap_or_default();
    let through: usize = lines.iter().map(|line| line.chars().count() + 1).sum();
    (through + to.1).saturating_sub(from.1)
}

/// Where a way leads: at most to the end of a line that is next.
fn target(area: &TextArea<'_>, way: Way) -> (usize, usize) {
    let (row, column) = cursor(area);
    let lines = area.lines();
    let line = lines.get(row).map_or("", String::as_str);
    let borders = borders(line);
    let end = borders.last().copied().unwrap_or_default();
    let back = |most: usize| borders.iter().rev().find(|&&at| at <= most).copied().unwrap_or(0);
    let on = |least: usize| borders.iter().find(|&&at| at >= least).copied().unwrap_or(end);
    match way {
        Way::Home => (row, 0),
        Way::End => (row, end),
        Way::Left | Way::WordLeft | Way::BlankLeft if column == 0 => {
            let before = row.checked_sub(1).and_then(|before| Some((before, lines.get(before)?)));
            before.map_or((row, column), |(before, line)| (before, line.chars().count()))
        }
        Way::Right | Way::WordRight if column >= end => match row + 1 < lines.len() {
            true => (row + 1, 0),
            false => (row, column),
        },
        Way::Left => (row, back(column - 1)),
        Way::Right => (row, on(column + 1)),
        Way::WordLeft => (row, back(word_start(line, column, in_word))),
        Way::BlankLeft => (row, back(word_start(line, column, |c| !c.is_whitespace()))),
        Way::WordRight => (row, on(word_end(line, column))),
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c.width() == Some(0)
}

fn word_start(line: &str, column: usize, in_word: impl Fn(char) -> bool) -> usize {
    let before = &line[..byte(line, column)];
    let word = before.trim_end_matches(|c| !in_word(c)).trim_end_matches(&in_word);
    word.chars().count()
}

fn word_end(line: &str, column: usize) -> usize {
    let after = &line[byte(line, column)..];
    let rest = after.trim_start_matches(|c| !in_word(c)).trim_start_matches(in_word);
    column + after.chars().count() - rest.chars().count()
}

/// Swaps the characters on both sides of the cursor; at the end of a line, those before it.
fn swap(area: &mut TextArea<'_>) {
    let (row, column) = cursor(area);
    let Some(line) = area.lines().get(row) else { return };
    let borders = borders(line);
    let Some(at) = borders.iter().position(|&border| border >= column) else { return };
    let middle = if at + 1 == borders.len() { at.saturating_sub(1) } else { at };
    let around = middle.checked_sub(1).and_then(|first| borders.get(first..=first + 2));
    let Some(&[start, middle, end]) = around else { return };
    let [a, b, c] = [start, middle, end].map(|column| byte(line, column));
    let swapped = format!("{}{}", &line[b..c], &line[a..b]);
    go_to(area, row, start);
    erase(area, end - start);
    area.insert_str(swapped);
}
