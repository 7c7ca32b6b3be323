//! The queries of the client library, against a fake hub.

use crate::support::{
    fake_hub::{Call, FakeHub, at, large_peers, name, peer},
    one_client::{disconnected, in_a_room, options},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, Error, PageRequest, PeerChange, PeerFilter, PeerWatch, SearchRequest},
    error::RequestError,
    model::{PeerStatus, RoomName},
    proto::{self, watch_peers_response::Event as Watched},
    wire,
};
use tonic::Status;

#[tokio::test]
async fn a_status_outlives_the_session() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    client.set_status(PeerStatus::Away).await.unwrap();
    assert!(
        matches!(hub.call().await, Call::Renew { request } if request.status() == proto::PeerStatus::Away)
    );
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    assert_eq!(hub.registration().await.0.status(), proto::PeerStatus::Away);
}

/// What changes while a change waits for the rate of the hub is sent at once, in its latest state.
#[tokio::test]
async fn changes_of_the_status_wait_for_the_hub_and_are_joined() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    let what = "changes";
    let retry_after = std::time::Duration::from_millis(20);
    hub.refuse_change(wire::status(&RequestError::RateLimited { what, retry_after }));
    let (away, busy, online) = tokio::join!(
        client.set_status(PeerStatus::Away),
        client.set_status(PeerStatus::Busy),
        client.set_status(PeerStatus::Online),
    );
    assert!(away.is_ok() && busy.is_ok() && online.is_ok());
    for sent in [proto::PeerStatus::Away, proto::PeerStatus::Online] {
        assert!(matches!(hub.call().await, Call::Renew { request } if request.status() == sent));
    }
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    assert_eq!(hub.registration().await.0.status(), proto::PeerStatus::Online);
}

#[tokio::test]
async fn a_refused_change_of_the_status_leaves_it_as_it_was() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    hub.refuse_change(Status::internal("no"));
    let refused = client.set_status(PeerStatus::Away).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert!(matches!(hub.call().await, Call::Renew { .. }));
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    assert_eq!(hub.registration().await.0.status(), proto::PeerStatus::Online);
}

/// A hub that lies cannot make a client hold more and more.
#[tokio::test]
async fn lists_without_end_are_given_up() {
    let hub = FakeHub::start().await;
    hub.list_without_end();
    let (client, _events) = Client::start(options(&hub, &[])).await.unwrap();
    let endless = |error: Error| {
        assert!(matches!(&error, Error::Protocol(_)), "{error:?}");
        assert!(error.to_string().contains("a list has no end"), "{error}");
    };
    endless(client.peers(PeerFilter::default()).await.unwrap_err());
    // 64 MiB in pages of 3 MiB.
    assert!((15..30).contains(&hub.pages()), "{} pages", hub.pages());
    endless(client.list_rooms().await.unwrap_err());
    let page = client.messages(RoomName::lobby(), PageRequest::default()).await.unwrap();
    let mut next = PageRequest::default();
    next.token = page.next.unwrap();
    endless(client.messages(RoomName::lobby(), next).await.unwrap_err());
    let mut search = SearchRequest::default();
    search.query = "2".into();
    search.token = client.search(search.clone()).await.unwrap().next.unwrap();
    endless(client.search(search).await.unwrap_err());
}

#[tokio::test]
async fn a_watched_list_takes_a_limited_memory() {
    const MOST: usize = 64 * 1024 * 1024;
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let (watch, stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    let parts = 22;
    let lying = async {
        for part in 0..parts {
            let snapshot = proto::PeerSnapshot {
                revision: Some(at(1)),
                peers: large_peers(part * 1_500, 1_500),
                last: part + 1 == parts,
                ..Default::default()
            };
            stream.say(Watched::Snapshot(snapshot)).await;
        }
    };
    let listed = async {
        let mut peers = 0;
        loop {
            match watch.next().await.unwrap() {
                PeerChange::Listed => return peers,
                PeerChange::Updated(_) => peers += 1,
                _ => {}
            }
        }
    };
    let all = async { tokio::join!(listed, lying) };
    let (peers, ()) = within(3 * PATIENCE, "the list", all).await;
    // Each has eight endpoints of 251 bytes.
    assert!((MOST / 3_000..MOST / 2_000).contains(&peers), "{peers} of {}", parts * 1_500);
}

#[tokio::test]
async fn all_pages_of_a_list_are_asked_for() {
    let hub = FakeHub::start().await;
    for name in ["colt", "buzz", "winter"] {
        hub.set_peer(name, &[]);
    }
    let options = options(&hub, &[]);
    let (_, hub) = hub.serve_quietly();
    let (client, _events) = Client::start(options).await.unwrap();
    let peers = client.peers(PeerFilter::default()).await.unwrap();
    let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["buzz", "colt", "sova", "winter"]);
    let nobody = client.peer(&name("nobody")).await;
    assert!(matches!(nobody, Err(Error::PeerUnknown(who)) if who == name("nobody")));
    drop(hub);
}

