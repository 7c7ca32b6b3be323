//! What people say whom the person has blocked: a line for each run of it, and nothing else.

use std::collections::BTreeSet;

use super::{Body, Entry, Key, Place, Transcript};
use crate::model::Name;

/// How many messages of a run are kept, to be shown when their sender is not blocked any more.
const MAX_KEPT: usize = 200;

impl Transcript {
    /// Hides what these say, and shows again what others have said.
    pub(crate) fn block(&mut self, blocked: &BTreeSet<Name>) {
        if self.blocked == *blocked {
            return;
        }
        self.blocked.clone_from(blocked);
        self.layouts.clear();
        (self.place, self.top) = (Place::End, None);
        for entry in self.entries.take() {
            match entry.body {
                Body::Hidden { said, .. } => said.into_iter().for_each(|entry| self.push(entry)),
                _ => self.push(entry),
            }
        }
    }

    pub(super) fn hides(&self, entry: &Entry) -> bool {
        matches!(&entry.body, Body::Said { who, own: false, .. } if self.blocked.contains(who))
    }

    /// Adds what came last, of somebody who is blocked.
    pub(super) fn push_hidden(&mut self, entry: Entry) {
        let mut entry = Some(entry);
        let last = self.entries.end() - 1;
        self.entries.change(last, |last| add(last, &mut entry));
        if let Some(entry) = entry {
            self.entries.push(hidden(entry));
        }
    }

    /// Puts what the blocked say into runs; the last one takes in the first that is here already.
    pub(super) fn without_blocked(&mut self, older: Vec<Entry>) -> Vec<Entry> {
        let mut shown: Vec<Entry> = Vec::with_capacity(older.len());
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

fn hidden(entry: Entry) -> Entry {
    let who = match &entry.body {
        Body::Said { who, .. } | Body::Hidden { who, .. } => who.clone(),
        Body::Notice(_) => return entry,
    };
    Entry { key: entry.key, at: entry.at, body: Body::Hidden { who, said: vec![entry] } }
}

/// Adds a message to a run of the same sender, where it is one.
fn add(run: &mut Entry, entry: &mut Option<Entry>) {
    let Body::Hidden { who, said } = &mut run.body else { return };
    let theirs = |entry: &mut Entry| matches!(&entry.body, Body::Said { who: by, .. } if by == who);
    if let Some(entry) = entry.take_if(theirs) {
        if said.len() >= MAX_KEPT {
            said.remove(0);
        }
        said.push(entry);
    }
}

/// Takes a run into the one before it. Returns its key if it is one of the same sender.
fn join(run: &mut Entry, next: &Entry) -> Option<Key> {
    let Body::Hidden { who, said } = &mut run.body else { return None };
    let Body::Hidden { who: by, said: later } = &next.body else { return None };
    if who != by {
        return None;
    }
    said.extend(later.iter().cloned());
    said.drain(..said.len().saturating_sub(MAX_KEPT));
    Some(next.key)
}
