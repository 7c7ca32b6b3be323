//! The table of chat commands, which the parser, the help and the completion share.

use crate::cli::theme::ThemeName;

/// Identifies a command; [`super::Input::parse`] parses its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Msg,
    Queue,
    Outbox,
    Retry,
    Drop,
    P2p,
    Peers,
    Join,
    Leave,
    Mute,
    Unmute,
    Rooms,
    History,
    Search,
    Copy,
    Open,
    Link,
    Id,
    Contacts,
    Verify,
    Accept,
    Block,
    Unblock,
    Note,
    Forget,
    Keep,
    Status,
    Away,
    Back,
    Theme,
    Hub,
    Help,
    Quit,
}

/// The kind of the first argument of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Name,
    Room,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Something else, or no argument.
    Other,
}

pub(crate) struct ChatCommand {
    pub(crate) verb: Verb,
    /// The name, without the slash.
    pub(crate) name: &'static str,
    /// Other names.
    pub(crate) aliases: &'static [&'static str],
    /// The arguments, as shown in the help; empty if there are none.
    pub(crate) args: &'static str,
    /// The kind of the first argument.
    pub(crate) takes: Takes,
    /// The summary.
    pub(crate) help: &'static str,
    /// Input that does the same without being a command.
    pub(crate) also: &'static [&'static str],
}

/// The arguments of `/status`.
pub(crate) const STATUSES: [&str; 3] = ["online", "away", "busy"];

/// All commands, in the order in which they are listed.
pub(crate) const COMMANDS: &[ChatCommand] = &[
    new(Verb::Msg, "msg", "NAME [TEXT]", "message one peer, or open the conversation")
        .takes(Takes::Name)
        .aliases(&["m", "dm", "query"]),
    new(Verb::Queue, "queue", "NAME TEXT", "send a direct message once the peer is back")
        .takes(Takes::Name),
    new(Verb::Outbox, "outbox", "", "list queued messages"),
    new(Verb::Retry, "retry", "", "try to deliver queued messages now"),
    new(Verb::Drop, "drop", "ID|NAME", "delete a queued message, or all to a peer")
        .takes(Takes::Name),
    new(Verb::P2p, "p2p", "HOST:PORT TEXT", "send a direct message to an address")
        .also(&["P2P HOST PORT TEXT"]),
    new(Verb::Peers, "peers", "", "list the peers that are online")
        .aliases(&["who", "w", "names"])
        .also(&["PEER"]),
    new(Verb::Join, "join", "ROOM", "join a room, or switch to a joined one")
        .takes(Takes::Room)
        .aliases(&["j"]),
    new(Verb::Leave, "leave", "[ROOM]", "leave the current room, or another one")
        .takes(Takes::Room)
        .aliases(&["part"]),
    new(Verb::Mute, "mute", "[ROOM]", "mute notifications of the current room, or another one")
        .takes(Takes::Room),
    new(Verb::Unmute, "unmute", "[ROOM]", "unmute notifications").takes(Takes::Room),
    new(Verb::Rooms, "rooms", "", "list the rooms of the hub"),
    new(Verb::History, "history", "[N]", "show the latest messages of the current room"),
    new(Verb::Search, "search", "WORDS", "search all rooms; see from:, in:, after: and before:"),
    new(Verb::Copy, "copy", "[N]", "copy the latest message, or the latest N, to the clipboard"),
    new(
        Verb::Open,
        "open",
        "[N]",
        "list the links of this chat to open one, beginning with the Nth",
    ),
    new(Verb::Link, "link", "", "show how others join this hub"),
    new(Verb::Id, "id", "", "show the fingerprint of your own key"),
    new(Verb::Contacts, "contacts", "", "list the peers you have met, with their keys and notes"),
    new(
        Verb::Verify,
        "verify",
        "NAME [FINGERPRINT]",
        "mark a peer's key as verified, or show both keys to compare",
    )
    .takes(Takes::Name),
    new(Verb::Accept, "accept", "NAME [FINGERPRINT]", "accept a peer's new key, or show it")
        .takes(Takes::Name),
    new(Verb::Block, "block", "NAME", "block a peer: no direct messages in either direction")
        .takes(Takes::Name),
    new(Verb::Unblock, "unblock", "NAME", "unblock a peer").takes(Takes::Name),
    new(Verb::Note, "note", "NAME [TEXT]", "set the note on a peer, remove it with -, or show it")
        .takes(Takes::Name),
    new(Verb::Forget, "forget", "NAME", "remove a peer, their key and what is kept of them")
        .takes(Takes::Name),
    new(
        Verb::Keep,
        "keep",
        "[[NAME] on|off|7d]",
        "set how long direct messages with a peer are kept, or show it",
    )
    .takes(Takes::Name),
    new(
        Verb::Status,
        "status",
        "[online|away|busy]",
        "set your status, or show that of the connection",
    )
    .takes(Takes::OneOf(&STATUSES)),
    new(Verb::Away, "away", "", "short for /status away"),
    new(Verb::Back, "back", "", "short for /status online"),
    new(
        Verb::Theme,
        "theme",
        "[auto|dark|light|plain]",
        "change the colours of the full screen, or show which it has",
    )
    .takes(Takes::OneOf(&ThemeName::NAMES)),
    new(Verb::Hub, "hub", "[PROFILE]", "go to another of your hubs, or list them"),
    new(Verb::Help, "help", "", "show this help"),
    new(Verb::Quit, "quit", "", "leave the chat")
        .aliases(&["exit", "q"])
        .also(&["Ctrl-C", "Ctrl-D"]),
];

impl ChatCommand {
    /// Returns the command of this name or alias; upper and lower case count as the same.
    pub(crate) fn find(word: &str) -> Option<&'static Self> {
        let word = word.to_lowercase();
        COMMANDS.iter().find(|command| command.names().any(|name| name == word))
    }

    /// Returns the command that a mistyped word probably means: one edit away, or two in a long word.
    pub(crate) fn nearest(word: &str) -> Option<&'static str> {
        let word = word.to_lowercase();
        let max_distance = match word.chars().count() {
            0..=2 => return None,
            3..=5 => 1,
            _ => 2,
        };
        let names = COMMANDS.iter().flat_map(Self::names).filter(|name| name.len() > 1);
        let distances = names.map(|name| (strsim::osa_distance(&word, name), name));
        let near = distances.filter(|(distance, _)| *distance <= max_distance);
        near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
    }

    /// Returns all names, the main one first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns the usage: `/msg NAME TEXT`.
    pub(crate) fn usage(&self) -> String {
        format!("/{} {}", self.name, self.args).trim_end().to_owned()
    }

    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

const fn new(
    verb: Verb,
    name: &'static str,
    args: &'static str,
    help: &'static str,
) -> ChatCommand {
    ChatCommand { verb, name, aliases: &[], args, takes: Takes::Other, help, also: &[] }
}
