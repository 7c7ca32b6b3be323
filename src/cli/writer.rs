//! A thread that writes what is shown.
//!
//! A write to a pipe that nobody reads cannot be given up, and must not hold up the task that
//! hears of signals: therefore it has a thread of its own, reached through a bounded channel.
//! Whoever does not read holds up the program, and that the hub, without harm to anybody else.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{terminal, view};

/// Blocks of lines on their way to be written.
const BLOCKS: usize = 64;

/// How much is written at once, so that a flood costs few writes.
const BATCH_BYTES: usize = 64 * 1024;

/// How long to wait at the end for somebody to read what is shown last.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What comes of the writing, once the other end of the channel is dropped or nothing more can be
/// written; an error where the thread has gone without a word.
pub(crate) type Written = oneshot::Receiver<io::Result<()>>;

/// Starts a thread that takes blocks of lines, each without the end of the last, and gives them to
/// `show`. The channel is closed where that fails.
pub(crate) fn start(
    show: impl FnMut(String) -> io::Result<()> + Send + 'static,
) -> (mpsc::Sender<String>, Written) {
    let (sender, blocks) = mpsc::channel(BLOCKS);
    let (done, written) = oneshot::channel();
    // A thread that nobody waits for, since it may be in a write for ever.
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

/// Writes to standard output; lines that a terminal would break are broken with an indent.
pub(crate) fn show_plainly(block: String) -> io::Result<()> {
    match terminal::columns() {
        Some(columns) => show_exactly(view::wrap(&block, columns)),
        None => show_exactly(block),
    }
}

/// Writes to standard output as it is.
pub(crate) fn show_exactly(block: String) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(block.as_bytes())?;
    stdout.flush()
}
