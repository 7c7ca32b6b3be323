//! Errors of commands as JSON objects.

use std::time::Duration;

use super::{Failure, advice};
use crate::{
    cli::{
        json::{ErrorReason, JsonLine, LocalReason},
        words,
    },
    client::Error,
    error::{Reason, Refusal},
    text,
};

impl Failure {
    /// Returns the object for scripts, or `None` if there is nothing to say.
    pub(crate) fn to_json(&self) -> Option<JsonLine<'static>> {
        let line = self.line()?;
        let (message, remedy) = match self {
            Self::Chat(error) => (words::problem(error), advice(error)),
            Self::Explained { message, remedy, .. } => (message.clone(), Some((*remedy).into())),
            _ => (line, None),
        };
        let retry_after = match self {
            Self::Chat(Error::Refused(refusal)) => refusal.retry_after,
            _ => None,
        };
        Some(JsonLine::Error {
            exit_code: self.code(),
            reason: self.reason(),
            message: text::one_line(&message).into_owned(),
            remedy: remedy.map(|remedy| text::one_line(&remedy).into_owned()),
            retry_after: retry_after.as_ref().map(Duration::as_secs_f64),
        })
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Chat(error) => reason(error),
            Self::Explained { error, .. } => reason(error),
            Self::Usage(_) => LocalReason::Usage.into(),
            Self::TimedOut(_) => LocalReason::TimedOut.into(),
            Self::Undelivered(_) => LocalReason::Undelivered.into(),
            Self::Output(_) => LocalReason::OutputFailed.into(),
            Self::Interrupted | Self::Other(_) => LocalReason::Failed.into(),
        }
    }
}

fn reason(error: &Error) -> ErrorReason {
    let reason = match error {
        Error::Invalid(_) => LocalReason::InvalidField,
        Error::LimitReached(_) => LocalReason::LimitReached,
        Error::NotJoined(_) => LocalReason::NotJoined,
        Error::MessageIdReused(_) => LocalReason::MessageIdReused,
        Error::PeerUnknown(_) => LocalReason::PeerUnknown,
        Error::PeerUnreachable { .. } => LocalReason::PeerUnreachable,
        Error::KeyChanged { .. } => LocalReason::PeerKeyChanged,
        Error::NoKey(_) => LocalReason::PeerHasNoKey,
        Error::Keyless => LocalReason::KeyRequired,
        Error::Blocked(_) => LocalReason::PeerBlocked,
        Error::HubUnreachable { .. } => LocalReason::HubUnreachable,
        Error::HubKeyChanged { .. } => LocalReason::HubKeyChanged,
        Error::HubUntrusted { .. } => LocalReason::HubUntrusted,
        Error::Refused(Refusal { reason, .. }) => return remote(reason),
        Error::Protocol(_) => LocalReason::ProtocolBroken,
        Error::Stopped => LocalReason::Stopped,
        Error::Store(_) => LocalReason::StoreDamaged,
        Error::Io(_) => LocalReason::Io,
    };
    reason.into()
}

/// Returns the reason of a server, which may not have given one.
fn remote(reason: &Reason) -> ErrorReason {
    let reason = match reason.as_str() {
        "" => Reason::Refused.as_str(),
        reason => reason,
    };
    ErrorReason::Remote(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    fn json(failure: impl Into<Failure>) -> serde_json::Value {
        serde_json::from_str(&failure.into().to_json().unwrap().to_json().unwrap()).unwrap()
    }

    #[test]
    fn an_error_says_what_to_do_and_when() {
        let hub = Endpoint::parse("127.0.0.1:1").unwrap();
        let away = json(Error::HubUnreachable { hub, cause: "refused".into() });
        assert_eq!((&away["type"], &away["exit_code"]), (&"error".into(), &3.into()));
        assert_eq!(away["reason"], "HUB_UNREACHABLE");
        assert_eq!(away["message"], "no hub at 127.0.0.1:1: refused");
        assert!(away["remedy"].as_str().unwrap().contains("`chinwagd`"), "{away}");
        assert!(away["retry_after"].is_null());
        let refusal = |reason, retry_after| {
            Error::Refused(Refusal {
                code: tonic::Code::ResourceExhausted,
                reason,
                message: "no \x1b[2J".into(),
                violations: vec![],
                retry_after,
            })
        };
        let busy = json(refusal(Reason::RateLimited, Some(Duration::from_millis(1500))));
        assert_eq!(busy["reason"], "RATE_LIMITED");
        assert_eq!(busy["retry_after"], 1.5);
        assert_eq!(busy["message"], "no ␛[2J");
        assert_eq!(json(refusal(Reason::Other(String::new()), None))["reason"], "REFUSED");
        assert!(Failure::Interrupted.to_json().is_none());
    }
}
