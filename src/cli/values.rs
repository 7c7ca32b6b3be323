//! Values that options of both programs take, and how they are written.

use std::time::Duration;

use jiff::{SpanRelativeTo, Timestamp, Zoned, civil::DateTime, tz::TimeZone};

use crate::{
    client::{DirectPolicy, KeepFor},
    model::{Invalid, Name, RoomName},
};

/// Parses the name of a peer, also as people write it in a text: `@bob`. The fullwidth sign is that of
/// input methods for wide scripts.
pub(crate) fn peer(raw: &str) -> Result<Name, Invalid> {
    Name::parse(raw.strip_prefix(['@', '＠']).unwrap_or(raw))
}

/// Parses the name of a room, also as people write it in a text: `#ops`. As [`peer`].
pub(crate) fn room(raw: &str) -> Result<RoomName, Invalid> {
    RoomName::parse(raw.strip_prefix(['#', '＃']).unwrap_or(raw))
}

/// Parses "30s", "5m", "1h 30m" or "7d"; a day has 24 hours.
pub(crate) fn duration(raw: &str) -> Result<Duration, String> {
    let span = raw.parse::<jiff::Span>();
    span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .and_then(Duration::try_from)
        .map_err(|_| "expected a duration such as 30s, 5m, 1h or 7d".into())
}

/// Parses how long direct messages are kept.
pub(crate) fn keep(raw: &str) -> Result<KeepFor, Invalid> {
    match raw.to_lowercase().as_str() {
        "on" => Ok(KeepFor::Always),
        "off" => Ok(KeepFor::Never),
        time => match duration(time) {
            Ok(time) if time < KeepFor::SHORTEST => {
                Err(Invalid("less than a second: use off to keep nothing".into()))
            }
            Ok(time) => Ok(KeepFor::Only(time)),
            Err(_) => Err(Invalid("usage: /keep on, off, or a time such as 7d".into())),
        },
    }
}

/// What [`point_in_time`] accepts, for help and errors.
pub(crate) const TIME_FORMS: &str = "a time such as 2026-11-22T08:15:00Z, a date such as \
                                     2026-11-22, or how long ago, such as 1h";

/// Parses a point in time: an RFC 3339 time; a date, or a date and a time of day, in the time zone of
/// this machine; or a [`duration`] before now. A date means its first moment.
pub(crate) fn point_in_time(raw: &str) -> Result<Timestamp, String> {
    point_in_time_at(raw, Timestamp::now(), TimeZone::system())
}

fn point_in_time_at(raw: &str, now: Timestamp, zone: TimeZone) -> Result<Timestamp, String> {
    if let Ok(ago) = duration(raw) {
        return now.checked_sub(ago).map_err(|_| "too long ago".into());
    }
    raw.parse::<Timestamp>()
        .or_else(|_| raw.parse::<Zoned>().map(Timestamp::from))
        .or_else(|_| Ok(raw.parse::<DateTime>()?.to_zoned(zone)?.timestamp()))
        .map_err(|_: jiff::Error| format!("expected {TIME_FORMS}"))
}

/// Checks a command for `sh -c`.
pub(crate) fn shell_command(raw: &str) -> Result<String, Invalid> {
    match raw.contains('\0') {
        true => Err(Invalid("a command cannot contain the character NUL (U+0000)".into())),
        false => Ok(raw.to_owned()),
    }
}

/// Parses who may send direct messages.
pub(crate) fn direct_policy(raw: &str) -> Result<DirectPolicy, Invalid> {
    match raw {
        "contacts" => Ok(DirectPolicy::Contacts),
        "known" => Ok(DirectPolicy::Known),
        "anyone" => Ok(DirectPolicy::Anyone),
        _ => Err(Invalid("expected contacts, known or anyone".into())),
    }
}

/// Returns what [`direct_policy`] parses.
pub(crate) fn direct_word(policy: DirectPolicy) -> &'static str {
    match policy {
        DirectPolicy::Contacts => "contacts",
        DirectPolicy::Known => "known",
        DirectPolicy::Anyone => "anyone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_the_sign_of_their_kind() {
        for raw in ["bob", "@bob", "＠bob", "Bob"] {
            assert_eq!(peer(raw).unwrap().as_str(), "bob", "{raw}");
        }
        for raw in ["ops", "#ops", "＃ops", "Ops"] {
            assert_eq!(room(raw).unwrap().as_str(), "ops", "{raw}");
        }
        for raw in ["#bob", "@@bob", "@"] {
            assert!(peer(raw).is_err(), "{raw}");
        }
        for raw in ["@ops", "##ops", "#"] {
            assert!(room(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1h 30m").unwrap(), Duration::from_secs(5400));
        assert!(duration("30").is_err());
        assert!(duration("-3s").is_err());
        assert_eq!(duration("7d").unwrap(), Duration::from_secs(7 * 86_400));
    }

    #[test]
    fn messages_are_kept_for_a_second_at_least_or_not_at_all() {
        assert_eq!(keep("OFF").unwrap(), KeepFor::Never);
        assert_eq!(keep("1s").unwrap(), KeepFor::Only(Duration::from_secs(1)));
        for raw in ["0d", "0s", "0.5s", "999ms"] {
            let error = keep(raw).unwrap_err().to_string();
            assert!(error.contains("use off to keep nothing"), "{raw}: {error}");
        }
    }

    #[test]
    fn times_are_absolute_local_or_before_now() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (raw, means) in [
            ("2026-11-20T08:15:00Z", "2026-11-20T08:15:00Z"),
            ("2026-11-20T08:15:00+05:30", "2026-11-20T02:45:00Z"),
            ("2026-11-20T08:15[America/New_York]", "2026-11-20T13:15:00Z"),
            ("2026-11-20T08:15", "2026-11-20T07:15:00Z"),
            ("2026-11-20 08:15", "2026-11-20T07:15:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-06-20", "2026-06-19T22:00:00Z"),
            ("1h", "2026-11-22T11:00:00Z"),
            ("7d", "2026-11-15T12:00:00Z"),
        ] {
            let at = point_in_time_at(raw, now, berlin.clone());
            assert_eq!(at.as_ref().map(ToString::to_string), Ok(means.to_owned()), "{raw}");
        }
        for raw in ["", "soon", "12:30", "2026-13-01", "2026-11-20T25:00", "-1h", "99999999d"] {
            assert!(point_in_time_at(raw, now, berlin.clone()).is_err(), "{raw}");
        }
    }
}
