//! What a transcript is made of.

use jiff::Timestamp;

use crate::model::{MessageId, Name, Position};

/// What identifies an entry: to update it, to jump to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A room's message, by its place.
    Posted(Position),
    /// One's own direct message, or one's own post that has no place yet.
    Own(MessageId),
    /// A direct message of somebody else: ids are made by whoever speaks, so it never stands for
    /// one's own.
    Theirs(MessageId),
    /// A word of the program, by a number that whoever counts them gives.
    Notice(u64),
}

/// A line of a conversation, or several.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What identifies it.
    pub(crate) key: Key,
    /// When it was.
    pub(crate) at: Timestamp,
    /// What it was.
    pub(crate) body: Body,
}

/// What an entry says. Texts are as they came: drawing makes them harmless.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Somebody said something.
    Said {
        /// Who.
        who: Name,
        /// Whether that is oneself.
        own: bool,
        /// Whether oneself is spoken of.
        mention: bool,
        /// What was said.
        text: String,
        /// What is to be known of it: for one's own, and for direct ones.
        mark: Option<Mark>,
    },
    /// A word of the program: who came and went, a gap.
    Notice(String),
    /// What somebody has said whom the person has blocked: one line for all of it.
    Hidden {
        /// Who.
        who: Name,
        /// What, to be shown when they are not blocked any more.
        said: Vec<Entry>,
    },
}

/// What became of a message, or what is known of who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// On its way.
    Sending,
    /// The hub has it.
    Sent,
    /// It did not get there, for this reason.
    Failed(String),
    /// Kept until the peer is back.
    Queued,
    /// The peer's client has it; by this path, as `direct 127.0.0.1:54322`.
    Delivered(String),
    /// The peer has seen it; by this path.
    Read(String),
    /// From somebody with the key that the contact book has.
    Known,
    /// From somebody whose key was compared.
    Verified,
    /// From somebody whose key is not known to be theirs.
    Unverified,
    /// It was written some time before it came: when, and what else is known of it.
    Late(String, Option<Box<Mark>>),
}

impl Entry {
    /// The bytes that it holds, about.
    pub(super) fn weight(&self) -> usize {
        let texts = match &self.body {
            Body::Notice(text) => text.len(),
            Body::Hidden { said, .. } => said.iter().map(Self::weight).sum(),
            Body::Said { who, text, mark, .. } => {
                who.as_str().len() + text.len() + mark.as_ref().map_or(0, Mark::weight)
            }
        };
        size_of::<Self>() + texts
    }

    /// Its mark; `None` in a word of the program.
    pub(super) fn mark_mut(&mut self) -> Option<&mut Option<Mark>> {
        match &mut self.body {
            Body::Said { mark, .. } => Some(mark),
            Body::Notice(_) | Body::Hidden { .. } => None,
        }
    }
}

impl Mark {
    fn weight(&self) -> usize {
        match self {
            Self::Failed(text) | Self::Delivered(text) | Self::Read(text) => text.len(),
            _ => 0,
        }
    }
}
