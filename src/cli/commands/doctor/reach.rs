//! Checks whether others reach the user's PeerChat server.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    time::Duration,
};

use tokio::{net::lookup_host, time::timeout};

use super::{
    DoctorContext, Finding,
    hub::{FIX_KEY, unchecked},
};
use crate::{
    cli::options::Settings,
    client::{Check, Client, ClientOptions, EndpointCheck, Error, Reach},
    model::{Endpoint, Peer},
};

const ADDRESSES: &str = "addresses";
const REACHABLE: &str = "reachable";

/// Listens as `chat` would, or stands in for a program that does, and lets the hub dial.
pub(super) async fn check(context: &DoctorContext<'_>, listed: Option<Peer>) -> Vec<Finding> {
    let settings = context.settings;
    if settings.direct.is_none() {
        return vec![Finding::ok(REACHABLE, "direct messages are off: --no-direct")];
    }
    if context.lacks_key() {
        return vec![Finding::warn(REACHABLE, "not checked without your key", FIX_KEY)];
    }
    let mut options = context.client();
    let other = listed.map(|peer| peer.endpoints).filter(|endpoints| {
        is_taken(settings.listen)
            && endpoints.iter().any(|endpoint| endpoint.port() == settings.listen.port())
    });
    let who = match other {
        // It has the same key, so that the check of the hub succeeds there.
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
            let mut findings = vec![addresses(context, &check, listens, who)];
            findings.extend(names(&check).await);
            findings.push(reachable(context, &check));
            findings
        }
        Err(Error::Io(problem)) => vec![Finding::fail(
            ADDRESSES,
            problem.to_string(),
            "choose an address of this machine and a port from 1024, such as --listen 127.0.0.1:54321, \
             or --listen 0.0.0.0:54321 for all its addresses",
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

/// Returns true if another program listens there.
fn is_taken(address: SocketAddr) -> bool {
    address.port() != 0
        && TcpListener::bind(address)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// Checks the addresses that others are told.
fn addresses(
    context: &DoctorContext<'_>,
    check: &Check,
    listens: Option<SocketAddr>,
    who: &str,
) -> Finding {
    let offered: Vec<String> =
        check.endpoints.iter().map(|check| check.endpoint.to_string()).collect();
    let at = listens.map(|address| format!(" at {address}")).unwrap_or_default();
    let seen = check.observed.as_ref().map(|seen| format!("; the hub sees you at {}", seen.host()));
    let found = format!("{}; {who}{at}{}", offered.join(", "), seen.as_deref().unwrap_or_default());
    let is_near = check.endpoints.iter().all(|check| check.endpoint.is_loopback());
    if is_near && !context.settings.hub.hub.is_loopback() {
        let found = format!("{found}; others cannot reach loopback addresses");
        return Finding::warn(ADDRESSES, found, for_others(context.settings));
    }
    if is_near {
        let found = format!("{found}; for programs on this machine only, like the hub");
        let remedy =
            format!("to be reached from other machines, too: {}", for_others(context.settings));
        return Finding { remedy: Some(remedy), ..Finding::ok(ADDRESSES, found) };
    }
    Finding::ok(ADDRESSES, found)
}

/// Resolves the host names among the endpoints. Returns findings for those that lead elsewhere.
async fn names(check: &Check) -> Vec<Finding> {
    let seen = check.observed.as_ref().and_then(Endpoint::ip);
    let mut findings = Vec::new();
    for endpoint in check.endpoints.iter().map(|check| &check.endpoint) {
        if endpoint.ip().is_some() || endpoint.is_loopback() {
            continue;
        }
        let found = timeout(LOOKUP, lookup_host((endpoint.host(), endpoint.port()))).await;
        let found: Vec<IpAddr> = match found {
            Ok(Ok(found)) => found.map(|address| address.ip().to_canonical()).collect(),
            _ => Vec::new(),
        };
        let resolved = found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        let problem = match seen {
            _ if found.is_empty() => "it does not resolve here".to_owned(),
            Some(seen) if !seen.is_loopback() && !found.contains(&seen) => {
                format!("it resolves to {resolved}, but the hub sees you at {seen}")
            }
            _ => continue,
        };
        let remedy = "fix --advertise or the DNS entry; if that address forwards the port to this \
                      machine, all is well";
        findings.push(Finding::warn("address_name", format!("{endpoint}: {problem}"), remedy));
    }
    findings
}

/// How long a name may take to resolve.
const LOOKUP: Duration = Duration::from_secs(3);

/// Returns how to be reached from other machines, if only this one is told an address.
fn for_others(settings: &Settings) -> String {
    let port = settings.listen_port();
    match settings.listen.ip().is_loopback() && settings.advertise.is_empty() {
        true => format!(
            "start with --listen 0.0.0.0:{port}, or set listen = \"0.0.0.0:{port}\" in config.toml"
        ),
        // It listens for them, but the hub sees it on loopback, or a loopback address is advertised.
        false => format!("name this machine as others reach it: --advertise HOST:{port}"),
    }
}

/// Checks whether the hub reached the endpoints.
fn reachable(context: &DoctorContext<'_>, check: &Check) -> Finding {
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
            Finding::fail(REACHABLE, format!("the hub did not reach {missed}"), remedy(failed))
        }
        Some(failed) => Finding::warn(
            REACHABLE,
            format!("the hub reached {reached}, but not {missed}"),
            remedy(failed),
        ),
        None if !reached.is_empty() => Finding::ok(REACHABLE, format!("the hub reached {reached}")),
        None if check.endpoints.is_empty() => {
            Finding::warn(REACHABLE, "no address to try", for_others(context.settings))
        }
        None => Finding::warn(
            REACHABLE,
            format!("the hub could not try {not_tried}"),
            elsewhere(context.settings, check.observed.as_ref()),
        ),
    }
}

/// The remedy for an endpoint that the hub did not reach.
fn remedy(failed: &EndpointCheck) -> String {
    let port = failed.endpoint.port();
    match failed.reach {
        Reach::NotConnected => format!(
            "open TCP port {port} to this machine in your firewall or router, or give the right \
             address with --advertise HOST:PORT"
        ),
        _ => format!(
            "another program has port {port} there: choose another with --listen ADDR:PORT, or fix \
             --advertise"
        ),
    }
}

/// The remedy if the hub sees the user at another address than those published.
fn elsewhere(settings: &Settings, observed: Option<&Endpoint>) -> String {
    let port = settings.listen_port();
    match observed.filter(|observed| !observed.is_loopback()) {
        Some(observed) => {
            let host = observed.host();
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!(
                "start with --listen 0.0.0.0:{port}; behind a router, forward TCP port {port} and use \
                 --advertise {host}:{port}"
            )
        }
        None => "ask somebody on another machine to try `chinwag send`".into(),
    }
}
