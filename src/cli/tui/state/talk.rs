//! A direct conversation on the screen: what was said, what became of it, and how the peer is.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    cli::{
        tui::transcript::{Body, Entry, Key, Mark, Transcript},
        view::when,
    },
    client::{Direct, Verification},
    model::{MessageId, Name, Text},
};

use super::Now;

/// For how long a sign of typing holds.
const TYPING: Duration = Duration::from_secs(6);

/// How many messages may be read at once: of more the oldest stay as delivered.
const MAX_UNREAD: usize = 1000;

/// How many messages are kept beside the transcript until they are looked at.
const MAX_UNSEEN: usize = 100;

/// How often one tells that one types.
const TELL_TYPING: Duration = Duration::from_secs(3);

/// How far the peer is known, as a word says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Verified,
    Known,
    Unverified,
    Blocked,
}

impl Trust {
    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Known => "known",
            Self::Unverified => "unverified",
            Self::Blocked => "blocked",
        }
    }
}

/// A conversation with one peer.
pub(crate) struct Talk {
    pub(crate) name: Name,
    pub(crate) transcript: Transcript,
    pub(crate) unread: usize,
    /// What is typed and not sent.
    pub(crate) draft: String,
    /// Whether a line is open.
    pub(crate) live: bool,
    /// How the last call went, as in "direct 127.0.0.1:54322".
    pub(crate) path: Option<String>,
    pub(crate) known: Option<Trust>,
    /// Oneself or a peer with a known key has said something here.
    matters: bool,
    typing_until: Option<Instant>,
    told_typing: Option<Instant>,
    /// What came and was not looked at: its sender holds a receipt for it.
    unseen: VecDeque<Direct>,
    /// What the peer holds and has not read, the latest first.
    delivered: VecDeque<MessageId>,
    /// What came and was not looked at, by id.
    unlooked: Vec<MessageId>,
    /// The last message that came, and the last one that was marked as read.
    heard: Option<MessageId>,
    marked: Option<MessageId>,
    /// Up to where the peer has read, as far as it said so.
    read_until: Option<MessageId>,
    unsent: Vec<Unsent>,
    /// Whether the contact book was asked for the peer.
    looked_up: bool,
    /// Whether the peer holds something.
    reached: bool,
    /// The path that was shown last.
    shown_path: Option<String>,
}

/// What one has said and the peer does not hold yet.
struct Unsent {
    id: MessageId,
    text: Text,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sending,
    Failed,
    Queued,
}

