//! A direct chat on the screen: its messages, their delivery, and what is known about the peer.

mod kept;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use self::kept::KeptPages;
use super::{Moment, unsent::UnsentMessages};
use crate::{
    cli::{
        tui::{
            outcome::TrustLevel,
            transcript::{EntryBody, EntryKey, Mark, Transcript, TranscriptEntry},
        },
        view::when,
    },
    client::{Direct, Queued, Verification},
    model::{MessageId, Name, Text},
};

/// How long a peer counts as typing after the last notification.
const TYPING: Duration = Duration::from_secs(6);

/// The most delivered messages that a read mark can cover. Older ones stay marked as delivered.
const MAX_DELIVERED: usize = 1000;

/// The most unread messages that are kept for the report at exit.
const MAX_UNREAD: usize = 100;

/// How often the peer is notified while the user types.
const TYPING_INTERVAL: Duration = Duration::from_secs(3);

pub(crate) struct DirectChat {
    pub(crate) name: Name,
    pub(crate) transcript: Transcript,
    pub(crate) unread: usize,
    /// The input of the chat while another one is current.
    pub(crate) draft: String,
    /// Whether a live conversation is open.
    pub(crate) live: bool,
    /// The path of the last connection, as in `direct 127.0.0.1:54322`.
    pub(crate) path: Option<String>,
    /// What is known about the peer's key.
    pub(crate) trust: Option<TrustLevel>,
    /// Whether the user or a peer with a known key has sent a message, so that the chat stays open.
    matters: bool,
    typing_until: Option<Instant>,
    /// When the peer was last notified that the user types.
    typing_sent: Option<Instant>,
    /// The unread messages, the latest first. The senders have receipts for them.
    unread_messages: VecDeque<Direct>,
    /// The delivered messages that the peer has not read, the latest first.
    delivered: VecDeque<MessageId>,
    /// The ids of messages that the user has not seen.
    pub(super) unseen_ids: Vec<MessageId>,
    /// Unread messages of earlier chats that come again, and are counted already.
    expected: usize,
    /// The last received message, and the last one that was marked as read.
    received: Option<MessageId>,
    marked: Option<MessageId>,
    read_until: Option<MessageId>,
    pub(super) unsent: UnsentMessages,
    /// Whether the contact book was asked for the peer.
    looked_up: bool,
    kept: KeptPages,
    /// Whether any message was delivered to the peer.
    reached: bool,
    shown_path: Option<String>,
}

