//! The thread that writes to the log.
//!
//! It commits all waiting drafts in one transaction, notifies the [`CommitListener`], calls the
//! callbacks of the drafts, and begins again: under load one commit carries many drafts.
//!
//! # When the store fails
//!
//! - The store is full (the disk, a quota, the limit of a file's size, or its own: see [`space`](super::space)),
//!   or locked by another process, and SQLite rolled the transaction back: the drafts of that batch fail. The next batch
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
    clock::{self, Clock, Now, RetentionClock},
    database::may_pass,
    space::Space,
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
    clock: Clock,
    retention: RetentionClock,
    space: Space,
    /// Whether the log is ahead of the clock.
    is_ahead: bool,
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
    /// Creates a writer that does not run yet. Errors if the log cannot be read.
    pub(super) fn new(
        connection: WriteConnection,
        listener: Arc<dyn CommitListener>,
        feed: Arc<ChangeFeed>,
        commands: mpsc::UnboundedReceiver<WriterCommand>,
        clock: Clock,
        mut space: Space,
    ) -> rusqlite::Result<Self> {
        let now = clock();
        let retention = RetentionClock::resume(connection.retained_at()?, connection.last_at, now);
        space.record(connection.used_bytes()?);
        let mut writer = Self {
            connection,
            listener,
            feed,
            commands,
            trims: VecDeque::new(),
            health: StoreHealth::Healthy,
            clock,
            retention,
            space,
            is_ahead: false,
        };
        writer.compare(now);
        Ok(writer)
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
                    WriterCommand::Retain(retention, reply) => self.retain(retention, reply),
                    WriterCommand::Stop => self.commands.close(),
                }
            }
            if !batch.is_empty() {
                self.append(batch);
            }
            self.trim();
            // If this fails, the next batch fails too, or the disk is full and it is tried again.
            let _ = self.write(WriteConnection::checkpoint);
            self.measure();
            self.feed.set_busy(!self.commands.is_empty());
        }
    }

    fn measure(&mut self) {
        // If this fails, the next batch fails, too.
        if let Ok(used) = self.connection.used_bytes() {
            self.space.record(used);
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
        let now = (self.clock)();
        self.compare(now);
        let space = self.space.check();
        match self.write(|connection| space.and_then(|()| connection.store(drafts, now.wall))) {
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

    /// Reports once that the log is ahead of the clock.
    fn compare(&mut self, now: Now) {
        let last = self.connection.last_at;
        let was_ahead = std::mem::replace(&mut self.is_ahead, last - now.wall > clock::TOLERANCE);
        if self.is_ahead && !was_ahead {
            tracing::warn!(
                clock = %clock::shown(now.wall),
                log = %clock::shown(last),
                "the log is ahead of the clock: until that has caught up, new messages get the time of the last"
            );
        }
    }

    /// Begins a retention.
    fn retain(&mut self, retention: Retention, reply: oneshot::Sender<Result<u64>>) {
        let mut now = (self.clock)().wall;
        if retention.age.or(retention.idle).is_some() {
            now = self.retention.advance((self.clock)());
            if let Some(at) = self.retention.next_stored()
                && let Err(error) = self.write(|connection| connection.set_retained_at(at))
            {
                // The caller may be gone.
                return drop(reply.send(Err(error)));
            }
        }
        self.trims.push_back((Trim::new(retention, now), reply));
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
mod tests;
