//! The hub: whether it is there, whether it is the right one, and what it knows of one's name.

use jiff::SignedDuration;

use super::{Finding, Me};
use crate::{
    cli::failure::advice,
    client::{Check, Client, Error, HubTrust, Registered},
    error::Refusal,
    model::Peer,
};

/// How far clocks may be apart before messages stand in a strange order.
const APART: SignedDuration = SignedDuration::from_secs(5);

/// How far clocks may be apart before tokens and certificates count as expired, or as not yet valid.
const FAR_APART: SignedDuration = SignedDuration::from_secs(60);

/// What to do about anything that has no remedy of its own.
const ASK: &str = "ask the hub's keeper";

/// What to do first where the key cannot be used.
pub(super) const MEND_KEY: &str = "mend the key first, as said above";

/// What came of a visit at the hub.
pub(super) struct Visit {
    pub(super) findings: Vec<Finding>,
    /// Oneself as the hub lists one, because of another program; otherwise why there is no session,
    /// where that is the hub's absence.
    pub(super) listed: Result<Option<Peer>, Option<Error>>,
}

/// Registers, asks, and leaves.
pub(super) async fn visit(me: &Me<'_>) -> Visit {
    let options = me.client();
    let trust = options.trust;
    let started = Client::start(options).await;
    let (client, _events) = match started {
        Ok(started) => started,
        Err(error) => return refused(me, error),
    };
    let checked = client.check().await;
    let registered = client.registered();
    // A crowd's list is not asked for, only one's own name.
    let listed = client.peer(&me.settings.name).await.ok();
    client.stop().await;

    let mut findings = vec![reached(me, registered.as_ref(), checked.as_ref().ok())];
    findings.push(hub_key(me, trust));
    findings.push(name(me, registered.and_then(|registered| registered.peer)));
    match checked {
        Ok(check) => findings.push(clock(check.clock_ahead, check.round_trip / 2)),
        Err(error) => findings.push(unchecked("clock", &error)),
    }
    Visit { findings, listed: Ok(listed) }
}

/// What it means that there is no session.
fn refused(me: &Me<'_>, error: Error) -> Visit {
    let hub = &me.settings.hub.hub;
    let remedy = advice(&error).unwrap_or_else(|| ASK.into());
    let there = Finding::ok("hub", format!("{hub} answers"));
    let findings = match &error {
        Error::HubKeyChanged { .. } | Error::HubUntrusted { .. } => {
            vec![there, Finding::fail("hub_key", error.to_string(), remedy)]
        }
        // Who refuses has shown its key.
        Error::Refused(Refusal { .. }) => {
            let trust = me.client().trust;
            let refused = match me.lacks_key() {
                true => keyless(),
                false => Finding::fail("name", error.to_string(), remedy),
            };
            vec![there, hub_key(me, trust), refused]
        }
        _ => vec![Finding::fail("hub", error.to_string(), remedy)],
    };
    let unreachable = matches!(error, Error::HubUnreachable { .. }).then_some(error);
    Visit { findings, listed: Err(unreachable) }
}

fn reached(me: &Me<'_>, registered: Option<&Registered>, check: Option<&Check>) -> Finding {
    let version = registered.map(|registered| registered.hub_version.as_str()).unwrap_or_default();
    let latency = check.map(|check| format!(", answers in {:.1?}", check.round_trip));
    let found = format!(
        "{}, chinwagd {version}{}",
        me.settings.hub.hub,
        latency.as_deref().unwrap_or_default()
    );
    Finding::ok("hub", found)
}

/// The hub has shown the key that it had to have. By whose word that was, is the question.
fn hub_key(me: &Me<'_>, trust: HubTrust) -> Finding {
    const NAME: &str = "hub_key";
    match (trust, me.settings.hub.fingerprint, me.known_hub) {
        (HubTrust::Plaintext, ..) => Finding::warn(
            NAME,
            "it is not looked at without encryption",
            "leave out --plaintext, where others use this machine, too",
        ),
        (_, Some(said), Some(known)) if said != known => Finding::warn(
            NAME,
            format!("{said}, as the join link says; the contact book has {known}"),
            "if its keeper has told you of the new key, join again with the link: `chinwag chat LINK`",
        ),
        (HubTrust::Pinned(key), _, Some(_)) => {
            Finding::ok(NAME, format!("{key}, as the contact book has it"))
        }
        (HubTrust::Pinned(key), ..) => Finding::ok(NAME, format!("{key}, as the join link says")),
        _ if me.settings.hub.hub.is_loopback() => {
            Finding::ok(NAME, "not met before; it is on this machine, and is believed")
        }
        _ => Finding::ok(NAME, "an authority that this machine trusts vouches for it"),
    }
}

