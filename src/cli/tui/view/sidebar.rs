//! The list of rooms and direct chats.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{fit, pad, put, row_of};
use crate::cli::{
    graphemes::{self, fit_middle},
    tui::{
        areas::{SidebarRow, tint},
        chat_id::ChatId,
        moment::Moment,
        state::{ListedPeer, State},
    },
};

/// The cells that are kept for the number of unread messages, so that the list does not grow with it.
const TAIL: usize = 4;

/// The cells that the list needs.
pub(in crate::cli::tui) fn width(rows: &[SidebarRow]) -> usize {
    let width = |row: &SidebarRow| {
        let [before, name, tail] =
            [&row.before, &row.name, &row.tail].map(|part| graphemes::width(part));
        before + name + 1 + tail.max(TAIL)
    };
    rows.iter().map(width).max().unwrap_or(0)
}

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let rows = &state.areas.sidebar;
    let (top, height) = (state.areas.sidebar_top, state.areas.sidebar_rows);
    let width = usize::from(area.width);
    if height < usize::from(area.height) {
        let line = unread_beyond(rows, top, height);
        put(buffer, area, height, &fit(&line, width), state.theme.unread);
    }
    for (line, row) in rows.iter().skip(top).take(height).enumerate() {
        let tail = fit(&row.tail, width);
        let room = width - graphemes::width(&tail);
        let name = fit_middle(&row.name, room.saturating_sub(graphemes::width(&row.before) + 1));
        let text = pad(&format!("{}{name}", row.before), room);
        put(buffer, area, line, &format!("{text}{tail}"), row.style);
        if row.is_current {
            tint(buffer, row_of(area, line), state.theme.selected);
        }
    }
}

/// The numbers of unread messages in the rows above and below the visible ones.
fn unread_beyond(rows: &[SidebarRow], top: usize, height: usize) -> String {
    let unread = |rows: &[SidebarRow]| rows.iter().map(|row| row.unread).sum();
    let (above, rest) = rows.split_at(top.min(rows.len()));
    let below = rest.get(height..).unwrap_or_default();
    match (unread(above), unread(below)) {
        (0, 0) => beyond(top, rows.len(), height),
        (above, 0) => format!(" ↑ {above} unread"),
        (0, below) => format!(" ↓ {below} unread"),
        (above, below) => format!(" ↑ {above} ↓ {below} unread"),
    }
}

/// How many rows of a list are above and below the visible ones.
pub(super) fn beyond(top: usize, rows: usize, height: usize) -> String {
    match (top, rows.saturating_sub(top + height)) {
        (0, 0) => String::new(),
        (above, 0) => format!(" ↑ {above} more"),
        (0, below) => format!(" ↓ {below} more"),
        (above, below) => format!(" ↑ {above} ↓ {below} more"),
    }
}

/// The unread messages of other chats in one line, for a screen without the list: mentions first.
pub(super) fn unread_elsewhere(state: &State, width: usize) -> String {
    let elsewhere = |chat: ChatId| state.current.as_ref() != Some(&chat);
    let rooms = || {
        let unread = state.rooms.iter().filter(|room| room.unread > 0);
        unread.filter(|room| elsewhere(ChatId::Room(room.name.clone())))
    };
    let mentions = rooms().filter(|room| room.mentioned).map(|room| format!("@{}", room.name));
    let direct = state.direct_chats.iter().filter(|chat| chat.unread > 0);
    let direct = direct.filter(|chat| elsewhere(ChatId::Peer(chat.name.clone())));
    let direct = direct.map(|chat| format!("{}:{}", chat.name, chat.unread));
    let rest = rooms().filter(|room| !room.mentioned && !room.muted);
    let rest = rest.map(|room| format!("{}:{}", room.name, room.unread));
    let all: Vec<String> = mentions.chain(direct).chain(rest).collect();
    fit(&all.join(" "), width)
}

/// The rows of the list.
pub(in crate::cli::tui) fn rows(state: &State, now: Moment) -> Vec<SidebarRow> {
    let theme = &state.theme;
    let heading = |text: &str| SidebarRow {
        chat: None,
        before: String::new(),
        name: text.into(),
        tail: String::new(),
        style: theme.title,
        is_current: false,
        unread: 0,
    };
    let mut rows = vec![heading("rooms")];
    for (index, room) in state.rooms.iter().enumerate() {
        let mention = if room.mentioned { "@" } else { "" };
        let more = if room.has_more_unread { "+" } else { "" };
        let style = match (room.muted, room.mentioned, room.unread) {
            (true, ..) => theme.dim,
            (_, true, _) => theme.warn.patch(theme.unread_weight()),
            (_, _, 0) => theme.text,
            _ => theme.unread,
        };
        rows.push(SidebarRow {
            chat: Some(ChatId::Room(room.name.clone())),
            before: format!("{:>2} ", index + 1),
            name: room.name.to_string(),
            tail: if room.unread > 0 {
                format!("{mention}{}{more} ", room.unread)
            } else {
                " ".into()
            },
            style,
            is_current: state.current_room() == Some(&room.name),
            unread: if room.muted && !room.mentioned { 0 } else { room.unread },
        });
    }
    if !state.direct_chats.is_empty() {
        rows.push(heading("direct"));
    }
    for (index, chat) in state.direct_chats.iter().enumerate() {
        let symbol = state.peers.get(&chat.name).map_or('✗', ListedPeer::symbol);
        rows.push(SidebarRow {
            chat: Some(ChatId::Peer(chat.name.clone())),
            before: format!("{:>2} {symbol} ", state.rooms.len() + index + 1),
            name: chat.name.to_string(),
            tail: match (chat.is_typing(now), chat.unread) {
                (true, _) => "… ".into(),
                (_, unread) => [("⧗", chat.queued()), ("", unread)]
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(symbol, count)| format!("{symbol}{count} "))
                    .collect(),
            },
            style: theme.of_name(&chat.name, chat.unread > 0),
            is_current: state.current_peer() == Some(&chat.name),
            unread: chat.unread,
        });
    }
    rows
}
