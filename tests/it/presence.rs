//! Presence: names, sessions and the watched list of peers.

use chinwag::proto::{
    Endpoint, EndpointList, GetPeerRequest, ListPeersRequest, Peer, PeerStatus, RegisterRequest,
    RenewRequest, UnregisterRequest, WatchPeersRequest, presence_client::PresenceClient,
};
use tonic::{Request, service::Interceptor};

use crate::support::{
    hub::TestHub,
    peer::{Session, connect, named, register},
    refusal::why,
    watch::{Watch, list, listed, names},
    within::PATIENCE,
};

async fn get(session: &Session, name: &str) -> Result<Peer, tonic::Status> {
    let request = GetPeerRequest { name: name.into(), ..Default::default() };
    Ok(session.presence().get_peer(request).await?.into_inner().peer.unwrap())
}

/// Registers another session of the same peer.
async fn beside(hub: &TestHub, session: &Session, request: RegisterRequest) -> Session {
    let channel = connect(hub.address()).await;
    let mut asked = session.token().call(Request::new(())).unwrap().map(|()| request);
    asked.set_timeout(PATIENCE);
    let registered = PresenceClient::new(channel.clone()).register(asked).await.unwrap();
    Session { registered: registered.into_inner(), channel }
}

fn endpoint(host: &str, port: u32) -> Endpoint {
    Endpoint { host: host.into(), port }
}

#[tokio::test]
async fn a_registration_describes_the_session() {
    let hub = TestHub::start();
    let request = RegisterRequest {
        name: "Alice".into(),
        endpoints: vec![endpoint("0.0.0.0", 54321), endpoint("example.org", 1)],
        ..Default::default()
    };
    let alice = register(hub.address(), request).await.unwrap();
    let session = &alice.registered;
    assert!(session.token.len() >= 32, "a token of {} bytes", session.token.len());
    assert_eq!(session.lease, Some(prost_types::Duration { seconds: 30, nanos: 0 }));
    let observed = session.observed.as_ref().unwrap();
    assert_eq!(observed.host, "127.0.0.1");
    assert_ne!(observed.port, u32::from(hub.address().port()));
    let about = session.hub.as_ref().unwrap();
    assert_eq!(about.version, env!("CARGO_PKG_VERSION"));
    assert_eq!((about.default_room.as_str(), about.max_text_bytes), ("lobby", 16_384));
    let peer = session.peer.as_ref().unwrap();
    assert_eq!(peer.name, "alice", "names are normalized");
    assert_eq!(peer.endpoints, [endpoint("127.0.0.1", 54321), endpoint("example.org", 1)]);
    assert_eq!(peer.status(), PeerStatus::Online);
    assert_eq!(get(&alice, "ALICE").await.unwrap(), *peer);
}

#[tokio::test]
async fn a_name_belongs_to_one_peer() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    for name in ["alice", "Alice", "ＡＬＩＣＥ"] {
        let refused = register(hub.address(), named(name)).await.unwrap_err();
        assert_eq!(why(&refused), "AlreadyExists NAME_TAKEN", "{name}");
    }
    let cyrillic = register(hub.address(), named("аlice")).await.unwrap_err();
    assert_eq!(why(&cyrillic), "AlreadyExists NAME_CONFUSABLE");
    alice.presence().unregister(UnregisterRequest {}).await.unwrap();
    Session::of(hub.address(), "alice").await;
}

#[tokio::test]
async fn a_peer_may_have_several_sessions() {
    let hub = TestHub::start();
    let at = |port| RegisterRequest {
        name: "alice".into(),
        endpoints: vec![endpoint("127.0.0.1", port)],
        ..Default::default()
    };
    let first = register(hub.address(), at(1)).await.unwrap();
    let second = beside(&hub, &first, at(2)).await;
    let alice = get(&first, "alice").await.unwrap();
    assert_eq!(alice.endpoints, [endpoint("127.0.0.1", 2), endpoint("127.0.0.1", 1)]);
    assert_eq!(listed(&second).await, ["alice"]);

    second.presence().unregister(UnregisterRequest {}).await.unwrap();
    let alice = get(&first, "alice").await.unwrap();
    assert_eq!(alice.endpoints, [endpoint("127.0.0.1", 1)]);
}

