//! A conversation on the screen: messages become wrapped, styled lines, and one looks at some of
//! them.
//!
//! The view hangs on a row of an entry, its anchor, not on a count of rows from the start: so what
//! comes before or after does not move it, and only what is seen is laid out. However long the
//! transcript is, a frame costs what the screen shows. Who was at the end stays at the end.
//!
//! Pure: no client, no clock, no terminal.

mod entries;
mod entry;
mod hidden;
mod layout;
mod links;
mod paint;
mod place;
mod wrap;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::{Timestamp, civil, tz::TimeZone};
use ratatui::{buffer::Buffer, layout::Rect};

pub(crate) use self::entry::{Body, Entry, Key, Mark};
use self::{
    entries::{Entries, MAX_BYTES, MAX_ENTRIES, MAX_UNANSWERED, MAX_UNANSWERED_BYTES, Serial},
    layout::{Columns, Layouts},
    place::{Place, Spot},
};
use super::{glyphs, theme::Theme};
use crate::{
    model::{MessageId, Name, Text},
    text,
};

/// How it looks, which changes when the person wants it or the clock strikes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The colours.
    pub(crate) theme: &'a Theme,
    /// Where the days begin.
    pub(crate) zone: &'a TimeZone,
    /// The day that is called so.
    pub(crate) today: civil::Date,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Transcript {
    entries: Entries,
    /// The cells of the widest name so far.
    widest: usize,
    /// What the line "new messages" stands after.
    seen: Option<Key>,
    /// What was jumped to.
    lit: Option<Key>,
    place: Place,
    /// The size and the zone of the last frame; movements are measured by them.
    rows: usize,
    zone: TimeZone,
    layouts: Layouts,
    /// The first row of the view.
    top: Option<Spot>,
    /// The number after the last entry that is in the view to its end.
    bottom: Serial,
    /// Whose messages are not shown.
    blocked: BTreeSet<Name>,
}

impl Transcript {
    /// Nothing said yet.
    pub(crate) fn new() -> Self {
        Self::of(Entries::up_to(MAX_ENTRIES, MAX_BYTES))
    }

    /// Nothing said yet, by somebody to whom one has said nothing: there may be many of those, so it
    /// holds less until one says something.
    pub(crate) fn unanswered() -> Self {
        Self::of(Entries::up_to(MAX_UNANSWERED, MAX_UNANSWERED_BYTES))
    }

    fn of(entries: Entries) -> Self {
        Self {
            entries,
            widest: 0,
            seen: None,
            lit: None,
            place: Place::End,
            rows: 0,
            zone: TimeZone::UTC,
            layouts: Layouts::default(),
            top: None,
            bottom: 0,
            blocked: BTreeSet::new(),
        }
    }

