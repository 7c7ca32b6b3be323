//! How much the log may take on the disk.
//!
//! At its limit, and when the file system is almost full, the log takes no more messages, as if the
//! disk were full. It can still be read, and messages can be removed: that needs some space, too.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Error, Result, ffi};

/// What is left free of the file system: as much as the write-ahead log grows by, so that messages can
/// be removed.
pub(super) const RESERVE: u64 = 64 * 1024 * 1024;

/// The part of the limit, in percent, from which on the operator is warned.
const WARNING_PERCENT: u64 = 90;

/// Returns the free bytes of the file system.
pub(super) type FreeBytes = Box<dyn Fn() -> u64 + Send>;

/// The space of a log.
pub(super) struct Space {
    /// `None`: no limit but the file system.
    limit: Option<u64>,
    used: Arc<AtomicU64>,
    free: FreeBytes,
    is_warned: bool,
}

impl Space {
    /// `used` receives the bytes that the log uses.
    pub(super) fn new(limit: Option<u64>, used: Arc<AtomicU64>, free: FreeBytes) -> Self {
        Self { limit, used, free, is_warned: false }
    }

    /// Records the bytes that the log uses, and warns when they come close to the limit.
    pub(super) fn record(&mut self, used: u64) {
        self.used.store(used, Ordering::Relaxed);
        let Some(limit) = self.limit else { return };
        let is_close = used >= limit / 100 * WARNING_PERCENT;
        if is_close && !std::mem::replace(&mut self.is_warned, is_close) {
            tracing::warn!(used, limit, "the log is almost full: at the limit, posts will fail");
        }
        self.is_warned = is_close;
    }

    /// Errors as a full disk does if there is no space for more messages.
    pub(super) fn check(&self) -> Result<()> {
        let used = self.used.load(Ordering::Relaxed);
        let why = match self.limit {
            Some(limit) if used >= limit => {
                format!("the log takes {used} of {limit} bytes, its limit")
            }
            _ if (self.free)() < RESERVE => {
                format!("the file system has less than {RESERVE} bytes free")
            }
            _ => return Ok(()),
        };
        Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), Some(why)))
    }
}

/// Returns what tells the free bytes of the file system of a directory; plenty where that is not known.
pub(super) fn free_bytes(directory: &Path) -> FreeBytes {
    let directory = directory.to_owned();
    Box::new(move || of_file_system(&directory).unwrap_or(u64::MAX))
}

#[cfg(unix)]
fn of_file_system(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn of_file_system(_: &Path) -> Option<u64> {
    None
}
