//! The thread that writes.
//!
//! It takes all drafts that wait, commits them in one transaction, tells the [`CommitListener`] and then those
//! who handed them over, and begins anew: the more is under way, the more one commit carries.
//!
//! # When the store fails
//!
//! - The disk is full, and SQLite could take the transaction back: the drafts of that batch fail. The
//!   next batch is tried as usual, because nothing is in doubt.
//! - Anything else (an I/O error, a damaged database, above all a failed fsync, after which nobody
//!   knows what is on the disk): this batch and all that follow fail until the hub is restarted
//!   and the database was recovered. Reading goes on.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use rusqlite::ErrorCode;
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    change_feed::ChangeFeed,
    trim::{Trim, TrimStep},
    write_connection::WriteConnection,
};
use crate::{
    error::{RequestError, Result, Source},
    model::Draft,
    storage::{AppendCallback, CommitListener, Retention},
};

/// The most drafts of one commit: enough that the fsync's share of each is small, few enough that the
/// first of them is not kept waiting.
const MAX_BATCH: usize = 4096;

/// What the writer is asked to do.
pub(super) enum WriterCommand {
    /// Store this.
    Append(PendingAppend),
    /// Remove what need not be kept; answers how many messages that were.
    Retain(Retention, oneshot::Sender<Result<u64>>),
    /// Do what was asked for before and end.
    Stop,
}

/// A draft under way.
pub(super) struct PendingAppend {
    /// The draft.
    pub(super) draft: Draft,
    /// Whom to tell.
    pub(super) done: AppendCallback,
    /// Its share of what may be under way.
    pub(super) share: OwnedSemaphorePermit,
}

/// The writer's side of the queue.
pub(super) struct Writer {
    connection: WriteConnection,
    listener: Arc<dyn CommitListener>,
    feed: Arc<ChangeFeed>,
    commands: mpsc::UnboundedReceiver<WriterCommand>,
    /// Retentions under way, one after the other.
    trims: VecDeque<(Trim, oneshot::Sender<Result<u64>>)>,
    health: StoreHealth,
}

/// Whether the store can be written.
enum StoreHealth {
    Sound,
    /// The last batch did not fit.
    Full,
    /// Not any more, and why.
    Broken(Source),
}

impl Writer {
    /// A writer that has not begun.
    pub(super) fn new(
        connection: WriteConnection,
        listener: Arc<dyn CommitListener>,
        feed: Arc<ChangeFeed>,
        commands: mpsc::UnboundedReceiver<WriterCommand>,
    ) -> Self {
        Self {
            connection,
            listener,
            feed,
            commands,
            trims: VecDeque::new(),
            health: StoreHealth::Sound,
        }
    }

