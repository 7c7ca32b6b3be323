//! Rates as they are written, and who they stop.

use super::*;

#[test]
fn rates_are_written_as_they_are_read() {
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

pub(super) fn from(address: &str) -> Extensions {
    let remote = format!("{address}:1").parse().unwrap();
    let mut extensions = Extensions::new();
    let via = transport::Via::Tls;
    extensions.insert(PeerInfo { via, remote, certificate: None, calls: Default::default() });
    extensions
}

fn gates(loopback: bool) -> RateLimits {
    let posts = Some("6/m".parse().unwrap());
    RateLimits::new(Rates { posts, loopback, ..Rates::NONE }, Metrics::default())
}

#[test]
fn a_peer_has_its_rate_and_an_address_ten_times_that() {
    let gates = gates(false);
    let origin = gates.origin(&from("192.0.2.7"));
    let name = |i| Name::parse(&format!("peer{i}")).unwrap();
    gates.post(origin, &name(0)).unwrap();
    let refused = gates.post(origin, &name(0)).unwrap_err();
    let RequestError::RateLimited { what, retry_after } = refused else { panic!("{refused}") };
    assert_eq!(what, "posts");
    assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&retry_after));
    for i in 1..10 {
        gates.post(origin, &name(i)).unwrap();
    }
    let refused = gates.post(origin, &name(10)).unwrap_err();
    assert!(matches!(refused, RequestError::RateLimited { .. }), "the address has had ten");
    gates.post(gates.origin(&from("192.0.2.8")), &name(11)).unwrap();
    for _ in 0..100 {
        gates.register(origin).unwrap();
    }
}

#[test]
fn who_has_failed_too_often_makes_no_more_work_for_a_while() {
    let failures = Some("6/m".parse().unwrap());
    let gates = RateLimits::new(Rates { failures, ..Rates::NONE }, Metrics::default());
    let [origin, other] = ["192.0.2.7", "192.0.2.8"].map(|from_| gates.origin(&from(from_)));
    gates.fail(origin).unwrap();
    gates.prove(origin).unwrap();
    gates.fail(origin).unwrap_err();
    assert!(matches!(gates.prove(origin), Err(RequestError::RateLimited { what: "failures", .. })));
    gates.sweep();
    gates.prove(origin).unwrap_err();
    gates.prove(other).unwrap();
}

#[test]
fn names_are_taken_for_good_at_a_rate_of_their_own() {
    let gates = RateLimits::new(Rates::default(), Metrics::default());
    let origin = gates.origin(&from("192.0.2.7"));
    for _ in 0..CLAIM_BURST.get() {
        gates.claim(origin).unwrap();
    }
    let refused = gates.claim(origin).unwrap_err();
    assert!(matches!(refused, RequestError::RateLimited { what: "new names", .. }), "{refused}");
    gates.claim(gates.origin(&from("192.0.2.8"))).unwrap();
    gates.register(origin).unwrap();
}

#[test]
fn nobody_has_the_hub_dial_without_end() {
    let gates = RateLimits::new(Rates::default(), Metrics::default());
    let origin = gates.origin(&from("192.0.2.7"));
    let name = |i| Name::parse(&format!("peer{i}")).unwrap();
    for _ in 0..DIAL_BACK_BURST.get() {
        gates.dial_back(origin, &name(0)).unwrap();
    }
    for i in 0..2 {
        let refused = gates.dial_back(origin, &name(i)).unwrap_err();
        assert!(matches!(refused, RequestError::RateLimited { what: "checks of endpoints", .. }));
    }
    gates.read(origin, &name(0)).unwrap();
}

#[test]
fn the_hub_dials_at_its_pace_also_where_nothing_else_has_one() {
    let gates = RateLimits::new(Rates::NONE, Metrics::default());
    let (origin, peer) = (gates.origin(&from("192.0.2.7")), Name::parse("peer").unwrap());
    for _ in 0..DIAL_BACK_BURST.get() {
        gates.dial_back(origin, &peer).unwrap();
        gates.read(origin, &peer).unwrap();
    }
    gates.dial_back(origin, &peer).unwrap_err();
}

#[test]
fn the_machine_itself_is_limited_only_where_that_is_said() {
    for (loopback, refused) in [(false, false), (true, true)] {
        let gates = gates(loopback);
        let (origin, name) = (gates.origin(&from("127.0.0.1")), Name::parse("a").unwrap());
        gates.post(origin, &name).unwrap();
        assert_eq!(gates.post(origin, &name).is_err(), refused);
    }
}
