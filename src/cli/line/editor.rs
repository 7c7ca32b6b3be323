//! The line editor of a terminal.
//!
//! A thread of its own reads one line at a time, each when it is told to: so the prompt names the
//! right room, and a line that was typed is dealt with before the next one begins.
//!
//! What is to be shown meanwhile goes through the editor's printer, which puts it above the line
//! that is being typed. Between two lines the printer would write at once, past what waits inside
//! the editor; therefore nothing is given to it unless a line is being edited ([`Gate`]), and
//! things are shown in the order in which they came.

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
    chat::{input, typed},
    stdin, terminal, view,
    writer::show_plainly,
};

/// Clears the line being typed and switches bracketed paste off, as the editor does at its end.
const LEAVE_LINE: &str = "\r\x1b[J\x1b[?2004l";

type Lines = mpsc::Receiver<io::Result<stdin::Line>>;
type Show = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// What the chat holds of the editor.
pub(super) struct Editor {
    turns: Option<std_mpsc::Sender<Turn>>,
    gate: Arc<Gate>,
    restore: Option<terminal::Restore>,
}

/// Leave to read a line.
struct Turn {
    prompt: String,
    /// Whether to wipe the line before.
    wipe: bool,
}

/// Opens the editor: lines come out of the first channel, and `Show` shows something above the
/// line that is being typed.
pub(super) fn open(file: PathBuf) -> rustyline::Result<(Editor, Lines, Show)> {
    let restore = terminal::Restore::quieten();
    let gate = Arc::new(Gate::default());
    let config = Config::builder().max_history_size(typed::MAX_LINES)?.history_ignore_dups(true)?;
    let mut editor = Rustyline::with_config(config.build())?;
    editor.set_helper(Some(Hooks(gate.clone())));
    let mut printer = editor.create_external_printer()?;
    for line in typed::load(&file).unwrap_or_default() {
        editor.add_history_entry(line)?;
    }

    // One line at a time: the next turn comes only after the line was taken.
    let (lines, typed) = mpsc::channel(1);
    let (turns, turn) = std_mpsc::channel();
    let thread = Thread { editor, file, turns: turn, lines, gate: gate.clone() };
    std::thread::spawn(move || thread.run());

    let held = gate.clone();
    let show = move |block: String| {
        if !held.wait() {
            return show_plainly(block);
        }
        let columns = terminal::columns().unwrap_or(usize::MAX);
        // It fails where the editor has ended meanwhile.
        printer.print(view::wrap(&block, columns)).or_else(|_| show_plainly(block))
    };
    Ok((Editor { turns: Some(turns), gate, restore: Some(restore) }, typed, Box::new(show)))
}

impl Editor {
    pub(super) fn prompt(&self, prompt: String, wipe: bool) {
        if let Some(turns) = &self.turns {
            // The thread has ended with the input; that will be heard.
            let _ = turns.send(Turn { prompt, wipe });
        }
    }

    /// Ends the editing, in the middle of a line too, and restores the terminal.
    pub(super) fn stop(&mut self) {
        self.turns = None;
        let in_a_line = self.gate.set(Mode::Over) == Mode::Editing;
        drop(self.restore.take());
        if in_a_line {
            let mut stdout = io::stdout().lock();
            // A terminal that has gone away needs nothing.
            let _ = stdout.write_all(LEAVE_LINE.as_bytes()).and_then(|()| stdout.flush());
        }
    }
}

type Rustyline = rustyline::Editor<Hooks, DefaultHistory>;

/// The thread that reads lines.
struct Thread {
    editor: Rustyline,
    file: PathBuf,
    turns: std_mpsc::Receiver<Turn>,
    lines: mpsc::Sender<io::Result<stdin::Line>>,
    gate: Arc<Gate>,
}

