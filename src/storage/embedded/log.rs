//! The message log in SQLite: one writer and several readers.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tonic::async_trait;

use self::{
    budget::Budget,
    change_feed::ChangeFeed,
    data_directory::DataDirectory,
    database::LogDatabase,
    indexer::Indexer,
    reader::Reader,
    searcher::Searcher,
    space::Space,
    write_connection::WriteConnection,
    writer::{PendingAppend, Writer, WriterCommand},
};
use super::pool::Pool;
use crate::{
    error::{RequestError, Result, SystemError},
    model::{Draft, Message, RoomName},
    storage::{
        AppendCallback, CommitListener, Extent, LogSpace, MessageLog, Retention, RoomSelection,
        Search, SearchPage, Slice,
    },
};

mod batch;
mod budget;
mod change_feed;
mod clock;
mod data_directory;
mod database;
mod index_database;
mod indexer;
mod reader;
mod schema;
mod search_query;
mod searcher;
mod space;
mod trim;
mod write_connection;
mod writer;

/// Bytes of drafts in flight, each counted as its text and [`DRAFT_BYTES`]. That is several
/// batches: one is committed while the next ones gather.
const MAX_IN_FLIGHT: u32 = 8 * 1024 * 1024;

/// The approximate memory of a draft, without its text.
const DRAFT_BYTES: u32 = 512;

/// Concurrent reads. More would only wait for the CPU.
pub const READERS: usize = 4;

/// Concurrent searches, which can keep a core busy for a while.
pub const SEARCHERS: usize = 2;

/// Where a log is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In this directory, which is created if it is missing.
    Directory(PathBuf),
    /// In memory, up to 1 GiB, until the log is dropped.
    Memory,
}

/// A [`MessageLog`] in SQLite.
///
/// Dropping it first stores the drafts in flight.
pub struct EmbeddedLog {
    epoch: u64,
    commands: mpsc::UnboundedSender<WriterCommand>,
    /// Permits for bytes in flight: [`MAX_IN_FLIGHT`].
    in_flight: Arc<Semaphore>,
    readers: Arc<Pool<Reader>>,
    searchers: Arc<Pool<Searcher>>,
    feed: Arc<ChangeFeed>,
    /// The generation of the feed that the search index has reached.
    reached: watch::Receiver<u64>,
    /// The bytes that the database uses.
    used: Arc<AtomicU64>,
    limit: Option<u64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _home: Option<DataDirectory>,
}

