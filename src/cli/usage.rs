//! Usage errors and help of both programs, as clap writes them or as JSON objects.

use std::{
    ffi::OsString,
    io::{self, Write as _},
};

use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

use super::{
    failure::USAGE,
    json::{JsonLine, LocalReason},
};

/// Prints help, or why a command line is wrong, and returns the exit code.
pub(crate) fn print(error: &clap::Error, args: &[OsString]) -> u8 {
    let line = (error.use_stderr() && asks_for_json(args)).then(|| object(error).to_json().ok());
    // If standard error is closed, nobody can be told.
    let _ = match line.flatten() {
        Some(line) => writeln!(io::stderr(), "{line}"),
        None => error.print(),
    };
    u8::try_from(error.exit_code()).unwrap_or(USAGE)
}

/// Returns true if `--json` is among the options of a command line that cannot be parsed.
fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}

/// Returns the first paragraph as the message, and the others, such as the usage, as the remedy.
fn object(error: &clap::Error) -> JsonLine<'static> {
    let text = match error.kind() {
        // The help would follow.
        DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing\n\ntry '--help'".into(),
        _ => error.render().to_string(),
    };
    let one_line = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.trim().split("\n\n").map(one_line);
    let message = paragraphs.next().unwrap_or_default();
    let rest: Vec<String> = paragraphs.collect();
    JsonLine::Error {
        exit_code: USAGE,
        reason: LocalReason::Usage.into(),
        message: message.strip_prefix("error: ").unwrap_or(&message).to_owned(),
        remedy: (!rest.is_empty()).then(|| rest.join("; ")),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_after_two_dashes_is_a_text() {
        let asks =
            |args: &[&str]| asks_for_json(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(asks(&["chinwag", "peers", "--json", "--nonsense"]));
        assert!(!asks(&["chinwag", "post", "lobby", "--", "--json"]));
    }
}
