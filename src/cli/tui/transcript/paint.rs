//! Drawing what is in the view.

use jiff::civil::Date;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    Body, Entry, Look, Mark, Serial, Transcript,
    layout::Laid,
    place::{Spot, rows},
};
use crate::cli::tui::{
    glyphs::{self, glyphs},
    theme::{Theme, fit},
};

impl Transcript {
    /// Draws the rows from the first one of the view on. Few rows stand at the bottom.
    pub(super) fn paint(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let Some(mut spot) = self.top else { return };
        let (_, more) = self.moved(spot, rows(self.rows) - 1);
        let shown = u16::try_from(more + 1).unwrap_or(area.height).min(area.height);
        for y in area.bottom() - shown..area.bottom() {
            let row = Rect { y, height: 1, ..area };
            self.paint_row(spot, &mut Pen { row, buffer }, look);
            spot = self.moved(spot, 1).0;
        }
    }

    fn paint_row(&mut self, spot: Spot, pen: &mut Pen<'_>, look: &Look<'_>) {
        let Ok(row) = usize::try_from(spot.row) else {
            return self.paint_line_above(spot, pen, look);
        };
        let Some(laid) = self.laid(spot.serial) else { return };
        let Some(entry) = self.entries.at(spot.serial) else { return };
        if row == 0 && self.layouts.columns.time > 0 {
            let time = self.zone.to_datetime(entry.at).strftime("%H:%M").to_string();
            pen.write(0, &time, look.theme.dim);
        }
        if row == 0 {
            let style = name_style(entry, look.theme);
            pen.write(self.layouts.columns.time, &laid.name, style);
        }
        paint_text(row, &laid, entry, pen, look.theme);
        if self.lit == Some(entry.key) {
            pen.buffer.set_style(pen.row, look.theme.selected);
        }
    }

    /// The lines that stand above an entry: the day, and below that, what is new.
    fn paint_line_above(&self, spot: Spot, pen: &mut Pen<'_>, look: &Look<'_>) {
        if spot.row == -1 && self.is_new(spot.serial) {
            pen.rule("new messages", look.theme.new_line);
        } else if let Some(day) = self.new_day(spot.serial) {
            pen.rule(&day_name(day, look.today), look.theme.day);
        }
    }

    pub(super) fn laid(&mut self, serial: Serial) -> Option<std::sync::Arc<Laid>> {
        Some(self.layouts.of(serial, self.entries.at(serial)?))
    }
}

fn paint_text(row: usize, laid: &Laid, entry: &Entry, pen: &mut Pen<'_>, theme: &Theme) {
    let (style, mark) = match &entry.body {
        Body::Notice(_) => (theme.notice, None),
        Body::Hidden { .. } => (theme.dim, None),
        Body::Said { mention: true, mark, .. } => (theme.mention, mark.as_ref()),
        Body::Said { mark, .. } => (theme.text, mark.as_ref()),
    };
    let tail = mark.map_or(theme.dim, |mark| mark_style(mark, theme));
    if let Some(range) = laid.rows.get(row) {
        let x = laid.left + if row == 0 { laid.head } else { 0 };
        pen.write_with(x, &laid.text[range.clone()], |at| {
            let at = range.start + at;
            let next = laid.links.partition_point(|link| link.end <= at);
            let linked = laid.links.get(next).is_some_and(|link| link.start <= at);
            if linked { style.patch(theme.link) } else { style }
        });
    } else if let Some(range) = laid.tail_rows.get(row - laid.rows.len()) {
        pen.write(laid.left, &laid.tail[range.clone()], tail);
    }
    if let Some(at) = laid.tail_at.filter(|_| row + 1 == laid.rows.len()) {
        pen.write(at, &laid.tail, tail);
    }
}

fn name_style(entry: &Entry, theme: &Theme) -> Style {
    match &entry.body {
        Body::Notice(_) => theme.notice,
        Body::Hidden { .. } => theme.dim,
        Body::Said { own: true, .. } => theme.own,
        Body::Said { who, .. } => theme.of_name(who),
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

/// `today`, `yesterday`, or the date.
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

    /// Writes from column `x` on, up to the edge, each glyph in the style of its place in the text.
    fn write_with(&mut self, mut x: usize, text: &str, style: impl Fn(usize) -> Style) {
        let width = usize::from(self.row.width);
        for glyph in glyphs(text) {
            let room = width.saturating_sub(x);
            // What is wider than the whole row is not drawn, but not kept back either.
            let symbol = if glyph.width <= room { glyph.text } else { "…" };
            let taken = glyph.width.min(room);
            if room == 0 || (symbol != glyph.text && glyph.is_blank()) {
                return;
            }
            let column = self.row.x.saturating_add(u16::try_from(x).unwrap_or(u16::MAX));
            if let Some(cell) = self.buffer.cell_mut((column, self.row.y)) {
                cell.set_symbol(symbol).set_style(style(glyph.at));
            }
            x += taken;
        }
    }

    /// A line from edge to edge with a word in it.
    fn rule(&mut self, word: &str, style: Style) {
        let width = usize::from(self.row.width);
        let word = fit(word, width.saturating_sub(4));
        let taken = glyphs::width(&word) + 2;
        let before = width.saturating_sub(taken) / 2;
        let after = width.saturating_sub(taken + before);
        let line = format!("{} {word} {}", "─".repeat(before), "─".repeat(after));
        self.write(0, &line, style);
    }
}
