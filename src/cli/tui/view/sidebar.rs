//! The places one can talk in: rooms, and peers.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{fit, pad, put};
use crate::cli::tui::state::{Now, Person, Place, State};

/// A row of the list.
struct Row {
    text: String,
    /// What stands at its end: how much is unread, or that somebody types.
    tail: String,
    style: Style,
    place: Option<Place>,
    /// How much there is unread, and not muted.
    unread: usize,
}

/// Draws the list, and notes which place is in which row.
pub(super) fn draw(state: &mut State, area: Rect, now: Now, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let rows = rows(state, now);
    // Where not all of them fit, the last row is for what is unread beyond the others.
    let all = usize::from(area.height);
    let height = all - usize::from(rows.len() > all && all > 1);
    let chosen = rows.iter().position(|row| row.place.is_some() && row.place == state.current);
    let areas = &mut state.areas;
    if areas.shown != state.current {
        areas.shown.clone_from(&state.current);
        let chosen = chosen.unwrap_or(0);
        areas.places_top = areas.places_top.clamp((chosen + 1).saturating_sub(height), chosen);
    }
    areas.places_top = areas.places_top.min(rows.len().saturating_sub(height));
    if height < all {
        let line = beyond(&rows, areas.places_top, height);
        put(buffer, area, height, &fit(&line, usize::from(area.width)), state.theme.unread);
    }
    for (line, row) in rows.into_iter().skip(areas.places_top).take(height).enumerate() {
        let style = match row.place.is_some() && row.place == state.current {
            true => row.style.patch(state.theme.selected),
            false => row.style,
        };
        let width = usize::from(area.width);
        let tail = fit(&row.tail, width);
        let text = pad(&row.text, width - unicode_width::UnicodeWidthStr::width(tail.as_str()));
        put(buffer, area, line, &format!("{text}{tail}"), style);
        if let (Some(place), Ok(line)) = (row.place, u16::try_from(line)) {
            state.areas.places.push((area.y + line, place));
        }
    }
}

/// How much is unread in the rows above and below those that are shown.
fn beyond(rows: &[Row], top: usize, height: usize) -> String {
    let unread = |rows: &[Row]| rows.iter().map(|row| row.unread).sum();
    let (above, shown) = rows.split_at(top);
    let below = shown.get(height..).unwrap_or_default();
    match (unread(above), unread(below)) {
        (0, 0) => String::new(),
        (above, 0) => format!(" ↑ {above} unread"),
        (0, below) => format!(" ↓ {below} unread"),
        (above, below) => format!(" ↑ {above} ↓ {below} unread"),
    }
}

/// What is unread elsewhere, in one line for where the list is not shown: who is meant, then the
/// rest.
pub(super) fn unread(state: &State, width: usize) -> String {
    let elsewhere = |place: Place| state.current.as_ref() != Some(&place);
    let rooms = || {
        let unread = state.rooms.iter().filter(|room| room.unread > 0);
        unread.filter(|room| elsewhere(Place::Room(room.name.clone())))
    };
    let mentions = rooms().filter(|room| room.mentioned).map(|room| format!("@{}", room.name));
    let talks = state.talks.iter().filter(|talk| talk.unread > 0);
    let talks = talks.filter(|talk| elsewhere(Place::Peer(talk.name.clone())));
    let talks = talks.map(|talk| format!("{}:{}", talk.name, talk.unread));
    let rest = rooms().filter(|room| !room.mentioned && !room.muted);
    let rest = rest.map(|room| format!("{}:{}", room.name, room.unread));
    let all: Vec<String> = mentions.chain(talks).chain(rest).collect();
    fit(&all.join(" "), width)
}

fn rows(state: &State, now: Now) -> Vec<Row> {
    let theme = &state.theme;
    let head = |text: &str| Row {
        text: text.into(),
        tail: String::new(),
        style: theme.title,
        place: None,
        unread: 0,
    };
    let mut rows = vec![head("rooms")];
    for (index, room) in state.rooms.iter().enumerate() {
        let mention = if room.mentioned { "@" } else { "" };
        let style = match (room.muted, room.mentioned, room.unread) {
            (true, ..) => theme.dim,
            (_, true, _) => theme.mention,
            (_, _, 0) => theme.text,
            _ => theme.unread,
        };
        let tail = if room.unread > 0 { format!("{mention}{} ", room.unread) } else { " ".into() };
        let text = format!("{:>2} {}", index + 1, room.name);
        let unread = if room.muted && !room.mentioned { 0 } else { room.unread };
        rows.push(Row { text, tail, style, place: Some(Place::Room(room.name.clone())), unread });
    }
    if !state.talks.is_empty() {
        rows.push(head("direct"));
    }
    for (index, talk) in state.talks.iter().enumerate() {
        let mark = state.people.get(&talk.name).map_or('✗', Person::sign);
        let style = match talk.unread {
            0 => theme.of_name(&talk.name),
            _ => theme.unread,
        };
        let tail = match (talk.is_typing(now), talk.unread) {
            (true, _) => "… ".into(),
            (_, 0) => " ".into(),
            (_, unread) => format!("{unread} "),
        };
        let text = format!("{:>2} {mark} {}", state.rooms.len() + index + 1, talk.name);
        let (place, unread) = (Some(Place::Peer(talk.name.clone())), talk.unread);
        rows.push(Row { text, tail, style, place, unread });
    }
    rows
}
