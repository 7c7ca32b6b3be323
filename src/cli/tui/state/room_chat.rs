//! A room on the screen: its messages, the user's unsent posts, and what is unread.

use std::collections::BTreeSet;

use super::{Moment, mentions::Reader, timeline::Timeline, unsent::UnsentMessages};
use crate::{
    cli::tui::transcript::{EntryKey, Mark, Transcript},
    model::{Message, MessageId, Name, Position, RoomName, Text},
};

pub(crate) struct RoomChat {
    pub(crate) name: RoomName,
    /// The latest messages, to which new ones are added.
    pub(crate) live: Timeline,
    /// Older messages that are shown instead.
    pub(crate) past: Option<Timeline>,
    pub(crate) unread: usize,
    /// Whether there are more unread messages, which are not loaded.
    pub(crate) has_more_unread: bool,
    /// Whether an unread message mentions the user.
    pub(crate) mentioned: bool,
    pub(crate) muted: bool,
    /// The number of members, as the hub says.
    pub(crate) members: Option<u32>,
    /// The names of the members, unless there are many peers on the hub.
    pub(crate) names: Option<BTreeSet<Name>>,
    /// The input of the room while another chat is current.
    pub(crate) draft: String,
    /// The last position at the time of joining. Messages up to it are history.
    pub(super) head: Option<Position>,
    pub(super) unsent: UnsentMessages,
    /// Up to where the room is read, and up to where it was read in an earlier chat.
    pub(crate) read: Option<Position>,
    pub(super) read_before: Option<Position>,
}

/// What a received message is to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was received before.
    Duplicate,
    /// It is history, or the user's own.
    Quiet,
    /// A new message of somebody else.
    New {
        /// Whether it mentions the user.
        mention: bool,
    },
}

impl RoomChat {
    pub(crate) fn new(name: RoomName) -> Self {
        Self {
            name,
            live: Timeline::new(),
            past: None,
            unread: 0,
            has_more_unread: false,
            mentioned: false,
            muted: false,
            members: None,
            names: None,
            draft: String::new(),
            head: None,
            unsent: UnsentMessages::default(),
            read: None,
            read_before: None,
        }
    }

    pub(crate) fn transcript_mut(&mut self) -> &mut Transcript {
        &mut self.timeline_mut().transcript
    }

    /// The visible messages.
    pub(crate) fn timeline(&self) -> &Timeline {
        self.past.as_ref().unwrap_or(&self.live)
    }

    /// The visible messages.
    pub(crate) fn timeline_mut(&mut self) -> &mut Timeline {
        self.past.as_mut().unwrap_or(&mut self.live)
    }

    /// Returns true if new messages are visible.
    pub(crate) fn is_at_end(&self) -> bool {
        self.past.is_none() && self.live.transcript.is_at_end()
    }

    pub(crate) fn on_joined(&mut self, head: Position) {
        if self.head.is_none_or(|known| known.epoch != head.epoch) {
            self.head = Some(head);
        }
    }

    /// Returns true if the history that comes with joining is complete.
    pub(crate) fn has_history(&self) -> bool {
        self.head.is_some_and(|head| head.seq == 0 || !self.live.is_news(head))
    }

