//! The lines above and below the messages: the title, who is typing, and the status line.

use std::time::Duration;

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Span};
use unicode_width::UnicodeWidthStr;

use super::{fill, fit, put, put_line, right_of, sidebar::unread_elsewhere};
use crate::cli::tui::{
    chat_id::ChatId,
    moment::Moment,
    outcome::{PageDirection, TrustLevel},
    state::{DirectChat, HubStatus, State},
};

/// Draws the title: the room with its members, or the peer with its trust level and path.
pub(super) fn draw_title(state: &State, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let (left, chat) = match &state.current {
        Some(ChatId::Room(name)) => {
            let room = state.room(name);
            let members = room.and_then(|room| match &room.names {
                Some(names) => u32::try_from(names.len()).ok(),
                None => room.members,
            });
            let members = members.map(|members| format!(" · {members} here")).unwrap_or_default();
            let muted = if room.is_some_and(|room| room.muted) { " · muted" } else { "" };
            (format!(" {name}{members}{muted}"), None)
        }
        Some(ChatId::Peer(name)) => (format!(" {name}"), state.direct_chat(name)),
        None => (" no room".into(), None),
    };
    let right = fit(&scroll_hint(state), width);
    let style = match &state.current {
        Some(ChatId::Peer(name)) => state.theme.title.patch(state.theme.of_name(name, true)),
        _ => state.theme.title,
    };
    put(buffer, area, 0, &fit(&left, width), style);
    if let Some(chat) = chat {
        let rest = right_of(area, left.width());
        let room = usize::from(rest.width).saturating_sub(right.width());
        let about = about_peer(chat, room);
        put(buffer, rest, 0, &about, trust_style(state, chat.trust));
    }
    put(buffer, right_of(area, width - right.width()), 0, &right, state.theme.warn);
}

/// What is known about a peer, as much as fits: the trust level matters more than the path.
fn about_peer(chat: &DirectChat, room: usize) -> String {
    let trust = chat.trust.map_or(TrustLevel::Unverified.word(), TrustLevel::word);
    let live = if chat.live { " · live" } else { "" };
    let path = chat.path.as_ref().map(|path| format!(" · {path}")).unwrap_or_default();
    let all = [format!(" · {trust}{live}{path}"), format!(" · {trust}{live}")];
    let fits = all.into_iter().find(|line| line.width() <= room);
    fits.unwrap_or_else(|| fit(&format!(" · {trust}"), room))
}

fn trust_style(state: &State, trust: Option<TrustLevel>) -> Style {
    match trust {
        Some(TrustLevel::Verified) => state.theme.good,
        Some(TrustLevel::Known) => state.theme.text,
        Some(TrustLevel::Unverified | TrustLevel::Blocked) => state.theme.warn,
        None => state.theme.dim,
    }
}

/// What is beyond the visible messages.
fn scroll_hint(state: &State) -> String {
    let room = state.current_room().and_then(|name| state.room(name));
    let loading = room.and_then(|room| room.timeline().loading);
    let is_past = room.is_some_and(|room| room.past.is_some());
    let below = state.transcript().map_or(0, |transcript| transcript.below());
    // Else it is in the rule above the input.
    if let Some(hidden) = hidden_input(state).filter(|_| state.areas.parts.rule.is_empty()) {
        return format!("input {hidden} ");
    }
    match (loading, state.found_from(), is_past, below) {
        (Some(PageDirection::Older), ..) => "loading… ↑ ".into(),
        (Some(PageDirection::Newer), ..) => "loading… ↓ ".into(),
        (None, Some(ChatId::Room(room)), ..) => format!("Esc: back to {room} "),
        (None, Some(ChatId::Peer(peer)), ..) => format!("Esc: back to {peer} "),
        (None, None, true, _) => "older messages; Esc: latest ".into(),
        (None, None, false, 0) => String::new(),
        (None, None, false, below) => format!("{below} more ↓ "),
    }
}

/// Draws the line above the input, with what is hidden of the input.
pub(super) fn draw_rule(state: &State, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    fill(area, buffer, "─", state.theme.border);
    if let Some(hidden) = hidden_input(state) {
        let hidden = fit(&format!(" {hidden} "), width);
        let at = width.saturating_sub(hidden.width() + 1);
        put(buffer, right_of(area, at), 0, &hidden, state.theme.warn);
    }
}

