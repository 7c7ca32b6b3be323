//! What a typed line means.
//!
//! Nothing that might have been meant for one person may end up in a room: a line that begins like
//! a command and is none is explained, not posted. That holds for each line of a text that was
//! pasted.

pub(crate) mod commands;

use self::commands::{Command, Takes, Verb};
use crate::model::{Endpoint, Fingerprint, Invalid, Name, PeerStatus, RoomName, Text};

/// How many messages `/history` shows unless it is told.
const DEFAULT_HISTORY: u32 = 20;

/// The most messages `/history` shows: what one answer of a hub holds.
const MAX_HISTORY: u32 = 1000;

/// How much is said again of a word that is no command.
const MAX_WORD: usize = 20;

/// What stands for no note.
const NO_NOTE: &str = "-";

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A blank line.
    Nothing,
    /// A text for the current room.
    Post(Text),
    /// Something that takes a while.
    Ask(Request),
    /// Say how the chat is.
    ShowStatus,
    /// List the commands.
    Help,
    /// Leave the chat.
    Quit,
    /// Not understood: what to tell the person. Nothing is sent.
    Mistake(String),
}

/// What takes a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// List the peers.
    Peers,
    /// A text for one peer.
    Send { to: Name, text: Text },
    /// Open the conversation with one peer, where there are conversations.
    Talk(Name),
    /// A text for one peer, kept until they are here.
    Queue { to: Name, text: Text },
    /// List what is kept.
    Outbox,
    /// Try to send it now.
    Retry,
    /// Drop what is kept: all for a name, or what has an id that begins so.
    Drop(String),
    /// A text for whoever is at an address.
    SendTo { to: Endpoint, text: Text },
    /// Be in a room and talk there.
    Join(RoomName),
    /// Leave a room; none: the current one.
    Leave(Option<RoomName>),
    /// Whether what is said in a room is pointed out; none: the current one.
    Mute { room: Option<RoomName>, muted: bool },
    /// List the rooms.
    Rooms,
    /// Show this many of the current room's latest messages.
    History(u32),
    /// Find messages of the current room.
    Search(String),
    /// Show one's own key.
    Id,
    /// List the contacts.
    Contacts,
    /// Show a key to compare; with a fingerprint: mark it as compared.
    Verify { name: Name, said: Option<Fingerprint> },
    /// Accept that somebody has another key; without it: show it.
    Accept { name: Name, key: Option<Fingerprint> },
    /// Whether to hear anything of somebody.
    Block { name: Name, blocked: bool },
    /// Keep a note on somebody; an empty one: none.
    Note { name: Name, text: String },
    /// Show the note on somebody.
    ShowNote(Name),
    /// Forget somebody.
    Forget(Name),
    /// Tell the others how one is.
    SetStatus(PeerStatus),
}

impl Request {
    /// Whether it changes where the next line goes.
    pub(crate) fn moves(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Leave(_))
    }
}

impl Input {
    /// Understands what was typed, without its end: a line, or several that were pasted.
    pub(crate) fn parse(typed: &str) -> Self {
        let understood = no_command_inside(typed).and_then(|()| understand(typed));
        understood.unwrap_or_else(|Invalid(problem)| Self::Mistake(problem))
    }
}

/// Whether a line is, or might have been, meant for one person, or is about one: then no file may
/// keep it.
pub(crate) fn is_private(typed: &str) -> bool {
    use Request::{Note, Queue, Send, SendTo, ShowNote, Talk};
    matches!(
        Input::parse(typed),
        Input::Mistake(_)
            | Input::Ask(
                Send { .. } | SendTo { .. } | Talk(_) | Queue { .. } | Note { .. } | ShowNote(_)
            )
    )
}

/// Refuses a text with a command after its first line: what is meant for one person, as in
/// `/msg NAME TEXT`, would go wherever the first line goes.
fn no_command_inside(typed: &str) -> Result<(), Invalid> {
    let mut later = typed.split(['\n', '\r']).skip(1);
    match later.position(begins_like_a_command) {
        None => Ok(()),
        Some(i) => Err(usage(&format!(
            "nothing was sent: line {} begins like a command, and a command stands alone; to post \
             it, put a word before it",
            i + 2
        ))),
    }
}

fn begins_like_a_command(line: &str) -> bool {
    let trimmed = line.trim();
    line.trim_end() == "PEER"
        || line.strip_prefix("P2P").is_some_and(starts_blank)
        || (trimmed.starts_with('/') && !trimmed.starts_with("//"))
}

fn understand(line: &str) -> Result<Input, Invalid> {
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return Ok(Input::Nothing);
    }
    if line.trim_end() == "PEER" {
        return Ok(Input::Ask(Request::Peers));
    }
    // Not trimmed at its beginning: a blank before it is the way to talk about P2P.
    if let Some(rest) = line.strip_prefix("P2P").filter(|rest| starts_blank(rest)) {
        return p2p_words(rest);
    }
    match trimmed.strip_prefix('/') {
        None => Text::parse(line).map(Input::Post),
        Some(text) if text.starts_with('/') => Text::parse(text).map(Input::Post),
        Some(command) => understand_command(command),
    }
}

fn starts_blank(rest: &str) -> bool {
    rest.chars().next().is_none_or(char::is_whitespace)
}

