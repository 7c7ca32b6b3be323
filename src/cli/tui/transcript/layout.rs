//! Laying out entries for a width.
//!
//! ```text
//! 09:15 sova  the first row of a text
//!             and the following rows, indented
//! 09:15 * a notice of the program
//! ```
//!
//! On a narrow screen the name is in the first row of the text. A following row never begins in the
//! column of the time or the name, so that no text can pass for another message.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{EntryBody, Mark, Serial, TranscriptEntry};
use crate::{
    cli::{graphemes, links::links, wrap::wrap},
    text,
};

/// The most cells of the name column.
pub(super) const MAX_NAME: usize = 16;

/// The fewest cells of the name column.
const MIN_NAME: usize = 4;

/// The cells of `HH:MM` and a blank.
const TIME: usize = 6;

/// The cells between name and text.
const GAP: usize = 2;

/// The least width at which names have a column.
const ALIGNED_FROM: usize = 50;

/// The least width at which the time is shown.
const TIMED_FROM: usize = 16;

/// The fewest cells for a text beside a name.
const MIN_TEXT: usize = 8;

/// The most cached layouts: more than a view shows.
const MAX_CACHED: usize = 512;

/// The most bytes of cached layouts. A text written for the purpose takes 1 MiB (one row per cell, each
/// character shown as `<U+0080>`); a view can have two of them at its edges.
const MAX_CACHED_BYTES: usize = 8 * 1024 * 1024;

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
        let name = if width < ALIGNED_FROM { 0 } else { widest.clamp(MIN_NAME, MAX_NAME) };
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

#[derive(Debug)]
pub(super) struct EntryLayout {
    /// The name of the sender or the sign of a notice, as drawn.
    pub(super) name: String,
    /// The text as drawn, escaped.
    pub(super) text: String,
    pub(super) links: Vec<Range<usize>>,
    pub(super) rows: Vec<Range<usize>>,
    /// The column where the text begins, and the further indent of its first row.
    pub(super) left: usize,
    pub(super) head: usize,
    /// The mark, in rows of its own or in the last row from column `mark_at` on.
    pub(super) mark: String,
    pub(super) mark_rows: Vec<Range<usize>>,
    pub(super) mark_at: Option<usize>,
}

impl EntryLayout {
    fn new(entry: &TranscriptEntry, columns: &Columns) -> Self {
        let hidden = match &entry.body {
            EntryBody::Hidden { sender, .. } => format!("{sender} is blocked: hidden"),
            _ => String::new(),
        };
        let (raw, name, left, head, mark) = match &entry.body {
            EntryBody::Notice(..) | EntryBody::Hidden { .. } => {
                let text = match &entry.body {
                    EntryBody::Notice(_, text) => text,
                    _ => &hidden,
                };
                let sign = if columns.width < MIN_TEXT { "" } else { "*" };
                (text, sign.to_owned(), columns.time + 2 * sign.len(), 0, None)
            }
            EntryBody::Message { sender, text, mark, .. } => {
                let left = columns.text();
                let (name, head) = inline_name(sender.as_str(), columns, left);
                (text, name, left, head, mark.as_ref())
            }
        };
        let lines = text::lines(raw.trim_end_matches('\n'));
        let text = graphemes::visible(&lines).into_owned();
        let links = links(&text);
        let width = columns.width - left;
        let rows = wrap(&text, &links, width - head, width);
        let mark = mark.map(shown_mark).unwrap_or_default();
        let mut layout =
            Self { name, text, links, rows, left, head, mark, mark_rows: vec![], mark_at: None };
        layout.place_mark(width);
        layout
    }

    /// Puts the mark behind the text if it fits there, else below it.
    fn place_mark(&mut self, width: usize) {
        if self.mark.is_empty() {
            return;
        }
        let row = self.rows.last().map_or("", |row| &self.text[row.clone()]);
        let head = if self.rows.len() == 1 { self.head } else { 0 };
        let at = head + graphemes::width(row.trim_end()) + 1;
        if at + graphemes::width(&self.mark) <= width {
            self.mark_at = Some(self.left + at);
        } else {
            self.mark_rows = wrap(&self.mark, &[], width, width);
        }
    }

    pub(super) fn height(&self) -> usize {
        self.rows.len() + self.mark_rows.len()
    }

    /// The approximate size in bytes.
    fn weight(&self) -> usize {
        self.height() * size_of::<Range<usize>>() + self.text.len() + self.mark.len()
    }

    /// The byte offset where a row begins.
    pub(super) fn start(&self, row: usize) -> usize {
        self.rows.get(row).map_or(self.text.len(), |row| row.start)
    }

    pub(super) fn row_at(&self, offset: usize) -> usize {
        self.rows.partition_point(|row| row.start <= offset).saturating_sub(1)
    }
}

/// The name as drawn, and the cells that it takes from the first row of the text.
fn inline_name(sender: &str, columns: &Columns, left: usize) -> (String, usize) {
    if columns.name > 0 {
        return (graphemes::fit(sender, columns.name), 0);
    }
    if columns.width < left + MIN_TEXT {
        return (String::new(), 0);
    }
    let name = graphemes::fit(sender, MAX_NAME.min((columns.width - left) / 2)) + ":";
    let taken = graphemes::width(&name) + 1;
    // Without a time, names begin where the row does.
    let before = if columns.time == 0 { left } else { 0 };
    (name, taken - before)
}

fn shown_mark(mark: &Mark) -> String {
    let with = |sign: &str, text: &str| {
        let line = text::one_line(text);
        graphemes::visible(format!("{sign} {line}").trim_end()).into_owned()
    };
    match mark {
        Mark::Sending => "…".into(),
        Mark::Sent => "✓".into(),
        Mark::Failed(reason) => with("✗", reason),
        Mark::Queued => "⧗ queued".into(),
        Mark::Delivered(path) => with("✓", path),
        Mark::Read(path) => with("✓✓", path),
        Mark::Known => "(known)".into(),
        Mark::Verified => "(verified)".into(),
        Mark::Unverified => "(unverified)".into(),
        Mark::Late(from, None) => format!("(from {from})"),
        Mark::Late(from, Some(mark)) => format!("{} (from {from})", shown_mark(mark)),
    }
}

/// Recently computed layouts.
#[derive(Debug, Default)]
pub(super) struct LayoutCache {
    pub(super) columns: Columns,
    cached: HashMap<Serial, Arc<EntryLayout>>,
    bytes: usize,
}

impl LayoutCache {
    /// Changes the columns and clears the cache. Returns false if they are the same.
    pub(super) fn reset(&mut self, columns: Columns) -> bool {
        let changed = self.columns != columns;
        if changed {
            self.columns = columns;
            self.clear();
        }
        changed
    }

    /// The layout of an entry, computed if it is not cached.
    pub(super) fn get(&mut self, serial: Serial, entry: &TranscriptEntry) -> Arc<EntryLayout> {
        if let Some(layout) = self.cached.get(&serial) {
            return Arc::clone(layout);
        }
        let layout = Arc::new(EntryLayout::new(entry, &self.columns));
        if self.cached.len() >= MAX_CACHED || self.bytes + layout.weight() > MAX_CACHED_BYTES {
            self.clear();
        }
        self.bytes += layout.weight();
        self.cached.insert(serial, Arc::clone(&layout));
        layout
    }

    /// Removes the layout of an entry that has changed.
    pub(super) fn forget(&mut self, serial: Serial) {
        if let Some(layout) = self.cached.remove(&serial) {
            self.bytes -= layout.weight();
        }
    }

    pub(super) fn clear(&mut self) {
        self.cached.clear();
        self.bytes = 0;
    }
}