/// The number of sessions of a peer does not make its entry too large to read.
#[tokio::test]
async fn a_peer_of_many_sessions_is_listed_with_its_newest_endpoints() {
    let hub = TestHub::start();
    let at = |ports: std::ops::Range<u32>| RegisterRequest {
        name: "alice".into(),
        endpoints: ports.map(|port| endpoint("127.0.0.1", port)).collect(),
        ..Default::default()
    };
    let first = register(hub.address(), at(1..9)).await.unwrap();
    let _second = beside(&hub, &first, at(11..14)).await;
    let ports: Vec<_> = get(&first, "alice").await.unwrap().endpoints;
    let ports: Vec<_> = ports.iter().map(|endpoint| endpoint.port).collect();
    assert_eq!(ports, [11, 12, 13, 1, 2, 3, 4, 5]);

    let mut sessions = Vec::new();
    while sessions.len() < 30 {
        sessions.push(beside(&hub, &first, at(1..1)).await);
    }
    let token = first.token();
    let mut one_more = PresenceClient::with_interceptor(first.channel.clone(), token);
    let refused = one_more.register(at(1..1)).await.unwrap_err();
    assert_eq!(why(&refused), "ResourceExhausted LIMIT_REACHED");
}

#[tokio::test]
async fn a_returning_client_replaces_its_lost_session() {
    let hub = TestHub::start();
    let watcher = Session::of(hub.address(), "watcher").await;
    let old = Session::of(hub.address(), "alice").await;
    let mut old_chat = old.chat().await;
    let (mut watch, _) = Watch::open(&watcher).await;

    let request = RegisterRequest { replace_token: old.registered.token.clone(), ..named("alice") };
    let new = register(hub.address(), request).await.unwrap();
    // The old token is invalid, its streams end, and unregistering it removes nothing.
    let refused = old.presence().unregister(UnregisterRequest {}).await.unwrap_err();
    assert_eq!(why(&refused), "Unauthenticated SESSION_ENDED");
    let ended = loop {
        match old_chat.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream of an ended session ended as if it had been wanted"),
            Err(status) => break status,
        }
    };
    assert_eq!(why(&ended), "Unauthenticated SESSION_ENDED");
    drop(old_chat);
    assert_eq!(listed(&new).await, ["alice", "watcher"]);

    // Others were not notified that alice had left.
    let _fence = Session::of(hub.address(), "fence").await;
    let (_, before) = watch.until_updated("fence").await;
    let removed: Vec<_> = before.iter().flat_map(|delta| &delta.removed).collect();
    assert!(removed.is_empty(), "{removed:?}");
}

#[tokio::test]
async fn a_wrong_token_gives_no_right_to_a_name() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let bob = Session::of(hub.address(), "bob").await;
    for token in [bob.registered.token.as_str(), "made-up"] {
        let request = RegisterRequest { replace_token: token.into(), ..named("alice") };
        let refused = register(hub.address(), request).await.unwrap_err();
        assert_eq!(why(&refused), "AlreadyExists NAME_TAKEN");
    }
    assert_eq!(listed(&alice).await, ["alice", "bob"]);
}

#[tokio::test]
async fn a_peer_updates_its_own_record() {
    let hub = TestHub::start();
    let watcher = Session::of(hub.address(), "watcher").await;
    let alice = Session::of(hub.address(), "alice").await;
    let (mut watch, _) = Watch::open(&watcher).await;
    let away = RenewRequest { status: PeerStatus::Away.into(), endpoints: None };
    alice.presence().renew(away.clone()).await.unwrap();
    let (seen, _) = watch.until_updated("alice").await;
    assert_eq!(seen.status(), PeerStatus::Away);
    let since = |peer: &Peer| peer.status_since.map(|at| (at.seconds, at.nanos)).unwrap();
    let (began, away_since) = (since(alice.registered.peer.as_ref().unwrap()), since(&seen));
    assert_eq!(Some(began), seen.online_since.map(|at| (at.seconds, at.nanos)));
    assert!(away_since > began);

    // An unchanged status causes no notification.
    alice.presence().renew(away).await.unwrap();
    let moved = EndpointList { endpoints: vec![endpoint("127.0.0.1", 9)] };
    let moved = RenewRequest { status: 0, endpoints: Some(moved) };
    alice.presence().renew(moved).await.unwrap();
    let (seen, _) = watch.until_updated("alice").await;
    assert_eq!(seen.endpoints, [endpoint("127.0.0.1", 9)]);
    assert_eq!(seen.status(), PeerStatus::Away, "unspecified leaves the status");
    assert_eq!(since(&seen), away_since);

    // A newer session has its own status.
    let online = beside(&hub, &alice, named("alice")).await;
    let (seen, _) = watch.until_updated("alice").await;
    assert_eq!(seen.status(), PeerStatus::Online);
    assert!(since(&seen) > away_since);
    online.presence().unregister(UnregisterRequest {}).await.unwrap();
    let (seen, _) = watch.until_updated("alice").await;
    assert_eq!((seen.status(), since(&seen)), (PeerStatus::Away, away_since));
    // An invisible peer gets its own status, although it is not listed.
    let hidden = RegisterRequest { status: PeerStatus::Invisible.into(), ..named("eve") };
    let eve = register(hub.address(), hidden).await.unwrap();
    assert!(eve.registered.peer.unwrap().status_since.is_some());
}

