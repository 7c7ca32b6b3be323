//! Addresses as options and settings files of both programs take them.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use serde::Deserialize;

use crate::model::{Endpoint, Invalid, JoinLink};

/// Parses the address of a hub: an endpoint, a join link, or a port of this machine. They may be pasted
/// with the quotes, brackets or words around them.
pub(crate) fn hub(raw: &str) -> Result<JoinLink, Invalid> {
    if let Some(link) = pasted_link(raw) {
        return JoinLink::parse(link);
    }
    let raw = raw.trim().trim_start_matches(OPENING).trim_end_matches(CLOSING);
    let hub = match port_alone(raw) {
        Some(port) => Endpoint::new(&Ipv4Addr::LOCALHOST.to_string(), port.into())?,
        None => Endpoint::parse(raw)?,
    };
    Ok(JoinLink { hub, fingerprint: None, invite: None })
}

/// What may stand before an address in a text. A bracket does too, but it also begins an IPv6 address.
const OPENING: &[char] = &['<', '(', '"', '\'', '`', '“', '‘', '„', '«', '*'];

/// What may stand behind an address or a join link in a text, and is not part of it.
const CLOSING: &[char] = &[
    '>', ')', ']', '}', '"', '\'', '`', '”', '’', '“', '»', '*', '.', ',', ';', ':', '!', '?', '…',
    '。', '，',
];

/// Characters that end a join link, besides white space.
const NEVER_IN_LINK: &[char] = &['<', '>', '"', '\'', '`', '“', '”', '‘', '’', '«', '»'];

const LINK_SCHEME: &str = "chinwag://";

/// Finds the join link in a text that was pasted, such as a whole command or a link in quotes.
fn pasted_link(raw: &str) -> Option<&str> {
    // All of it is ASCII, so that the positions are the same.
    let start = raw.to_ascii_lowercase().find(LINK_SCHEME)?;
    let link =
        raw[start..].split(|c: char| c.is_whitespace() || NEVER_IN_LINK.contains(&c)).next()?;
    Some(link.trim_end_matches(CLOSING))
}

/// Where to listen, as options of both programs say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    pub(crate) address: SocketAddr,
    /// The zone of a link-local address as it was written; the address has its number.
    pub(crate) zone: Option<String>,
}

impl FromStr for ListenAddress {
    type Err = Invalid;

    /// Parses an address and a port. A port alone, or behind `localhost`, is one of this machine.
    fn from_str(raw: &str) -> Result<Self, Invalid> {
        if let Some(port) = port_alone(raw.strip_prefix("localhost").unwrap_or(raw)) {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
        if let Ok(address) = raw.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let wrong = |problem: &str| Invalid(format!("{raw:?} {problem}"));
        let Some((host, port)) = raw.rsplit_once(':') else {
            return Err(wrong(NO_LISTEN_ADDRESS));
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) && bare == host {
            return Err(wrong("is an IPv6 address without brackets: write [::1]:50051"));
        }
        let Ok(port) = port.parse::<u16>() else {
            return Err(wrong("has no port from 0 to 65535 at its end"));
        };
        if bare.contains('%') {
            return with_zone(bare, port).map_err(|problem| wrong(&problem));
        }
        if bare == "*" {
            return Err(wrong(&format!(
                "is not an address: 0.0.0.0:{port} stands for all of this machine"
            )));
        }
        Err(wrong(&format!(
            "is not an address of this machine: 0.0.0.0:{port} stands for all of them, and --advertise \
             tells others a name"
        )))
    }
}

const NO_LISTEN_ADDRESS: &str =
    "is neither ADDR:PORT, such as 127.0.0.1:54321 or 0.0.0.0:54321, nor a port";

impl<T: Into<SocketAddr>> From<T> for ListenAddress {
    fn from(address: T) -> Self {
        Self { address: address.into(), zone: None }
    }
}

impl ListenAddress {
    /// Returns where a listener that was opened here is reached, with the zone as it was written.
    pub(crate) fn reached_at(&self, bound: SocketAddr) -> Endpoint {
        let endpoint = Endpoint::from(bound);
        match &self.zone {
            Some(zone) => endpoint.in_zone(zone),
            None => endpoint,
        }
    }
}

/// Parses a port, with or without a colon before it.
fn port_alone(raw: &str) -> Option<u16> {
    let port = raw.strip_prefix(':').unwrap_or(raw);
    port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())?
}

/// Parses a link-local address whose zone is the name of an interface of this machine.
fn with_zone(host: &str, port: u16) -> Result<ListenAddress, String> {
    // Port 0 is none of an endpoint.
    let parsed =
        Endpoint::new(host, 1).map_err(|Invalid(problem)| format!("is invalid: {problem}"))?;
    let zone = parsed.zone().map(str::to_owned);
    let found = (parsed.host(), port).to_socket_addrs();
    let address = found.ok().and_then(|mut found| found.next());
    let address = address.ok_or("names no interface of this machine behind its %")?;
    Ok(ListenAddress { address, zone })
}

