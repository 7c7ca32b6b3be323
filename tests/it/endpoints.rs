//! CheckEndpoints: a hub tells a peer whether others can reach it, and dials no other host.

use std::net::SocketAddr;

use chinwag::{
    identity::Identity,
    proto::{
        CheckEndpointsRequest, CheckEndpointsResponse, Endpoint, EndpointReach, RegisterRequest,
    },
    transport::{Acceptor, ClientKeys, Plaintext, server_config},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::StreamExt;

use crate::support::{
    hub::TestHub,
    keyed::{self, new_key},
    peer::{self, Session, named},
    refusal::why,
    within::{PATIENCE, within},
};

fn at(address: SocketAddr) -> Endpoint {
    Endpoint { host: address.ip().to_string(), port: address.port().into() }
}

fn listing(name: &str, endpoints: Vec<Endpoint>) -> RegisterRequest {
    RegisterRequest { endpoints, ..named(name) }
}

async fn check(session: &Session) -> Result<CheckEndpointsResponse, tonic::Status> {
    let mut presence = session.presence();
    let checked = presence.check_endpoints(CheckEndpointsRequest {});
    Ok(within(PATIENCE, "a check", checked).await?.into_inner())
}

/// Returns the result for each endpoint: how far the check came, whether the hub dialed, and the
/// error.
async fn reached(session: &Session) -> Vec<(EndpointReach, bool, String)> {
    let checks = check(session).await.unwrap().checks;
    checks.into_iter().map(|c| (c.reach(), c.dialed.is_some(), c.cause)).collect()
}

/// Starts a server with this key that accepts all callers.
async fn listen(key: &Identity, serving: &mut JoinSet<()>) -> SocketAddr {
    let config = server_config(key.credentials(), ClientKeys::Optional).unwrap();
    let door = Acceptor::tls(config, Plaintext::FromLoopback);
    let listener = door.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut arrivals = Box::pin(door.incoming(listener));
    serving.spawn(async move { while arrivals.next().await.is_some() {} });
    address
}

#[tokio::test]
async fn every_endpoint_is_dialed_and_must_have_the_peers_key() {
    let hub = TestHub::start();
    let (alice, mallory) = (new_key(), new_key());
    let mut serving = JoinSet::new();
    let (hers, other) = (listen(&alice, &mut serving).await, listen(&mallory, &mut serving).await);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let by_name = Endpoint { host: "nowhere.invalid".into(), ..at(hers) };
    let request = listing("alice", vec![at(hers), at(other), at(closed), by_name]);
    let session = keyed::register(&hub, Some(&alice), request).await.unwrap();

    let answer = check(&session).await.unwrap();
    assert_eq!(answer.observed.unwrap().host, "127.0.0.1");
    let (received, now) = (answer.received_at.unwrap(), answer.now.unwrap());
    assert!((received.seconds, received.nanos) <= (now.seconds, now.nanos));
    let reaches: Vec<_> = answer.checks.iter().map(|check| check.reach()).collect();
    let [ok, wrong, none] =
        [EndpointReach::Reached, EndpointReach::WrongKey, EndpointReach::NotConnected];
    assert_eq!(reaches, [ok, wrong, none, ok], "{:?}", answer.checks);
    assert_eq!(answer.checks[0].cause, "");
    for key in [&alice, &mallory] {
        let (said, key) = (&answer.checks[1].cause, key.fingerprint().to_string());
        assert!(said.contains(&key), "{said}");
    }
    assert!(answer.checks[2].cause.contains("nobody listens there"));
    assert_eq!(answer.checks[3].dialed, Some(at(hers)), "a name is not looked up");
    assert_eq!(answer.checks[3].endpoint.as_ref().unwrap().host, "nowhere.invalid");
}

#[tokio::test]
async fn no_other_host_is_dialed() {
    let hub = TestHub::start();
    let key = new_key();
    // Other loopback addresses are not dialed either; a listener shows that.
    let elsewhere = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let endpoints = vec![
        at(elsewhere.local_addr().unwrap()),
        Endpoint { host: "192.0.2.7".into(), port: 22 },
        Endpoint { host: "::1".into(), port: 22 },
    ];
    let session = keyed::register(&hub, Some(&key), listing("alice", endpoints)).await.unwrap();
    for (reach, dialed, cause) in reached(&session).await {
        assert_eq!((reach, dialed), (EndpointReach::NotDialed, false));
        assert!(cause.contains("sees you at 127.0.0.1"), "{cause}");
    }
    let own = tokio::net::TcpStream::connect(elsewhere.local_addr().unwrap()).await.unwrap();
    let (_, first) = within(PATIENCE, "a connection", elsewhere.accept()).await.unwrap();
    assert_eq!(first, own.local_addr().unwrap(), "the hub has been here");
}

#[tokio::test]
async fn a_guest_is_dialed_without_tls() {
    let hub = TestHub::start();
    let (open, silent) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), new_key());
    let guest =
        peer::register(hub.address(), listing("guest", vec![at(open.local_addr().unwrap())]));
    let said = reached(&guest.await.unwrap()).await;
    assert_eq!(said, [(EndpointReach::Reached, true, String::new())]);

    // A port that accepts connections without TLS is not the peer's server.
    let mut serving = JoinSet::new();
    let address = open.local_addr().unwrap();
    serving.spawn(async move { while open.accept().await.is_ok() {} });
    let session = keyed::register(&hub, Some(&silent), listing("silent", vec![at(address)])).await;
    let said = reached(&session.unwrap()).await;
    assert_eq!((said[0].0, said[0].1), (EndpointReach::NotSecure, true), "{said:?}");
}