#[tokio::test]
async fn an_invisible_session_is_not_listed_but_keeps_its_name() {
    let hub = TestHub::start();
    let watcher = Session::of(hub.address(), "watcher").await;
    let (mut watch, _) = Watch::open(&watcher).await;
    let hidden = RegisterRequest { status: PeerStatus::Invisible.into(), ..named("alice") };
    let alice = register(hub.address(), hidden).await.unwrap();
    assert_eq!(listed(&alice).await, ["watcher"]);
    assert_eq!(why(&get(&watcher, "alice").await.unwrap_err()), "NotFound PEER_UNKNOWN");
    let refused = register(hub.address(), named("alice")).await.unwrap_err();
    assert_eq!(why(&refused), "AlreadyExists NAME_TAKEN");

    let fence = Session::of(hub.address(), "fence").await;
    let (_, before) = watch.until_updated("fence").await;
    assert!(before.iter().all(|delta| !names(&delta.updated).contains(&"alice")), "{before:?}");

    // Beside a visible session of the same peer it changes nothing.
    let shown = beside(&hub, &alice, named("alice")).await;
    let (seen, _) = watch.until_updated("alice").await;
    assert_eq!(seen.status(), PeerStatus::Online);
    shown.presence().unregister(UnregisterRequest {}).await.unwrap();
    watch.until_removed("alice").await;
    assert_eq!(listed(&fence).await, ["fence", "watcher"]);
}

#[tokio::test]
async fn a_watch_resumes_from_its_revision_or_reports_a_reset() {
    let hub = TestHub::start();
    let watcher = Session::of(hub.address(), "watcher").await;
    let (mut watch, _) = Watch::open(&watcher).await;
    let alice = Session::of(hub.address(), "alice").await;
    let (_, deltas) = watch.until_updated("alice").await;
    let seen = deltas.last().unwrap().revision.unwrap();
    drop(watch);

    let _bob = Session::of(hub.address(), "bob").await;
    alice.presence().unregister(UnregisterRequest {}).await.unwrap();
    let mut watch = Watch::after(&watcher, Some(seen)).await;
    let (mut updated, mut removed) = (Vec::new(), Vec::new());
    while updated.is_empty() || removed.is_empty() {
        let delta = watch.delta().await;
        updated.extend(delta.updated.into_iter().map(|peer| peer.name));
        removed.extend(delta.removed);
    }
    assert_eq!((updated, removed), (vec!["bob".to_owned()], vec!["alice".to_owned()]));

    let other_life = chinwag::proto::Position { epoch: seen.epoch ^ 1, seq: seen.seq };
    let request = WatchPeersRequest { revision: Some(other_life), ..Default::default() };
    let refused = match watcher.presence().watch_peers(request).await {
        Err(status) => status,
        Ok(stream) => stream.into_inner().message().await.unwrap_err(),
    };
    assert_eq!(why(&refused), "OutOfRange EPOCH_CHANGED");
}

#[tokio::test]
async fn the_list_is_paged_and_ordered() {
    let hub = TestHub::start();
    let mut all = Vec::new();
    for i in (0..25).rev() {
        let status = if i % 2 == 0 { PeerStatus::Away } else { PeerStatus::Busy };
        let request = RegisterRequest { status: status.into(), ..named(&format!("peer-{i:02}")) };
        all.push(register(hub.address(), request).await.unwrap());
    }
    let anyone = Session::of(hub.address(), "anyone").await;
    let page = |page_token: &str| ListPeersRequest {
        page_size: 10,
        page_token: page_token.into(),
        name_prefix: "peer-".into(),
        ..Default::default()
    };
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let answer = anyone.presence().list_peers(page(&token)).await.unwrap().into_inner();
        assert!(answer.peers.len() <= 10);
        found.extend(answer.peers.into_iter().map(|peer| peer.name));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        // The page token is valid for this list only.
        let other = ListPeersRequest { name_prefix: "p".into(), ..page(&token) };
        let refused = anyone.presence().list_peers(other).await.unwrap_err();
        assert_eq!(why(&refused), "InvalidArgument INVALID_FIELD page_token");
    }
    let wanted: Vec<_> = (0..25).map(|i| format!("peer-{i:02}")).collect();
    assert_eq!(found, wanted);

    let away = ListPeersRequest { status: PeerStatus::Away.into(), ..Default::default() };
    assert_eq!(list(&anyone, away).await.len(), 13);
    let nowhere = ListPeersRequest { room: "empty".into(), ..Default::default() };
    assert_eq!(list(&anyone, nowhere).await, []);
    let lobby = ListPeersRequest { room: "lobby".into(), ..Default::default() };
    assert_eq!(list(&anyone, lobby).await.len(), 26, "every session is in the default room");
}
