//! The types of Chinwag: parsed once, and valid from then on.
//!
//! Nothing here depends on gRPC or an async runtime.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

mod certificate;
mod endpoint;
mod fingerprint;
pub(crate) mod fold;
mod join_link;
mod name;
mod written;

pub use certificate::{
    Certificate, CertificateField, KeyMismatch, MAX_CERTIFICATE_BYTES, ProfileError, TLS_NAME,
};
pub use endpoint::{Endpoint, MAX_HOST_BYTES};
pub use fingerprint::Fingerprint;
pub use join_link::{InviteCode, JoinLink, MAX_INVITE_BYTES, MAX_LINK_BYTES};
pub use name::{LOBBY, MAX_NAME_BYTES, Name, RoomName};

/// The maximum length of a message's text, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The maximum number of endpoints of a session: more than a machine with several networks needs,
/// few enough that a list of peers stays small.
pub const MAX_ENDPOINTS: usize = 8;

/// The maximum number of past messages that a join may begin with. Read more of them page by page.
pub const MAX_LAST: u32 = 1_000;

/// Why a value is invalid, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    fn because(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

/// The sender's id of a message, unique per sender. A retry has the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Creates an id that sorts after earlier ones (UUID version 7, RFC 9562).
    #[allow(clippy::new_without_default, reason = "a default that differs every time misleads")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Parses the 36-character form. Errors if `raw` is not a UUID, or is the nil UUID.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        match Uuid::try_parse(raw) {
            Ok(id) if raw.len() == 36 && !id.is_nil() => Ok(Self(id)),
            _ => Err(Invalid::because("a message id must be a UUID in its 36-character form")),
        }
    }

    /// Appends the 36-character form.
    pub fn put(&self, to: &mut String) {
        to.push_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }

    /// Returns the 16 bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns the id with these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text of a message: 1 to [`MAX_TEXT_BYTES`] bytes. Escape it before printing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

impl Text {
    /// Checks a text. Errors if it is empty or too long.
    pub fn parse(raw: impl Into<Arc<str>> + AsRef<str>) -> Result<Self, Invalid> {
        match raw.as_ref().len() {
            0 => Err(Invalid::because("a text must not be empty")),
            1..=MAX_TEXT_BYTES => Ok(Self(raw.into())),
            bytes => Err(Self::too_long(bytes)),
        }
    }

    /// Returns the error for a text of so many bytes.
    pub(crate) fn too_long(bytes: impl fmt::Display) -> Invalid {
        Invalid::because(format!(
            "a text must not be longer than {MAX_TEXT_BYTES} bytes; this one has {bytes}"
        ))
    }

    /// Returns the text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A position in a log: see `chinwag.v1.Position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The epoch of the log.
    pub epoch: u64,
    /// The sequence number within the epoch; 0 is before the first entry.
    pub seq: u64,
}

/// The status of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerStatus {
    /// Present and ready.
    #[default]
    Online,
    /// Present, but nobody is at the keyboard.
    Away,
    /// Present, and not to be disturbed.
    Busy,
    /// Present, but not listed.
    Invisible,
}

/// A participant, as the hub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: Name,
    /// The endpoints of its PeerChat servers, those of the newest session first.
    pub endpoints: Vec<Endpoint>,
    /// The status of its newest visible session.
    pub status: PeerStatus,
    /// When its oldest session began.
    pub online_since: Timestamp,
    /// The key that owns the name; `None` if no key does.
    pub key: Option<Fingerprint>,
    /// The certificate of that key, if the peer was looked up; lists do not contain it.
    pub certificate: Option<Certificate>,
    /// Whether the name is free again when the last session has ended.
    pub guest: bool,
    /// Since when it has its status, by the hub's clock; `None` if the hub does not say.
    pub status_since: Option<Timestamp>,
}

/// A message without a position yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The sender's id of the message.
    pub id: MessageId,
    /// The room.
    pub room: RoomName,
    /// The sender.
    pub sender: Name,
    /// The text.
    pub text: Text,
}

/// A stored message of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender's id of the message.
    pub id: MessageId,
    /// The room.
    pub room: RoomName,
    /// The position.
    pub position: Position,
    /// The seq of the previous message of the same room and epoch; 0 for the first.
    pub prev_seq: u64,
    /// The sender.
    pub sender: Name,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The text.
    pub text: Text,
}

/// A message that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The message.
    pub message: Message,
    /// The matching byte ranges of its text, sorted and not overlapping.
    pub ranges: Vec<std::ops::Range<usize>>,
}

/// The acknowledgement of a stored post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The id of the message.
    pub id: MessageId,
    /// The room.
    pub room: RoomName,
    /// The position.
    pub position: Position,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether it was stored before already.
    pub duplicate: bool,
}

/// A direct message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectMessage {
    /// The sender's id of the message.
    pub id: MessageId,
    /// The name of the sender: only a claim unless the transport proved it.
    pub sender: Name,
    /// When it was written, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// The text.
    pub text: Text,
}

/// The receipt of a client that holds a direct message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the message.
    pub id: MessageId,
    /// The receiving peer.
    pub receiver: Name,
    /// When it was first accepted, by the receiver's clock.
    pub accepted_at: Timestamp,
    /// Whether it was accepted before already.
    pub duplicate: bool,
}

/// A listed room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its name.
    pub name: RoomName,
    /// The number of sessions in it.
    pub members: u32,
    /// Its last position; seq 0 if it has no message.
    pub head: Position,
    /// Its first position that can still be read; equal to `head` with seq 0 if it has no message.
    pub first: Position,
    /// When its last message was stored.
    pub last_message_at: Option<Timestamp>,
}

/// Where to begin in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the next message.
    #[default]
    Head,
    /// Directly after this position.
    After(Position),
    /// With up to this many of the latest messages.
    Last(u32),
    /// With the first message stored at this time or later.
    Since(Timestamp),
}
