//! Writes log lines, and what else goes to standard error, on a thread of its own.
//!
//! A write to a pipe that nobody reads blocks, and a write to a full disk fails. Neither may stop or
//! end the work that is logged: a line waits in a bounded queue or is left out. Strangers can cause
//! warnings as often as they like, so that one place in the source may log a few in a while, and the
//! rest is left out too. What was left out is counted, and logged as a number.

use std::{
    collections::HashMap,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{Level, Metadata, callsite::Identifier};
use tracing_subscriber::fmt::MakeWriter;

use super::writer::LAST_WORDS;
use crate::text;

/// Bytes of lines that may wait to be written. Further lines are left out.
const WAITING_BYTES: usize = 1024 * 1024;

/// Warnings and errors that one place in the source may log in a [`WINDOW`].
const BURST: u32 = 20;

/// How often the places in the source may log again, and what was left out is logged.
const WINDOW: Duration = Duration::from_secs(10);

/// A queue of lines and the thread that writes them. Clones share both.
#[derive(Debug, Clone)]
pub(super) struct LogWriter {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Job {
    Line(Vec<u8>),
    /// Report what was left out, and answer.
    Finish(Sender<()>),
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of the lines in the queue.
    waiting: AtomicUsize,
    /// Lines that found no room, or could not be written.
    lost: AtomicU64,
    repeats: Mutex<Repeats>,
}

/// The warnings and errors of this window.
#[derive(Debug, Default)]
struct Repeats {
    seen: HashMap<Identifier, u32>,
    left_out: u64,
}

impl LogWriter {
    /// Starts a thread that writes to `to`. Without threads, all lines are left out.
    pub(super) fn start(to: impl Write + Send + 'static) -> Self {
        let (jobs, queue) = channel();
        let shared = Arc::<Shared>::default();
        let thread = LogThread { queue, shared: shared.clone(), to };
        // Nobody joins this thread, since a write may block forever.
        drop(thread::Builder::new().name("log".into()).spawn(move || thread.run()));
        Self { jobs, shared }
    }

    /// Queues a line, which ends with a line break, or leaves it out. Does not block.
    pub(super) fn write(&self, line: Vec<u8>) {
        let length = line.len();
        let waiting = self.shared.waiting.fetch_add(length, Ordering::Relaxed);
        if waiting + length > WAITING_BYTES || self.jobs.send(Job::Line(line)).is_err() {
            self.shared.waiting.fetch_sub(length, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all lines are written, or for [`LAST_WORDS`] if nobody reads them.
    pub(super) fn finish(&self) {
        let (done, finished) = channel();
        if self.jobs.send(Job::Finish(done)).is_ok() {
            // Fails if it takes too long. The lines are lost then.
            let _ = finished.recv_timeout(LAST_WORDS);
        }
    }

    /// Returns whether a line is to be written, and counts it.
    fn admits(&self, line: &Metadata<'_>) -> bool {
        if *line.level() > Level::WARN {
            return true;
        }
        let mut repeats = self.shared.repeats.lock();
        let seen = repeats.seen.entry(line.callsite()).or_default();
        *seen += 1;
        let admitted = *seen <= BURST;
        repeats.left_out += u64::from(!admitted);
        admitted
    }
}

struct LogThread<W> {
    queue: Receiver<Job>,
    shared: Arc<Shared>,
    to: W,
}

impl<W: Write> LogThread<W> {
    fn run(mut self) {
        let mut began = Instant::now();
        loop {
            match self.queue.recv_timeout(WINDOW.saturating_sub(began.elapsed())) {
                Ok(Job::Line(line)) => self.write(&line),
                Ok(Job::Finish(done)) => {
                    self.report();
                    self.write_waiting();
                    // Fails if the caller waits no longer.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if began.elapsed() >= WINDOW {
                self.report();
                began = Instant::now();
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        let written = self.to.write_all(line).and_then(|()| self.to.flush());
        self.shared.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        self.shared.lost.fetch_add(u64::from(written.is_err()), Ordering::Relaxed);
    }

    fn write_waiting(&mut self) {
        while let Ok(Job::Line(line)) = self.queue.try_recv() {
            self.write(&line);
        }
    }

    /// Logs what was left out, and begins a new window. The line comes back through the queue.
    fn report(&self) {
        let repeated = std::mem::take(&mut *self.shared.repeats.lock()).left_out;
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if repeated + lost > 0 {
            tracing::warn!(repeated, lost, "left out log lines");
        }
    }
}

/// Writes the lines of `tracing` to a [`LogWriter`].
#[derive(Debug, Clone)]
pub(super) struct LogLines {
    /// The writer.
    pub(super) to: LogWriter,
    /// Whether to escape control characters, which texts of others in a line can have.
    pub(super) escape: bool,
}

/// Takes one line.
#[derive(Debug)]
pub(super) struct LogLine<'a> {
    lines: &'a LogLines,
    admitted: bool,
}

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.admitted {
            let shown = match self.lines.escape {
                true => text::lines(&String::from_utf8_lossy(line)).into_owned().into_bytes(),
                false => line.to_vec(),
            };
            self.lines.to.write(shown);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // The thread does it.
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine { lines: self, admitted: true }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> LogLine<'a> {
        LogLine { lines: self, admitted: self.to.admits(line) }
    }
}

/// The writer of standard error, which has the log and the notices in their order.
static STDERR: OnceLock<LogWriter> = OnceLock::new();

/// Returns the writer of standard error.
pub(super) fn stderr() -> &'static LogWriter {
    STDERR.get_or_init(|| LogWriter::start(io::stderr()))
}

/// Prints a line to standard error. Blocks on a terminal only, where it must not come after a prompt.
pub(super) fn print(line: &str) {
    let line = format!("{line}\n").into_bytes();
    if io::stderr().is_terminal() {
        // If it cannot be written, nobody can be told.
        let _ = io::stderr().write_all(&line);
    } else {
        stderr().write(line);
    }
}

/// Waits for the last lines on standard error, at the end of a program.
pub(super) fn finish() {
    if let Some(writer) = STDERR.get() {
        writer.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes lines once `opened` allows it, and then keeps or refuses them.
    struct Slow {
        opened: Receiver<bool>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if let Ok(false) = self.opened.recv() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.lock().extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logging(to: &LogWriter) -> impl tracing::Subscriber + Send + Sync {
        let lines = LogLines { to: to.clone(), escape: true };
        let log = tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false);
        log.with_writer(lines).finish()
    }

    fn slow() -> (LogWriter, Sender<bool>, Arc<Mutex<Vec<u8>>>) {
        let ((open, opened), taken) = (channel(), Arc::<Mutex<Vec<u8>>>::default());
        (LogWriter::start(Slow { opened, taken: taken.clone() }), open, taken)
    }

    #[test]
    fn lines_beyond_the_queue_are_left_out_while_nobody_reads() {
        let (writer, open, taken) = slow();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let room = WAITING_BYTES / line.len();
        for _ in 0..room + 7 {
            writer.write(line.clone());
        }
        assert_eq!(writer.shared.lost.load(Ordering::Relaxed), 7);
        drop(open);
        writer.finish();
        assert_eq!(taken.lock().len(), WAITING_BYTES);
        assert_eq!(writer.shared.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_the_next_one_is_written() {
        let (writer, open, taken) = slow();
        open.send(false).unwrap();
        writer.write(b"lost\n".to_vec());
        open.send(true).unwrap();
        writer.write(b"kept\n".to_vec());
        drop(open);
        writer.finish();
        assert_eq!(*taken.lock(), b"kept\n");
    }

    #[test]
    fn repeated_warnings_are_left_out_and_counted_in_each_window() {
        let (writer, open, taken) = slow();
        drop(open);
        let log = |count: u32| {
            tracing::subscriber::with_default(logging(&writer), || {
                for stranger in 0..count {
                    tracing::warn!("stranger {stranger}");
                    tracing::info!("guest {stranger}");
                }
            });
        };
        log(BURST + 5);
        writer.finish();
        let text = String::from_utf8(std::mem::take(&mut *taken.lock())).unwrap();
        assert_eq!(text.matches("stranger").count() as u32, BURST);
        assert_eq!(text.matches("guest").count() as u32, BURST + 5, "only warnings are limited");
        // `finish` has begun a new window.
        log(1);
        writer.finish();
        assert_eq!(taken.lock().iter().filter(|&&byte| byte == b'\n').count(), 2);
    }

    #[test]
    fn control_characters_are_escaped() {
        let (writer, open, taken) = slow();
        drop(open);
        let mut line =
            LogLine { lines: &LogLines { to: writer.clone(), escape: true }, admitted: true };
        line.write_all(b"cause=\x1b[2J\xff\xe2\x80\xae\nnext\n").unwrap();
        writer.finish();
        let written = String::from_utf8(taken.lock().clone()).unwrap();
        assert_eq!(written, "cause=␛[2J\u{fffd}<U+202E>\nnext\n");
    }
}
