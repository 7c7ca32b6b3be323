//! Endpoints: where a server listens.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use super::Invalid;

/// The maximum length of an endpoint's host, in bytes: what DNS allows (RFC 1035, section 2.3.4).
pub const MAX_HOST_BYTES: usize = 253;

/// The maximum length of a zone, in bytes: what Linux allows for the name of an interface.
const MAX_ZONE_BYTES: usize = 15;

/// The address of a PeerChat server or a hub. Names are in lower case and addresses in their
/// canonical form, so that equal endpoints are equal values.
///
/// An IPv6 link-local address may have a zone (RFC 4007, section 11), as in `[fe80::1%eth0]:50051`: the
/// interface by which the machine that dials reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Arc<str>,
    port: u16,
}

impl Endpoint {
    /// Checks a host and a port. Errors with what is wrong with either.
    pub fn new(host: &str, port: u32) -> Result<Self, Invalid> {
        if host.is_empty() || host.len() > MAX_HOST_BYTES {
            return Err(Invalid::because(format!("a host must have 1 to {MAX_HOST_BYTES} bytes")));
        }
        let host = canonical(host)?;
        let port = u16::try_from(port)
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(|| Invalid::because("a port must be from 1 to 65535"))?;
        Ok(Self { host: host.into(), port })
    }

    /// Parses `HOST:PORT`, with brackets around an IPv6 address. Errors with what is wrong.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        if let Some((scheme, _)) = raw.split_once("://") {
            return Err(Invalid::because(format!(
                "{raw:?} is not of the form HOST:PORT: leave out the {scheme}://"
            )));
        }
        let lacks =
            |what: &str| Invalid::because(format!("{raw:?} has no {what}: write it as HOST:PORT"));
        let Some((host, port)) = raw.rsplit_once(':') else {
            let is_port = !raw.is_empty() && raw.bytes().all(|b| b.is_ascii_digit());
            return Err(lacks(if is_port { "host" } else { "port" }));
        };
        if host.is_empty() {
            return Err(lacks("host"));
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(Invalid::because("an IPv6 address must stand in brackets: [::1]:54321"));
        }
        let port =
            port.parse::<u32>().map_err(|_| Invalid::because("a port must be from 1 to 65535"))?;
        Self::new(bare.unwrap_or(host), port)
    }

    /// Returns the host name, or the address without brackets and with its zone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the TCP port, which is never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address without its zone, or `None` if the host is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.without_zone().parse().ok()
    }

    /// Returns the host without a zone, which means nothing to other machines.
    pub fn without_zone(&self) -> &str {
        self.host.split_once('%').map_or(&self.host, |(address, _)| address)
    }

    /// Returns the zone of the address, if it has one.
    pub fn zone(&self) -> Option<&str> {
        self.host.split_once('%').map(|(_, zone)| zone)
    }

    /// Returns the endpoint with another zone, or itself if the host is no link-local address.
    pub(crate) fn in_zone(&self, zone: &str) -> Self {
        match self.ip() {
            Some(address) if is_link_local(address) && is_zone(zone) => {
                Self { host: format!("{address}%{zone}").into(), port: self.port }
            }
            _ => self.clone(),
        }
    }

    /// Returns true if both may be the same place: zones are not compared, as a machine may write the
    /// same one as a name and as a number.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.port == other.port && self.without_zone() == other.without_zone()
    }

    /// Returns true if the host is a loopback address or `localhost`. Names are not resolved.
    pub fn is_loopback(&self) -> bool {
        self.ip().map_or(&*self.host == "localhost", |address| address.to_canonical().is_loopback())
    }

    /// Returns true if the host is the unspecified address, which cannot be dialed.
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|address| address.is_unspecified())
    }
}

/// Checks a host, and returns it in its canonical form.
fn canonical(host: &str) -> Result<String, Invalid> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    if let Some((address, zone)) = host.split_once('%') {
        return match address.parse::<IpAddr>() {
            Ok(address) if is_link_local(address) && is_zone(zone) => {
                Ok(format!("{address}%{zone}"))
            }
            _ => Err(Invalid::because(format!(
                "{host:?} has a wrong zone: an address that begins with fe80 may have one, as in \
                 fe80::1%eth0"
            ))),
        };
    }
    let is_name = host.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    match is_name {
        true => Ok(host.to_ascii_lowercase()),
        false => Err(Invalid::because(format!("{host:?} is neither a host name nor an address"))),
    }
}

