//! The list of peers on the hub, with their status.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{fit, pad, put, right_of, sidebar::beyond};
use crate::{
    cli::{
        graphemes::{self, fit_middle},
        tui::{
            moment::Moment,
            state::{State, short_duration},
        },
    },
    model::{Name, PeerStatus},
};

/// The cells for the longest time without activity.
const IDLE: usize = 5;

/// What follows the user's own name.
const YOU: &str = " (you)";

/// The cells that the list needs.
pub(in crate::cli::tui) fn width(state: &State) -> usize {
    let own = |name: &Name| if *name == state.me { YOU.len() + 1 } else { IDLE };
    let names = state.peers.iter().map(|(name, _)| 3 + graphemes::width(name.as_str()) + own(name));
    names.max().unwrap_or(0).max(heading(state).len() + 1)
}

fn heading(state: &State) -> String {
    format!(" on the hub: {}", state.peers.len())
}

pub(super) fn draw(state: &State, area: Rect, now: Moment, buffer: &mut Buffer) {
    let (width, height) = (usize::from(area.width), state.areas.roster_rows);
    let top = state.areas.roster_top;
    if !area.is_empty() {
        let line = fit(&beyond(top, state.peers.len(), height), width);
        put(buffer, area, height + 1, &line, state.theme.dim);
    }
    put(buffer, area, 0, &fit(&heading(state), width), state.theme.title);
    let room = state.current_room().and_then(|room| state.room(room));
    let members = room.and_then(|room| room.names.as_ref());
    let is_member = |name: &Name| members.is_none_or(|members| members.contains(name));
    let visible = state.peers.iter().skip(top).take(height);
    for (row, (name, peer)) in (1..).zip(visible) {
        let style = match peer.status {
            PeerStatus::Online if is_member(name) => state.theme.good,
            PeerStatus::Online => state.theme.dim,
            PeerStatus::Busy => state.theme.warn,
            PeerStatus::Away | PeerStatus::Invisible => state.theme.dim,
        };
        let idle = match peer.idle(now).filter(|_| *name != state.me) {
            Some(idle) => format!(" {} ", short_duration(idle)),
            None => " ".into(),
        };
        let is_own = *name == state.me;
        let own = if is_own { YOU } else { "" };
        let name_style = state.theme.of_name(name, is_own);
        let room = width.saturating_sub(3 + idle.len());
        let shown = fit_middle(name.as_str(), room.saturating_sub(own.len()));
        let text = pad(&format!("{shown}{own}"), room);
        put(buffer, area, row, &fit(&format!(" {}", peer.symbol()), width), style);
        let rest =
            Rect { x: area.x + 3.min(area.width), width: area.width.saturating_sub(3), ..area };
        put(buffer, rest, row, &text, name_style);
        put(buffer, right_of(rest, graphemes::width(&text)), row, &idle, state.theme.dim);
    }
}
