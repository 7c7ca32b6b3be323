//! The commands of the chat: the one table that the grammar, the help and the completion read.

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
    Away,
    Back,
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
    pub(crate) also: &'static [&'static str],
}

/// How one says how one is.
pub(crate) const STATUSES: [&str; 3] = ["online", "away", "busy"];

/// All commands, in the order in which they are listed.
pub(crate) const COMMANDS: &[Command] = &[
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
    new(Verb::Search, "search", "WORDS", "search the current room for words, wor* or \"a phrase\""),
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
    new(Verb::Forget, "forget", "NAME", "remove a peer and their key from your contacts")
        .takes(Takes::Name),
    new(
        Verb::Status,
        "status",
        "[online|away|busy]",
        "set your status, or show that of the connection",
    )
    .takes(Takes::Status),
    new(Verb::Away, "away", "", "short for /status away"),
    new(Verb::Back, "back", "", "short for /status online"),
    new(Verb::Help, "help", "", "show this help"),
    new(Verb::Quit, "quit", "", "leave the chat")
        .aliases(&["exit", "q"])
        .also(&["Ctrl-C", "Ctrl-D"]),
];

impl Command {
    /// The command of this name or alias, in small or capital letters.
    pub(crate) fn find(word: &str) -> Option<&'static Self> {
        let word = word.to_lowercase();
        COMMANDS.iter().find(|command| command.names().any(|name| name == word))
    }

    /// The name that was probably meant by a word that is none: one slip of the fingers away, or two
    /// in a long word.
    pub(crate) fn nearest(word: &str) -> Option<&'static str> {
        let word: Vec<char> = word.to_lowercase().chars().collect();
        let slips = match word.len() {
            0..=2 => return None,
            3..=5 => 1,
            _ => 2,
        };
        let names = COMMANDS.iter().flat_map(Self::names).filter(|name| name.len() > 1);
        let near = names.filter_map(|name| {
            let letters: Vec<char> = name.chars().collect();
            slips_between(&word, &letters, slips).map(|far| (far, name))
        });
        near.min_by_key(|(far, _)| *far).map(|(_, name)| name)
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

    const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

/// How many characters have to be put in, left out, changed or swapped with the next one to make
/// one word of the other; none where it is more than `most`.
fn slips_between(one: &[char], other: &[char], most: usize) -> Option<usize> {
    let (rest, others) = match (one, other) {
        ([], []) => return Some(0),
        ([a, one @ ..], [b, other @ ..]) if a == b => return slips_between(one, other, most),
        (one, other) => (one.get(1..), other.get(1..)),
    };
    let most = most.checked_sub(1)?;
    let swapped = match (one, other) {
        ([a, b, one @ ..], [c, d, other @ ..]) if a == d && b == c => {
            slips_between(one, other, most)
        }
        _ => None,
    };
    let changed = rest.zip(others).and_then(|(one, other)| slips_between(one, other, most));
    let left_out = rest.and_then(|rest| slips_between(rest, other, most));
    let put_in = others.and_then(|others| slips_between(one, others, most));
    [swapped, changed, left_out, put_in].into_iter().flatten().min().map(|slips| slips + 1)
}

const fn new(verb: Verb, name: &'static str, form: &'static str, help: &'static str) -> Command {
    Command { verb, name, aliases: &[], form, takes: Takes::Other, help, also: &[] }
}
