//! Leases: when a peer leaves the list after its client is killed, stopped or says goodbye.

use std::time::{Duration, Instant};

use chinwag::proto::{GetPeerRequest, Join, RenewRequest, SubscribeRequest, UnregisterRequest};

use crate::support::{
    hub::TestHub,
    peer::Session,
    refusal::why,
    terminal::Terminal,
    watch::{Watch, listed},
    within::within,
};

/// A lease short enough for a test.
const LEASE: Duration = Duration::from_secs(2);

/// Long enough that a hub which keeps a lost session for two thirds of it too long is detected.
const LONG_LEASE: Duration = Duration::from_secs(6);

/// The tolerance after the end of a lease.
const SLACK: Duration = Duration::from_secs(2);

/// The tolerance after a clean leave.
const CLEAN_LEAVE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_clean_leave_is_seen_at_once() {
    let hub = TestHub::start();
    let watcher = Session::of(hub.address(), "watcher").await;
    let alice = Session::of(hub.address(), "alice").await;
    let mut watch = Watch::with(&watcher, &["alice", "watcher"]).await;
    alice.presence().unregister(UnregisterRequest {}).await.unwrap();
    within(CLEAN_LEAVE, "the leave", watch.until_removed("alice")).await;
    assert_eq!(listed(&watcher).await, ["watcher"]);
    let alice = GetPeerRequest { name: "alice".into(), ..Default::default() };
    let gone = watcher.presence().get_peer(alice).await.unwrap_err();
    assert_eq!(why(&gone), "NotFound PEER_UNKNOWN");
}

#[tokio::test]
async fn a_killed_client_is_gone_within_its_lease() {
    a_client_is_gone_after("KILL").await;
}

/// A stopped process keeps its connections: the hub can detect it by their silence only.
#[tokio::test]
async fn a_stopped_client_is_gone_within_its_lease() {
    a_client_is_gone_after("STOP").await;
}

async fn a_client_is_gone_after(signal: &str) {
    let hub = TestHub::with(&["--ephemeral", "--lease", "6s"]);
    let watcher = Session::of(hub.address(), "watcher").await;
    let (mut watch, _) = Watch::open(&watcher).await;
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let mut alice = Terminal::chinwag(
        home.path(),
        &["--hub", &address, "--name", "alice", "--listen", "127.0.0.1:0", "chat", "--plain"],
    );
    watch.until_updated("alice").await;

    let killed = Instant::now();
    alice.signal(signal);
    within(LONG_LEASE + SLACK, "the departure", watch.until_removed("alice")).await;
    assert_eq!(listed(&watcher).await, ["watcher"]);
    assert!(killed.elapsed() < LONG_LEASE + SLACK, "{:?}", killed.elapsed());
}

/// A refused call is not a broken stream and does not shorten the lease.
#[tokio::test]
async fn a_refused_stream_does_not_shorten_the_lease() {
    let hub = TestHub::with(&["--ephemeral", "--lease", "6s"]);
    let watcher = Session::of(hub.address(), "watcher").await;
    let (mut watch, _) = Watch::open(&watcher).await;
    let apart = Session::of(hub.address(), "apart").await;
    watch.until_updated("apart").await;
    let eager = Session::of(hub.address(), "eager").await;
    let no_room = Join { room: "no room".into(), start: None };
    let request = SubscribeRequest { joins: vec![no_room] };
    eager.broadcast().subscribe(request).await.unwrap_err();
    // A stream that began and ended does not shorten it either.
    drop(eager.broadcast().subscribe(SubscribeRequest::default()).await.unwrap());

    let mut gone = Vec::new();
    while !gone.iter().any(|name| name == "eager") {
        gone.extend(watch.delta().await.removed);
    }
    assert_eq!(gone[0], "apart", "who came first goes first, or at the same time: {gone:?}");
    drop(apart);
}

#[tokio::test]
async fn a_lease_is_kept_by_renewals_and_streams_and_expires_otherwise() {
    let hub = TestHub::with(&["--ephemeral", "--lease", "2s"]);
    let watcher = Session::of(hub.address(), "watcher").await;
    let (mut watch, _) = Watch::open(&watcher).await;
    let renewing = Session::of(hub.address(), "renewing").await;
    let streaming = Session::of(hub.address(), "streaming").await;
    let _chat = streaming.chat().await;
    let idle = Session::of(hub.address(), "idle").await;

    let mut presence = renewing.presence();
    let mut tick = tokio::time::interval(LEASE / 4);
    let gone = within(2 * (LEASE + SLACK), "the end of two idle leases", async {
        watch.until_removed("idle").await;
        let _again = Session::of(hub.address(), "idle-again").await;
        watch.until_removed("idle-again").await;
    });
    tokio::pin!(gone);
    loop {
        tokio::select! {
            () = &mut gone => break,
            _ = tick.tick() => {
                let renewed = presence.renew(RenewRequest::default()).await.unwrap();
                assert_eq!(renewed.into_inner().lease.unwrap().seconds, 2);
            }
        }
    }
    assert_eq!(listed(&watcher).await, ["renewing", "streaming", "watcher"]);
    let refused = idle.presence().renew(RenewRequest::default()).await.unwrap_err();
    assert_eq!(why(&refused), "Unauthenticated SESSION_ENDED");
}
