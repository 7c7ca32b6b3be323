//! How the hub sees this client, to find out why others do not reach it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::{Client, hub_connection::Registered};
use crate::{
    client::error::{Error, Result},
    model::{Endpoint, MAX_ENDPOINTS},
    proto::{self, presence_client::PresenceClient},
    text, wire,
};

/// How the hub sees this client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// This client's address and port as the hub sees them.
    pub observed: Option<Endpoint>,
    /// The result for each endpoint that this client has advertised.
    pub endpoints: Vec<EndpointCheck>,
    /// How far the hub's clock is ahead of this machine's; negative if it is behind. The error is at
    /// most half of the round trip.
    pub clock_ahead: SignedDuration,
    /// The time that the call took, without the time in the hub.
    pub round_trip: Duration,
}

/// The result of dialing an endpoint from the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointCheck {
    /// The endpoint, as the hub lists it.
    pub endpoint: Endpoint,
    /// The address that was dialed: the endpoint's port at the address that the hub sees.
    pub dialed: Option<Endpoint>,
    /// How far the hub got.
    pub reach: Reach,
    /// Why it got no further, as the hub says it, safe to print; empty if it was reached.
    pub cause: String,
}

/// How far the hub got with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Not dialed: the hub sees this client elsewhere, or may not dial there.
    NotDialed,
    /// No connection.
    NotConnected,
    /// A connection without TLS.
    NotSecure,
    /// A peer with another key listens there.
    WrongKey,
    /// Reached.
    Reached,
}

impl Client {
    /// Returns what the hub said at the last registration; `None` before the first.
    pub fn registered(&self) -> Option<Registered> {
        self.0.hub.registered()
    }

    /// Asks the hub how it sees this client, and has it dial the advertised endpoints. Errors as
    /// [`Client::peer`]. A hub that is older than this query answers [`Error::Refused`] with the
    /// code UNIMPLEMENTED.
    pub async fn check(&self) -> Result<Check> {
        let rpc = |channel, request| async move {
            let (sent_at, sent) = (Timestamp::now(), Instant::now());
            let answer = PresenceClient::new(channel).check_endpoints(request).await?;
            let took = sent.elapsed();
            Ok(answer.map(|answer| (answer, sent_at, took)))
        };
        let request = proto::CheckEndpointsRequest {};
        let (answer, sent_at, took) = self.0.hub.call(request, rpc).await?;
        let time = |what: &str, at: Option<prost_types::Timestamp>| {
            wire::timestamp(what, wire::present(what, at)?).map_err(Error::protocol)
        };
        let hub = (time("received_at", answer.received_at)?, time("now", answer.now)?);
        let (clock_ahead, round_trip) = compare((sent_at, took), hub);
        let checks = answer.checks.into_iter().take(MAX_ENDPOINTS);
        Ok(Check {
            observed: answer.observed.as_ref().and_then(endpoint),
            endpoints: checks.filter_map(parse).collect(),
            clock_ahead,
            round_trip,
        })
    }
}

/// Returns how far a hub's clock is ahead, and the round trip: `took` without the time that the
/// request was in the hub. Both directions are assumed to take equally long (RFC 5905, section 8).
fn compare(
    (sent, took): (Timestamp, Duration),
    (received, answered): (Timestamp, Timestamp),
) -> (SignedDuration, Duration) {
    let held = answered.duration_since(received).unsigned_abs().min(took);
    let round_trip = took - held;
    let half = SignedDuration::try_from(round_trip / 2).unwrap_or_default();
    (received.duration_since(sent) - half, round_trip)
}

fn endpoint(raw: &proto::Endpoint) -> Option<Endpoint> {
    Endpoint::new(&raw.host, raw.port).ok()
}

/// Returns `None` for an invalid result, which must not hide the others.
fn parse(raw: proto::EndpointCheck) -> Option<EndpointCheck> {
    let reach = match raw.reach() {
        proto::EndpointReach::Unspecified => return None,
        proto::EndpointReach::NotDialed => Reach::NotDialed,
        proto::EndpointReach::NotConnected => Reach::NotConnected,
        proto::EndpointReach::NotSecure => Reach::NotSecure,
        proto::EndpointReach::WrongKey => Reach::WrongKey,
        proto::EndpointReach::Reached => Reach::Reached,
    };
    Some(EndpointCheck {
        endpoint: endpoint(raw.endpoint.as_ref()?)?,
        dialed: raw.dialed.as_ref().and_then(endpoint),
        reach,
        cause: text::one_line(&raw.cause).into_owned(),
    })
}

impl fmt::Display for EndpointCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dialed {
            Some(dialed) if *dialed != self.endpoint => {
                write!(f, "{}, tried at {dialed}", self.endpoint)?;
            }
            _ => write!(f, "{}", self.endpoint)?,
        }
        if self.cause.is_empty() { Ok(()) } else { write!(f, ": {}", self.cause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_without_round_trip_and_processing() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let took = Duration::from_secs(10);
        let ahead = |received, answered| compare((at(0), took), (at(received), at(answered)));
        let (seconds, way) = (SignedDuration::from_secs, Duration::from_secs);
        // Two seconds there, six at the hub, two back.
        assert_eq!(ahead(2, 8), (seconds(0), way(4)));
        assert_eq!(ahead(102, 108), (seconds(100), way(4)));
        assert_eq!(ahead(-98, -92), (seconds(-100), way(4)));
        // A hub that claims to have taken longer than the whole call, or whose clock went back.
        assert_eq!(ahead(2, 80), (seconds(2), way(0)));
        assert_eq!(ahead(2, -80), (seconds(2), way(0)));
    }

    #[test]
    fn results_from_a_hub_are_validated() {
        let raw = |reach: proto::EndpointReach, port| proto::EndpointCheck {
            endpoint: Some(proto::Endpoint { host: "192.0.2.7".into(), port }),
            reach: reach.into(),
            dialed: None,
            cause: "no\n\x1b[2J".into(),
        };
        assert_eq!(parse(raw(proto::EndpointReach::Reached, 0)), None);
        assert_eq!(parse(raw(proto::EndpointReach::Unspecified, 1)), None);
        let sound = parse(raw(proto::EndpointReach::NotConnected, 1)).unwrap();
        assert_eq!(sound.to_string(), "192.0.2.7:1: no␊␛[2J");
    }
}
