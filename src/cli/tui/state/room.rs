//! A room on the screen: what was said in it, what one has said and is not posted yet, and what of
//! it one has not seen.

use std::collections::BTreeSet;

use crate::{
    cli::tui::transcript::{Key, Mark, Transcript},
    model::{Message, MessageId, Name, Position, RoomName, Text},
};

use super::{Now, timeline::Timeline};

/// A room one is in.
pub(crate) struct Room {
    pub(crate) name: RoomName,
    /// What comes, as it comes.
    pub(crate) live: Timeline,
    /// A stretch of the past that is looked at instead.
    pub(crate) past: Option<Timeline>,
    pub(crate) unread: usize,
    pub(crate) mentioned: bool,
    pub(crate) muted: bool,
    pub(crate) members: Option<u32>,
    /// Who is in it, where there are few on the hub.
    pub(crate) names: Option<BTreeSet<Name>>,
    /// What is typed and not sent.
    pub(crate) draft: String,
    /// The last position when one came; what is at or before it is history.
    pub(super) head: Option<Position>,
    unsent: Vec<Unsent>,
    /// Up to where it was seen, and up to where that was in an earlier chat.
    pub(crate) seen: Option<Position>,
    pub(super) since: Option<Position>,
}

/// A post of one's own that is not posted yet.
struct Unsent {
    id: MessageId,
    text: Text,
    failed: bool,
    /// Somebody else has spoken since.
    overtaken: bool,
}

/// What to make of a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It was there already.
    Known,
    /// It was said before one came, or by oneself.
    Quiet,
    /// Somebody says something.
    Said {
        /// One's own name is in it.
        mention: bool,
    },
}

impl Room {
    pub(crate) fn new(name: RoomName) -> Self {
        Self {
            name,
            live: Timeline::new(),
            past: None,
            unread: 0,
            mentioned: false,
            muted: false,
            members: None,
            names: None,
            draft: String::new(),
            head: None,
            unsent: Vec::new(),
            seen: None,
            since: None,
        }
    }

    /// What is looked at.
    pub(crate) fn transcript(&mut self) -> &mut Transcript {
        &mut self.strand().transcript
    }

    /// The same, with where it begins and ends.
    pub(crate) fn strand(&mut self) -> &mut Timeline {
        self.past.as_mut().unwrap_or(&mut self.live)
    }

    /// Whether what comes is in sight.
    pub(crate) fn is_at_end(&self) -> bool {
        self.past.is_none() && self.live.transcript.at_end()
    }

    /// That the room was joined.
    pub(crate) fn joined(&mut self, head: Position) {
        if self.head.is_none_or(|known| known.epoch != head.epoch) {
            self.head = Some(head);
        }
    }

    /// Whether all that was said before one came has been told.
    pub(crate) fn is_told(&self) -> bool {
        self.head.is_some_and(|head| head.seq == 0 || !self.live.is_news(head))
    }

    /// Takes a message. Where it is not `seen` it is counted, under a line.
    pub(crate) fn hear(&mut self, message: &Message, me: &Name, seen: bool) -> Heard {
        if !self.live.is_news(message.position) {
            return Heard::Known;
        }
        let own = message.sender == *me;
        let local = if own { self.arrived(message.id) } else { None };
        let mention = !own && super::mentions::mentions(message.text.as_str(), me);
        let history = self.head.is_some_and(|head| {
            head.epoch == message.position.epoch && message.position.seq <= head.seq
        });
        let counts = !own && !history;
        // What was said since the last chat is news as well.
        let missed = !own
            && history
            && self.since.is_some_and(|since| {
                since.epoch == message.position.epoch && message.position.seq > since.seq
            });
        if (counts || missed) && !seen {
            self.count(mention);
        } else if missed && self.since.take().is_some() {
            self.begin_news();
        }
        self.live.add(message, me, local);
        if history {
            self.live.transcript.sink_notices();
        }
        if local.is_none() {
            self.unsent.iter_mut().for_each(|unsent| unsent.overtaken = true);
        }
        if counts { Heard::Said { mention } } else { Heard::Quiet }
    }

    /// The stretch of the past that was looked at has come to the present: from now on it is what
    /// comes. Otherwise there is more to load.
    pub(crate) fn come_back(&mut self) {
        let behind =
            |past: &Timeline| self.live.newest().is_some_and(|newest| past.is_news(newest));
        let Some(mut past) = self.past.take_if(|past| !behind(past)) else { return };
        for unsent in &self.unsent {
            if let Some(entry) = self.live.transcript.get(Key::Own(unsent.id)) {
                past.transcript.push(entry.clone());
            }
        }
        self.live = past;
    }

    fn count(&mut self, mention: bool) {
        if self.unread == 0 {
            self.begin_news();
        }
        self.unread += 1;
        self.mentioned |= mention && !self.muted;
    }

    fn begin_news(&mut self) {
        let last = self.live.transcript.last().map(|last| last.key);
        self.live.transcript.set_new_line(last);
    }

    /// What one has sent has come back. Returns where it stands if that is its place, too; otherwise
    /// it is taken away, to be put at the end.
    fn arrived(&mut self, id: MessageId) -> Option<Key> {
        let index = self.unsent.iter().position(|unsent| unsent.id == id)?;
        let key = Key::Own(id);
        let is_first = self.unsent[..index].iter().all(|before| before.failed);
        let unsent = self.unsent.remove(index);
        if is_first && !unsent.failed && !unsent.overtaken {
            return Some(key);
        }
        self.live.transcript.remove(key);
        None
    }

    /// That one says something.
    pub(crate) fn say(&mut self, id: MessageId, text: Text, me: &Name, now: Now) {
        self.past = None;
        self.live.transcript.say(id, me, &text, now.wall);
        self.unsent.push(Unsent { id, text, failed: false, overtaken: false });
    }

    /// That the hub has stored a post: it comes back as a message, or came already.
    pub(crate) fn posted(&mut self, id: MessageId, at: Position) {
        if self.live.is_news(at) {
            self.live.transcript.mark(Key::Own(id), Mark::Sent);
        } else {
            self.unsent.retain(|unsent| unsent.id != id);
            self.live.transcript.remove(Key::Own(id));
        }
    }

    /// That a post failed.
    pub(crate) fn failed(&mut self, id: MessageId, why: String) {
        if let Some(unsent) = self.unsent.iter_mut().find(|unsent| unsent.id == id) {
            unsent.failed = true;
            self.live.transcript.mark(Key::Own(id), Mark::Failed(why));
        }
    }

    /// That nothing will be posted any more.
    pub(crate) fn all_failed(&mut self, why: &str) {
        let sending: Vec<MessageId> =
            self.unsent.iter().filter(|unsent| !unsent.failed).map(|unsent| unsent.id).collect();
        for id in sending {
            self.failed(id, why.to_owned());
        }
    }

    /// The first post that failed, to be sent again under the same id.
    pub(crate) fn retry(&mut self) -> Option<(MessageId, Text)> {
        let failed = self.unsent.iter_mut().find(|unsent| unsent.failed)?;
        failed.failed = false;
        let (id, text) = (failed.id, failed.text.clone());
        self.live.transcript.mark(Key::Own(id), Mark::Sending);
        Some((id, text))
    }

    /// How many posts are under way.
    pub(crate) fn sending(&self) -> usize {
        self.unsent.iter().filter(|unsent| !unsent.failed).count()
    }

    /// All that is not posted.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = (MessageId, &Text)> {
        self.unsent.iter().map(|unsent| (unsent.id, &unsent.text))
    }
}
