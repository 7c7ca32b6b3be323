//! A scrollable list of messages, wrapped and styled.
//!
//! The view is anchored to a row of an entry, not to a count of rows from the start. Entries that are
//! added before or after do not move it, and only visible entries are laid out, so the cost of a
//! frame depends on the size of the screen and not on the length of the transcript. A view at the end
//! stays at the end.
//!
//! [`Transcript::arrange`] lays out for a size; [`Transcript::draw`] then draws and changes nothing.
//! This module knows no client, no clock and no terminal.

mod blocked;
mod entries;
mod entry;
mod extract;
mod folds;
mod layout;
mod layout_cache;
mod markup;
mod paint;
mod scroll;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use jiff::{Timestamp, tz::TimeZone};

use self::{
    entries::{EntryList, MAX_BYTES, MAX_ENTRIES, MAX_UNANSWERED, MAX_UNANSWERED_BYTES, Serial},
    layout::{Columns, EntryLayout},
    layout_cache::LayoutCache,
    scroll::{Anchor, RowRef},
};
pub(crate) use self::{
    entry::{EntryBody, EntryKey, Mark, NoticeKind, TranscriptEntry},
    extract::ScreenLink,
};
use crate::{
    cli::graphemes,
    model::{MessageId, Name, Text},
    text,
};

