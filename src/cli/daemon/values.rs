//! Values of the options of `chinwagd`, written alike wherever they are set.

use std::{fmt::Display, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::memory;
use crate::{
    cli::{
        addresses::{ListenAddress, TextOrPort},
        values::duration,
    },
    hub::{Guests, Rate},
    storage::Retention,
};

const RETENTION_HELP: &str = "write it as 30d, as 10000, or as 30d,10000";

/// Parses "30d", "10000" or "30d,10000".
pub(super) fn retention(raw: &str) -> Result<Retention, String> {
    let mut retention = Retention::default();
    for part in raw.split(',').map(str::trim) {
        let is_repeated = match part.parse() {
            Ok(count) => retention.count.replace(count).is_some(),
            Err(_) => match duration(part) {
                Ok(age) => retention.age.replace(age).is_some(),
                Err(_) => {
                    return Err(format!(
                        "{part:?} is neither a number nor a duration: {RETENTION_HELP}"
                    ));
                }
            },
        };
        if is_repeated {
            return Err(RETENTION_HELP.into());
        }
    }
    Ok(retention)
}

pub(super) fn read_duration<'de, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<Duration>, D::Error> {
    read_with(duration, raw)
}

pub(super) fn read_memory<'de, D: Deserializer<'de>>(raw: D) -> Result<Option<usize>, D::Error> {
    read_with(memory::size, raw)
}

pub(super) fn read_size<'de, D: Deserializer<'de>>(raw: D) -> Result<Option<u64>, D::Error> {
    read_with(memory::bytes, raw)
}

pub(super) fn read_retention<'de, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<Retention>, D::Error> {
    read_with(retention, raw)
}

/// Parses "never", "loopback" or "always".
pub(super) fn guests(raw: &str) -> Result<Guests, String> {
    match raw {
        "never" => Ok(Guests::Never),
        "loopback" => Ok(Guests::Loopback),
        "always" => Ok(Guests::Always),
        _ => Err("expected never, loopback or always".into()),
    }
}

pub(super) fn read_guests<'de, D: Deserializer<'de>>(raw: D) -> Result<Option<Guests>, D::Error> {
    read_with(guests, raw)
}

fn read_with<'de, T, D: Deserializer<'de>>(
    parse: fn(&str) -> Result<T, String>,
    raw: D,
) -> Result<Option<T>, D::Error> {
    let raw = String::deserialize(raw)?;
    parse(&raw).map(Some).map_err(de::Error::custom)
}

/// Reads a value that is written as on the command line.
pub(super) fn read_parsed<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<T>, D::Error> {
    String::deserialize(raw)?.parse().map(Some).map_err(de::Error::custom)
}

/// Reads where to listen: as on the command line, or a port as a number.
pub(super) fn read_listen<'de, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<ListenAddress>, D::Error> {
    TextOrPort::deserialize(raw)?.text().parse().map(Some).map_err(de::Error::custom)
}

/// A rate limit, or "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateOption(pub(super) Option<Rate>);

impl FromStr for RateOption {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        if raw == "off" { Ok(Self(None)) } else { raw.parse().map(|rate| Self(Some(rate))) }
    }
}

/// A limit of bytes, or "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BytesOption(pub(super) Option<u64>);

impl FromStr for BytesOption {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        if raw == "off" {
            Ok(Self(None))
        } else {
            memory::bytes(raw).map(|bytes| Self(Some(bytes)))
        }
    }
}

pub(super) fn rate_or(option: Option<RateOption>, default: Option<Rate>) -> Option<Rate> {
    option.map_or(default, |RateOption(rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_off() {
        assert_eq!("off".parse(), Ok(RateOption(None)));
        assert_eq!("5/s".parse(), Ok(RateOption(Some(Rate::per_second(5)))));
        assert!("often".parse::<RateOption>().is_err());
        assert_eq!(rate_or(None, Some(Rate::per_second(5))), Some(Rate::per_second(5)));
        assert_eq!(rate_or(Some(RateOption(None)), Some(Rate::per_second(5))), None);
    }

    #[test]
    fn a_retention_is_an_age_or_a_number_or_both() {
        let age = Some(Duration::from_secs(86_400));
        for (raw, age, count) in [
            ("1d", age, None),
            ("5", None, Some(5)),
            ("1d,5", age, Some(5)),
            ("5, 1d", age, Some(5)),
        ] {
            assert_eq!(retention(raw).unwrap(), Retention { age, count, idle: None }, "{raw}");
        }
        for raw in ["", "soon", "5,6", "1d,1h", "-5"] {
            assert!(retention(raw).is_err(), "{raw}");
        }
    }
}
