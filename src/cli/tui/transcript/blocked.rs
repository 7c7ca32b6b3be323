//! Hiding the messages of blocked peers: consecutive ones become one line.

use std::collections::BTreeSet;

use super::{EntryBody, EntryKey, Transcript, TranscriptEntry, scroll::Anchor};
use crate::model::Name;

/// The most messages of a hidden run that are kept for when the sender is unblocked.
const MAX_HIDDEN: usize = 200;

impl Transcript {
    /// Hides the messages of these peers, and shows those of all others.
    pub(crate) fn set_blocked(&mut self, blocked: &BTreeSet<Name>) {
        if self.blocked == *blocked {
            return;
        }
        self.blocked.clone_from(blocked);
        self.layouts.clear();
        (self.anchor, self.top) = (Anchor::End, None);
        for entry in self.entries.take() {
            match entry.body {
                EntryBody::Hidden { messages, .. } => {
                    messages.into_iter().for_each(|entry| self.push(entry))
                }
                _ => self.push(entry),
            }
        }
    }

    pub(super) fn hides(&self, entry: &TranscriptEntry) -> bool {
        matches!(&entry.body, EntryBody::Message { sender, own: false, .. } if self.blocked.contains(sender))
    }

    /// Appends a message of a blocked peer.
    pub(super) fn push_hidden(&mut self, entry: TranscriptEntry) {
        let mut entry = Some(entry);
        let last = self.entries.end() - 1;
        self.entries.change(last, |last| add(last, &mut entry));
        if let Some(entry) = entry {
            self.entries.push(hidden(entry));
        }
    }

    /// Merges messages of blocked peers into runs, also with the first entry of the transcript.
    pub(super) fn without_blocked(&mut self, older: Vec<TranscriptEntry>) -> Vec<TranscriptEntry> {
        let mut shown: Vec<TranscriptEntry> = Vec::with_capacity(older.len());
        for entry in older {
            let mut entry = Some(entry);
            if let Some(hides) = entry.take_if(|entry| self.hides(entry)) {
                let mut hides = Some(hides);
                if let Some(last) = shown.last_mut() {
                    add(last, &mut hides);
                }
                entry = hides.map(hidden);
            }
            shown.extend(entry);
        }
        let joined = shown.last_mut().and_then(|last| join(last, self.first()?));
        if let Some(first) = joined {
            self.remove(first);
        }
        shown
    }
}

fn hidden(entry: TranscriptEntry) -> TranscriptEntry {
    let sender = match &entry.body {
        EntryBody::Message { sender, .. } | EntryBody::Hidden { sender, .. } => sender.clone(),
        EntryBody::Notice(..) => return entry,
    };
    TranscriptEntry {
        key: entry.key,
        at: entry.at,
        body: EntryBody::Hidden { sender, messages: vec![entry] },
    }
}

/// Moves a message into a run if that has the same sender.
fn add(run: &mut TranscriptEntry, entry: &mut Option<TranscriptEntry>) {
    let EntryBody::Hidden { sender, messages } = &mut run.body else { return };
    let theirs = |entry: &mut TranscriptEntry| matches!(&entry.body, EntryBody::Message { sender: by, .. } if by == sender);
    if let Some(entry) = entry.take_if(theirs) {
        if messages.len() >= MAX_HIDDEN {
            messages.remove(0);
        }
        messages.push(entry);
    }
}

/// Merges a run into the one before it. Returns its key if it had the same sender.
fn join(run: &mut TranscriptEntry, next: &TranscriptEntry) -> Option<EntryKey> {
    let EntryBody::Hidden { sender, messages } = &mut run.body else { return None };
    let EntryBody::Hidden { sender: by, messages: later } = &next.body else { return None };
    if sender != by {
        return None;
    }
    messages.extend(later.iter().cloned());
    messages.drain(..messages.len().saturating_sub(MAX_HIDDEN));
    Some(next.key)
}