#[tokio::test]
async fn a_hub_without_loopback_trust_does_not_dial_loopback() {
    let hub = TestHub::with(&["--ephemeral", "--no-plaintext"]);
    let key = new_key();
    let mut serving = JoinSet::new();
    let address = listen(&key, &mut serving).await;
    let session = keyed::register(&hub, Some(&key), listing("alice", vec![at(address)])).await;
    let said = reached(&session.unwrap()).await;
    assert_eq!((said[0].0, said[0].1), (EndpointReach::NotDialed, false), "{said:?}");
}

#[tokio::test]
async fn checks_have_a_rate_and_need_a_session() {
    let hub = TestHub::with(&["--ephemeral", "--rate-loopback"]);
    let alice = Session::of(hub.address(), "alice").await;
    // A burst of six; on a slow machine, one more every ten seconds.
    let mut granted = 0;
    let refused = loop {
        match check(&alice).await {
            Ok(checked) => assert_eq!(checked.checks, []),
            Err(refused) => break refused,
        }
        granted += 1;
        assert!(granted < 60, "no end of them");
    };
    assert!(granted >= 6, "{granted}");
    assert_eq!(why(&refused), "ResourceExhausted RATE_LIMITED");
    let nobody = chinwag::proto::presence_client::PresenceClient::new(alice.channel.clone())
        .check_endpoints(CheckEndpointsRequest {})
        .await;
    assert_eq!(why(&nobody.unwrap_err()), "Unauthenticated SESSION_MISSING");
}

/// A server that does not answer holds a check for five seconds; a second check is refused
/// meanwhile.
#[tokio::test]
async fn a_session_has_one_check_at_a_time() {
    let hub = TestHub::start();
    let key = new_key();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = listing("alice", vec![at(silent.local_addr().unwrap())]);
    let session = keyed::register(&hub, Some(&key), request).await.unwrap();
    let mut waiting = JoinSet::new();
    let first = session.clone();
    waiting.spawn(async move { reached(&first).await });
    // The hub has connected: the check is running and remains so.
    let _open = within(PATIENCE, "the hub", silent.accept()).await.unwrap();
    let refused = check(&session).await.unwrap_err();
    assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");
    let said = within(PATIENCE, "the check", waiting.join_next()).await.unwrap().unwrap();
    assert_eq!(said[0].0, EndpointReach::NotSecure);
    assert!(said[0].2.contains("does not answer"), "{said:?}");
}
