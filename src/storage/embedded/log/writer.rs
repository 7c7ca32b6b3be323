//! The thread that writes to the log.
//!
//! It commits all waiting drafts in one transaction, notifies the [`CommitListener`], calls the
//! callbacks of the drafts, and begins again: under load one commit carries many drafts.
//!
//! # When the store fails
//!
//! - The store is full (the disk, a quota, or the limit of a file's size), or locked by another
//!   process, and SQLite rolled the transaction back: the drafts of that batch fail. The next batch
//!   is tried as usual, because nothing is in doubt.
//! - Anything else (an I/O error, a damaged database, above all a failed fsync, after which the
//!   content of the disk is unknown): this batch and all later ones fail until the hub is restarted
//!   and the database was recovered. Reading continues.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    change_feed::ChangeFeed,
    database::may_pass,
    trim::{Trim, TrimStep},
    write_connection::WriteConnection,
};
use crate::{
    error::{RequestError, Result, Source},
    model::Draft,
    storage::{AppendCallback, CommitListener, Retention},
};

/// Drafts of one commit at most: enough that the permit of the fsync is small, few enough that the
/// first of them does not wait long.
const MAX_BATCH: usize = 4096;

pub(super) enum WriterCommand {
    /// Store a draft.
    Append(PendingAppend),
    /// Apply a retention; the answer is the number of removed messages.
    Retain(Retention, oneshot::Sender<Result<u64>>),
    /// Finish earlier commands and stop.
    Stop,
}

/// A draft in flight.
pub(super) struct PendingAppend {
    pub(super) draft: Draft,
    /// Called with the outcome.
    pub(super) done: AppendCallback,
    /// Its permit for bytes in flight.
    pub(super) permit: OwnedSemaphorePermit,
}

pub(super) struct Writer {
    connection: WriteConnection,
    listener: Arc<dyn CommitListener>,
    feed: Arc<ChangeFeed>,
    commands: mpsc::UnboundedReceiver<WriterCommand>,
    /// Retentions in progress, one after the other.
    trims: VecDeque<(Trim, oneshot::Sender<Result<u64>>)>,
    health: StoreHealth,
}

/// Whether the store can be written.
enum StoreHealth {
    Healthy,
    /// The last write failed, and a later one may succeed.
    Refusing,
    /// No longer, for this reason.
    Broken(Source),
}