    /// Returns true if nobody has posted to the room.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_some_and(|head| head.seq == 0)
            && self.live.newest.is_none()
            && self.unsent.is_empty()
    }

    /// Adds a message. If the user does not see it, it is counted as unread; a hidden one is not.
    pub(crate) fn receive(
        &mut self,
        message: &Message,
        me: &Reader,
        seen: bool,
        hidden: bool,
    ) -> Arrival {
        if !self.live.is_news(message.position) {
            return Arrival::Duplicate;
        }
        let own = message.sender == me.name;
        let local = if own { self.on_own_arrived(message.id) } else { None };
        let mention = !own && me.is_named_in(message.text.as_str());
        let history = self.head.is_some_and(|head| {
            head.epoch == message.position.epoch && message.position.seq <= head.seq
        });
        let counts = !own && !history;
        // Messages since the last chat are unread as well.
        let read_before = self.read_before.filter(|read| {
            history && read.epoch == message.position.epoch && message.position.seq > read.seq
        });
        if self.live.newest.is_none() {
            self.has_more_unread = read_before.is_some_and(|read| message.prev_seq > read.seq);
        }
        let missed = !own && read_before.is_some();
        if !hidden && (missed || (counts && !seen)) {
            self.count_unread(mention, message.position);
        }
        self.live.add(message, me, local);
        if history {
            self.live.transcript.sink_notices();
        }
        if local.is_none() {
            self.unsent.overtake();
        }
        if counts { Arrival::New { mention } } else { Arrival::Quiet }
    }

    /// Makes the past the live timeline if it reaches the latest message.
    pub(crate) fn join_past(&mut self) {
        let behind = |past: &Timeline| self.live.newest.is_some_and(|newest| past.is_news(newest));
        let Some(mut past) = self.past.take_if(|past| !behind(past)) else { return };
        for id in self.unsent.ids() {
            if let Some(entry) = self.live.transcript.get(EntryKey::Own(id)) {
                past.transcript.push(entry.clone());
            }
        }
        self.live = past;
    }

    fn count_unread(&mut self, mention: bool, at: Position) {
        if self.unread == 0 {
            self.live.transcript.set_new_line(Some(EntryKey::Posted(at)));
        }
        self.unread += 1;
        self.mentioned |= mention && !self.muted;
    }

    /// Records that the user has seen all messages.
    pub(super) fn mark_read(&mut self) {
        (self.unread, self.has_more_unread, self.mentioned) = (0, false, false);
        self.read = self.live.newest.or(self.read);
    }

    /// Goes to the first unread message if it is loaded. Returns the position after which it has to be
    /// loaded otherwise. The view stays where it is if nothing is unread.
    pub(super) fn jump_to_unread(&mut self) -> Option<Position> {
        if self.unread == 0 || self.past.is_some() {
            return None;
        }
        self.live.transcript.to_new_line();
        self.read_before.filter(|_| self.has_more_unread)
    }

    /// Shows the page that begins with the first unread message.
    pub(super) fn show_unread(&mut self, mut past: Timeline, first: Option<Position>, more: bool) {
        past.transcript.set_new_line(first.map(EntryKey::Posted));
        past.transcript.to_new_line();
        self.has_more_unread = false;
        self.past = Some(past);
        if !more {
            self.join_past();
        }
    }

    /// Removes a post from the unsent ones. Returns its key if the message can replace it in place;
    /// otherwise it is removed from the transcript, and the message is to be appended.
    fn on_own_arrived(&mut self, id: MessageId) -> Option<EntryKey> {
        let key = EntryKey::Own(id);
        if self.unsent.remove_in_order(id)? {
            return Some(key);
        }
        self.live.transcript.remove(key);
        None
    }

    /// Adds a post of the user that is being sent.
    pub(crate) fn post(&mut self, id: MessageId, text: Text, me: &Name, now: Moment) {
        self.past = None;
        self.live.transcript.push_own(id, me, &text, now.wall);
        self.unsent.push(id, text);
    }

    /// Records that the hub has stored a post. The message itself comes later, or came already.
    pub(crate) fn on_posted(&mut self, id: MessageId, at: Position) {
        if self.live.is_news(at) {
            self.live.transcript.mark(EntryKey::Own(id), Mark::Sent);
        } else {
            self.unsent.remove(id);
            self.live.transcript.remove(EntryKey::Own(id));
        }
    }

    /// Marks a post as failed.
    pub(crate) fn fail(&mut self, id: MessageId, reason: String) {
        self.unsent.fail(id, reason, &mut self.live.transcript);
    }

    /// Marks all posts that are being sent as failed.
    pub(crate) fn fail_all(&mut self, reason: &str) {
        self.unsent.fail_all(reason, &mut self.live.transcript);
    }

    /// The first failed post, to be sent again with the same id.
    pub(crate) fn retry(&mut self) -> Option<(MessageId, Text)> {
        self.unsent.retry(None, &mut self.live.transcript)
    }
}