/// Parses where to listen. Errors as [`ListenAddress::from_str`].
pub(crate) fn listen_address(raw: &str) -> Result<SocketAddr, Invalid> {
    raw.parse().map(|ListenAddress { address, .. }| address)
}

/// A value of a settings file that may be a port without quotes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a port")]
pub(crate) enum TextOrPort {
    Text(String),
    Port(u16),
}

impl TextOrPort {
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Port(port) => port.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_means_loopback() {
        for raw in ["29053", ":29053", "127.0.0.1:29053", "localhost:29053"] {
            assert_eq!(listen_address(raw).unwrap().to_string(), "127.0.0.1:29053", "{raw}");
            assert_eq!(hub(raw).unwrap().hub.port(), 29053, "{raw}");
            assert!(hub(raw).unwrap().hub.is_loopback(), "{raw}");
        }
        assert_eq!(listen_address("[::]:7").unwrap().to_string(), "[::]:7");
        assert_eq!(listen_address("0").unwrap().to_string(), "127.0.0.1:0");
    }

    #[test]
    fn errors_of_addresses_say_what_to_write() {
        for (raw, problem) in [
            ("", "neither ADDR:PORT"),
            (":", "from 0 to 65535"),
            ("+1", "neither ADDR:PORT"),
            ("everywhere", "such as 127.0.0.1:54321"),
            ("0.0.0.0", "neither ADDR:PORT"),
            ("70000", "neither ADDR:PORT"),
            ("localhost:70000", "from 0 to 65535"),
            ("0.0.0.0:http", "from 0 to 65535"),
            ("*:50051", "0.0.0.0:50051 stands for all"),
            ("hub.example.org:50051", "0.0.0.0:50051 stands for all"),
            ("::1:2", "brackets"),
            ("[::1%lo]:2", "wrong zone"),
            ("[fe80::1%no-such-zone]:2", "no interface of this machine"),
        ] {
            let got = listen_address(raw).unwrap_err().0;
            assert!(got.contains(problem), "{raw}: {got}");
        }
    }

    #[test]
    fn a_zone_stays_as_it_was_written() {
        let named: ListenAddress = "[fe80::1%lo]:7".parse().unwrap();
        assert_eq!(named.address.to_string(), "[fe80::1%1]:7");
        assert_eq!(named.reached_at(named.address).to_string(), "[fe80::1%lo]:7");
        let numbered: ListenAddress = "[fe80::1%1]:7".parse().unwrap();
        assert_eq!(numbered.reached_at(numbered.address).to_string(), "[fe80::1%1]:7");
    }

    #[test]
    fn a_link_is_taken_as_it_was_pasted() {
        let key = crate::model::Fingerprint::from_bytes([7; 32]);
        for link in [
            format!("chinwag://hub.example:50051#{key}"),
            format!("chinwag://[fe80::1%eth0]:50051?invite=a-b_#{key}"),
            format!("CHINWAG://[::1]:50051?invite=a-b_#{key}"),
            "chinwag://hub.example:50051?invite=a-b_".to_owned(),
        ] {
            let expected = JoinLink::parse(&link).unwrap();
            for pasted in [
                "{}",
                " {}\n",
                "<{}>",
                "'{}'",
                "\"{}\"",
                "`{}`",
                "“{}”",
                "‘{}’.",
                "«{}»",
                "({})",
                "[{}]",
                "**{}**",
                "{}.",
                "{},",
                "{};",
                "{}!",
                "{}?",
                "{}…",
                "(see <{}>).",
                "```\n{}\n```",
                "chinwag chat '{}'",
                "join with: chinwag chat {}",
                "$ chinwag --name ann chat \"{}\".",
                "[the hub]({})",
                "{} (ask ann for a new one)",
                "日本語：{}。",
            ] {
                let pasted = pasted.replace("{}", &link);
                assert_eq!(hub(&pasted).as_ref(), Ok(&expected), "{pasted}");
            }
        }
        for pasted in ["hub.example:1", "<hub.example:1>", "`hub.example:1`.", " 'hub.example:1', "]
        {
            assert_eq!(hub(pasted).unwrap().hub.to_string(), "hub.example:1", "{pasted}");
        }
        assert_eq!(hub("\"[::1]:1\".").unwrap().hub.to_string(), "[::1]:1");
        for (wrong, problem) in [
            ("<https://hub.example>", "leave out the https://"),
            ("'chinwag://hub.example'", "has no port"),
            ("", "has no port"),
            ("two words:1", "neither a host name nor an address"),
        ] {
            let got = hub(wrong).unwrap_err().0;
            assert!(got.contains(problem), "{wrong}: {got}");
        }
    }
}
