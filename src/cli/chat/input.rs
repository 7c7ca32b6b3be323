//! Parses what is typed in a chat.
//!
//! Text that may be meant for one peer must not end up in a room. So a line that begins like a command
//! but is none is an error and is not posted; this applies to each line of a pasted text. A line begins
//! with the first character that a person sees: a mark of byte order or a zero-width space before a
//! command makes no text of it, and neither does a character that looks like the slash.

pub(crate) mod commands;
mod line_kind;

use self::{
    commands::{ChatCommand, Verb},
    line_kind::LineKind,
};
use crate::{
    cli::{search_terms::SearchTerms, theme::ThemeName, values},
    client::KeepFor,
    model::{Endpoint, Fingerprint, Invalid, Name, PeerStatus, RoomName, Text},
};

/// The number of messages that `/history` shows by default.
const DEFAULT_HISTORY: u32 = 20;

/// The most messages that `/history` shows: one page of a hub.
const MAX_HISTORY: u32 = 1000;

/// How many characters of an unknown command an error repeats.
const MAX_WORD: usize = 20;

/// The options of `chinwag search`, which `/search` does not have.
const SEARCH_OPTIONS: [&str; 6] =
    ["--newest", "--sender", "--since", "--until", "--limit", "--last"];

/// The argument of `/note` that removes the note.
const NO_NOTE: &str = "-";

/// A parsed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A blank line.
    Nothing,
    /// A message to the current room.
    Post(Text),
    /// Something that takes time.
    Ask(Request),
    /// List the hubs, or go to one.
    Hub(Option<String>),
    /// Show the status of the connection.
    ShowStatus,
    /// Change the colours of the full screen; `None` means to show which it has.
    Theme(Option<ThemeName>),
    /// Something that only the full screen has.
    OnScreen(ScreenCommand),
    Help,
    Quit,
    /// A line with an error, to be shown to the user. Nothing is sent.
    Invalid(String),
}

/// A command of the full screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScreenCommand {
    /// Copy this many of the latest messages, or the current one alone.
    Copy(Option<usize>),
    /// List the links of the chat. This one, counted from 1, is selected.
    Open(usize),
}

/// Something that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// List the peers.
    Peers,
    /// Send a direct message.
    Send { to: Name, text: Text },
    /// Open the conversation with a peer, if the user interface has conversations.
    Talk(Name),
    /// Queue a direct message.
    Queue { to: Name, text: Text },
    /// List queued messages.
    Outbox,
    /// Try to deliver queued messages now.
    Retry,
    /// Drop queued messages: all to the named peer, or the one whose id begins so.
    Drop(String),
    /// Send a direct message to an address.
    SendTo { to: Endpoint, text: Text },
    /// Join a room and make it the current one.
    Join(RoomName),
    /// Leave a room; `None` means the current one.
    Leave(Option<RoomName>),
    /// Mute or unmute notifications of a room; `None` means the current one.
    Mute { room: Option<RoomName>, muted: bool },
    /// List the rooms.
    Rooms,
    /// Show this many of the latest messages of the current room.
    History(u32),
    /// Search messages.
    Search(SearchTerms),
    /// Show how others join the hub.
    Link,
    /// Show the user's own key.
    Id,
    /// List the contacts.
    Contacts,
    /// Mark a key with this fingerprint as verified; without one, show the keys to compare.
    Verify { name: Name, key: Option<Fingerprint> },
    /// Accept the new key of a peer; without a key, show it.
    Accept { name: Name, key: Option<Fingerprint> },
    /// Block or unblock a peer.
    Block { name: Name, blocked: bool },
    /// Set the note on a peer; an empty text removes it.
    Note { name: Name, text: String },
    /// Show the note on a peer.
    ShowNote(Name),
    /// Remove a peer from the contact book, and what is kept of the peer.
    Forget(Name),
    /// Set how long direct messages with a peer are kept; `None` means the current one.
    Keep { name: Option<Name>, keep: KeepFor },
    /// Show how long they are kept.
    ShowKeep(Option<Name>),
    /// List the conversations of which messages are kept or queued.
    Conversations,
    /// Set the user's status.
    SetStatus(PeerStatus),
}

impl Request {
    /// Returns true if the request changes the current room.
    pub(crate) fn changes_room(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Leave(_))
    }
}

impl Input {
    /// Parses what was typed, without its final line break: one line, or several that were pasted.
    pub(crate) fn parse(typed: &str) -> Self {
        let parsed = no_command_inside(typed).and_then(|()| parse_line(typed));
        parsed.unwrap_or_else(|Invalid(problem)| Self::Invalid(problem))
    }
}

