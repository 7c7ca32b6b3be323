//! Errors of commands: a line for the user, and an exit code and an object for scripts.

mod reason;

use std::{fmt::Display, io, path::Path, time::Duration};

use super::words::problem;
use crate::{
    client::{DeliveryError, Error},
    error::{Reason, Refusal, SystemError},
    identity::ContactsError,
    text,
};

/// Exit code: the command failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code: the command line or the configuration is wrong.
pub(crate) const USAGE: u8 = 2;
/// Exit code: the hub cannot be reached.
pub(crate) const HUB_UNREACHABLE: u8 = 3;
/// Exit code: the peer is unknown or cannot be reached.
pub(crate) const PEER_UNREACHABLE: u8 = 4;
/// Exit code: ended by `--timeout`, as of timeout(1).
pub(crate) const TIMED_OUT: u8 = 124;
/// Exit code: interrupted, as shells report SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// The result of a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The error of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong, and how to fix it.
    Usage(String),
    /// An error of the client library.
    Chat(Error),
    /// An error of the client library, in words that fit what was asked for.
    Explained {
        /// The error.
        error: Box<Error>,
        /// What happened.
        message: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Standard output cannot be written.
    Output(io::Error),
    /// A signal came.
    Interrupted,
    /// `--timeout` was over.
    TimedOut(Duration),
    /// This many messages stay in the outbox.
    Undelivered(usize),
    /// Anything else, and what to do about it.
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Chat(error)
    }
}

