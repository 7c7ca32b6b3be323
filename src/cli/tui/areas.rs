//! Where everything is on the screen, as of the last layout. The mouse and scrolling need it.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Color, Style},
    text::Line,
};
use unicode_width::UnicodeWidthStr;

use super::chat_id::ChatId;
use crate::model::Name;

/// The least width for the messages.
pub(crate) const MIN_MESSAGES: u16 = 20;

/// The least width that can be divided into a side column and the messages.
pub(crate) const MIN_DIVISIBLE: u16 = MIN_MESSAGES + 9;

/// Marks an area with a style. What has a colour already keeps it.
pub(crate) fn tint(buffer: &mut Buffer, area: Rect, style: Style) {
    for position in area.intersection(buffer.area).positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            let fg = if cell.fg == Color::Reset { style.fg } else { None };
            cell.set_style(Style { fg, ..style });
        }
    }
}

/// The parts of the screen. Those that have no place are empty.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) sidebar: Rect,
    pub(crate) roster: Rect,
    pub(crate) borders: [Rect; 2],
    pub(crate) title: Rect,
    pub(crate) messages: Rect,
    pub(crate) typing: Rect,
    pub(crate) menu: Rect,
    pub(crate) rule: Rect,
    pub(crate) input: Rect,
    pub(crate) status: Rect,
}

#[derive(Debug)]
pub(crate) struct OverlayBox {
    pub(crate) outside: Rect,
    pub(crate) inside: Rect,
    pub(crate) title: String,
    /// All lines, escaped, each as wide as the box at most.
    pub(crate) lines: Vec<Line<'static>>,
    pub(crate) selected: Option<usize>,
    /// The first visible line.
    pub(crate) top: usize,
}

/// A row of the sidebar.
#[derive(Debug)]
pub(crate) struct SidebarRow {
    /// The chat; `None`: a heading.
    pub(crate) chat: Option<ChatId>,
    /// The number, and the symbol of a peer.
    pub(crate) before: String,
    pub(crate) name: String,
    /// At the end of the row: the number of unread messages, or that the peer is typing.
    pub(crate) tail: String,
    pub(crate) style: Style,
    pub(crate) is_current: bool,
    /// The unread messages that are not muted.
    pub(crate) unread: usize,
}

/// The layout of the screen.
#[derive(Debug, Default)]
pub(crate) struct Areas {
    pub(crate) screen: Rect,
    pub(crate) parts: Parts,
    /// The cells for a toast in the status line; `None` before the first layout.
    pub(crate) toast_cells: Option<usize>,
    pub(crate) overlay: Option<OverlayBox>,
    pub(crate) overlay_rows: usize,
    /// All rows of the sidebar; none if it is hidden.
    pub(crate) sidebar: Vec<SidebarRow>,
    /// The rows of the sidebar that list chats and headings.
    pub(crate) sidebar_rows: usize,
    /// The rows of the list of peers, without its heading.
    pub(crate) roster_rows: usize,
    /// The visible chats and peers with their rows.
    pub(crate) chats: Vec<(u16, ChatId)>,
    pub(crate) peers: Vec<(u16, Name)>,
    /// The first visible rows of the lists.
    pub(crate) sidebar_top: usize,
    pub(crate) roster_top: usize,
    /// The chat that was current then. When it changes, the sidebar scrolls to it.
    pub(crate) current: Option<ChatId>,
}

impl Areas {
    /// Returns true if the status line has room for a toast.
    pub(crate) fn fits_toast(&self, text: &str) -> bool {
        self.toast_cells.is_none_or(|cells| text.width() <= cells)
    }

    pub(crate) fn chat_at(&self, at: Position) -> Option<&ChatId> {
        let row = self.chats.iter().find(|(row, _)| *row == at.y)?;
        self.parts.sidebar.contains(at).then_some(&row.1)
    }

    pub(crate) fn peer_at(&self, at: Position) -> Option<&Name> {
        let row = self.peers.iter().find(|(row, _)| *row == at.y)?;
        self.parts.roster.contains(at).then_some(&row.1)
    }
}
