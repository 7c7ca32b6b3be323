//! Data on standard output, everything else on standard error.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    colours::Paint,
    failure::{Failure, Result},
    json::JsonLine,
    log_writer,
    view::Clock,
    writer::{self, LAST_WORDS, Written},
};

/// Prints the results of a command, as text or as one JSON object per line.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// Adds colours to text.
    pub(crate) paint: Paint,
    /// Formats times in text.
    pub(crate) clock: Clock,
    lines: mpsc::Sender<String>,
    /// Bytes passed to the writer; `progress` is how many of them it has written.
    given: AtomicU64,
    progress: watch::Receiver<u64>,
    written: Written,
}

impl Output {
    pub(crate) fn new(json: bool, paint: Paint) -> Self {
        let show: fn(String) -> io::Result<()> =
            if json { writer::show_exactly } else { writer::show_plainly };
        let (wrote, progress) = watch::channel(0);
        let (lines, written) = writer::start(move |block| {
            let length = block.len() as u64;
            show(block)?;
            wrote.send_modify(|wrote| *wrote += length);
            Ok(())
        });
        let given = AtomicU64::new(0);
        Self { json, paint, clock: Clock::local(), lines, given, progress, written }
    }

    pub(crate) async fn print<'a>(
        &self,
        thing: impl Into<JsonLine<'a>>,
        plain: impl FnOnce(&Clock) -> String,
    ) -> io::Result<()> {
        let line = if self.json { thing.into().to_json()? } else { plain(&self.clock) };
        self.line(line).await
    }

    /// Prints several items of one kind; as text, they can be aligned with each other.
    pub(crate) async fn print_all<'a, T: 'a>(
        &self,
        things: &'a [T],
        plain: impl FnOnce(&Clock, &'a [T]) -> Vec<String>,
    ) -> io::Result<()>
    where
        JsonLine<'a>: From<&'a T>,
    {
        if !self.json {
            for line in plain(&self.clock, things) {
                self.line(line).await?;
            }
            return Ok(());
        }
        for thing in things {
            self.only_json(thing).await?;
        }
        Ok(())
    }

    /// Prints an item as JSON, and nothing in text mode.
    pub(crate) async fn only_json<'a>(&self, thing: impl Into<JsonLine<'a>>) -> io::Result<()> {
        if self.json { self.line(thing.into().to_json()?).await } else { Ok(()) }
    }

    /// Waits while nobody reads. [`Self::close`] returns why a write has failed.
    async fn line(&self, line: String) -> io::Result<()> {
        // With the line break.
        let length = line.len() as u64 + 1;
        self.lines.send(line).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.given.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    /// Returns true if everything printed so far is written.
    pub(crate) fn is_flushed(&self) -> bool {
        *self.progress.borrow() >= self.given.load(Ordering::Relaxed)
    }

    /// Returns once everything printed so far is written; never, if that fails.
    pub(crate) async fn flushed(&self) {
        let given = self.given.load(Ordering::Relaxed);
        let mut progress = self.progress.clone();
        if progress.wait_for(|wrote| *wrote >= given).await.is_err() {
            std::future::pending().await
        }
    }

    /// Writes what is left. After a signal, it waits only [`LAST_WORDS`] for a reader.
    pub(crate) async fn close(self, stop: &CancellationToken) -> Result<()> {
        drop(self.lines);
        let out_of_patience = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            written = self.written => match written {
                Ok(written) => Ok(written?),
                Err(_) => Err(Failure::Other("cannot write to standard output".into())),
            },
            () = out_of_patience => Err(Failure::Interrupted),
        }
    }
}

/// Returns once the reader of standard output is gone, as `head` after its last line: a command that
/// waits for events would not notice by writing. Never returns if that cannot be detected.
pub(crate) async fn reader_gone() {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, poll};
        let (gone, is_gone) = tokio::sync::oneshot::channel();
        // Without flags, poll returns when the other end is closed. Nobody joins this thread.
        std::thread::spawn(move || {
            let stdout = io::stdout();
            let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
            if rustix::io::retry_on_intr(|| poll(&mut ends, None)).is_ok() {
                // Fails if the command has ended meanwhile.
                let _ = gone.send(());
            }
        });
        if is_gone.await.is_ok() {
            return;
        }
    }
    std::future::pending().await
}

/// Whether `--quiet` is set. Global, so that code that prints notices need not know about it.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Whether `--json` is set, which applies to standard error too.
static JSON: AtomicBool = AtomicBool::new(false);

/// Suppresses notices from now on; errors are still printed.
pub(crate) fn set_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Returns true if notices are suppressed.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints JSON objects to standard error from now on.
pub(crate) fn set_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// Returns true if JSON objects are printed instead of text.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints a notice to standard error, unless `--quiet` is set.
pub(crate) fn print_notice(text: &str) {
    if !is_quiet() {
        complain(text, &JsonLine::Notice { message: text });
    }
}

/// Prints a problem in spite of which the command goes on to standard error.
pub(crate) fn print_warning(text: &str) {
    complain(text, &JsonLine::Warning { message: text });
}

/// Prints why a command has failed to standard error.
pub(crate) fn print_failure(failure: &Failure) {
    if let (Some(text), Some(line)) = (failure.line(), failure.to_json()) {
        complain(&text, &line);
    }
}

fn complain(text: &str, line: &JsonLine<'_>) {
    print_message("chinwag", is_json(), line, text);
}

/// Prints to standard error what a program says about its work: the object, or the text.
pub(crate) fn print_message(program: &str, json: bool, line: &JsonLine<'_>, text: &str) {
    let line = if json { line.to_json().ok() } else { None };
    log_writer::print(&line.unwrap_or_else(|| format!("{program}: {text}")));
}
