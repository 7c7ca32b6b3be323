//! Laying out entries for a width.
//!
//! ```text
//! 09:15 sova  the first row of a text
//!             and the following rows, indented
//! 09:16       another message of the same person ✓
//! 09:15 * a notice of the program
//! ```
//!
//! On a narrow screen the name is in the first row of the text. A following row never begins in the
//! column of the time or the name, so that no text can pass for another message. Only a link that does
//! not fit beside them may.

use std::ops::Range;

use super::{
    EntryBody, Mark, NoticeKind, TranscriptEntry,
    markup::{LineKind, Markup},
};
use crate::{
    cli::{
        graphemes,
        wrap::{RowWidths, wrap, wrap_code, wrap_line},
    },
    text,
};

/// The most cells of the name column. It takes three tenths of the row at most.
pub(super) const MAX_NAME: usize = 24;

/// The fewest cells of the name column.
const MIN_NAME: usize = 4;

/// The cells of `HH:MM` and a blank.
const TIME: usize = 6;

/// The cells between name and text.
const GAP: usize = 2;

/// The least width at which names have a column.
const ALIGNED_FROM: usize = 44;

/// The least width at which the time is shown.
const TIMED_FROM: usize = 16;

/// The fewest cells for a text beside a name.
const MIN_TEXT: usize = 8;

/// The fewest cells for the end of a text, so that the mark is not alone in its row.
const MIN_LAST: usize = 2;

/// A message of more rows is folded to the first few.
const MAX_ROWS: usize = 20;
const FOLDED_ROWS: usize = 8;

/// The cells that replace a tab at the beginning of a line.
const TAB: &str = "    ";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Columns {
    /// The width of the row in cells.
    pub(super) width: usize,
    /// The cells of the time, or 0 if it is not shown.
    pub(super) time: usize,
    /// The cells of the name, or 0 if it is in the first row of the text.
    pub(super) name: usize,
}

impl Columns {
    /// The columns for a width and the width of the widest name.
    pub(super) fn of(width: usize, widest: usize) -> Self {
        let most = MAX_NAME.min(width * 3 / 10);
        let name = if width < ALIGNED_FROM { 0 } else { widest.max(MIN_NAME).min(most) };
        Self { width, time: if width < TIMED_FROM { 0 } else { TIME }, name }
    }

    /// The column where the text of a message begins.
    fn text(&self) -> usize {
        match self.name {
            0 if self.width < MIN_TEXT => 0,
            0 => self.time.max(1),
            name => self.time + name + GAP,
        }
    }
}

/// A row of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextRow {
    pub(super) range: Range<usize>,
    /// The column where it begins.
    pub(super) column: u16,
    pub(super) is_code: bool,
}

/// A part of a mark in a row of the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MarkPart {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct EntryLayout {
    /// The name of the sender or the sign of a notice, as drawn.
    pub(super) name: String,
    /// The text as drawn, escaped.
    pub(super) text: String,
    pub(super) markup: Markup,
    pub(super) rows: Vec<TextRow>,
    /// The column where the text begins.
    pub(super) left: usize,
    /// In the row after the text of a folded message: how to see the rest.
    pub(super) fold: Option<String>,
    is_unfolded: bool,
    /// The mark, behind the text and in further rows.
    pub(super) mark: Vec<MarkPart>,
}

