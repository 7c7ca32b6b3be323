//! Drawing the rows in view.

use jiff::civil::Date;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    Transcript,
    entries::Serial,
    entry::{EntryBody, Mark, NoticeKind, TranscriptEntry},
    layout::{EntryLayout, TextRow},
    markup::SpanKind,
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
        let rows = (area.bottom() - shown..area.bottom()).zip(&self.view);
        let mut is_first = true;
        for (y, (at, layout)) in rows {
            let pen = &mut Pen { row: Rect { y, height: 1, ..area }, buffer };
            match usize::try_from(at.row) {
                Ok(row) => {
                    // The first message that begins in view says whose it is, and so does a found one.
                    let is_named = row == 0
                        && (is_first || !self.is_continued(at.serial) || self.is_found(at));
                    is_first &= row > 0;
                    self.draw_row((row, is_named), at.serial, layout, pen, theme);
                }
                Err(_) => self.draw_line_above(*at, pen, theme, today),
            }
        }
    }

    /// Returns true if a row is of the message that was jumped to.
    fn is_found(&self, at: &RowRef) -> bool {
        let entry = self.entries.at(at.serial).filter(|_| self.highlighted.is_some());
        entry.is_some_and(|entry| self.highlighted == Some(entry.key))
    }

    fn draw_row(
        &self,
        (row, is_named): (usize, bool),
        serial: Serial,
        layout: &EntryLayout,
        pen: &mut Pen<'_>,
        theme: &Theme,
    ) {
        let Some(entry) = self.entries.at(serial) else { return };
        draw_text(row, layout, entry, pen, theme);
        if row == 0 && self.layouts.columns.time > 0 {
            let time = self.zone.to_datetime(entry.at);
            pen.write(0, &format!("{:02}:{:02}", time.hour(), time.minute()), theme.dim);
        }
        if is_named {
            pen.write(self.layouts.columns.time, &layout.name, name_style(entry, theme));
        }
        if matches!(entry.body, EntryBody::Message { mention: true, .. }) {
            pen.tint(theme.mention);
            let is_beside = |row: &TextRow| usize::from(row.column) >= layout.left;
            if let Some(x) = layout.left.checked_sub(1)
                && layout.rows.get(row).is_none_or(is_beside)
            {
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
    if let Some(TextRow { range, column, is_code }) = layout.rows.get(row) {
        let column = usize::from(*column);
        let style = if *is_code { theme.code } else { style };
        pen.write_with(column, &layout.text[range.clone()], |at| {
            match layout.markup.at(range.start + at) {
                Some(SpanKind::Link) => style.patch(theme.link),
                Some(SpanKind::Code) => theme.code,
                Some(SpanKind::Strong) => style.patch(theme.strong),
                Some(SpanKind::Emphasis) => style.patch(theme.emphasis),
                None => style,
            }
        });
        if *is_code {
            pen.tint_from(layout.left, theme.code);
        }
    } else if let Some(fold) = layout.fold.as_ref().filter(|_| row == layout.rows.len()) {
        pen.write(layout.left, fold, theme.notice);
    }
    let mark_style = mark.map_or(theme.dim, |mark| mark_style(mark, theme));
    for part in layout.mark.iter().filter(|part| part.row == row) {
        pen.write(part.column, &part.text, mark_style);
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

    /// Marks the row from a column on.
    fn tint_from(&mut self, column: usize, style: Style) {
        let column = u16::try_from(column).unwrap_or(u16::MAX).min(self.row.width);
        let rest = Rect { x: self.row.x + column, width: self.row.width - column, ..self.row };
        tint(self.buffer, rest, style);
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
