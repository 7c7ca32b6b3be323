//! A thread that writes to standard output.
//!
//! A write to a pipe that nobody reads cannot be cancelled, and must not block the task that handles
//! signals. So a thread does it, fed by a bounded channel. A slow reader slows this program down, and
//! this program its stream from the hub; nobody else notices.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{terminal, wrap::wrap_indented};

/// Blocks of lines that may wait to be written.
const BLOCKS: usize = 64;

/// The most bytes in one write, so that many small blocks need few writes.
const BATCH_BYTES: usize = 64 * 1024;

/// How long to wait at the end for the last lines to be read.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// The result of the writer thread, once the channel is closed or a write has failed. The receiver
/// errors if the thread has panicked.
pub(crate) type Written = oneshot::Receiver<io::Result<()>>;

/// Starts a thread that passes blocks of lines, each without its last line break, to `show`. The
/// channel closes if `show` fails.
pub(crate) fn start(
    show: impl FnMut(String) -> io::Result<()> + Send + 'static,
) -> (mpsc::Sender<String>, Written) {
    let (sender, blocks) = mpsc::channel(BLOCKS);
    let (done, written) = oneshot::channel();
    // Nobody joins this thread, since a write may block forever.
    std::thread::spawn(move || done.send(write_all(blocks, show)));
    (sender, written)
}

fn write_all(
    mut blocks: mpsc::Receiver<String>,
    mut show: impl FnMut(String) -> io::Result<()>,
) -> io::Result<()> {
    while let Some(mut batch) = blocks.blocking_recv() {
        batch.push('\n');
        while batch.len() < BATCH_BYTES
            && let Ok(block) = blocks.try_recv()
        {
            batch.push_str(&block);
            batch.push('\n');
        }
        show(batch)?;
    }
    Ok(())
}

/// Writes to standard output. On a terminal, long lines are wrapped with an indent.
pub(crate) fn show_plainly(block: String) -> io::Result<()> {
    match terminal::columns() {
        Some(columns) => show_exactly(wrap_indented(&block, columns)),
        None => show_exactly(block),
    }
}

/// Writes to standard output, unchanged.
pub(crate) fn show_exactly(block: String) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(block.as_bytes())?;
    stdout.flush()
}
