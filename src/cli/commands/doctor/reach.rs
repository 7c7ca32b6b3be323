//! Whether others come to one's PeerChat server.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    time::Duration,
};

use tokio::{net::lookup_host, time::timeout};

use super::{
    Finding, Me,
    hub::{MEND_KEY, unchecked},
};
use crate::{
    client::{Check, Client, ClientOptions, EndpointCheck, Error, Reach},
    model::{Endpoint, Peer},
};

const ADDRESSES: &str = "addresses";
const REACHABLE: &str = "reachable";

/// Listens as `chat` would, or takes the place of a program that does, and has the hub dial.
pub(super) async fn check(me: &Me<'_>, listed: Option<Peer>) -> Vec<Finding> {
    let settings = me.settings;
    if settings.direct.is_none() {
        return vec![Finding::ok(REACHABLE, "you take no direct messages: --no-direct")];
    }
    if me.lacks_key() {
        return vec![Finding::warn(REACHABLE, "this cannot be tried without your key", MEND_KEY)];
    }
    let mut options = me.client();
    let other = listed.map(|peer| peer.endpoints).filter(|endpoints| {
        is_taken(settings.listen)
            && endpoints.iter().any(|endpoint| endpoint.port() == settings.listen.port())
    });
    let who = match other {
        // It has the same key, so the hub finds there what it looks for.
        Some(endpoints) => {
            options.advertise = endpoints;
            "another program of yours listens"
        }
        None => {
            options.listen = Some(settings.listen);
            options.advertise = settings.advertise.clone();
            "a listener was opened for this check"
        }
    };
    match ask(options).await {
        Ok((check, listens)) => {
            let mut findings = vec![addresses(me, &check, listens, who)];
            findings.extend(names(&check).await);
            findings.push(reachable(me, &check));
            findings
        }
        Err(Error::Io(problem)) => vec![Finding::fail(
            ADDRESSES,
            problem.to_string(),
            "listen at an address of this machine: --listen 127.0.0.1:54321",
        )],
        Err(Error::Invalid(problem)) => {
            let problem = Error::Invalid(problem).to_string();
            vec![Finding::fail(ADDRESSES, problem, "without encryption: --listen 127.0.0.1:54321")]
        }
        Err(error) => vec![unchecked(REACHABLE, &error)],
    }
}

async fn ask(options: ClientOptions) -> Result<(Check, Option<SocketAddr>), Error> {
    let (client, _events) = Client::start(options).await?;
    let checked = client.check().await;
    let listens = client.direct_address();
    client.stop().await;
    Ok((checked?, listens))
}

