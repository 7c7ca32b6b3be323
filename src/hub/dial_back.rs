//! Whether others reach a peer, found out for the peer, who cannot see that from where they are.
//!
//! A hub that dials wherever it is told to would knock at other people's doors for whoever asks. So
//! it dials the caller's own address only, as libp2p's AutoNAT does, looks no name up, sends nothing
//! of the caller's, and bounds how often, how many and how long. On its own machine, where callers may
//! be others that a proxy makes look local, it dials only if it trusts them with plaintext, too.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    error::{RequestError, Result},
    model::{Certificate, Endpoint, Fingerprint},
    proto::{EndpointCheck, EndpointReach},
    storage::{Owner, Session, SessionId},
    transport::{Plaintext, Probe, probe},
};

/// How long all endpoints of a session may take together: they are dialed side by side.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lowest port that is dialed: those below are services of machines, and no peer's.
const MIN_PORT: u16 = 1024;

/// How many checks the hub makes at a time, which is at most eight times as many connections.
const MAX_CHECKS: usize = 16;

/// When to come again where too many are under way.
const BUSY_DELAY: Duration = PATIENCE;

/// The checks of a hub.
#[derive(Debug)]
pub(crate) struct DialBacks {
    under_way: Mutex<HashSet<SessionId>>,
    places: Semaphore,
    /// Whether callers from this machine are who they look like.
    local: bool,
}

impl DialBacks {
    pub(crate) fn new(plaintext: Plaintext) -> Self {
        let local = plaintext == Plaintext::FromLoopback;
        Self { under_way: Mutex::default(), places: Semaphore::new(MAX_CHECKS), local }
    }

    /// Dials the endpoints of a session whose caller is at `own`.
    ///
    /// # Errors
    ///
    /// [`RequestError::LimitReached`] where one is under way for this session, or too many for all.
    pub(crate) async fn check(
        &self,
        session: &Session,
        own: Option<IpAddr>,
    ) -> Result<Vec<EndpointCheck>> {
        let busy = |what: &str| RequestError::LimitReached {
            what: what.into(),
            retry_after: Some(BUSY_DELAY),
        };
        let _turn =
            self.enter(session.id).ok_or_else(|| busy("a session may have one check at a time"))?;
        let _place =
            self.places.try_acquire().map_err(|_| busy("the hub makes too many checks now"))?;
        let key = session.owner.as_ref().and_then(Owner::certificate).map(Certificate::fingerprint);
        let mut dialed = JoinSet::new();
        let mut checks = Vec::new();
        for (at, endpoint) in session.endpoints.iter().enumerate() {
            let place = self.place(endpoint, own, key.is_some());
            checks.push(begun(endpoint, &place));
            if let Ok(place) = place {
                dialed.spawn(async move { (at, dial(place, key).await) });
            }
        }
        while let Some(done) = dialed.join_next().await {
            if let Ok((at, (reach, cause))) = done
                && let Some(check) = checks.get_mut(at)
            {
                check.set_reach(reach);
                check.cause = cause;
            }
        }
        Ok(checks)
    }

    /// Where to dial for an endpoint; otherwise why not.
    fn place(
        &self,
        endpoint: &Endpoint,
        own: Option<IpAddr>,
        has_key: bool,
    ) -> Result<SocketAddr, String> {
        let own = own.ok_or("the hub does not see where you are")?.to_canonical();
        match endpoint.host().parse::<IpAddr>() {
            _ if endpoint.is_loopback() && !own.is_loopback() => Err(format!(
                "nobody beyond your own machine comes there; the hub sees you at {own}"
            )),
            Ok(host) if host != own => {
                Err(format!("the hub sees you at {own} and dials no other machine"))
            }
            _ if own.is_loopback() && !self.local => {
                Err("this hub does not dial its own machine".into())
            }
            _ if !has_key && !own.is_loopback() => {
                Err("your name has no key, and without one nobody is dialed elsewhere".into())
            }
            _ if endpoint.port() < MIN_PORT => {
                Err(format!("the hub dials no ports below {MIN_PORT}"))
            }
            _ => Ok(SocketAddr::new(own, endpoint.port())),
        }
    }

    fn enter(&self, session: SessionId) -> Option<Turn<'_>> {
        let entered = self.under_way().insert(session);
        // Only who entered leaves.
        entered.then(|| Turn { checks: self, session })
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.under_way.lock()
    }
}