impl Writer {
    /// Creates a writer that does not run yet.
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
            health: StoreHealth::Healthy,
        }
    }

    /// Runs until it is stopped, or until all senders are gone.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while self.receive(&mut waiting) {
            self.feed.set_busy(true);
            let mut batch = Vec::with_capacity(waiting.len());
            for command in waiting.drain(..) {
                match command {
                    WriterCommand::Append(append) => batch.push(append),
                    WriterCommand::Retain(retention, reply) => {
                        self.trims.push_back((Trim::new(retention), reply));
                    }
                    WriterCommand::Stop => self.commands.close(),
                }
            }
            if !batch.is_empty() {
                self.append(batch);
            }
            self.trim();
            // If this fails, the next batch fails too, or the disk is full and it is tried again.
            let _ = self.write(WriteConnection::checkpoint);
            self.feed.set_busy(!self.commands.is_empty());
        }
    }

    /// Takes the waiting commands, and waits for one if there is nothing else to do. Returns
    /// whether to go on.
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
        let (drafts, callbacks): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|PendingAppend { draft, done, permit }| (draft, (done, permit)))
            .unzip();
        let begun = Instant::now();
        match self.write(|connection| connection.store(drafts)) {
            Ok(stored) => {
                self.listener.committed(callbacks.len(), begun.elapsed());
                self.record_success();
                self.feed.add(stored.parts.iter().map(|part| part.room));
                for part in &stored.parts {
                    self.listener.stored(&part.name, &part.messages);
                }
                for ((done, _permit), outcome) in callbacks.into_iter().zip(stored.outcomes) {
                    done(outcome);
                }
            }
            Err(error) => {
                for (done, _permit) in callbacks {
                    done(Err(error.clone()));
                }
            }
        }
    }

    /// Runs a step of the first retention.
    fn trim(&mut self) {
        let Some((mut trim, reply)) = self.trims.pop_front() else { return };
        match self.write(|connection| connection.trim(&mut trim)) {
            Ok(TrimStep::Removed(room)) => {
                self.feed.add(room);
                self.trims.push_front((trim, reply));
            }
            // The caller may be gone.
            Ok(TrimStep::Done) => drop(reply.send(Ok(trim.removed))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Runs `work` on the store, unless the store has failed before.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&mut WriteConnection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        if let StoreHealth::Broken(cause) = &self.health {
            return Err(RequestError::StoreUnavailable(cause.clone()));
        }
        work(&mut self.connection).map_err(|error| {
            let passes = may_pass(&error);
            let cause: Source = Arc::new(error);
            self.record_failure(passes, &cause);
            RequestError::StoreUnavailable(cause)
        })
    }

    /// Records a failure, and logs it once.
    fn record_failure(&mut self, passes: bool, cause: &Source) {
        if !passes {
            tracing::error!(%cause, "the log cannot be written: posts fail until a restart");
            self.health = StoreHealth::Broken(cause.clone());
        } else if !matches!(self.health, StoreHealth::Refusing) {
            tracing::error!(%cause, "the log is full or locked: posts fail until it can be written");
            self.health = StoreHealth::Refusing;
        }
    }

    fn record_success(&mut self) {
        if matches!(self.health, StoreHealth::Refusing) {
            tracing::info!("the log can be written again");
            self.health = StoreHealth::Healthy;
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

    struct TestWriter {
        writer: Writer,
        recorder: Arc<Recorder>,
    }

    impl TestWriter {
        fn new(directory: &Path) -> Self {
            let path = DataDirectory::lock(directory).unwrap().log().unwrap();
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
                    permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
                }
            });
            self.writer.append(batch.collect());
            Arc::into_inner(outcomes).unwrap().into_inner()
        }
    }

    #[test]
    fn a_full_disk_fails_whole_batches_until_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut test = TestWriter::new(directory.path());
        assert!(test.post(&[10])[0].is_ok());
        test.writer.connection.limit_pages(30);

        let too_much = [&[10], &[MAX_TEXT_BYTES; 40] as &[_]].concat();
        let outcomes = test.post(&too_much);
        assert_eq!(outcomes.len(), too_much.len());
        for outcome in outcomes {
            assert!(matches!(outcome, Err(RequestError::StoreUnavailable(_))), "{outcome:?}");
        }
        assert_eq!(*test.recorder.0.lock(), [1]);
        assert_eq!(test.post(&[10])[0].as_ref().unwrap().position.seq, 2);

        test.writer.connection.limit_pages(1000);
        let seqs: Vec<_> =
            test.post(&too_much).into_iter().map(|posted| posted.unwrap().position.seq).collect();
        assert_eq!(seqs, (3..=43).collect::<Vec<_>>());
        assert_eq!(*test.recorder.0.lock(), (1..=43).collect::<Vec<_>>());
    }

    #[test]
    fn other_failures_are_permanent() {
        let directory = tempfile::tempdir().unwrap();
        let mut test = TestWriter::new(directory.path());
        assert!(test.post(&[10])[0].is_ok());
        test.writer.connection.break_off();
        assert!(matches!(test.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
        test.writer.connection.repair();
        assert!(matches!(test.post(&[10])[0], Err(RequestError::StoreUnavailable(_))));
        assert_eq!(*test.recorder.0.lock(), [1]);
    }

    #[test]
    fn a_long_write_ahead_log_is_moved_into_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let mut test = TestWriter::new(directory.path());
        for _ in 0..30 {
            test.post(&[MAX_TEXT_BYTES; 10]);
        }
        let (pages, moved) = test.writer.connection.wal().unwrap();
        assert!(pages > 1000, "{pages}");
        assert!(moved < pages);
        test.writer.write(WriteConnection::checkpoint).unwrap();
        assert_eq!(test.writer.connection.wal().unwrap(), (pages, pages));
        test.post(&[10]);
        let (pages, _) = test.writer.connection.wal().unwrap();
        assert!(pages < 100, "begun anew, not {pages}");
    }
}
