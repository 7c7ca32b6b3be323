//! Who is here, how they are, and since when.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{fit, pad, put};
use crate::{
    cli::tui::state::{Now, State, short},
    model::PeerStatus,
};

/// Draws the list, and notes who is in which row.
pub(super) fn draw(state: &mut State, area: Rect, now: Now, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let (width, height) = (usize::from(area.width), usize::from(area.height).saturating_sub(1));
    let head = format!(" on the hub: {}", state.people.len());
    put(buffer, area, 0, &fit(&head, width), state.theme.title);
    let last = state.people.len().saturating_sub(height);
    let top = state.areas.people_top.min(last);
    state.areas.people_top = top;
    let mut rows = Vec::new();
    let room = state.current_room().and_then(|room| state.room(room));
    let is_in = |name| {
        let names = room.and_then(|room| room.names.as_ref());
        names.is_none_or(|names| names.contains(name))
    };
    for (line, (name, person)) in state.people.iter().skip(top).take(height).enumerate() {
        let style = match person.status {
            PeerStatus::Online => state.theme.good,
            PeerStatus::Busy => state.theme.warn,
            PeerStatus::Away | PeerStatus::Invisible => state.theme.dim,
        };
        let mark = person.sign();
        let tail = match person.idle(now).filter(|_| *name != state.me) {
            Some(idle) => format!(" {} ", short(idle)),
            None => " ".into(),
        };
        let own = if *name == state.me { " (you)" } else { "" };
        let name_style = match person.status {
            PeerStatus::Online if is_in(name) => state.theme.of_name(name),
            _ => state.theme.dim,
        };
        let text = pad(&format!("{name}{own}"), width.saturating_sub(3 + tail.len()));
        put(buffer, area, line + 1, &fit(&format!(" {mark}"), width), style);
        let rest =
            Rect { x: area.x + 3.min(area.width), width: area.width.saturating_sub(3), ..area };
        put(buffer, rest, line + 1, &format!("{text}{tail}"), name_style);
        if let Ok(line) = u16::try_from(line) {
            rows.push((area.y + 1 + line, name.clone()));
        }
    }
    state.areas.people = rows;
}
