//! The join link: what the hub's keeper hands to those who shall come.

use std::{fs, net::SocketAddr, path::Path};

use super::{
    error::{Error, Result},
    settings::Settings,
};
use crate::{
    error::SystemError,
    model::{Certificate, Endpoint, JoinLink},
};

/// The file in the data directory that says how to join the hub.
const LINK_FILE: &str = "join-link";

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

/// Leaves the link to a hub in its directory, for the keeper's commands. Not for an async task.
pub(super) fn keep(link: &JoinLink, directory: &Path) -> Result<()> {
    let path = directory.join(LINK_FILE);
    fs::write(&path, format!("{link}\n"))
        .map_err(|error| SystemError::file("write", &path, error).into())
}

/// Whether a hub has ever left its link there.
pub(super) fn is_kept(directory: &Path) -> bool {
    directory.join(LINK_FILE).exists()
}

/// The link that the hub of `directory` has left, whether it is running or not; to where the
/// settings say, if they do.
pub(super) fn kept(directory: &Path, settings: &Settings) -> Result<JoinLink> {
    let path = directory.join(LINK_FILE);
    let name = &path.display();
    let raw =
        fs::read_to_string(&path).map_err(|error| SystemError::because(name, error).at(&path))?;
    let link =
        JoinLink::parse(&raw).map_err(|error| SystemError::because(name, error).at(&path))?;
    let hub = match (&settings.advertise, settings.listen) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(address)) if address.port() != 0 => reachable(address)?,
        (None, _) => link.hub,
    };
    Ok(JoinLink { hub, ..link })
}

/// A link as it is typed into a shell: in quotes where it has what a shell may take for something
/// else.
pub(super) fn for_shell(link: &JoinLink) -> String {
    let link = link.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || ":/._-".contains(c);
    if link.chars().all(plain) { link } else { format!("'{link}'") }
}

/// How the place that a link names is changed.
pub(super) fn elsewhere(link: &JoinLink) -> String {
    let hub = &link.hub;
    format!("the link says {hub}; `--advertise HOST:PORT` changes that to where others reach it")
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
    fn a_link_is_in_quotes_where_a_shell_would_ask_for_them() {
        for (link, shown) in [
            ("chinwag://hub.example-1.org:1", "chinwag://hub.example-1.org:1"),
            ("chinwag://[::1]:1", "'chinwag://[::1]:1'"),
            ("chinwag://a:1?invite=x_y", "'chinwag://a:1?invite=x_y'"),
        ] {
            assert_eq!(for_shell(&JoinLink::parse(link).unwrap()), shown);
        }
    }

    #[test]
    fn the_keeper_is_told_how_the_link_gets_another_place() {
        let link = JoinLink::parse("chinwag://inner:50051").unwrap();
        let said = elsewhere(&link);
        assert!(said.contains("inner:50051") && said.contains("`--advertise HOST:PORT`"), "{said}");
    }

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
