//! The join link, which operators pass on to newcomers.

use std::{fs, net::SocketAddr, path::Path};

use super::{
    error::{Error, Result},
    settings::HubSettings,
};
use crate::{
    cli::addresses::ListenAddress,
    error::SystemError,
    identity::permissions::{self, Others},
    model::{Certificate, Endpoint, JoinLink},
};

const LINK_FILE: &str = "join-link";

/// Returns the link to a hub that was told to listen on `listen` and does so on `address`. Without a self-signed certificate, clients trust
/// the hub by its host name, and the link has no fingerprint.
pub(super) fn for_hub(
    advertised: Option<&Endpoint>,
    listen: &ListenAddress,
    address: SocketAddr,
    certificate: Option<&Certificate>,
) -> Result<JoinLink> {
    let hub = match advertised {
        Some(endpoint) => endpoint.clone(),
        None => reachable(listen, address)?,
    };
    Ok(JoinLink { hub, fingerprint: certificate.map(Certificate::fingerprint), invite: None })
}

/// Saves the link in the data directory for the operator commands. Blocks.
pub(super) fn save(link: &JoinLink, directory: &Path) -> Result<()> {
    let path = directory.join(LINK_FILE);
    permissions::mend(&path, Others::Read)?;
    fs::write(&path, format!("{link}\n"))
        .map_err(|error| SystemError::file("write", &path, error).into())
}

pub(super) fn is_saved(directory: &Path) -> bool {
    directory.join(LINK_FILE).exists()
}

/// Returns the link that the hub of `directory` has saved, with the address from the settings.
pub(super) fn load(directory: &Path, settings: &HubSettings) -> Result<JoinLink> {
    let path = directory.join(LINK_FILE);
    let name = &path.display();
    permissions::mend(&path, Others::Read)?;
    let raw =
        fs::read_to_string(&path).map_err(|error| SystemError::because(name, error).at(&path))?;
    let link =
        JoinLink::parse(&raw).map_err(|error| SystemError::because(name, error).at(&path))?;
    let hub = match (&settings.advertise, &settings.listen) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(listen)) if listen.address.port() != 0 => reachable(listen, listen.address)?,
        (None, _) => link.hub,
    };
    Ok(JoinLink { hub, ..link })
}

/// Returns a link as typed into a shell: in quotes if it has special characters.
pub(super) fn for_shell(link: &JoinLink) -> String {
    let link = link.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || ":/._-".contains(c);
    if link.chars().all(plain) { link } else { format!("'{link}'") }
}

/// Returns how to change the address in the link.
pub(super) fn advertise_hint(link: &JoinLink) -> String {
    let hub = &link.hub;
    format!(
        "the link has the address {hub}; if others reach the hub elsewhere, set --advertise HOST:PORT"
    )
}

/// Returns where others reach a listener: a wildcard address becomes the host name.
fn reachable(listen: &ListenAddress, address: SocketAddr) -> Result<Endpoint> {
    if !address.ip().is_unspecified() {
        return Ok(listen.reached_at(address));
    }
    Endpoint::new(&host_name(), address.port().into()).map_err(|problem| {
        let problem = format!("{problem}; give the address of the hub with --advertise HOST:PORT");
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
    fn special_characters_are_quoted() {
        for (link, shown) in [
            ("chinwag://hub.example-1.org:1", "chinwag://hub.example-1.org:1"),
            ("chinwag://[::1]:1", "'chinwag://[::1]:1'"),
            ("chinwag://a:1?invite=x_y", "'chinwag://a:1?invite=x_y'"),
        ] {
            assert_eq!(for_shell(&JoinLink::parse(link).unwrap()), shown);
        }
    }

    #[test]
    fn the_hint_names_the_address_and_the_option() {
        let link = JoinLink::parse("chinwag://inner:50051").unwrap();
        let hint = advertise_hint(&link);
        assert!(hint.contains("inner:50051") && hint.contains("--advertise HOST:PORT"), "{hint}");
    }

    #[test]
    fn a_link_has_an_address_that_can_be_dialed() {
        let link = |advertised: Option<&str>, address: &str| {
            let advertised = advertised.map(|raw| Endpoint::parse(raw).unwrap());
            let listen: ListenAddress = address.parse().unwrap();
            for_hub(advertised.as_ref(), &listen, listen.address, None).unwrap().to_string()
        };
        assert_eq!(link(None, "127.0.0.1:50051"), "chinwag://127.0.0.1:50051");
        assert_eq!(link(None, "[fe80::1%lo]:50051"), "chinwag://[fe80::1%lo]:50051");
        assert_eq!(link(Some("hub.example:1"), "[::]:50051"), "chinwag://hub.example:1");
        for wildcard in ["0.0.0.0:7", "[::]:7"] {
            let link = link(None, wildcard);
            assert_eq!(link, format!("chinwag://{}:7", host_name().to_lowercase()));
        }
    }
}
