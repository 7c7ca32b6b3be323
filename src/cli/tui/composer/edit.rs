//! The editing keys: those of readline.
//!
//! The cursor moves by graphemes, which the text area does not know.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, TextArea};
use unicode_width::UnicodeWidthChar;

use super::layout::{InputLayout, boundaries};

/// Where the cursor moves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Motion {
    Left,
    Right,
    WordLeft,
    WordRight,
    /// Behind the previous blank.
    BlankLeft,
    Home,
    End,
}

pub(super) fn typed(key: &KeyEvent) -> Option<char> {
    let KeyCode::Char(c) = key.code else { return None };
    let held = key.modifiers - KeyModifiers::SHIFT;
    // On Windows, AltGr is reported as Ctrl and Alt. Many keyboard layouts type @ and { with it.
    let alt_gr = KeyModifiers::CONTROL | KeyModifiers::ALT;
    let typed = held.is_empty() || (held == alt_gr && !c.is_ascii_alphanumeric());
    typed.then_some(c)
}

/// Returns true if the key pastes what was cut.
pub(super) fn yanks(key: &KeyEvent) -> bool {
    key.modifiers == KeyModifiers::CONTROL && key.code == KeyCode::Char('y')
}

/// Moves the cursor, deletes, or undoes. The text never becomes longer than it has been.
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
        (KeyCode::Left, KeyModifiers::NONE) => go(area, Motion::Left),
        (KeyCode::Right, KeyModifiers::NONE) => go(area, Motion::Right),
        (KeyCode::Up, KeyModifiers::NONE) => _ = up(area, width),
        (KeyCode::Down, KeyModifiers::NONE) => _ = down(area, width),
        (KeyCode::Home, _) => go(area, Motion::Home),
        (KeyCode::End, _) => go(area, Motion::End),
        (KeyCode::Left, _) => go(area, Motion::WordLeft),
        (KeyCode::Right, _) => go(area, Motion::WordRight),
        (KeyCode::Backspace, KeyModifiers::NONE) => remove(area, Motion::Left, false),
        (KeyCode::Delete, KeyModifiers::NONE) => remove(area, Motion::Right, false),
        (KeyCode::Backspace, _) => remove(area, Motion::WordLeft, true),
        (KeyCode::Delete, _) => remove(area, Motion::WordRight, true),
        (KeyCode::Char(c), held) if held == ctrl => control(area, c),
        (KeyCode::Char('b'), held) if held == alt => go(area, Motion::WordLeft),
        (KeyCode::Char('f'), held) if held == alt => go(area, Motion::WordRight),
        (KeyCode::Char('d'), held) if held == alt => remove(area, Motion::WordRight, true),
        _ => {}
    }
}

fn control(area: &mut TextArea<'_>, c: char) {
    match c {
        'a' => go(area, Motion::Home),
        'e' => go(area, Motion::End),
        'b' => go(area, Motion::Left),
        'f' => go(area, Motion::Right),
        'h' => remove(area, Motion::Left, false),
        'd' => remove(area, Motion::Right, false),
        'w' => remove(area, Motion::BlankLeft, true),
        'u' => remove(area, Motion::Home, true),
        'k' => remove(area, Motion::End, true),
        't' => swap(area),
        // crossterm reads the byte of Ctrl-_ and Ctrl-/ as Ctrl-7.
        '_' | '/' | '7' => _ = area.undo(),
        _ => {}
    }
}

/// Moves the cursor up a row of the screen. Returns false if there is none.
pub(super) fn up(area: &mut TextArea<'_>, width: u16) -> bool {
    let layout = InputLayout::new(area.lines(), width);
    let (row, column) = layout.position(cursor(area));
    let target = row.checked_sub(1).and_then(|row| layout.character(row, column));
    target.map(|(line, column)| go_to(area, line, column)).is_some()
}

