//! A progress bar for work that takes several pages.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;

/// How often the bar is drawn again while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// A progress bar on standard error, until it is dropped. It is shown on a terminal only, and not with
/// `--quiet`.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Begins to show the progress of work on this many things, such as "messages".
    pub(crate) fn begin(total: u64, things: &'static str) -> Self {
        if output::is_quiet() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(total).with_message(things);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Shows that so many things are done.
    pub(crate) fn reach(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
