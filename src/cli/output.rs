//! Standard output for data, standard error for everything else.

use std::io::{self, Write as _};

use super::{
    json::Line,
    terminal,
    view::{self, Clock},
};

/// Prints what a command found: as text for people, or as JSON, one object a line.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// For what is shown to people.
    pub(crate) clock: Clock,
}

impl Output {
    /// Prints JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, clock: Clock::local() }
    }

    /// Prints one thing.
    pub(crate) fn print<'a>(
        &self,
        thing: impl Into<Line<'a>>,
        plain: impl FnOnce(&Clock) -> String,
    ) -> io::Result<()> {
        if self.json { self.json(thing) } else { print(&plain(&self.clock)) }
    }

    /// Prints several things of one kind, as lines that may be aligned with each other.
    pub(crate) fn print_all<'a, T: 'a>(
        &self,
        things: &'a [T],
        plain: impl FnOnce(&Clock, &'a [T]) -> Vec<String>,
    ) -> io::Result<()>
    where
        Line<'a>: From<&'a T>,
    {
        if self.json {
            things.iter().try_for_each(|thing| self.json(thing))
        } else {
            plain(&self.clock, things).iter().try_for_each(|line| print(line))
        }
    }

    /// Prints one thing where JSON is wanted, and nothing otherwise.
    pub(crate) fn only_json<'a>(&self, thing: impl Into<Line<'a>>) -> io::Result<()> {
        if self.json { self.json(thing) } else { Ok(()) }
    }

    fn json<'a>(&self, thing: impl Into<Line<'a>>) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{}", thing.into().to_json()?)
    }
}

/// Prints to standard output; where that is a terminal, so that the terminal breaks no line.
pub(crate) fn print(plain: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match terminal::columns() {
        Some(columns) => writeln!(stdout, "{}", view::wrap(plain, columns)),
        None => writeln!(stdout, "{plain}"),
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

/// Tells the person something that is not data.
pub(crate) fn tell(said: &str) {
    // Where nobody hears it, nothing can be done about it.
    let _ = writeln!(io::stderr().lock(), "chinwag: {said}");
}
