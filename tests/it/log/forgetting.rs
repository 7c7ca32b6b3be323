//! Retention: which messages are removed.

use std::time::Duration;

use chinwag::{
    error::{Gone, RequestError},
    model::{Draft, Posted, Text},
    storage::{Edge, MessageLog, Retention, RoomSelection, Slice},
};

use super::test_log::{TestLog, draft, room, seqs};

pub(crate) async fn retention_by_count_removes_old_messages(test: &TestLog) {
    let old = draft("lobby", "alice", "old");
    let posted = test.post(old.clone()).await.unwrap();
    test.fill("lobby", 2500).await;
    test.fill("attic", 5).await;
    let keep = Retention { count: Some(10), ..Retention::default() };
    assert_eq!(test.log.retain(keep).await.unwrap(), 2491);
    assert_eq!(test.log.retain(keep).await.unwrap(), 0);

    let extents = test.log.extents(RoomSelection::After { after: None, limit: 10 }).await.unwrap();
    let extent = extents[&room("lobby")];
    assert_eq!((extent.first, extent.last), (2492, 2501));
    assert_eq!(extents[&room("attic")].first, 1);
    let kept = test.read("lobby", Edge::After(0), 100).await;
    assert_eq!(seqs(&kept), (2492..=2501).collect::<Vec<_>>());
    assert_eq!(test.read("lobby", Edge::Before(2493), 100).await.len(), 1);

    // The index catches up, and the id is still known.
    test.searchable().await;
    assert!(test.find("old").await.is_empty());
    assert_eq!(test.find("5").await.len(), 1, "that of the attic");
    assert_eq!(test.find("2500").await.len(), 1);
    let again = test.post(old.clone()).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..posted });
    let other = Draft { text: Text::parse("new").unwrap(), ..old };
    assert!(matches!(test.post(other).await, Err(RequestError::MessageIdReused(_))));
}

pub(crate) async fn retention_by_age_removes_old_messages(test: &TestLog) {
    test.fill("lobby", 20).await;
    let hour = Some(Duration::from_secs(3600));
    let keep = Retention { age: hour, ..Retention::default() };
    assert_eq!(test.log.retain(keep).await.unwrap(), 0);
    let nothing = Retention { age: Some(Duration::ZERO), ..Retention::default() };
    assert_eq!(test.log.retain(nothing).await.unwrap(), 20);
    let extent = test.log.extents(RoomSelection::One(room("lobby"))).await.unwrap()[&room("lobby")];
    assert_eq!((extent.first, extent.last), (21, 20));
    assert!(test.read("lobby", Edge::After(20), 10).await.is_empty());
    test.searchable().await;
    assert!(test.find("7").await.is_empty());
    // The room continues at the next seq.
    assert_eq!(test.fill("lobby", 1).await[0].position.seq, 21);
    assert_eq!(test.heard().last().unwrap().prev_seq, 20);
    assert_eq!(seqs(&test.read("lobby", Edge::After(20), 10).await), [21]);
    test.searchable().await;
    assert_eq!(test.find("1").await, ["1"]);
}

pub(crate) async fn retention_leaves_no_silent_gap(test: &TestLog) {
    test.fill("lobby", 20).await;
    test.log.retain(Retention { count: Some(5), ..Retention::default() }).await.unwrap();
    for seq in 1..15 {
        let slice = Slice { from: Edge::After(seq), limit: 10 };
        let refused = test.log.read(&room("lobby"), slice).await.unwrap_err();
        assert!(
            matches!(refused, RequestError::PositionGone(Gone::Truncated)),
            "{seq}: {refused:?}"
        );
    }
    assert_eq!(seqs(&test.read("lobby", Edge::After(15), 10).await), [16, 17, 18, 19, 20]);
    let rest = test.read("lobby", Edge::After(0), 10).await;
    assert_eq!((rest[0].position.seq, rest[0].prev_seq), (16, 15));
    let now = jiff::Timestamp::now();
    let before = now - Duration::from_secs(3600);
    assert_eq!(test.log.seq_before(&room("lobby"), before).await.unwrap(), 15);
}

pub(crate) async fn a_room_without_posts_is_removed_and_its_sequence_goes_on(test: &TestLog) {
    let old = draft("attic", "alice", "old");
    let posted = test.post(old.clone()).await.unwrap();
    test.fill("attic", 1500).await;
    let listed = async || {
        let all = RoomSelection::After { after: None, limit: 10 };
        test.log.extents(all).await.unwrap().into_keys().collect::<Vec<_>>()
    };
    let hour = Retention { idle: Some(Duration::from_secs(3600)), ..Retention::default() };
    assert_eq!(test.log.retain(hour).await.unwrap(), 0);
    assert_eq!(listed().await, [room("attic")]);
    let now = Retention { idle: Some(Duration::ZERO), ..Retention::default() };
    assert_eq!(test.log.retain(now).await.unwrap(), 1501);
    assert_eq!(test.log.retain(now).await.unwrap(), 0);
    assert!(listed().await.is_empty());
    let extent =
        async || test.log.extents(RoomSelection::One(room("attic"))).await.unwrap()[&room("attic")];
    assert!(extent().await.removed);
    test.searchable().await;
    assert!(test.find("old").await.is_empty());

    // A retry of an old post is not stored again, and no position has two messages.
    let again = test.post(old).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..posted });
    assert!(listed().await.is_empty());
    assert_eq!(test.fill("attic", 1).await[0].position.seq, 1502);
    assert_eq!(test.heard().last().unwrap().prev_seq, 1501);
    assert_eq!(listed().await, [room("attic")]);
    let there = extent().await;
    assert_eq!((there.first, there.last, there.removed), (1502, 1502, false));
    test.searchable().await;
    assert_eq!(test.find("1").await, ["1"]);
}
