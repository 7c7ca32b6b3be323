//! The stable reasons of refusals, as `proto/chinwag/v1/types.proto` lists them.

use std::{convert::Infallible, fmt, str::FromStr};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why a server refused a request: `google.rpc.ErrorInfo.reason`, or `Refusal.reason` on a
        /// stream. The texts belong to the protocol and do not change.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
            /// A reason that this version does not know; empty if the server gave none.
            Other(String),
        }

        impl Reason {
            /// All reasons but [`Reason::Other`].
            pub(crate) const KNOWN: &[Self] = &[$(Self::$variant),*];

            /// The text of the protocol, for example `NAME_TAKEN`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

reasons! {
    /// The caller's key is not the one that this peer knows for the caller's name.
    CallerKeyChanged = "CALLER_KEY_CHANGED",
    /// This peer takes no messages from this caller.
    CallerRefused = "CALLER_REFUSED",
    /// The call took too long, or was cancelled.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// The position belongs to another epoch of the log.
    EpochChanged = "EPOCH_CHANGED",
    /// The hub accepts no callers without a key.
    GuestsRefused = "GUESTS_REFUSED",
    /// The receiver's inbox is full.
    InboxFull = "INBOX_FULL",
    /// The server failed.
    Internal = "INTERNAL",
    /// A field of the request is invalid.
    InvalidField = "INVALID_FIELD",
    /// A newcomer needs a valid invitation.
    InviteRequired = "INVITE_REQUIRED",
    /// A limit is reached.
    LimitReached = "LIMIT_REACHED",
    /// The id was used for another message.
    MessageIdReused = "MESSAGE_ID_REUSED",
    /// The server has no such method.
    MethodUnknown = "METHOD_UNKNOWN",
    /// The hub's operator gave the caller another name, which is in the details.
    NameChanged = "NAME_CHANGED",
    /// The name looks like one that is taken.
    NameConfusable = "NAME_CONFUSABLE",
    /// The name is taken.
    NameTaken = "NAME_TAKEN",
    /// There is no such thing.
    NotFound = "NOT_FOUND",
    /// The session has not joined the room.
    NotJoined = "NOT_JOINED",
    /// The hub lists no such peer.
    PeerUnknown = "PEER_UNKNOWN",
    /// The server requires TLS.
    PlaintextRefused = "PLAINTEXT_REFUSED",
    /// The log has not reached the position.
    PositionAhead = "POSITION_AHEAD",
    /// The messages after the position have been removed.
    PositionGone = "POSITION_GONE",
    /// Too many requests; try again after the delay that the refusal gives.
    RateLimited = "RATE_LIMITED",
    /// Refused without a more specific reason.
    Refused = "REFUSED",
    /// The hub's operator has removed the caller.
    Removed = "REMOVED",
    /// The search takes too long; narrow it.
    SearchTooBroad = "SEARCH_TOO_BROAD",
    /// The session has ended.
    SessionEnded = "SESSION_ENDED",
    /// The call carries no session token.
    SessionMissing = "SESSION_MISSING",
    /// The server is stopping.
    ShuttingDown = "SHUTTING_DOWN",
    /// The hub cannot store messages.
    StoreUnavailable = "STORE_UNAVAILABLE",
    /// The token is unknown, or belongs to another key.
    TokenRefused = "TOKEN_REFUSED",
    /// Another peer answers at this address.
    WrongReceiver = "WRONG_RECEIVER",
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        let known = Self::KNOWN.iter().find(|reason| reason.as_str() == text);
        known.cloned().unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl FromStr for Reason {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Reads the list of the proto, whose entries look like `- NAME_TAKEN, REMOVED (CODE): ...`.
    fn listed() -> BTreeSet<&'static str> {
        let proto = include_str!("../../proto/chinwag/v1/types.proto");
        let lines =
            proto.lines().skip_while(|line| !line.contains("easons, and what a client does"));
        let entries = lines.take_while(|line| line.starts_with("//"));
        let heads = entries.filter_map(|line| line.strip_prefix("// - ")?.split_once(':'));
        heads
            .flat_map(|(head, _)| head.split(", "))
            .flat_map(|word| word.split(' ').next())
            .collect()
    }

    #[test]
    fn all_reasons_of_the_proto_are_known() {
        let known: BTreeSet<_> = Reason::KNOWN.iter().map(Reason::as_str).collect();
        assert_eq!(known, listed());
    }

    #[test]
    fn a_text_is_read_back() {
        for text in ["NAME_TAKEN", "SOMETHING_NEW", ""] {
            assert_eq!(Reason::from(text).as_str(), text);
        }
        assert_eq!(Reason::from("NAME_TAKEN"), Reason::NameTaken);
    }
}
