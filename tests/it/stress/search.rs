//! Searches of a large store: none takes more of the hub than its budget, those that were cancelled do
//! not hold up others, and the hub stops in time while many wait.
//!
//! `make fuzz-search MESSAGES=1000000` has a larger store than the usual run, and asks more.
#![cfg(target_os = "linux")]

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use chinwag::{
    model::{Draft, Message, MessageId, Name, RoomName, Text},
    proto::{
        ListMessagesRequest, ListPeersRequest, ListRoomsRequest, SearchMessagesRequest,
        SearchMessagesResponse, SearchOrder,
    },
    shutdown,
    storage::{
        CommitListener, MessageLog,
        embedded::{EmbeddedLog, Store},
    },
};
use tokio::task::JoinSet;
use tonic::{Response, Status};

use crate::support::{
    corpus::Corpus,
    hub::TestHub,
    peer::Session,
    refusal::why,
    within::{PATIENCE, within},
};

/// The default number of messages, and of requests that are measured.
const MESSAGES: usize = 20_000;
const REQUESTS: usize = 200;

/// The maximum processor time of a request, with all that the hub does meanwhile.
const PROCESSOR: Duration = Duration::from_millis(250);

/// The maximum growth of the hub's memory by a request.
const MEMORY: usize = 16 * 1024 * 1024;

/// How long an honest search may wait beside an attack: its turn comes after one search of each attacker.
const TURN: Duration = Duration::from_secs(5);

const ATTACKERS: usize = 8;

/// Unfinished searches of each attacker.
const AT_ONCE: usize = 16;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

struct Quiet;

impl CommitListener for Quiet {
    fn stored(&self, _: &RoomName, _: &[Message]) {}
}

/// Stores messages in many rooms, and waits for the search index.
async fn fill(directory: &std::path::Path, messages: usize) {
    let log = EmbeddedLog::open(Store::Directory(directory.into()), None, Arc::new(Quiet)).unwrap();
    let mut corpus = Corpus::new(1);
    for _ in 0..messages {
        let draft = Draft {
            id: MessageId::new(),
            room: RoomName::parse(&room(&mut corpus)).unwrap(),
            sender: Name::parse(&sender(&mut corpus)).unwrap(),
            text: Text::parse(corpus.text()).unwrap(),
        };
        log.append(draft, Box::new(drop)).await;
    }
    log.searchable().await.unwrap();
}

/// A few rooms have most of the messages.
fn room(corpus: &mut Corpus) -> String {
    let (one, other) = (corpus.below(200), corpus.below(200));
    format!("room{}", one * other / 200)
}

fn sender(corpus: &mut Corpus) -> String {
    format!("peer{}", corpus.below(500))
}

fn search(corpus: &mut Corpus) -> SearchMessagesRequest {
    let order = if corpus.once_in(2) { SearchOrder::Newest } else { SearchOrder::Relevance };
    SearchMessagesRequest {
        query: corpus.query(),
        room: if corpus.once_in(4) { room(corpus) } else { String::new() },
        sender: if corpus.once_in(6) { sender(corpus) } else { String::new() },
        order: order.into(),
        page_size: 1 + corpus.below(100) as i32,
        ..Default::default()
    }
}

/// A page of hits to ask for.
type Page = (SearchMessagesRequest, String);

/// A request, and its answer: the next page, if it is a page of hits.
struct Asked {
    what: String,
    /// That of a search for all messages.
    query: Option<String>,
    answer: Result<Option<Page>, Status>,
}