/// Returns true if an address is reached by one interface only, which a zone names.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn is_zone(zone: &str) -> bool {
    (1..=MAX_ZONE_BYTES).contains(&zone.len())
        && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V6(address)
                if address.scope_id() != 0 && is_link_local(address.ip().to_owned().into()) =>
            {
                format!("{}%{}", address.ip(), address.scope_id())
            }
            address => address.ip().to_canonical().to_string(),
        };
        Self { host: host.into(), port: address.port() }
    }
}

impl FromStr for Endpoint {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        Self::parse(raw)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Endpoint {
        Endpoint::parse(raw).unwrap()
    }

    #[test]
    fn zones_are_kept() {
        for (raw, zone) in [
            ("[fe80::1%eth0]:50051", "eth0"),
            ("[FE80:0::1%Wi-Fi_2.5]:1", "Wi-Fi_2.5"),
            ("[febf::1%3]:1", "3"),
        ] {
            let endpoint = parse(raw);
            assert_eq!(endpoint.zone(), Some(zone), "{raw}");
            assert_eq!(parse(&endpoint.to_string()), endpoint);
            assert!(!endpoint.without_zone().contains('%'));
            assert_eq!(endpoint.ip().unwrap().to_string(), endpoint.without_zone());
        }
        let endpoint = parse("[fe80::1%eth0]:50051");
        assert_eq!(endpoint.to_string(), "[fe80::1%eth0]:50051");
        assert_eq!(endpoint.host(), "fe80::1%eth0");
        let address: SocketAddr = "[fe80::1%3]:7".parse().unwrap();
        assert_eq!(Endpoint::from(address).to_string(), "[fe80::1%3]:7");
        assert_eq!(parse("[fe80::1]:7").zone(), None);
    }

    #[test]
    fn other_addresses_have_no_zone() {
        for host in ["::1%lo", "127.0.0.1%lo", "2001:db8::1%eth0", "fe80::1%", "%eth0", "hub%eth0"]
        {
            let problem = Endpoint::new(host, 1).unwrap_err().0;
            assert!(problem.contains("wrong zone"), "{host}: {problem}");
        }
        for zone in ["a b", "a%b", "a/b", "a]b", "sixteen-letters-", "ä", "a\x1bb"] {
            assert!(Endpoint::new(&format!("fe80::1%{zone}"), 1).is_err(), "{zone}");
        }
    }

    #[test]
    fn a_machine_has_its_own_names_for_zones() {
        let listed = parse("[fe80::1%3]:7");
        assert_eq!(listed.in_zone("eth0"), parse("[fe80::1%eth0]:7"));
        assert_eq!(parse("[fe80::1]:7").in_zone("eth0"), parse("[fe80::1%eth0]:7"));
        assert!(listed.matches(&parse("[fe80::1%eth0]:7")) && listed.matches(&listed));
        assert!(
            !listed.matches(&parse("[fe80::1%3]:8")) && !listed.matches(&parse("[fe80::2%3]:7"))
        );
        for other in ["[2001:db8::1]:7", "192.0.2.1:7", "hub.example:7"] {
            assert_eq!(parse(other).in_zone("eth0"), parse(other));
        }
    }

    #[test]
    fn an_error_says_what_is_missing() {
        for (raw, problem) in [
            ("50051", "\"50051\" has no host: write it as HOST:PORT"),
            (":50051", "\":50051\" has no host: write it as HOST:PORT"),
            ("hub.example", "\"hub.example\" has no port: write it as HOST:PORT"),
            ("", "\"\" has no port"),
            ("::1:5", "brackets"),
            ("[::1]:0", "from 1 to 65535"),
            ("https://hub:1", "leave out the https://"),
        ] {
            let got = Endpoint::parse(raw).unwrap_err().0;
            assert!(got.contains(problem), "{raw}: {got}");
        }
    }
}
