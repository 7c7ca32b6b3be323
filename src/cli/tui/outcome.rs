//! The results of tasks.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    cli::{chat::actions::ActionOutcome, search_terms::SearchTerms, tui::found::FoundMessage},
    client::{KeptConversation, KeptDirect, Page, Queued, Result},
    model::{Message, MessageId, Name, Posted, Receipt, Room, RoomName, SearchHit},
};

/// The direction in which history is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageDirection {
    Older,
    Newer,
}

/// What is known about the key of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrustLevel {
    Verified,
    Known,
    Unverified,
    Blocked,
}

impl TrustLevel {
    /// The word for it on the screen.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Known => "known",
            Self::Unverified => "unverified",
            Self::Blocked => "blocked",
        }
    }
}

/// The result of a task.
pub(crate) enum Outcome {
    /// A post was stored or refused.
    Posted { id: MessageId, room: RoomName, result: Result<Posted> },
    /// A command of the chat has run. `title` is for commands that print a list.
    Ran { title: &'static str, done: ActionOutcome },
    /// A page of history was loaded.
    Page { room: RoomName, direction: PageDirection, result: Result<Page<Message>> },
    /// The first page of unread messages was loaded.
    Unread { room: RoomName, result: Result<Page<Message>> },
    /// The messages before and after one were loaded.
    Context { message: Box<Message>, result: Result<(Page<Message>, Page<Message>)> },
    /// A page of the hits of a search, with the token by which it was requested.
    Hits { terms: SearchTerms, token: String, result: Result<Page<SearchHit>> },
    /// What the contact book has about a peer.
    Contact { name: Name, trust: Option<TrustLevel> },
    /// The rooms of the hub, if it could be asked.
    Rooms(Option<Vec<Room>>),
    /// What the files have: muted rooms and blocked peers, if they could be read, and the messages that
    /// have left the outbox, with the receipt of those that were delivered.
    Files {
        muted: Option<Vec<RoomName>>,
        blocked: Option<BTreeSet<Name>>,
        settled: Vec<(MessageId, Option<Receipt>)>,
        /// A new problem of the contact book.
        problem: Option<String>,
    },
    /// The conversations of earlier chats, and the messages in the outbox.
    Conversations { kept: Vec<KeptConversation>, queued: Vec<Queued> },
    /// A page of the kept messages with a peer, and whether there are older ones.
    DirectPage { peer: Name, result: Result<(Vec<KeptDirect>, bool)> },
    /// The kept messages with a peer that a search has found.
    DirectHits { peer: Name, terms: SearchTerms, token: String, result: Result<Page<FoundMessage>> },
    /// The members of a room, if the hub could be asked.
    Members { room: RoomName, names: Option<BTreeSet<Name>> },
    /// The number of members of a room, if the hub could be asked.
    MemberCount { room: RoomName, members: Option<u32> },
    /// The round trip to the hub, if it has answered.
    Pong(Option<Duration>),
    /// A message was put into the outbox, and whether its receiver was ever met; or it was not.
    Queued { id: MessageId, to: Name, result: Result<bool> },
    /// A link could not be opened, for this reason.
    NotOpened(String),
    /// The command for a notice has ended, or failed for this reason.
    Notified(Option<String>),
    /// Nothing to report.
    Nothing,
    /// A task has panicked.
    Panicked(String),
}
