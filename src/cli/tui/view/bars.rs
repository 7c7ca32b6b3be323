//! The lines above and below the messages: where one is, who types, how the hub is.

use std::time::Duration;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{fit, pad, put};
use crate::cli::tui::state::{Link, Now, Place, State, Trust, Way};

/// Where one is: the room and how many are in it, or the peer and how far it is known.
pub(super) fn title(state: &mut State, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let (left, standing) = match state.current.clone() {
        Some(Place::Room(name)) => {
            let room = state.room(&name);
            let members = room.and_then(|room| match &room.names {
                Some(names) => u32::try_from(names.len()).ok(),
                None => room.members,
            });
            let members = members.map(|members| format!(" · {members} here")).unwrap_or_default();
            let muted = if room.is_some_and(|room| room.muted) { " · muted" } else { "" };
            (format!(" {name}{members}{muted}"), None)
        }
        Some(Place::Peer(name)) => (format!(" {name}"), state.talk(&name).map(standing)),
        None => (" nowhere".into(), None),
    };
    let right = fit(&at_end(state), width);
    put(buffer, area, 0, &pad(&left, width), state.theme.title);
    if let Some((word, style)) = standing.map(|(word, known)| (word, of_known(state, known))) {
        let x = u16::try_from(left.width()).unwrap_or(u16::MAX).min(area.width);
        let rest = Rect { x: area.x + x, width: area.width - x, ..area };
        put(buffer, rest, 0, &fit(&word, usize::from(rest.width)), style);
    }
    let x = area.width - u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    let end = Rect { x: area.x + x, width: area.width - x, ..area };
    put(buffer, end, 0, &right, state.theme.warn);
}

fn standing(talk: &crate::cli::tui::state::Talk) -> (String, Option<Trust>) {
    let known = talk.known.map_or(Trust::Unverified.word(), Trust::word);
    let live = if talk.live { " · live" } else { "" };
    let path = talk.path.as_ref().map(|path| format!(" · {path}")).unwrap_or_default();
    (format!(" · {known}{live}{path}"), talk.known)
}

fn of_known(state: &State, known: Option<Trust>) -> Style {
    match known {
        Some(Trust::Verified) => state.theme.good,
        Some(Trust::Known) => state.theme.text,
        Some(Trust::Unverified | Trust::Blocked) => state.theme.warn,
        None => state.theme.dim,
    }
}

/// What is beyond the messages that are shown.
fn at_end(state: &mut State) -> String {
    let room = state.current_room().cloned();
    let room = room.and_then(|name| state.rooms.iter_mut().find(|room| room.name == name));
    let (loading, past) = match room {
        Some(room) => (room.strand().loading, room.past.is_some()),
        None => (None, false),
    };
    let below = state.transcript().map_or(0, |transcript| transcript.below());
    match (loading, past, below) {
        (Some(Way::Older), ..) => "loading… ↑ ".into(),
        (Some(Way::Newer), ..) => "loading… ↓ ".into(),
        (None, true, _) => "the past; Esc: now ".into(),
        (None, false, 0) => String::new(),
        (None, false, below) => format!("{below} more ↓ "),
    }
}

/// That the peer types. The line is there only then.
pub(super) fn typing(state: &State, area: Rect, buffer: &mut Buffer) {
    if let Some(peer) = state.current_peer() {
        let line = fit(&format!("{peer} is typing…"), usize::from(area.width));
        put(buffer, area, 0, &line, state.theme.dim);
    }
}

/// How the hub is, and what the time is; a word of the moment stands between them.
pub(super) fn status(state: &mut State, area: Rect, now: Now, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let clock = now.wall.to_zoned(state.zone.clone()).strftime("%H:%M").to_string();
    let waiting = match (&state.link, state.sending()) {
        (Link::Ended(_), _) | (_, 0) => String::new(),
        (_, sending) => format!("{sending} waiting · "),
    };
    let right = format!(" {waiting}{clock} ");
    let free = width.saturating_sub(right.width() + 16);
    let right = match state.areas.sidebar.is_empty().then(|| super::sidebar::unread(state, free)) {
        Some(unread) if !unread.is_empty() => format!(" {unread} ·{right}"),
        _ => right,
    };
    let right = if width > right.width() + 12 { right } else { String::new() };
    let left = width - right.width();
    put(buffer, area, 0, &pad("", width), state.theme.status);
    let (hub, style) = hub(state, state.toast.is_some(), now);
    put(buffer, area, 0, &fit(&hub, left), style);
    let short = self::hub(state, true, now).0.width() + 1;
    state.areas.word = Some(left.saturating_sub(short));
    if let Some(toast) = &state.toast {
        let style = if toast.bad { state.theme.bad } else { state.theme.warn };
        let from = short.min(left);
        let word = fit(&toast.said, left - from);
        put(buffer, column(area, from), 0, &word, state.theme.status.patch(style));
    }
    put(buffer, column(area, left), 0, &right, state.theme.status);
}

/// What of an area is right of so many columns.
fn column(area: Rect, columns: usize) -> Rect {
    let columns = u16::try_from(columns).unwrap_or(u16::MAX).min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// How the hub is: in `short`, a sign, and when it is tried again.
fn hub(state: &State, short: bool, now: Now) -> (String, Style) {
    let theme = &state.theme;
    let bad = theme.status.patch(theme.bad);
    match &state.link {
        Link::Up if short => (" ●".into(), theme.status),
        Link::Up => {
            let latency = state.latency.map(milliseconds).unwrap_or_default();
            (format!(" ● {}{latency}", state.hub), theme.status)
        }
        Link::Lost { retry_at } => {
            let wait = retry_at.saturating_duration_since(now.mono);
            let seconds = wait.as_millis().div_ceil(1000);
            let line = match (short, seconds) {
                (true, 0) => " ✗ now ·".into(),
                (true, seconds) => format!(" ✗ {seconds} s ·"),
                (false, 0) => format!(" ✗ {} is away; trying now", state.hub),
                (false, seconds) => {
                    format!(" ✗ {} is away; trying again in {seconds} s", state.hub)
                }
            };
            (line, bad)
        }
        Link::Ended(_) if short => (" ✗".into(), bad),
        Link::Ended(why) => (format!(" ✗ {why}"), bad),
    }
}

fn milliseconds(latency: Duration) -> String {
    match latency.as_secs_f64() * 1000.0 {
        short if short < 10.0 => format!(" · {short:.1} ms"),
        long => format!(" · {long:.0} ms"),
    }
}
