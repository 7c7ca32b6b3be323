//! What a [`MessageLog`] promises, told as stories that every kind of log must go through: the
//! embedded one in a directory and in memory today, a clustered one later.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use chinwag::{
    backbone::{
        Edge, MessageLog, Rooms, Slice, Tail,
        embedded::log::{EmbeddedLog, Store},
    },
    error::{Error, Result},
    model::{Draft, Message, MessageId, Name, Posted, RoomName, Text},
};
use tokio::sync::oneshot;

/// How long anything may take before a test gives up.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a story on a log in a directory and on one in memory.
macro_rules! on_every_log {
    ($($story:ident),* $(,)?) => {
        mod in_a_directory {
            $(#[tokio::test]
            async fn $story() {
                let directory = tempfile::tempdir().unwrap();
                super::$story(&super::Bench::open(super::Store::Directory(directory.path().into()))).await;
            })*
        }
        mod in_memory {
            $(#[tokio::test]
            async fn $story() {
                super::$story(&super::Bench::open(super::Store::Memory)).await;
            })*
        }
    };
}

on_every_log! {
    messages_are_ordered_and_chained,
    the_tail_hears_before_the_sender,
    a_retry_is_not_a_duplicate,
    a_retry_beside_its_first_is_not_a_duplicate,
    an_id_belongs_to_one_message_of_its_sender,
    a_room_is_read_both_ways,
    a_slice_is_cut_at_its_bytes,
    rooms_are_listed_by_name,
    a_time_leads_to_a_position,
    readers_go_on_beside_writers,
    a_closed_log_refuses,
}

/// A log and what its tail heard.
struct Bench {
    log: EmbeddedLog,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard(Mutex<Vec<Message>>);

impl Tail for Heard {
    fn stored(&self, room: &RoomName, messages: &[Message]) {
        assert!(!messages.is_empty() && messages.iter().all(|message| message.room == *room));
        self.0.lock().unwrap().extend_from_slice(messages);
    }
}

impl Bench {
    fn open(store: Store) -> Self {
        let heard = Arc::<Heard>::default();
        Self { log: EmbeddedLog::open(store, heard.clone()).unwrap(), heard }
    }

    fn at(directory: &Path) -> Self {
        Self::open(Store::Directory(directory.into()))
    }

    fn heard(&self) -> Vec<Message> {
        self.heard.0.lock().unwrap().clone()
    }

    /// Hands a draft over, without waiting for what becomes of it.
    async fn hand_over(&self, draft: Draft) -> oneshot::Receiver<Result<Posted>> {
        let (told, hears) = oneshot::channel();
        let done = Box::new(move |outcome| {
            let _ = told.send(outcome);
        });
        self.log.append(draft, done).await;
        hears
    }

    async fn post(&self, draft: Draft) -> Result<Posted> {
        let outcome = self.hand_over(draft).await;
        tokio::time::timeout(LIMIT, outcome).await.expect("in time").expect("an outcome")
    }

    /// Posts texts named `1`, `2`, ... to a room.
    async fn fill(&self, to: &str, count: usize) -> Vec<Posted> {
        let mut posted = Vec::new();
        for text in 1..=count {
            posted.push(self.post(draft(to, "alice", &text.to_string())).await.unwrap());
        }
        posted
    }

