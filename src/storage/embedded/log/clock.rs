//! The time of the log, and how far its clock is trusted.
//!
//! The clock of a machine can be wrong, and be set right or wrong at any time. Two things follow:
//!
//! - The times of messages never decrease over the whole log. After the clock was ahead, the log is
//!   ahead of it, and later messages get the time of the last one. Marks in the table `late` then
//!   record when they were stored, so that [`log_time`] still finds the messages of a time.
//! - A retention removes messages for good. It goes by a [`RetentionClock`], which follows the clock
//!   of the machine slowly if that jumps ahead. A wrong clock then removes little until somebody
//!   notices, and a right one is reached after a while.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, Result};

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// How far the log is ahead of the clock before that matters, and the time that one mark covers.
pub(super) const TOLERANCE: i64 = MINUTE;

/// How fast a retention follows a clock that has jumped ahead: a day in an hour.
const CATCH_UP: i64 = 24;

/// How far a retention is behind the clock before that is reported.
const REPORTED_LAG: i64 = 60 * MINUTE;

/// How much of the retention's time a restart may forget.
const FORGOTTEN: i64 = 10 * MINUTE;

/// What the clocks of the machine say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The time, in microseconds since 1970. It can jump.
    pub(super) wall: i64,
    /// How long the log is open. It cannot jump.
    pub(super) open: Duration,
}

/// Reads the clocks.
pub(super) type Clock = Box<dyn Fn() -> Now + Send>;

/// Returns the clocks of the machine, for a log that is opened now.
pub(super) fn machine_clock() -> Clock {
    let opened = Instant::now();
    Box::new(move || Now { wall: Timestamp::now().as_microsecond(), open: opened.elapsed() })
}

/// The time that a retention goes by.
#[derive(Debug)]
pub(super) struct RetentionClock {
    /// The latest time it has reached, in microseconds since 1970.
    reached: i64,
    /// When it was last read.
    read: Duration,
    /// The latest time that is stored.
    stored: Option<i64>,
    is_behind: bool,
}

impl RetentionClock {
    /// Continues at the `stored` time, or without one at the time of the latest message.
    pub(super) fn resume(stored: Option<i64>, last_at: i64, now: Now) -> Self {
        let newest = if last_at > 0 { last_at.min(now.wall) } else { now.wall };
        Self { reached: stored.unwrap_or(newest), read: now.open, stored, is_behind: false }
    }

    /// Follows the clock of the machine. Returns the time of the retention.
    pub(super) fn advance(&mut self, now: Now) -> i64 {
        let passed = now.open.saturating_sub(std::mem::replace(&mut self.read, now.open));
        let passed = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
        let limit = self.reached.saturating_add(passed.saturating_mul(CATCH_UP));
        self.reached = self.reached.max(now.wall.min(limit));
        let was_behind =
            std::mem::replace(&mut self.is_behind, now.wall - self.reached > REPORTED_LAG);
        if self.is_behind && !was_behind {
            tracing::warn!(
                clock = %shown(now.wall),
                retention = %shown(self.reached),
                "the clock is ahead of the retention, which follows it by a day in an hour: is it right?"
            );
        }
        now.wall.min(self.reached)
    }

    /// Returns the time to store, if it is time to do so.
    pub(super) fn next_stored(&mut self) -> Option<i64> {
        let is_due = self.stored.is_none_or(|stored| self.reached - stored >= FORGOTTEN);
        is_due.then(|| {
            self.stored = Some(self.reached);
            self.reached
        })
    }
}

/// Returns the time of the log that stands for `at`, a time of the clock: messages with earlier
/// times were stored before it, and others later or at most [`TOLERANCE`] before.
pub(super) fn log_time(conn: &Connection, at: i64) -> Result<i64> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(last) FROM late WHERE stored_at <= ?1")?
        .query_row([at.saturating_sub(TOLERANCE)], |row| row.get(0))?;
    Ok(last.map_or(at, |last| at.max(last + 1)))
}

/// Returns a time for a log line.
pub(super) fn shown(at: i64) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn at(wall: i64, open: u64) -> Now {
        Now { wall, open: Duration::from_secs(open) }
    }

    #[test]
    fn a_retention_follows_a_clock_that_jumps_ahead_by_a_day_in_an_hour() {
        let start = 1000 * DAY;
        let mut clock = RetentionClock::resume(Some(start), 0, at(start, 0));
        assert_eq!(clock.advance(at(start + MINUTE, 60)), start + MINUTE);
        let jump = 400 * DAY;
        assert_eq!(clock.advance(at(start + jump, 60)), start + MINUTE);
        assert_eq!(clock.advance(at(start + jump, 135)), start + MINUTE + 75 * 24 * MINUTE / 60);
        // Back again, and ahead as far as it was right.
        assert_eq!(clock.advance(at(start + 3 * MINUTE, 180)), start + 3 * MINUTE);
        let hour = 180 + 60 * 60;
        assert_eq!(clock.advance(at(start + HOUR, hour)), start + HOUR);
        assert_eq!(clock.advance(at(start - jump, hour)), start - jump);
        assert_eq!(clock.advance(at(start + HOUR, hour)), start + HOUR);
    }

    #[test]
    fn a_retention_continues_where_it_was() {
        let stored = 1000 * DAY;
        let late = at(stored + 400 * DAY, 0);
        assert_eq!(RetentionClock::resume(Some(stored), 0, late).advance(late), stored);
        // Before the time was stored, there were messages.
        assert_eq!(RetentionClock::resume(None, stored, late).advance(late), stored);
        assert_eq!(RetentionClock::resume(None, 0, late).advance(late), late.wall);
        let early = at(stored, 0);
        assert_eq!(RetentionClock::resume(None, stored + DAY, early).advance(early), stored);
    }

    #[test]
    fn a_time_is_stored_now_and_then() {
        let start = 1000 * DAY;
        let mut clock = RetentionClock::resume(None, 0, at(start, 0));
        assert_eq!((clock.next_stored(), clock.next_stored()), (Some(start), None));
        clock.advance(at(start + 9 * MINUTE, 9 * 60));
        assert_eq!(clock.next_stored(), None);
        clock.advance(at(start + 10 * MINUTE, 10 * 60));
        assert_eq!(clock.next_stored(), Some(start + 10 * MINUTE));
    }
}
