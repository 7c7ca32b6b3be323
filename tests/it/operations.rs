//! Operating a hub: the first lines of output, options from all sources, health, reflection and a
//! clean stop.

use std::{collections::BTreeSet, io::Write, process::Output, time::Instant};

use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{
    hub::{TestHub, command},
    peer::{self, Session, connect, named},
    person::Person,
    refusal::why,
    within::{PATIENCE, within},
};

const HUB_SERVICES: [&str; 5] = [
    "chinwag.v1.Broadcast",
    "chinwag.v1.Presence",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// Runs a hub that must refuse to start.
fn refusal(args: &[&str]) -> Output {
    command(env!("CARGO_BIN_EXE_chinwagd")).args(args).output().unwrap()
}

#[test]
fn a_port_alone_is_one_of_this_machine() {
    for listen in ["0", ":0", "localhost:0"] {
        let hub = TestHub::at(listen, &["--ephemeral", "--metrics-listen", listen]);
        assert!(hub.address().ip().is_loopback(), "{listen}");
        // For the client as well.
        let sova = Person::new(&hub, "sova");
        let port = hub.address().port();
        for place in [format!("{port}"), format!(":{port}"), format!("localhost:{port}")] {
            sova.run(&["peers", "--hub", &place, "--listen", listen]).done();
        }
    }
    let said = TestHub::try_start(&["--ephemeral", "--metrics-listen", "*:1"], &[]).unwrap_err();
    assert!(said.contains("0.0.0.0:1 stands for all of this machine"), "{said}");
}

#[tokio::test]
async fn the_number_of_connections_can_be_set() {
    let hub = TestHub::with(&["--ephemeral", "--max-connections", "2"]);
    let alice = Session::of(hub.address(), "alice").await;
    let _bob = Session::of(hub.address(), "bob").await;
    let refused = peer::register(hub.address(), named("carol")).await.unwrap_err();
    assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");
    drop(alice);
    // The hub notices the end of a connection a little later.
    let deadline = Instant::now() + PATIENCE;
    while peer::register(hub.address(), named("carol")).await.is_err() {
        assert!(Instant::now() < deadline, "no connection becomes free");
    }
}

#[test]
fn invalid_options_are_refused() {
    for args in [
        &["--lease", "soon"][..],
        &["--listen", "here"],
        &["--nonsense"],
        &["--guests", "some"],
        &["--max-connections", "0"],
    ] {
        let output = refusal(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
    }
}

/// Flags override the environment, the environment overrides the file, and the file overrides the
/// defaults.
#[tokio::test]
async fn options_are_read_from_flags_environment_and_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "lease = \"11s\"\nephemeral = true").unwrap();
    let file = file.path().to_str().unwrap();
    for (args, environment, seconds) in [
        (&["--config", file][..], None, 11),
        (&["--config", file], Some("12s"), 12),
        (&["--config", file, "--lease", "13s"], Some("12s"), 13),
    ] {
        let environment = environment.map(|lease| ("CHINWAG_HUB_LEASE", lease));
        let hub = TestHub::with_environment(args, environment.as_slice());
        let alice = Session::of(hub.address(), "alice").await;
        assert_eq!(alice.registered.lease.unwrap().seconds, seconds, "{args:?}");
    }
}

#[test]
fn a_hub_without_options_uses_the_users_data_directory() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let environment =
        [("HOME", home.path().to_str().unwrap()), ("XDG_DATA_HOME", data.to_str().unwrap())];
    let mut hub = TestHub::with_environment(&[], &environment);
    let kept = std::fs::read_dir(&data).map(Iterator::count).unwrap_or_default();
    assert!(hub.terminate().0.success());
    assert_ne!(kept, 0, "nothing in {}", data.display());
}

#[tokio::test]
async fn health_covers_each_service_and_ends_first() {
    let mut hub = TestHub::with(&["--ephemeral", "--grace", "1s"]);
    let mut health = HealthClient::new(connect(hub.address()).await);
    for service in ["", "chinwag.v1.Presence", "chinwag.v1.Broadcast"] {
        let request = HealthCheckRequest { service: service.into() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service:?}");
    }
    let unknown = HealthCheckRequest { service: "chinwag.v1.PeerChat".into() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);

    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let mut next = async || within(PATIENCE, "a status", watch.next()).await.unwrap();
    assert_eq!(next().await.unwrap().status(), ServingStatus::Serving);
    let stopped = tokio::task::spawn_blocking(move || hub.terminate());
    assert_eq!(next().await.unwrap().status(), ServingStatus::NotServing);
    let (status, rest) = stopped.await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(rest, [] as [String; 0], "a hub prints two lines");
}

#[tokio::test]
async fn reflection_lists_what_the_hub_serves() {
    let hub = TestHub::start();
    let channel = connect(hub.address()).await;

    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let call = client.server_reflection_info(tokio_stream::once(request)).await;
    let answer = call.unwrap().into_inner().message().await.unwrap().unwrap();
    use v1::server_reflection_response::MessageResponse as Answer;
    let Some(Answer::ListServicesResponse(list)) = answer.message_response else { panic!() };
    let names: BTreeSet<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(HUB_SERVICES));

    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request =
        v1alpha::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let call = client.server_reflection_info(tokio_stream::once(request)).await;
    let answer = call.unwrap().into_inner().message().await.unwrap().unwrap();
    use v1alpha::server_reflection_response::MessageResponse as AlphaAnswer;
    let Some(AlphaAnswer::ListServicesResponse(list)) = answer.message_response else { panic!() };
    let names: BTreeSet<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    // The list of v1alpha need not contain v1.
    let [broadcast, presence, health, _, alpha] = HUB_SERVICES;
    assert!(names.is_superset(&BTreeSet::from([broadcast, presence, health, alpha])), "{names:?}");
}

/// `make run` relies on this, so that no hub is left running.
#[tokio::test]
async fn an_idle_hub_stops() {
    let mut hub = TestHub::with(&["--ephemeral", "--idle-exit", "1s", "--lease", "2s"]);
    let alice = Session::of(hub.address(), "alice").await;
    drop(alice);
    let (status, _) = tokio::task::spawn_blocking(move || hub.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}
