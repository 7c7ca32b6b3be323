//! The list of chat commands.

use unicode_width::UnicodeWidthStr;

use super::input::commands::{COMMANDS, ChatCommand};

/// Returns what `/help` prints: one command per line.
pub(crate) fn help() -> String {
    let first = ("TEXT".to_owned(), "post to the current room".to_owned());
    let last = ("//TEXT".to_owned(), "post a text that begins with a slash".to_owned());
    let all = COMMANDS.iter().map(|command| (command.usage(), description(command)));
    let lines: Vec<_> = std::iter::once(first).chain(all).chain([last]).collect();
    let width = lines.iter().map(|(usage, _)| usage.width()).max().unwrap_or_default();
    let lines = lines.iter().map(|(usage, help)| format!("  {usage:width$}  {help}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn description(command: &ChatCommand) -> String {
    let aliases = command.aliases.iter().map(|alias| format!("/{alias}"));
    let also: Vec<_> = aliases.chain(command.also.iter().map(|&also| also.to_owned())).collect();
    match also.as_slice() {
        [] => command.help.to_owned(),
        also => format!("{} (also: {})", command.help, also.join(", ")),
    }
}
