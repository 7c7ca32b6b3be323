//! The commands of the chat: the one table that the grammar, the help and the completion read.

use unicode_width::UnicodeWidthStr;

/// What a command does; [`super::Input::parse`] gives each its words.
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
    Id,
    Contacts,
    Verify,
    Accept,
    Block,
    Unblock,
    Note,
    Forget,
    Status,
    Help,
    Quit,
}

/// What a command is about: its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Somebody's name.
    Name,
    /// A room.
    Room,
    /// How one is.
    Status,
    /// Anything else, or nothing.
    Other,
}

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    /// Its name, without the slash.
    pub(crate) name: &'static str,
    /// Other names for it.
    pub(crate) aliases: &'static [&'static str],
    /// Its words, as a person reads them; empty where it stands alone.
    pub(crate) form: &'static str,
    /// What its first word is.
    pub(crate) takes: Takes,
    /// What it does, in one line.
    pub(crate) help: &'static str,
    /// What else does the same, and is no command.
    also: &'static [&'static str],
}

/// How one says how one is.
pub(crate) const STATUSES: [&str; 3] = ["online", "away", "busy"];

/// All commands, in the order in which they are listed.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        aliases: &["m", "dm"],
        ..new(Verb::Msg, "msg", "NAME TEXT", "sends straight to a peer; the hub does not see it")
    }
    .takes(Takes::Name),
    new(Verb::Queue, "queue", "NAME TEXT", "keeps it for somebody away until they are back")
        .takes(Takes::Name),
    new(Verb::Outbox, "outbox", "", "lists what is kept for those who are away"),
    new(Verb::Retry, "retry", "", "tries now to send what is kept"),
    new(Verb::Drop, "drop", "ID|NAME", "drops a kept message, or all for somebody")
        .takes(Takes::Name),
    Command {
        also: &["P2P HOST PORT TEXT"],
        ..new(Verb::P2p, "p2p", "HOST:PORT TEXT", "sends straight to an address")
    },
    Command {
        aliases: &["who", "w"],
        also: &["PEER"],
        ..new(Verb::Peers, "peers", "", "lists who is here")
    },
    Command {
        aliases: &["j"],
        ..new(Verb::Join, "join", "ROOM", "joins a room, or makes a joined one the current one")
    }
    .takes(Takes::Room),
    Command {
        aliases: &["part"],
        ..new(Verb::Leave, "leave", "[ROOM]", "leaves a room, or the current one")
    }
    .takes(Takes::Room),
    new(Verb::Mute, "mute", "[ROOM]", "makes a room, or the current one, call you no more")
        .takes(Takes::Room),
    new(Verb::Unmute, "unmute", "[ROOM]", "lets it call you again").takes(Takes::Room),
    new(Verb::Rooms, "rooms", "", "lists the rooms of the hub"),
    new(Verb::History, "history", "[N]", "shows the latest messages of the current room"),
    new(
        Verb::Search,
        "search",
        "WORDS",
        "finds messages of the current room; wor* and \"two words\", too",
    ),
    new(Verb::Id, "id", "", "shows the fingerprint of your key"),
    new(Verb::Contacts, "contacts", "", "lists whom you have met, and their keys"),
    new(
        Verb::Verify,
        "verify",
        "NAME [FINGERPRINT]",
        "marks somebody's key as compared; without one, shows what to compare",
    )
    .takes(Takes::Name),
    new(
        Verb::Accept,
        "accept",
        "NAME [FINGERPRINT]",
        "accepts that somebody has another key; without one, shows it",
    )
    .takes(Takes::Name),
    new(Verb::Block, "block", "NAME", "lets nothing of somebody come in").takes(Takes::Name),
    new(Verb::Unblock, "unblock", "NAME", "lets it come in again").takes(Takes::Name),
    new(Verb::Note, "note", "NAME [TEXT]", "keeps a note on somebody; without one, removes it")
        .takes(Takes::Name),
    new(Verb::Forget, "forget", "NAME", "forgets somebody, and their key").takes(Takes::Name),
    new(
        Verb::Status,
        "status",
        "[online|away|busy]",
        "says how you are; without a word, how the chat is",
    )
    .takes(Takes::Status),
    new(Verb::Help, "help", "", "shows this"),
    Command {
        aliases: &["exit", "q"],
        also: &["Ctrl-C", "Ctrl-D"],
        ..new(Verb::Quit, "quit", "", "leaves")
    },
];

impl Command {
    /// The command of this name or alias, in small or capital letters.
    pub(crate) fn find(word: &str) -> Option<&'static Self> {
        let word = word.to_lowercase();
        COMMANDS.iter().find(|command| command.names().any(|name| name == word))
    }

    /// All its names, the usual one first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// How it is written: `/msg NAME TEXT`.
    pub(crate) fn written(&self) -> String {
        format!("/{} {}", self.name, self.form).trim_end().to_owned()
    }

    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }
}

const fn new(verb: Verb, name: &'static str, form: &'static str, help: &'static str) -> Command {
    Command { verb, name, aliases: &[], form, takes: Takes::Other, help, also: &[] }
}

/// What `/help` prints, a command a line.
pub(crate) fn help() -> String {
    let first = ("TEXT".to_owned(), "posts to the current room".to_owned());
    let last = ("//TEXT".to_owned(), "posts /TEXT".to_owned());
    let all = COMMANDS.iter().map(|command| (command.written(), explained(command)));
    let lines: Vec<_> = std::iter::once(first).chain(all).chain([last]).collect();
    let width = lines.iter().map(|(written, _)| written.width()).max().unwrap_or_default();
    let lines = lines.iter().map(|(written, help)| format!("  {written:width$}  {help}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn explained(command: &Command) -> String {
    let aliases = command.aliases.iter().map(|alias| format!("/{alias}"));
    let also: Vec<_> = aliases.chain(command.also.iter().map(|&also| also.to_owned())).collect();
    match also.as_slice() {
        [] => command.help.to_owned(),
        also => format!("{} (also: {})", command.help, also.join(", ")),
    }
}
