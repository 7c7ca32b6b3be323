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

use std::sync::Arc;

use rusqlite::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::ledger::{Ledger, Stored};
use crate::{
    backbone::{Done, Tail},
    error::Error,
    model::Draft,
};

/// The most drafts of one commit: enough that the fsync's share of each is small, few enough that the
/// first of them is not kept waiting.
const MAX_BATCH: usize = 4096;

/// What the writer is asked to do.
pub(super) enum Command {
    /// Store this.
    Append(Append),
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
    pub(super) _share: OwnedSemaphorePermit,
}

/// The writer's side of the queue.
pub(super) struct Writer {
    pub(super) ledger: Ledger,
    pub(super) tail: Arc<dyn Tail>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Why nothing may be written any more.
    pub(super) broken: Option<String>,
}

impl Writer {
    /// Writes until told to stop, or until nobody is left who could ask for anything.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while self.commands.blocking_recv_many(&mut waiting, MAX_BATCH) > 0 {
            let mut batch = Vec::with_capacity(waiting.len());
            for command in waiting.drain(..) {
                match command {
                    Command::Append(append) => batch.push(append),
                    Command::Stop => self.commands.close(),
                }
            }
            self.append(batch);
        }
    }

    fn append(&mut self, batch: Vec<Append>) {
        if batch.is_empty() {
            return;
        }
        let (drafts, told): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Append { draft, done, _share }| (draft, (done, _share))).unzip();
        match self.store(drafts) {
            Ok(stored) => {
                for part in &stored.parts {
                    self.tail.stored(&part.name, &part.messages);
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

    fn store(&mut self, drafts: Vec<Draft>) -> Result<Stored, Error> {
        if let Some(cause) = &self.broken {
            return Err(Error::StoreUnavailable(cause.clone()));
        }
        self.ledger.store(drafts).map_err(|error| {
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
