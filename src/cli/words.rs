//! What has one word, in text and in JSON.

use crate::{
    client::{Error, Verification},
    error::{Refusal, Violation},
    model::PeerStatus,
};

/// How far somebody is known, in one word.
pub(crate) fn standing(standing: Verification) -> &'static str {
    match standing {
        Verification::Verified(_) => "verified",
        Verification::Known(_) => "known",
        Verification::Unverified(_) => "unverified",
    }
}

/// A status in one word.
pub(crate) fn status(status: PeerStatus) -> &'static str {
    match status {
        PeerStatus::Online => "online",
        PeerStatus::Away => "away",
        PeerStatus::Busy => "busy",
        PeerStatus::Invisible => "invisible",
    }
}

/// What went wrong, for somebody who has filled in no fields and wants no names of them.
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
    fn problems_are_told_without_the_names_of_fields() {
        assert_eq!(problem(&Error::invalid("join.room", "too long")), "too long");
        assert_eq!(problem(&Error::Stopped), "the client has stopped");
        let violations = ["one", "two"]
            .map(|problem| Violation { field: "text".into(), problem: problem.into() });
        assert_eq!(problem(&Error::Invalid(violations.into())), "one; two");
        assert_eq!(problem(&Error::Invalid(Vec::new())), "");
    }
}
