//! Input and output of a chat in line mode: a line editor on a terminal, or plain streams.
//!
//! Both are threads behind bounded channels, since not every system can poll terminals and pipes.

use std::{io, path::PathBuf};

use tokio::sync::mpsc;

use super::editor::{self, Editor};
use crate::cli::{
    stdin, terminal,
    writer::{self, LAST_WORDS, Written},
};

/// Input and output.
pub(crate) struct Console {
    /// Typed lines; closed at the end of the input.
    pub(crate) typed: mpsc::Receiver<io::Result<stdin::InputLine>>,
    /// Blocks of lines to show, without the last line break. Closed once nobody can read them.
    pub(crate) shown: mpsc::Sender<String>,
    written: Written,
    editor: Option<Editor>,
}

impl Console {
    /// Opens a line editor on a terminal. `typed` is the file with the lines of earlier chats, if there
    /// is one.
    pub(crate) fn open(typed: Option<PathBuf>) -> Self {
        let edited = terminal::can_edit().then(|| editor::open(typed)).transpose();
        let ((shown, written), typed, editor) = match edited {
            Ok(Some((editor, typed, show))) => (writer::start(show), typed, Some(editor)),
            // A terminal that the editor cannot handle is used like a pipe.
            Ok(None) | Err(_) => (writer::start(writer::show_plainly), stdin::lines(), None),
        };
        Self { typed, shown, written, editor }
    }

    /// Returns true if there is a line editor.
    pub(crate) fn is_edited(&self) -> bool {
        self.editor.is_some()
    }

    /// Asks for the next line. `wipe` clears the last one from the screen, because it will be shown in
    /// another form. Does nothing without a line editor.
    pub(crate) fn prompt(&self, prompt: String, wipe: bool) {
        if let Some(editor) = &self.editor {
            editor.prompt(prompt, wipe);
        }
    }

    /// Ends the input, so that the remaining output is shown at once.
    pub(crate) fn stop_typing(&mut self) {
        self.typed.close();
        if let Some(editor) = &mut self.editor {
            editor.stop();
        }
    }

    /// Shows what is left and restores the terminal.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        self.stop_typing();
        drop(self.shown);
        match tokio::time::timeout(LAST_WORDS, self.written).await {
            Ok(Ok(written)) => written,
            // Nobody reads it.
            _ => Ok(()),
        }
    }
}
