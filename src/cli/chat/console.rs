//! Where a chat reads lines and shows lines: a terminal with a line editor, or plain standard input
//! and output.
//!
//! Both ends are threads, since neither a terminal nor a pipe can be waited for in another way
//! everywhere, and both are reached through bounded channels: whoever does not read what is shown
//! holds up the chat, and the chat the hub, without harm to anybody else.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::editor::{self, Editor};
use crate::cli::{stdin, terminal, view};

/// Blocks of lines on their way to be shown.
const BLOCKS: usize = 64;

/// How much is written at once, so that a flood costs few writes.
const BATCH_BYTES: usize = 64 * 1024;

/// How long to wait at the end for somebody to read what is shown last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The two ends.
pub(crate) struct Console {
    /// What is typed; closed at its end.
    pub(crate) typed: mpsc::Receiver<io::Result<stdin::Line>>,
    /// What is to be shown: lines, without the end of the last. Closed where nobody can read it.
    pub(crate) shown: mpsc::Sender<String>,
    written: oneshot::Receiver<io::Result<()>>,
    editor: Option<Editor>,
}

impl Console {
    /// Takes a line editor where standard input and output are a terminal. `typed` is the file
    /// with the lines of earlier chats.
    pub(crate) fn open(typed: PathBuf) -> Self {
        let (shown, blocks) = mpsc::channel(BLOCKS);
        let (done, written) = oneshot::channel();
        let edited = terminal::can_edit().then(|| editor::open(typed)).transpose();
        let (typed, editor) = match edited {
            Ok(Some((editor, typed, show))) => {
                std::thread::spawn(move || done.send(write_all(blocks, show)));
                (typed, Some(editor))
            }
            // A terminal that the editor cannot handle is as good as a pipe.
            Ok(None) | Err(_) => {
                std::thread::spawn(move || done.send(write_all(blocks, show_plainly)));
                (stdin::lines(), None)
            }
        };
        Self { typed, shown, written, editor }
    }

    /// Whether a person edits lines here.
    pub(crate) fn is_edited(&self) -> bool {
        self.editor.is_some()
    }

    /// Lets the person type the next line. The last one is wiped from the screen if it will be
    /// shown in another form. Nothing is to be done where no line editor waits.
    pub(crate) fn prompt(&self, prompt: String, wipe: bool) {
        if let Some(editor) = &self.editor {
            editor.prompt(prompt, wipe);
        }
    }

    /// Ends the typing, so that what is still to be shown waits for nobody.
    pub(crate) fn stop_typing(&mut self) {
        self.typed.close();
        if let Some(editor) = &mut self.editor {
            editor.stop();
        }
    }

    /// Shows what is left and gives the terminal back as it was.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        self.stop_typing();
        drop(self.shown);
        match tokio::time::timeout(LAST_WORDS, self.written).await {
            Ok(Ok(written)) => written,
            // Nobody reads; there is no more to be done for them.
            _ => Ok(()),
        }
    }
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
pub(super) fn show_plainly(block: String) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match terminal::columns() {
        Some(columns) => stdout.write_all(view::wrap(&block, columns).as_bytes())?,
        None => stdout.write_all(block.as_bytes())?,
    }
    stdout.flush()
}
