//! Where a chat reads lines and shows lines: a terminal with a line editor, or plain standard input
//! and output.
//!
//! Both ends are threads, since neither a terminal nor a pipe can be waited for in another way
//! everywhere, and both are reached through bounded channels.

use std::{io, path::PathBuf};

use tokio::sync::mpsc;

use super::editor::{self, Editor};
use crate::cli::{
    stdin, terminal,
    writer::{self, LAST_WORDS, Written},
};

/// The two ends.
pub(crate) struct Console {
    /// What is typed; closed at its end.
    pub(crate) typed: mpsc::Receiver<io::Result<stdin::Line>>,
    /// What is to be shown: lines, without the end of the last. Closed where nobody can read it.
    pub(crate) shown: mpsc::Sender<String>,
    written: Written,
    editor: Option<Editor>,
}

impl Console {
    /// Takes a line editor where standard input and output are a terminal. `typed` is the file
    /// with the lines of earlier chats.
    pub(crate) fn open(typed: PathBuf) -> Self {
        let edited = terminal::can_edit().then(|| editor::open(typed)).transpose();
        let ((shown, written), typed, editor) = match edited {
            Ok(Some((editor, typed, show))) => (writer::start(show), typed, Some(editor)),
            // A terminal that the editor cannot handle is as good as a pipe.
            Ok(None) | Err(_) => (writer::start(writer::show_plainly), stdin::lines(), None),
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
