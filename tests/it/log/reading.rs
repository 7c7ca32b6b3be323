//! Reading a log: in both directions, in slices, and while it grows.

use std::time::Duration;

use chinwag::storage::{Edge, MessageLog, RoomSelection};

use super::test_log::{LIMIT, TestLog, draft, room, seqs, texts};

pub(crate) async fn a_room_is_read_both_ways(test: &TestLog) {
    test.fill("lobby", 10).await;
    test.fill("attic", 3).await;
    assert_eq!(texts(&test.read("lobby", Edge::After(0), 3).await), ["1", "2", "3"]);
    assert_eq!(texts(&test.read("lobby", Edge::After(8), 3).await), ["9", "10"]);
    assert!(test.read("lobby", Edge::After(10), 3).await.is_empty());
    assert!(test.read("lobby", Edge::After(u64::MAX), 3).await.is_empty());
    assert_eq!(texts(&test.read("lobby", Edge::Before(u64::MAX), 3).await), ["8", "9", "10"]);
    assert_eq!(texts(&test.read("lobby", Edge::Before(3), 3).await), ["1", "2"]);
    assert!(test.read("lobby", Edge::Before(1), 3).await.is_empty());
    assert!(test.read("lobby", Edge::Before(0), 3).await.is_empty());
    assert!(test.read("lobby", Edge::After(0), 0).await.is_empty());
    assert!(test.read("cellar", Edge::After(0), 3).await.is_empty());
}

pub(crate) async fn a_slice_is_cut_at_its_bytes(test: &TestLog) {
    let long = "x".repeat(chinwag::model::MAX_TEXT_BYTES);
    for _ in 0..40 {
        test.post(draft("lobby", "alice", &long)).await.unwrap();
    }
    let fit = chinwag::storage::MAX_SLICE_BYTES / long.len();
    let seqs_of = |range: std::ops::RangeInclusive<u64>| range.collect::<Vec<_>>();
    let fit_seq = fit as u64;
    let page = test.read("lobby", Edge::After(0), 100).await;
    assert_eq!(seqs(&page), seqs_of(1..=fit_seq));
    let page = test.read("lobby", Edge::Before(u64::MAX), 100).await;
    assert_eq!(seqs(&page), seqs_of(41 - fit_seq..=40));
}

pub(crate) async fn rooms_are_listed_by_name(test: &TestLog) {
    for name in ["lobby", "attic", "straße", "zoo", "книга"] {
        test.fill(name, name.len()).await;
    }
    let mut after = None;
    let mut names = Vec::new();
    loop {
        let page = test.log.extents(RoomSelection::After { after, limit: 2 }).await.unwrap();
        assert!(page.len() <= 2);
        let mut page: Vec<_> = page.into_iter().collect();
        page.sort_by(|a, b| a.0.cmp(&b.0));
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (name, extent) in page {
            let last = test.read(name.as_str(), Edge::Before(u64::MAX), 1).await.remove(0);
            assert_eq!((extent.first, extent.last), (1, name.as_str().len() as u64));
            assert_eq!(extent.last_at, last.created_at);
            names.push(name.to_string());
        }
    }
    assert_eq!(names, ["attic", "lobby", "straße", "zoo", "книга"]);
}

pub(crate) async fn a_time_leads_to_a_position(test: &TestLog) {
    let name = room("lobby");
    let before = jiff::Timestamp::now() - Duration::from_secs(60);
    assert_eq!(test.log.seq_before(&name, before).await.unwrap(), 0);
    test.fill("lobby", 20).await;
    for message in test.read("lobby", Edge::After(0), 100).await {
        let seq = test.log.seq_before(&name, message.created_at).await.unwrap();
        assert_eq!(seq, message.prev_seq);
        let later = message.created_at + Duration::from_micros(1);
        assert_eq!(test.log.seq_before(&name, later).await.unwrap(), message.position.seq);
    }
    assert_eq!(test.log.seq_before(&name, before).await.unwrap(), 0);
    let later = jiff::Timestamp::now() + Duration::from_secs(60);
    assert_eq!(test.log.seq_before(&name, later).await.unwrap(), 20);
}

pub(crate) async fn readers_proceed_beside_writers(test: &TestLog) {
    const MESSAGES: usize = 2000;
    let write = async {
        let mut outcomes = Vec::new();
        for text in 0..MESSAGES {
            outcomes.push(test.hand_over(draft("lobby", "alice", &text.to_string())).await);
        }
        for outcome in outcomes {
            outcome.await.unwrap().unwrap();
        }
    };
    let read = || async {
        let mut seq = 0;
        while seq < MESSAGES as u64 {
            for message in test.read("lobby", Edge::After(seq), 100).await {
                assert_eq!(message.prev_seq, seq);
                seq = message.position.seq;
            }
        }
    };
    let all = async { tokio::join!(write, read(), read(), read(), read(), read(), read()) };
    tokio::time::timeout(LIMIT, all).await.expect("in time");
}
