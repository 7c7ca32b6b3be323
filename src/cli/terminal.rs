//! What there is to know about the terminal, and putting it right again.

use std::io::{self, IsTerminal};

/// How wide standard output's terminal is; `None` where it is no terminal.
pub(crate) fn columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(size.ws_col.into())
    }
    #[cfg(not(unix))]
    None
}

/// Whether one can edit a line here: both ends are a terminal that knows how to move its cursor.
pub(crate) fn can_edit() -> bool {
    let term = std::env::var_os("TERM").unwrap_or_default();
    // On Windows nobody sets it.
    let moves = term != "dumb" && (!term.is_empty() || cfg!(windows));
    io::stdin().is_terminal() && io::stdout().is_terminal() && moves
}

/// Whether standard output's terminal says how large it is: serial consoles, and some that a
/// container is given, do not, and nothing can be drawn on them.
pub(crate) fn has_size() -> bool {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout());
        size.is_ok_and(|size| size.ws_col > 0 && size.ws_row > 0)
    }
    #[cfg(not(unix))]
    true
}

/// Whether somebody is there who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether standard input is none that anybody feeds: a terminal, on which a person waits and does
/// not know for what, or a device like /dev/null, which services and cron give.
pub(crate) fn nothing_comes_in() -> bool {
    if io::stdin().is_terminal() {
        return true;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let stdin = std::fs::metadata("/dev/stdin");
        stdin.is_ok_and(|stdin| stdin.file_type().is_char_device())
    }
    #[cfg(not(unix))]
    false
}

/// The terminal's mode as it was; put back when this is dropped, in a panic too.
#[derive(Debug)]
pub(crate) struct Restore {
    #[cfg(unix)]
    mode: Option<rustix::termios::Termios>,
}

impl Restore {
    /// Remembers the mode of standard input's terminal, and makes it a quiet one: what is typed
    /// before the line editor looks is kept for it, not echoed in the middle of something else.
    pub(crate) fn quieten() -> Self {
        #[cfg(unix)]
        {
            let mode = rustix::termios::tcgetattr(io::stdin()).ok();
            if let Some(mut quiet) = mode.clone() {
                use rustix::termios::{InputModes, LocalModes};
                quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
                quiet.input_modes -= InputModes::ICRNL;
                set(&quiet);
            }
            Self { mode }
        }
        #[cfg(not(unix))]
        Self {}
    }
}

#[cfg(unix)]
fn set(mode: &rustix::termios::Termios) {
    // A terminal that has gone away needs nothing.
    let now = rustix::termios::OptionalActions::Now;
    let _ = rustix::termios::tcsetattr(io::stdin(), now, mode);
}

#[cfg(unix)]
impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(mode) = &self.mode {
            set(mode);
        }
    }
}
