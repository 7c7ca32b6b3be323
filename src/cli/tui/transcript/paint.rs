//! Drawing the rows in view.

use jiff::civil::Date;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    Transcript,
    entries::Serial,
    entry::{EntryBody, Mark, NoticeKind, TranscriptEntry},
    layout::EntryLayout,
    scroll::RowRef,
};
use crate::cli::{
    graphemes::{self, fit, graphemes},
    theme::Theme,
    tui::areas::tint,
};

/// The bar before a text that mentions the user.
const MENTION_BAR: &str = "▌";

impl Transcript {
    /// Draws the rows that [`Transcript::arrange`] has laid out. If they are fewer than the area has,
    /// they are at its bottom. The cells must be blank, as they are in a new frame.
    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme, today: Date) {
        let area = area.intersection(*buffer.area());
        let shown = u16::try_from(self.view.len()).unwrap_or(u16::MAX).min(area.height);
        for (y, (at, layout)) in (area.bottom() - shown..area.bottom()).zip(&self.view) {
            let pen = &mut Pen { row: Rect { y, height: 1, ..area }, buffer };
            match usize::try_from(at.row) {
                Ok(row) => self.draw_row(row, at.serial, layout, pen, theme),
                Err(_) => self.draw_line_above(*at, pen, theme, today),
            }
        }
    }

    fn draw_row(
        &self,
        row: usize,
        serial: Serial,
        layout: &EntryLayout,
        pen: &mut Pen<'_>,
        theme: &Theme,
    ) {
        let Some(entry) = self.entries.at(serial) else { return };
        if row == 0 {
            if self.layouts.columns.time > 0 {
                let time = self.zone.to_datetime(entry.at).strftime("%H:%M").to_string();
                pen.write(0, &time, theme.dim);
            }
            pen.write(self.layouts.columns.time, &layout.name, name_style(entry, theme));
        }
        draw_text(row, layout, entry, pen, theme);
        if matches!(entry.body, EntryBody::Message { mention: true, .. }) {
            pen.tint(theme.mention);
            if let Some(x) = layout.left.checked_sub(1) {
                pen.write(x, MENTION_BAR, theme.mention_bar);
            }
        }
        if self.highlighted == Some(entry.key) {
            pen.tint(theme.selected);
        }
    }

    /// Draws a line above an entry: the day or, below that, "new messages".
    fn draw_line_above(&self, at: RowRef, pen: &mut Pen<'_>, theme: &Theme, today: Date) {
        if at.row == -1 && self.is_new(at.serial) {
            pen.rule("new messages", theme.new_line);
        } else if let Some(day) = self.new_day(at.serial) {
            pen.rule(&day_name(day, today), theme.day);
        }
    }
}

fn draw_text(
    row: usize,
    layout: &EntryLayout,
    entry: &TranscriptEntry,
    pen: &mut Pen<'_>,
    theme: &Theme,
) {
    let (style, mark) = match &entry.body {
        EntryBody::Notice(kind, _) => (notice_style(*kind, theme), None),
        EntryBody::Hidden { .. } => (theme.dim, None),
        EntryBody::Message { mark, .. } => (theme.text, mark.as_ref()),
    };
    let mark_style = mark.map_or(theme.dim, |mark| mark_style(mark, theme));
    if let Some(range) = layout.rows.get(row) {
        let x = layout.left + if row == 0 { layout.head } else { 0 };
        pen.write_with(x, &layout.text[range.clone()], |at| {
            let at = range.start + at;
            let next = layout.links.partition_point(|link| link.end <= at);
            let is_link = layout.links.get(next).is_some_and(|link| link.start <= at);
            if is_link { style.patch(theme.link) } else { style }
        });
    } else if let Some(range) = layout.mark_rows.get(row - layout.rows.len()) {
        pen.write(layout.left, &layout.mark[range.clone()], mark_style);
    }
    if let Some(x) = layout.mark_at.filter(|_| row + 1 == layout.rows.len()) {
        pen.write(x, &layout.mark, mark_style);
    }
}

fn name_style(entry: &TranscriptEntry, theme: &Theme) -> Style {
    match &entry.body {
        EntryBody::Notice(kind, _) => notice_style(*kind, theme),
        EntryBody::Hidden { .. } => theme.dim,
        EntryBody::Message { sender, own, .. } => theme.of_name(sender, *own),
    }
}

fn notice_style(kind: NoticeKind, theme: &Theme) -> Style {
    match kind {
        NoticeKind::Info => theme.notice,
        NoticeKind::Presence => theme.presence,
        NoticeKind::Error => theme.bad,
    }
}

fn mark_style(mark: &Mark, theme: &Theme) -> Style {
    match mark {
        Mark::Failed(_) => theme.bad,
        Mark::Verified => theme.good,
        Mark::Unverified => theme.warn,
        Mark::Late(_, Some(mark)) => mark_style(mark, theme),
        _ => theme.dim,
    }
}

fn day_name(day: Date, today: Date) -> String {
    if day == today {
        "today".into()
    } else if day.tomorrow().is_ok_and(|next| next == today) {
        "yesterday".into()
    } else {
        day.strftime("%A, %-d %B %Y").to_string()
    }
}

/// Writes into one row.
struct Pen<'a> {
    row: Rect,
    buffer: &'a mut Buffer,
}

impl Pen<'_> {
    fn write(&mut self, x: usize, text: &str, style: Style) {
        self.write_with(x, text, |_| style);
    }

    /// Writes from column `x` up to the edge, with the style for each byte offset of the text.
    fn write_with(&mut self, mut x: usize, text: &str, style: impl Fn(usize) -> Style) {
        let width = usize::from(self.row.width);
        for grapheme in graphemes(text) {
            let room = width.saturating_sub(x);
            // A grapheme wider than the row is shown as an ellipsis.
            let symbol = if grapheme.width <= room { grapheme.text } else { "…" };
            let taken = grapheme.width.min(room);
            if room == 0 || (symbol != grapheme.text && grapheme.is_blank()) {
                return;
            }
            let column = self.row.x.saturating_add(u16::try_from(x).unwrap_or(u16::MAX));
            if let Some(cell) = self.buffer.cell_mut((column, self.row.y)) {
                cell.set_symbol(symbol).set_style(style(grapheme.at));
            }
            x += taken;
        }
    }

    /// Marks the row. Texts keep the colours they have.
    fn tint(&mut self, style: Style) {
        tint(self.buffer, self.row, style);
    }

    /// Draws a line from edge to edge with a word in it.
    fn rule(&mut self, word: &str, style: Style) {
        let width = usize::from(self.row.width);
        let word = fit(word, width.saturating_sub(4));
        let taken = graphemes::width(&word) + 2;
        let before = width.saturating_sub(taken) / 2;
        let after = width.saturating_sub(taken + before);
        let line = format!("{} {word} {}", "─".repeat(before), "─".repeat(after));
        self.write(0, &line, style);
    }
}
