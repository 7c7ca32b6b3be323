//! Watchers with streams, against the table.

use std::{future::poll_fn, pin::Pin, sync::LazyLock, task::Poll};

use bytes::Bytes;
use http_body::Body;
use jiff::Timestamp;
use proptest::prelude::*;
use tokio::task::JoinSet;

mod watcher;

use self::watcher::Watcher;
use super::{feed::RING_BYTES, *};
use crate::{
    hub::fanout::{Source as _, StreamQueue},
    identity::Identity,
    model::Endpoint,
};

const EPOCH: u64 = 7;

static KEYS: LazyLock<[Certificate; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Identity::generate().unwrap().certificate().clone()));

fn name(number: usize) -> Name {
    Name::parse(&format!("peer{number}")).unwrap()
}

fn session(peer: &Name, id: SessionId) -> Session {
    let (began_at, status_since) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let (peer, endpoints, status) = (peer.clone(), Vec::new(), PeerStatus::Online);
    Session { id, peer, endpoints, status, began_at, status_since, owner: None }
}

fn endpoints(count: usize, letter: char) -> Vec<Endpoint> {
    let host = format!("{}.example", String::from(letter).repeat(60));
    (1..=count).map(|port| Endpoint::new(&host, port as u32).unwrap()).collect()
}

/// Makes snapshots until the result is dropped.
fn snapshots_of(peers: &Arc<Peers>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for view in [View::Basic, View::Full] {
        let peers = peers.clone();
        tasks.spawn(async move { peers.make_snapshots(view).await });
    }
    tasks
}

