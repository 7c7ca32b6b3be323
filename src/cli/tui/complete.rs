//! Finds the completions of a word: commands, names and rooms.

use crate::{
    cli::chat::input::commands::{COMMANDS, ChatCommand, Takes},
    model::{Name, RoomName},
};

/// The most completions: more than anybody looks through.
const MAX_COMPLETIONS: usize = 100;

/// The names and rooms that a word can be completed to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Candidates<'a> {
    /// The most likely ones first.
    pub(crate) names: &'a [Name],
    /// The most likely ones first.
    pub(crate) rooms: &'a [RoomName],
}

/// The completions to choose from, shown above the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompletionMenu {
    /// At least two.
    pub(crate) completions: Vec<Completion>,
    /// The index of the inserted one, or `None` for the typed word.
    pub(crate) selected: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    /// What replaces the word.
    pub(crate) text: String,
    /// What the menu shows: for a command, with its arguments.
    pub(crate) shown: String,
    /// What a command does, or nothing.
    pub(crate) about: &'static str,
}

/// The completions of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matches {
    /// The character offset in the line where the word begins. It ends at the cursor.
    pub(super) from: usize,
    /// At least one.
    pub(super) completions: Vec<Completion>,
}

/// Finds the completions of the word before the cursor. `before` and `after` are the parts of the line
/// on both sides of it. Commands are completed only if this is the `first` line.
pub(super) fn find(
    before: &str,
    after: &str,
    first: bool,
    candidates: Candidates<'_>,
) -> Option<Matches> {
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |blank| blank + before[blank..].chars().next().map_or(0, char::len_utf8));
    let (head, word) = before.split_at(start);
    let mut completions = match (head.trim_start(), word.strip_prefix('/')) {
        ("", Some(command)) if first => commands(command),
        ("", Some(_)) => Vec::new(),
        (head, _) => match head.strip_prefix('/').filter(|rest| first && !rest.starts_with('/')) {
            Some(command) => arguments(command, word, candidates),
            None => names(word, if head.is_empty() { ": " } else { " " }, candidates),
        },
    };
    completions.truncate(MAX_COMPLETIONS);
    // There is a blank already.
    if after.starts_with(char::is_whitespace) {
        completions.iter_mut().for_each(|it| {
            it.text.truncate(it.text.trim_end().len());
        });
    }
    (!completions.is_empty()).then(|| Matches { from: head.chars().count(), completions })
}

fn commands(prefix: &str) -> Vec<Completion> {
    let prefix = prefix.to_lowercase();
    let fits = |command: &'static ChatCommand| {
        let name = command.names().find(|name| name.starts_with(&prefix))?;
        let blank = if command.args.is_empty() { "" } else { " " };
        Some(Completion {
            text: format!("/{name}{blank}"),
            shown: command.usage(),
            about: command.help,
        })
    };
    COMMANDS.iter().filter_map(fits).collect()
}

/// Completes an argument of a command. `head` is the text before the argument.
fn arguments(head: &str, prefix: &str, candidates: Candidates<'_>) -> Vec<Completion> {
    let mut head = head.split_whitespace();
    let Some(command) = head.next().and_then(ChatCommand::find) else { return Vec::new() };
    match command.takes {
        // A text may contain names.
        Takes::Name | Takes::Other => names(prefix, " ", candidates),
        Takes::Room | Takes::OneOf(_) if head.next().is_some() => Vec::new(),
        Takes::Room => {
            let (sign, prefix) = split_sign(prefix, "#");
            let prefix = normalized(prefix);
            let fits = candidates.rooms.iter().filter(|room| room.as_str().starts_with(&prefix));
            fits.map(|room| plain(format!("{sign}{room} "))).collect()
        }
        Takes::OneOf(words) => {
            let prefix = prefix.to_lowercase();
            let fits = words.iter().filter(|word| word.starts_with(&prefix));
            fits.map(|&word| plain(word.to_owned())).collect()
        }
    }
}

/// Completes a name and keeps a leading `@`.
fn names(prefix: &str, end: &str, candidates: Candidates<'_>) -> Vec<Completion> {
    let (sign, prefix) = split_sign(prefix, "@");
    let prefix = normalized(prefix);
    let fits = candidates.names.iter().filter(|name| name.as_str().starts_with(&prefix));
    fits.map(|name| plain(format!("{sign}{name}{end}"))).collect()
}

/// Splits off a sign that a word may begin with.
fn split_sign<'a>(word: &'a str, sign: &'static str) -> (&'static str, &'a str) {
    word.strip_prefix(sign).map_or(("", word), |rest| (sign, rest))
}

fn plain(text: String) -> Completion {
    Completion { shown: text.trim_end_matches([' ', ':']).to_owned(), text, about: "" }
}

/// The beginning of a name in its normalized form.
fn normalized(prefix: &str) -> String {
    Name::parse(prefix).map_or_else(|_| prefix.to_lowercase(), |name| name.to_string())
}

#[cfg(test)]
mod tests;
