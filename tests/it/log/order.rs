//! Each room has one order; posts are acknowledged once stored, and stored once.

use chinwag::{
    error::{RequestError, Result},
    model::{Draft, Name, Posted, Text},
    storage::{Edge, MessageLog, RoomSelection},
};
use tokio::sync::oneshot;

use super::test_log::{TestLog, draft, room};

pub(crate) async fn messages_are_ordered_and_chained(test: &TestLog) {
    let mut outcomes = Vec::new();
    for text in 0..500 {
        let to = if text % 3 == 0 { "lobby" } else { "attic" };
        outcomes.push(test.hand_over(draft(to, "alice", &text.to_string())).await);
    }
    for outcome in outcomes {
        outcome.await.unwrap().unwrap();
    }
    for name in ["lobby", "attic"] {
        let messages = test.read(name, Edge::After(0), 1000).await;
        let mut prev_seq = 0;
        let mut at = jiff::Timestamp::MIN;
        let mut number = -1;
        for message in &messages {
            assert_eq!(message.prev_seq, prev_seq);
            assert!(message.position.seq > prev_seq);
            assert_eq!(message.position.epoch, test.log.epoch());
            assert!(message.created_at >= at);
            let text: i32 = message.text.as_str().parse().unwrap();
            assert!(text > number, "in the order in which they were handed over");
            (prev_seq, at, number) = (message.position.seq, message.created_at, text);
        }
        let heard: Vec<_> =
            test.heard().into_iter().filter(|message| message.room == room(name)).collect();
        assert_eq!(heard, messages);
    }
    assert_eq!(test.heard().len(), 500);
}

pub(crate) async fn the_listener_is_called_before_the_sender(test: &TestLog) {
    let heard = test.heard.clone();
    let (told, hears) = oneshot::channel();
    let done = Box::new(move |outcome: Result<Posted>| {
        let _ = told.send((outcome, heard.0.lock().len()));
    });
    test.log.append(draft("lobby", "alice", "hello"), done).await;
    let (outcome, heard) = hears.await.unwrap();
    assert_eq!((outcome.unwrap().position.seq, heard), (1, 1));
}

pub(crate) async fn a_retry_is_not_a_duplicate(test: &TestLog) {
    let hello = draft("lobby", "alice", "hello");
    let first = test.post(hello.clone()).await.unwrap();
    assert!(!first.duplicate);
    test.fill("lobby", 3).await;
    let again = test.post(hello).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..first });
    assert_eq!(test.heard().len(), 4);
    assert_eq!(test.read("lobby", Edge::After(0), 10).await.len(), 4);
}

pub(crate) async fn a_retry_beside_its_first_is_not_a_duplicate(test: &TestLog) {
    let drafts: Vec<_> = (0..200).map(|_| draft("lobby", "alice", "hello")).collect();
    let mut outcomes = Vec::new();
    for draft in drafts.iter().flat_map(|draft| [draft, draft]) {
        outcomes.push(test.hand_over(draft.clone()).await);
    }
    let mut first = None;
    for outcome in outcomes {
        let posted = outcome.await.unwrap().unwrap();
        match first.take() {
            None => {
                assert!(!posted.duplicate);
                first = Some(posted);
            }
            Some(first) => assert_eq!(posted, Posted { duplicate: true, ..first }),
        }
    }
    assert_eq!(test.heard().len(), 200);
}

pub(crate) async fn an_id_belongs_to_one_message_of_its_sender(test: &TestLog) {
    let hello = draft("lobby", "alice", "hello");
    test.post(hello.clone()).await.unwrap();
    let text = Text::parse("goodbye").unwrap();
    for other in [Draft { text, ..hello.clone() }, Draft { room: room("attic"), ..hello.clone() }] {
        let refused = test.post(other).await.unwrap_err();
        assert!(matches!(refused, RequestError::MessageIdReused(id) if id == hello.id));
    }
    let of_bob = Draft { sender: Name::parse("bob").unwrap(), ..hello };
    assert!(!test.post(of_bob).await.unwrap().duplicate);
    assert!(test.log.extents(RoomSelection::One(room("attic"))).await.unwrap().is_empty());
}

pub(crate) async fn a_closed_log_refuses(test: &TestLog) {
    let mut outcomes = Vec::new();
    for text in 0..100 {
        outcomes.push(test.hand_over(draft("lobby", "alice", &text.to_string())).await);
    }
    test.log.close().await;
    for outcome in outcomes {
        outcome.await.unwrap().unwrap();
    }
    let refused = test.post(draft("lobby", "alice", "late")).await.unwrap_err();
    assert!(matches!(refused, RequestError::ShuttingDown));
    assert_eq!(test.read("lobby", Edge::After(0), 1000).await.len(), 100);
}