impl Thread {
    fn run(mut self) {
        let mut before = String::new();
        while let Ok(turn) = self.turns.recv() {
            if turn.wipe {
                self.wipe(&before);
            }
            // Ctrl-C, Ctrl-D, or a terminal that has gone away: all are the end of the input.
            let Ok(line) = self.editor.readline(&turn.prompt) else { break };
            self.gate.set_unless_over(Mode::Between);
            self.remember(&line);
            before = turn.prompt + &line;
            if self.lines.blocking_send(Ok(stdin::Line::Text(line))).is_err() {
                break;
            }
        }
        self.gate.set(Mode::Over);
    }

    /// Wipes what was typed, with its prompt, which ends right above the cursor.
    fn wipe(&mut self, typed: &str) {
        let Some((columns, rows)) = self.editor.dimensions() else { return };
        let used = rows_of(typed, columns.into());
        // What has scrolled away cannot be wiped.
        if let Some(used) = used.filter(|&used| used < usize::from(rows)) {
            let mut stdout = io::stdout().lock();
            let _ = write!(stdout, "\x1b[{used}A\r\x1b[J").and_then(|()| stdout.flush());
        }
    }

    /// Keeps what was typed for this chat, and a line for later ones unless it is private.
    fn remember(&mut self, typed: &str) {
        let new = !typed.trim().is_empty() && self.editor.add_history_entry(typed).unwrap_or(false);
        if new && !typed.contains('\n') && !input::is_private(typed) {
            // The chat goes on without its memory.
            let _ = typed::append(&self.file, typed);
        }
    }
}

/// How many rows the editor takes for a line; `None` where terminals disagree on the width of
/// what is in it.
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
    // Characters that join others are narrower together than apart.
    let joined = line.lines().map(UnicodeWidthStr::width).sum::<usize>();
    let apart = line.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
    (joined == apart).then_some(row + 1 + usize::from(column == columns))
}

/// What the editor is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// Between two lines: what is to be shown waits.
    #[default]
    Between,
    /// A line is being edited.
    Editing,
    /// No more lines: what is to be shown is written straight away.
    Over,
}

/// Holds back what is to be shown until a line is being edited.
#[derive(Debug, Default)]
struct Gate {
    mode: Mutex<Mode>,
    changed: Condvar,
}

impl Gate {
    /// Sets the mode and returns the one before.
    fn set(&self, mode: Mode) -> Mode {
        let mut now = self.mode.lock();
        self.changed.notify_all();
        std::mem::replace(&mut now, mode)
    }

    fn set_unless_over(&self, mode: Mode) {
        let mut now = self.mode.lock();
        if *now != Mode::Over {
            *now = mode;
            self.changed.notify_all();
        }
    }

    /// Waits as long as the editor is between two lines; then says whether one is being edited.
    fn wait(&self) -> bool {
        let mut now = self.mode.lock();
        self.changed.wait_while(&mut now, |mode| *mode == Mode::Between);
        *now == Mode::Editing
    }
}

/// Hears from the editor when it begins and ends with a line: it asks for a hint first whenever it
/// draws, and for validation when the line is complete, before it leaves the terminal's raw mode.
struct Hooks(Arc<Gate>);

impl Hinter for Hooks {
    type Hint = String;

    fn hint(&self, _line: &str, _pos: usize, _context: &Context<'_>) -> Option<String> {
        self.0.set_unless_over(Mode::Editing);
        None
    }
}

impl Validator for Hooks {
    fn validate(
        &self,
        _context: &mut ValidationContext<'_>,
    ) -> rustyline::Result<ValidationResult> {
        self.0.set_unless_over(Mode::Between);
        Ok(ValidationResult::Valid(None))
    }
}

impl Completer for Hooks {
    type Candidate = String;
}

impl Highlighter for Hooks {}

impl Helper for Hooks {}

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
        let gate = Arc::new(Gate::default());
        gate.set_unless_over(Mode::Editing);
        assert!(gate.wait());
        gate.set_unless_over(Mode::Between);
        let waiting = std::thread::spawn({
            let gate = gate.clone();
            move || gate.wait()
        });
        assert_eq!(gate.set(Mode::Over), Mode::Between);
        assert!(!waiting.join().unwrap());
        gate.set_unless_over(Mode::Editing);
        assert!(!gate.wait(), "over is over");
    }
}
