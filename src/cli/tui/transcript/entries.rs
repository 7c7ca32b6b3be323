//! The entries in order, found by their keys, within a bound.

use std::collections::{HashMap, VecDeque};

use super::{Entry, Key};

/// The most entries of one transcript: what a person scrolls through, and more.
pub(crate) const MAX_ENTRIES: usize = 65_536;

/// The most bytes of one transcript's entries: as many with 400 bytes each, which few texts have.
/// Entries with the longest text (16 KiB) are 2,000 then.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The same for a conversation in which one has said nothing: what a hundred strangers may hold at
/// a time is still little.
pub(crate) const MAX_UNANSWERED: usize = 2_000;
pub(crate) const MAX_UNANSWERED_BYTES: usize = 1024 * 1024;

/// The number of an entry, which it keeps when others are put before it or taken from there.
pub(super) type Serial = i64;

/// See the module.
#[derive(Debug)]
pub(super) struct Entries {
    list: VecDeque<Entry>,
    serials: HashMap<Key, Serial>,
    /// The number of the first entry.
    first: Serial,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
    /// Whether something was left out because of the bound: no more of the past is wanted then.
    full: bool,
}

impl Entries {
    /// None yet; there may be up to so many, and so many bytes.
    pub(super) fn up_to(max_entries: usize, max_bytes: usize) -> Self {
        let (list, serials) = (VecDeque::new(), HashMap::new());
        Self { list, serials, first: 0, bytes: 0, max_entries, max_bytes, full: false }
    }

    /// There may be as many as anywhere from now on.
    pub(super) fn lift_bound(&mut self) {
        (self.max_entries, self.max_bytes) = (MAX_ENTRIES, MAX_BYTES);
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn first(&self) -> Serial {
        self.first
    }

    /// The number that the next entry will have.
    pub(super) fn end(&self) -> Serial {
        // A list is never longer than MAX_ENTRIES.
        self.first + self.list.len() as Serial
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn at(&self, serial: Serial) -> Option<&Entry> {
        self.list.get(usize::try_from(serial - self.first).ok()?)
    }

    pub(super) fn find(&self, key: Key) -> Option<Serial> {
        self.serials.get(&key).copied()
    }

    /// Adds one whose key is new; the oldest make room for it.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.weight();
        self.serials.insert(entry.key, self.end());
        self.list.push_back(entry);
        self.shrink();
    }

    /// Puts these before all others, as many of the newest of them as there is room for, without
    /// those that are here already.
    pub(super) fn prepend(&mut self, older: Vec<Entry>) {
        for entry in older.into_iter().rev() {
            if self.serials.contains_key(&entry.key) {
                continue;
            }
            if self.list.len() >= self.max_entries || self.bytes + entry.weight() > self.max_bytes {
                self.full = true;
                return;
            }
            self.bytes += entry.weight();
            self.first -= 1;
            self.serials.insert(entry.key, self.first);
            self.list.push_front(entry);
        }
    }

    /// Changes one, but not its key.
    pub(super) fn change<T>(
        &mut self,
        serial: Serial,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let at = usize::try_from(serial - self.first).ok()?;
        let entry = self.list.get_mut(at)?;
        self.bytes -= entry.weight();
        let changed = change(entry);
        self.bytes += entry.weight();
        Some(changed)
    }

    /// Puts this one in the place of another. Its key must be the other's or new.
    pub(super) fn replace(&mut self, serial: Serial, entry: Entry) {
        let key = entry.key;
        if let Some(old) = self.change(serial, |place| std::mem::replace(place, entry)) {
            self.serials.remove(&old.key);
            self.serials.insert(key, serial);
        }
        self.shrink();
    }

    /// Takes one away; those after it move up by one number.
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

    /// Takes all of them away.
    pub(super) fn take(&mut self) -> VecDeque<Entry> {
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
            self.full = true;
        }
    }
}
