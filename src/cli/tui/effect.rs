//! What the state asks the loop to do.

use super::outcome::PageDirection;
use crate::{
    cli::{chat::input::Request, search_terms::SearchTerms},
    client::Direct,
    model::{Message, MessageId, Name, PeerStatus, Position, RoomName, Text},
};

/// A message to tell the user of while the terminal is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A message of a room that names the user.
    Message(Box<Message>),
    /// A direct message.
    Direct(Box<Direct>),
}

impl Notice {
    /// The effect that shows it.
    pub(crate) fn shown(&self) -> Effect {
        let (title, text) = match self {
            Self::Message(message) => {
                (format!("{} in {}", message.sender, message.room), &message.text)
            }
            Self::Direct(direct) => (direct.message.sender.to_string(), &direct.message.text),
        };
        Effect::ShowNotice { title, text: text.as_str().to_owned() }
    }
}

/// A request to the loop of the screen, which carries them out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Post to a room, after the posts before.
    Post { id: MessageId, room: RoomName, text: Text },
    /// Send a direct message.
    Send { id: MessageId, to: Name, text: Text },
    /// Open a live conversation, to send in it later.
    Open(Name),
    /// Tell a peer that everything up to a message was read.
    MarkRead { to: Name, id: MessageId },
    /// Record that the user has seen these messages.
    MarkSeen { from: Name, ids: Vec<MessageId> },
    /// Tell a peer that the user types, or has stopped.
    Typing { to: Name, active: bool },
    /// Put a message into the outbox.
    Queue { id: MessageId, to: Name, text: Text },
    /// Run a command of the chat; `room` is the current one.
    Run { request: Request, room: Option<RoomName> },
    /// Load a page of history.
    LoadPage { room: RoomName, direction: PageDirection, from: Position },
    /// Load the first page of the messages after a position, which are unread.
    LoadUnread { room: RoomName, after: Position },
    /// Load the messages before and after one that was found.
    LoadContext(Box<Message>),
    /// Load kept messages with a peer, those before a position if it is given.
    LoadDirect { peer: Name, before: Option<i64> },
    /// Load a page of the hits among the kept messages with a peer, in the same way as in rooms.
    SearchDirect { peer: Name, terms: SearchTerms, token: String },
    /// Load a page of the hits of a search; an empty token means the first one.
    Search { terms: SearchTerms, token: String },
    /// Look up a peer in the contact book.
    LookUp(Name),
    /// List the rooms of the hub, to complete and to choose from.
    ListRooms,
    /// Read what other programs of the same user may have changed: the contact book, the muted rooms,
    /// and which of these messages are still in the outbox.
    ReadFiles { queued: Vec<MessageId> },
    /// List the members of a room by name.
    ListMembers(RoomName),
    /// Count the members of a room.
    CountMembers(RoomName),
    /// Measure the round trip to the hub.
    Ping,
    /// Set the user's status on the hub.
    SetStatus(PeerStatus),
    /// Go to another hub; without one, list them.
    ChooseHub(Option<String>),
    /// Have the next chat join a room.
    RememberRoom(RoomName),
    /// Have the next chat not join a room.
    ForgetRoom(RoomName),
    /// Append a line to the stored input history.
    StoreInput(String),
    /// Ring the terminal's bell.
    Bell,
    /// Show a notice of the desktop.
    ShowNotice { title: String, text: String },
    /// Run a command for a notice.
    RunForNotice { run: String, notice: Notice },
    /// Put a text on the clipboard of the terminal.
    Copy(String),
    /// Open a web link in the browser.
    OpenLink(String),
    /// Show these lines instead of the screen, until it is redrawn.
    ShowTextOnly(Vec<String>),
    /// Redraw the whole screen.
    Redraw,
    /// Suspend the program.
    Suspend,
    /// Leave the chat.
    Quit,
}
