//! The join link: what the hub's keeper hands to those who shall come.

use std::net::SocketAddr;

use super::settings::{DEFAULT_LISTEN, Settings};
use crate::{
    backbone::embedded::Store,
    error::{Error, Result},
    identity::Identity,
    model::{Certificate, Endpoint, InviteCode, JoinLink},
};

/// The link to a hub that listens on `address`. Without a key of its own the hub is trusted by its
/// name.
pub(super) fn of_hub(
    advertised: Option<&Endpoint>,
    address: SocketAddr,
    certificate: Option<&Certificate>,
) -> Result<JoinLink> {
    let hub = match advertised {
        Some(endpoint) => endpoint.clone(),
        None => reachable(address)?,
    };
    Ok(JoinLink { hub, fingerprint: certificate.map(Certificate::fingerprint), invite: None })
}

/// The link to the hub of these settings, which may be running. Its key is made where it has none
/// yet.
pub(super) fn of_settings(settings: &Settings, invite: Option<InviteCode>) -> Result<JoinLink> {
    let Store::Directory(directory) = settings.store()? else {
        return Err(Error::invalid("ephemeral", "the key is only in the memory of the hub"));
    };
    let address = settings.listen.unwrap_or(DEFAULT_LISTEN);
    if address.port() == 0 && settings.advertise.is_none() {
        let problem = "the hub takes any free port: say where it is with --advertise HOST:PORT";
        return Err(Error::invalid("listen", problem));
    }
    let own = match settings.tls_cert {
        Some(_) => None,
        None => Some(Identity::load_or_create(&directory)?),
    };
    let certificate = own.as_ref().map(Identity::certificate);
    let link = of_hub(settings.advertise.as_ref(), address, certificate)?;
    Ok(JoinLink { invite, ..link })
}

/// Where others reach what listens here: every address of this machine stands under its name.
fn reachable(address: SocketAddr) -> Result<Endpoint> {
    if !address.ip().is_unspecified() {
        return Ok(address.into());
    }
    Endpoint::new(&host_name(), address.port().into()).map_err(|problem| {
        let problem = format!("{problem}; say where the hub is with --advertise HOST:PORT");
        Error::invalid("advertise", problem)
    })
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_place_that_can_be_dialed() {
        let link = |advertised: Option<&str>, address: &str| {
            let advertised = advertised.map(|raw| Endpoint::parse(raw).unwrap());
            of_hub(advertised.as_ref(), address.parse().unwrap(), None).unwrap().to_string()
        };
        assert_eq!(link(None, "127.0.0.1:50051"), "chinwag://127.0.0.1:50051");
        assert_eq!(link(Some("hub.example:1"), "[::]:50051"), "chinwag://hub.example:1");
        for wildcard in ["0.0.0.0:7", "[::]:7"] {
            let link = link(None, wildcard);
            assert_eq!(link, format!("chinwag://{}:7", host_name().to_lowercase()));
        }
    }
}
