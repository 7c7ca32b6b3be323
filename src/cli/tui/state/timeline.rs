//! A stretch of a room's messages without a hole in it: shown, and longer at either end when it is
//! wanted.

use std::time::{Duration, Instant};

use crate::{
    cli::tui::transcript::{Body, Entry, Key, Mark, Transcript},
    model::{Message, Name, Position},
};

use super::{Now, mentions::mentions};

/// What is said above the first message of a room.
const BEGINNING: &str = "the room begins here";

/// How long to wait after a page that could not be loaded.
const PAUSE: Duration = Duration::from_secs(3);

/// In which direction history is being loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// What was said before.
    Older,
    /// What was said after.
    Newer,
}

/// Messages of a room, one after the other.
pub(crate) struct Timeline {
    pub(crate) transcript: Transcript,
    oldest: Option<Position>,
    newest: Option<Position>,
    /// Nothing was said before the oldest, as far as the hub knows.
    begins: bool,
    pub(crate) loading: Option<Way>,
    /// Until when nothing is loaded, as the last time failed.
    paused: Option<Instant>,
}

impl Timeline {
    pub(crate) fn new() -> Self {
        let transcript = Transcript::new();
        Self { transcript, oldest: None, newest: None, begins: false, loading: None, paused: None }
    }

    /// The last position.
    pub(crate) fn newest(&self) -> Option<Position> {
        self.newest
    }

    /// Whether a message is new here. Positions of another life of the log are: nobody knows more.
    pub(crate) fn is_news(&self, at: Position) -> bool {
        self.newest.is_none_or(|newest| at.epoch != newest.epoch || at.seq > newest.seq)
    }

    /// Adds a message that is news; one of one's own takes the place of `local`.
    pub(crate) fn add(&mut self, message: &Message, me: &Name, local: Option<Key>) {
        let entry = entry(message, me);
        let replaced = local.is_some_and(|local| {
            self.transcript.get(local).is_some() && self.transcript.replace(local, entry.clone())
        });
        if !replaced {
            self.transcript.push(entry);
        }
        self.newest = Some(message.position);
        if self.oldest.is_none() {
            self.oldest = Some(message.position);
            self.begins = message.prev_seq == 0;
        }
        self.forget_with_transcript();
    }

    /// Adds what was said before; `more`: something was said before that, too.
    pub(crate) fn add_older(&mut self, messages: &[Message], more: bool, me: &Name, notice: Key) {
        self.loading = None;
        let oldest = self.oldest;
        let is_older = |at: Position| {
            oldest.is_none_or(|oldest| at.epoch == oldest.epoch && at.seq < oldest.seq)
        };
        let older: Vec<&Message> = messages.iter().filter(|m| is_older(m.position)).collect();
        if let Some(first) = older.first() {
            self.oldest = Some(first.position);
        }
        if self.newest.is_none() {
            self.newest = older.last().map(|last| last.position);
        }
        let first = older.first();
        self.begins = !more || first.is_none_or(|first| first.prev_seq == 0);
        let mut entries: Vec<Entry> = older.iter().map(|message| entry(message, me)).collect();
        if self.begins {
            let at = first.map(|m| m.created_at).or(self.transcript.first().map(|e| e.at));
            let body = Body::Notice(BEGINNING.into());
            entries.splice(..0, at.map(|at| Entry { key: notice, at, body }));
        }
        self.transcript.prepend(entries);
    }

    /// Adds what was said after; returns whether that was all.
    pub(crate) fn add_newer(&mut self, messages: &[Message], more: bool, me: &Name) -> bool {
        self.loading = None;
        for message in messages {
            if self.is_news(message.position) {
                self.add(message, me, None);
            }
        }
        !more
    }

    /// That nothing more can be loaded at the beginning.
    pub(crate) fn end_here(&mut self) {
        self.loading = None;
        self.begins = true;
    }

    /// That loading failed: it is tried again, but not at once.
    pub(crate) fn failed(&mut self, now: Now) {
        self.loading = None;
        self.paused = Some(now.mono + PAUSE);
    }

    fn may_load(&self, now: Now) -> bool {
        self.loading.is_none() && self.paused.is_none_or(|until| now.mono >= until)
    }

    /// From where older messages are to be loaded now, if they are.
    pub(crate) fn wants_older(&mut self, now: Now) -> Option<Position> {
        let wanted = self.may_load(now) && !self.begins && self.transcript.wants_older();
        let from = self.oldest.filter(|_| wanted)?;
        self.loading = Some(Way::Older);
        Some(from)
    }

    /// From where newer messages are to be loaded now, if they are.
    pub(crate) fn wants_newer(&mut self, now: Now) -> Option<Position> {
        let wanted = self.may_load(now) && self.transcript.below() == 0;
        let from = self.newest.filter(|_| wanted)?;
        self.loading = Some(Way::Newer);
        Some(from)
    }

    /// The transcript drops its oldest entries when it is full; these can be loaded again.
    fn forget_with_transcript(&mut self) {
        let Some(oldest) = self.oldest else { return };
        if self.transcript.get(Key::Posted(oldest)).is_some() {
            return;
        }
        self.begins = false;
        while let Some(first) = self.transcript.first().map(|first| first.key) {
            if let Key::Posted(at) = first {
                self.oldest = Some(at);
                return;
            }
            self.transcript.remove(first);
        }
        self.oldest = None;
    }
}

/// A message of a room as it stands in the transcript.
pub(crate) fn entry(message: &Message, me: &Name) -> Entry {
    let own = message.sender == *me;
    let text = message.text.as_str().to_owned();
    let body = Body::Said {
        mention: !own && mentions(&text, me),
        who: message.sender.clone(),
        own,
        text,
        mark: own.then_some(Mark::Sent),
    };
    Entry { key: Key::Posted(message.position), at: message.created_at, body }
}
