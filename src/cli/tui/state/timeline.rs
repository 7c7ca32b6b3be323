//! Consecutive messages of a room. History is added at either end on demand.

use std::time::{Duration, Instant};

use super::{Moment, mentions::Reader};
use crate::{
    cli::tui::{
        outcome::PageDirection,
        transcript::{EntryBody, EntryKey, Mark, NoticeKind, Transcript, TranscriptEntry},
    },
    model::{Message, Position},
};

/// The notice above the first message of a room.
const BEGINNING: &str = "the room begins here";

/// The pause after a page could not be loaded.
const PAUSE: Duration = Duration::from_secs(3);

/// Consecutive messages of a room.
pub(crate) struct Timeline {
    pub(crate) transcript: Transcript,
    oldest: Option<Position>,
    pub(super) newest: Option<Position>,
    /// Whether the hub has no messages before the oldest.
    is_complete: bool,
    pub(crate) loading: Option<PageDirection>,
    /// No page is loaded until then, because the last one failed.
    paused: Option<Instant>,
}

impl Timeline {
    pub(crate) fn new() -> Self {
        let transcript = Transcript::new();
        Self {
            transcript,
            oldest: None,
            newest: None,
            is_complete: false,
            loading: None,
            paused: None,
        }
    }

    /// Returns true if a message is newer than all others. Positions of different epochs cannot be
    /// compared and count as newer.
    pub(crate) fn is_news(&self, at: Position) -> bool {
        self.newest.is_none_or(|newest| at.epoch != newest.epoch || at.seq > newest.seq)
    }

    /// Adds a message that is newer than all others. It replaces the entry `local`, if there is one.
    pub(crate) fn add(&mut self, message: &Message, me: &Reader, local: Option<EntryKey>) {
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
            self.is_complete = message.prev_seq == 0;
        }
        self.follow_transcript();
    }

    /// Adds a page of older messages. `more`: the hub has still older ones.
    pub(crate) fn add_older(
        &mut self,
        messages: &[Message],
        more: bool,
        me: &Reader,
        notice: EntryKey,
    ) {
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
        self.is_complete = !more || first.is_none_or(|first| first.prev_seq == 0);
        let mut entries: Vec<TranscriptEntry> =
            older.iter().map(|message| entry(message, me)).collect();
        if self.is_complete {
            let at = first.map(|m| m.created_at).or(self.transcript.first().map(|e| e.at));
            let body = EntryBody::Notice(NoticeKind::Presence, BEGINNING.into());
            entries.splice(..0, at.map(|at| TranscriptEntry { key: notice, at, body }));
        }
        self.transcript.prepend(entries);
    }

    /// Adds a page of newer messages. Returns true if it was the last one.
    pub(crate) fn add_newer(&mut self, messages: &[Message], more: bool, me: &Reader) -> bool {
        self.loading = None;
        for message in messages {
            if self.is_news(message.position) {
                self.add(message, me, None);
            }
        }
        !more
    }

    /// Records that the hub has no older messages.
    pub(crate) fn set_complete(&mut self) {
        self.loading = None;
        self.is_complete = true;
    }

    /// Records that a page could not be loaded. The next attempt is after [`PAUSE`].
    pub(crate) fn on_load_failed(&mut self, now: Moment) {
        self.loading = None;
        self.paused = Some(now.mono + PAUSE);
    }

    fn may_load(&self, now: Moment) -> bool {
        self.loading.is_none() && self.paused.is_none_or(|until| now.mono >= until)
    }

    /// The position from which to load older messages, if that is to be done now.
    pub(crate) fn begin_loading_older(&mut self, now: Moment) -> Option<Position> {
        let wanted = self.may_load(now) && !self.is_complete && self.transcript.wants_older();
        let from = self.oldest.filter(|_| wanted)?;
        self.loading = Some(PageDirection::Older);
        Some(from)
    }

    /// The position from which to load newer messages, if that is to be done now.
    pub(crate) fn begin_loading_newer(&mut self, now: Moment) -> Option<Position> {
        let wanted = self.may_load(now) && self.transcript.below() == 0;
        let from = self.newest.filter(|_| wanted)?;
        self.loading = Some(PageDirection::Newer);
        Some(from)
    }

    /// Follows the transcript, which drops its oldest entries when it is full. They can be loaded again.
    fn follow_transcript(&mut self) {
        let Some(oldest) = self.oldest else { return };
        if self.transcript.get(EntryKey::Posted(oldest)).is_some() {
            return;
        }
        self.is_complete = false;
        while let Some(first) = self.transcript.first().map(|first| first.key) {
            if let EntryKey::Posted(at) = first {
                self.oldest = Some(at);
                return;
            }
            self.transcript.remove(first);
        }
        self.oldest = None;
    }
}

pub(crate) fn entry(message: &Message, me: &Reader) -> TranscriptEntry {
    let own = message.sender == me.name;
    let text = message.text.as_str().to_owned();
    let body = EntryBody::Message {
        mention: !own && me.is_named_in(&text),
        sender: message.sender.clone(),
        own,
        text,
        mark: own.then_some(Mark::Sent),
    };
    TranscriptEntry { key: EntryKey::Posted(message.position), at: message.created_at, body }
}