/// Without the key there is nothing to tell whose the name is.
fn keyless() -> Finding {
    Finding::warn("name", "whose it is cannot be told without your key", MEND_KEY)
}

fn name(me: &Me<'_>, peer: Option<Peer>) -> Finding {
    const NAME: &str = "name";
    if me.lacks_key() {
        return keyless();
    }
    let own = me.identity.as_ref().map(|identity| identity.fingerprint());
    let said = &me.settings.name;
    let listed = peer.as_ref().and_then(|peer| peer.certificate.as_ref());
    match (listed.map(|certificate| certificate.fingerprint()), own) {
        (Some(listed), Some(own)) if listed == own => {
            Finding::ok(NAME, format!("{said} belongs to your key"))
        }
        (Some(listed), _) => Finding::fail(
            NAME,
            format!("the hub lists {said} with the key {listed}, which is not yours"),
            "use the --home with that key, or choose another name with --name NAME",
        ),
        (None, _) if peer.is_some_and(|peer| peer.guest) => Finding::warn(
            NAME,
            format!("{said} is yours as a guest: only as long as a program of yours is here"),
            "speak with a key, so that it is yours for good",
        ),
        (None, _) => Finding::warn(NAME, format!("the hub lists {said} without a key"), ASK),
    }
}

/// What it means that the hub's clock is so far before this machine's, give or take.
fn clock(ahead: SignedDuration, precision: std::time::Duration) -> Finding {
    const NAME: &str = "clock";
    let precision = SignedDuration::try_from(precision).unwrap_or(SignedDuration::MAX);
    let apart = (ahead.abs() - precision).max(SignedDuration::ZERO);
    let side = if ahead.is_negative() { "before" } else { "behind" };
    let found = match apart {
        apart if apart.as_secs() == 0 => "as the hub's".to_owned(),
        _ => format!("{} s {side} the hub's", apart.as_secs()),
    };
    let remedy = "set this machine's clock (on Linux `timedatectl set-ntp true`), or have the hub's \
                  keeper set the hub's: certificates of authorities and tokens depend on it";
    match apart {
        apart if apart > FAR_APART => Finding::fail(NAME, found, remedy),
        apart if apart > APART => Finding::warn(NAME, found, remedy),
        _ => Finding::ok(NAME, found),
    }
}

/// What the hub would not check.
pub(super) fn unchecked(name: &'static str, error: &Error) -> Finding {
    match error {
        Error::Refused(refusal) if refusal.code == tonic::Code::Unimplemented => {
            Finding::warn(name, "this hub is too old to be asked", "have its keeper upgrade it")
        }
        Error::Refused(Refusal { retry_after: Some(_), .. }) => {
            Finding::warn(name, error.to_string(), "try again in a minute")
        }
        _ => Finding::fail(name, error.to_string(), advice(error).unwrap_or_else(|| ASK.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::commands::doctor::Verdict;

    #[test]
    fn clocks_may_be_apart_a_little() {
        let verdict = |millis, round_trip: u64| {
            let half = Duration::from_millis(round_trip / 2);
            let finding = clock(SignedDuration::from_millis(millis), half);
            assert_eq!(finding.remedy.is_some(), finding.verdict != Verdict::Ok);
            (finding.verdict, finding.found)
        };
        assert_eq!(verdict(400, 0), (Verdict::Ok, "as the hub's".into()));
        assert_eq!(verdict(-4_000, 0), (Verdict::Ok, "4 s before the hub's".into()));
        assert_eq!(verdict(5_001, 0).0, Verdict::Warn);
        assert_eq!(verdict(59_000, 0), (Verdict::Warn, "59 s behind the hub's".into()));
        assert_eq!(verdict(-60_001, 0).0, Verdict::Fail);
        // What the way took may be all of it.
        assert_eq!(verdict(6_000, 4_000).0, Verdict::Ok);
        assert_eq!(verdict(61_000, 4_000).0, Verdict::Warn);
        clock(SignedDuration::MIN + SignedDuration::from_secs(1), Duration::MAX);
    }
}
