//! Rates as text, and what the limits refuse.

use std::time::Duration;

use super::*;
use crate::transport::Budget;

#[test]
fn rates_are_parsed_and_displayed() {
    for raw in ["50/s", "1/m", "1000000/s"] {
        assert_eq!(raw.parse::<Rate>().unwrap().to_string(), raw);
    }
    for raw in ["", "50", "0/s", "50/h", "-1/s", "1000001/s", "50/s/s"] {
        assert!(raw.parse::<Rate>().unwrap_err().contains("50/s"), "{raw}");
    }
    assert_eq!("50/s".parse::<Rate>().unwrap().burst(), 500);
    assert_eq!("1/m".parse::<Rate>().unwrap().burst(), 1);
    assert_eq!("60/m".parse::<Rate>().unwrap().burst(), 10);
}

pub(crate) fn from(address: &str) -> Extensions {
    let remote: std::net::SocketAddr = format!("{address}:1").parse().unwrap();
    let mut extensions = Extensions::new();
    let via = transport::Via::Tls;
    let account = Budget::default().open(remote.ip());
    extensions.insert(PeerInfo::new(via, remote, None, account));
    extensions
}

fn post(limits: &RateLimits, origin: Origin, peer: &Name) -> Result<()> {
    limits.post(origin, peer, &Text::parse("hello").unwrap())
}

fn limits(loopback: bool) -> RateLimits {
    let posts = Some("6/m".parse().unwrap());
    RateLimits::new(Rates { posts, loopback, ..Rates::NONE }, Metrics::default())
}

#[test]
fn a_peer_has_its_rate_and_an_address_ten_times_that() {
    let limits = limits(false);
    let origin = limits.origin(&from("192.0.2.7"));
    let name = |i| Name::parse(&format!("peer{i}")).unwrap();
    post(&limits, origin, &name(0)).unwrap();
    let refused = post(&limits, origin, &name(0)).unwrap_err();
    let RequestError::RateLimited { what, retry_after } = refused else { panic!("{refused}") };
    assert_eq!(what, "posts");
    assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&retry_after));
    for i in 1..10 {
        post(&limits, origin, &name(i)).unwrap();
    }
    let refused = post(&limits, origin, &name(10)).unwrap_err();
    assert!(matches!(refused, RequestError::RateLimited { .. }), "the address has had ten");
    post(&limits, limits.origin(&from("192.0.2.8")), &name(11)).unwrap();
    for _ in 0..100 {
        limits.register(origin).unwrap();
    }
}

#[test]
fn requests_of_streams_have_ten_times_the_rate_of_posts() {
    let limits = limits(false);
    let origin = limits.origin(&from("192.0.2.7"));
    let name = |i| Name::parse(&format!("peer{i}")).unwrap();
    let request = |i| limits.check(&limits.requests, origin, Some(&name(i)));
    for _ in 0..REQUESTS_PER_POST {
        request(0).unwrap();
    }
    request(0).unwrap_err();
    request(1).unwrap();
    post(&limits, origin, &name(0)).unwrap();
}

#[tokio::test]
async fn a_stream_waits_for_its_rate() {
    let posts = Some("1/s".parse().unwrap());
    let limits = RateLimits::new(Rates { posts, ..Rates::NONE }, Metrics::default());
    let (origin, name) = (limits.origin(&from("192.0.2.7")), Name::parse("peer").unwrap());
    let began = std::time::Instant::now();
    // A burst of ten seconds, and one more.
    for _ in 0..=10 * REQUESTS_PER_POST {
        limits.wait_to_request(origin, &name).await;
    }
    assert!(began.elapsed() >= PAUSE);
}

#[test]
fn too_many_failures_block_an_address_for_a_while() {
    let failures = Some("6/m".parse().unwrap());
    let limits = RateLimits::new(Rates { failures, ..Rates::NONE }, Metrics::default());
    let [origin, other] = ["192.0.2.7", "192.0.2.8"].map(|from_| limits.origin(&from(from_)));
    limits.fail(origin).unwrap();
    limits.check_failures(origin).unwrap();
    limits.fail(origin).unwrap_err();
    assert!(matches!(
        limits.check_failures(origin),
        Err(RequestError::RateLimited { what: "failures", .. })
    ));
    limits.sweep();
    limits.check_failures(origin).unwrap_err();
    limits.check_failures(other).unwrap();
}

#[test]
fn claims_of_names_have_a_rate_of_their_own() {
    let limits = RateLimits::new(Rates::default(), Metrics::default());
    let origin = limits.origin(&from("192.0.2.7"));
    for _ in 0..CLAIM_BURST.get() {
        limits.claim(origin).unwrap();
    }
    let refused = limits.claim(origin).unwrap_err();
    assert!(matches!(refused, RequestError::RateLimited { what: "new names", .. }), "{refused}");
    limits.claim(limits.origin(&from("192.0.2.8"))).unwrap();
    limits.register(origin).unwrap();
}

#[test]
fn dial_backs_are_limited() {
    let limits = RateLimits::new(Rates::default(), Metrics::default());
    let origin = limits.origin(&from("192.0.2.7"));
    let name = |i| Name::parse(&format!("peer{i}")).unwrap();
    for _ in 0..DIAL_BACK_BURST.get() {
        limits.dial_back(origin, &name(0)).unwrap();
    }
    for i in 0..2 {
        let refused = limits.dial_back(origin, &name(i)).unwrap_err();
        assert!(matches!(refused, RequestError::RateLimited { what: "checks of endpoints", .. }));
    }
    limits.read(origin, &name(0)).unwrap();
}

#[test]
fn dial_backs_are_limited_even_if_nothing_else_is() {
    let limits = RateLimits::new(Rates::NONE, Metrics::default());
    let (origin, peer) = (limits.origin(&from("192.0.2.7")), Name::parse("peer").unwrap());
    for _ in 0..DIAL_BACK_BURST.get() {
        limits.dial_back(origin, &peer).unwrap();
        limits.read(origin, &peer).unwrap();
    }
    limits.dial_back(origin, &peer).unwrap_err();
}

#[test]
fn loopback_is_limited_only_if_configured() {
    for (loopback, refused) in [(false, false), (true, true)] {
        let limits = limits(loopback);
        let (origin, name) = (limits.origin(&from("127.0.0.1")), Name::parse("a").unwrap());
        post(&limits, origin, &name).unwrap();
        assert_eq!(post(&limits, origin, &name).is_err(), refused);
    }
}

#[test]
fn the_bytes_of_a_day_are_limited_and_come_back_evenly() {
    let rates = Rates { post_bytes: Some(1 << 20), ..Rates::NONE };
    let limits = RateLimits::new(rates, Metrics::default());
    let origin = limits.origin(&from("192.0.2.7"));
    let name = |i| Name::parse(&format!("peer{i}")).unwrap();
    let long = Text::parse("x".repeat(16 * 1024 - POST_BYTES)).unwrap();
    let say = |i| limits.post(origin, &name(i), &long);
    for _ in 0..64 {
        say(0).unwrap();
    }
    let RequestError::RateLimited { what, retry_after } = say(0).unwrap_err() else { panic!() };
    assert_eq!(what, "bytes of posts");
    // 64 such posts a day.
    assert!((DAY / 65..=DAY / 63).contains(&retry_after), "{retry_after:?}");
    // All of the address together: ten times that.
    for i in 1..10 {
        for _ in 0..64 {
            say(i).unwrap();
        }
    }
    say(10).unwrap_err();
    limits.post(limits.origin(&from("192.0.2.8")), &name(10), &long).unwrap();
}
