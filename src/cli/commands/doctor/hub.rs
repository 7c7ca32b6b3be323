//! Checks of the hub: whether it answers, its key, the name, and the clocks.

use jiff::SignedDuration;

use super::{DoctorContext, Finding};
use crate::{
    cli::{
        failure::{ACCEPT_LINK, advice},
        words::problem,
    },
    client::{Check, Client, Error, HubTrust, Registered},
    error::Refusal,
    model::Peer,
};

/// The clock difference from which times of messages look wrong.
const CLOCK_WARN: SignedDuration = SignedDuration::from_secs(5);

/// The clock difference from which tokens and certificates may count as expired, or as not yet valid.
const CLOCK_FAIL: SignedDuration = SignedDuration::from_secs(60);

/// The remedy for anything without one of its own.
const ASK: &str = "ask the operator of the hub";

/// The remedy if the key cannot be used.
pub(super) const FIX_KEY: &str = "fix the key first, as shown above";

/// The result of a visit to the hub.
pub(super) struct Visit {
    pub(super) findings: Vec<Finding>,
    /// The user as listed by the hub, or the error if the hub is unreachable.
    pub(super) listed: Result<Option<Peer>, Option<Error>>,
}

/// Registers, checks, and leaves.
pub(super) async fn visit(context: &DoctorContext<'_>) -> Visit {
    let options = context.client();
    let trust = options.trust;
    let started = Client::start(options).await;
    let (client, _events) = match started {
        Ok(started) => started,
        Err(error) => return refused(context, error),
    };
    let checked = client.check().await;
    let registered = client.registered();
    // Only the user's own name, since the whole list may be long.
    let listed = client.peer(&context.settings.name).await.ok();
    client.stop().await;

    let mut findings = vec![reached(context, registered.as_ref(), checked.as_ref().ok())];
    findings.push(hub_key(context, trust));
    findings.push(name(context, registered.and_then(|registered| registered.peer)));
    match checked {
        Ok(check) => findings.push(clock(check.clock_ahead, check.round_trip / 2)),
        Err(error) => findings.push(unchecked("clock", &error)),
    }
    Visit { findings, listed: Ok(listed) }
}

/// Returns the findings if there is no session.
fn refused(context: &DoctorContext<'_>, error: Error) -> Visit {
    let hub = &context.settings.hub.hub;
    let remedy = advice(&error).unwrap_or_else(|| ASK.into());
    let answers = Finding::ok("hub", format!("{hub} answers"));
    let findings = match &error {
        Error::HubKeyChanged { offered, .. }
            if context.settings.hub.fingerprint == Some(*offered) =>
        {
            vec![answers, Finding::fail("hub_key", problem(&error), ACCEPT_LINK)]
        }
        Error::HubKeyChanged { .. } | Error::HubUntrusted { .. } => {
            vec![answers, Finding::fail("hub_key", problem(&error), remedy)]
        }
        // A hub that refuses has shown its key.
        Error::Refused(Refusal { .. }) => {
            let trust = context.client().trust;
            let refused = match context.lacks_key() {
                true => keyless(),
                false => Finding::fail("name", problem(&error), remedy),
            };
            vec![answers, hub_key(context, trust), refused]
        }
        _ => vec![Finding::fail("hub", problem(&error), remedy)],
    };
    let unreachable = matches!(error, Error::HubUnreachable { .. }).then_some(error);
    Visit { findings, listed: Err(unreachable) }
}

fn reached(
    context: &DoctorContext<'_>,
    registered: Option<&Registered>,
    check: Option<&Check>,
) -> Finding {
    let version = registered.map(|registered| registered.hub_version.as_str()).unwrap_or_default();
    let latency = check.map(|check| format!(", answers in {:.1?}", check.round_trip));
    let found = format!(
        "{}, chinwagd {version}{}",
        context.settings.hub.hub,
        latency.as_deref().unwrap_or_default()
    );
    Finding::ok("hub", found)
}

/// Returns how the key of the hub was verified. A wrong key has already failed.
fn hub_key(context: &DoctorContext<'_>, trust: HubTrust) -> Finding {
    const NAME: &str = "hub_key";
    match (trust, context.settings.hub.fingerprint, context.known_hub) {
        (HubTrust::Plaintext, ..) => Finding::warn(
            NAME,
            "not checked without encryption",
            "leave out --plaintext if others use this machine, too",
        ),
        (_, Some(linked), Some(known)) if linked != known => Finding::warn(
            NAME,
            format!("{known}, from the contact book; the join link has {linked}"),
            "do not use that link: the hub does not have its key",
        ),
        (HubTrust::Pinned(key), _, Some(_)) => {
            Finding::ok(NAME, format!("{key}, from the contact book"))
        }
        (HubTrust::Pinned(key), ..) => Finding::ok(NAME, format!("{key}, from the join link")),
        _ if context.settings.hub.hub.is_loopback() => {
            Finding::ok(NAME, "first contact; trusted because it is on this machine")
        }
        _ => Finding::ok(NAME, "certified by an authority that this machine trusts"),
    }
}