impl From<DeliveryError> for Failure {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Failed(error) => Self::Chat(error),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<SystemError> for Failure {
    fn from(error: SystemError) -> Self {
        Self::Chat(error.into())
    }
}

impl From<ContactsError> for Failure {
    fn from(error: ContactsError) -> Self {
        Self::Chat(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Failure {
    /// Returns the error for a file that cannot be read, created or written.
    pub(crate) fn file(verb: &str, path: &Path, error: &dyn Display) -> Self {
        Self::Other(format!("cannot {verb} {}: {error}", path.display()))
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            // A closed reader, such as `head` after its last line, is not a failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) | Self::Other(_) => FAILED,
            Self::Interrupted => INTERRUPTED,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Undelivered(_) => PEER_UNREACHABLE,
            Self::Chat(error) => code(error),
            Self::Explained { error, .. } => code(error),
        }
    }

    /// Returns the message for the user, in one line, or `None` if there is none.
    pub(crate) fn line(&self) -> Option<String> {
        let line = match self {
            Self::Interrupted => return None,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return None,
            Self::Output(error) => format!("cannot write to standard output: {error}"),
            Self::TimedOut(after) => format!("ended by --timeout after {after:?}"),
            Self::Undelivered(1) => "one message stays in the outbox".into(),
            Self::Undelivered(left) => format!("{left} messages stay in the outbox"),
            Self::Usage(problem) | Self::Other(problem) => problem.clone(),
            Self::Explained { message, remedy, .. } => format!("{message}; {remedy}"),
            Self::Chat(error) => describe(error),
        };
        Some(text::one_line(&line).into_owned())
    }
}

fn code(error: &Error) -> u8 {
    match error {
        Error::HubUnreachable { .. } => HUB_UNREACHABLE,
        Error::PeerUnknown(_) | Error::PeerUnreachable { .. } => PEER_UNREACHABLE,
        Error::Refused(Refusal { reason, .. }) if *reason == Reason::PeerUnknown => {
            PEER_UNREACHABLE
        }
        _ => FAILED,
    }
}

/// Returns an error and what to do about it, escaped and in one line.
pub(crate) fn describe(error: &Error) -> String {
    let line = match advice(error) {
        // The cause comes last, since most users need not know it.
        Some(advice) if let Error::HubUnreachable { hub, cause } = error => {
            format!("no hub at {hub}: {advice} ({cause})")
        }
        Some(advice) => format!("{}; {advice}", problem(error)),
        None => problem(error),
    };
    text::one_line(&line).into_owned()
}

/// Returns the same for a message that is in the outbox, without advice to queue it.
pub(crate) fn describe_queued(error: &Error) -> String {
    match error {
        Error::PeerUnreachable { .. } => text::one_line(&format!("{error}; {LOOK}")).into_owned(),
        _ => describe(error),
    }
}

/// Returns what to do about an error, if there is anything.
pub(crate) fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::HubUnreachable { hub, .. } if hub.is_loopback() => {
            "start one with `chinwagd`, or join one with `chinwag chat chinwag://…`"
        }
        Error::HubUnreachable { .. } => {
            "check its address, ask its operator whether it runs, or join another with `chinwag chat \
             chinwag://…`"
        }
        Error::HubKeyChanged { .. } => GET_LINK,
        // No advice to use --plaintext: an attacker may answer in place of the hub.
        Error::HubUntrusted { known: Some(_), .. } => {
            "something other than the known hub may answer there, such as another program or the \
             sign-in page of a network; nothing was sent to it"
        }
        Error::HubUntrusted { hub, .. } if hub.is_loopback() => {
            "for a hub without a key on this machine, use --plaintext"
        }
        Error::HubUntrusted { .. } => {
            "ask its operator for the join link (`chinwagd link`), and join with `chinwag chat LINK`"
        }
        Error::KeyChanged { name, .. } => {
            return Some(format!(
                "ask {name} over another channel whether they have a new key; if so: `chinwag accept \
                 {name}`"
            ));
        }
        Error::PeerUnknown(_) => LOOK,
        Error::PeerUnreachable { .. } => {
            "check with `chinwag peers` whether it is still online, or queue the message with `chinwag send --queue`"
        }
        Error::Blocked(name) => {
            return Some(format!("to unblock them: `chinwag unblock {name}`"));
        }
        Error::Store(_) => {
            "restore that file from a backup, or move it away to start a new, empty one"
        }
        error if error.is_newer_file() => {
            "use that one, or move the file away to start a new, empty one"
        }
        Error::Refused(Refusal { reason, .. }) => return advice_on(reason).map(Into::into),
        _ => return None,
    };
    Some(advice.into())
}

fn advice_on(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::NameTaken | Reason::NameConfusable => Some(TAKE_ANOTHER),
        Reason::PeerUnknown => Some(LOOK),
        Reason::InboxFull | Reason::ShuttingDown => Some(LATER),
        Reason::SearchTooBroad => Some("write in:ROOM, from:NAME or after:TIME beside the words"),
        Reason::GuestsRefused | Reason::PlaintextRefused => Some("leave out --plaintext"),
        Reason::InviteRequired => Some(
            "`chinwagd invite` prints a join link with one, for `chinwag chat LINK` or `chinwag hubs add \
             NAME LINK`",
        ),
        Reason::CallerRefused => {
            Some("connect to the same hub with a key, or ask them over another channel")
        }
        Reason::CallerKeyChanged => {
            Some("if it is your new key, tell them over another channel, so that they accept it")
        }
        _ => None,
    }
}

/// What to do if a hub has a wrong key. Deliberately without a link with that key.
pub(crate) const GET_LINK: &str = "get the join link again from its operator (`chinwagd link` \
                                   prints it), over another channel, and join with `chinwag chat \
                                   LINK`";
/// What to do if kept messages cannot be deleted, because their file cannot be used.
pub(crate) const DELETE_KEPT: &str = "delete what cannot be used with all messages in it, or make it \
                                      usable and forget again";
/// What to do if a join link has another key than the contact book.
pub(crate) const ACCEPT_LINK: &str = "ask its operator over another channel whether the hub has a new \
                                      key; if so: `chinwag hubs accept LINK`";
const TAKE_ANOTHER: &str = "choose another with --name NAME, or use the --home with its key if it is \
                            yours (without a key, only one program can use it at a time)";
