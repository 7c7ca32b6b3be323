//! The stable names of problems in the objects of type `error`.

use schemars::JsonSchema;
use serde::Serialize;

/// Why a command has failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ErrorReason {
    /// This program found the problem.
    Local(LocalReason),
    /// The hub or the peer refused, for one of the reasons in `proto/chinwag/v1/types.proto`, such as
    /// `NAME_TAKEN`.
    Remote(String),
}

/// The problems that this program finds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum LocalReason {
    /// Any other problem.
    Failed,
    /// The hub has another key than before.
    HubKeyChanged,
    /// The hub cannot be reached.
    HubUnreachable,
    /// The server cannot prove to be the hub.
    HubUntrusted,
    /// A value is invalid.
    InvalidField,
    /// A file or the network of this machine cannot be used.
    Io,
    /// Both sides need a key, and one has none.
    KeyRequired,
    /// A limit of this client is reached.
    LimitReached,
    /// The id was used for another message.
    MessageIdReused,
    /// The client is not in the room.
    NotJoined,
    /// Standard output cannot be written.
    OutputFailed,
    /// The peer is blocked in the contact book.
    PeerBlocked,
    /// The peer has no key to compare.
    PeerHasNoKey,
    /// The peer has another key than the contact book.
    PeerKeyChanged,
    /// The hub lists no such peer.
    PeerUnknown,
    /// The peer cannot be reached.
    PeerUnreachable,
    /// The hub or the peer broke the protocol.
    ProtocolBroken,
    /// The client has stopped.
    Stopped,
    /// The outbox or the inbox is damaged.
    StoreDamaged,
    /// `--timeout` was over.
    TimedOut,
    /// Messages stay in the outbox.
    Undelivered,
    /// The command line, the environment or the configuration is wrong.
    Usage,
}

impl From<LocalReason> for ErrorReason {
    fn from(reason: LocalReason) -> Self {
        Self::Local(reason)
    }
}
