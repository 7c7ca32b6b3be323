//! The list of peers on the hub, with their status.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{fit, pad, put, sidebar::beyond};
use crate::{
    cli::tui::{
        moment::Moment,
        state::{State, short_duration},
    },
    model::{Name, PeerStatus},
};

pub(super) fn draw(state: &State, area: Rect, now: Moment, buffer: &mut Buffer) {
    let (width, height) = (usize::from(area.width), state.areas.roster_rows);
    let top = state.areas.roster_top;
    if !area.is_empty() {
        let line = fit(&beyond(top, state.peers.len(), height), width);
        put(buffer, area, height + 1, &line, state.theme.dim);
    }
    let heading = format!(" on the hub: {}", state.peers.len());
    put(buffer, area, 0, &fit(&heading, width), state.theme.title);
    let room = state.current_room().and_then(|room| state.room(room));
    let members = room.and_then(|room| room.names.as_ref());
    let is_member = |name: &Name| members.is_none_or(|members| members.contains(name));
    let visible = state.peers.iter().skip(top).take(height);
    for (row, (name, peer)) in (1..).zip(visible) {
        let style = match peer.status {
            PeerStatus::Online => state.theme.good,
            PeerStatus::Busy => state.theme.warn,
            PeerStatus::Away | PeerStatus::Invisible => state.theme.dim,
        };
        let idle = match peer.idle(now).filter(|_| *name != state.me) {
            Some(idle) => format!(" {} ", short_duration(idle)),
            None => " ".into(),
        };
        let own = if *name == state.me { " (you)" } else { "" };
        let name_style = match peer.status {
            PeerStatus::Online if is_member(name) => state.theme.of_name(name, *name == state.me),
            _ => state.theme.dim,
        };
        let text = pad(&format!("{name}{own}"), width.saturating_sub(3 + idle.len()));
        put(buffer, area, row, &fit(&format!(" {}", peer.symbol()), width), style);
        let rest =
            Rect { x: area.x + 3.min(area.width), width: area.width.saturating_sub(3), ..area };
        put(buffer, rest, row, &format!("{text}{idle}"), name_style);
    }
}