/// Sends one request of any kind that reads the store or a list.
async fn ask(session: &Session, corpus: &mut Corpus, last: Option<Page>) -> Asked {
    let mut broadcast = session.broadcast();
    let (what, answer) = match corpus.below(12) {
        0 => {
            let request = ListMessagesRequest {
                room: room(corpus),
                page_size: 1000,
                forward: corpus.once_in(2),
                since: Some(timestamp(corpus.below(2_000_000_000))),
                ..Default::default()
            };
            let answer = broadcast.list_messages(request.clone()).await;
            (format!("{request:?}"), answer.map(drop))
        }
        1 => {
            let request = ListRoomsRequest { page_size: 1000, ..Default::default() };
            (format!("{request:?}"), broadcast.list_rooms(request).await.map(drop))
        }
        2 => {
            let (name_prefix, room) = (sender(corpus), room(corpus));
            let request = ListPeersRequest { name_prefix, room, ..Default::default() };
            let answer = session.presence().list_peers(request.clone()).await;
            (format!("{request:?}"), answer.map(drop))
        }
        _ => {
            // The next page, or another search.
            let request = match last.filter(|_| corpus.once_in(2)) {
                Some((last, page_token)) => SearchMessagesRequest { page_token, ..last },
                None => search(corpus),
            };
            let answer = broadcast.search_messages(request.clone()).await;
            let next = |answer: Response<SearchMessagesResponse>| {
                let token = answer.into_inner().next_page_token;
                (!token.is_empty()).then(|| (request.clone(), token))
            };
            let (what, answer) = (format!("{request:?}"), answer.map(next));
            let is_narrowed = !request.room.is_empty() || !request.sender.is_empty();
            return Asked { what, query: (!is_narrowed).then_some(request.query), answer };
        }
    };
    Asked { what, query: None, answer: answer.map(|()| None) }
}

fn timestamp(seconds: usize) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: seconds as i64, nanos: 0 }
}

/// Returns the processor time that the hub has used.
fn processor(hub: &TestHub) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", hub.pid())).unwrap().flatten();
    let time = |of: fs::DirEntry| {
        let stat = fs::read_to_string(of.path().join("schedstat")).unwrap_or_default();
        let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
        Duration::from_nanos(nanos.unwrap_or_default())
    };
    threads.map(time).sum()
}