const LOOK: &str = "list online peers with `chinwag peers`";
const LATER: &str = "try again in a moment";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Fingerprint, Name};

    fn refused(reason: Reason) -> Failure {
        Failure::Chat(Error::Refused(Refusal {
            code: tonic::Code::NotFound,
            reason,
            message: "no \x1b[31mway\nchinwag: done".into(),
            violations: vec![],
            retry_after: None,
        }))
    }

    #[test]
    fn every_error_has_its_exit_code() {
        let hub = Endpoint::parse("127.0.0.1:50051").unwrap();
        let bob = Name::parse("bob").unwrap();
        let [known, offered] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
        let changed = Error::HubKeyChanged { hub: hub.clone(), known, offered };
        let message = describe(&changed);
        assert!(
            message.contains(&known.to_string()) && message.contains("`chinwag chat LINK`"),
            "{message}"
        );
        assert!(
            !message.contains(&format!("#{offered}")),
            "a wrong key is not handed out: {message}"
        );
        for (failure, code) in [
            (Failure::Usage("?".into()), USAGE),
            (Error::HubUnreachable { hub, cause: "refused".into() }.into(), HUB_UNREACHABLE),
            (Error::PeerUnknown(bob.clone()).into(), PEER_UNREACHABLE),
            (refused(Reason::PeerUnknown), PEER_UNREACHABLE),
            (Error::Blocked(bob).into(), FAILED),
            (changed.into(), FAILED),
            (refused(Reason::NameTaken), FAILED),
            (io::Error::from(io::ErrorKind::BrokenPipe).into(), 0),
            (io::Error::from(io::ErrorKind::StorageFull).into(), FAILED),
            (Failure::Interrupted, INTERRUPTED),
            (Failure::TimedOut(Duration::from_secs(5)), TIMED_OUT),
        ] {
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }

    #[test]
    fn remote_text_is_escaped_in_one_line() {
        let line = refused(Reason::PeerUnknown).line().unwrap();
        assert_eq!(line, "no ␛[31mway␊chinwag: done; list online peers with `chinwag peers`");
    }

    #[test]
    fn no_field_is_named_that_the_user_did_not_fill_in() {
        let own = Error::invalid("peer", "that is you");
        assert_eq!(describe(&own), "that is you");
        let Failure::Chat(Error::Refused(mut refusal)) = refused(Reason::NameTaken) else {
            panic!("a refusal")
        };
        refusal.message = "name: too long".into();
        refusal.violations = vec![crate::error::Violation::new("name", "too long")];
        let refused = Error::Refused(refusal);
        assert_eq!(describe(&refused), format!("too long; {TAKE_ANOTHER}"));
        let object = Failure::Chat(refused).to_json().unwrap().to_json().unwrap();
        assert!(object.contains("\"message\":\"too long\""), "{object}");
    }

    #[test]
    fn an_unreachable_hub_can_be_started_or_joined() {
        let hub = |raw| Endpoint::parse(raw).unwrap();
        let no_hub = |hub| describe(&Error::HubUnreachable { hub, cause: "refused".into() });
        assert_eq!(
            no_hub(hub("127.0.0.1:50051")),
            "no hub at 127.0.0.1:50051: start one with `chinwagd`, or join one with `chinwag chat \
             chinwag://…` (refused)"
        );
        assert!(
            no_hub(hub("hub.example:1")).contains(": check its address, ask its operator whether")
        );
    }

    #[test]
    fn no_advice_to_use_plaintext_with_a_known_hub() {
        let untrusted = |known| {
            let hub = Endpoint::parse("127.0.0.1:50051").unwrap();
            advice(&Error::HubUntrusted { hub, known, cause: "no TLS".into() }).unwrap()
        };
        assert!(untrusted(None).contains("--plaintext"));
        let known = untrusted(Some(Fingerprint::from_bytes([1; 32])));
        assert!(known.contains("something other") && !known.contains("--plaintext"), "{known}");
    }

    #[test]
    fn no_advice_to_queue_a_queued_message() {
        let away = Error::PeerUnreachable { peer: "bob".into(), cause: "refused".into() };
        assert!(describe(&away).contains("--queue"));
        let kept = describe_queued(&away);
        assert!(kept.contains("chinwag peers") && !kept.contains("--queue"), "{kept}");
    }

    #[test]
    fn a_closed_pipe_has_no_message() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).line(), None);
    }
}
