//! Errors that more than one part of the library knows.
//!
//! What can go wrong differs by who asks:
//!
//! - A server refuses a request with a [`RequestError`]. `wire` alone maps it to a gRPC status.
//! - A client gets that status as a [`Refusal`], within the error of its own operations,
//!   [`client::Error`](crate::client::Error).
//! - What starts on this machine, such as a hub, fails with a [`SystemError`] where a file, a
//!   socket or the like is the cause.
//!
//! `Display` includes the cause, and [`source`](std::error::Error::source) gives it once more to
//! programs that look for its type.

use std::{
    error::Error as StdError,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

mod reason;

pub use reason::Reason;

use crate::model::{MessageId, Name, ProfileError, RoomName};

/// The cause of an error, shared by its clones.
pub type Source = Arc<dyn StdError + Send + Sync>;

/// A result whose error is a [`RequestError`].
pub type Result<T, E = RequestError> = std::result::Result<T, E>;

/// One invalid field of a request, or one invalid option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, for example `join.room`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

impl Violation {
    /// A violation of the field at this path.
    pub fn new(field: impl Into<String>, problem: impl ToString) -> Self {
        Self { field: field.into(), problem: problem.to_string() }
    }
}

/// Formats violations as one line.
pub(crate) fn describe(violations: &[Violation]) -> String {
    violations.iter().map(|v| format!("{}: {}", v.field, v.problem)).collect::<Vec<_>>().join("; ")
}

/// Why a log cannot be read from a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The position belongs to another epoch.
    Epoch,
    /// The messages after the position have been removed.
    Truncated,
    /// The log has not reached the position.
    Ahead,
}

/// A refusal by a server, as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: tonic::Code,
    /// The stable reason.
    pub reason: Reason,
    /// The server's message, in English. Make it harmless before printing it to a terminal
    /// ([`text::one_line`](crate::text::one_line)).
    pub message: String,
    /// The invalid fields.
    pub violations: Vec<Violation>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Returns true if the server refused only because it is stopping.
    pub fn is_shutdown(&self) -> bool {
        self.code == tonic::Code::Unavailable && self.reason == Reason::ShuttingDown
    }
}