/// Returns peers that no honest hub lists, and one valid peer.
fn odd_peers() -> Vec<proto::Peer> {
    let endpoint = |host: &str, port| proto::Endpoint { host: host.into(), port };
    let many = (0..20).map(|n| endpoint("192.0.2.1", 100_000 * (n % 2) + n + 1)).collect();
    let timeless = proto::Peer { online_since: None, ..peer("timeless", vec![]) };
    let since = Some(prost_types::Timestamp { seconds: 1, nanos: -1 });
    let broken = proto::Peer { status_since: since, ..peer("broken", vec![]) };
    vec![peer("many", many), peer("no name", vec![]), timeless, broken, peer("winter", vec![])]
}

#[tokio::test]
async fn an_invalid_peer_hides_no_other() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    odd_peers().into_iter().for_each(|peer| hub.list(peer));
    let peers = client.peers(PeerFilter::default()).await.unwrap();
    let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["many", "sova", "winter"]);
    assert_eq!(peers[2].status_since, None, "this hub does not say it");
    // The first eight valid endpoints.
    let ports: Vec<_> = peers[0].endpoints.iter().map(|endpoint| endpoint.port()).collect();
    assert_eq!(ports, [1, 3, 5, 7, 9, 11, 13, 15]);

    let (watch, stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    let revision = Some(at(1));
    let list = proto::PeerSnapshot { peers: odd_peers(), last: true, revision, current: None };
    stream.say(Watched::Snapshot(list)).await;
    let removed = vec!["no name".into(), "winter".into()];
    stream.say(Watched::Delta(proto::PeerDelta { removed, revision, ..Default::default() })).await;
    let mut change = async || within(PATIENCE, "a change", watch.next()).await.unwrap();
    assert_eq!(change().await, PeerChange::Reset);
    for listed in ["many", "winter"] {
        assert!(matches!(change().await, PeerChange::Updated(peer) if peer.name == name(listed)));
    }
    assert_eq!(change().await, PeerChange::Listed);
    assert_eq!(change().await, PeerChange::Left(name("winter")));
}

/// A shared snapshot may be older than the call, and a change contains only what has changed.
#[tokio::test]
async fn a_list_is_complete_with_the_changes_that_follow_its_snapshot() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let (watch, stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    assert_eq!(stream.request.view(), proto::PeerView::Basic);
    let endpoint = proto::Endpoint { host: "192.0.2.1".into(), port: 1 };
    let key = vec![7; 32];
    let buzz = proto::Peer { fingerprint: key.clone(), ..peer("buzz", vec![endpoint]) };
    let peers = vec![buzz, peer("colt", vec![])];
    stream.say(Watched::Snapshot(proto::PeerSnapshot { peers, ..Default::default() })).await;
    let (last, revision, current) = (true, Some(at(3)), Some(at(5)));
    let end = proto::PeerSnapshot { peers: vec![], last, revision, current };
    stream.say(Watched::Snapshot(end)).await;
    let mut change = async || within(PATIENCE, "a change", watch.next()).await.unwrap();
    assert_eq!(change().await, PeerChange::Reset);
    for listed in ["buzz", "colt"] {
        assert!(matches!(change().await, PeerChange::Updated(peer) if peer.name == name(listed)));
    }

    let removed = vec!["colt".into()];
    let delta = proto::PeerDelta { removed, revision: Some(at(4)), ..Default::default() };
    stream.say(Watched::Delta(delta)).await;
    assert_eq!(change().await, PeerChange::Left(name("colt")));
    let away = proto::PeerStatus::Away.into();
    let about = |name: &str| proto::PeerChange { name: name.into(), ..Default::default() };
    let changed = vec![
        proto::PeerChange { status: away, ..about("buzz") },
        proto::PeerChange { status: away, ..about("unlisted") },
    ];
    let delta = proto::PeerDelta { changed, revision: Some(at(5)), ..Default::default() };
    stream.say(Watched::Delta(delta)).await;
    let PeerChange::Updated(buzz) = change().await else { panic!("not changed") };
    assert_eq!((buzz.status, buzz.endpoints.len()), (PeerStatus::Away, 1));
    assert_eq!(buzz.key.unwrap().as_bytes()[..], key);
    assert_eq!(change().await, PeerChange::Listed);

    let endpoints = Some(proto::EndpointList::default());
    let changed = vec![proto::PeerChange { endpoints, ..about("buzz") }];
    let delta = proto::PeerDelta { changed, revision: Some(at(6)), ..Default::default() };
    stream.say(Watched::Delta(delta)).await;
    let PeerChange::Updated(buzz) = change().await else { panic!("not changed") };
    assert_eq!((buzz.status, buzz.endpoints.len()), (PeerStatus::Away, 0));
}

