//! How options are written: the same on the command line, in the environment and in the file.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::{cli::values::duration, hub::Guests, model::Endpoint, storage::Retention};

/// How to say what is kept.
const HOW: &str = "write it as 30d, as 10000, or as 30d,10000";

/// Reads "30d", "10000", "30d,10000".
pub(super) fn retention(raw: &str) -> Result<Retention, String> {
    let mut retention = Retention::default();
    for part in raw.split(',').map(str::trim) {
        let before = match part.parse() {
            Ok(count) => retention.count.replace(count).is_some(),
            Err(_) => match duration(part) {
                Ok(age) => retention.age.replace(age).is_some(),
                Err(_) => return Err(format!("{part:?} is no number and no duration: {HOW}")),
            },
        };
        if before {
            return Err(HOW.into());
        }
    }
    Ok(retention)
}

pub(super) fn read_duration<'de, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<Duration>, D::Error> {
    read_with(duration, raw)
}

pub(super) fn read_retention<'de, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<Retention>, D::Error> {
    read_with(retention, raw)
}

/// Reads "never", "loopback", "always".
pub(super) fn guests(raw: &str) -> Result<Guests, String> {
    match raw {
        "never" => Ok(Guests::Never),
        "loopback" => Ok(Guests::Loopback),
        "always" => Ok(Guests::Always),
        _ => Err("say never, loopback or always".into()),
    }
}

pub(super) fn read_guests<'de, D: Deserializer<'de>>(raw: D) -> Result<Option<Guests>, D::Error> {
    read_with(guests, raw)
}

pub(super) fn read_endpoint<'de, D: Deserializer<'de>>(
    raw: D,
) -> Result<Option<Endpoint>, D::Error> {
    read_with(|raw| Endpoint::parse(raw).map_err(|problem| problem.0), raw)
}

fn read_with<'de, T, D: Deserializer<'de>>(
    parse: fn(&str) -> Result<T, String>,
    raw: D,
) -> Result<Option<T>, D::Error> {
    let raw = String::deserialize(raw)?;
    parse(&raw).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_an_age_or_a_number_or_both() {
        let age = Some(Duration::from_secs(86_400));
        for (raw, age, count) in [
            ("1d", age, None),
            ("5", None, Some(5)),
            ("1d,5", age, Some(5)),
            ("5, 1d", age, Some(5)),
        ] {
            assert_eq!(retention(raw).unwrap(), Retention { age, count }, "{raw}");
        }
        for raw in ["", "soon", "5,6", "1d,1h", "-5"] {
            assert!(retention(raw).is_err(), "{raw}");
        }
    }
}