/// Without a key, the owner of the name cannot be checked.
fn keyless() -> Finding {
    Finding::warn("name", "not checked without your key", FIX_KEY)
}

fn name(context: &DoctorContext<'_>, peer: Option<Peer>) -> Finding {
    const NAME: &str = "name";
    if context.lacks_key() {
        return keyless();
    }
    let own = context.identity.as_ref().map(|identity| identity.fingerprint());
    let user = &context.settings.name;
    match (peer.as_ref().and_then(|peer| peer.key), own) {
        (Some(listed), Some(own)) if listed == own => {
            Finding::ok(NAME, format!("{user} belongs to your key"))
        }
        (Some(listed), _) => Finding::fail(
            NAME,
            format!("the hub lists {user} with the key {listed}, which is not yours"),
            "use the --home with that key, or choose another name with --name NAME",
        ),
        (None, _) if peer.is_some_and(|peer| peer.guest) => Finding::warn(
            NAME,
            format!("{user} is yours as a guest: only while a program of yours is connected"),
            "connect with a key, so that the name stays yours",
        ),
        (None, _) => Finding::warn(NAME, format!("the hub lists {user} without a key"), ASK),
    }
}

/// Judges by how much the clock of the hub is ahead of this machine's, within `precision`.
fn clock(ahead: SignedDuration, precision: std::time::Duration) -> Finding {
    const NAME: &str = "clock";
    let precision = SignedDuration::try_from(precision).unwrap_or(SignedDuration::MAX);
    let apart = (ahead.abs() - precision).max(SignedDuration::ZERO);
    let side = if ahead.is_negative() { "ahead of" } else { "behind" };
    let found = match apart {
        apart if apart.as_secs() == 0 => "in step with the hub".to_owned(),
        _ => format!("{} s {side} the hub", apart.as_secs()),
    };
    let remedy = "set the clock of this machine (on Linux `timedatectl set-ntp true`), or ask the \
                  operator to set that of the hub: certificates and tokens depend on it";
    match apart {
        apart if apart > CLOCK_FAIL => Finding::fail(NAME, found, remedy),
        apart if apart > CLOCK_WARN => Finding::warn(NAME, found, remedy),
        _ => Finding::ok(NAME, found),
    }
}

/// Returns the finding for a check that the hub did not do.
pub(super) fn unchecked(name: &'static str, error: &Error) -> Finding {
    match error {
        Error::Refused(refusal) if refusal.code == tonic::Code::Unimplemented => Finding::warn(
            name,
            "this hub is too old for this check",
            "ask its operator to upgrade it",
        ),
        Error::Refused(Refusal { retry_after: Some(_), .. }) => {
            Finding::warn(name, problem(error), "try again in a minute")
        }
        _ => Finding::fail(name, problem(error), advice(error).unwrap_or_else(|| ASK.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::commands::doctor::Verdict;

    #[test]
    fn small_clock_differences_are_fine() {
        let verdict = |millis, round_trip: u64| {
            let half = Duration::from_millis(round_trip / 2);
            let finding = clock(SignedDuration::from_millis(millis), half);
            assert_eq!(finding.remedy.is_some(), finding.verdict != Verdict::Ok);
            (finding.verdict, finding.found)
        };
        assert_eq!(verdict(400, 0), (Verdict::Ok, "in step with the hub".into()));
        assert_eq!(verdict(-4_000, 0), (Verdict::Ok, "4 s ahead of the hub".into()));
        assert_eq!(verdict(5_001, 0).0, Verdict::Warn);
        assert_eq!(verdict(59_000, 0), (Verdict::Warn, "59 s behind the hub".into()));
        assert_eq!(verdict(-60_001, 0).0, Verdict::Fail);
        // The round trip may explain all of it.
        assert_eq!(verdict(6_000, 4_000).0, Verdict::Ok);
        assert_eq!(verdict(61_000, 4_000).0, Verdict::Warn);
        clock(SignedDuration::MIN + SignedDuration::from_secs(1), Duration::MAX);
    }
}