/// Returns true if a line is for or about one peer, or may be: such lines are not saved to a file.
pub(crate) fn is_private(typed: &str) -> bool {
    use Request::{Note, Queue, Send, SendTo, ShowNote, Talk};
    matches!(
        Input::parse(typed),
        Input::Invalid(_)
            | Input::Ask(
                Send { .. } | SendTo { .. } | Talk(_) | Queue { .. } | Note { .. } | ShowNote(_)
            )
    )
}

/// Errors if a command follows the first line: a pasted `/msg NAME TEXT` must stay private.
fn no_command_inside(typed: &str) -> Result<(), Invalid> {
    let mut later = typed.split(['\n', '\r']).skip(1);
    match later.position(begins_like_a_command) {
        None => Ok(()),
        Some(i) => Err(usage(&format!(
            "not sent: line {} begins like a command; send commands one at a time, or put a word \
             before it to post it",
            i + 2
        ))),
    }
}

/// Returns true if a line is a command, or looks like one to a person.
pub(crate) fn begins_like_a_command(line: &str) -> bool {
    !matches!(LineKind::of(line), LineKind::Blank | LineKind::Text(_))
}

fn parse_line(line: &str) -> Result<Input, Invalid> {
    match LineKind::of(line) {
        LineKind::Blank => Ok(Input::Nothing),
        LineKind::Text(text) => Text::parse(text).map(Input::Post),
        LineKind::Command(command) => parse_command(command),
        LineKind::Peers => Ok(Input::Ask(Request::Peers)),
        LineKind::P2p(rest) => p2p_words(rest),
        LineKind::Lookalike(seen) => Err(usage(&format!(
            "not sent: it begins with {seen}, which only looks like a command; to post it, put a \
             word before it"
        ))),
    }
}

/// Parses the syntax of the original program, `P2P HOST PORT TEXT`.
fn p2p_words(rest: &str) -> Result<Input, Invalid> {
    let (host, rest) = first_word(rest);
    let (port, text) = first_word(rest);
    let to = match port.parse::<u32>() {
        Ok(port) if !text.is_empty() => Endpoint::new(host, port)?,
        _ => {
            return Err(usage(
                "usage: P2P HOST PORT TEXT sends to an address; to post a text that begins with P2P, \
                 put a word before it",
            ));
        }
    };
    Ok(Input::Ask(Request::SendTo { to, text: Text::parse(text)? }))
}

fn parse_command(typed: &str) -> Result<Input, Invalid> {
    let (word, rest) = first_word(typed);
    let command = ChatCommand::find(word).ok_or_else(|| no_command(word))?;
    if command.args.is_empty() && !rest.is_empty() {
        return Err(usage(&format!("/{word} takes no arguments")));
    }
    if rest.is_empty() && !command.args.is_empty() && !command.args.starts_with('[') {
        return Err(missing(command));
    }
    with_words(command, rest)
}

fn no_command(word: &str) -> Invalid {
    let word: String = word.chars().take(MAX_WORD).collect();
    usage(&match ChatCommand::nearest(&word) {
        Some(name) => format!("unknown command /{word}: did you mean /{name}?"),
        None => format!("unknown command /{word}: /help lists all commands"),
    })
}