impl DirectChat {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            transcript: Transcript::unanswered(),
            unread: 0,
            draft: String::new(),
            live: false,
            path: None,
            trust: None,
            matters: false,
            typing_until: None,
            typing_sent: None,
            unread_messages: VecDeque::new(),
            unseen_ids: Vec::new(),
            expected: 0,
            delivered: VecDeque::new(),
            received: None,
            marked: None,
            read_until: None,
            unsent: UnsentMessages::default(),
            looked_up: false,
            kept: KeptPages::default(),
            reached: false,
            shown_path: None,
        }
    }

    /// Adds a message, unless it is a duplicate. If the user does not see it, it is counted as unread.
    pub(crate) fn receive(&mut self, direct: &Direct, seen: bool, now: Moment, zone: &TimeZone) {
        let message = &direct.message;
        let key = EntryKey::Theirs(message.id);
        if self.transcript.get(key).is_some() {
            // It may have been loaded before, and comes again because nobody has seen it.
            self.unseen_ids.push(message.id);
            return;
        }
        let (trust, mark) = match direct.verification {
            Verification::Verified(_) => (TrustLevel::Verified, Mark::Verified),
            Verification::Known(_) => (TrustLevel::Known, Mark::Known),
            Verification::Unverified(_) => (TrustLevel::Unverified, Mark::Unverified),
        };
        self.unseen_ids.push(message.id);
        if !seen {
            if self.unread == 0 {
                self.transcript.set_new_line(Some(key));
            }
            match self.expected.checked_sub(1) {
                Some(others) => self.expected = others,
                None => self.unread += 1,
            }
            self.unread_messages.truncate(MAX_UNREAD - 1);
            self.unread_messages.push_front(direct.clone());
        }
        // The title shows the trust level. A message repeats it only if it changes, or as a warning.
        let differs = self.trust.is_some_and(|before| before != trust);
        let mark = Some(mark).filter(|_| differs || trust == TrustLevel::Unverified);
        let mark = match message.sent_at.and_then(|sent| late_since(sent, now, zone)) {
            Some(from) => Some(Mark::Late(from, mark.map(Box::new))),
            None => mark,
        };
        self.trust = Some(trust);
        self.matters |= trust != TrustLevel::Unverified;
        self.typing_until = None;
        self.received = Some(message.id);
        let body = EntryBody::Message {
            sender: message.sender.clone(),
            own: false,
            mention: false,
            text: message.text.as_str().to_owned(),
            mark,
        };
        self.transcript.push(TranscriptEntry { key, at: now.wall, body });
    }

    /// Returns the peer, with the numbers of unread and queued messages, as a line.
    pub(super) fn summary(&self) -> String {
        let mut line = format!("direct with {}", self.name);
        if self.unread > 0 {
            line.push_str(&format!(", {} not read", self.unread));
        }
        if self.queued() > 0 {
            line.push_str(&format!(", {} queued", self.queued()));
        }
        line
    }

    /// The number of messages in the outbox.
    pub(crate) fn queued(&self) -> usize {
        self.unsent.queued().count()
    }

    /// Records what is kept of earlier chats.
    pub(super) fn on_listed(&mut self, unread: usize) {
        self.matters = true;
        self.kept.is_listed = true;
        self.expected = unread.saturating_sub(self.unread);
        self.unread = self.unread.max(unread);
    }

    /// Adds a message that is in the outbox, unless it is here already.
    pub(super) fn add_queued(&mut self, queued: &Queued, me: &Name) {
        let key = EntryKey::Own(queued.id);
        if self.transcript.get(key).is_some() {
            return;
        }
        self.matters = true;
        let body = EntryBody::Message {
            sender: me.clone(),
            own: true,
            mention: false,
            text: queued.text.as_str().to_owned(),
            mark: Some(Mark::Queued),
        };
        self.transcript.push(TranscriptEntry { key, at: queued.queued_at, body });
        self.unsent.push(queued.id, queued.text.clone());
        self.queue(queued.id);
    }

    /// Returns true if the chat can be closed to make room for another one.
    pub(super) fn is_closable(&self) -> bool {
        let stranger = matches!(self.trust, None | Some(TrustLevel::Unverified));
        stranger && !self.matters && self.draft.is_empty() && self.unsent.is_empty()
    }

    /// Sets what the contact book has about the peer.
    pub(crate) fn set_contact(&mut self, trust: Option<TrustLevel>) {
        self.looked_up = true;
        // Only the contact book tells that a peer is verified or blocked.
        let by_book =
            |trust: &TrustLevel| matches!(trust, TrustLevel::Verified | TrustLevel::Blocked);
        let received = self.trust.filter(|trust| !by_book(trust));
        self.trust = trust.or(received);
    }

    /// Returns true if the peer is not in the contact book and was never heard of here.
    pub(crate) fn is_with_unknown_peer(&self) -> bool {
        let queued = self.unsent.queued().next().is_some();
        let heard_of = self.received.is_some() || self.reached || self.live || self.kept.is_listed;
        self.looked_up && self.trust.is_none() && !heard_of && !queued
    }

    /// The unread messages, the latest last.
    pub(crate) fn unread_messages(&self) -> impl Iterator<Item = &Direct> {
        self.unread_messages.iter().rev()
    }

    /// Drops the unread messages that will be received again.
    pub(crate) fn drop_redelivered(&mut self, is_redelivered: impl Fn(&Direct) -> bool) {
        let before = self.unread_messages.len();
        self.unread_messages.retain(|direct| !is_redelivered(direct));
        self.unread = self.unread.saturating_sub(before - self.unread_messages.len());
    }

    /// Marks all messages as read. Returns the message to report to the peer, if there is a new one.
    pub(crate) fn mark_read(&mut self) -> Option<MessageId> {
        (self.unread, self.expected) = (0, 0);
        self.unread_messages.clear();
        let received = self.received.filter(|_| self.marked != self.received);
        self.marked = self.received;
        received
    }

    /// Adds a message of the user that is being sent.
    pub(crate) fn send(&mut self, id: MessageId, text: Text, me: &Name, now: Moment) {
        self.typing_sent = None;
        self.matters = true;
        self.transcript.push_own(id, me, &text, now.wall);
        self.unsent.push(id, text);
    }

    pub(crate) fn on_delivered(&mut self, id: MessageId, path: Option<String>) {
        self.unsent.remove(id);
        if path.is_some() {
            self.path = path;
        }
        self.reached = true;
        // The path is shown once, and when it changes.
        let path = self.path.clone().unwrap_or_else(|| "direct".into());
        let news = self.shown_path.as_ref() != Some(&path);
        let shown = if news { path.clone() } else { String::new() };
        self.shown_path = Some(path);
        self.transcript.mark(EntryKey::Own(id), Mark::Delivered(shown));
        self.delivered.truncate(MAX_DELIVERED - 1);
        self.delivered.push_front(id);
        // On another connection, the read mark may have come before the receipt.
        if self.read_until == Some(id) {
            self.on_read(id);
        }
    }

    /// Records that the peer has read everything up to a message, in the order of delivery.
    pub(crate) fn on_read(&mut self, id: MessageId) {
        let Some(at) = self.delivered.iter().position(|delivered| *delivered == id) else {
            self.read_until = Some(id);
            return;
        };
        for id in self.delivered.drain(at..) {
            self.transcript.mark_read(EntryKey::Own(id));
        }
    }

    pub(crate) fn fail(&mut self, id: MessageId, reason: String) {
        self.unsent.fail(id, reason, &mut self.transcript);
    }

    /// Marks all messages that are being sent as failed. Those in the outbox stay there.
    pub(crate) fn fail_all(&mut self, reason: &str) {
        self.unsent.fail_all(reason, &mut self.transcript);
    }

    /// Records that a message is in the outbox.
    pub(crate) fn queue(&mut self, id: MessageId) {
        self.unsent.queue(id, &mut self.transcript);
    }

    /// Records that a message was dropped from the outbox, if it was there.
    pub(crate) fn on_dropped(&mut self, id: MessageId) {
        if self.unsent.remove_queued(id) {
            self.transcript.mark(EntryKey::Own(id), Mark::Failed("dropped".into()));
        }
    }

    /// The failed message with this id, or the first one, to be sent again with the same id.
    pub(crate) fn retry(&mut self, id: Option<MessageId>) -> Option<(MessageId, Text)> {
        self.unsent.retry(id, &mut self.transcript)
    }

    /// Records that the peer types, or has stopped.
    pub(crate) fn set_typing(&mut self, active: bool, now: Moment) {
        self.typing_until = active.then(|| now.mono + TYPING);
    }

    /// Returns true if the peer is typing.
    pub(crate) fn is_typing(&self, now: Moment) -> bool {
        self.typing_until.is_some_and(|until| now.mono < until)
    }

    /// Ends typing after [`TYPING`]. Returns true if it has just ended.
    pub(crate) fn expire_typing(&mut self, now: Moment) -> bool {
        self.typing_until.take_if(|until| now.mono >= *until).is_some()
    }

    /// Returns true if the peer is to be notified that the user types, or has stopped. While the user
    /// types, this is so once in [`TYPING_INTERVAL`].
    pub(crate) fn notifies_typing(&mut self, active: bool, now: Moment) -> bool {
        let notify = match (active, self.typing_sent) {
            (true, Some(at)) => now.mono.duration_since(at) >= TYPING_INTERVAL,
            (true, None) => true,
            (false, sent) => sent.is_some(),
        };
        if notify {
            self.typing_sent = active.then_some(now.mono);
        }
        notify
    }
}

/// The time when a message was written, if it was received more than a minute later.
fn late_since(sent: Timestamp, now: Moment, zone: &TimeZone) -> Option<String> {
    let late = now.wall.duration_since(sent) > SignedDuration::from_secs(60);
    late.then(|| when(sent, now.wall, zone))
}
