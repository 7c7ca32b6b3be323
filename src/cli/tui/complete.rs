//! What a word that is begun may become: a command, a name or a room. Pure functions.

use crate::{
    cli::chat::input::commands::{COMMANDS, Command, STATUSES, Takes},
    model::{Name, RoomName},
};

/// The most that is offered at once: more than anybody looks through.
const MAX_CHOICES: usize = 100;

/// What there is to be named.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Words<'a> {
    /// In the order of how likely they are meant.
    pub(crate) names: &'a [Name],
    /// Likewise.
    pub(crate) rooms: &'a [RoomName],
}

/// What could be chosen, to be shown beside the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Menu {
    /// At least two.
    pub(crate) choices: Vec<Choice>,
    /// Which one stands in the text now; none: what was typed.
    pub(crate) selected: Option<usize>,
}

/// One thing that could be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What takes the place of the word.
    pub(crate) text: String,
    /// How it is listed: a command with its words.
    pub(crate) shown: String,
    /// What it does, if there is anything to be said.
    pub(crate) about: &'static str,
}

/// A word and what it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where in the line it begins, in characters; it ends at the cursor.
    pub(super) from: usize,
    /// At least one.
    pub(super) choices: Vec<Choice>,
}

/// What the word before the cursor may become. `before` and `after` are what stands in the cursor's
/// line on both sides of it; `first`, whether that is the first line: commands stand there only.
pub(super) fn find(before: &str, after: &str, first: bool, words: Words<'_>) -> Option<Found> {
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |blank| blank + before[blank..].chars().next().map_or(0, char::len_utf8));
    let (head, word) = before.split_at(start);
    let mut choices = match (head.trim_start(), word.strip_prefix('/')) {
        ("", Some(command)) if first => commands(command),
        ("", Some(_)) => Vec::new(),
        (head, _) => match head.strip_prefix('/').filter(|rest| first && !rest.starts_with('/')) {
            Some(command) => arguments(command, word, words),
            None => names(word, if head.is_empty() { ": " } else { " " }, words),
        },
    };
    choices.truncate(MAX_CHOICES);
    // There is a blank already.
    if after.starts_with(char::is_whitespace) {
        choices.iter_mut().for_each(|choice| {
            choice.text.truncate(choice.text.trim_end().len());
        });
    }
    (!choices.is_empty()).then(|| Found { from: head.chars().count(), choices })
}

fn commands(begun: &str) -> Vec<Choice> {
    let begun = begun.to_lowercase();
    let fits = |command: &'static Command| {
        let name = command.names().find(|name| name.starts_with(&begun))?;
        let blank = if command.form.is_empty() { "" } else { " " };
        Some(Choice {
            text: format!("/{name}{blank}"),
            shown: command.written(),
            about: command.help,
        })
    };
    COMMANDS.iter().filter_map(fits).collect()
}

/// Completes a word of a command: `head` is what stands before it.
fn arguments(head: &str, begun: &str, words: Words<'_>) -> Vec<Choice> {
    let mut head = head.split_whitespace();
    let Some(command) = head.next().and_then(Command::find) else { return Vec::new() };
    match command.takes {
        // A text may name somebody, too.
        Takes::Name | Takes::Other => names(begun, " ", words),
        Takes::Room | Takes::Status if head.next().is_some() => Vec::new(),
        Takes::Room => {
            let begun = normalized(begun);
            let fits = |room: &&RoomName| room.as_str().starts_with(&begun);
            words.rooms.iter().filter(fits).map(|room| plain(format!("{room} "))).collect()
        }
        Takes::Status => {
            let begun = begun.to_lowercase();
            let fits = STATUSES.iter().filter(|status| status.starts_with(&begun));
            fits.map(|&status| plain(status.to_owned())).collect()
        }
    }
}

/// Completes a name; what was typed before it as a sign of calling somebody stays.
fn names(begun: &str, end: &str, words: Words<'_>) -> Vec<Choice> {
    let (sign, begun) = match begun.strip_prefix('@') {
        Some(begun) => ("@", begun),
        None => ("", begun),
    };
    let begun = normalized(begun);
    let fits = words.names.iter().filter(|name| name.as_str().starts_with(&begun));
    fits.map(|name| plain(format!("{sign}{name}{end}"))).collect()
}

fn plain(text: String) -> Choice {
    Choice { shown: text.trim_end_matches([' ', ':']).to_owned(), text, about: "" }
}

/// The beginning of a name as names are written.
fn normalized(begun: &str) -> String {
    Name::parse(begun).map_or_else(|_| begun.to_lowercase(), |name| name.to_string())
}

#[cfg(test)]
mod tests;
