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
        Edge, MessageLog, Rooms, Search, Slice, Tail,
        embedded::log::{EmbeddedLog, Retention, Store},
    },
    error::{Error, Gone, Result},
    model::{Draft, Message, MessageId, Name, Posted, RoomName, SearchHit, Text},
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
    words_are_found,
    a_search_can_be_narrowed,
    found_words_are_marked_where_they_are,
    hostile_queries_find_or_are_refused,
    the_best_or_the_latest_come_first,
    old_messages_are_forgotten_by_count,
    old_messages_are_forgotten_by_age,
    forgetting_leaves_no_silent_hole,
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
        let mut outcomes = Vec::new();
        for text in 1..=count {
            outcomes.push(self.hand_over(draft(to, "alice", &text.to_string())).await);
        }
        let mut posted = Vec::new();
        for outcome in outcomes {
            posted.push(outcome.await.unwrap().unwrap());
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

impl Bench {
    async fn say(&self, to: &str, sender: &str, texts: &[&str]) {
        for text in texts {
            self.post(draft(to, sender, text)).await.unwrap();
        }
        self.searchable().await;
    }

    async fn searchable(&self) {
        let searchable = self.log.searchable();
        tokio::time::timeout(LIMIT, searchable).await.expect("in time").unwrap();
    }

    async fn search(&self, search: Search) -> Vec<SearchHit> {
        self.log.search(search).await.unwrap()
    }

    /// The texts that a query finds, in the order of the log.
    async fn find(&self, query: &str) -> Vec<String> {
        let mut hits = self.search(search(query)).await;
        hits.sort_by_key(|hit| hit.message.position.seq);
        hits.into_iter().map(|hit| hit.message.text.as_str().to_owned()).collect()
    }
}

fn search(query: &str) -> Search {
    Search {
        query: query.into(),
        room: None,
        sender: None,
        newest_first: true,
        limit: 100,
        offset: 0,
    }
}

async fn words_are_found(bench: &Bench) {
    let texts = [
        "the red car",
        "the green car",
        "a car, green and RED",
        "Zürich is étonnant",
        "carpet",
        "日本語 text",
    ];
    bench.say("lobby", "alice", &texts).await;
    let pick = |picked: &[usize]| picked.iter().map(|&i| texts[i].to_owned()).collect::<Vec<_>>();
    for (query, found) in [
        ("car", &[0, 1, 2_usize] as &[_]),
        ("CAR red", &[0, 2]),
        ("car*", &[0, 1, 2, 4]),
        ("\"green car\"", &[1]),
        ("\"car green\"", &[2]),
        ("\"red car\" the", &[0]),
        ("\"car green", &[2]),
        ("zurich", &[3]),
        ("ÉTONNANT zür*", &[3]),
        ("日本*", &[5]),
        ("green-and", &[2]),
        ("bicycle", &[]),
        ("car bicycle", &[]),
        ("car !!! ***", &[0, 1, 2]),
    ] {
        assert_eq!(bench.find(query).await, pick(found), "{query}");
    }
}

async fn a_search_can_be_narrowed(bench: &Bench) {
    bench.say("lobby", "alice", &["tea 1"]).await;
    bench.say("lobby", "bob", &["tea 2"]).await;
    bench.say("attic", "alice", &["tea 3"]).await;
    let narrowed = |to: Option<&str>, sender: Option<&str>| Search {
        room: to.map(room),
        sender: sender.map(|name| Name::parse(name).unwrap()),
        ..search("tea")
    };
    for (search, found) in [
        (narrowed(None, None), &["tea 3", "tea 2", "tea 1"] as &[&str]),
        (narrowed(Some("lobby"), None), &["tea 2", "tea 1"]),
        (narrowed(None, Some("alice")), &["tea 3", "tea 1"]),
        (narrowed(Some("lobby"), Some("alice")), &["tea 1"]),
        (narrowed(Some("attic"), Some("bob")), &[]),
        (narrowed(Some("cellar"), None), &[]),
        (narrowed(None, Some("carol")), &[]),
    ] {
        for newest_first in [true, false] {
            let mut hits = bench.search(Search { newest_first, ..search.clone() }).await;
            hits.sort_by_key(|hit| std::cmp::Reverse(hit.message.created_at));
            let messages: Vec<_> = hits.into_iter().map(|hit| hit.message).collect();
            assert_eq!(texts(&messages), found, "{search:?}");
        }
    }
    // What stands for rooms and senders in the index is not to be found as text.
    assert!(bench.find("room sender").await.is_empty());
}

async fn found_words_are_marked_where_they_are(bench: &Bench) {
    let all_marks: String = ('\u{e000}'..='\u{f8ff}').take(5000).collect();
    let crowded = format!("{all_marks} tea");
    for (text, query, marked) in [
        ("tea for two", "tea two", &["tea", "two"] as &[&str]),
        ("Le thé à l’Été, the tea", "ete the", &["thé", "Été", "the"]),
        ("🫖 tea 日本語 teapot", "tea* 日本*", &["tea", "日本語", "teapot"]),
        ("two cups of tea", "\"cups of\"", &["cups of"]),
        ("green tea green tea", "\"tea green tea\"", &["tea green tea"]),
        ("nul\0tea\0nul", "tea", &["tea"]),
        ("\u{e000}tea\u{e001} tea", "tea*", &["tea"]),
        (&crowded, "tea", &["tea"]),
        ("cafe\u{301} tea", "cafe", &["cafe\u{301}"]),
    ] {
        bench.say("lobby", "alice", &[text]).await;
        let hit = bench.search(search(query)).await.remove(0);
        assert_eq!(hit.message.text.as_str(), text);
        let found: Vec<_> = hit.ranges.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(found, marked, "{query}");
        let apart = hit.ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
        assert!(apart, "{:?}", hit.ranges);
    }
}

async fn hostile_queries_find_or_are_refused(bench: &Bench) {
    bench.say("lobby", "alice", &["tea and OR near text room 1"]).await;
    let long = "tea ".repeat(5000);
    let prefixes = "t* ".repeat(1000);
    for query in [
        "tea\" OR \"coffee",
        "NOT tea",
        "tea AND",
        "NEAR(tea, 2)",
        "text : tea",
        "{room text} : tea",
        "- tea",
        "^tea",
        "tea + and",
        "tea)",
        "((((tea",
        "tea * and",
        "'; DROP TABLE words; --",
        "tea\0and",
        "\"\"\"tea\"\"\"",
        "tea \u{300}",
        &long,
        &prefixes,
    ] {
        // That it is answered is what counts.
        bench.log.search(search(query)).await.unwrap();
    }
    for query in ["", "  ", "\"\"", "*", "!?", "\0"] {
        let refused = bench.log.search(search(query)).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Invalid(what) if what[0].field == "query"),
            "{refused:?}"
        );
    }
    assert_eq!(bench.find("OR").await.len(), 1);
}

