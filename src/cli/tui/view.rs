//! Draws the state, and changes nothing in it. `layout` decides beforehand where everything is.
//!
//! Text of others is escaped before it is drawn, here in [`fit`] and in the transcript.
//!
//! ```text
//! rooms              │ lobby · 3 here                │ on the hub: 3
//!  1 lobby           │ 09:13 sova  morning, all      │ ● buzz
//!  2 ops           3 │ 09:13 buzz  green here        │ ◌ winter 4m
//! direct             │───────────────────────────────│
//!  3 ● buzz          │ lobby> the input              │
//!  ● 127.0.0.1:50051 · 1.2 ms                    09:14
//! ```

mod bars;
mod choices;
mod hits;
mod overlay;
mod roster;
mod sidebar;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};
use unicode_width::UnicodeWidthStr;

pub(super) use self::{
    bars::toast_cells,
    overlay::{content as overlay_content, inside as inside_overlay},
    roster::width as roster_width,
    sidebar::{rows as sidebar_rows, width as sidebar_width},
};
use super::{
    chat_id::ChatId, complete::CompletionMenu, moment::Moment, state::State, transcript::ScreenLink,
};
use crate::{
    cli::{
        graphemes::{fit, pad},
        theme::Theme,
        wrap::wrap_indented,
    },
    text,
};

pub(super) fn draw(state: &State, now: Moment, frame: &mut Frame<'_>) {
    if let Some(cursor) = paint(state, now, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws into a buffer, and returns the position of the cursor.
pub(crate) fn paint(state: &State, now: Moment, buffer: &mut Buffer) -> Option<Position> {
    let parts = &state.areas.parts;
    if state.theme.text != Style::new() {
        buffer.set_style(buffer.area, state.theme.text);
    }
    sidebar::draw(state, parts.sidebar, buffer);
    roster::draw(state, parts.roster, now, buffer);
    for area in parts.borders {
        fill(area, buffer, "│", state.theme.border);
    }
    bars::draw_title(state, parts.title, buffer);
    if let Some(transcript) = state.transcript() {
        let today = now.wall.to_zoned(state.zone.clone()).date();
        transcript.draw(parts.messages, buffer, &state.theme, today);
    }
    draw_welcome(state, buffer);
    bars::draw_typing(state, parts.typing, buffer);
    if let Some(menu) = &state.menu {
        draw_menu(menu, parts.menu, buffer, &state.theme);
    }
    bars::draw_rule(state, parts.rule, buffer);
    let cursor = draw_input(state, parts.input, buffer);
    bars::draw_status(state, parts.status, now, buffer);
    match &state.areas.overlay {
        Some(overlay) => {
            overlay::draw(state, overlay, buffer);
            None
        }
        None => cursor,
    }
}

/// Draws what an empty room shows, above the notices, as far as there is space.
fn draw_welcome(state: &State, buffer: &mut Buffer) {
    let area = state.areas.parts.messages;
    let Some(lines) = state.welcome() else { return };
    let used = state.transcript().map_or(0, |transcript| transcript.rows_in_view());
    let free = usize::from(area.height).saturating_sub(used);
    let width = usize::from(area.width).saturating_sub(2);
    let rows = lines.iter().flat_map(|line| wrapped(line, width));
    for (row, line) in rows.enumerate().take(free) {
        put(buffer, area, row, &format!(" {line}"), state.theme.dim);
    }
}

/// The web links on the screen. None if something may be drawn over them.
pub(super) fn links(state: &State) -> Vec<ScreenLink> {
    let transcript = state.transcript().filter(|_| state.areas.overlay.is_none());
    transcript.map(|it| it.links_in_view(state.areas.parts.messages)).unwrap_or_default()
}

fn draw_input(state: &State, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let (target, style) = prompt(state);
    let width = prompt_width(state, area.width);
    let target_width = usize::from(width).saturating_sub(PROMPT.len());
    let before = Rect { width, ..area };
    put(buffer, before, 0, &format!("{}{PROMPT}", fit(&target, target_width)), style);
    let text = Rect { x: area.x + width, width: area.width - width, ..area };
    let room = usize::from(text.width);
    let placeholder = [placeholder(state), "? for help".to_owned()];
    let placeholder = placeholder.iter().find(|line| line.width() < room);
    state.composer.draw(text, buffer, &state.theme, placeholder.map_or("", String::as_str))
}

/// What separates the target of the input from the input. It is never cut.
const PROMPT: &str = "> ";

/// Who receives the input.
fn prompt(state: &State) -> (String, Style) {
    match &state.current {
        Some(ChatId::Room(room)) => (room.to_string(), state.theme.title),
        Some(ChatId::Peer(peer)) => (format!("only {peer}"), state.theme.of_name(peer, false)),
        None => ("no room".into(), state.theme.warn),
    }
}

/// The cells of the prompt: at most half of the row.
pub(super) fn prompt_width(state: &State, width: u16) -> u16 {
    let wanted = prompt(state).0.width() + PROMPT.len();
    u16::try_from(wanted).unwrap_or(u16::MAX).min(width / 2)
}

fn placeholder(state: &State) -> String {
    match &state.current {
        Some(ChatId::Room(room)) => format!("say something in {room}, or ? for help"),
        Some(ChatId::Peer(peer)) => format!("goes to {peer} directly, not through the hub"),
        None => "/join ROOM, or Ctrl-N to go to one".into(),
    }
}

/// Draws the completion menu, scrolled to the selected completion.
fn draw_menu(menu: &CompletionMenu, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let rows = usize::from(area.height);
    let top = (menu.selected.unwrap_or(0) + 1).saturating_sub(rows);
    let all = menu.completions.iter();
    let widest = all.clone().map(|it| it.shown.chars().count()).max().unwrap_or(0);
    for (row, completion) in all.enumerate().skip(top).take(rows) {
        let style = if menu.selected == Some(row) { theme.selected } else { theme.text };
        let line = format!(" {}  {}", pad(&completion.shown, widest), completion.about);
        let line = pad(&line, usize::from(area.width));
        put(buffer, area, row - top, &line, style);
    }
}

/// Writes an escaped line that fits into a row of an area.
fn put(buffer: &mut Buffer, area: Rect, row: usize, line: &str, style: Style) {
    let Ok(row) = u16::try_from(row) else { return };
    if row < area.height {
        buffer.set_stringn(area.x, area.y + row, line, usize::from(area.width), style);
    }
}

/// Writes an escaped line with styles that fits into a row of an area.
fn put_line(buffer: &mut Buffer, area: Rect, row: usize, line: &Line<'_>) {
    let Ok(row) = u16::try_from(row) else { return };
    if row < area.height {
        buffer.set_line(area.x, area.y + row, line, area.width);
    }
}

/// The rows of a line, escaped.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let safe = text::one_line(line);
    wrap_indented(&safe, width.max(1)).split('\n').map(str::to_owned).collect()
}

/// A row of an area.
fn row_of(area: Rect, row: usize) -> Rect {
    let y = area.y.saturating_add(u16::try_from(row).unwrap_or(u16::MAX));
    Rect { y, height: 1, ..area }.intersection(area)
}

/// The part of an area to the right of so many columns.
fn right_of(area: Rect, columns: usize) -> Rect {
    let columns = u16::try_from(columns).unwrap_or(u16::MAX).min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// Fills an area with a symbol of one cell.
fn fill(area: Rect, buffer: &mut Buffer, symbol: &str, style: Style) {
    for position in area.intersection(buffer.area).positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

#[cfg(test)]
mod tests;