/// Moves the cursor down a row of the screen. Returns false if there is none.
pub(super) fn down(area: &mut TextArea<'_>, width: u16) -> bool {
    let layout = InputLayout::new(area.lines(), width);
    let (row, column) = layout.position(cursor(area));
    let target = layout.character(row + 1, column);
    target.map(|(line, column)| go_to(area, line, column)).is_some()
}

/// The line and the character at the cursor.
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

/// Deletes characters after the cursor without changing what can be pasted.
pub(super) fn erase(area: &mut TextArea<'_>, chars: usize) {
    let yank = area.yank_text();
    area.delete_str(chars);
    area.set_yank_text(yank);
}

/// The byte offset of a character.
pub(super) fn byte(line: &str, column: usize) -> usize {
    line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte)
}

fn go(area: &mut TextArea<'_>, motion: Motion) {
    let (line, column) = target(area, motion);
    go_to(area, line, column);
}

/// Deletes up to the target of a motion; at the edge of a line, the line break.
fn remove(area: &mut TextArea<'_>, motion: Motion, cut: bool) {
    let from = cursor(area);
    let mut to = target(area, motion);
    if to == from {
        let on = matches!(motion, Motion::Right | Motion::WordRight | Motion::End);
        to = target(area, if on { Motion::Right } else { Motion::Left });
    }
    let (start, end) = (from.min(to), from.max(to));
    let chars = distance(area, start, end);
    go_to(area, start.0, start.1);
    if cut {
        area.delete_str(chars);
    } else {
        erase(area, chars);
    }
}

/// The number of characters from one position to a later one.
fn distance(area: &TextArea<'_>, from: (usize, usize), to: (usize, usize)) -> usize {
    let lines = area.lines().get(from.0..to.0).unwrap_or_default();
    let through: usize = lines.iter().map(|line| line.chars().count() + 1).sum();
    (through + to.1).saturating_sub(from.1)
}

/// The position that a motion leads to, at most one line away.
fn target(area: &TextArea<'_>, motion: Motion) -> (usize, usize) {
    let (row, column) = cursor(area);
    let lines = area.lines();
    let line = lines.get(row).map_or("", String::as_str);
    let boundaries = boundaries(line);
    let end = boundaries.last().copied().unwrap_or_default();
    let back = |most: usize| boundaries.iter().rev().find(|&&at| at <= most).copied().unwrap_or(0);
    let on = |least: usize| boundaries.iter().find(|&&at| at >= least).copied().unwrap_or(end);
    match motion {
        Motion::Home => (row, 0),
        Motion::End => (row, end),
        Motion::Left | Motion::WordLeft | Motion::BlankLeft if column == 0 => {
            let before = row.checked_sub(1).and_then(|before| Some((before, lines.get(before)?)));
            before.map_or((row, column), |(before, line)| (before, line.chars().count()))
        }
        Motion::Right | Motion::WordRight if column >= end => match row + 1 < lines.len() {
            true => (row + 1, 0),
            false => (row, column),
        },
        Motion::Left => (row, back(column - 1)),
        Motion::Right => (row, on(column + 1)),
        Motion::WordLeft => (row, back(word_start(line, column, in_word))),
        Motion::BlankLeft => (row, back(word_start(line, column, |c| !c.is_whitespace()))),
        Motion::WordRight => (row, on(word_end(line, column))),
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

/// Swaps the graphemes on both sides of the cursor; at the end of a line, the two before it.
fn swap(area: &mut TextArea<'_>) {
    let (row, column) = cursor(area);
    let Some(line) = area.lines().get(row) else { return };
    let boundaries = boundaries(line);
    let Some(at) = boundaries.iter().position(|&boundary| boundary >= column) else { return };
    let middle = if at + 1 == boundaries.len() { at.saturating_sub(1) } else { at };
    let around = middle.checked_sub(1).and_then(|first| boundaries.get(first..=first + 2));
    let Some(&[start, middle, end]) = around else { return };
    let [a, b, c] = [start, middle, end].map(|column| byte(line, column));
    let swapped = format!("{}{}", &line[b..c], &line[a..b]);
    go_to(area, row, start);
    erase(area, end - start);
    area.insert_str(swapped);
}
