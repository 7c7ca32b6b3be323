//! The line editor.
//!
//! A thread reads one line per [`PromptRequest`], so that the prompt names the right room and a line is
//! handled before the next one begins.
//!
//! Output goes through the printer of the editor, which puts it above the line that is being typed.
//! Between two lines the printer would write at once, ahead of output that waits inside the editor. So
//! [`PrintGate`] holds output back until a line is being edited, which keeps it in order.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::{Arc, mpsc as std_mpsc},
};

use parking_lot::{Condvar, Mutex};
use rustyline::{
    Config, Context, ExternalPrinter, Helper,
    completion::Completer,
    highlight::Highlighter,
    hint::Hinter,
    history::DefaultHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::sync::mpsc;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::{
    chat::{history_file, input},
    stdin, terminal,
    wrap::wrap_indented,
    writer::show_plainly,
};

/// Clears the line being typed and turns bracketed paste off, as the editor does when it ends.
const LEAVE_LINE: &str = "\r\x1b[J\x1b[?2004l";

type Lines = mpsc::Receiver<io::Result<stdin::InputLine>>;
type Show = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// The handle of the editor thread.
pub(super) struct Editor {
    prompts: Option<std_mpsc::Sender<PromptRequest>>,
    gate: Arc<PrintGate>,
    restore: Option<terminal::RestoreMode>,
}

/// Asks the editor thread for a line.
struct PromptRequest {
    prompt: String,
    /// Whether to clear the previous line from the screen.
    wipe: bool,
}

/// Opens the editor. Lines come from the channel; `Show` prints above the line that is being typed.
pub(super) fn open(file: Option<PathBuf>) -> rustyline::Result<(Editor, Lines, Show)> {
    let restore = terminal::RestoreMode::quiet();
    let gate = Arc::new(PrintGate::default());
    let config =
        Config::builder().max_history_size(history_file::MAX_LINES)?.history_ignore_dups(true)?;
    let mut editor = Rustyline::with_config(config.build())?;
    editor.set_helper(Some(EditorHooks(gate.clone())));
    let mut printer = editor.create_external_printer()?;
    for line in file.as_deref().and_then(|file| history_file::load(file).ok()).unwrap_or_default() {
        editor.add_history_entry(line)?;
    }

    // One line is enough: the next request comes only after the line was received.
    let (lines, typed) = mpsc::channel(1);
    let (prompts, request) = std_mpsc::channel();
    let thread = EditorThread { editor, file, prompts: request, lines, gate: gate.clone() };
    std::thread::spawn(move || thread.run());

    let held = gate.clone();
    let show = move |block: String| {
        if !held.wait() {
            return show_plainly(block);
        }
        let columns = terminal::columns().unwrap_or(usize::MAX);
        // Fails if the editor has ended meanwhile.
        printer.print(wrap_indented(&block, columns)).or_else(|_| show_plainly(block))
    };
    Ok((Editor { prompts: Some(prompts), gate, restore: Some(restore) }, typed, Box::new(show)))
}

impl Editor {
    pub(super) fn prompt(&self, prompt: String, wipe: bool) {
        if let Some(prompts) = &self.prompts {
            // Fails if the thread has ended with the input, which closes the channel of lines.
            let _ = prompts.send(PromptRequest { prompt, wipe });
        }
    }

    /// Ends the editor, even in the middle of a line, and restores the terminal.
    pub(super) fn stop(&mut self) {
        self.prompts = None;
        let in_a_line = self.gate.set(EditorPhase::Over) == EditorPhase::Editing;
        drop(self.restore.take());
        if in_a_line {
            let mut stdout = io::stdout().lock();
            // Fails if the terminal is gone.
            let _ = stdout.write_all(LEAVE_LINE.as_bytes()).and_then(|()| stdout.flush());
        }
    }
}

type Rustyline = rustyline::Editor<EditorHooks, DefaultHistory>;

struct EditorThread {
    editor: Rustyline,
    file: Option<PathBuf>,
    prompts: std_mpsc::Receiver<PromptRequest>,
    lines: mpsc::Sender<io::Result<stdin::InputLine>>,
    gate: Arc<PrintGate>,
}

impl EditorThread {
    fn run(mut self) {
        let mut before = String::new();
        while let Ok(request) = self.prompts.recv() {
            if request.wipe {
                self.wipe(&before);
            }
            // Ctrl-C, Ctrl-D and a lost terminal all end the input.
            let Ok(line) = self.editor.readline(&request.prompt) else { break };
            self.gate.set_unless_over(EditorPhase::Between);
            self.remember(&line);
            before = request.prompt + &line;
            if self.lines.blocking_send(Ok(stdin::InputLine::Text(line))).is_err() {
                break;
            }
        }
        self.gate.set(EditorPhase::Over);
    }

    /// Clears the typed line and its prompt, which end right above the cursor.
    fn wipe(&mut self, typed: &str) {
        let Some((columns, rows)) = self.editor.dimensions() else { return };
        let used = rows_of(typed, columns.into());
        // What has scrolled off the screen cannot be cleared.
        if let Some(used) = used.filter(|&used| used < usize::from(rows)) {
            let mut stdout = io::stdout().lock();
            let _ = write!(stdout, "\x1b[{used}A\r\x1b[J").and_then(|()| stdout.flush());
        }
    }

    /// Adds a line to the history of this chat, and to the file for later ones unless it is private.
    fn remember(&mut self, typed: &str) {
        let new = !typed.trim().is_empty() && self.editor.add_history_entry(typed).unwrap_or(false);
        if let Some(file) = &self.file
            && new
            && !typed.contains('\n')
            && !input::is_private(typed)
        {
            // The chat works without the file.
            let _ = history_file::append(file, typed);
        }
    }
}

/// Returns how many rows the editor uses for a line; `None` if terminals disagree on its width.
fn rows_of(line: &str, columns: usize) -> Option<usize> {
    let (mut row, mut column) = (0, 0);
    for c in line.chars() {
        if c == '\n' {
            (row, column) = (row + 1, 0);
            continue;
        }
        let width = c.width().filter(|&width| width > 0)?;
        column += width;
        if column > columns {
            (row, column) = (row + 1, width);
        }
    }
    // Joined characters are narrower together than apart.
    let joined = line.lines().map(UnicodeWidthStr::width).sum::<usize>();
    let apart = line.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
    (joined == apart).then_some(row + 1 + usize::from(column == columns))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum EditorPhase {
    /// Between two lines: output waits.
    #[default]
    Between,
    Editing,
    /// The editor has ended: output is written at once.
    Over,
}

/// Holds output back until a line is being edited.
#[derive(Debug, Default)]
struct PrintGate {
    phase: Mutex<EditorPhase>,
    changed: Condvar,
}

impl PrintGate {
    fn set(&self, phase: EditorPhase) -> EditorPhase {
        let mut now = self.phase.lock();
        self.changed.notify_all();
        std::mem::replace(&mut now, phase)
    }

    fn set_unless_over(&self, phase: EditorPhase) {
        let mut now = self.phase.lock();
        if *now != EditorPhase::Over {
            *now = phase;
            self.changed.notify_all();
        }
    }

    /// Waits while the editor is between two lines. Returns true if a line is being edited then.
    fn wait(&self) -> bool {
        let mut now = self.phase.lock();
        self.changed.wait_while(&mut now, |phase| *phase == EditorPhase::Between);
        *now == EditorPhase::Editing
    }
}

/// Detects when the editor begins and ends a line: it asks for a hint whenever it draws, and for
/// validation when a line is complete, before it leaves the raw mode of the terminal.
struct EditorHooks(Arc<PrintGate>);

impl Hinter for EditorHooks {
    type Hint = String;

    fn hint(&self, _line: &str, _pos: usize, _context: &Context<'_>) -> Option<String> {
        self.0.set_unless_over(EditorPhase::Editing);
        None
    }
}

impl Validator for EditorHooks {
    fn validate(
        &self,
        _context: &mut ValidationContext<'_>,
    ) -> rustyline::Result<ValidationResult> {
        self.0.set_unless_over(EditorPhase::Between);
        Ok(ValidationResult::Valid(None))
    }
}

impl Completer for EditorHooks {
    type Candidate = String;
}

impl Highlighter for EditorHooks {}

impl Helper for EditorHooks {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_the_editor_fills_them() {
        assert_eq!(rows_of("lobby> hi", 20), Some(1));
        assert_eq!(rows_of("lobby> 123456789012", 20), Some(1));
        assert_eq!(rows_of("lobby> 1234567890123", 20), Some(2), "the cursor is in the next row");
        assert_eq!(rows_of("lobby> 12345678901234", 20), Some(2));
        assert_eq!(rows_of("lobby> a\nb", 20), Some(2));
        assert_eq!(rows_of("日本語日本語", 7), Some(2));
    }

    #[test]
    fn rows_are_not_guessed() {
        for odd in ["\t", "e\u{301}", "👩\u{200d}👧", "\x1b"] {
            assert_eq!(rows_of(odd, 20), None, "{odd:?}");
        }
    }

    #[test]
    fn the_gate_is_open_while_a_line_is_edited_and_after_the_last() {
        let gate = Arc::new(PrintGate::default());
        gate.set_unless_over(EditorPhase::Editing);
        assert!(gate.wait());
        gate.set_unless_over(EditorPhase::Between);
        let waiting = std::thread::spawn({
            let gate = gate.clone();
            move || gate.wait()
        });
        assert_eq!(gate.set(EditorPhase::Over), EditorPhase::Between);
        assert!(!waiting.join().unwrap());
        gate.set_unless_over(EditorPhase::Editing);
        assert!(!gate.wait(), "over is over");
    }
}
