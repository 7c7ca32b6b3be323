//! Standard output for data, standard error for everything else.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    failure::Failure,
    json::Line,
    view::Clock,
    writer::{self, LAST_WORDS, Written},
};

/// Prints what a command found: as text for people, or as JSON, one object a line.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// For what is shown to people.
    pub(crate) clock: Clock,
    lines: mpsc::Sender<String>,
    /// How many bytes were given to the writer, and how many of them it has written.
    given: AtomicU64,
    progress: watch::Receiver<u64>,
    written: Written,
}

impl Output {
    /// Prints JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        let show: fn(String) -> io::Result<()> =
            if json { writer::show_exactly } else { writer::show_plainly };
        let (wrote, progress) = watch::channel(0);
        let (lines, written) = writer::start(move |block| {
            let length = block.len() as u64;
            show(block)?;
            wrote.send_modify(|wrote| *wrote += length);
            Ok(())
        });
        Self { json, clock: Clock::local(), lines, given: AtomicU64::new(0), progress, written }
    }

    /// Prints one thing.
    pub(crate) async fn print<'a>(
        &self,
        thing: impl Into<Line<'a>>,
        plain: impl FnOnce(&Clock) -> String,
    ) -> io::Result<()> {
        let line = if self.json { thing.into().to_json()? } else { plain(&self.clock) };
        self.line(line).await
    }

    /// Prints several things of one kind, as lines that may be aligned with each other.
    pub(crate) async fn print_all<'a, T: 'a>(
        &self,
        things: &'a [T],
        plain: impl FnOnce(&Clock, &'a [T]) -> Vec<String>,
    ) -> io::Result<()>
    where
        Line<'a>: From<&'a T>,
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

    /// Prints one thing where JSON is wanted, and nothing otherwise.
    pub(crate) async fn only_json<'a>(&self, thing: impl Into<Line<'a>>) -> io::Result<()> {
        if self.json { self.line(thing.into().to_json()?).await } else { Ok(()) }
    }

    /// Waits where nobody reads. Why nothing can be written any more is told by [`Self::close`].
    async fn line(&self, line: String) -> io::Result<()> {
        // With the end of the line.
        let length = line.len() as u64 + 1;
        self.lines.send(line).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.given.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    /// Whether all that was printed is written.
    pub(crate) fn is_flushed(&self) -> bool {
        *self.progress.borrow() >= self.given.load(Ordering::Relaxed)
    }

    /// Returns when all that was printed is written, and never where that does not happen.
    pub(crate) async fn flushed(&self) {
        let given = self.given.load(Ordering::Relaxed);
        let mut progress = self.progress.clone();
        if progress.wait_for(|wrote| *wrote >= given).await.is_err() {
            std::future::pending().await
        }
    }

    /// Writes what is left; after a signal only as far as somebody reads it now.
    pub(crate) async fn close(self, stop: &CancellationToken) -> Result<(), Failure> {
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

/// Returns when whoever read standard output has gone, as `head` does when it has seen enough: a
/// command that waits for what comes next would not notice it by writing. Never returns where that
/// cannot be known.
pub(crate) async fn reader_gone() {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, poll};
        let (gone, hears) = tokio::sync::oneshot::channel();
        // Asked for nothing, poll returns when the other end is closed. A thread that nobody waits
        // for, since it may be in there for ever.
        std::thread::spawn(move || {
            let stdout = io::stdout();
            let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
            if rustix::io::retry_on_intr(|| poll(&mut ends, None)).is_ok() {
                // The command has ended meanwhile.
                let _ = gone.send(());
            }
        });
        if hears.await.is_ok() {
            return;
        }
    }
    std::future::pending().await
}

/// Whether the person wants to hear of failures only. Of the whole process, as standard error is:
/// what is told comes from everywhere, and nobody who tells it should have to know.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on, nothing is told but why something failed.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Tells the person something that is not data, unless they want it quiet.
pub(crate) fn tell(said: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        complain(said);
    }
}

/// Tells the person what went wrong.
pub(crate) fn complain(said: &str) {
    // Where nobody hears it, nothing can be done about it.
    let _ = writeln!(io::stderr().lock(), "chinwag: {said}");
}
