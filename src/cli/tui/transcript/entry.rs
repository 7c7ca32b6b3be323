//! The entries of a transcript.

use jiff::Timestamp;

use crate::model::{MessageId, Name, Position};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EntryKey {
    /// A message of a room, by its position.
    Posted(Position),
    /// A direct message of the user, or a post that has no position yet.
    Own(MessageId),
    /// A direct message of a peer. Senders choose ids, so it must not be taken for one of the user's.
    Theirs(MessageId),
    /// A notice of the program, by a number.
    Notice(u64),
}

/// A message or notice.
#[derive(Debug, Clone)]
pub(crate) struct TranscriptEntry {
    pub(crate) key: EntryKey,
    pub(crate) at: Timestamp,
    pub(crate) body: EntryBody,
}

/// The content of an entry. Texts are unescaped; drawing escapes them.
#[derive(Debug, Clone)]
pub(crate) enum EntryBody {
    /// A message.
    Message {
        sender: Name,
        /// Whether the user has sent it.
        own: bool,
        /// Whether it mentions the user.
        mention: bool,
        text: String,
        /// For messages of the user and direct messages.
        mark: Option<Mark>,
    },
    Notice(NoticeKind, String),
    /// Consecutive messages of a blocked peer, shown as one line.
    Hidden {
        sender: Name,
        /// The messages, to be shown when the peer is unblocked.
        messages: Vec<TranscriptEntry>,
    },
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoticeKind {
    /// An answer, or news of the program.
    Info,
    /// Who came and left.
    Presence,
    Error,
}

/// The state of a message of the user, or what is known about the sender of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Being sent.
    Sending,
    /// Stored by the hub.
    Sent,
    /// Failed, for this reason.
    Failed(String),
    /// In the outbox, until the peer is back.
    Queued,
    /// Delivered, by a path such as `direct 127.0.0.1:54322`.
    Delivered(String),
    /// Read by the peer; delivered by this path.
    Read(String),
    /// Sent with the key in the contact book.
    Known,
    /// Sent with a key that was compared.
    Verified,
    /// Sent without a proof that the key is the sender's.
    Unverified,
    /// Received some time after it was written: the time, and the other mark.
    Late(String, Option<Box<Mark>>),
}

impl TranscriptEntry {
    /// Returns true for a message that is in the outbox.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.body, EntryBody::Message { mark: Some(Mark::Queued), .. })
    }

    /// The approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        let texts = match &self.body {
            EntryBody::Notice(_, text) => text.len(),
            EntryBody::Hidden { messages, .. } => messages.iter().map(Self::weight).sum(),
            EntryBody::Message { sender, text, mark, .. } => {
                sender.as_str().len() + text.len() + mark.as_ref().map_or(0, Mark::weight)
            }
        };
        size_of::<Self>() + texts
    }

    /// The mark, or `None` if this is no message.
    pub(super) fn mark_mut(&mut self) -> Option<&mut Option<Mark>> {
        match &mut self.body {
            EntryBody::Message { mark, .. } => Some(mark),
            EntryBody::Notice(..) | EntryBody::Hidden { .. } => None,
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