fn listed(peers: &Peers, view: View) -> BTreeMap<String, proto::Peer> {
    let (all, _) = peers.copy(None, usize::MAX);
    all.iter().map(|peer| (peer.name.to_string(), view.of(peer))).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Put { peer: usize, session: usize, status: usize, endpoints: usize, at: i64, key: usize },
    Leave { peer: usize, session: usize },
    Publish,
    Open(usize),
    Close(usize),
    Read(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let put = (0..40_usize, 0..2_usize, 0..4_usize, 0..4_usize, 0..3_i64, 0..3_usize);
    prop_oneof![
        6 => put.prop_map(|(peer, session, status, endpoints, at, key)| Step::Put {
            peer, session, status, endpoints, at, key,
        }),
        3 => (0..40_usize, 0..2_usize).prop_map(|(peer, session)| Step::Leave { peer, session }),
        2 => Just(Step::Publish),
        2 => (0..4_usize).prop_map(Step::Open),
        1 => (0..4_usize).prop_map(Step::Close),
        3 => (0..4_usize, 1..4_usize).prop_map(|(watcher, frames)| Step::Read(watcher, frames)),
    ]
}

/// Takes the steps, and compares the lists of watchers in both views with the table.
async fn run(steps: Vec<Step>, ring_bytes: usize) {
    let peers = Peers::with_ring(EPOCH, ring_bytes);
    let _snapshots = snapshots_of(&peers);
    let ids: Vec<_> = (0..80).map(|_| SessionId::new()).collect();
    let id = |peer: usize, session: usize| ids[peer * 2 + session];
    let views = [View::Basic, View::Full, View::Basic, View::Full];
    let mut watchers = views.map(|view| Watcher::new(&peers, view));
    for step in steps {
        match step {
            Step::Put { peer, session: number, status, endpoints: count, at, key } => {
                use PeerStatus::{Away, Busy, Invisible, Online};
                let at = Timestamp::from_second(at).unwrap();
                peers.put(Session {
                    status: [Online, Away, Busy, Invisible][status],
                    endpoints: endpoints(count * 2, 'a'),
                    status_since: at,
                    began_at: at,
                    owner: KEYS.get(key).cloned().map(Owner::key),
                    ..session(&name(peer), id(peer, number))
                });
            }
            Step::Leave { peer, session } => peers.remove(id(peer, session), &name(peer)),
            Step::Publish => peers.flush(),
            Step::Open(watcher) => {
                watchers[watcher].close();
                watchers[watcher].open();
            }
            Step::Close(watcher) => watchers[watcher].close(),
            Step::Read(watcher, frames) => drop(watchers[watcher].read(frames).await),
        }
    }
    peers.flush();
    for watcher in &mut watchers {
        // One whose snapshot was not kept until it had read it has to begin again.
        watcher.read_all().await;
        if watcher.stream.is_none() {
            assert!(matches!(watcher.end.as_deref(), None | Some("11")), "{:?}", watcher.end);
            watcher.open();
            watcher.read_all().await;
        }
        assert_eq!(watcher.list, listed(&peers, watcher.view));
        assert_eq!((watcher.seq, watcher.listing), (peers.table.lock().revision, false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The rings are so small that watchers fall behind, or so large that they never do.
    #[test]
    fn every_watcher_has_the_list_in_the_end(
        steps in prop::collection::vec(step(), 0..120),
        ring_bytes in prop_oneof![Just(300_usize), Just(4_000), Just(RING_BYTES)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps, ring_bytes));
    }
}

/// A peer whose certificate and endpoints are as large as is common.
fn put_alice(peers: &Peers, id: SessionId, alice: &Name, change: impl FnOnce(&mut Session)) {
    let mut alice = Session {
        endpoints: endpoints(8, 'a'),
        status_since: Timestamp::now(),
        owner: Some(Owner::key(KEYS[0].clone())),
        ..session(alice, id)
    };
    change(&mut alice);
    peers.put(alice);
    peers.flush();
}

/// Returns the bytes that a watcher receives next.
async fn next_bytes(watcher: &mut Watcher) -> usize {
    let stream = watcher.stream.as_mut().unwrap();
    let frame = poll_fn(|cx| Pin::new(&mut *stream).poll_frame(cx)).await.unwrap().unwrap();
    let data = frame.into_data().unwrap();
    watcher.take(&data);
    data.len()
}

#[tokio::test]
async fn a_change_of_a_status_costs_a_watcher_at_most_100_bytes() {
    let peers = Peers::new(u64::MAX);
    let _snapshots = snapshots_of(&peers);
    // As on a hub that has run for a day.
    peers.table.lock().revision = 1 << 20;
    let (id, alice) = (SessionId::new(), Name::parse(&"a".repeat(58)).unwrap());
    put_alice(&peers, id, &alice, |_| ());
    let mut watcher = Watcher::new(&peers, View::Basic);
    watcher.open();
    let list = next_bytes(&mut watcher).await;
    assert!(list > 600, "endpoints are listed once: {list}");
    next_bytes(&mut watcher).await;
    for status in [PeerStatus::Away, PeerStatus::Online] {
        put_alice(&peers, id, &alice, |alice| alice.status = status);
        let bytes = next_bytes(&mut watcher).await;
        assert!(bytes <= 100, "{bytes}");
        assert_eq!(watcher.list, listed(&peers, View::Basic));
    }
}

fn with_peers(count: usize) -> Arc<Peers> {
    let peers = Peers::new(EPOCH);
    for number in 0..count {
        peers.put(Session {
            endpoints: endpoints(2, 'a'),
            owner: Some(Owner::key(KEYS[0].clone())),
            ..session(&name(number), SessionId::new())
        });
    }
    peers.flush();
    peers
}

/// Newcomers who change the list do not make it be encoded again for each of them.
#[tokio::test]
async fn newcomers_share_a_snapshot_and_read_the_changes_after_it() {
    let peers = with_peers(2_000);
    let _snapshots = snapshots_of(&peers);
    let first = peers.basic.snapshot().await;
    let bytes: usize = first.pieces.iter().map(Bytes::len).sum();
    assert!(first.pieces.len() > 2 && bytes < 2_000 * 300, "{bytes} bytes");
    assert!(first.pieces.iter().all(|piece| piece.len() <= 64 * 1024));
    let mut snapshots = vec![first];
    for number in 0..1_000 {
        peers.put(Session {
            owner: Some(Owner::key(KEYS[1].clone())),
            ..session(&name(2_000 + number), SessionId::new())
        });
        peers.flush();
        let snapshot = peers.basic.snapshot().await;
        if !Arc::ptr_eq(&snapshot, &snapshots[snapshots.len() - 1]) {
            snapshots.push(snapshot);
        }
        if number % 100 == 0 {
            let mut watcher = Watcher::new(&peers, View::Basic);
            watcher.open();
            watcher.read_all().await;
            assert_eq!(watcher.list, listed(&peers, View::Basic));
        }
    }
    assert!(snapshots.len() < 4, "{} snapshots for 1,000 newcomers", snapshots.len());
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_one_piece_and_no_list() {
    let peers = Peers::with_ring(EPOCH, 8 * 1024);
    let _snapshots = snapshots_of(&peers);
    let ids: Vec<_> = (0..1_000).map(|_| SessionId::new()).collect();
    let put_all = |letter: char| {
        for (number, id) in ids.iter().enumerate() {
            peers.put(Session { endpoints: endpoints(2, letter), ..session(&name(number), *id) });
        }
        peers.flush();
    };
    put_all('a');
    let mut watcher = Watcher::new(&peers, View::Basic);
    watcher.open();
    assert_eq!(watcher.read(1).await, 1);
    let list = Arc::downgrade(&peers.basic.snapshot().await);
    assert!(list.upgrade().unwrap().pieces.len() > 2);

    // The changes since then are not kept, so that no reader can go on from this list.
    put_all('b');
    put_all('c');
    let newer = peers.basic.snapshot().await;
    assert!(list.upgrade().is_none(), "the old list is held");
    watcher.read_all().await;
    assert_eq!(watcher.end.as_deref(), Some("11"), "OUT_OF_RANGE");
    watcher.open();
    watcher.read_all().await;
    assert_eq!(watcher.list, listed(&peers, View::Basic));
    assert!(newer.pieces.iter().all(|piece| piece.len() <= 64 * 1024));
}

/// HTTP/2 polls a stream only while its client reads.
#[tokio::test]
async fn a_reader_that_is_not_polled_holds_up_no_other() {
    let peers = with_peers(1_000);
    let _snapshots = snapshots_of(&peers);
    let mut stuck = Watcher::new(&peers, View::Basic);
    stuck.open();
    let stream = stuck.stream.as_mut().unwrap();
    let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_frame(cx))).await;
    assert!(first.is_pending(), "it waits for a snapshot");
    let mut other = Watcher::new(&peers, View::Basic);
    other.open();
    other.read_all().await;
    assert_eq!(other.list, listed(&peers, View::Basic));
}

/// Without watchers of whole peers, nothing is encoded for them; they miss nothing all the same.
#[tokio::test]
async fn a_watcher_of_whole_peers_gets_whole_peers() {
    let peers = with_peers(3);
    let _snapshots = snapshots_of(&peers);
    let (id, alice) = (SessionId::new(), Name::parse("alice").unwrap());
    put_alice(&peers, id, &alice, |_| ());
    let mut watcher = Watcher::new(&peers, View::Full);
    watcher.open();
    watcher.read_all().await;
    put_alice(&peers, id, &alice, |alice| alice.status = PeerStatus::Away);
    let bytes = next_bytes(&mut watcher).await;
    assert!(bytes > KEYS[0].as_der().len(), "{bytes}");
    assert_eq!(watcher.list, listed(&peers, View::Full));
    watcher.close();

    put_alice(&peers, id, &alice, |alice| alice.status = PeerStatus::Busy);
    watcher.open();
    watcher.read_all().await;
    assert_eq!(watcher.list, listed(&peers, View::Full));
}

/// Each delta costs a write to each watcher.
#[tokio::test]
async fn changes_are_collected_longer_for_many_watchers() {
    let peers = Peers::new(EPOCH);
    assert_eq!(peers.pause(), COALESCE);
    let [basic, full] = [View::Basic, View::Full].map(|view| ListReader::new(peers.clone(), view));
    let watch = |list: &ListReader| list.ring().subscribe(StreamQueue::new(None), 0);
    let keys: Vec<_> = (0..2_000).map(|_| watch(&basic)).collect();
    assert_eq!(peers.pause(), COALESCE);
    for _ in 0..2_000 {
        watch(&full);
    }
    assert_eq!(peers.pause(), 2 * COALESCE);
    for key in keys {
        basic.ring().unsubscribe(key);
    }
    assert_eq!(peers.pause(), COALESCE);
}

#[tokio::test]
async fn a_filter_runs_without_the_lock() {
    let peers = Peers::new(1);
    let name = |at: usize| Name::parse(&format!("peer{at:04}")).unwrap();
    for at in 0..3 * NAMES_PER_LOCK {
        let invisible = at % 2 == 1;
        let status = if invisible { PeerStatus::Invisible } else { PeerStatus::Online };
        peers.put(Session { status, ..session(&name(at), SessionId::new()) });
    }
    let found = async |after: Option<usize>, limit, every: usize| {
        // Would never return under the lock.
        let filter = |peer: &Peer| {
            let number: usize = peer.name.as_str()["peer".len()..].parse().unwrap();
            peers.count() > 0 && number.is_multiple_of(every)
        };
        let found = peers.list(after.map(name), limit, filter).await;
        found.into_iter().map(|peer| peer.name).collect::<Vec<_>>()
    };
    assert_eq!(found(None, 3, 4).await, [name(0), name(4), name(8)]);
    assert_eq!(found(Some(4), 2, 4).await, [name(8), name(12)]);
    assert_eq!(found(Some(2), 9, 500).await, [name(500)]);
    assert!(found(Some(0), 9, 1000).await.is_empty());
    assert_eq!(found(None, 1000, 1).await.len(), 3 * NAMES_PER_LOCK / 2);
    assert_eq!(peers.visible_sessions().await.len(), 3 * NAMES_PER_LOCK / 2);
}