    /// Adds what came last. The view stays where it is unless it is at the end. At the bound the
    /// oldest go. What is here already, by its key, is replaced where it stands.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.lit = None;
        if self.hides(&entry) {
            return self.push_hidden(entry);
        }
        self.measure(&entry);
        match self.entries.find(entry.key) {
            Some(serial) => self.put(serial, entry),
            None => self.entries.push(entry),
        }
    }

    /// Puts the words of the program that stand right before the last entry, and are later than
    /// that, after it.
    pub(crate) fn sink_notices(&mut self) {
        let Some(last) = self.last().map(|last| last.at) else { return };
        let mut later = Vec::new();
        while let Some(entry) = self.entries.at(self.entries.end() - 2)
            && matches!(entry.body, Body::Notice(_))
            && entry.at > last
        {
            let entry = entry.clone();
            self.remove(entry.key);
            later.push(entry);
        }
        later.into_iter().rev().for_each(|entry| self.push(entry));
    }

    /// Puts a page of the past, the oldest first, before everything else, as much as there is room
    /// for. The view stays where it is.
    pub(crate) fn prepend(&mut self, older: Vec<Entry>) {
        let older = self.without_blocked(older);
        older.iter().for_each(|entry| self.measure(entry));
        self.entries.prepend(older);
    }

    /// Puts this one in the place of another, as a posted message in that of the draft. If it is
    /// here already, the other goes. False where the other is not here.
    pub(crate) fn replace(&mut self, key: Key, entry: Entry) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        self.measure(&entry);
        match self.entries.find(entry.key).filter(|here| *here != serial) {
            Some(here) => {
                self.put(here, entry);
                self.remove(key);
            }
            None => {
                for held in [&mut self.seen, &mut self.lit] {
                    if *held == Some(key) {
                        *held = Some(entry.key);
                    }
                }
                self.place.rename(key, entry.key);
                self.put(serial, entry);
            }
        }
        true
    }

    /// Says what became of a message. False where it is not here.
    pub(crate) fn mark(&mut self, key: Key, mark: Mark) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        self.layouts.forget(serial);
        let set = |entry: &mut Entry| match entry.mark_mut() {
            Some(old) => {
                *old = Some(mark);
                true
            }
            None => false,
        };
        self.entries.change(serial, set).unwrap_or_default()
    }

    /// Says that the peer has read a message, if it was delivered. Tells whether it was.
    pub(crate) fn mark_read(&mut self, key: Key) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        let set = |entry: &mut Entry| match entry.mark_mut() {
            Some(Some(mark)) => mark.read(),
            _ => false,
        };
        self.layouts.forget(serial);
        self.entries.change(serial, set).unwrap_or_default()
    }

    /// Takes an entry away. False where it is not here.
    pub(crate) fn remove(&mut self, key: Key) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        if self.seen == Some(key) {
            self.seen = self.entries.at(serial - 1).map(|before| before.key);
        }
        self.lit.take_if(|lit| *lit == key);
        self.place.removed(key, serial);
        self.layouts.clear();
        self.entries.remove(serial);
        true
    }

    /// Adds what one says oneself, which is on its way, and shows it: nothing before it is new.
    pub(crate) fn say(&mut self, id: MessageId, me: &Name, text: &Text, at: Timestamp) {
        let body = Body::Said {
            who: me.clone(),
            own: true,
            mention: false,
            text: text.as_str().to_owned(),
            mark: Some(Mark::Sending),
        };
        self.entries.lift_bound();
        self.set_new_line(None);
        self.push(Entry { key: Key::Own(id), at, body });
        self.to_end();
    }

    /// Takes everything away.
    #[cfg(test)]
    pub(crate) fn clear(&mut self) {
        let mut layouts = std::mem::take(&mut self.layouts);
        layouts.clear();
        *self = Self { rows: self.rows, zone: self.zone.clone(), layouts, ..Self::new() };
    }

    /// The oldest entry.
    pub(crate) fn first(&self) -> Option<&Entry> {
        self.entries.at(self.entries.first())
    }

    /// The newest entry.
    pub(crate) fn last(&self) -> Option<&Entry> {
        self.entries.at(self.entries.end() - 1)
    }

    /// The entry with this key.
    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.at(self.entries.find(key)?)
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts the line "new messages" after this entry. It shows as soon as something follows.
    pub(crate) fn set_new_line(&mut self, after: Option<Key>) {
        self.seen = after;
    }

    /// Draws what is in the view, and lays it out as far as that is missing. An empty area is left
    /// alone. The cells are expected to be blank, as they are in a new frame.
    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let area = area.intersection(*buffer.area());
        if area.is_empty() {
            return;
        }
        self.rows = area.height.into();
        self.zone = look.zone.clone();
        let columns = Columns::of(area.width.into(), self.widest);
        if self.layouts.reset(columns) {
            self.find_anchor();
        }
        self.settle();
        self.paint(area, buffer, look);
    }

    /// Changes an entry where it stands.
    fn put(&mut self, serial: Serial, entry: Entry) {
        self.layouts.forget(serial);
        self.entries.replace(serial, entry);
    }

    /// Makes the column of names wide enough.
    fn measure(&mut self, entry: &Entry) {
        if let Body::Said { who, .. } = &entry.body
            && self.widest < layout::MAX_NAME
        {
            let name = text::one_line(who.as_str());
            self.widest = self.widest.max(glyphs::width(&glyphs::settled(&name)));
        }
    }
}

impl Mark {
    /// Makes delivered read; tells whether it was.
    fn read(&mut self) -> bool {
        let Self::Delivered(path) = self else { return false };
        *self = Self::Read(std::mem::take(path));
        true
    }
}
