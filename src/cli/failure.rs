//! Why a command ended early: one line for the person, one number for the script.

use std::{fmt::Display, io, path::Path, time::Duration};

use crate::{
    client::{DeliveryError, Error},
    error::{Reason, Refusal, SystemError},
    identity::ContactsError,
    text,
};

/// Exit code: what was asked for was not done.
pub(crate) const FAILED: u8 = 1;
/// Exit code: the command line or the configuration is wrong.
pub(crate) const USAGE: u8 = 2;
/// Exit code: there is no hub where it should be.
pub(crate) const HUB_UNREACHABLE: u8 = 3;
/// Exit code: the peer is not here, or cannot be reached.
pub(crate) const PEER_UNREACHABLE: u8 = 4;
/// Exit code: not done in time, as `timeout` has it.
pub(crate) const TIMED_OUT: u8 = 124;
/// Exit code: ended by a signal before it was done, as shells count SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong, and how to put it right.
    Usage(String),
    /// The client library's error.
    Chat(Error),
    /// Standard output takes no more.
    Output(io::Error),
    /// A signal came first.
    Interrupted,
    /// The time for it was over first.
    TimedOut(Duration),
    /// So many messages stay in the outbox.
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
    /// A file that cannot be read, made or written.
    pub(crate) fn file(verb: &str, path: &Path, error: &dyn Display) -> Self {
        Self::Other(format!("cannot {verb} {}: {error}", path.display()))
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            // A reader that has seen enough, as `head` does, is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) | Self::Other(_) => FAILED,
            Self::Interrupted => INTERRUPTED,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Undelivered(_) => PEER_UNREACHABLE,
            Self::Chat(error) => code(error),
        }
    }

    /// What to tell the person, in one line; `None` where nothing is to be said.
    pub(crate) fn line(&self) -> Option<String> {
        let line = match self {
            Self::Interrupted => return None,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return None,
            Self::Output(error) => format!("cannot write to standard output: {error}"),
            Self::TimedOut(after) => format!("ended by --timeout after {after:?}"),
            Self::Undelivered(1) => "one message stays in the outbox".into(),
            Self::Undelivered(left) => format!("{left} messages stay in the outbox"),
            Self::Usage(problem) | Self::Other(problem) => problem.clone(),
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

/// An error and, where there is something to be done about it, what. Harmless in one line.
pub(crate) fn describe(error: &Error) -> String {
    let line = match advice(error) {
        // What to do comes before how it failed, which most people need not know.
        Some(advice) if let Error::HubUnreachable { hub, cause } = error => {
            format!("no hub at {hub}: {advice} ({cause})")
        }
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    };
    text::one_line(&line).into_owned()
}

/// The same of a message that is in the outbox, and need not be put there.
pub(crate) fn describe_kept(error: &Error) -> String {
    match error {
        Error::PeerUnreachable { .. } => text::one_line(&format!("{error}; {LOOK}")).into_owned(),
        _ => describe(error),
    }
}

/// What is to be done about an error, where something is.
pub(crate) fn advice(error: &Error) -> Option<String> {
    let said = match error {
        Error::HubUnreachable { hub, .. } if hub.is_loopback() => {
            "start one with `chinwagd`, or join one with `chinwag chat chinwag://…`"
        }
        Error::HubUnreachable { .. } => {
            "ask its operator whether it runs, or join another with `chinwag chat chinwag://…`"
        }
        Error::HubKeyChanged { .. } => GET_LINK,
        // Nobody is to go without encryption because somebody else answers in the hub's place.
        Error::HubUntrusted { known: Some(_), .. } => {
            "something else may answer there than the hub whose key is known, as another program or \
             the sign-in page of a network; nothing was said to it"
        }
        Error::HubUntrusted { hub, .. } if hub.is_loopback() => {
            "a hub on this machine that has no key is reached with --plaintext"
        }
        Error::HubUntrusted { .. } => {
            "ask its operator for the join link (`chinwagd link`), and join with `chinwag chat LINK`"
        }
        Error::KeyChanged { name, .. } => {
            return Some(format!(
                "ask {name}, in another way than here, whether they have a new key; if so: \
                 `chinwag accept {name}`"
            ));
        }
        Error::PeerUnknown(_) => LOOK,
        Error::PeerUnreachable { .. } => {
            "see with `chinwag peers` whether it is still here, or leave it with `chinwag send --queue`"
        }
        Error::Blocked(name) => {
            return Some(format!("to speak with them all the same: `chinwag unblock {name}`"));
        }
        Error::Store(_) => {
            "restore that file from a copy, or move it away: a new one is made, without what it held"
        }
        Error::Refused(Refusal { reason, .. }) => return advice_on(reason).map(Into::into),
        _ => return None,
    };
    Some(said.into())
}

fn advice_on(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::NameTaken | Reason::NameConfusable => Some(TAKE_ANOTHER),
        Reason::PeerUnknown => Some(LOOK),
        Reason::InboxFull | Reason::ShuttingDown => Some(LATER),
        Reason::GuestsRefused | Reason::PlaintextRefused => Some("that is, leave out --plaintext"),
        Reason::InviteRequired => {
            Some("what `chinwagd invite` prints there is a link for `chinwag chat LINK`")
        }
        Reason::CallerRefused => {
            Some("be on the same hub, with a key of your own, or ask them otherwise")
        }
        Reason::CallerKeyChanged => {
            Some("if it is your new key, tell them in another way, so that they accept it")
        }
        _ => None,
    }
}

/// What to do where a hub does not have the key that it should have. No link is made of the key that
/// it showed: nobody should take that for the right one because a program wrote it down for them.
pub(crate) const GET_LINK: &str = "get the join link from its operator again (`chinwagd link` shows \
                                   it), in another way than through this hub, and join with \
                                   `chinwag chat LINK`";
const TAKE_ANOTHER: &str = "choose another with --name NAME, or use the --home with its key if it is \
                            yours (without a key it serves one program at a time)";
const LOOK: &str = "see who is with `chinwag peers`";
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
    fn every_kind_has_its_code() {
        let hub = Endpoint::parse("127.0.0.1:50051").unwrap();
        let bob = Name::parse("bob").unwrap();
        let [known, offered] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
        let changed = Error::HubKeyChanged { hub: hub.clone(), known, offered };
        let said = describe(&changed);
        assert!(
            said.contains(&known.to_string()) && said.contains("`chinwag chat LINK`"),
            "{said}"
        );
        assert!(!said.contains(&format!("#{offered}")), "a wrong key is not handed out: {said}");
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
    fn what_the_other_side_says_stays_one_harmless_line() {
        let line = refused(Reason::PeerUnknown).line().unwrap();
        assert_eq!(line, "no ␛[31mway␊chinwag: done; see who is with `chinwag peers`");
    }

    #[test]
    fn a_hub_that_is_not_there_can_be_started_or_joined() {
        let hub = |raw| Endpoint::parse(raw).unwrap();
        let no_hub = |hub| describe(&Error::HubUnreachable { hub, cause: "refused".into() });
        assert_eq!(
            no_hub(hub("127.0.0.1:50051")),
            "no hub at 127.0.0.1:50051: start one with `chinwagd`, or join one with `chinwag chat \
             chinwag://…` (refused)"
        );
        assert!(
            no_hub(hub("hub.example:1")).contains(": ask its operator whether it runs, or join")
        );
    }

    #[test]
    fn plaintext_is_no_advice_for_a_hub_whose_key_is_known() {
        let untrusted = |known| {
            let hub = Endpoint::parse("127.0.0.1:50051").unwrap();
            advice(&Error::HubUntrusted { hub, known, cause: "no TLS".into() }).unwrap()
        };
        assert!(untrusted(None).contains("--plaintext"));
        let known = untrusted(Some(Fingerprint::from_bytes([1; 32])));
        assert!(known.contains("something else") && !known.contains("--plaintext"), "{known}");
    }

    #[test]
    fn what_is_kept_already_is_not_to_be_kept_once_more() {
        let away = Error::PeerUnreachable { peer: "bob".into(), cause: "refused".into() };
        assert!(describe(&away).contains("--queue"));
        let kept = describe_kept(&away);
        assert!(kept.contains("chinwag peers") && !kept.contains("--queue"), "{kept}");
    }

    #[test]
    fn a_closed_pipe_is_not_worth_a_word() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).line(), None);
    }
}