impl EntryLayout {
    pub(super) fn new(entry: &TranscriptEntry, columns: &Columns, is_unfolded: bool) -> Self {
        let hidden = match &entry.body {
            EntryBody::Hidden { sender, .. } => format!("{sender} is blocked: hidden"),
            _ => String::new(),
        };
        let notice = |sign: &'static str| {
            let sign = if columns.width < MIN_TEXT { "" } else { sign };
            (sign.to_owned(), columns.time + 2 * sign.len(), 0, None)
        };
        let (raw, (name, left, head, mark)) = match &entry.body {
            EntryBody::Notice(NoticeKind::Error, text) => (text, notice("!")),
            EntryBody::Notice(_, text) => (text, notice("*")),
            EntryBody::Hidden { .. } => (&hidden, notice("*")),
            EntryBody::Message { sender, text, mark, .. } => {
                let left = columns.text();
                let (name, head) = inline_name(sender.as_str(), columns, left);
                (text, (name, left, head, mark.as_ref()))
            }
        };
        let is_message = matches!(entry.body, EntryBody::Message { .. });
        let text = shown_text(raw);
        let markup = if is_message { Markup::of(&text) } else { Markup::plain(&text) };
        let mut layout = Self {
            name,
            text,
            markup,
            rows: Vec::new(),
            left,
            fold: None,
            is_unfolded,
            mark: Vec::new(),
        };
        let (sign, detail) = mark.map(shown_mark).unwrap_or_default();
        let sign_width = graphemes::width(&sign);
        layout.add_rows(columns, head, sign_width);
        if is_message && !is_unfolded && layout.rows.len() > MAX_ROWS {
            let hidden = layout.rows.len() - FOLDED_ROWS;
            layout.rows.truncate(FOLDED_ROWS);
            // The sign of the mark is in the same row.
            let room = columns.width.saturating_sub(left);
            let room = if sign.is_empty() { room } else { room.saturating_sub(1 + sign_width) };
            let about = format!("⋯ {hidden} more rows");
            let with_key = format!("{about} · Enter shows them");
            let fits = graphemes::width(&with_key) <= room;
            layout.fold = Some(graphemes::fit(if fits { &with_key } else { &about }, room));
        }
        // The title shows the path of the conversation, too.
        let may_leave_out = matches!(mark, Some(Mark::Delivered(_) | Mark::Read(_)));
        layout.add_mark(columns.width, sign, &detail, may_leave_out);
        layout
    }

    /// Breaks the text into rows. The last one leaves room for the sign of the mark, unless its row has
    /// only a link.
    fn add_rows(&mut self, columns: &Columns, head: usize, sign: usize) {
        let links = self.markup.links();
        let mut start = 0;
        let count = self.markup.lines.len();
        for (number, (line, kind)) in self.text.split('\n').zip(&self.markup.lines).enumerate() {
            let head = if number == 0 { head } else { 0 };
            let line = LineToWrap { line, start, kind: *kind, left: self.left, head };
            let before = self.rows.len();
            self.rows.extend(line.rows(columns, columns.width, &links));
            let is_short = |row: &TextRow| {
                let used = graphemes::width(self.text[row.range.clone()].trim_end());
                usize::from(row.column) + used + 1 + sign > columns.width
            };
            let narrow = columns.width.saturating_sub(1 + sign);
            if number + 1 == count
                && sign > 0
                && narrow >= self.left + MIN_LAST
                && self.rows.last().is_some_and(is_short)
            {
                self.rows.truncate(before);
                self.rows.extend(line.rows(columns, narrow, &links));
            }
            start += line.line.len() + 1;
        }
    }

    /// Puts the sign of the mark behind the text, and the detail behind the sign and below, unless it
    /// may be left out and does not fit.
    fn add_mark(&mut self, width: usize, sign: String, detail: &str, may_leave_out: bool) {
        if sign.is_empty() {
            return;
        }
        let last = self.rows.last();
        let used = match (&self.fold, last) {
            (Some(fold), _) => self.left + graphemes::width(fold),
            (None, Some(row)) => {
                let text = self.text[row.range.clone()].trim_end();
                usize::from(row.column) + graphemes::width(text)
            }
            (None, None) => self.left,
        };
        let row = self.text_rows().saturating_sub(1);
        let taken = graphemes::width(&sign);
        let (row, column) = match used + 1 + taken <= width {
            true => (row, used + 1),
            false => (row + 1, self.left),
        };
        self.mark.push(MarkPart { row, column, text: sign });
        let below = width.saturating_sub(self.left).max(1);
        let beside = width.saturating_sub(column + taken + 1);
        if detail.is_empty() || (may_leave_out && graphemes::width(detail) > beside) {
            return;
        }
        for (number, range) in wrap(detail, &[], beside.min(below), below).into_iter().enumerate() {
            let column = if number == 0 { column + taken + 1 } else { self.left };
            let text = detail[range].to_owned();
            if !text.is_empty() {
                self.mark.push(MarkPart { row: row + number, column, text });
            }
        }
    }

    /// The number of rows of the text, with that about the fold.
    fn text_rows(&self) -> usize {
        self.rows.len() + usize::from(self.fold.is_some())
    }

    pub(super) fn height(&self) -> usize {
        let marked = self.mark.last().map_or(0, |part| part.row + 1);
        self.text_rows().max(marked)
    }

    pub(super) fn is_foldable(&self) -> bool {
        self.fold.is_some() || (self.is_unfolded && self.rows.len() > MAX_ROWS)
    }

    /// The approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        let spans = self.markup.spans.len() + self.mark.len();
        self.rows.len() * size_of::<TextRow>()
            + spans * size_of::<MarkPart>()
            + self.markup.lines.len() * size_of::<LineKind>()
            + self.text.len()
    }

    /// The byte offset where a row begins.
    pub(super) fn start(&self, row: usize) -> usize {
        self.rows.get(row).map_or(self.text.len(), |row| row.range.start)
    }

    pub(super) fn row_at(&self, offset: usize) -> usize {
        self.rows.partition_point(|row| row.range.start <= offset).saturating_sub(1)
    }
}

