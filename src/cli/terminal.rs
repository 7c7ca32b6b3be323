//! Properties of the terminal, and a guard that restores its mode.

mod background;

pub(crate) use self::background::query_background;

use std::io::{self, IsTerminal};

/// Returns the width of the terminal on standard output, or `None` if that is not a terminal.
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

/// Returns true if lines can be edited: both ends are a terminal that can move its cursor.
pub(crate) fn can_edit() -> bool {
    let term = std::env::var_os("TERM").unwrap_or_default();
    // It is usually not set on Windows.
    let moves = term != "dumb" && (!term.is_empty() || cfg!(windows));
    io::stdin().is_terminal() && io::stdout().is_terminal() && moves
}

/// Returns true if the terminal on standard output reports its size. Serial consoles and some
/// terminals of containers do not, and cannot be drawn on.
pub(crate) fn has_size() -> bool {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout());
        size.is_ok_and(|size| size.ws_col > 0 && size.ws_row > 0)
    }
    #[cfg(not(unix))]
    true
}

/// Returns true if a user can be asked questions.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Returns true if standard input is not meant as input: a terminal, whose user would not know what
/// to type, or a device such as /dev/null, as for services and cron jobs.
pub(crate) fn has_no_input() -> bool {
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

/// Restores the mode of the terminal when dropped, also in a panic.
pub(crate) struct RestoreMode {
    #[cfg(unix)]
    mode: Option<rustix::termios::Termios>,
}

impl RestoreMode {
    /// Switches the terminal on standard input to a mode without echo, so that what is typed before
    /// the line editor reads it does not appear in the middle of other output.
    pub(crate) fn quiet() -> Self {
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
    // Fails if the terminal is gone; then there is nothing to restore.
    let now = rustix::termios::OptionalActions::Now;
    let _ = rustix::termios::tcsetattr(io::stdin(), now, mode);
}

#[cfg(unix)]
impl Drop for RestoreMode {
    fn drop(&mut self) {
        if let Some(mode) = &self.mode {
            set(mode);
        }
    }
}
