//! The position of the view, and scrolling.
//!
//! Scrolling uses the size of the last layout; before the first one it does nothing.

use std::sync::Arc;

use super::{EntryBody, EntryKey, Serial, Transcript, layout::EntryLayout};

/// The rows that are shown above the line "new messages" after going to it.
const CONTEXT: isize = 2;

/// What the position of the view is tied to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    /// The last row is at the bottom, also when entries are added.
    End,
    /// This row is at the top. `offset` is where it began, to find it again when the width changes.
    Top { row: RowRef, offset: usize },
    /// This entry is in the middle. It was jumped to since the last layout.
    Around(EntryKey),
    /// The line above this entry is near the top, likewise.
    Line(EntryKey),
}

/// A row of an entry. Lines above the text, such as a new day, have negative numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowRef {
    pub(super) serial: Serial,
    pub(super) row: isize,
}

impl Anchor {
    /// Updates the anchor after an entry got another key.
    pub(super) fn rename(&mut self, old: EntryKey, new: EntryKey) {
        match self {
            Self::Around(key) | Self::Line(key) if *key == old => *key = new,
            _ => {}
        }
    }

    /// Updates the anchor after an entry was removed.
    pub(super) fn removed(&mut self, key: EntryKey, serial: Serial) {
        match self {
            Self::Top { row, .. } if row.serial > serial => row.serial -= 1,
            Self::Top { row, offset } if row.serial == serial => (row.row, *offset) = (0, 0),
            Self::Around(entry) | Self::Line(entry) if *entry == key => *self = Self::End,
            _ => {}
        }
    }
}