#[tokio::test]
async fn a_list_without_end_is_requested_with_backoff() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let (watch, mut stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    let began = std::time::Instant::now();
    let part = || proto::PeerSnapshot::default();
    let again = async {
        for _ in 0..4 {
            stream.say(Watched::Snapshot(part())).await;
            stream.end(Status::unavailable("gone")).await;
            stream = hub.watch().await;
        }
    };
    let read = async { while watch.next().await.is_some() {} };
    tokio::select! {
        () = again => {}
        () = read => panic!("the client has stopped"),
    }
    // At least the lower halves of 100, 200, 400 and 800 ms. Without growth it would be 400 ms at
    // most, plus overhead.
    assert!(began.elapsed() >= std::time::Duration::from_millis(750), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_search_hit_outside_of_its_text_is_a_protocol_error() {
    let hub = FakeHub::start().await;
    let options = options(&hub, &[]);
    let (_, _hub) = hub.serve_quietly();
    let (client, _events) = Client::start(options).await.unwrap();
    let search = |end: &str| {
        let mut request = SearchRequest::default();
        request.query = end.into();
        client.search(request)
    };
    assert_eq!(search("2").await.unwrap().items[0].ranges[0], 0..2);
    for wrong in ["1", "3"] {
        assert!(matches!(search(wrong).await, Err(Error::Protocol(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_watch_resumes_after_a_loss_or_reports_a_gap() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let snapshot = |peers: &[&str], last| {
        let peers = peers.iter().map(|name| peer(name, vec![])).collect();
        Watched::Snapshot(proto::PeerSnapshot { peers, last, revision: Some(at(1)), current: None })
    };
    let (watch, mut stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    stream.say(snapshot(&["buzz"], false)).await;
    stream.say(snapshot(&["colt"], true)).await;
    let seen = |change: PeerChange| match change {
        PeerChange::Updated(peer) => format!("+{}", peer.name),
        PeerChange::Left(name) => format!("-{name}"),
        other => format!("{other:?}"),
    };
    let mut changes = async |count| {
        let mut changes = Vec::new();
        for _ in 0..count {
            changes.push(seen(within(PATIENCE, "a change", watch.next()).await.unwrap()));
        }
        changes.join(" ")
    };
    assert_eq!(changes(4).await, "Reset +buzz +colt Listed");

    // The hub sends the changes since then.
    stream.end(Status::unavailable("gone")).await;
    let watched = async {
        let stream = hub.watch().await;
        let delta = proto::PeerDelta {
            removed: vec!["colt".into()],
            revision: Some(at(2)),
            ..Default::default()
        };
        stream.say(Watched::Delta(delta)).await;
        stream
    };
    let (told, again) = tokio::join!(changes(1), watched);
    stream = again;
    assert_eq!((told.as_str(), stream.request.revision), ("-colt", Some(at(1))));

    // The hub sends a new snapshot.
    stream.end(Status::unavailable("gone")).await;
    let watched = async {
        let stream = hub.watch().await;
        assert_eq!(stream.request.revision, Some(at(2)));
        stream.end(Status::out_of_range("gone")).await;
        let stream = hub.watch().await;
        stream.say(snapshot(&["winter"], true)).await;
        stream
    };
    let (told, again) = tokio::join!(changes(3), watched);
    assert_eq!((told.as_str(), again.request.revision), ("Reset +winter Listed", None));

    client.stop().await;
    assert!(within(PATIENCE, "the end of the watch", watch.next()).await.is_none());
}

#[tokio::test]
async fn a_watch_is_reopened_with_one_call_if_reading_is_cancelled() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let (watch, stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    stream.end(Status::unavailable("gone")).await;

    let answer = hub.hold_watch();
    let stream = tokio::select! {
        change = watch.next() => panic!("{change:?}"),
        stream = hub.watch() => stream,
    };
    for _ in 0..3 {
        tokio::select! {
            biased;
            change = watch.next() => panic!("{change:?}"),
            () = std::future::ready(()) => {}
        }
    }
    answer.send(Ok(())).expect("the call was taken back");
    stream.say(Watched::Snapshot(empty_list())).await;
    tokio::select! {
        change = watch.next() => assert_eq!(change, Some(PeerChange::Reset)),
        _ = hub.watch() => panic!("asked once more"),
    }
}

fn empty_list() -> proto::PeerSnapshot {
    proto::PeerSnapshot { last: true, revision: Some(at(1)), ..Default::default() }
}

/// Returns the result of a watch whose first call is refused with `status`.
async fn refused(hub: &mut FakeHub, client: &Client, status: Status) -> Result<PeerWatch, Error> {
    hub.hold_watch().send(Err(status)).unwrap();
    tokio::join!(client.watch_peers(), hub.watch()).0
}

#[tokio::test]
async fn a_watch_is_retried_after_a_temporary_refusal() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let unknown = Status::unimplemented("what is that?");
    let for_good = refused(&mut hub, &client, unknown).await;
    assert!(matches!(for_good, Err(Error::Refused(_))), "{for_good:?}");

    let retry_after = std::time::Duration::from_millis(1);
    let too_many = wire::status(&RequestError::RateLimited { what: "calls", retry_after });
    let ended = wire::status(&RequestError::SessionEnded);
    for for_now in [Status::unavailable("shutting down"), too_many, ended] {
        let mut watch = refused(&mut hub, &client, for_now).await.unwrap();
        let listed = async {
            let stream = hub.watch().await;
            stream.say(Watched::Snapshot(empty_list())).await;
            stream
        };
        let change = within(PATIENCE, "a change", watch.next());
        assert_eq!(tokio::join!(change, listed).0, Some(PeerChange::Reset));
    }
}
