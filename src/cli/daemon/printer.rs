//! What `chinwagd` prints: text, or JSON objects.

use std::{
    fmt::Display,
    io::{self, Write},
};

use super::error::{Error, Result};
use crate::cli::{json::JsonLine, output::print_message};

/// Prints lines, each in a single write.
pub(super) struct Printer {
    /// Whether to print JSON objects.
    pub(super) json: bool,
}

impl Printer {
    /// Prints to standard output. Errors if it cannot be written.
    pub(super) fn print(&self, line: JsonLine<'_>, text: impl Display) -> Result<()> {
        let line = match self.json {
            true => line.to_json().map_err(|error| Error::output(error.into()))?,
            false => text.to_string(),
        };
        io::stdout().lock().write_all(format!("{line}\n").as_bytes()).map_err(Error::output)
    }

    /// Prints a notice to standard error.
    pub(super) fn notice(&self, message: &str) {
        self.complain(&JsonLine::Notice { message }, message);
    }

    /// Prints why the program fails to standard error.
    pub(super) fn failure(&self, error: &Error) {
        self.complain(&error.to_json(), &error.to_string());
    }

    fn complain(&self, line: &JsonLine<'_>, text: &str) {
        print_message("chinwagd", self.json, line, text);
    }
}
