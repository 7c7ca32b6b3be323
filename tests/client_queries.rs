//! What a client asks its hub, against a hub that does what the test says.
#![cfg(test)]

#[path = "support/fake_hub.rs"]
mod fake_hub;
#[path = "support/one_client.rs"]
mod one_client;
#[path = "support/within.rs"]
mod within;

use chinwag::{
    client::{Client, PeerChange, PeerFilter, SearchRequest},
    error::Error,
    model::PeerStatus,
    proto::{self, watch_peers_response::Event as Watched},
};
use fake_hub::{Call, FakeHub, at, name, peer};
use one_client::{disconnected, in_a_room, options};
use tonic::Status;
use within::{PATIENCE, within};

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

#[tokio::test]
async fn a_hit_is_a_part_of_its_text_or_nothing() {
    let hub = FakeHub::start().await;
    let options = options(&hub, &[]);
    let (_, _hub) = hub.serve_quietly();
    let (client, _events) = Client::start(options).await.unwrap();
    let search =
        |end: &str| client.search(SearchRequest { query: end.into(), ..Default::default() });
    assert_eq!(search("2").await.unwrap().items[0].ranges[0], 0..2);
    for wrong in ["1", "3"] {
        assert!(matches!(search(wrong).await, Err(Error::Protocol(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_watch_bridges_losses_or_says_so() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let snapshot = |peers: &[&str], last| {
        let peers = peers.iter().map(|name| peer(name, vec![])).collect();
        Watched::Snapshot(proto::PeerSnapshot { peers, last, revision: Some(at(1)) })
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

    // The hub can say what changed since.
    stream.end(Status::unavailable("gone")).await;
    let watched = async {
        let stream = hub.watch().await;
        let delta = proto::PeerDelta {
            updated: vec![],
            removed: vec!["colt".into()],
            revision: Some(at(2)),
        };
        stream.say(Watched::Delta(delta)).await;
        stream
    };
    let (told, again) = tokio::join!(changes(1), watched);
    stream = again;
    assert_eq!((told.as_str(), stream.request.revision), ("-colt", Some(at(1))));

    // The hub cannot.
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
