//! What can go wrong, in the terms of those who asked.

use std::time::Duration;

mod reason;

pub use reason::Reason;

use crate::model::{Endpoint, Fingerprint, MessageId, Name, RoomName};

/// One thing wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, for example `join.room`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

/// Why a log cannot be read from where somebody wants to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The position is of another life of the log.
    Epoch,
    /// What follows the position has been removed.
    Truncated,
    /// The log has not come that far.
    Ahead,
}

/// A refusal by the other side, as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: tonic::Code,
    /// The stable reason.
    pub reason: Reason,
    /// What the other side says, in English. Not to be trusted by a terminal.
    pub message: String,
    /// The fields that were wrong.
    pub violations: Vec<Violation>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether the other side is about to stop, and would have consented otherwise.
    pub fn is_shutdown(&self) -> bool {
        self.code == tonic::Code::Unavailable && self.reason == Reason::ShuttingDown
    }
}

/// What can go wrong in the hub and in a client.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is malformed.
    #[error("{}", describe(.0))]
    Invalid(Vec<Violation>),
    /// The name belongs to somebody else.
    #[error("the name {0} is taken")]
    NameTaken(Name),
    /// The name belongs to somebody else, and the caller has other names.
    #[error("the name {wanted} is taken, and yours on this hub is {}", list(.yours))]
    OtherName {
        /// The refused name.
        wanted: Name,
        /// Those that the caller may have; at least one.
        yours: Vec<Name>,
    },
    /// The name is too easily taken for one that belongs to somebody else.
    #[error("the name {wanted} looks like {taken}, which is taken")]
    NameConfusable {
        /// The refused name.
        wanted: Name,
        /// The name it looks like.
        taken: Name,
    },
    /// The hub hears nobody who shows no key and no token of a name's owner.
    #[error("this hub takes no guests here: use TLS with a key of your own")]
    GuestsRefused,
    /// The hub is closed to newcomers without an invitation.
    #[error("{}", if *shown {
        "the invitation is unknown, used up or expired: ask the hub's keeper for another"
    } else {
        "newcomers need an invitation to this hub: ask its keeper for one"
    })]
    InviteRequired {
        /// Whether one was shown.
        shown: bool,
    },
    /// The hub's keeper has removed the caller.
    #[error("the hub's keeper has removed you: only a new invitation lets you in again")]
    Removed,
    /// The token is none that the hub knows, or is shown by somebody else than its owner.
    #[error("the token is refused: {0}")]
    TokenRefused(String),
    /// The name belongs to nobody, or to no bot.
    #[error("no member is named {0}")]
    MemberUnknown(Name),
    /// The call needs a session's token and has none.
    #[error("no session: register first and send \"authorization: Bearer TOKEN\"")]
    SessionMissing,
    /// The session has ended, or never was.
    #[error("the session has ended: register again")]
    SessionEnded,
    /// The caller speaks without encryption and may not.
    #[error("plaintext is accepted from loopback at most; use TLS")]
    PlaintextRefused,
    /// The session is not in the room.
    #[error("not in the room {0}: join it first")]
    NotJoined(RoomName),
    /// The hub lists no such peer.
    #[error("no peer named {0} is here")]
    PeerUnknown(Name),
    /// The sender has used the id for another message.
    #[error("the message id {0} was used for another message")]
    MessageIdReused(MessageId),
    /// The log cannot be read from there.
    #[error("{}", match .0 {
        Gone::Epoch => "the position is of an earlier life of the log, which is lost",
        Gone::Truncated => "the messages after that position have been removed",
        Gone::Ahead => "the log has not come to that position",
    })]
    PositionGone(Gone),
    /// A bound was reached.
    #[error("{what}")]
    LimitReached {
        /// Which, and its value.
        what: String,
        /// When it may be worth trying again; `None`: not by waiting.
        retry_after: Option<Duration>,
    },
    /// The caller does something too often.
    #[error("too many {what}: come again in {:.1} s", .retry_after.as_secs_f64())]
    RateLimited {
        /// What there are too many of.
        what: &'static str,
        /// When there may be another.
        retry_after: Duration,
    },
    /// The receiving client's inbox is full.
    #[error("the inbox is full")]
    InboxFull,
    /// The message is meant for another client than the one it came to.
    #[error("nobody named {0} listens here")]
    WrongReceiver(Name),
    /// The server is about to stop.
    #[error("shutting down")]
    ShuttingDown,
    /// The store takes no messages.
    #[error("the store is not available: {0}")]
    StoreUnavailable(String),
    /// The store, or a client's outbox or inbox, holds something it should not, or cannot be opened.
    #[error("{0}")]
    Store(String),
    /// The hub cannot be reached.
    #[error("no hub at {hub}: {cause}")]
    HubUnreachable {
        /// Where it should be.
        hub: Endpoint,
        /// What was tried and how it failed.
        cause: String,
    },
    /// The hub has another key than it should: it is another one, or somebody stands in between.
    /// Nothing was said to it.
    #[error(
        "the hub at {hub} has another key than before, and nothing was said to it; known: {known}; \
         now: {offered}"
    )]
    HubKeyChanged {
        /// Where it is.
        hub: Endpoint,
        /// The key it should have.
        known: Fingerprint,
        /// The key it showed.
        offered: Fingerprint,
    },
    /// What answers at the hub's place cannot be shown to be the hub. Nothing was said to it.
    #[error("the hub at {hub} is not to be trusted: {cause}")]
    HubUntrusted {
        /// Where it should be.
        hub: Endpoint,
        /// The key that it should have, where that is known.
        known: Option<Fingerprint>,
        /// What is wrong with it.
        cause: String,
    },
    /// The hub lists another key for a peer than the contact book has. Nothing was sent.
    #[error(
        "{name} has another key than before, and nothing was sent; known: {known}; now: {offered}"
    )]
    KeyChanged {
        /// The peer.
        name: Name,
        /// The key in the contact book.
        known: Fingerprint,
        /// The key that the hub lists.
        offered: Fingerprint,
    },
    /// A peer has no key, so there is nothing to compare.
    #[error("{0} has no key: there is nothing to compare")]
    NoKey(Name),
    /// Somebody has no key, and the hub that says so is not on this machine. Nothing was sent.
    #[error("nothing was sent: with a hub elsewhere only who has a key is spoken to")]
    Keyless,
    /// One wants to hear nothing of somebody, and therefore says nothing to them.
    #[error("{0} is blocked in the contact book")]
    Blocked(Name),
    /// This client does not hear this caller.
    #[error("this client does not hear you: {0}")]
    CallerRefused(&'static str),
    /// The same as long as the hub cannot be asked about the caller.
    #[error("this client does not hear you yet: {0}")]
    CallerUnproved(&'static str),
    /// The caller's name is known here by another key.
    #[error("{0} is known here by another key than yours")]
    CallerKeyChanged(Name),
    /// A peer cannot be reached.
    #[error("{peer} cannot be reached: {cause}")]
    PeerUnreachable {
        /// The peer's name or endpoint.
        peer: String,
        /// What was tried and how it failed.
        cause: String,
    },
    /// The other side refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The other side does not keep to the protocol.
    #[error("the other side broke the protocol: {0}")]
    Protocol(String),
    /// The client was stopped.
    #[error("the client has stopped")]
    Stopped,
    /// An operation of the machine failed.
    #[error("{0}")]
    Io(String),
}

fn describe(violations: &[Violation]) -> String {
    violations.iter().map(|v| format!("{}: {}", v.field, v.problem)).collect::<Vec<_>>().join("; ")
}

fn list(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// One field is wrong.
    pub fn invalid(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Invalid(vec![Violation { field: field.into(), problem: problem.to_string() }])
    }
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