fn with_words(command: &ChatCommand, rest: &str) -> Result<Input, Invalid> {
    let room = || (!rest.is_empty()).then(|| values::room(rest)).transpose();
    let (first, more) = first_word(rest);
    Ok(Input::Ask(match command.verb {
        Verb::Help => return Ok(Input::Help),
        Verb::Quit => return Ok(Input::Quit),
        Verb::Hub => return Ok(Input::Hub((!rest.is_empty()).then(|| rest.to_owned()))),
        Verb::Theme if rest.is_empty() => return Ok(Input::Theme(None)),
        Verb::Theme => {
            let theme = ThemeName::parse(&rest.to_lowercase()).map_err(|why| usage(&why))?;
            return Ok(Input::Theme(Some(theme)));
        }
        Verb::Status if rest.is_empty() => return Ok(Input::ShowStatus),
        Verb::Msg if more.is_empty() => Request::Talk(values::peer(first)?),
        Verb::Msg => Request::Send { to: values::peer(first)?, text: Text::parse(more)? },
        Verb::Queue | Verb::P2p if more.is_empty() => return Err(missing(command)),
        Verb::Queue => Request::Queue { to: values::peer(first)?, text: Text::parse(more)? },
        Verb::P2p => Request::SendTo { to: Endpoint::parse(first)?, text: Text::parse(more)? },
        Verb::Drop if more.is_empty() => Request::Drop(first.to_lowercase()),
        Verb::Drop => return Err(usage(&format!("only one at a time: {}", command.usage()))),
        Verb::Join => Request::Join(values::room(rest)?),
        Verb::Leave => Request::Leave(room()?),
        Verb::Mute => Request::Mute { room: room()?, muted: true },
        Verb::Unmute => Request::Mute { room: room()?, muted: false },
        Verb::History => Request::History(history(rest)?),
        Verb::Search
            if let Some(option) =
                rest.split_whitespace().find(|word| SEARCH_OPTIONS.contains(word)) =>
        {
            return Err(usage(&format!(
                "{option} is an option of `chinwag search`; in the chat, from:, in:, after: and \
                 before: narrow a search (as a word: \"{option}\")"
            )));
        }
        Verb::Search => {
            Request::Search(SearchTerms::parse(rest).map_err(|error| usage(&error.to_string()))?)
        }
        Verb::Verify => Request::Verify { name: values::peer(first)?, key: fingerprint(more)? },
        Verb::Accept => Request::Accept { name: values::peer(first)?, key: fingerprint(more)? },
        Verb::Block => Request::Block { name: values::peer(rest)?, blocked: true },
        Verb::Unblock => Request::Block { name: values::peer(rest)?, blocked: false },
        Verb::Note if more.is_empty() => Request::ShowNote(values::peer(first)?),
        Verb::Note => {
            let text = if more == NO_NOTE { "" } else { more };
            Request::Note { name: values::peer(first)?, text: text.to_owned() }
        }
        Verb::Forget => Request::Forget(values::peer(rest)?),
        Verb::Keep if rest.is_empty() => Request::ShowKeep(None),
        Verb::Keep if more.is_empty() => Request::Keep { name: None, keep: values::keep(first)? },
        Verb::Keep => Request::Keep { name: Some(values::peer(first)?), keep: values::keep(more)? },
        Verb::Status => Request::SetStatus(status(rest)?),
        Verb::Away => Request::SetStatus(PeerStatus::Away),
        Verb::Back => Request::SetStatus(PeerStatus::Online),
        Verb::Outbox => Request::Outbox,
        Verb::Retry => Request::Retry,
        Verb::Peers => Request::Peers,
        Verb::Rooms => Request::Rooms,
        Verb::Copy => return Ok(Input::OnScreen(ScreenCommand::Copy(number(command, rest)?))),
        Verb::Open => {
            let number = number(command, rest)?.unwrap_or(1);
            return Ok(Input::OnScreen(ScreenCommand::Open(number)));
        }
        Verb::Link => Request::Link,
        Verb::Id => Request::Id,
        Verb::Contacts => Request::Contacts,
    }))
}

/// The error for `/msg NAME` where no conversation can be opened.
pub(crate) const NO_TEXT: &str = "usage: /msg NAME TEXT";

/// The error for missing arguments.
fn missing(command: &ChatCommand) -> Invalid {
    usage(&format!("usage: {}", command.usage()))
}

fn fingerprint(raw: &str) -> Result<Option<Fingerprint>, Invalid> {
    (!raw.is_empty()).then(|| Fingerprint::parse(raw)).transpose()
}

fn history(rest: &str) -> Result<u32, Invalid> {
    if rest.is_empty() {
        return Ok(DEFAULT_HISTORY);
    }
    let count = rest.parse().ok().filter(|count| (1..=MAX_HISTORY).contains(count));
    count.ok_or_else(|| usage(&format!("usage: /history N, with N from 1 to {MAX_HISTORY}")))
}

/// Parses an optional number from 1 on.
fn number(command: &ChatCommand, rest: &str) -> Result<Option<usize>, Invalid> {
    let number = (!rest.is_empty()).then(|| rest.parse().ok().filter(|number| *number > 0));
    match number {
        Some(None) => Err(missing(command)),
        number => Ok(number.flatten()),
    }
}

fn status(rest: &str) -> Result<PeerStatus, Invalid> {
    match rest.to_lowercase().as_str() {
        "online" => Ok(PeerStatus::Online),
        "away" => Ok(PeerStatus::Away),
        "busy" => Ok(PeerStatus::Busy),
        _ => Err(usage("usage: /status online, away or busy")),
    }
}

/// Returns the first word and the rest, both trimmed.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn usage(problem: &str) -> Invalid {
    Invalid(problem.to_owned())
}

#[cfg(test)]
mod tests;
