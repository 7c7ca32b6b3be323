//! The entries of a transcript in order, indexed by key, with a limit.

use std::collections::{HashMap, VecDeque};

use super::{EntryKey, TranscriptEntry};

/// The most entries of a transcript: more than anybody scrolls through.
pub(crate) const MAX_ENTRIES: usize = 65_536;

/// The most bytes of a transcript: [`MAX_ENTRIES`] of 512 bytes each, which few texts exceed, or
/// 2,000 of the longest texts (16 KiB).
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The limits of a direct chat in which the user said nothing, so that many take little memory.
pub(crate) const MAX_UNANSWERED: usize = 2_000;
pub(crate) const MAX_UNANSWERED_BYTES: usize = 1024 * 1024;

/// The number of an entry. It does not change when entries are prepended or dropped from the front.
pub(super) type Serial = i64;

pub(super) struct EntryList {
    list: VecDeque<TranscriptEntry>,
    serials: HashMap<EntryKey, Serial>,
    pub(super) first: Serial,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    /// Whether entries were dropped because of the limit. No more history is loaded then.
    pub(super) is_full: bool,
}

impl EntryList {
    pub(super) fn with_limits(max_entries: usize, max_bytes: usize) -> Self {
        let (list, serials) = (VecDeque::new(), HashMap::new());
        Self { list, serials, first: 0, bytes: 0, max_entries, max_bytes, is_full: false }
    }

    /// Raises the limits to [`MAX_ENTRIES`] and [`MAX_BYTES`].
    pub(super) fn raise_limits(&mut self) {
        (self.max_entries, self.max_bytes) = (MAX_ENTRIES, MAX_BYTES);
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The serial of the next entry.
    pub(super) fn end(&self) -> Serial {
        // A list is never longer than MAX_ENTRIES.
        self.first + self.list.len() as Serial
    }

    pub(super) fn at(&self, serial: Serial) -> Option<&TranscriptEntry> {
        self.list.get(usize::try_from(serial - self.first).ok()?)
    }

    pub(super) fn find(&self, key: EntryKey) -> Option<Serial> {
        self.serials.get(&key).copied()
    }

    /// Appends an entry with a new key, and drops the oldest ones above the limit.
    pub(super) fn push(&mut self, entry: TranscriptEntry) {
        self.bytes += entry.weight();
        self.serials.insert(entry.key, self.end());
        self.list.push_back(entry);
        self.shrink();
    }

    /// Prepends entries that are not in the list yet. Above the limit, the older ones are left out.
    pub(super) fn prepend(&mut self, older: Vec<TranscriptEntry>) {
        for entry in older.into_iter().rev() {
            if self.serials.contains_key(&entry.key) {
                continue;
            }
            if self.list.len() >= self.max_entries || self.bytes + entry.weight() > self.max_bytes {
                self.is_full = true;
                return;
            }
            self.bytes += entry.weight();
            self.first -= 1;
            self.serials.insert(entry.key, self.first);
            self.list.push_front(entry);
        }
    }

    /// Changes an entry, but not its key.
    pub(super) fn change<T>(
        &mut self,
        serial: Serial,
        change: impl FnOnce(&mut TranscriptEntry) -> T,
    ) -> Option<T> {
        let at = usize::try_from(serial - self.first).ok()?;
        let entry = self.list.get_mut(at)?;
        self.bytes -= entry.weight();
        let changed = change(entry);
        self.bytes += entry.weight();
        Some(changed)
    }

    /// Replaces an entry. The key must be the same or new.
    pub(super) fn replace(&mut self, serial: Serial, entry: TranscriptEntry) {
        let key = entry.key;
        if let Some(old) = self.change(serial, |old| std::mem::replace(old, entry)) {
            self.serials.remove(&old.key);
            self.serials.insert(key, serial);
        }
        self.shrink();
    }

    /// Removes an entry. The serials of those after it decrease by one.
    pub(super) fn remove(&mut self, serial: Serial) {
        let Some(at) = usize::try_from(serial - self.first).ok().filter(|at| *at < self.len())
        else {
            return;
        };
        for later in self.list.range(at..) {
            if let Some(serial) = self.serials.get_mut(&later.key) {
                *serial -= 1;
            }
        }
        if let Some(gone) = self.list.remove(at) {
            self.bytes -= gone.weight();
            self.serials.remove(&gone.key);
        }
    }

    pub(super) fn take(&mut self) -> VecDeque<TranscriptEntry> {
        (self.first, self.bytes) = (0, 0);
        self.serials.clear();
        std::mem::take(&mut self.list)
    }

    fn shrink(&mut self) {
        while self.list.len() > self.max_entries || self.bytes > self.max_bytes {
            let Some(oldest) = self.list.pop_front() else { return };
            self.bytes -= oldest.weight();
            self.serials.remove(&oldest.key);
            self.first += 1;
            self.is_full = true;
        }
    }
}