async fn the_best_or_the_latest_come_first(bench: &Bench) {
    let said = ["tea tea tea", "tea or coffee or water or juice or milk", "coffee", "cold tea"];
    bench.say("lobby", "alice", &said).await;
    let ordered = |newest_first, offset, limit| {
        let search = Search { newest_first, offset, limit, ..search("tea") };
        async move {
            let messages: Vec<_> =
                bench.search(search).await.into_iter().map(|hit| hit.message).collect();
            texts(&messages).join("; ")
        }
    };
    let all = "cold tea; tea or coffee or water or juice or milk; tea tea tea";
    assert_eq!(ordered(true, 0, 10).await, all);
    assert_eq!(ordered(true, 1, 1).await, "tea or coffee or water or juice or milk");
    assert_eq!(ordered(true, 3, 10).await, "");
    let all = "tea tea tea; cold tea; tea or coffee or water or juice or milk";
    assert_eq!(ordered(false, 0, 10).await, all);
    assert_eq!(ordered(false, 2, 10).await, "tea or coffee or water or juice or milk");
}

async fn old_messages_are_forgotten_by_count(bench: &Bench) {
    let old = draft("lobby", "alice", "old");
    let posted = bench.post(old.clone()).await.unwrap();
    bench.fill("lobby", 2500).await;
    bench.fill("attic", 5).await;
    let keep = Retention { count: Some(10), age: None };
    assert_eq!(bench.log.retain(keep).await.unwrap(), 2491);
    assert_eq!(bench.log.retain(keep).await.unwrap(), 0);

    let extents = bench.log.extents(Rooms::After { after: None, limit: 10 }).await.unwrap();
    let extent = extents[&room("lobby")];
    assert_eq!((extent.first, extent.last), (2492, 2501));
    assert_eq!(extents[&room("attic")].first, 1);
    let kept = bench.read("lobby", Edge::After(0), 100).await;
    assert_eq!(seqs(&kept), (2492..=2501).collect::<Vec<_>>());
    assert_eq!(bench.read("lobby", Edge::Before(2493), 100).await.len(), 1);

    // The index follows, and the id is still known.
    bench.searchable().await;
    assert!(bench.find("old").await.is_empty());
    assert_eq!(bench.find("5").await.len(), 1, "that of the attic");
    assert_eq!(bench.find("2500").await.len(), 1);
    let again = bench.post(old.clone()).await.unwrap();
    assert_eq!(again, Posted { duplicate: true, ..posted });
    let other = Draft { text: Text::parse("new").unwrap(), ..old };
    assert!(matches!(bench.post(other).await, Err(Error::MessageIdReused(_))));
}

