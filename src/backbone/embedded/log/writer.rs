//! The thread that writes.
//!
//! It takes all drafts that wait, commits them in one transaction, tells the [`Tail`] and then those
//! who handed them over, and begins anew: the more is under way, the more one commit carries.
//!
//! # When the store fails
//!
//! - The disk is full, and SQLite could take the transaction back: the drafts of that batch fail. The
//!   next batch is tried as usual, because nothing is in doubt.
//! - Anything else (an I/O error, a damaged database, above all a failed fsync, after which nobody
//!   knows what is on the disk): this batch and all that follow fail until the hub is restarted
//!   and the database was recovered. Reading goes on.

use std::{collections::VecDeque, sync::Arc};

use rusqlite::ErrorCode;
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    feed::Feed,
    ledger::Ledger,
    retention::{Step, Trim},
};
use crate::{
    backbone::{Done, Retention, Tail},
    error::{Error, Result},
    model::Draft,
};

/// The most drafts of one commit: enough that the fsync's share of each is small, few enough that the
/// first of them is not kept waiting.
const MAX_BATCH: usize = 4096;

/// What the writer is asked to do.
pub(super) enum Command {
    /// Store this.
    Append(Append),
    /// Remove what need not be kept; answers how many messages that were.
    Retain(Retention, oneshot::Sender<Result<u64>>),
    /// Do what was asked for before and end.
    Stop,
}

/// A draft under way.
pub(super) struct Append {
    /// The draft.
    pub(super) draft: Draft,
    /// Whom to tell.
    pub(super) done: Done,
    /// Its share of what may be under way.
    pub(super) share: OwnedSemaphorePermit,
}

/// The writer's side of the queue.
pub(super) struct Writer {
    ledger: Ledger,
    tail: Arc<dyn Tail>,
    feed: Arc<Feed>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// Retentions under way, one after the other.
    trims: VecDeque<(Trim, oneshot::Sender<Result<u64>>)>,
    /// Why nothing may be written any more.
    broken: Option<String>,
}

impl Writer {
    /// A writer that has not begun.
    pub(super) fn new(
        ledger: Ledger,
        tail: Arc<dyn Tail>,
        feed: Arc<Feed>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        Self { ledger, tail, feed, commands, trims: VecDeque::new(), broken: None }
    }

    /// Writes until told to stop, or until nobody is left who could ask for anything.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while self.receive(&mut waiting) {
            self.feed.set_busy(true);
            let mut batch = Vec::with_capacity(waiting.len());
            for command in waiting.drain(..) {
                match command {
                    Command::Append(append) => batch.push(append),
                    Command::Retain(retention, told) => {
                        self.trims.push_back((Trim::new(retention), told));
                    }
                    Command::Stop => self.commands.close(),
                }
            }
            if !batch.is_empty() {
                self.append(batch);
            }
            self.trim();
            self.feed.set_busy(!self.commands.is_empty());
        }
    }

    /// Takes what waits, and waits for it if there is nothing else to do. Returns whether to go on.
    fn receive(&mut self, waiting: &mut Vec<Command>) -> bool {
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

    fn append(&mut self, batch: Vec<Append>) {
        let (drafts, told): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Append { draft, done, share }| (draft, (done, share))).unzip();
        match self.write(|ledger| ledger.store(drafts)) {
            Ok(stored) => {
                self.feed.add(stored.parts.iter().map(|part| part.room));
                for part in &stored.parts {
                    self.tail.stored(&part.name, &part.messages);
                }
                for ((done, _share), outcome) in told.into_iter().zip(stored.outcomes) {
                    done(outcome);
                }
                // What fails here fails the next batch.
                let _ = self.write(Ledger::checkpoint);
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
        match self.write(|ledger| ledger.trim(&mut trim)) {
            Ok(Step::Went(room)) => {
                self.feed.add(room);
                self.trims.push_front((trim, told));
            }
            // Whoever asked may have gone away.
            Ok(Step::Done) => drop(told.send(Ok(trim.removed))),
            Err(error) => drop(told.send(Err(error))),
        }
    }

    /// Does something to the store, unless it has failed before.
    fn write<T>(&mut self, work: impl FnOnce(&mut Ledger) -> rusqlite::Result<T>) -> Result<T> {
        if let Some(cause) = &self.broken {
            return Err(Error::StoreUnavailable(cause.clone()));
        }
        work(&mut self.ledger).map_err(|error| {
            let cause = error.to_string();
            if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
                tracing::error!(%cause, "the disk is full: posts fail");
            } else {
                tracing::error!(%cause, "the log cannot be written: posts fail until a restart");
                self.broken = Some(cause.clone());
            }
            Error::StoreUnavailable(cause)
        })
    }
}