/// The original program's way to name an address.
fn p2p_words(rest: &str) -> Result<Input, Invalid> {
    let (host, rest) = first_word(rest);
    let (port, text) = first_word(rest);
    let to = match port.parse::<u32>() {
        Ok(port) if !text.is_empty() => Endpoint::new(host, port)?,
        _ => {
            return Err(usage(
                "P2P HOST PORT TEXT sends straight to an address; to post a text that begins with \
                 P2P, put a blank before it",
            ));
        }
    };
    Ok(Input::Ask(Request::SendTo { to, text: Text::parse(text)? }))
}

fn understand_command(typed: &str) -> Result<Input, Invalid> {
    let (word, rest) = first_word(typed);
    let command = Command::find(word).ok_or_else(|| no_command(word))?;
    if command.form.is_empty() && !rest.is_empty() {
        return Err(usage(&format!("/{word} stands alone")));
    }
    if rest.is_empty() && !command.form.is_empty() && !command.form.starts_with('[') {
        return Err(missing(command));
    }
    with_words(command, rest)
}

fn no_command(word: &str) -> Invalid {
    let word: String = word.chars().take(MAX_WORD).collect();
    usage(&match Command::nearest(&word) {
        Some(name) => format!("there is no command /{word}: did you mean /{name}?"),
        None => format!("there is no command /{word}: /help lists them"),
    })
}

fn with_words(command: &Command, rest: &str) -> Result<Input, Invalid> {
    let room = || (!rest.is_empty()).then(|| RoomName::parse(rest)).transpose();
    let (first, more) = first_word(rest);
    Ok(Input::Ask(match command.verb {
        Verb::Help => return Ok(Input::Help),
        Verb::Quit => return Ok(Input::Quit),
        Verb::Status if rest.is_empty() => return Ok(Input::ShowStatus),
        Verb::Msg if more.is_empty() => Request::Talk(Name::parse(first)?),
        Verb::Msg => Request::Send { to: Name::parse(first)?, text: Text::parse(more)? },
        Verb::Queue | Verb::P2p if more.is_empty() => return Err(missing(command)),
        Verb::Queue => Request::Queue { to: Name::parse(first)?, text: Text::parse(more)? },
        Verb::P2p => Request::SendTo { to: Endpoint::parse(first)?, text: Text::parse(more)? },
        Verb::Drop if more.is_empty() => Request::Drop(first.to_lowercase()),
        Verb::Drop => return Err(usage(&format!("one at a time: {}", command.written()))),
        Verb::Join => Request::Join(RoomName::parse(rest)?),
        Verb::Leave => Request::Leave(room()?),
        Verb::Mute => Request::Mute { room: room()?, muted: true },
        Verb::Unmute => Request::Mute { room: room()?, muted: false },
        Verb::History => Request::History(history(rest)?),
        Verb::Search => Request::Search(rest.to_owned()),
        Verb::Verify => Request::Verify { name: Name::parse(first)?, said: fingerprint(more)? },
        Verb::Accept => Request::Accept { name: Name::parse(first)?, key: fingerprint(more)? },
        Verb::Block => Request::Block { name: Name::parse(rest)?, blocked: true },
        Verb::Unblock => Request::Block { name: Name::parse(rest)?, blocked: false },
        Verb::Note if more.is_empty() => Request::ShowNote(Name::parse(first)?),
        Verb::Note => {
            let text = if more == NO_NOTE { "" } else { more };
            Request::Note { name: Name::parse(first)?, text: text.to_owned() }
        }
        Verb::Forget => Request::Forget(Name::parse(rest)?),
        Verb::Status => Request::SetStatus(status(rest)?),
        Verb::Away => Request::SetStatus(PeerStatus::Away),
        Verb::Back => Request::SetStatus(PeerStatus::Online),
        Verb::Outbox => Request::Outbox,
        Verb::Retry => Request::Retry,
        Verb::Peers => Request::Peers,
        Verb::Rooms => Request::Rooms,
        Verb::Id => Request::Id,
        Verb::Contacts => Request::Contacts,
    }))
}

/// What is wrong with `/msg NAME` where there are no conversations to be opened.
pub(crate) fn no_text() -> String {
    "to whom, and what? /msg NAME TEXT".to_owned()
}

/// That a command lacks words.
fn missing(command: &Command) -> Invalid {
    let question = match command.takes {
        _ if command.form.ends_with(" TEXT") => "to whom, and what?",
        Takes::Name => "whom?",
        Takes::Room => "which room?",
        Takes::Status | Takes::Other => "what?",
    };
    usage(&format!("{question} {}", command.written()))
}

fn fingerprint(said: &str) -> Result<Option<Fingerprint>, Invalid> {
    (!said.is_empty()).then(|| Fingerprint::parse(said)).transpose()
}

fn history(rest: &str) -> Result<u32, Invalid> {
    if rest.is_empty() {
        return Ok(DEFAULT_HISTORY);
    }
    let count = rest.parse().ok().filter(|count| (1..=MAX_HISTORY).contains(count));
    count.ok_or_else(|| usage(&format!("how many? /history N, with N from 1 to {MAX_HISTORY}")))
}

fn status(rest: &str) -> Result<PeerStatus, Invalid> {
    match rest.to_lowercase().as_str() {
        "online" => Ok(PeerStatus::Online),
        "away" => Ok(PeerStatus::Away),
        "busy" => Ok(PeerStatus::Busy),
        _ => Err(usage("a status is online, away or busy")),
    }
}

/// The first word and what follows it, without the blanks around either.
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
