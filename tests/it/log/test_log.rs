//! A log, the messages that its listener was given, and common operations on it.

use std::{path::Path, sync::Arc, time::Duration};

use chinwag::{
    error::Result,
    model::{Draft, Message, MessageId, Name, Posted, RoomName, SearchHit, Text},
    storage::{
        CommitListener, Edge, MessageLog, Search, Slice,
        embedded::log::{EmbeddedLog, Store},
    },
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The time limit of any wait.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A log and the messages that its listener received.
pub(crate) struct TestLog {
    pub(crate) log: EmbeddedLog,
    pub(crate) heard: Arc<Heard>,
}

#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<Message>>);

impl CommitListener for Heard {
    fn stored(&self, room: &RoomName, messages: &[Message]) {
        assert!(!messages.is_empty() && messages.iter().all(|message| message.room == *room));
        self.0.lock().extend_from_slice(messages);
    }
}

impl TestLog {
    pub(crate) fn open(store: Store) -> Self {
        let heard = Arc::<Heard>::default();
        Self { log: EmbeddedLog::open(store, None, heard.clone()).unwrap(), heard }
    }

    pub(crate) fn at(directory: &Path) -> Self {
        Self::open(Store::Directory(directory.into()))
    }

    pub(crate) fn heard(&self) -> Vec<Message> {
        self.heard.0.lock().clone()
    }

    /// Submits a draft without waiting for the outcome.
    pub(crate) async fn hand_over(&self, draft: Draft) -> oneshot::Receiver<Result<Posted>> {
        let (told, hears) = oneshot::channel();
        let done = Box::new(move |outcome| {
            let _ = told.send(outcome);
        });
        self.log.append(draft, done).await;
        hears
    }

    pub(crate) async fn post(&self, draft: Draft) -> Result<Posted> {
        let outcome = self.hand_over(draft).await;
        tokio::time::timeout(LIMIT, outcome).await.expect("in time").expect("an outcome")
    }

    /// Posts texts named `1`, `2`, ... to a room.
    pub(crate) async fn fill(&self, to: &str, count: usize) -> Vec<Posted> {
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

    pub(crate) async fn read(&self, from: &str, edge: Edge, limit: usize) -> Vec<Message> {
        self.log.read(&room(from), Slice { from: edge, limit }).await.unwrap()
    }

    pub(crate) async fn say(&self, to: &str, sender: &str, texts: &[&str]) {
        for text in texts {
            self.post(draft(to, sender, text)).await.unwrap();
        }
        self.searchable().await;
    }

    pub(crate) async fn searchable(&self) {
        let searchable = self.log.searchable();
        tokio::time::timeout(LIMIT, searchable).await.expect("in time").unwrap();
    }

    pub(crate) async fn search(&self, search: Search) -> Vec<SearchHit> {
        self.log.search(search).await.unwrap().hits
    }

    /// Returns the texts that a query finds, in the order of the log.
    pub(crate) async fn find(&self, query: &str) -> Vec<String> {
        let mut hits = self.search(search(query)).await;
        hits.sort_by_key(|hit| hit.message.position.seq);
        hits.into_iter().map(|hit| hit.message.text.as_str().to_owned()).collect()
    }
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

pub(crate) fn draft(to: &str, sender: &str, text: &str) -> Draft {
    Draft {
        id: MessageId::new(),
        room: room(to),
        sender: Name::parse(sender).unwrap(),
        text: Text::parse(text).unwrap(),
    }
}

pub(crate) fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

pub(crate) fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.position.seq).collect()
}

pub(crate) fn search(query: &str) -> Search {
    Search {
        query: query.into(),
        room: None,
        sender: None,
        since: None,
        until: None,
        newest_first: true,
        limit: 100,
        after: None,
    }
}
