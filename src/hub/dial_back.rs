//! Dial-backs: the hub dials a peer's endpoints, to find out whether others can reach them.
//!
//! A hub that dialed any address could be used to scan or attack others. So it dials only the
//! address that the caller calls from, as libp2p's AutoNAT does, resolves no names, sends nothing
//! that the caller chose, and limits the rate, the number and the duration. It dials its own
//! machine only if it accepts plaintext from there: otherwise such callers may be remote ones
//! behind a proxy.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    error::{RequestError, Result},
    limiter::{Exceeded, KeyedLimiter},
    model::{Certificate, Endpoint, Fingerprint},
    proto::{EndpointCheck, EndpointReach},
    storage::{Owner, Session, SessionId},
    transport::{Plaintext, Probe, probe},
};

/// How long a check may take. The endpoints of a session are dialed concurrently.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The lowest port that is dialed: system services have the ones below.
const MIN_PORT: u16 = 1024;

/// Checks that the hub makes at a time. Each makes at most eight connections.
const MAX_CHECKS: usize = 16;

/// When to retry while too many checks are running.
const BUSY_DELAY: Duration = TIMEOUT;

#[derive(Debug)]
pub(crate) struct DialBacks {
    running: Arc<KeyedLimiter<SessionId>>,
    /// Whether callers from loopback are dialed.
    local: bool,
}

impl DialBacks {
    pub(crate) fn new(plaintext: Plaintext) -> Self {
        let local = plaintext == Plaintext::FromLoopback;
        Self { running: Arc::default(), local }
    }

    /// Dials the endpoints of a session. `own` is the address that it calls from. Errors with
    /// [`RequestError::LimitReached`] if a check of this session, or too many others, are running.
    pub(crate) async fn check(
        &self,
        session: &Session,
        own: Option<SocketAddr>,
    ) -> Result<Vec<EndpointCheck>> {
        let _permit = self.running.acquire(MAX_CHECKS, [(session.id, 1)]).map_err(|exceeded| {
            let what = match exceeded {
                Exceeded::Key => "a session may have one check at a time",
                Exceeded::Total => "the hub makes too many checks now",
            };
            RequestError::LimitReached { what: what.into(), retry_after: Some(BUSY_DELAY) }
        })?;
        let key = session.owner.as_ref().and_then(Owner::certificate).map(Certificate::fingerprint);
        let mut dialed = JoinSet::new();
        let mut checks = Vec::new();
        for (at, endpoint) in session.endpoints.iter().enumerate() {
            let address = self.dialable(endpoint, own, key.is_some());
            checks.push(not_dialed(endpoint, &address));
            if let Ok(address) = address {
                dialed.spawn(async move { (at, dial(address, key).await) });
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

    /// Returns the address to dial for an endpoint, or why it is not dialed.
    fn dialable(
        &self,
        endpoint: &Endpoint,
        own: Option<SocketAddr>,
        has_key: bool,
    ) -> Result<SocketAddr, String> {
        let mut address = own.ok_or("the hub does not see where you are")?;
        let own = address.ip().to_canonical();
        address.set_ip(own);
        address.set_port(endpoint.port());
        match endpoint.ip() {
            _ if endpoint.is_loopback() && !own.is_loopback() => {
                Err(format!("only your own machine can reach it; the hub sees you at {own}"))
            }
            Some(host) if host != own => {
                Err(format!("the hub sees you at {own} and dials no other machine"))
            }
            _ if own.is_loopback() && !self.local => {
                Err("this hub does not dial its own machine".into())
            }
            _ if !has_key && !own.is_loopback() => Err(
                "your name has no key, and the hub dials other machines only for names with one"
                    .into(),
            ),
            _ if endpoint.port() < MIN_PORT => {
                Err(format!("the hub dials no ports below {MIN_PORT}"))
            }
            // With its zone, if it has one.
            _ => Ok(address),
        }
    }
}

fn not_dialed(endpoint: &Endpoint, address: &Result<SocketAddr, String>) -> EndpointCheck {
    EndpointCheck {
        endpoint: Some(endpoint.into()),
        reach: EndpointReach::NotDialed.into(),
        dialed: address.as_ref().ok().map(|address| (&Endpoint::from(*address)).into()),
        cause: address.as_ref().err().cloned().unwrap_or_default(),
    }
}

async fn dial(address: SocketAddr, key: Option<Fingerprint>) -> (EndpointReach, String) {
    match probe(address, key, TIMEOUT).await {
        Probe::NotConnected(failure) => (EndpointReach::NotConnected, failure.to_string()),
        Probe::NotSecure(failure) => (EndpointReach::NotSecure, failure.to_string()),
        Probe::WrongKey(mismatch) => (EndpointReach::WrongKey, mismatch.to_string()),
        Probe::Reached => (EndpointReach::Reached, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialable(
        plaintext: Plaintext,
        endpoint: &str,
        own: &str,
        key: bool,
    ) -> Result<String, String> {
        let checks = DialBacks::new(plaintext);
        let own = Some(SocketAddr::new(own.parse().unwrap(), 49152));
        let address = checks.dialable(&Endpoint::parse(endpoint).unwrap(), own, key);
        address.map(|address| address.to_string())
    }

    #[test]
    fn only_the_caller_is_dialed() {
        let dialed = |endpoint, own| dialable(Plaintext::FromLoopback, endpoint, own, true);
        for (endpoint, own, at) in [
            ("192.0.2.7:54321", "192.0.2.7", "192.0.2.7:54321"),
            ("192.0.2.7:54321", "::ffff:192.0.2.7", "192.0.2.7:54321"),
            ("[2001:db8::7]:1024", "2001:db8::7", "[2001:db8::7]:1024"),
            ("127.0.0.1:54321", "127.0.0.1", "127.0.0.1:54321"),
            // Names are not resolved.
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
            // A shared gateway, or its services.
            ("192.0.2.7:22", "192.0.2.7", "no ports below 1024"),
            ("127.0.0.1:1023", "127.0.0.1", "no ports below 1024"),
        ] {
            let refused = dialed(endpoint, own).unwrap_err();
            assert!(refused.contains(because), "{endpoint} from {own}: {refused}");
        }
    }

    #[test]
    fn loopback_is_dialed_if_plaintext_is_accepted() {
        let dialed = |plaintext, own| dialable(plaintext, &format!("{own}:5001"), own, true);
        dialed(Plaintext::FromLoopback, "127.0.0.1").unwrap();
        dialed(Plaintext::Never, "127.0.0.1").unwrap_err();
        dialed(Plaintext::Never, "192.0.2.7").unwrap();
        let keyless = |own| dialable(Plaintext::FromLoopback, &format!("{own}:5001"), own, false);
        keyless("127.0.0.1").unwrap();
        keyless("192.0.2.7").unwrap_err();
    }
}
