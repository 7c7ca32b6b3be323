//! Entries laid out for a width: what stands in which row.
//!
//! ```text
//! 09:15  sova    the first row of a text
//!                and all that follow stand under it
//! 09:15 * a word of the program
//! ```
//!
//! Where there is little room, the name stands in the text's first row. In no case does a further
//! row begin where a time or a name does, so that no text passes for another message.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{Body, Entry, Mark, Serial, links::links, wrap::wrap};
use crate::{
    cli::tui::{glyphs, theme},
    text,
};

/// The most cells of the column of names.
pub(super) const MAX_NAME: usize = 16;

/// The fewest cells of it.
const MIN_NAME: usize = 4;

/// The cells of `HH:MM` and a blank.
const TIME: usize = 6;

/// The cells between name and text.
const GAP: usize = 2;

/// From this width on names have a column.
const ALIGNED_FROM: usize = 50;

/// From this width on the time is shown.
const TIMED_FROM: usize = 16;

/// The fewest cells that a text is drawn in together with a name.
const MIN_TEXT: usize = 8;

/// The most entries that are kept laid out: more than a view shows.
const MAX_KEPT: usize = 512;

/// The most bytes of them. A text made for it takes 1 MiB (a row for each cell, as many cells as
/// its characters have when they are shown as `<U+0080>`); of such, a view has two at its edges.
const MAX_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Where things stand in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Columns {
    /// All cells.
    pub(super) width: usize,
    /// Those of the time; 0: it is not shown.
    pub(super) time: usize,
    /// Those of the name; 0: it stands in the text's first row.
    pub(super) name: usize,
}

impl Columns {
    /// For a width, where names have up to so many cells.
    pub(super) fn of(width: usize, widest: usize) -> Self {
        let name = if width < ALIGNED_FROM { 0 } else { widest.clamp(MIN_NAME, MAX_NAME) };
        Self { width, time: if width < TIMED_FROM { 0 } else { TIME }, name }
    }

    /// Where the text of a message begins.
    fn text(&self) -> usize {
        match self.name {
            0 if self.width < MIN_TEXT => 0,
            0 => self.time.max(1),
            name => self.time + name + GAP,
        }
    }
}

/// An entry laid out.
#[derive(Debug)]
pub(super) struct Laid {
    /// Who said it, or the sign of a notice, as it is drawn.
    pub(super) name: String,
    /// Harmless, and of the same characters as what is drawn.
    pub(super) text: String,
    pub(super) links: Vec<Range<usize>>,
    pub(super) rows: Vec<Range<usize>>,
    /// Where the text begins in all rows, and how much further to the right it does in the first.
    pub(super) left: usize,
    pub(super) head: usize,
    /// What became of it, in rows of its own or beside the last row, from this column on.
    pub(super) tail: String,
    pub(super) tail_rows: Vec<Range<usize>>,
    pub(super) tail_at: Option<usize>,
}

impl Laid {
    fn new(entry: &Entry, columns: &Columns) -> Self {
        let hidden = match &entry.body {
            Body::Hidden { who, .. } => format!("{who} is blocked: hidden"),
            _ => String::new(),
        };
        let (raw, name, left, head, mark) = match &entry.body {
            Body::Notice(_) | Body::Hidden { .. } => {
                let text = match &entry.body {
                    Body::Notice(text) => text,
                    _ => &hidden,
                };
                let sign = if columns.width < MIN_TEXT { "" } else { "*" };
                (text, sign.to_owned(), columns.time + 2 * sign.len(), 0, None)
            }
            Body::Said { who, text, mark, .. } => {
                let left = columns.text();
                let (name, head) = inline_name(who.as_str(), columns, left);
                (text, name, left, head, mark.as_ref())
            }
        };
        let lines = text::lines(raw.trim_end_matches('\n'));
        let text = glyphs::settled(&lines).into_owned();
        let links = links(&text);
        let width = columns.width - left;
        let rows = wrap(&text, &links, width - head, width);
        let tail = mark.map(said_of).unwrap_or_default();
        let mut laid =
            Self { name, text, links, rows, left, head, tail, tail_rows: vec![], tail_at: None };
        laid.place_tail(width);
        laid
    }

    /// Puts the mark behind the text where it fits there, else below it.
    fn place_tail(&mut self, width: usize) {
        if self.tail.is_empty() {
            return;
        }
        let row = self.rows.last().map_or("", |row| &self.text[row.clone()]);
        let head = if self.rows.len() == 1 { self.head } else { 0 };
        let at = head + glyphs::width(row.trim_end()) + 1;
        if at + glyphs::width(&self.tail) <= width {
            self.tail_at = Some(self.left + at);
        } else {
            self.tail_rows = wrap(&self.tail, &[], width, width);
        }
    }

    pub(super) fn height(&self) -> usize {
        self.rows.len() + self.tail_rows.len()
    }

    /// The bytes that it holds, about.
    fn weight(&self) -> usize {
        self.height() * size_of::<Range<usize>>() + self.text.len() + self.tail.len()
    }

    /// Where a row begins in the text.
    pub(super) fn start(&self, row: usize) -> usize {
        self.rows.get(row).map_or(self.text.len(), |row| row.start)
    }

    /// The row that this place of the text is in.
    pub(super) fn row_at(&self, offset: usize) -> usize {
        self.rows.partition_point(|row| row.start <= offset).saturating_sub(1)
    }
}

/// The name as it is drawn, and the cells that it takes from the text's first row.
fn inline_name(who: &str, columns: &Columns, left: usize) -> (String, usize) {
    if columns.name > 0 {
        return (theme::fit(who, columns.name), 0);
    }
    if columns.width < left + MIN_TEXT {
        return (String::new(), 0);
    }
    let name = theme::fit(who, MAX_NAME.min((columns.width - left) / 2)) + ":";
    let taken = glyphs::width(&name) + 1;
    // Without a time, names begin where the row does.
    let before = if columns.time == 0 { left } else { 0 };
    (name, taken - before)
}

/// What is drawn of a mark.
fn said_of(mark: &Mark) -> String {
    let with = |sign: &str, text: &str| {
        let line = text::one_line(text);
        glyphs::settled(format!("{sign} {line}").trim_end()).into_owned()
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
        Mark::Late(from, Some(mark)) => format!("{} (from {from})", said_of(mark)),
    }
}

/// What was laid out lately.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    pub(super) columns: Columns,
    kept: HashMap<Serial, Arc<Laid>>,
    bytes: usize,
}

impl Layouts {
    /// Lays out for these columns from now on. Tells whether they are others than before.
    pub(super) fn reset(&mut self, columns: Columns) -> bool {
        let changed = self.columns != columns;
        if changed {
            self.columns = columns;
            self.clear();
        }
        changed
    }

    /// The entry of this number, laid out.
    pub(super) fn of(&mut self, serial: Serial, entry: &Entry) -> Arc<Laid> {
        if let Some(laid) = self.kept.get(&serial) {
            return Arc::clone(laid);
        }
        let laid = Arc::new(Laid::new(entry, &self.columns));
        if self.kept.len() >= MAX_KEPT || self.bytes + laid.weight() > MAX_KEPT_BYTES {
            self.clear();
        }
        self.bytes += laid.weight();
        self.kept.insert(serial, Arc::clone(&laid));
        laid
    }

    /// The entry of this number has changed.
    pub(super) fn forget(&mut self, serial: Serial) {
        if let Some(laid) = self.kept.remove(&serial) {
            self.bytes -= laid.weight();
        }
    }

    /// Numbers have changed.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}
