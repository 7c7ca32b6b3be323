//! Standard output for data, standard error for everything else.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;
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
    written: Written,
}

impl Output {
    /// Prints JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        let (lines, written) = match json {
            true => writer::start(writer::show_exactly),
            false => writer::start(writer::show_plainly),
        };
        Self { json, clock: Clock::local(), lines, written }
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
        self.lines.send(line).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
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