async fn old_messages_are_forgotten_by_age(bench: &Bench) {
    bench.fill("lobby", 20).await;
    let hour = Some(Duration::from_secs(3600));
    let keep = Retention { age: hour, count: None };
    assert_eq!(bench.log.retain(keep).await.unwrap(), 0);
    let nothing = Retention { age: Some(Duration::ZERO), count: None };
    assert_eq!(bench.log.retain(nothing).await.unwrap(), 20);
    let extent = bench.log.extents(Rooms::One(room("lobby"))).await.unwrap()[&room("lobby")];
    assert_eq!((extent.first, extent.last), (21, 20));
    assert!(bench.read("lobby", Edge::After(20), 10).await.is_empty());
    bench.searchable().await;
    assert!(bench.find("7").await.is_empty());
    // The room goes on.
    assert_eq!(bench.fill("lobby", 1).await[0].position.seq, 21);
    assert_eq!(bench.heard().last().unwrap().prev_seq, 20);
    assert_eq!(seqs(&bench.read("lobby", Edge::After(20), 10).await), [21]);
    bench.searchable().await;
    assert_eq!(bench.find("1").await, ["1"]);
}

async fn forgetting_leaves_no_silent_hole(bench: &Bench) {
    bench.fill("lobby", 20).await;
    bench.log.retain(Retention { age: None, count: Some(5) }).await.unwrap();
    for seq in 1..15 {
        let slice = Slice { from: Edge::After(seq), limit: 10 };
        let refused = bench.log.read(&room("lobby"), slice).await.unwrap_err();
        assert!(matches!(refused, Error::PositionGone(Gone::Truncated)), "{seq}: {refused:?}");
    }
    assert_eq!(seqs(&bench.read("lobby", Edge::After(15), 10).await), [16, 17, 18, 19, 20]);
    let rest = bench.read("lobby", Edge::After(0), 10).await;
    assert_eq!((rest[0].position.seq, rest[0].prev_seq), (16, 15));
    let now = jiff::Timestamp::now();
    let before = now - Duration::from_secs(3600);
    assert_eq!(bench.log.seq_before(&room("lobby"), before).await.unwrap(), 15);
}