/// Returns the values at the middle, at 99 % and at the end.
fn spread<T: Ord + Copy>(values: &mut [T]) -> [T; 3] {
    values.sort_unstable();
    let last = values.len() - 1;
    [values[last / 2], values[last * 99 / 100], values[last]]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_have_a_budget_and_end_with_their_callers() {
    let messages = setting("CHINWAG_FUZZ_MESSAGES", MESSAGES);
    let data = tempfile::tempdir().unwrap();
    let began = Instant::now();
    fill(data.path(), messages).await;
    println!("{messages} messages stored and indexed in {:?}", began.elapsed());
    // No session ends before the test: a million messages take minutes.
    let mut hub = TestHub::with(&["--lease", "1h", "--data-dir", data.path().to_str().unwrap()]);

    let costly = each_alone(&hub, setting("CHINWAG_FUZZ_REQUESTS", REQUESTS)).await;
    let mallory = Session::of(hub.address(), "mallory").await;
    for query in [costly.clone(), "a* ".repeat(85)] {
        cancelled(&hub, &mallory, &query).await;
    }
    beside_an_attack(&hub, &costly).await;
    let searches = many_at_once(&hub).await;
    let told = Instant::now();
    let (status, _) = tokio::task::block_in_place(|| hub.terminate());
    let took = told.elapsed();
    println!("SIGTERM beside {} searches: {took:?}", searches.len());
    assert!(status.success(), "{status}");
    assert!(took < shutdown::GRACE, "{took:?}");
    assert!(!hub.log().contains("panicked"));
}

/// Sends requests one after the other, and measures each. Returns the query of the search that took most.
async fn each_alone(hub: &TestHub, requests: usize) -> String {
    let alice = Session::of(hub.address(), "alice").await;
    let mut corpus = Corpus::new(2);
    let (mut times, mut growths, mut last) = (Vec::new(), Vec::new(), None);
    let mut refusals = std::collections::BTreeMap::<String, usize>::new();
    let mut costly = (Duration::ZERO, String::new());
    for _ in 0..requests {
        // The peak of the memory begins again.
        fs::write(format!("/proc/{}/clear_refs", hub.pid()), "5").unwrap();
        let (before, memory) = (processor(hub), hub.memory());
        let Asked { what, query, answer } = ask(&alice, &mut corpus, last.take()).await;
        let time = processor(hub).saturating_sub(before);
        let growth = hub.peak_memory().saturating_sub(memory);
        match answer {
            Ok(next) => last = next,
            Err(status) => *refusals.entry(why(&status)).or_default() += 1,
        }
        assert!(time < PROCESSOR, "{time:?} of the processor for {what}");
        assert!(growth < MEMORY, "{growth} bytes for {what}");
        if let Some(query) = query.filter(|_| time > costly.0) {
            costly = (time, query);
        }
        times.push(time);
        growths.push(growth / 1024);
    }
    println!(
        "{requests} requests: processor {:?}, memory {:?} KiB (50 %, 99 %, most), {refusals:?}",
        spread(&mut times),
        spread(&mut growths)
    );
    let expected = ["InvalidArgument INVALID_FIELD query", "ResourceExhausted SEARCH_TOO_BROAD"];
    assert!(refusals.keys().all(|why| expected.contains(&why.as_str())), "{refusals:?}");
    println!("the search that took most: {costly:?}");
    costly.1
}

/// Cancels four searches at once after 50 ms, several times, and measures the work that goes on after
/// another 50 ms.
async fn cancelled(hub: &TestHub, mallory: &Session, query: &str) {
    const SOON: Duration = Duration::from_millis(50);
    let mut times = Vec::new();
    for _ in 0..10 {
        let mut searches = JoinSet::new();
        for _ in 0..4 {
            let session = mallory.clone();
            let request = SearchMessagesRequest { query: query.into(), ..Default::default() };
            searches.spawn(async move { session.broadcast().search_messages(request).await });
        }
        let answers = async { while searches.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SOON, answers).await;
        searches.shutdown().await;
        let mut clock = tokio::time::interval(SOON);
        clock.tick().await;
        clock.tick().await;
        let before = processor(hub);
        // As long as four searches would take that were not cancelled.
        for _ in 0..10 {
            clock.tick().await;
        }
        times.push(processor(hub).saturating_sub(before));
    }
    let times = spread(&mut times);
    println!("processor from 50 ms after cancelled searches on: {times:?} (50 %, 99 %, most)");
    // The median: a busy machine may run neither the hub nor the test for a while.
    assert!(times[0] < SOON, "{times:?} for {query}");
}

/// Searches as an honest peer, while others cancel each of their searches after 50 ms.
async fn beside_an_attack(hub: &TestHub, costly: &str) {
    let honest = Session::of(hub.address(), "honest").await;
    let mut attack = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let session = Session::of(hub.address(), &format!("attacker{attacker}")).await;
        for at in 0..AT_ONCE {
            let (session, mut corpus) = (session.clone(), Corpus::new((attacker + 8 * at) as u64));
            let costly = SearchMessagesRequest { query: costly.into(), ..Default::default() };
            attack.spawn(async move {
                loop {
                    let mut broadcast = session.broadcast();
                    let request =
                        if corpus.once_in(2) { costly.clone() } else { search(&mut corpus) };
                    let call = broadcast.search_messages(request);
                    let _ = tokio::time::timeout(Duration::from_millis(50), call).await;
                }
            });
        }
    }
    let mut waits = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let request = SearchMessagesRequest { query: "walnut".into(), ..Default::default() };
        let mut broadcast = honest.broadcast();
        within(PATIENCE, "an answer", broadcast.search_messages(request)).await.unwrap();
        waits.push(began.elapsed());
    }
    attack.shutdown().await;
    let waits = spread(&mut waits);
    println!("an honest search beside an attack: {waits:?} (50 %, 99 %, most)");
    assert!(waits[1] < TURN, "{waits:?}");
}

/// Begins many searches, and returns once the hub answers the first.
async fn many_at_once(hub: &TestHub) -> JoinSet<Result<Response<SearchMessagesResponse>, Status>> {
    let mut searches = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let session = Session::of(hub.address(), &format!("more{attacker}")).await;
        for at in 0..100 {
            let (session, mut corpus) = (session.clone(), Corpus::new((attacker + 8 * at) as u64));
            searches.spawn(async move {
                session.broadcast().search_messages(search(&mut corpus)).await
            });
        }
    }
    within(PATIENCE, "an answer", searches.join_next()).await;
    searches
}
