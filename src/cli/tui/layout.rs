//! Lays out the screen for a size, before it is drawn: the parts, the visible rows of the lists, of the
//! messages and of an overlay. This is all that the state learns about the size of the screen.

use ratatui::layout::Rect;

use super::{
    areas::{Areas, MIN_DIVISIBLE, MIN_MESSAGES, OverlayBox, Parts},
    moment::Moment,
    state::{Overlay, State},
    view,
};

/// The most cells of the sidebar, and of the list of peers, with its border. Each has at most a quarter
/// of the screen, so that on one of 60 cells the messages have 45.
const MAX_SIDE: u16 = 32;

/// The fewest cells of either.
const MIN_SIDE: u16 = 10;

/// The least widths of the screen at which they are shown by default.
const WITH_SIDEBAR: u16 = 60;
const WITH_ROSTER: u16 = 90;

/// The least height of the screen at which there is a rule above the input.
const WITH_RULE: u16 = 10;

/// The most rows of the input and of the completion menu.
const INPUT: u16 = 6;
const MENU: u16 = 8;

/// The greatest width of an overlay: wider lines are hard to read.
const OVERLAY: u16 = 110;

pub(crate) fn arrange(state: &mut State, screen: Rect, now: Moment) {
    state.areas.screen = screen;
    state.areas.parts = split(screen, state, now);
    arrange_sidebar(state);
    arrange_roster(state);
    state.areas.toast_cells = Some(view::toast_cells(state, now));
    let (messages, zone) = (state.areas.parts.messages, state.zone.clone());
    if let Some(transcript) = state.transcript_mut() {
        transcript.arrange(messages.width, messages.height, &zone);
    }
    state.areas.overlay = arrange_overlay(state, screen, now);
}

/// Divides the screen. The input comes first, then the messages, then everything else.
fn split(screen: Rect, state: &mut State, now: Moment) -> Parts {
    let mut parts = Parts::default();
    let mut rest = screen;
    if rest.height > 2 {
        parts.status = bottom(&mut rest, 1);
    }
    let (panels, width) = (state.panels, screen.width);
    state.areas.sidebar.clear();
    if panels.sidebar.unwrap_or(width >= WITH_SIDEBAR) && width >= MIN_DIVISIBLE {
        state.areas.sidebar = view::sidebar_rows(state, now);
        let wanted =
            side(view::sidebar_width(&state.areas.sidebar), width).min(width - MIN_MESSAGES);
        parts.sidebar = left(&mut rest, wanted - 1);
        parts.borders[0] = left(&mut rest, 1);
    }
    if panels.roster.unwrap_or(width >= WITH_ROSTER) && rest.width >= MIN_DIVISIBLE {
        let wanted = side(view::roster_width(state), width).min(rest.width - MIN_MESSAGES);
        parts.roster = right(&mut rest, wanted - 1);
        parts.borders[1] = right(&mut rest, 1);
    }
    let width = rest.width - view::prompt_width(state, rest.width);
    let most = INPUT.min(rest.height / 3).max(1);
    parts.input = bottom(&mut rest, state.composer.arrange(width, most));
    if screen.height >= WITH_RULE {
        parts.rule = bottom(&mut rest, 1);
    }
    if rest.height > 3 {
        parts.title = top(&mut rest, 1);
    }
    let direct = state.current_peer().and_then(|peer| state.direct_chat(peer));
    if rest.height > 3 && direct.is_some_and(|chat| chat.is_typing(now)) {
        parts.typing = bottom(&mut rest, 1);
    }
    if let Some(menu) = &state.menu {
        let rows = u16::try_from(menu.completions.len()).unwrap_or(MENU).min(MENU);
        let most = rest.height / 2;
        parts.menu = bottom(&mut rest, rows.min(most));
    }
    parts.messages = rest;
    parts
}

/// The width of a side of the screen with its border: what it needs, within limits.
fn side(needed: usize, screen: u16) -> u16 {
    let most = MAX_SIDE.min(screen / 4).max(MIN_SIDE);
    u16::try_from(needed + 1).unwrap_or(most).clamp(MIN_SIDE, most)
}

/// Keeps the current chat in view when it changes.
fn arrange_sidebar(state: &mut State) {
    let area = state.areas.parts.sidebar;
    state.areas.chats.clear();
    if area.is_empty() {
        return;
    }
    let rows = state.areas.sidebar.len();
    // If not all rows fit, the last one counts what is unread in those that are hidden.
    let all = usize::from(area.height);
    let height = all - usize::from(rows > all && all > 1);
    if state.areas.current != state.current {
        let areas = &mut state.areas;
        let current = areas.sidebar.iter().position(|row| row.is_current).unwrap_or(0);
        areas.sidebar_top = areas.sidebar_top.clamp((current + 1).saturating_sub(height), current);
        areas.current.clone_from(&state.current);
    }
    let top = state.areas.sidebar_top.min(rows.saturating_sub(height));
    state.areas.sidebar_top = top;
    state.areas.sidebar_rows = height;
    let Areas { sidebar, chats, .. } = &mut state.areas;
    let visible = (area.y..).zip(sidebar.iter().skip(top).take(height));
    chats.extend(visible.filter_map(|(y, row)| Some((y, row.chat.clone()?))));
}

fn arrange_roster(state: &mut State) {
    let area = state.areas.parts.roster;
    state.areas.peers.clear();
    if area.is_empty() {
        return;
    }
    // If not all peers fit, the last row says how many are beyond the visible ones.
    let all = usize::from(area.height).saturating_sub(1);
    let height = all - usize::from(state.peers.len() > all && all > 1);
    state.areas.roster_rows = height;
    let Areas { roster_top, peers, .. } = &mut state.areas;
    *roster_top = (*roster_top).min(state.peers.len().saturating_sub(height));
    let visible = state.peers.iter().skip(*roster_top).take(height);
    peers.extend((area.y + 1..).zip(visible.map(|(name, _)| name.clone())));
}

/// Wraps the lines of the overlay and limits its scrolling to them.
fn arrange_overlay(state: &mut State, screen: Rect, now: Moment) -> Option<OverlayBox> {
    let width = screen.width.min(OVERLAY);
    let (title, lines, selected) = view::overlay_content(state, now, width.saturating_sub(4))?;
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let height = height.min(screen.height);
    let x = screen.x + (screen.width - width) / 2;
    let y = screen.y + (screen.height - height) / 2;
    let outside = Rect { x, y, width, height };
    let inside = view::inside_overlay(outside);
    let rows = usize::from(inside.height);
    let top = match &mut state.overlay {
        Some(Overlay::Lines { top, .. }) => {
            *top = (*top).min(lines.len().saturating_sub(rows));
            *top
        }
        _ => selected.map_or(0, |selected| (selected + 1).saturating_sub(rows)),
    };
    state.areas.overlay_rows = rows;
    Some(OverlayBox { outside, inside, title, lines, selected, top })
}

fn bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.bottom(), height: rows, ..*rest }
}

fn top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let cut = Rect { height: rows, ..*rest };
    rest.y += rows;
    rest.height -= rows;
    cut
}

fn left(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    let cut = Rect { width: columns, ..*rest };
    rest.x += columns;
    rest.width -= columns;
    cut
}

fn right(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    rest.width -= columns;
    Rect { x: rest.right(), width: columns, ..*rest }
}