/// A list of messages and the part of it that is in view.
pub(crate) struct Transcript {
    entries: EntryList,
    /// The width of the widest name so far, in cells.
    widest: usize,
    /// The entry below the line "new messages".
    first_new: Option<EntryKey>,
    highlighted: Option<EntryKey>,
    anchor: Anchor,
    /// The height and the time zone of the last layout. Scrolling is measured by them.
    rows: usize,
    zone: TimeZone,
    layouts: LayoutCache,
    /// The first row of the view.
    top: Option<RowRef>,
    /// One past the last entry that is in view to its end.
    bottom: Serial,
    /// The rows in view, as of the last call of `arrange`.
    view: Vec<(RowRef, Arc<EntryLayout>)>,
    /// The long messages that are shown with all rows.
    unfolded: HashSet<EntryKey>,
    /// The senders whose messages are hidden.
    blocked: BTreeSet<Name>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self::of(EntryList::with_limits(MAX_ENTRIES, MAX_BYTES))
    }

    /// An empty transcript of a direct chat in which the user has said nothing. It holds fewer entries
    /// until the user does, because strangers can open many of these.
    pub(crate) fn unanswered() -> Self {
        Self::of(EntryList::with_limits(MAX_UNANSWERED, MAX_UNANSWERED_BYTES))
    }

    fn of(entries: EntryList) -> Self {
        Self {
            entries,
            widest: 0,
            first_new: None,
            highlighted: None,
            anchor: Anchor::End,
            rows: 0,
            zone: TimeZone::UTC,
            layouts: LayoutCache::default(),
            top: None,
            bottom: 0,
            view: Vec::new(),
            unfolded: HashSet::new(),
            blocked: BTreeSet::new(),
        }
    }

    /// Appends an entry, or replaces the one with the same key. The view moves only if it is at the
    /// end. Above the limit, the oldest entries are dropped.
    pub(crate) fn push(&mut self, entry: TranscriptEntry) {
        self.highlighted = None;
        if self.hides(&entry) {
            return self.push_hidden(entry);
        }
        self.measure(&entry);
        match self.entries.find(entry.key) {
            Some(serial) => self.put(serial, entry),
            None => self.entries.push(entry),
        }
    }

    /// Moves the notices right before the last entry behind it if they are newer.
    pub(crate) fn sink_notices(&mut self) {
        let Some(last) = self.last().map(|last| last.at) else { return };
        let mut later = Vec::new();
        while let Some(entry) = self.entries.at(self.entries.end() - 2)
            && matches!(entry.body, EntryBody::Notice(..))
            && entry.at > last
        {
            let entry = entry.clone();
            self.remove(entry.key);
            later.push(entry);
        }
        later.into_iter().rev().for_each(|entry| self.push(entry));
    }

    /// Prepends a page of history, oldest entry first, as far as the limit allows. The view does not
    /// move.
    pub(crate) fn prepend(&mut self, older: Vec<TranscriptEntry>) {
        let older = self.without_blocked(older);
        older.iter().for_each(|entry| self.measure(entry));
        self.entries.prepend(older);
    }

    /// As [`Self::prepend`], for entries of which some may be newer than those in the transcript, since
    /// another chat received them: these are put in by time, before messages that are still queued. The
    /// view moves to the end then.
    pub(crate) fn merge(&mut self, older: Vec<TranscriptEntry>) {
        let comes_after = |entry: &TranscriptEntry, first: &TranscriptEntry| {
            entry.at > first.at && !first.is_queued() && self.entries.find(entry.key).is_none()
        };
        let is_later =
            |entry: &TranscriptEntry| self.first().is_some_and(|first| comes_after(entry, first));
        let (later, older): (Vec<_>, Vec<_>) = older.into_iter().partition(is_later);
        self.prepend(older);
        if later.is_empty() {
            return;
        }
        self.layouts.clear();
        (self.anchor, self.top) = (Anchor::End, None);
        let mut later = later.into_iter().peekable();
        for entry in self.entries.take() {
            while let Some(before) = later.next_if(|later| later.at < entry.at || entry.is_queued())
            {
                self.push(before);
            }
            self.push(entry);
        }
        later.for_each(|entry| self.push(entry));
    }

    /// Replaces an entry by another, such as a draft by the posted message. If the other is in the
    /// transcript already, the first is removed. Returns false if there is no entry with this key.
    pub(crate) fn replace(&mut self, key: EntryKey, entry: TranscriptEntry) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        self.measure(&entry);
        match self.entries.find(entry.key).filter(|other| *other != serial) {
            Some(other) => {
                self.put(other, entry);
                self.remove(key);
            }
            None => {
                for held in [&mut self.first_new, &mut self.highlighted] {
                    if *held == Some(key) {
                        *held = Some(entry.key);
                    }
                }
                self.anchor.rename(key, entry.key);
                if self.unfolded.remove(&key) {
                    self.unfolded.insert(entry.key);
                }
                self.put(serial, entry);
            }
        }
        true
    }

    /// Sets the mark of a message. Returns false if there is no such message.
    pub(crate) fn mark(&mut self, key: EntryKey, mark: Mark) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        self.layouts.forget(serial);
        let set = |entry: &mut TranscriptEntry| match entry.mark_mut() {
            Some(old) => {
                *old = Some(mark);
                true
            }
            None => false,
        };
        self.entries.change(serial, set).unwrap_or_default()
    }

    /// Marks a delivered message as read. Returns false if it was not delivered.
    pub(crate) fn mark_read(&mut self, key: EntryKey) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        let set = |entry: &mut TranscriptEntry| match entry.mark_mut() {
            Some(Some(mark)) => mark.read(),
            _ => false,
        };
        self.layouts.forget(serial);
        self.entries.change(serial, set).unwrap_or_default()
    }

    /// Removes an entry. Returns false if there is none with this key.
    pub(crate) fn remove(&mut self, key: EntryKey) -> bool {
        let Some(serial) = self.entries.find(key) else { return false };
        if self.first_new == Some(key) {
            self.first_new = self.entries.at(serial + 1).map(|next| next.key);
        }
        self.highlighted.take_if(|highlighted| *highlighted == key);
        self.anchor.removed(key, serial);
        self.layouts.clear();
        self.entries.remove(serial);
        true
    }

    /// Appends a message of the user being sent, scrolls to it, and removes the new-messages line.
    pub(crate) fn push_own(&mut self, id: MessageId, me: &Name, text: &Text, at: Timestamp) {
        let body = EntryBody::Message {
            sender: me.clone(),
            own: true,
            mention: false,
            text: text.as_str().to_owned(),
            mark: Some(Mark::Sending),
        };
        self.entries.raise_limits();
        self.set_new_line(None);
        self.push(TranscriptEntry { key: EntryKey::Own(id), at, body });
        self.to_end();
    }

    /// Lets the transcript be as long as one in which the user has said something.
    pub(crate) fn raise_limits(&mut self) {
        self.entries.raise_limits();
    }

    /// Removes all entries.
    #[cfg(test)]
    pub(crate) fn clear(&mut self) {
        let mut layouts = std::mem::take(&mut self.layouts);
        layouts.clear();
        *self = Self { rows: self.rows, zone: self.zone.clone(), layouts, ..Self::new() };
    }

    pub(crate) fn first(&self) -> Option<&TranscriptEntry> {
        self.entries.at(self.entries.first)
    }

    pub(crate) fn last(&self) -> Option<&TranscriptEntry> {
        self.entries.at(self.entries.end() - 1)
    }

    pub(crate) fn get(&self, key: EntryKey) -> Option<&TranscriptEntry> {
        self.entries.at(self.entries.find(key)?)
    }

    /// The number of entries.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts the line "new messages" above this entry, which may come later.
    pub(crate) fn set_new_line(&mut self, first: Option<EntryKey>) {
        self.first_new = first;
    }

    /// The number of rows in view.
    pub(crate) fn rows_in_view(&self) -> usize {
        self.view.len()
    }

    /// Lays out the rows in view for a size in cells. Nothing happens if the size is empty.
    pub(crate) fn arrange(&mut self, width: u16, height: u16, zone: &TimeZone) {
        if width == 0 || height == 0 {
            return;
        }
        self.rows = height.into();
        self.zone = zone.clone();
        if self.layouts.reset(Columns::of(width.into(), self.widest)) {
            self.find_anchor();
        }
        self.settle();
        self.view.clear();
        let Some(mut at) = self.top else { return };
        let (_, below) = self.moved(at, scroll::rows(self.rows) - 1);
        for _ in 0..=below {
            if let Some(layout) = self.layout(at.serial) {
                self.view.push((at, layout));
            }
            at = self.moved(at, 1).0;
        }
    }

    /// Replaces an entry in place.
    fn put(&mut self, serial: Serial, entry: TranscriptEntry) {
        self.layouts.forget(serial);
        self.entries.replace(serial, entry);
    }

    /// Widens the column of names if necessary.
    fn measure(&mut self, entry: &TranscriptEntry) {
        if let EntryBody::Message { sender, .. } = &entry.body
            && self.widest < layout::MAX_NAME
        {
            let name = text::one_line(sender.as_str());
            self.widest = self.widest.max(graphemes::width(&graphemes::visible(&name)));
        }
    }
}

impl Mark {
    /// Turns delivered into read. Returns false if it was something else.
    fn read(&mut self) -> bool {
        let Self::Delivered(path) = self else { return false };
        *self = Self::Read(std::mem::take(path));
        true
    }
}
