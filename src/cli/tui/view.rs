//! Draws the state: where everything stands, and what stands there. Nothing is drawn that is not in
//! sight, and nothing that others wrote is drawn as it is: it goes through `crate::text`, here in
//! [`fit`].
//!
//! ```text
//! rooms    │ lobby · 3 here                │ here
//! 1 lobby  │ 09:13 sova  morning, all      │ ○ buzz
//! 2 ops  3 │ 09:13 buzz  green here        │ ◦ winter 4m
//! direct   │───────────────────────────────│
//! 3 ● buzz │ lobby> what is typed          │
//! ● 127.0.0.1:50051 1 ms                    09:14
//! ```

mod areas;
mod bars;
mod overlay;
mod roster;
mod sidebar;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

pub(crate) use self::areas::Areas;
use self::areas::Parts;
use super::{
    complete::Menu,
    state::{Now, Place, State},
    theme::{Theme, fit, pad},
    transcript::Look,
};

/// Draws everything.
pub(super) fn draw(state: &mut State, now: Now, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(cursor) = paint(state, now, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws everything, and says where the cursor belongs.
pub(crate) fn paint(
    state: &mut State,
    now: Now,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let parts = Parts::of(area, state, now);
    state.areas.set(&parts);
    sidebar::draw(state, parts.sidebar, now, buffer);
    roster::draw(state, parts.roster, now, buffer);
    for line in parts.borders {
        border(line, buffer, state.theme.border);
    }
    bars::title(state, parts.title, buffer);
    messages(state, parts.messages, now, buffer);
    bars::typing(state, parts.note, buffer);
    if let Some(menu) = &state.menu {
        draw_menu(menu, parts.menu, buffer, &state.theme);
    }
    let rule = "─".repeat(usize::from(parts.rule.width));
    put(buffer, parts.rule, 0, &rule, state.theme.dim);
    let cursor = input(state, parts.input, buffer);
    bars::status(state, parts.status, now, buffer);
    match state.overlay.is_some() {
        true => {
            overlay::draw(state, area, now, buffer);
            None
        }
        false => cursor,
    }
}

fn messages(state: &mut State, area: Rect, now: Now, buffer: &mut Buffer) {
    let (theme, zone) = (state.theme.clone(), state.zone.clone());
    let today = now.wall.to_zoned(zone.clone()).date();
    let look = Look { theme: &theme, zone: &zone, today };
    if let Some(transcript) = state.transcript() {
        transcript.draw(area, buffer, &look);
    }
}

/// What is typed, behind where it goes.
fn input(state: &State, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let (place, style) = prompt(state);
    let width = prompt_width(state, area.width);
    let name = usize::from(width).saturating_sub(PROMPT.len());
    let before = Rect { width, ..area };
    put(buffer, before, 0, &format!("{}{PROMPT}", fit(&place, name)), style);
    let text = Rect { x: area.x + width, width: area.width - width, ..area };
    state.composer.draw(text, buffer, &state.theme, &placeholder(state))
}

/// What stands between where a text goes and the text. It is never cut.
const PROMPT: &str = "> ";

/// Where a text goes: whom it reaches is to be seen at one glance.
fn prompt(state: &State) -> (String, Style) {
    match &state.current {
        Some(Place::Room(room)) => (room.to_string(), state.theme.title),
        Some(Place::Peer(peer)) => (format!("only {peer}"), state.theme.of_name(peer)),
        None => ("nowhere".into(), state.theme.warn),
    }
}

/// How many cells of a row the prompt takes: never more than half of it.
fn prompt_width(state: &State, width: u16) -> u16 {
    let (prompt, _) = prompt(state);
    let wanted = unicode_width::UnicodeWidthStr::width(prompt.as_str()) + PROMPT.len();
    u16::try_from(wanted).unwrap_or(u16::MAX).min(width / 2)
}

fn placeholder(state: &State) -> String {
    match &state.current {
        Some(Place::Room(room)) => format!("say something in {room}, or ? for help"),
        Some(Place::Peer(peer)) => format!("goes to {peer} alone, and not by the hub"),
        None => "/join ROOM, or choose a place with Ctrl-N".into(),
    }
}

/// What could be chosen, the chosen one in sight.
fn draw_menu(menu: &Menu, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let rows = usize::from(area.height);
    let chosen = menu.selected.unwrap_or(0);
    let top = (chosen + 1).saturating_sub(rows);
    let wide = menu.choices.iter().map(|choice| choice.shown.chars().count()).max().unwrap_or(0);
    for (row, choice) in menu.choices.iter().enumerate().skip(top).take(rows) {
        let style = if menu.selected == Some(row) { theme.selected } else { theme.text };
        let line = format!(" {}  {}", pad(&choice.shown, wide), choice.about);
        let line = pad(&line, usize::from(area.width));
        put(buffer, area, row - top, &line, style);
    }
}

/// Writes a line that is harmless and fits, into a row of an area.
fn put(buffer: &mut Buffer, area: Rect, row: usize, line: &str, style: Style) {
    let Ok(row) = u16::try_from(row) else { return };
    if row < area.height {
        buffer.set_stringn(area.x, area.y + row, line, usize::from(area.width), style);
    }
}

fn border(line: Rect, buffer: &mut Buffer, style: Style) {
    for row in 0..usize::from(line.height) {
        put(buffer, line, row, "│", style);
    }
}

#[cfg(test)]
mod tests;