/// A line of a text, and where it is.
struct LineToWrap<'a> {
    line: &'a str,
    start: usize,
    kind: LineKind,
    /// The column where its rows begin, and the further indent of the first.
    left: usize,
    head: usize,
}

impl LineToWrap<'_> {
    /// The rows, which end before column `end`.
    fn rows(&self, columns: &Columns, end: usize, links: &[Range<usize>]) -> Vec<TextRow> {
        let Self { line, start, kind, left, head } = *self;
        let width = end - left;
        let is_code = kind == LineKind::Code;
        let hanging = match kind {
            LineKind::Text { hanging } => hanging,
            LineKind::Code => line.len() - line.trim_start_matches(' ').len(),
        };
        let hanging = if hanging <= width / 2 { hanging } else { 0 };
        let (first, rest) = (width.saturating_sub(head), width - hanging);
        let mut ranges = Vec::new();
        match is_code {
            true => wrap_code(line, start, (first, rest), &mut ranges),
            false => {
                let widths = RowWidths { first, rest, link: columns.width };
                wrap_line(line, start, links, widths, &mut ranges);
            }
        }
        // Only a link makes a row wider. Measuring text takes long.
        let link = links.get(links.partition_point(|link| link.end <= start));
        let may_be_wide = link.is_some_and(|link| link.start < start + line.len());
        // The first row has the name: a link over the columns before it begins below.
        let is_wide = |range: &Range<usize>| {
            may_be_wide && graphemes::width(line[..range.end - start].trim_end()) > first
        };
        if start == 0 && !is_code && ranges.first().is_some_and(is_wide) {
            ranges.insert(0, start..start);
        }
        let rows = ranges.into_iter().enumerate().map(|(number, range)| {
            let wanted = left + if number == 0 { head } else { hanging };
            let row = &line[range.start - start..range.end - start];
            let used = if may_be_wide { graphemes::width(row.trim_end()) } else { 0 };
            // A link that does not fit there begins further left.
            let places = [wanted, left, columns.time];
            let column = places.into_iter().find(|column| column + used <= columns.width);
            let column = u16::try_from(column.unwrap_or(0)).unwrap_or(u16::MAX);
            TextRow { range, column, is_code }
        });
        rows.collect()
    }
}

/// A text as it is drawn: escaped, and with blanks for the tabs that lines begin with.
fn shown_text(raw: &str) -> String {
    let raw = raw.trim_end_matches('\n');
    let mut shown = String::new();
    if raw.contains('\t') {
        for (number, line) in raw.split('\n').enumerate() {
            let rest = line.trim_start_matches(['\t', ' ']);
            let indent = line[..line.len() - rest.len()].replace('\t', TAB);
            shown.push_str(if number > 0 { "\n" } else { "" });
            shown.push_str(&indent);
            shown.push_str(rest);
        }
    }
    let raw = if shown.is_empty() { raw } else { &shown };
    graphemes::visible(&text::lines(raw)).into_owned()
}

/// The name as drawn, and the cells that it takes from the first row of the text.
fn inline_name(sender: &str, columns: &Columns, left: usize) -> (String, usize) {
    if columns.name > 0 {
        return (graphemes::fit_middle(sender, columns.name), 0);
    }
    if columns.width < left + MIN_TEXT {
        return (String::new(), 0);
    }
    let name = graphemes::fit_middle(sender, MAX_NAME.min((columns.width - left) / 2)) + ":";
    let taken = graphemes::width(&name) + 1;
    // Without a time, names begin where the row does.
    let before = if columns.time == 0 { left } else { 0 };
    (name, taken - before)
}

/// The sign of a mark, which stays beside the text, and the detail.
fn shown_mark(mark: &Mark) -> (String, String) {
    let with = |sign: &str, detail: &str| {
        (sign.to_owned(), graphemes::visible(&text::one_line(detail)).trim_end().to_owned())
    };
    match mark {
        Mark::Sending => with("…", ""),
        Mark::Sent => with("✓", ""),
        Mark::Failed(reason) => with("✗", reason),
        Mark::Queued => with("⧗", "queued"),
        Mark::Delivered(path) => with("✓", path),
        Mark::Read(path) => with("✓✓", path),
        Mark::Known => with("(known)", ""),
        Mark::Verified => with("(verified)", ""),
        Mark::Unverified => with("(unverified)", ""),
        Mark::Late(from, None) => (format!("(from {from})"), String::new()),
        Mark::Late(from, Some(mark)) => {
            let (sign, detail) = shown_mark(mark);
            (sign, format!("{detail} (from {from})").trim_start().to_owned())
        }
    }
}