/// The rows of the input above and below those in view.
fn hidden_input(state: &State) -> Option<String> {
    match state.composer.hidden_rows() {
        (0, 0) => None,
        (above, 0) => Some(format!("↑ {above} more")),
        (0, below) => Some(format!("↓ {below} more")),
        (above, below) => Some(format!("↑ {above} more · ↓ {below} more")),
    }
}

/// Draws that the peer is typing. The area is empty if it is not.
pub(super) fn draw_typing(state: &State, area: Rect, buffer: &mut Buffer) {
    if let Some(peer) = state.current_peer() {
        let (name, style) = (peer.to_string(), state.theme.of_name(peer, false));
        let spans = [Span::styled(name, style), Span::styled(" is typing…", state.theme.dim)];
        put_line(buffer, area, 0, &spans.into_iter().collect());
    }
}

struct StatusLine {
    /// The width of the left part, up to the clock.
    left: usize,
    /// The clock, and what is sent and unread.
    right: String,
    /// The width of the short hub status, which a toast leaves visible.
    short: usize,
}

impl StatusLine {
    fn new(state: &State, now: Moment) -> Self {
        let width = usize::from(state.areas.parts.status.width);
        let clock = now.wall.to_zoned(state.zone.clone()).strftime("%H:%M").to_string();
        let sending = match (&state.hub_status, state.sending()) {
            (HubStatus::Ended(_), _) | (_, 0) => String::new(),
            (_, sending) => format!("{sending} waiting · "),
        };
        let mut right = format!(" {sending}{clock} ");
        if state.areas.parts.sidebar.is_empty() {
            let unread = unread_elsewhere(state, width.saturating_sub(right.width() + 16));
            if !unread.is_empty() {
                right = format!(" {unread} ·{right}");
            }
        }
        if width <= right.width() + 12 {
            right.clear();
        }
        let short = hub_status(state, true, now).0.width() + 1;
        Self { left: width - right.width(), right, short }
    }
}

/// The cells of the status line that a toast can use.
pub(in crate::cli::tui) fn toast_cells(state: &State, now: Moment) -> usize {
    let line = StatusLine::new(state, now);
    line.left.saturating_sub(line.short)
}

/// Draws the status line: the hub, a toast, and the clock.
pub(super) fn draw_status(state: &State, area: Rect, now: Moment, buffer: &mut Buffer) {
    let StatusLine { left, right, short } = StatusLine::new(state, now);
    fill(area, buffer, " ", state.theme.status);
    let (hub, style) = hub_status(state, state.toast.is_some(), now);
    put(buffer, area, 0, &fit(&hub, left), style);
    if let Some(toast) = &state.toast {
        let style = if toast.is_error { state.theme.bad } else { state.theme.warn };
        let from = short.min(left);
        let text = fit(&toast.text, left - from);
        put(buffer, right_of(area, from), 0, &text, state.theme.status.patch(style));
    }
    put(buffer, right_of(area, left), 0, &right, state.theme.status);
}

/// The state of the connection to the hub. In `short`, a symbol and the time to the next attempt.
fn hub_status(state: &State, short: bool, now: Moment) -> (String, Style) {
    let theme = &state.theme;
    let bad = theme.status.patch(theme.bad);
    match &state.hub_status {
        HubStatus::Up if short => (" ●".into(), theme.status),
        HubStatus::Up => {
            let latency = state.latency.map(milliseconds).unwrap_or_default();
            (format!(" ● {}{latency}", state.hub), theme.status)
        }
        HubStatus::Lost { retry_at } => {
            let wait = retry_at.saturating_duration_since(now.mono);
            let seconds = wait.as_millis().div_ceil(1000);
            let line = match (short, seconds) {
                (true, 0) => " ✗ now ·".into(),
                (true, seconds) => format!(" ✗ {seconds} s ·"),
                (false, 0) => format!(" ✗ {} is unreachable; trying now", state.hub),
                (false, seconds) => {
                    format!(" ✗ {} is unreachable; trying again in {seconds} s", state.hub)
                }
            };
            (line, bad)
        }
        HubStatus::Ended(_) if short => (" ✗".into(), bad),
        HubStatus::Ended(why) => (format!(" ✗ {why}"), bad),
    }
}

fn milliseconds(latency: Duration) -> String {
    match latency.as_secs_f64() * 1000.0 {
        short if short < 10.0 => format!(" · {short:.1} ms"),
        long => format!(" · {long:.0} ms"),
    }
}
