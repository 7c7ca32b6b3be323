//! Text that leaves the screen: for the clipboard, for the selection of the terminal, and links.

use ratatui::layout::Rect;

use super::{Serial, Transcript, entry::EntryBody, layout::TextRow};
use crate::{
    cli::{graphemes, links::links},
    text,
};

/// The most links that are listed.
const MAX_LINKS: usize = 100;

/// A part of a link in one row of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScreenLink {
    pub(crate) area: Rect,
    pub(crate) url: String,
}

impl Transcript {
    /// The text of the message that was jumped to, or else of the latest one.
    pub(crate) fn current_text(&self) -> Option<String> {
        let jumped = self.highlighted.and_then(|key| self.entries.find(key));
        let latest = || self.serials_from_end().find(|serial| self.said(*serial).is_some());
        let (_, text) = self.said(jumped.or_else(latest)?)?;
        Some(text::copyable(text).into_owned())
    }

    /// The latest messages, with their senders, as many as `count` at most.
    pub(crate) fn latest_texts(&self, count: usize) -> Vec<String> {
        let said = self.serials_from_end().filter_map(|serial| self.said(serial));
        let mut texts: Vec<String> = said
            .take(count)
            .map(|(sender, text)| format!("{sender}: {}", text::copyable(text)))
            .collect();
        texts.reverse();
        texts
    }

    /// The web links, those of the latest message first, each once.
    pub(crate) fn web_links(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (_, text) in self.serials_from_end().filter_map(|serial| self.said(serial)) {
            let text = text::lines(text);
            for link in links(&text).into_iter().rev().map(|range| &text[range]) {
                if is_web_link(link) && !found.iter().any(|known| known == link) {
                    found.push(link.to_owned());
                }
            }
            if found.len() >= MAX_LINKS {
                break;
            }
        }
        found.truncate(MAX_LINKS);
        found
    }

    /// The text of the messages up to the end of the view, without anything else, as many lines as
    /// fill `rows` rows in a terminal that breaks the lines itself.
    pub(crate) fn text_only_lines(&self, width: usize, rows: usize) -> Vec<String> {
        let last = self.view.last().map_or(self.entries.end() - 1, |(row, _)| row.serial);
        let mut lines: Vec<String> = Vec::new();
        let mut taken = 0;
        let serials = (self.entries.first..=last).rev();
        for (sender, text) in serials.filter_map(|serial| self.said(serial)) {
            let text = text::lines(text);
            let text = graphemes::visible(text.trim_end_matches('\n'));
            // A name beside several lines would be in the way of selecting them.
            let message = match text.contains('\n') {
                true => format!("{sender}:\n{text}"),
                false => format!("{sender}: {text}"),
            };
            for line in message.split('\n').rev() {
                taken += graphemes::width(line).div_ceil(width.max(1)).max(1);
                if taken > rows {
                    lines.reverse();
                    return lines;
                }
                lines.push(line.to_owned());
            }
        }
        lines.reverse();
        lines
    }

    /// The web links in view, one part for each row, as [`Transcript::draw`] draws them in `area`.
    pub(crate) fn links_in_view(&self, area: Rect) -> Vec<ScreenLink> {
        let shown = u16::try_from(self.view.len()).unwrap_or(u16::MAX).min(area.height);
        let mut parts = Vec::new();
        for (y, (at, layout)) in (area.bottom() - shown..area.bottom()).zip(&self.view) {
            let Ok(row) = usize::try_from(at.row) else { continue };
            let Some(TextRow { range, column, .. }) = layout.rows.get(row) else { continue };
            for link in layout.markup.links() {
                let (start, end) = (link.start.max(range.start), link.end.min(range.end));
                let url = &layout.text[link.clone()];
                if start >= end || !is_web_link(url) {
                    continue;
                }
                let x = usize::from(*column) + graphemes::width(&layout.text[range.start..start]);
                let width = graphemes::width(&layout.text[start..end]);
                let [x, width] = [x, width].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
                let row = Rect { x: area.x.saturating_add(x), y, width, height: 1 };
                parts.push(ScreenLink { area: row.intersection(area), url: url.to_owned() });
            }
        }
        parts
    }

    fn serials_from_end(&self) -> impl Iterator<Item = Serial> + use<> {
        (self.entries.first..self.entries.end()).rev()
    }

    /// The sender and the text of a message; `None` for notices and hidden messages.
    fn said(&self, serial: Serial) -> Option<(&str, &str)> {
        match &self.entries.at(serial)?.body {
            EntryBody::Message { sender, text, .. } => Some((sender.as_str(), text)),
            EntryBody::Notice(..) | EntryBody::Hidden { .. } => None,
        }
    }
}

/// Returns true for links that a browser may be asked to open.
fn is_web_link(link: &str) -> bool {
    let scheme = |scheme: &str| {
        link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    scheme("http://") || scheme("https://")
}
