//! What happens to a client.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    line::{ConversationEvent, Line},
    received::Direct,
};
use crate::{
    client::error::Error,
    model::{Endpoint, Fingerprint, Message, MessageId, Name, Position, Receipt, RoomName},
};

/// The state of the connection to the hub.
#[derive(Debug, Clone)]
pub enum Connection {
    /// The Chat stream is open.
    Connected {
        /// Since when.
        since: Timestamp,
        /// This client's address and port as the hub sees them.
        observed: Option<Endpoint>,
    },
    /// The connection is lost.
    Lost {
        /// The reason, safe to print on a terminal.
        cause: String,
        /// When the client tries to connect again.
        retry_at: Instant,
    },
    /// The client has stopped.
    Stopped,
}

/// Something that happened to a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The client is connected to the hub. This is the first event unless the hub is away at the
    /// start; it comes once more after each loss.
    Connected,
    /// The connection to the hub was lost, or an attempt to reconnect failed.
    Disconnected {
        /// The reason, safe to print on a terminal.
        cause: String,
        /// The time until the next attempt.
        retry_in: Duration,
    },
    /// The client has joined a room. Resuming a room after a loss does not count as joining.
    Joined {
        /// The room.
        room: RoomName,
        /// The last position of the room at that moment. Messages at or before it are history.
        head: Position,
    },
    /// The client has left a room.
    Left {
        /// The room.
        room: RoomName,
    },
    /// The hub refused a room that was to be joined at the start or after a loss.
    JoinRefused {
        /// The room.
        room: RoomName,
        /// The reason.
        error: Error,
    },
    /// A message of a joined room, including the client's own: exactly once, and in order.
    Message(Message),
    /// Messages of a room are or may be missing: the hub could not resume after the last one that
    /// was received. The messages that the hub has follow, from the first one. If it has only lost
    /// its latest messages, those follow that are posted from now on.
    RoomReset {
        /// The room.
        room: RoomName,
        /// The reason, safe to print on a terminal.
        cause: String,
    },
    /// A direct message arrived.
    Direct(Direct),
    /// Something other than a message happened in a conversation that another client opened. Left
    /// out while the events are not read.
    Conversation {
        /// The sending half of that conversation.
        line: Line,
        /// What happened.
        event: ConversationEvent,
    },
    /// A caller used a known name with another key and was refused: it is somebody else, or has a
    /// new key. Emitted once for each such key, and left out while the events are not read. If the
    /// hub lists the new key as well, [`super::Client::accept`] accepts it.
    CallerKeyChanged {
        /// The name that the caller used.
        name: Name,
        /// The key known for the name.
        known: Fingerprint,
        /// The key of the caller.
        offered: Fingerprint,
    },
    /// A message of the outbox was delivered. Left out while the events are not read.
    QueuedDelivered {
        /// The message.
        id: MessageId,
        /// The receipt of the peer.
        receipt: Receipt,
        /// Where the peer was reached.
        endpoint: Option<Endpoint>,
    },
    /// A message of the outbox was refused. It stays there until
    /// [`super::Client::retry_queued`] or a change of the contact book has it tried again. Left out
    /// while the events are not read.
    QueuedFailed {
        /// The message.
        id: MessageId,
        /// The receiver.
        peer: Name,
        /// The reason.
        error: Error,
        /// Whether later messages for the same peer wait for this one.
        holds_up: bool,
    },
    /// The operator of the hub has renamed this client, which goes on under the new name. The peers
    /// see that the former name has left.
    Renamed {
        /// The name before.
        from: Name,
        /// The name from now on.
        to: Name,
    },
    /// The hub refused the client for good, for example because its name was taken in the meantime
    /// or the hub has another key than before. The client stops.
    Ended {
        /// The reason.
        error: Error,
    },
}
