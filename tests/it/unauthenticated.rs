//! Callers without a session cannot make a hub hold large requests.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chinwag::{
    proto::{RegisterRequest, RenewRequest, presence_client::PresenceClient},
    transport::Channel,
};
use tonic::{Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{
    hub::TestHub,
    peer::{self, Session, named},
    raw,
    refusal::why,
    within::{PATIENCE, within},
};

/// Above the request limit of unauthenticated services.
const TOO_MUCH: usize = 5_000;

/// Above every request limit of Presence.
const FAR_TOO_MUCH: usize = 17 * 1024;

async fn hub_and_channel() -> (TestHub, Channel) {
    let hub = TestHub::start();
    let channel = peer::connect(hub.address()).await;
    (hub, channel)
}

#[tokio::test]
async fn public_services_take_small_requests_only() {
    let (_hub, channel) = hub_and_channel().await;
    let name = "x".repeat(TOO_MUCH);
    let request = HealthCheckRequest { service: name.clone() };
    let refused = HealthClient::new(channel.clone()).check(request).await.unwrap_err();
    assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");

    let symbol = v1::server_reflection_request::MessageRequest::FileContainingSymbol(name.clone());
    let ask = v1::ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let asked = client.server_reflection_info(tokio_stream::once(ask)).await;
    assert!(!is_answered(asked).await);

    let small = v1::ServerReflectionRequest {
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            "*".into(),
        )),
        ..Default::default()
    };
    assert!(is_answered(client.server_reflection_info(tokio_stream::once(small)).await).await);

    let symbol = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(name);
    let ask =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let asked = client.server_reflection_info(tokio_stream::once(ask)).await;
    assert!(!is_answered(asked).await);
}

/// Returns true if the request was answered: reflection ends without an answer.
async fn is_answered<T>(call: Result<tonic::Response<tonic::Streaming<T>>, Status>) -> bool {
    let Ok(answers) = call else { return false };
    let answer = answers.into_inner().message().await;
    answer.is_ok_and(|answer| answer.is_some())
}

#[tokio::test]
async fn a_large_registration_is_refused() {
    let (_hub, channel) = hub_and_channel().await;
    let request = RegisterRequest { replace_token: "x".repeat(FAR_TOO_MUCH), ..named("alice") };
    let refused = PresenceClient::new(channel).register(request).await.unwrap_err();
    assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");
}

/// Unauthenticated requests are refused without waiting for their bodies, which never arrive here.
#[tokio::test]
async fn calls_without_a_session_are_refused_before_the_body_is_read() {
    let (hub, _) = hub_and_channel().await;
    let mut stranger = Session::of(hub.address(), "alice").await;
    stranger.registered.token = "x".repeat(43);
    for method in [
        "Presence/Renew",
        "Presence/Unregister",
        "Presence/GetPeer",
        "Presence/ListPeers",
        "Presence/WatchPeers",
        "Broadcast/Post",
        "Broadcast/Chat",
        "Broadcast/Subscribe",
        "Broadcast/ListMessages",
        "Broadcast/SearchMessages",
        "Broadcast/ListRooms",
    ] {
        let never = tokio_stream::pending::<Bytes>();
        let refused = raw::call(&stranger, method, never).await.unwrap_err();
        assert_eq!(why(&refused), "Unauthenticated SESSION_ENDED", "{method}");
    }
    // The refusal of a call without a token says what is missing.
    let request = Request::new(chinwag::proto::ListPeersRequest::default());
    let refused = PresenceClient::new(stranger.channel).list_peers(request).await.unwrap_err();
    assert_eq!(why(&refused), "Unauthenticated SESSION_MISSING");
}

/// Calls to health count, too.
#[tokio::test]
async fn a_connection_without_a_session_has_few_calls_in_progress() {
    let hub = TestHub::start();
    let session = Session::of(hub.address(), "alice").await;
    let mut health = HealthClient::new(session.channel.clone());
    let watch = || HealthCheckRequest { service: String::new() };
    let mut watches = Vec::new();
    for _ in 0..8 {
        watches.push(health.watch(watch()).await.unwrap());
    }
    let refused = health.check(watch()).await.unwrap_err();
    assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");
    assert!(refused.message().contains("without a session"), "{refused}");
    drop(watches.pop());
    // The hub notices the end of a call a little later. Its session is known from then on.
    while session.presence().renew(RenewRequest::default()).await.is_err() {}
    for _ in 0..20 {
        watches.push(health.watch(watch()).await.unwrap());
    }
}

/// The rate is that of reads: 1/s, ten times as much for an address, and ten seconds' worth at once.
#[tokio::test]
async fn requests_to_reflection_pass_a_rate() {
    let hub = TestHub::with(&["--ephemeral", "--rate-loopback", "--read-rate", "1/s"]);
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(
        peer::connect(hub.address()).await,
    );
    let symbol = "chinwag.v1.Presence".to_owned();
    let ask = v1::ServerReflectionRequest {
        host: "one".into(),
        message_request: Some(v1::server_reflection_request::MessageRequest::FileContainingSymbol(
            symbol,
        )),
    };
    let since = Instant::now();
    let all = tokio_stream::iter(vec![ask; 125]);
    let mut answers = client.server_reflection_info(all).await.unwrap().into_inner();
    let mut count = 0;
    while within(PATIENCE, "an answer", answers.message()).await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 125);
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
}
