//! The current time, passed to whatever depends on it.

use std::time::Instant;

use jiff::Timestamp;

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// For durations.
    pub(crate) mono: Instant,
    /// For what is shown.
    pub(crate) wall: Timestamp,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { mono: Instant::now(), wall: Timestamp::now() }
    }
}
