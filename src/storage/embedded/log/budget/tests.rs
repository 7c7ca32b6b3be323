//! Searches and reads end when their budget is used up.

use std::{sync::mpsc, time::Instant};

use tokio::task::JoinSet;

use super::*;
use crate::{
    error::Reason,
    model::{Draft, Message, MessageId, Name, RoomName, Text},
    storage::{
        CommitListener, MessageLog, Search,
        embedded::log::{
            EmbeddedLog, Store,
            searcher::{MAX_RANKED, MAX_RANKED_BYTES},
        },
    },
    wire,
};

#[path = "../../../../../tests/it/support/corpus.rs"]
mod corpus;

use corpus::Corpus;

/// The maximum time in which a query ends.
const SOON: Duration = Duration::from_millis(50);

/// The time limit of any wait.
const LIMIT: Duration = Duration::from_secs(30);

/// A connection to an empty database.
struct Worker(Connection);

impl Queries for Worker {
    fn too_long() -> RequestError {
        RequestError::SearchTooBroad
    }

    fn connections(
        &mut self,
        mut each: impl FnMut(&mut Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        each(&mut self.0)
    }
}

fn pool() -> Arc<Pool<Worker>> {
    Pool::new(1, || {
        Connection::open_in_memory().map(Worker).map_err(|error| SystemError::because("", error))
    })
}

/// A query that does not end by itself.
fn endless(worker: &mut Worker, _: &Budget) -> Result<i64> {
    let sql =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    worker.0.query_row(sql, [], |row| row.get(0)).map_err(RequestError::internal)
}

#[tokio::test]
async fn a_query_ends_when_its_time_is_used_up() {
    let pool = pool();
    let ended = Budget::query(&pool, endless).await.unwrap_err();
    assert!(matches!(ended, RequestError::SearchTooBroad), "{ended}");
    // The next one has a budget of its own.
    let one = |worker: &mut Worker, _: &Budget| {
        worker
            .0
            .query_row("SELECT 1", [], |row| row.get::<_, i64>(0))
            .map_err(RequestError::internal)
    };
    assert_eq!(Budget::query(&pool, one).await.unwrap(), 1);
}

/// Returns how long a query runs after its caller is gone.
async fn time_to_end() -> Duration {
    let pool = pool();
    let (tell, ended) = mpsc::channel();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let mut caller = JoinSet::new();
    caller.spawn(async move {
        let query = move |worker: &mut Worker, budget: &Budget| {
            begun.send(()).unwrap();
            let ended = endless(worker, budget);
            tell.send(budget.is_used_up.load(Relaxed)).unwrap();
            ended
        };
        let _ = Budget::query(&pool, query).await;
    });
    begins.await.unwrap();
    let stopped = Instant::now();
    caller.abort_all();
    let is_used_up = tokio::task::spawn_blocking(move || ended.recv_timeout(LIMIT)).await.unwrap();
    assert!(!is_used_up.unwrap(), "it ended because it was cancelled");
    stopped.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_soon_after_its_caller() {
    // The shortest of some times: a busy machine may run neither the query nor the test for a while.
    let mut took = Duration::MAX;
    for _ in 0..5 {
        took = took.min(time_to_end().await);
    }
    assert!(took < SOON, "{took:?}");
}

struct Quiet;

impl CommitListener for Quiet {
    fn stored(&self, _: &RoomName, _: &[Message]) {}
}

/// Stores a text so often in the lobby, and returns when all of them can be found.
async fn store(log: &EmbeddedLog, text: &str, times: usize) {
    let (stored, mut results) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..times {
        let (room, sender) = (RoomName::lobby(), Name::parse("sova").unwrap());
        let text = Text::parse(text).unwrap();
        let draft = Draft { id: MessageId::new(), room, sender, text };
        let stored = stored.clone();
        log.append(draft, Box::new(move |result| stored.send(result).unwrap())).await;
    }
    for _ in 0..times {
        results.recv().await.unwrap().unwrap();
    }
    log.searchable().await.unwrap();
}

/// Returns the best match for `tea`, without the clock.
async fn best(log: &EmbeddedLog) -> String {
    let search = Search {
        query: "tea".into(),
        room: None,
        sender: None,
        since: None,
        until: None,
        newest_first: false,
        limit: 1,
        after: None,
    };
    let budget = Budget::new(CancellationToken::new(), Duration::MAX);
    let page = log.searchers.with(move |searcher| {
        budget.run(searcher, |searcher, budget| searcher.search(&search, budget))
    });
    page.await.unwrap().hits[0].message.text.as_str().to_owned()
}

#[tokio::test]
async fn the_latest_matches_are_ranked() {
    let log = EmbeddedLog::open(Store::Memory, None, Arc::new(Quiet)).unwrap();
    let (better, worse) = ("tea tea tea", "a cup of tea");
    store(&log, better, 1).await;
    store(&log, worse, MAX_RANKED - 1).await;
    assert_eq!(best(&log).await, better);
    store(&log, worse, 1).await;
    assert_eq!(best(&log).await, worse, "{MAX_RANKED} are later than the better one");

    // Fewer, if they are long.
    let long = format!("tea {}", "word ".repeat(3_000));
    store(&log, better, 1).await;
    store(&log, &long, MAX_RANKED_BYTES / long.len()).await;
    assert_eq!(best(&log).await, better);
    store(&log, &long, 1).await;
    assert_eq!(best(&log).await, long);
}

/// Messages of the store that is searched. `make fuzz-search` has a million.
const MESSAGES: usize = 30_000;

/// Searches of that store.
const SEARCHES: usize = 150;

/// The most steps of a search: the ranking of [`MAX_RANKED`] messages, each with one of its own and those of SQLite.
const MAX_STEPS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_search_takes_many_steps() {
    let log = EmbeddedLog::open(Store::Memory, None, Arc::new(Quiet)).unwrap();
    let mut corpus = Corpus::new(1);
    for _ in 0..MESSAGES {
        let draft = Draft {
            id: MessageId::new(),
            room: RoomName::parse(&format!("room{}", corpus.below(20))).unwrap(),
            sender: Name::parse(&format!("peer{}", corpus.below(50))).unwrap(),
            text: Text::parse(corpus.text()).unwrap(),
        };
        log.append(draft, Box::new(drop)).await;
    }
    log.searchable().await.unwrap();
    let (mut most, mut found) = ((0, String::new()), 0);
    for _ in 0..SEARCHES {
        let search = Search {
            query: corpus.query(),
            room: None,
            sender: None,
            since: None,
            until: None,
            newest_first: corpus.once_in(3),
            limit: 1 + corpus.below(100),
            after: None,
        };
        let query = search.query.clone();
        // Without the clock: machines are busy, and programs that are tested not optimized.
        let budget = Budget::new(CancellationToken::new(), Duration::MAX);
        let counted = budget.clone();
        let searched = log.searchers.with(move |searcher| {
            budget.run(searcher, |searcher, budget| searcher.search(&search, budget))
        });
        let answer = searched.await;
        let steps = counted.steps.load(Relaxed);
        match answer {
            Ok(page) => found += page.hits.len(),
            Err(error) => assert_eq!(wire::reason(&error), Reason::InvalidField, "{query:?}"),
        }
        most = most.max((steps, query));
    }
    assert!(found > SEARCHES, "the words of the searches are those of the messages");
    assert!(most.0 < MAX_STEPS, "{most:?}");
}