impl Talk {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            transcript: Transcript::unanswered(),
            unread: 0,
            draft: String::new(),
            live: false,
            path: None,
            known: None,
            matters: false,
            typing_until: None,
            told_typing: None,
            unseen: VecDeque::new(),
            unlooked: Vec::new(),
            delivered: VecDeque::new(),
            heard: None,
            marked: None,
            read_until: None,
            unsent: Vec::new(),
            looked_up: false,
            reached: false,
            shown_path: None,
        }
    }

    /// Takes a message, unless one with its id is here. Where it is not `seen` it is counted, under a
    /// line.
    pub(crate) fn hear(&mut self, direct: &Direct, seen: bool, now: Now, zone: &TimeZone) {
        let message = &direct.message;
        let key = Key::Theirs(message.id);
        if self.transcript.get(key).is_some() {
            return;
        }
        let (known, mark) = match direct.verification {
            Verification::Verified(_) => (Trust::Verified, Mark::Verified),
            Verification::Known(_) => (Trust::Known, Mark::Known),
            Verification::Unverified(_) => (Trust::Unverified, Mark::Unverified),
        };
        self.unlooked.push(message.id);
        if !seen {
            if self.unread == 0 {
                let last = self.transcript.last().map(|last| last.key);
                self.transcript.set_new_line(last);
            }
            self.unread += 1;
            self.unseen.truncate(MAX_UNSEEN - 1);
            self.unseen.push_front(direct.clone());
        }
        // What the title says already is not said with each message, but for a warning.
        let differs = self.known.is_some_and(|before| before != known);
        let mark = Some(mark).filter(|_| differs || known == Trust::Unverified);
        let mark = match message.sent_at.and_then(|sent| written(sent, now, zone)) {
            Some(from) => Some(Mark::Late(from, mark.map(Box::new))),
            None => mark,
        };
        self.known = Some(known);
        self.matters |= known != Trust::Unverified;
        self.typing_until = None;
        self.heard = Some(message.id);
        let body = Body::Said {
            who: message.sender.clone(),
            own: false,
            mention: false,
            text: message.text.as_str().to_owned(),
            mark,
        };
        self.transcript.push(Entry { key, at: now.wall, body });
    }

    /// Whether it may be forgotten where others begin more of them than can be kept.
    pub(super) fn may_go(&self) -> bool {
        let stranger = matches!(self.known, None | Some(Trust::Unverified));
        stranger && !self.matters && self.draft.is_empty() && self.unsent.is_empty()
    }

    /// What the contact book says of the peer.
    pub(crate) fn is_known(&mut self, known: Option<Trust>) {
        self.looked_up = true;
        // That a key was compared, or somebody blocked, the book alone says.
        let heard = self.known.filter(|known| !matches!(known, Trust::Verified | Trust::Blocked));
        self.known = known.or(heard);
    }

    /// Whether the peer is nobody, as far as the contact book knows and has ever been heard here.
    pub(crate) fn is_with_nobody(&self) -> bool {
        let kept = self.waiting().next().is_some();
        let heard = self.heard.is_some() || self.reached || self.live;
        self.looked_up && self.known.is_none() && !heard && !kept
    }

    /// What came and was not looked at, the latest at the end.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &Direct> {
        self.unseen.iter().rev()
    }

    /// Leaves out what will come again, as nobody has looked at it.
    pub(crate) fn leave(&mut self, again: impl Fn(&Direct) -> bool) {
        let before = self.unseen.len();
        self.unseen.retain(|direct| !again(direct));
        self.unread -= before - self.unseen.len();
    }

    /// What is looked at now and was not before.
    pub(crate) fn looked(&mut self) -> Vec<MessageId> {
        std::mem::take(&mut self.unlooked)
    }

    /// Takes note that all of it is looked at. The message that is to be marked as read, if there is
    /// one.
    pub(crate) fn read(&mut self) -> Option<MessageId> {
        self.unread = 0;
        self.unseen.clear();
        let heard = self.heard.filter(|_| self.marked != self.heard);
        self.marked = self.heard;
        heard
    }

    /// That one says something.
    pub(crate) fn say(&mut self, id: MessageId, text: Text, me: &Name, now: Now) {
        self.told_typing = None;
        self.matters = true;
        self.transcript.say(id, me, &text, now.wall);
        self.unsent.push(Unsent { id, text, fate: Fate::Sending });
    }

    /// That the peer holds a message.
    pub(crate) fn delivered(&mut self, id: MessageId, path: Option<String>) {
        self.unsent.retain(|unsent| unsent.id != id);
        if path.is_some() {
            self.path = path;
        }
        self.reached = true;
        // How it went is said once, and when it changes.
        let path = self.path.clone().unwrap_or_else(|| "direct".into());
        let news = self.shown_path.as_ref() != Some(&path);
        let shown = if news { path.clone() } else { String::new() };
        self.shown_path = Some(path);
        self.transcript.mark(Key::Own(id), Mark::Delivered(shown));
        self.delivered.truncate(MAX_UNREAD - 1);
        self.delivered.push_front(id);
        // The word that it was read may have come on another line, before the receipt.
        if self.read_until == Some(id) {
            self.was_read(id);
        }
    }

    /// That the peer has read everything up to a message, in the order in which it was delivered.
    pub(crate) fn was_read(&mut self, id: MessageId) {
        let Some(at) = self.delivered.iter().position(|delivered| *delivered == id) else {
            self.read_until = Some(id);
            return;
        };
        for id in self.delivered.drain(at..) {
            self.transcript.mark_read(Key::Own(id));
        }
    }

    /// That a message was not delivered.
    pub(crate) fn failed(&mut self, id: MessageId, why: String) {
        self.set(id, Fate::Failed, Mark::Failed(why));
    }

    /// That a message waits for the peer.
    pub(crate) fn queued(&mut self, id: MessageId) {
        self.set(id, Fate::Queued, Mark::Queued);
    }

    /// What waits for the peer in the outbox.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = MessageId> {
        self.unsent.iter().filter(|unsent| unsent.fate == Fate::Queued).map(|unsent| unsent.id)
    }

    /// That a message was given up that waited for the peer, if it did.
    pub(crate) fn dropped(&mut self, id: MessageId) {
        let before = self.unsent.len();
        self.unsent.retain(|unsent| unsent.id != id || unsent.fate != Fate::Queued);
        if self.unsent.len() < before {
            self.transcript.mark(Key::Own(id), Mark::Failed("dropped".into()));
        }
    }

    /// That nothing will be delivered any more. What waits in the outbox still does.
    pub(crate) fn all_failed(&mut self, why: &str) {
        let sending = |unsent: &&Unsent| unsent.fate == Fate::Sending;
        let ids: Vec<MessageId> = self.unsent.iter().filter(sending).map(|u| u.id).collect();
        for id in ids {
            self.failed(id, why.to_owned());
        }
    }

    /// The first message that failed, to be sent again under the same id.
    pub(crate) fn retry(&mut self) -> Option<(MessageId, Text)> {
        let failed = self.unsent.iter_mut().find(|unsent| unsent.fate == Fate::Failed)?;
        failed.fate = Fate::Sending;
        let (id, text) = (failed.id, failed.text.clone());
        self.transcript.mark(Key::Own(id), Mark::Sending);
        Some((id, text))
    }

    fn set(&mut self, id: MessageId, fate: Fate, mark: Mark) {
        if let Some(unsent) = self.unsent.iter_mut().find(|unsent| unsent.id == id) {
            unsent.fate = fate;
            self.transcript.mark(Key::Own(id), mark);
        }
    }

    /// How many messages are under way.
    pub(crate) fn sending(&self) -> usize {
        self.unsent.iter().filter(|unsent| unsent.fate == Fate::Sending).count()
    }

    /// All that the peer does not hold, without what the outbox keeps.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = &Text> {
        self.unsent.iter().filter(|unsent| unsent.fate != Fate::Queued).map(|unsent| &unsent.text)
    }

    /// That the peer types, or has stopped to.
    pub(crate) fn types(&mut self, active: bool, now: Now) {
        self.typing_until = active.then(|| now.mono + TYPING);
    }

    /// Whether the peer types.
    pub(crate) fn is_typing(&self, now: Now) -> bool {
        self.typing_until.is_some_and(|until| now.mono < until)
    }

    /// Whether a sign of typing has become old; it is forgotten then.
    pub(crate) fn typing_ended(&mut self, now: Now) -> bool {
        self.typing_until.take_if(|until| now.mono >= *until).is_some()
    }

    /// Whether the peer is to be told that one types: not again and again.
    pub(crate) fn tells_typing(&mut self, active: bool, now: Now) -> bool {
        let said = self.told_typing;
        let tell = match (active, said) {
            (true, Some(at)) => now.mono.duration_since(at) >= TELL_TYPING,
            (true, None) => true,
            (false, said) => said.is_some(),
        };
        if tell {
            self.told_typing = active.then_some(now.mono);
        }
        tell
    }
}

/// When a message was written that came more than a minute later, in words.
fn written(sent: Timestamp, now: Now, zone: &TimeZone) -> Option<String> {
    let late = now.wall.duration_since(sent) > SignedDuration::from_secs(60);
    late.then(|| when(sent, now.wall, zone))
}