    /// Writes until told to stop, or until nobody is left who could ask for anything.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while self.receive(&mut waiting) {
            self.feed.set_busy(true);
            let mut batch = Vec::with_capacity(waiting.len());
            for command in waiting.drain(..) {
                match command {
                    WriterCommand::Append(append) => batch.push(append),
                    WriterCommand::Retain(retention, told) => {
                        self.trims.push_back((Trim::new(retention), told));
                    }
                    WriterCommand::Stop => self.commands.close(),
                }
            }
            if !batch.is_empty() {
                self.append(batch);
            }
            self.trim();
            // If it fails, so will the next batch, or the disk is full and it is tried again.
            let _ = self.write(WriteConnection::checkpoint);
            self.feed.set_busy(!self.commands.is_empty());
        }
    }

    /// Takes what waits, and waits for it if there is nothing else to do. Returns whether to go on.
    fn receive(&mut self, waiting: &mut Vec<WriterCommand>) -> bool {
        if self.trims.is_empty() {
            return self.commands.blocking_recv_many(waiting, MAX_BATCH) > 0;
        }
        while waiting.len() < MAX_BATCH {
            match self.commands.try_recv() {
                Ok(command) => waiting.push(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return !waiting.is_empty(),
            }
        }
        true
    }

    fn append(&mut self, batch: Vec<PendingAppend>) {
        let (drafts, told): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|PendingAppend { draft, done, share }| (draft, (done, share)))
            .unzip();
        let begun = Instant::now();
        match self.write(|connection| connection.store(drafts)) {
            Ok(stored) => {
                self.listener.committed(told.len(), begun.elapsed());
                self.health = StoreHealth::Sound;
                self.feed.add(stored.parts.iter().map(|part| part.room));
                for part in &stored.parts {
                    self.listener.stored(&part.name, &part.messages);
                }
                for ((done, _share), outcome) in told.into_iter().zip(stored.outcomes) {
                    done(outcome);
                }
            }
            Err(error) => {
                for (done, _share) in told {
                    done(Err(error.clone()));
                }
            }
        }
    }

    /// Does a step of the first retention under way.
    fn trim(&mut self) {
        let Some((mut trim, told)) = self.trims.pop_front() else { return };
        match self.write(|connection| connection.trim(&mut trim)) {
            Ok(TrimStep::Removed(room)) => {
                self.feed.add(room);
                self.trims.push_front((trim, told));
            }
            // Whoever asked may have gone away.
            Ok(TrimStep::Done) => drop(told.send(Ok(trim.removed))),
            Err(error) => drop(told.send(Err(error))),
        }
    }

    /// Does something to the store, unless it has failed before.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&mut WriteConnection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        if let StoreHealth::Broken(cause) = &self.health {
            return Err(RequestError::StoreUnavailable(cause.clone()));
        }
        work(&mut self.connection).map_err(|error| {
            let code = error.sqlite_error_code();
            let cause: Source = Arc::new(error);
            self.note(code, &cause);
            RequestError::StoreUnavailable(cause)
        })
    }

    /// Notes a failure, and says so once.
    fn note(&mut self, code: Option<ErrorCode>, cause: &Source) {
        if code != Some(ErrorCode::DiskFull) {
            tracing::error!(%cause, "the log cannot be written: posts fail until a restart");
            self.health = StoreHealth::Broken(cause.clone());
        } else if !matches!(self.health, StoreHealth::Full) {
            tracing::error!(%cause, "the log's disk is full: posts fail until there is room");
            self.health = StoreHealth::Full;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use parking_lot::Mutex;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{
        model::{MAX_TEXT_BYTES, Message, MessageId, Name, Posted, RoomName, Text},
        storage::embedded::log::{data_directory::DataDirectory, database::LogDatabase},
    };

    #[derive(Default)]
    struct Recorder(Mutex<Vec<u64>>);

    impl CommitListener for Recorder {
        fn stored(&self, _: &RoomName, messages: &[Message]) {
            let seqs = messages.iter().map(|message| message.position.seq);
            self.0.lock().extend(seqs);
        }
    }

    struct Desk {
        writer: Writer,
        recorder: Arc<Recorder>,
    }

    impl Desk {
        fn new(directory: &Path) -> Self {
            let path = DataDirectory::take(directory).unwrap().log().unwrap();
            let connection = WriteConnection::open(Arc::new(LogDatabase::file(&path))).unwrap();
            let recorder = Arc::<Recorder>::default();
            let (_, commands) = mpsc::unbounded_channel();
            let writer = Writer::new(connection, recorder.clone(), Arc::default(), commands);
            Self { writer, recorder }
        }

        /// Posts texts of these lengths in one batch.
        fn post(&mut self, lengths: &[usize]) -> Vec<Result<Posted>> {
            let outcomes = Arc::new(Mutex::new(Vec::new()));
            let batch = lengths.iter().map(|&length| {
                let outcomes = outcomes.clone();
                PendingAppend {
                    draft: Draft {
                        id: MessageId::new(),
                        room: RoomName::lobby(),
                        sender: Name::parse("alice").unwrap(),
                        text: Text::parse("x".repeat(length)).unwrap(),
                    },
                    done: Box::new(move |outcome| outcomes.lock().push(outcome)),
                    share: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
                }
            });
            self.writer.append(batch.collect());
            Arc::into_inner(outcomes).unwrap().into_inner()
        }
    }

    #[test]
    fn a_full_disk_fails_batches_as_a_whole_until_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut desk = Desk::new(directory.path());
        assert!(desk.post(&[10])[0].is_ok());
        desk.writer.connection.limit_pages(30);

        let too_much = [&[10], &[MAX_TEXT_BYTES; 40] as &[_]].concat();
        let outcomes = desk.post(&too_much);
        assert_eq!(outcomes.len(), too_much.len());
        for outcome in outcomes {
            assert!(matches!(outcome, Err(RequestError::StoreUnavailable(_))), "{outcome:?}");
        }
        assert_eq!(*desk.recorder.0.lock(), [1]);
        assert_eq!(desk.post(&[10])[0].as_ref().unwrap().position.seq, 2);

        desk.writer.connection.limit_pages(1000);
        let seqs: Vec<_> =
            desk.post(&too_much).into_iter().map(|posted| posted.unwrap().position.seq).collect();
        assert_eq!(seqs, (3..=43).collect::<Vec<_>>());
        assert_eq!(*desk.recorder.0.lock(), (1..=43).collect::<Vec<_>>());
    }

    #[test]
    fn any_other_failure_is_for_good() {
        let directory = tempfile::tempdir().unwrap();
        let mut desk = Desk::new(directory.path());
        assert!(desk.post(&[10])[0].is_ok());
        desk.writer.connection.break_off();
        assert!(matches!(desk.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
        desk.writer.connection.mend();
        assert!(matches!(desk.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
        assert_eq!(*desk.recorder.0.lock(), [1]);
    }

    #[test]
    fn a_long_write_ahead_log_is_moved_into_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let mut desk = Desk::new(directory.path());
        for _ in 0..30 {
            desk.post(&[MAX_TEXT_BYTES; 10]);
        }
        let (pages, moved) = desk.writer.connection.wal().unwrap();
        assert!(pages > 1000, "{pages}");
        assert!(moved < pages);
        desk.writer.write(WriteConnection::checkpoint).unwrap();
        assert_eq!(desk.writer.connection.wal().unwrap(), (pages, pages));
        desk.post(&[10]);
        let (pages, _) = desk.writer.connection.wal().unwrap();
        assert!(pages < 100, "begun anew, not {pages}");
    }
}
