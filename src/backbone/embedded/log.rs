//! The log of messages in SQLite, one writer and several readers.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tonic::async_trait;

use self::{
    database::{Database, Durability},
    home::Home,
    ledger::Ledger,
    reader::{Pool, Reader},
    writer::{Append, Command, Writer},
};
use crate::{
    backbone::{Done, Extent, MessageLog, Rooms, Search, SearchHit, Slice, Tail},
    error::{Error, Result},
    model::{Draft, Message, RoomName},
};

mod database;
mod home;
mod ledger;
mod reader;
mod schema;
mod writer;

/// Bytes of drafts that may be under way, each counted with [`DRAFT_BYTES`] beside its text. That
/// is several batches: one in the commit while the next ones gather.
const MAX_UNDER_WAY: u32 = 16 * 1024 * 1024;

/// What a draft costs beside its text, about.
const DRAFT_BYTES: u32 = 512;

/// How many calls may read at a time. More would only wait for the machine's cores.
const READERS: usize = 4;

/// Where a log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In this directory, which is made where there is none.
    Directory(PathBuf),
    /// In memory, up to 1 GiB, until the log is dropped.
    Memory,
}

/// A [`MessageLog`] in SQLite.
///
/// Dropping it stores what is under way first.
pub struct EmbeddedLog {
    epoch: u64,
    commands: mpsc::UnboundedSender<Command>,
    /// What may still come under way: [`MAX_UNDER_WAY`].
    shares: Arc<Semaphore>,
    readers: Arc<Pool<Reader>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _home: Option<Home>,
}

impl EmbeddedLog {
    /// Opens the log, making it where there is none. The `tail` hears of every message from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where the directory is in use by another hub, cannot be used, or holds
    /// something else; nothing in it was changed then.
    pub fn open(store: Store, tail: Arc<dyn Tail>) -> Result<Self> {
        let failed = |error| Error::Store(format!("the log cannot be opened: {error}"));
        let (home, database) = match store {
            Store::Directory(directory) => {
                let home = Home::take(&directory)?;
                let database = Database::file(&home.log()?);
                (Some(home), Arc::new(database))
            }
            Store::Memory => (None, Arc::new(Database::memory().map_err(failed)?)),
        };
        let mut conn = database.writer(Durability::Full).map_err(failed)?;
        schema::migrate(&mut conn).map_err(failed)?;
        let epoch = schema::epoch(&conn).map_err(failed)?;
        let ledger = Ledger::new(database.clone(), conn, epoch).map_err(failed)?;
        let (commands, queue) = mpsc::unbounded_channel();
        let writer = Writer { ledger, tail, commands: queue, broken: None };
        let writer = thread::Builder::new()
            .name("log-writer".into())
            .spawn(|| writer.run())
            .map_err(|error| Error::Io(error.to_string()))?;
        Ok(Self {
            epoch,
            commands,
            shares: Arc::new(Semaphore::new(MAX_UNDER_WAY as usize)),
            readers: Pool::new(READERS, move || Reader::new(database.clone(), epoch)),
            writer: Mutex::new(Some(writer)),
            _home: home,
        })
    }

    /// Takes no more drafts, and returns when those under way are stored.
    pub async fn close(&self) {
        let writer = self.stop();
        // Joining blocks; the threads call back into the caller's world meanwhile.
        let joining = tokio::task::spawn_blocking(|| writer.map(JoinHandle::join));
        if !matches!(joining.await, Ok(None | Some(Ok(())))) {
            tracing::error!("the log's writer failed");
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.shares.close();
        // Refused where the writer has ended already.
        let _ = self.commands.send(Command::Stop);
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if let Some(writer) = self.stop()
            && writer.join().is_err()
        {
            tracing::error!("the log's writer failed");
        }
    }
}

#[async_trait]
impl MessageLog for EmbeddedLog {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    async fn append(&self, draft: Draft, done: Done) {
        let bytes = u32::try_from(draft.text.as_str().len()).unwrap_or(MAX_UNDER_WAY);
        let cost = bytes.saturating_add(DRAFT_BYTES).min(MAX_UNDER_WAY);
        let Ok(share) = self.shares.clone().acquire_many_owned(cost).await else {
            return done(Err(Error::ShuttingDown));
        };
        let append = Append { draft, done, _share: share };
        if let Err(mpsc::error::SendError(Command::Append(refused))) =
            self.commands.send(Command::Append(append))
        {
            (refused.done)(Err(Error::ShuttingDown));
        }
    }

    async fn extents(&self, rooms: Rooms) -> Result<HashMap<RoomName, Extent>> {
        self.readers.with(move |reader| reader.extents(&rooms)).await
    }

    async fn read(&self, room: &RoomName, slice: Slice) -> Result<Vec<Message>> {
        let room = room.clone();
        self.readers.with(move |reader| reader.read(&room, slice)).await
    }

    async fn seq_before(&self, room: &RoomName, at: Timestamp) -> Result<u64> {
        let room = room.clone();
        self.readers.with(move |reader| reader.seq_before(&room, at)).await
    }

    async fn search(&self, search: Search) -> Result<Vec<SearchHit>> {
        let _ = search;
        Err(Error::Store("no index".into()))
    }
}