    async fn read(&self, from: &str, edge: Edge, limit: usize) -> Vec<Message> {
        self.log.read(&room(from), Slice { from: edge, limit }).await.unwrap()
    }
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn draft(to: &str, sender: &str, text: &str) -> Draft {
    Draft {
        id: MessageId::new(),
        room: room(to),
        sender: Name::parse(sender).unwrap(),
        text: Text::parse(text).unwrap(),
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.position.seq).collect()
}

async fn messages_are_ordered_and_chained(bench: &Bench) {
    let mut outcomes = Vec::new();
    for text in 0..500 {
        let to = if text % 3 == 0 { "lobby" } else { "attic" };
        outcomes.push(bench.hand_over(draft(to, "alice", &text.to_string())).await);
    }
    for outcome in outcomes {
        outcome.await.unwrap().unwrap();
    }
    for name in ["lobby", "attic"] {
        let messages = bench.read(name, Edge::After(0), 1000).await;
        let mut prev_seq = 0;
        let mut at = jiff::Timestamp::MIN;
        let mut number = -1;
        for message in &messages {
            assert_eq!(message.prev_seq, prev_seq);
            assert!(message.position.seq > prev_seq);
            assert_eq!(message.position.epoch, bench.log.epoch());
            assert!(message.created_at >= at);
            let text: i32 = message.text.as_str().parse().unwrap();
            assert!(text > number, "in the order in which they were handed over");
            (prev_seq, at, number) = (message.position.seq, message.created_at, text);
        }
        let heard: Vec<_> =
            bench.heard().into_iter().filter(|message| message.room == room(name)).collect();
        assert_eq!(heard, messages);
    }
    assert_eq!(bench.heard().len(), 500);
}

async fn the_tail_hears_before_the_sender(bench: &Bench) {
    let heard = bench.heard.clone();
    let (told, hears) = oneshot::channel();
    let done = Box::new(move |outcome: Result<Posted>| {
        let _ = told.send((outcome, heard.0.lock().unwrap().len()));
    });
    bench.log.append(draft("lobby", "alice", "hello"), done).await;
    let (outcome, heard) = hears.await.unwrap();
    assert_eq!((outcome.unwrap().position.seq, heard), (1, 1));
}

async fn a_retry_is_not_a_duplicate(bench: &Bench) {
    let hello = draft("lobby", "alice", "hello");
    let first = bench.post(hello.clone()).await.unwrap();
    assert!(!first.duplicate);
    bench.fill("lobby", 3).await;
    let again = bench.post(hello).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..first });
    assert_eq!(bench.heard().len(), 4);
    assert_eq!(bench.read("lobby", Edge::After(0), 10).await.len(), 4);
}

