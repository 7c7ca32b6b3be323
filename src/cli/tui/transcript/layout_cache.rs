//! Recently computed layouts.

use std::{collections::HashMap, sync::Arc};

use super::{
    Serial, TranscriptEntry,
    layout::{Columns, EntryLayout},
};

/// The most cached layouts: more than a view shows.
const MAX_CACHED: usize = 512;

/// The most bytes of cached layouts. A text written for the purpose takes 3 MiB if it is unfolded (one
/// row per cell, each character shown as `<U+0080>`); a view can have two of them at its edges.
const MAX_CACHED_BYTES: usize = 8 * 1024 * 1024;

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
    pub(super) fn get(
        &mut self,
        serial: Serial,
        entry: &TranscriptEntry,
        is_unfolded: bool,
    ) -> Arc<EntryLayout> {
        if let Some(layout) = self.cached.get(&serial) {
            return Arc::clone(layout);
        }
        let layout = Arc::new(EntryLayout::new(entry, &self.columns, is_unfolded));
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