/// A session's check that is under way.
struct Turn<'a> {
    checks: &'a DialBacks,
    session: SessionId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.checks.under_way().remove(&self.session);
    }
}

fn begun(endpoint: &Endpoint, place: &Result<SocketAddr, String>) -> EndpointCheck {
    EndpointCheck {
        endpoint: Some(endpoint.into()),
        reach: EndpointReach::NotDialed.into(),
        dialed: place.as_ref().ok().map(|place| (&Endpoint::from(*place)).into()),
        cause: place.as_ref().err().cloned().unwrap_or_default(),
    }
}

async fn dial(place: SocketAddr, key: Option<Fingerprint>) -> (EndpointReach, String) {
    match probe(place, key, PATIENCE).await {
        Probe::NotConnected(failure) => (EndpointReach::NotConnected, failure.to_string()),
        Probe::NotSecure(failure) => (EndpointReach::NotSecure, failure.to_string()),
        Probe::WrongKey(mismatch) => (EndpointReach::WrongKey, mismatch.to_string()),
        Probe::Reached => (EndpointReach::Reached, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(plaintext: Plaintext, endpoint: &str, own: &str, key: bool) -> Result<String, String> {
        let checks = DialBacks::new(plaintext);
        let own = Some(own.parse().unwrap());
        let place = checks.place(&Endpoint::parse(endpoint).unwrap(), own, key);
        place.map(|place| place.to_string())
    }

    #[test]
    fn nobody_but_the_caller_is_dialed() {
        let dialed = |endpoint, own| place(Plaintext::FromLoopback, endpoint, own, true);
        for (endpoint, own, at) in [
            ("192.0.2.7:54321", "192.0.2.7", "192.0.2.7:54321"),
            ("192.0.2.7:54321", "::ffff:192.0.2.7", "192.0.2.7:54321"),
            ("[2001:db8::7]:1024", "2001:db8::7", "[2001:db8::7]:1024"),
            ("127.0.0.1:54321", "127.0.0.1", "127.0.0.1:54321"),
            // A name is never looked up.
            ("internal.example:5022", "192.0.2.7", "192.0.2.7:5022"),
        ] {
            assert_eq!(dialed(endpoint, own), Ok(at.into()));
        }
        for (endpoint, own, because) in [
            ("192.0.2.8:54321", "192.0.2.7", "sees you at 192.0.2.7"),
            ("10.0.0.1:80", "192.0.2.7", "no other machine"),
            ("127.0.0.1:22", "192.0.2.7", "your own machine"),
            ("[::1]:22", "192.0.2.7", "your own machine"),
            ("localhost:22", "192.0.2.7", "your own machine"),
            ("127.0.0.2:22", "127.0.0.1", "no other machine"),
            ("192.0.2.7:22", "127.0.0.1", "no other machine"),
            // A gateway that many share, or its services.
            ("192.0.2.7:22", "192.0.2.7", "no ports below 1024"),
            ("127.0.0.1:1023", "127.0.0.1", "no ports below 1024"),
        ] {
            let refused = dialed(endpoint, own).unwrap_err();
            assert!(refused.contains(because), "{endpoint} from {own}: {refused}");
        }
    }

    #[test]
    fn who_looks_local_is_dialed_where_that_is_believed() {
        let dialed = |plaintext, own| place(plaintext, &format!("{own}:5001"), own, true);
        dialed(Plaintext::FromLoopback, "127.0.0.1").unwrap();
        dialed(Plaintext::Never, "127.0.0.1").unwrap_err();
        dialed(Plaintext::Never, "192.0.2.7").unwrap();
        let keyless = |own| place(Plaintext::FromLoopback, &format!("{own}:5001"), own, false);
        keyless("127.0.0.1").unwrap();
        keyless("192.0.2.7").unwrap_err();
    }

    #[test]
    fn a_session_has_one_check_at_a_time() {
        let checks = DialBacks::new(Plaintext::FromLoopback);
        let (session, other) = (SessionId::new(), SessionId::new());
        let turn = checks.enter(session);
        assert!(turn.is_some() && checks.enter(session).is_none());
        assert!(checks.enter(other).is_some());
        drop(turn);
        assert!(checks.enter(session).is_some());
    }
}
