//! Where the view is, and how it moves.
//!
//! Movements are measured by the last frame: before the first one there are no rows to move by.

use super::{Key, Serial, Transcript};

/// What the view hangs on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The last row is at the bottom, whatever comes.
    End,
    /// This row is at the top. `offset` is where it began in the text when it was moved to: what
    /// is to be found again when the text is laid out for another width.
    At { spot: Spot, offset: usize },
    /// This entry is in the middle; it was jumped to and no frame has been drawn since.
    Around(Key),
}

/// A row of an entry. Lines that stand above the text, as a new day, have negative numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) serial: Serial,
    pub(super) row: isize,
}

impl Place {
    /// An entry has another key now.
    pub(super) fn rename(&mut self, old: Key, new: Key) {
        if matches!(self, Self::Around(key) if *key == old) {
            *self = Self::Around(new);
        }
    }

    /// An entry is taken away.
    pub(super) fn removed(&mut self, key: Key, serial: Serial) {
        match self {
            Self::At { spot, .. } if spot.serial > serial => spot.serial -= 1,
            Self::At { spot, offset } if spot.serial == serial => (spot.row, *offset) = (0, 0),
            Self::Around(middle) if *middle == key => *self = Self::End,
            _ => {}
        }
    }
}

impl Transcript {
    /// Moves the view down, or up where `rows` is negative, as far as there is something.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.lit = None;
        self.settle();
        if let Some(top) = self.top {
            let spot = self.moved(top, rows).0;
            self.hang_on(spot);
            self.settle();
        }
    }

    /// Moves the view down by pages, or up; a row of the last page stays in sight.
    pub(crate) fn page(&mut self, pages: isize) {
        self.scroll(pages.saturating_mul(rows(self.rows.saturating_sub(1).max(1))));
    }

    /// Moves the view to the end, where it stays.
    #[allow(clippy::wrong_self_convention, reason = "the view goes there, nothing is converted")]
    pub(crate) fn to_end(&mut self) {
        self.lit = None;
        self.place = Place::End;
        self.settle();
    }

    /// Moves the view to the first entry.
    #[allow(clippy::wrong_self_convention, reason = "the view goes there, nothing is converted")]
    pub(crate) fn to_start(&mut self) {
        self.lit = None;
        let serial = self.entries.first();
        self.hang_on(Spot { serial, row: -self.above(serial) });
        self.settle();
    }

    /// Shows an entry in the middle and highlights it until the view is scrolled or something
    /// comes. False where it is not here.
    pub(crate) fn jump(&mut self, key: Key) -> bool {
        if self.entries.find(key).is_none() {
            return false;
        }
        self.lit = Some(key);
        self.place = Place::Around(key);
        self.settle();
        true
    }

    /// Whether the last row is in view.
    pub(crate) fn at_end(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Whether the view is within a page of the first entry, and there is room for more of the
    /// past.
    pub(crate) fn wants_older(&self) -> bool {
        let near = |top: Spot| top.serial - self.entries.first() <= rows(self.rows) as Serial;
        !self.entries.is_full() && self.top.is_none_or(near)
    }

    /// How many entries the view does not show to their end because they are below it.
    pub(crate) fn below(&self) -> usize {
        let below = if self.at_end() { 0 } else { self.entries.end() - self.bottom };
        usize::try_from(below).unwrap_or_default()
    }

    /// Finds the anchor again after everything is laid out anew.
    pub(super) fn find_anchor(&mut self) {
        if let Place::At { spot, offset } = self.place
            && spot.row > 0
        {
            let row = self.laid(spot.serial).map_or(0, |laid| rows(laid.row_at(offset)));
            self.place = Place::At { spot: Spot { row, ..spot }, offset };
        }
    }

    /// Finds the first row of the view; at the end it is the end that the view hangs on.
    pub(super) fn settle(&mut self) {
        if self.rows == 0 {
            return;
        }
        if self.entries.len() == 0 {
            (self.place, self.top) = (Place::End, None);
            return;
        }
        let page = rows(self.rows) - 1;
        let serial = self.entries.end() - 1;
        let last = Spot { serial, row: self.height(serial) - 1 };
        if let Some(spot) = self.wanted()
            && let (bottom, moved) = self.moved(spot, page)
            && moved == page
            && bottom != last
        {
            if !matches!(self.place, Place::At { spot: at, .. } if at == spot) {
                self.hang_on(spot);
            }
            self.top = Some(spot);
            let whole = bottom.row == self.height(bottom.serial) - 1;
            self.bottom = bottom.serial + Serial::from(whole);
        } else {
            self.place = Place::End;
            self.top = Some(self.moved(last, -page).0);
            self.bottom = self.entries.end();
        }
    }

    /// The row that should be the first one of the view; `None`: as the end demands.
    fn wanted(&mut self) -> Option<Spot> {
        match self.place {
            Place::End => None,
            Place::At { spot, .. } => self.existing(spot),
            Place::Around(key) => {
                let serial = self.entries.find(key)?;
                let spare = rows(self.rows) - self.height(serial);
                Some(self.moved(Spot { serial, row: 0 }, -(spare.max(0) / 2)).0)
            }
        }
    }

    /// The row itself, or what is in its place now: the entry may be gone, or be shorter, or a
    /// line above it may have gone when older entries were put before it.
    fn existing(&mut self, spot: Spot) -> Option<Spot> {
        let first = self.entries.first();
        if spot.serial < first {
            return Some(Spot { serial: first, row: -self.above(first) });
        }
        if spot.serial >= self.entries.end() {
            return None;
        }
        let (above, height) = (self.above(spot.serial), self.height(spot.serial));
        let missing = (-above - spot.row).max(0);
        let row = spot.row.clamp(-above, height - 1);
        Some(self.moved(Spot { row, ..spot }, -missing).0)
    }

    /// Makes a row the first one of the view.
    fn hang_on(&mut self, spot: Spot) {
        let row = usize::try_from(spot.row).unwrap_or_default();
        let offset = self.laid(spot.serial).map_or(0, |laid| laid.start(row));
        self.place = Place::At { spot, offset };
    }

    /// The row that is so many rows below another, or above, and how many they are: fewer where
    /// there are no more.
    pub(super) fn moved(&mut self, from: Spot, by: isize) -> (Spot, isize) {
        let (mut spot, mut left) = (from, by);
        while left > 0 {
            let here = left.min(self.height(spot.serial) - 1 - spot.row).max(0);
            (spot.row, left) = (spot.row + here, left - here);
            if left == 0 || spot.serial + 1 >= self.entries.end() {
                break;
            }
            let serial = spot.serial + 1;
            (spot, left) = (Spot { serial, row: -self.above(serial) }, left - 1);
        }
        while left < 0 {
            let here = left.max(-self.above(spot.serial) - spot.row).min(0);
            (spot.row, left) = (spot.row + here, left - here);
            if left == 0 || spot.serial <= self.entries.first() {
                break;
            }
            let serial = spot.serial - 1;
            (spot, left) = (Spot { serial, row: self.height(serial) - 1 }, left + 1);
        }
        (spot, by - left)
    }

    /// The rows of an entry's text.
    fn height(&mut self, serial: Serial) -> isize {
        self.laid(serial).map_or(1, |laid| rows(laid.height()))
    }

    /// The lines above an entry's text.
    fn above(&self, serial: Serial) -> isize {
        isize::from(self.new_day(serial).is_some()) + isize::from(self.is_new(serial))
    }

    /// The day that begins with an entry.
    pub(super) fn new_day(&self, serial: Serial) -> Option<jiff::civil::Date> {
        let day = |serial| {
            let entry = self.entries.at(serial)?;
            Some(self.zone.to_datetime(entry.at).date())
        };
        let here = day(serial)?;
        (day(serial - 1) != Some(here)).then_some(here)
    }

    /// Whether this is the first of the new ones.
    pub(super) fn is_new(&self, serial: Serial) -> bool {
        let before = self.entries.at(serial - 1);
        before.is_some_and(|before| self.seen == Some(before.key))
    }
}

/// A count of rows, for reckoning with: no count comes near the end of the type.
pub(super) fn rows(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}