/// Whether another program listens there.
fn is_taken(address: SocketAddr) -> bool {
    address.port() != 0
        && TcpListener::bind(address)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// What others are told.
fn addresses(me: &Me<'_>, check: &Check, listens: Option<SocketAddr>, who: &str) -> Finding {
    let offered: Vec<String> =
        check.endpoints.iter().map(|check| check.endpoint.to_string()).collect();
    let at = listens.map(|address| format!(" at {address}")).unwrap_or_default();
    let seen = check.observed.as_ref().map(|seen| format!("; the hub sees you at {}", seen.host()));
    let found = format!("{}; {who}{at}{}", offered.join(", "), seen.as_deref().unwrap_or_default());
    let is_near = check.endpoints.iter().all(|check| check.endpoint.is_loopback());
    if is_near && !me.settings.hub.hub.is_loopback() {
        let found = format!("{found}; who is elsewhere cannot come to this machine so");
        return Finding::warn(ADDRESSES, found, "--listen 0.0.0.0:54321");
    }
    if is_near {
        let found = format!("{found}; for programs on this machine only, as the hub is on it");
        return Finding { remedy: Some(FOR_OTHERS.into()), ..Finding::ok(ADDRESSES, found) };
    }
    Finding::ok(ADDRESSES, found)
}

/// Where the names among the endpoints lead, which no hub looks up: only those that others are not
/// likely to find one by.
async fn names(check: &Check) -> Vec<Finding> {
    let seen = check.observed.as_ref().and_then(|seen| seen.host().parse::<IpAddr>().ok());
    let mut findings = Vec::new();
    for endpoint in check.endpoints.iter().map(|check| &check.endpoint) {
        if endpoint.host().parse::<IpAddr>().is_ok() || endpoint.is_loopback() {
            continue;
        }
        let found = timeout(LOOKUP, lookup_host((endpoint.host(), endpoint.port()))).await;
        let found: Vec<IpAddr> = match found {
            Ok(Ok(found)) => found.map(|address| address.ip().to_canonical()).collect(),
            _ => Vec::new(),
        };
        let leads = found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        let problem = match seen {
            _ if found.is_empty() => "it leads nowhere from here".to_owned(),
            Some(seen) if !seen.is_loopback() && !found.contains(&seen) => {
                format!("it leads to {leads}, and the hub sees you at {seen}")
            }
            _ => continue,
        };
        let remedy = "mend --advertise, or what the name leads to; all is well if that place passes \
                      the port on to this machine";
        findings.push(Finding::warn("address_name", format!("{endpoint}: {problem}"), remedy));
    }
    findings
}

/// How long a name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(3);

/// What to do where others elsewhere are to come.
const FOR_OTHERS: &str = "to be reached from elsewhere, too: --listen 0.0.0.0:54321";

/// Whether the hub came there.
fn reachable(me: &Me<'_>, check: &Check) -> Finding {
    let of = |wanted: fn(Reach) -> bool| {
        let some = check.endpoints.iter().filter(|check| wanted(check.reach));
        some.map(EndpointCheck::to_string).collect::<Vec<_>>().join("; ")
    };
    let reached = of(|reach| reach == Reach::Reached);
    let not_tried = of(|reach| reach == Reach::NotDialed);
    let failed =
        check.endpoints.iter().find(|c| !matches!(c.reach, Reach::Reached | Reach::NotDialed));
    let missed = of(|reach| !matches!(reach, Reach::Reached | Reach::NotDialed));
    match failed {
        Some(failed) if reached.is_empty() => {
            Finding::fail(REACHABLE, format!("the hub did not come to {missed}"), remedy(failed))
        }
        Some(failed) => Finding::warn(
            REACHABLE,
            format!("the hub came to {reached}, and not to {missed}"),
            remedy(failed),
        ),
        None if !reached.is_empty() => Finding::ok(REACHABLE, format!("the hub came to {reached}")),
        None if check.endpoints.is_empty() => {
            Finding::warn(REACHABLE, "the hub was told no address", "--listen 0.0.0.0:54321")
        }
        None => Finding::warn(
            REACHABLE,
            format!("the hub could not try {not_tried}"),
            elsewhere(me.settings.listen, check.observed.as_ref()),
        ),
    }
}

/// What to do about an endpoint that the hub has tried in vain.
fn remedy(failed: &EndpointCheck) -> String {
    let port = failed.endpoint.port();
    match failed.reach {
        Reach::NotConnected => format!(
            "let TCP port {port} through your firewall or router to this machine, or say where you \
             are with --advertise HOST:PORT"
        ),
        _ => format!(
            "somebody else has port {port} there: choose another with --listen ADDR:PORT, or mend \
             --advertise"
        ),
    }
}

/// What to do where the hub sees one at another address than one offers.
fn elsewhere(listen: SocketAddr, observed: Option<&Endpoint>) -> String {
    let port = if listen.port() == 0 { 54321 } else { listen.port() };
    match observed.filter(|observed| !observed.is_loopback()) {
        Some(observed) => {
            let host = observed.host();
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!(
                "--listen 0.0.0.0:{port}; behind a router, let it pass TCP port {port} on, and say \
                 --advertise {host}:{port}"
            )
        }
        None => "have somebody elsewhere try with `chinwag send`".into(),
    }
}
