//! Words that text and JSON share.

use std::time::Duration;

use crate::{
    client::{DirectState, Error, KeepFor, Verification},
    error::{Refusal, Violation},
    model::PeerStatus,
};

/// Returns how far the key of a peer is known, in one word.
pub(crate) fn verification(verification: Verification) -> &'static str {
    match verification {
        Verification::Verified(_) => "verified",
        Verification::Known(_) => "known",
        Verification::Unverified(_) => "unverified",
    }
}

/// Returns how far a direct message is, in one word.
pub(crate) fn direct_state(state: DirectState) -> &'static str {
    match state {
        DirectState::Queued => "queued",
        DirectState::Delivered => "delivered",
        DirectState::Read => "read",
    }
}

/// Returns how long the messages with a peer are kept, as the end of a sentence.
pub(crate) fn keep(keep: KeepFor) -> String {
    match keep {
        KeepFor::Always => "kept".into(),
        KeepFor::Never => "not kept".into(),
        KeepFor::Only(time) => format!("kept for {}", spelled(time)),
    }
}

/// Writes a time as `7d 12h`.
fn spelled(time: Duration) -> String {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let mut rest = time.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in units {
        if rest >= seconds {
            parts.push(format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    parts.join(" ")
}

pub(crate) fn status(status: PeerStatus) -> &'static str {
    match status {
        PeerStatus::Online => "online",
        PeerStatus::Away => "away",
        PeerStatus::Busy => "busy",
        PeerStatus::Invisible => "invisible",
    }
}

/// Returns the text of an error without names of fields, which users did not fill in.
pub(crate) fn problem(error: &Error) -> String {
    match error {
        Error::Invalid(violations) | Error::Refused(Refusal { violations, .. })
            if !violations.is_empty() =>
        {
            let problems: Vec<&str> =
                violations.iter().map(|Violation { problem, .. }| problem.as_str()).collect();
            problems.join("; ")
        }
        error => error.to_string(),
    }
}

/// Returns true if a message was not sent because its receiver or the hub cannot be reached.
pub(crate) fn is_unreachable(error: &Error) -> bool {
    matches!(
        error,
        Error::PeerUnknown(_) | Error::PeerUnreachable { .. } | Error::HubUnreachable { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_as_they_are_given() {
        let time = Duration::from_secs(7 * 86_400 + 3600);
        assert_eq!(keep(KeepFor::Only(time)), "kept for 7d 1h");
        assert_eq!(keep(KeepFor::Only(Duration::from_secs(61))), "kept for 1m 1s");
    }

    #[test]
    fn problems_have_no_field_names() {
        assert_eq!(problem(&Error::invalid("join.room", "too long")), "too long");
        assert_eq!(problem(&Error::Stopped), "the client has stopped");
        let violations = ["one", "two"]
            .map(|problem| Violation { field: "text".into(), problem: problem.into() });
        assert_eq!(problem(&Error::Invalid(violations.into())), "one; two");
        assert_eq!(problem(&Error::Invalid(Vec::new())), "");
    }
}
