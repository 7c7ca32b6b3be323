//! Words that text and JSON share.

use crate::{
    client::{Error, Verification},
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

#[cfg(test)]
mod tests {
    use super::*;

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
