//! How things stand with this client, as the hub sees it: for somebody who wants to know why others
//! do not reach them.

use std::{
    fmt,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::Client;
use crate::{
    error::{Error, Result},
    model::{Endpoint, MAX_ENDPOINTS, Peer},
    proto::{self, presence_client::PresenceClient},
    text, wire,
};

/// What the hub said of itself and of this client when it registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The version of the hub's program; empty where it says none. Not to be trusted by a terminal.
    pub hub_version: String,
    /// This client as the hub knows it, listed or not.
    pub peer: Option<Peer>,
}

/// How things stand, as the hub sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// This client's address and port as the hub sees them.
    pub observed: Option<Endpoint>,
    /// What became of each endpoint that the hub was told.
    pub endpoints: Vec<EndpointCheck>,
    /// How far the hub's clock is before this machine's; negative: behind it. Off by half of the
    /// round trip at most.
    pub clock_ahead: SignedDuration,
    /// How long the question was under way, without the time that the hub took.
    pub round_trip: Duration,
}

/// What became of an endpoint that the hub was asked to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointCheck {
    /// The endpoint, as the hub lists it.
    pub endpoint: Endpoint,
    /// The place that was dialed: the endpoint's port at the address that the hub sees.
    pub dialed: Option<Endpoint>,
    /// How far the hub came.
    pub reach: Reach,
    /// Why it came no further, in the hub's words, harmless in one line; empty where it was reached.
    pub cause: String,
}

/// How far the hub came with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It was not dialed: the hub sees this client elsewhere, or may not dial there.
    NotDialed,
    /// There was no connection.
    NotConnected,
    /// There was a connection, and no TLS on it.
    NotSecure,
    /// Somebody with another key is there.
    WrongKey,
    /// It was reached.
    Reached,
}

impl Client {
    /// What the hub said when this client registered last; `None` while it never did.
    pub fn registered(&self) -> Option<Registered> {
        self.0.link.registered()
    }

    /// Asks the hub how it sees this client, and to dial the endpoints that it was told.
    ///
    /// # Errors
    ///
    /// Those of any question: see [`Client::peer`]. A hub that is older than this question answers
    /// [`Error::Refused`] with the code UNIMPLEMENTED.
    pub async fn check(&self) -> Result<Check> {
        let rpc = |channel, request| async move {
            let (sent_at, sent) = (Timestamp::now(), Instant::now());
            let answer = PresenceClient::new(channel).check_endpoints(request).await?;
            let took = sent.elapsed();
            Ok(answer.map(|answer| (answer, sent_at, took)))
        };
        let request = proto::CheckEndpointsRequest {};
        let (answer, sent_at, took) = self.0.link.call(request, rpc).await?;
        let time = |what: &str, at: Option<prost_types::Timestamp>| {
            wire::timestamp(what, wire::present(what, at)?)
                .map_err(|problem| Error::Protocol(problem.to_string()))
        };
        let hub = (time("received_at", answer.received_at)?, time("now", answer.now)?);
        let (clock_ahead, round_trip) = compare((sent_at, took), hub);
        let checks = answer.checks.into_iter().take(MAX_ENDPOINTS);
        Ok(Check {
            observed: answer.observed.as_ref().and_then(endpoint),
            endpoints: checks.filter_map(read).collect(),
            clock_ahead,
            round_trip,
        })
    }
}

/// How far a hub's clock is before one's own, and the time under way: what remains of `took` after
/// the time that the hub had the question. Both ways are taken to be equally long (RFC 5905,
/// section 8).
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

/// One that makes no sense is passed over: it must not hide the others.
fn read(raw: proto::EndpointCheck) -> Option<EndpointCheck> {
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
    fn clocks_are_compared_without_the_way_and_the_work() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let took = Duration::from_secs(10);
        let ahead = |received, answered| compare((at(0), took), (at(received), at(answered)));
        let (seconds, way) = (SignedDuration::from_secs, Duration::from_secs);
        // Two seconds there, six at the hub, two back.
        assert_eq!(ahead(2, 8), (seconds(0), way(4)));
        assert_eq!(ahead(102, 108), (seconds(100), way(4)));
        assert_eq!(ahead(-98, -92), (seconds(-100), way(4)));
        // A hub that says it took longer than all of it, or that its clock went back.
        assert_eq!(ahead(2, 80), (seconds(2), way(0)));
        assert_eq!(ahead(2, -80), (seconds(2), way(0)));
    }

    #[test]
    fn what_a_hub_says_of_an_endpoint_is_not_believed_blindly() {
        let raw = |reach: proto::EndpointReach, port| proto::EndpointCheck {
            endpoint: Some(proto::Endpoint { host: "192.0.2.7".into(), port }),
            reach: reach.into(),
            dialed: None,
            cause: "no\n\x1b[2J".into(),
        };
        assert_eq!(read(raw(proto::EndpointReach::Reached, 0)), None);
        assert_eq!(read(raw(proto::EndpointReach::Unspecified, 1)), None);
        let sound = read(raw(proto::EndpointReach::NotConnected, 1)).unwrap();
        assert_eq!(sound.to_string(), "192.0.2.7:1: no␊␛[2J");
    }
}