async fn a_retry_beside_its_first_is_not_a_duplicate(bench: &Bench) {
    let drafts: Vec<_> = (0..200).map(|_| draft("lobby", "alice", "hello")).collect();
    let mut outcomes = Vec::new();
    for draft in drafts.iter().flat_map(|draft| [draft, draft]) {
        outcomes.push(bench.hand_over(draft.clone()).await);
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
    assert_eq!(bench.heard().len(), 200);
}

async fn an_id_belongs_to_one_message_of_its_sender(bench: &Bench) {
    let hello = draft("lobby", "alice", "hello");
    bench.post(hello.clone()).await.unwrap();
    let text = Text::parse("goodbye").unwrap();
    for other in [Draft { text, ..hello.clone() }, Draft { room: room("attic"), ..hello.clone() }] {
        let refused = bench.post(other).await.unwrap_err();
        assert!(matches!(refused, Error::MessageIdReused(id) if id == hello.id));
    }
    let of_bob = Draft { sender: Name::parse("bob").unwrap(), ..hello };
    assert!(!bench.post(of_bob).await.unwrap().duplicate);
    assert!(bench.log.extents(Rooms::One(room("attic"))).await.unwrap().is_empty());
}

async fn a_room_is_read_both_ways(bench: &Bench) {
    bench.fill("lobby", 10).await;
    bench.fill("attic", 3).await;
    assert_eq!(texts(&bench.read("lobby", Edge::After(0), 3).await), ["1", "2", "3"]);
    assert_eq!(texts(&bench.read("lobby", Edge::After(8), 3).await), ["9", "10"]);
    assert!(bench.read("lobby", Edge::After(10), 3).await.is_empty());
    assert!(bench.read("lobby", Edge::After(u64::MAX), 3).await.is_empty());
    assert_eq!(texts(&bench.read("lobby", Edge::Before(u64::MAX), 3).await), ["8", "9", "10"]);
    assert_eq!(texts(&bench.read("lobby", Edge::Before(3), 3).await), ["1", "2"]);
    assert!(bench.read("lobby", Edge::Before(1), 3).await.is_empty());
    assert!(bench.read("lobby", Edge::Before(0), 3).await.is_empty());
    assert!(bench.read("lobby", Edge::After(0), 0).await.is_empty());
    assert!(bench.read("cellar", Edge::After(0), 3).await.is_empty());
}

async fn a_slice_is_cut_at_its_bytes(bench: &Bench) {
    let long = "x".repeat(chinwag::model::MAX_TEXT_BYTES);
    for _ in 0..40 {
        bench.post(draft("lobby", "alice", &long)).await.unwrap();
    }
    let fit = chinwag::backbone::MAX_SLICE_BYTES / long.len();
    let seqs_of = |range: std::ops::RangeInclusive<u64>| range.collect::<Vec<_>>();
    let fit_seq = fit as u64;
    let page = bench.read("lobby", Edge::After(0), 100).await;
    assert_eq!(seqs(&page), seqs_of(1..=fit_seq));
    let page = bench.read("lobby", Edge::Before(u64::MAX), 100).await;
    assert_eq!(seqs(&page), seqs_of(41 - fit_seq..=40));
}

async fn rooms_are_listed_by_name(bench: &Bench) {
    for name in ["lobby", "attic", "straße", "zoo", "книга"] {
        bench.fill(name, name.len()).await;
    }
    let mut after = None;
    let mut names = Vec::new();
    loop {
        let page = bench.log.extents(Rooms::After { after, limit: 2 }).await.unwrap();
        assert!(page.len() <= 2);
        let mut page: Vec<_> = page.into_iter().collect();
        page.sort_by(|a, b| a.0.cmp(&b.0));
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (name, extent) in page {
            let last = bench.read(name.as_str(), Edge::Before(u64::MAX), 1).await.remove(0);
            assert_eq!((extent.first, extent.last), (1, name.as_str().len() as u64));
            assert_eq!(extent.last_at, last.created_at);
            names.push(name.to_string());
        }
    }
    assert_eq!(names, ["attic", "lobby", "straße", "zoo", "книга"]);
}

async fn a_time_leads_to_a_position(bench: &Bench) {
    let name = room("lobby");
    let before = jiff::Timestamp::now() - Duration::from_secs(60);
    assert_eq!(bench.log.seq_before(&name, before).await.unwrap(), 0);
    bench.fill("lobby", 20).await;
    for message in bench.read("lobby", Edge::After(0), 100).await {
        let seq = bench.log.seq_before(&name, message.created_at).await.unwrap();
        assert_eq!(seq, message.prev_seq);
        let later = message.created_at + Duration::from_micros(1);
        assert_eq!(bench.log.seq_before(&name, later).await.unwrap(), message.position.seq);
    }
    assert_eq!(bench.log.seq_before(&name, before).await.unwrap(), 0);
    let later = jiff::Timestamp::now() + Duration::from_secs(60);
    assert_eq!(bench.log.seq_before(&name, later).await.unwrap(), 20);
}

async fn readers_go_on_beside_writers(bench: &Bench) {
    const MESSAGES: usize = 2000;
    let write = async {
        let mut outcomes = Vec::new();
        for text in 0..MESSAGES {
            outcomes.push(bench.hand_over(draft("lobby", "alice", &text.to_string())).await);
        }
        for outcome in outcomes {
            outcome.await.unwrap().unwrap();
        }
    };
    let read = || async {
        let mut seq = 0;
        while seq < MESSAGES as u64 {
            for message in bench.read("lobby", Edge::After(seq), 100).await {
                assert_eq!(message.prev_seq, seq);
                seq = message.position.seq;
            }
        }
    };
    let all = async { tokio::join!(write, read(), read(), read(), read(), read(), read()) };
    tokio::time::timeout(LIMIT, all).await.expect("in time");
}

async fn a_closed_log_refuses(bench: &Bench) {
    let mut outcomes = Vec::new();
    for text in 0..100 {
        outcomes.push(bench.hand_over(draft("lobby", "alice", &text.to_string())).await);
    }
    bench.log.close().await;
    for outcome in outcomes {
        outcome.await.unwrap().unwrap();
    }
    let refused = bench.post(draft("lobby", "alice", "late")).await.unwrap_err();
    assert!(matches!(refused, Error::ShuttingDown));
    assert_eq!(bench.read("lobby", Edge::After(0), 1000).await.len(), 100);
}

#[tokio::test]
async fn a_log_goes_on_where_it_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let first = Bench::at(directory.path());
    let epoch = first.log.epoch();
    let hello = draft("lobby", "alice", "hello");
    let posted = first.post(hello.clone()).await.unwrap();
    first.fill("lobby", 5).await;
    let messages = first.read("lobby", Edge::After(0), 100).await;
    drop(first);

    let second = Bench::at(directory.path());
    assert_eq!(second.log.epoch(), epoch);
    assert_eq!(second.read("lobby", Edge::After(0), 100).await, messages);
    assert_eq!(second.post(hello).await.unwrap(), Posted { duplicate: true, ..posted });
    let next = second.fill("lobby", 1).await.remove(0);
    let last = messages.last().unwrap();
    assert!(next.position.seq > last.position.seq && next.created_at >= last.created_at);
    assert_eq!(second.heard().last().unwrap().prev_seq, last.position.seq);
}
