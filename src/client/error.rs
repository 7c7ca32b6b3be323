//! What an operation of a client can fail with.

use crate::{
    error::{ProtocolError, Refusal, RequestError, SystemError, Violation, describe},
    identity::ContactsError,
    model::{Endpoint, Fingerprint, MessageId, Name, RoomName},
    transport::ListenError,
};

/// Why an operation of a client failed. Each operation says which of these it can fail with.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument or an option is invalid.
    #[error("{}", describe(.0))]
    Invalid(Vec<Violation>),
    /// A limit of this client is reached.
    #[error("{0}")]
    LimitReached(String),
    /// The client is not in the room.
    #[error("not in the room {0}: join it first")]
    NotJoined(RoomName),
    /// The id was used for another message.
    #[error("the message id {0} was used for another message")]
    MessageIdReused(MessageId),
    /// The hub lists no such peer.
    #[error("no peer named {0} is here")]
    PeerUnknown(Name),
    /// The peer cannot be reached.
    #[error("{peer} cannot be reached: {cause}")]
    PeerUnreachable {
        /// The peer's name or endpoint.
        peer: String,
        /// What was tried and how it failed.
        cause: String,
    },
    /// The hub lists another key for the peer than the contact book has. Nothing was sent.
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
    /// The peer has no key to compare.
    #[error("{0} has no key: there is nothing to compare")]
    NoKey(Name),
    /// The peer, or this client, has no key, and the hub is on another machine. Nothing was sent.
    #[error("nothing was sent: with a hub on another machine both sides need a key")]
    Keyless,
    /// The peer is blocked in the contact book.
    #[error("{0} is blocked in the contact book")]
    Blocked(Name),
    /// The hub cannot be reached.
    #[error("no hub at {hub}: {cause}")]
    HubUnreachable {
        /// Where it should be.
        hub: Endpoint,
        /// What was tried and how it failed.
        cause: String,
    },
    /// The hub has another key than before, or [`HubTrust::Pinned`](super::HubTrust::Pinned) names
    /// another: it is another hub, or somebody intercepts the connection. Nothing was sent.
    #[error(
        "the hub at {hub} has another key than before, and nothing was sent to it; known: {known}; \
         now: {offered}"
    )]
    HubKeyChanged {
        /// Where it is.
        hub: Endpoint,
        /// The expected key.
        known: Fingerprint,
        /// The key it showed, or the pinned one.
        offered: Fingerprint,
    },
    /// The server at the hub's address cannot prove to be the hub. Nothing was sent.
    #[error("the hub at {hub} cannot be trusted: {cause}")]
    HubUntrusted {
        /// Where it should be.
        hub: Endpoint,
        /// The expected key, if one is known.
        known: Option<Fingerprint>,
        /// What is wrong.
        cause: String,
    },
    /// The hub or the peer refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The hub or the peer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The client was stopped.
    #[error("the client has stopped")]
    Stopped,
    /// The outbox or the inbox is damaged.
    #[error(transparent)]
    Store(SystemError),
    /// An operation of this machine failed.
    #[error(transparent)]
    Io(#[from] SystemError),
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn invalid(argument: impl Into<String>, problem: impl ToString) -> Self {
        Self::Invalid(vec![Violation::new(argument, problem)])
    }

    /// Returns true if a file cannot be used because a newer Chinwag has made it.
    #[cfg(feature = "cli")]
    pub(crate) fn is_newer_file(&self) -> bool {
        let Self::Io(error) = self else { return false };
        let cause = std::error::Error::source(error);
        let cause = cause.and_then(|cause| cause.downcast_ref::<crate::error::Source>());
        cause.is_some_and(|cause| cause.is::<crate::sqlite::NewerSchema>())
    }

    /// An answer that breaks the protocol.
    pub(crate) fn protocol(problem: impl ToString) -> Self {
        Self::Protocol(ProtocolError(problem.to_string()))
    }
}

impl From<ContactsError> for Error {
    fn from(error: ContactsError) -> Self {
        match error {
            ContactsError::Invalid(violation) => Self::Invalid(vec![violation]),
            ContactsError::Full(what) => Self::LimitReached(what),
            ContactsError::File(error) => Self::Io(error),
        }
    }
}

impl From<ListenError> for Error {
    fn from(error: ListenError) -> Self {
        match error {
            ListenError::NotLoopback { .. } => Self::invalid("listen", error),
            ListenError::Failed(error) => Self::Io(error),
        }
    }
}

/// What fails while a server of the client answers a request is an internal error to its caller.
impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self::internal(error)
    }
}
