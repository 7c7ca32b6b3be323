//! Folding long messages to their first rows.

use super::{EntryKey, Transcript, entries::Serial};

/// The most long messages that are shown with all rows. With another one, the others are folded.
const MAX_UNFOLDED: usize = 256;

impl Transcript {
    /// Shows the folded messages in view with all rows or, if there are none, folds those in view.
    /// Returns false if no message in view is so long.
    pub(crate) fn toggle_folds(&mut self) -> bool {
        let visible = self.view.iter().filter(|(_, layout)| layout.is_foldable());
        let visible: Vec<_> =
            visible.map(|(row, layout)| (row.serial, layout.fold.is_some())).collect();
        let any_folded = visible.iter().any(|(_, is_folded)| *is_folded);
        for (serial, is_folded) in &visible {
            let Some(key) = self.entries.at(*serial).map(|entry| entry.key) else { continue };
            match any_folded {
                true if *is_folded => self.unfold(key, *serial),
                true => {}
                false => {
                    self.unfolded.remove(&key);
                    self.layouts.forget(*serial);
                }
            }
        }
        if let Some(top) = self.top.filter(|_| !visible.is_empty()) {
            // The beginning of the message stays where it is.
            self.anchor_at(top);
            self.settle();
        }
        !visible.is_empty()
    }

    /// Shows a message with all rows.
    pub(super) fn unfold(&mut self, key: EntryKey, serial: Serial) {
        if self.unfolded.len() >= MAX_UNFOLDED {
            self.unfolded.clear();
            self.layouts.clear();
        }
        if self.unfolded.insert(key) {
            self.layouts.forget(serial);
        }
    }
}