/// Why a server of ours, a hub or a client's PeerChat, refuses a request.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Fields of the request are invalid.
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
        /// The caller's names; at least one.
        yours: Vec<Name>,
    },
    /// The hub's operator has renamed the caller.
    #[error("the hub's operator has renamed you: you are {now} now")]
    Renamed {
        /// The caller's name.
        now: Name,
    },
    /// The name looks like one that belongs to somebody else.
    #[error("the name {wanted} looks like {taken}, which is taken")]
    NameConfusable {
        /// The refused name.
        wanted: Name,
        /// The name it looks like.
        taken: Name,
    },
    /// The hub accepts only callers with a key or the token of a name's owner.
    #[error("this hub accepts no guests from your address: use TLS with a key of your own")]
    GuestsRefused,
    /// Newcomers need an invitation.
    #[error("{}", if *shown {
        "the invitation is unknown, used up or expired: ask the hub's operator for another"
    } else {
        "newcomers need an invitation to this hub: ask its operator for one"
    })]
    InviteRequired {
        /// Whether the caller showed one.
        shown: bool,
    },
    /// The hub's operator has removed the caller.
    #[error("the hub's operator has removed you: only a new invitation lets you in again")]
    Removed,
    /// The token is unknown to the hub, or belongs to somebody else.
    #[error("the token is refused: {0}")]
    TokenRefused(String),
    /// The name has no owner, or is not a bot's.
    #[error("no member is named {0}")]
    MemberUnknown(Name),
    /// The call needs a session token and has none.
    #[error("no session: register first and send \"authorization: Bearer TOKEN\"")]
    SessionMissing,
    /// The session has ended or never existed.
    #[error("the session has ended: register again")]
    SessionEnded,
    /// The caller uses plaintext where TLS is required.
    #[error("plaintext is accepted from loopback at most; use TLS")]
    PlaintextRefused,
    /// The session has not joined the room.
    #[error("not in the room {0}: join it first")]
    NotJoined(RoomName),
    /// The hub lists no such peer.
    #[error("no peer named {0} is here")]
    PeerUnknown(Name),
    /// The sender used the id for another message.
    #[error("the message id {0} was used for another message")]
    MessageIdReused(MessageId),
    /// The log cannot be read from the position.
    #[error("{}", match .0 {
        Gone::Epoch => "the position belongs to an earlier log, which is lost",
        Gone::Truncated => "the messages after that position have been removed",
        Gone::Ahead => "the log has not reached that position",
    })]
    PositionGone(Gone),
    /// A limit is reached.
    #[error("{what}")]
    LimitReached {
        /// The limit and its value.
        what: String,
        /// When to try again; `None` if waiting does not help.
        retry_after: Option<Duration>,
    },
    /// The caller sends too many requests.
    #[error("too many {what}: try again in {:.1} s", .retry_after.as_secs_f64())]
    RateLimited {
        /// The kind of request.
        what: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The search used up its time.
    #[error(
        "the search takes too long: use rarer or longer words, or narrow it by room, sender or time"
    )]
    SearchTooBroad,
    /// The receiving client's inbox is full.
    #[error("the inbox is full")]
    InboxFull,
    /// The message is for another client.
    #[error("nobody named {0} listens here")]
    WrongReceiver(Name),
    /// This client accepts no messages from the caller.
    #[error("this client does not accept messages from you: {0}")]
    CallerRefused(&'static str),
    /// This client cannot ask its hub about the caller now.
    #[error("this client does not accept messages from you yet: {0}")]
    CallerUnproved(&'static str),
    /// This client knows the caller's name by another key.
    #[error("{0} is known here by another key than yours")]
    CallerKeyChanged(Name),
    /// The server is stopping.
    #[error("shutting down")]
    ShuttingDown,
    /// The hub cannot write its store.
    #[error("the store is not available: {0}")]
    StoreUnavailable(#[source] Source),
    /// The other side ended a stream with this refusal.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The server itself failed. The other side is not told why.
    #[error("{0}")]
    Internal(#[source] Source),
}

impl RequestError {
    /// One invalid field.
    pub fn invalid(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Invalid(vec![Violation::new(field, problem)])
    }

    /// The name `wanted` is `taken`, or looks like it.
    #[cfg(feature = "hub")]
    pub(crate) fn taken(wanted: &Name, taken: Name) -> Self {
        match wanted.clone() {
            wanted if wanted == taken => Self::NameTaken(wanted),
            wanted => Self::NameConfusable { wanted, taken },
        }
    }

    /// A failure of the server itself.
    pub(crate) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(cause.into().into())
    }
}

impl From<ProfileError> for RequestError {
    fn from(error: ProfileError) -> Self {
        Self::invalid(format!("certificate.{}", error.field.as_str()), error)
    }
}

impl From<SystemError> for RequestError {
    fn from(error: SystemError) -> Self {
        Self::internal(error)
    }
}

fn list(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// An operation of this machine failed: a file, a socket, the random numbers.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SystemError {
    message: String,
    path: Option<PathBuf>,
    #[source]
    source: Option<Source>,
}

impl SystemError {
    /// A failure without a cause of its own.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: None, source: None }
    }

    /// A failure with its cause: `cannot make a key: CAUSE`.
    pub(crate) fn because(
        failure: impl std::fmt::Display,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let cause = cause.into();
        Self::caused(format!("{failure}: {cause}"), cause)
    }

    /// A failure with its cause, which the message names already.
    pub(crate) fn caused(message: String, cause: Box<dyn StdError + Send + Sync>) -> Self {
        Self { message, path: None, source: Some(cause.into()) }
    }

    /// A failed operation on a file: `cannot read PATH: CAUSE`.
    pub(crate) fn file(
        operation: &str,
        path: &Path,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::because(format_args!("cannot {operation} {}", path.display()), cause).at(path)
    }

    /// A file that cannot be used: `PATH cannot be used: CAUSE`.
    pub(crate) fn unusable(path: &Path, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::because(format_args!("{} cannot be used", path.display()), cause).at(path)
    }

    /// The same failure, of the file at `path`.
    pub(crate) fn at(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// The file or directory that the operation was about.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// An answer of the other side that breaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the other side broke the protocol: {0}")]
pub struct ProtocolError(pub String);
