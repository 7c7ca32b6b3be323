//! The options that say how much callers may do, and where an operator sees it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

use crate::hub::Rate;

/// A rate, or "off" for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Allowed(pub(super) Option<Rate>);

impl FromStr for Allowed {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        if raw == "off" { Ok(Self(None)) } else { raw.parse().map(|rate| Self(Some(rate))) }
    }
}

impl TryFrom<String> for Allowed {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        raw.parse()
    }
}

/// What is said, or else what is usual.
pub(super) fn allowed(said: Option<Allowed>, usual: Option<Rate>) -> Option<Rate> {
    said.map_or(usual, |Allowed(rate)| rate)
}

/// An address with a port, or a port of this machine alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Local(pub(super) SocketAddr);

impl FromStr for Local {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let port = raw.parse().map(|port: u16| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        port.or_else(|_| raw.parse())
            .map(Self)
            .map_err(|_| "write it as 9464, which is on loopback, or as ADDR:PORT".into())
    }
}

impl TryFrom<String> for Local {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        raw.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_off() {
        assert_eq!("off".parse(), Ok(Allowed(None)));
        assert_eq!("5/s".parse(), Ok(Allowed(Some(Rate::per_second(5)))));
        assert!("often".parse::<Allowed>().is_err());
        assert_eq!(allowed(None, Some(Rate::per_second(5))), Some(Rate::per_second(5)));
        assert_eq!(allowed(Some(Allowed(None)), Some(Rate::per_second(5))), None);
    }

    #[test]
    fn a_bare_port_is_one_of_loopback() {
        let read = |raw: &str| raw.parse::<Local>().map(|Local(address)| address.to_string());
        assert_eq!(read("9464").unwrap(), "127.0.0.1:9464");
        assert_eq!(read("[::]:1").unwrap(), "[::]:1");
        assert!(read("here").unwrap_err().contains("ADDR:PORT"));
    }
}