impl Transcript {
    /// Scrolls down, or up if `rows` is negative, as far as there are rows.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.highlighted = None;
        self.settle();
        if let Some(top) = self.top {
            let row = self.moved(top, rows).0;
            self.anchor_at(row);
            self.settle();
        }
    }

    /// Scrolls down or up by pages. One row of the previous page stays in view.
    pub(crate) fn page(&mut self, pages: isize) {
        self.scroll(pages.saturating_mul(rows(self.rows.saturating_sub(1).max(1))));
    }

    /// Scrolls to the end. The view stays there when entries are added.
    #[allow(clippy::wrong_self_convention, reason = "the view moves, nothing is converted")]
    pub(crate) fn to_end(&mut self) {
        self.highlighted = None;
        self.anchor = Anchor::End;
        self.settle();
    }

    /// Scrolls to the first entry.
    #[allow(clippy::wrong_self_convention, reason = "the view moves, nothing is converted")]
    pub(crate) fn to_start(&mut self) {
        self.highlighted = None;
        let serial = self.entries.first;
        self.anchor_at(RowRef { serial, row: -self.above(serial) });
        self.settle();
    }

    /// Shows an entry in the middle and highlights it until the view is scrolled or an entry is added.
    /// Returns false if there is no such entry.
    pub(crate) fn jump(&mut self, key: EntryKey) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        self.unfold(key, serial);
        self.highlighted = Some(key);
        self.anchor = Anchor::Around(key);
        self.settle();
        true
    }

    /// Scrolls to the line "new messages", with a few rows above it, or to the end if that is nearer.
    /// Returns false if there is no such line.
    #[allow(clippy::wrong_self_convention, reason = "the view moves, nothing is converted")]
    pub(crate) fn to_new_line(&mut self) -> bool {
        let first = self.first_new.filter(|key| self.entries.find(*key).is_some());
        if let Some(key) = first {
            self.highlighted = None;
            self.anchor = Anchor::Line(key);
            self.settle();
        }
        first.is_some()
    }

    /// Returns true if the last row is in view.
    pub(crate) fn is_at_end(&self) -> bool {
        matches!(self.anchor, Anchor::End)
    }

    /// Returns true if the view is within a page of the first entry and older entries would be kept.
    pub(crate) fn wants_older(&self) -> bool {
        let near = |top: RowRef| top.serial - self.entries.first <= rows(self.rows) as Serial;
        !self.entries.is_full && self.top.is_none_or(near)
    }

    /// The number of entries below the view, including one that is cut off.
    pub(crate) fn below(&self) -> usize {
        let below = if self.is_at_end() { 0 } else { self.entries.end() - self.bottom };
        usize::try_from(below).unwrap_or_default()
    }

    /// Finds the row of the anchor again after the width has changed.
    pub(super) fn find_anchor(&mut self) {
        if let Anchor::Top { row: at, offset } = self.anchor
            && at.row > 0
        {
            let row = self.layout(at.serial).map_or(0, |layout| rows(layout.row_at(offset)));
            self.anchor = Anchor::Top { row: RowRef { row, ..at }, offset };
        }
    }

    /// Computes the first row of the view from the anchor, which becomes the end if that is in view.
    pub(super) fn settle(&mut self) {
        if self.rows == 0 {
            return;
        }
        if self.entries.len() == 0 {
            (self.anchor, self.top) = (Anchor::End, None);
            return;
        }
        let page = rows(self.rows) - 1;
        let serial = self.entries.end() - 1;
        let last = RowRef { serial, row: self.height(serial) - 1 };
        if let Some(top) = self.anchored_top()
            && let (bottom, moved) = self.moved(top, page)
            && moved == page
            && bottom != last
        {
            if !matches!(self.anchor, Anchor::Top { row, .. } if row == top) {
                self.anchor_at(top);
            }
            self.top = Some(top);
            let whole = bottom.row == self.height(bottom.serial) - 1;
            self.bottom = bottom.serial + Serial::from(whole);
        } else {
            self.anchor = Anchor::End;
            self.top = Some(self.moved(last, -page).0);
            self.bottom = self.entries.end();
        }
    }

    /// The first row of the view according to the anchor, or `None` if it is the end.
    fn anchored_top(&mut self) -> Option<RowRef> {
        match self.anchor {
            Anchor::End => None,
            Anchor::Top { row, .. } => self.existing(row),
            Anchor::Line(key) => {
                let serial = self.entries.find(key)?;
                let line = RowRef { serial, row: -self.above(serial) };
                Some(self.moved(line, -CONTEXT).0)
            }
            Anchor::Around(key) => {
                let serial = self.entries.find(key)?;
                let spare = rows(self.rows) - self.height(serial);
                Some(self.moved(RowRef { serial, row: 0 }, -(spare.max(0) / 2)).0)
            }
        }
    }

    /// The row itself, or the one in its place: the entry may be gone or shorter, or a line above it may
    /// have gone when older entries were prepended.
    fn existing(&mut self, at: RowRef) -> Option<RowRef> {
        let first = self.entries.first;
        if at.serial < first {
            return Some(RowRef { serial: first, row: -self.above(first) });
        }
        if at.serial >= self.entries.end() {
            return None;
        }
        let (above, height) = (self.above(at.serial), self.height(at.serial));
        let missing = (-above - at.row).max(0);
        let row = at.row.clamp(-above, height - 1);
        Some(self.moved(RowRef { row, ..at }, -missing).0)
    }

    /// Makes a row the first one of the view.
    pub(super) fn anchor_at(&mut self, row: RowRef) {
        let text_row = usize::try_from(row.row).unwrap_or_default();
        let offset = self.layout(row.serial).map_or(0, |layout| layout.start(text_row));
        self.anchor = Anchor::Top { row, offset };
    }

    /// The row that is `by` rows below another (above if negative), and the number of rows moved, which
    /// is smaller at the first and the last row.
    pub(super) fn moved(&mut self, from: RowRef, by: isize) -> (RowRef, isize) {
        let (mut at, mut left) = (from, by);
        while left > 0 {
            let here = left.min(self.height(at.serial) - 1 - at.row).max(0);
            (at.row, left) = (at.row + here, left - here);
            if left == 0 || at.serial + 1 >= self.entries.end() {
                break;
            }
            let serial = at.serial + 1;
            (at, left) = (RowRef { serial, row: -self.above(serial) }, left - 1);
        }
        while left < 0 {
            let here = left.max(-self.above(at.serial) - at.row).min(0);
            (at.row, left) = (at.row + here, left - here);
            if left == 0 || at.serial <= self.entries.first {
                break;
            }
            let serial = at.serial - 1;
            (at, left) = (RowRef { serial, row: self.height(serial) - 1 }, left + 1);
        }
        (at, by - left)
    }

    /// The number of rows of an entry's text.
    fn height(&mut self, serial: Serial) -> isize {
        self.layout(serial).map_or(1, |layout| rows(layout.height()))
    }

    pub(super) fn layout(&mut self, serial: Serial) -> Option<Arc<EntryLayout>> {
        let entry = self.entries.at(serial)?;
        let is_unfolded = self.unfolded.contains(&entry.key);
        Some(self.layouts.get(serial, entry, is_unfolded))
    }

    /// Returns true if an entry continues what the sender of the one before said: it has no name.
    pub(super) fn is_continued(&self, serial: Serial) -> bool {
        let said = |serial| match self.entries.at(serial).map(|entry| &entry.body) {
            Some(EntryBody::Message { sender, own, .. }) => Some((sender, *own)),
            _ => None,
        };
        let columns = &self.layouts.columns;
        columns.name > 0
            && said(serial).is_some_and(|here| said(serial - 1) == Some(here))
            && self.above(serial) == 0
    }

    /// The number of lines above an entry's text.
    fn above(&self, serial: Serial) -> isize {
        isize::from(self.new_day(serial).is_some()) + isize::from(self.is_new(serial))
    }

    /// The day that begins with an entry, if one does.
    pub(super) fn new_day(&self, serial: Serial) -> Option<jiff::civil::Date> {
        let day = |serial| {
            let entry = self.entries.at(serial)?;
            Some(self.zone.to_datetime(entry.at).date())
        };
        let here = day(serial)?;
        (day(serial - 1) != Some(here)).then_some(here)
    }

    /// Returns true if the line "new messages" is above the entry.
    pub(super) fn is_new(&self, serial: Serial) -> bool {
        let entry = self.entries.at(serial).filter(|_| self.first_new.is_some());
        entry.is_some_and(|entry| self.first_new == Some(entry.key))
    }
}

/// A signed count of rows. No count comes near the limit of the type.
pub(super) fn rows(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}