impl EmbeddedLog {
    /// Opens the log, and creates it if it is missing. `listener` is called for every message from
    /// now on. With a `limit` it takes no more messages while they take that many bytes, without the search
    /// index. Errors if the directory is in use by another hub, cannot be used, or holds something
    /// else. Nothing in it is changed then.
    pub fn open(
        store: Store,
        limit: Option<u64>,
        listener: Arc<dyn CommitListener>,
    ) -> Result<Self, SystemError> {
        let (home, log, index, free) = match store {
            Store::Directory(directory) => {
                let home = DataDirectory::lock(&directory)?;
                let log = LogDatabase::file(&home.log()?);
                let index = LogDatabase::file(&home.index());
                (Some(home), log, index, space::free_bytes(&directory))
            }
            Store::Memory => {
                let memory = || LogDatabase::memory().map_err(unopened);
                (None, memory()?, memory()?, Box::new(|| u64::MAX) as space::FreeBytes)
            }
        };
        let (log, index) = (Arc::new(log), Arc::new(index));
        let ledger = WriteConnection::open(log.clone()).map_err(unopened)?;
        let epoch = ledger.epoch;
        let feed = Arc::<ChangeFeed>::default();
        let (commands, queue) = mpsc::unbounded_channel();
        let (reaches, reached) = watch::channel(0);

        let mut threads = Vec::new();
        let clock = clock::machine_clock();
        let used = Arc::<AtomicU64>::default();
        let space = Space::new(limit, used.clone(), free);
        let writer =
            Writer::new(ledger, listener, feed.clone(), queue, clock, space).map_err(unopened)?;
        threads.push(spawn("log-writer", move || writer.run())?);
        match Indexer::open(index.clone(), log.clone(), feed.clone(), reaches) {
            Ok(index) => threads.push(spawn("log-index", move || index.run())?),
            Err(error) => tracing::error!(%error, "no search until a restart: no index"),
        }
        let reader = move || Reader::new(log.clone(), epoch);
        Ok(Self {
            epoch,
            commands,
            in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT as usize)),
            readers: Pool::new(READERS, reader.clone()),
            searchers: Pool::new(SEARCHERS, move || Searcher::new(index.clone(), reader()?)),
            feed,
            reached,
            used,
            limit,
            threads: Mutex::new(threads),
            _home: home,
        })
    }

    /// Returns when [`search`](MessageLog::search) covers all that was stored or removed before the
    /// call. Errors if search is not available, because the index failed or the log was closed.
    pub async fn searchable(&self) -> Result<(), SystemError> {
        let now = self.feed.hurry();
        let mut reached = self.reached.clone();
        match reached.wait_for(|&generation| generation >= now).await {
            Ok(_) => Ok(()),
            Err(_) => Err(SystemError::new("the search index has stopped")),
        }
    }

    /// Refuses further drafts, and returns when those in flight are stored.
    pub async fn close(&self) {
        let threads = self.stop();
        // Joining blocks, and the writer still calls its listener meanwhile.
        let joined = tokio::task::spawn_blocking(|| join(threads)).await;
        if let Err(error) = joined {
            tracing::error!(%error, "the log's threads cannot be waited for");
        }
    }

    fn stop(&self) -> Vec<JoinHandle<()>> {
        self.in_flight.close();
        self.feed.close();
        // Fails if the writer has ended already.
        let _ = self.commands.send(WriterCommand::Stop);
        std::mem::take(&mut *self.threads.lock())
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        join(self.stop());
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SystemError> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread.map_err(|error| SystemError::because("cannot start a thread", error))
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the log panicked");
        }
    }
}

fn unopened(error: rusqlite::Error) -> SystemError {
    SystemError::because("the log cannot be opened", error)
}

#[async_trait]
impl MessageLog for EmbeddedLog {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn space(&self) -> LogSpace {
        LogSpace { used: self.used.load(Ordering::Relaxed), limit: self.limit }
    }

    async fn append(&self, draft: Draft, done: AppendCallback) {
        let bytes = u32::try_from(draft.text.as_str().len()).unwrap_or(MAX_IN_FLIGHT);
        let cost = bytes.saturating_add(DRAFT_BYTES).min(MAX_IN_FLIGHT);
        let Ok(permit) = self.in_flight.clone().acquire_many_owned(cost).await else {
            return done(Err(RequestError::ShuttingDown));
        };
        let append = PendingAppend { draft, done, permit };
        if let Err(mpsc::error::SendError(WriterCommand::Append(refused))) =
            self.commands.send(WriterCommand::Append(append))
        {
            (refused.done)(Err(RequestError::ShuttingDown));
        }
    }

    async fn extents(&self, rooms: RoomSelection) -> Result<HashMap<RoomName, Extent>> {
        Budget::query(&self.readers, move |reader, _| reader.extents(&rooms)).await
    }

    async fn read(&self, room: &RoomName, slice: Slice) -> Result<Vec<Message>> {
        let room = room.clone();
        Budget::query(&self.readers, move |reader, _| reader.read(&room, slice)).await
    }

    async fn seq_before(&self, room: &RoomName, at: Timestamp) -> Result<u64> {
        let room = room.clone();
        Budget::query(&self.readers, move |reader, _| reader.seq_before(&room, at)).await
    }

    async fn search(&self, search: Search) -> Result<SearchPage> {
        Budget::query(&self.searchers, move |searcher, budget| searcher.search(&search, budget))
            .await
    }

    async fn retain(&self, retention: Retention) -> Result<u64> {
        let (reply, removed) = oneshot::channel();
        let asked = self.commands.send(WriterCommand::Retain(retention, reply));
        asked.map_err(|_| RequestError::ShuttingDown)?;
        removed.await.map_err(|_| RequestError::ShuttingDown)?
    }
}
