//! What happens to a client, in one bounded stream.

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;
use tokio::{sync::mpsc, time::Instant};

use super::{
    conversation::{ConversationEvent, Line},
    inbox::DurableInbox,
};
use crate::{
    error::Error,
    model::{
        DirectMessage, Endpoint, Fingerprint, Message, MessageId, Name, Position, Receipt, RoomName,
    },
};

/// How things stand with the hub.
#[derive(Debug, Clone)]
pub enum Connection {
    /// The Chat stream is open.
    Connected {
        /// Since when.
        since: Timestamp,
        /// This client's address and port as the hub sees them.
        observed: Option<Endpoint>,
    },
    /// The hub is away.
    Lost {
        /// Why; harmless to a terminal.
        cause: String,
        /// When the next attempt is made.
        retry_at: Instant,
    },
    /// The client has stopped.
    Stopped,
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The session began: the first of all events unless the hub is away at the start, and once
    /// after each loss.
    Connected,
    /// The hub was lost, or an attempt to find it again failed.
    Disconnected {
        /// Why; harmless to a terminal.
        cause: String,
        /// How long until the next attempt.
        retry_in: Duration,
    },
    /// A room was joined. Going on after a loss is not joining.
    Joined {
        /// The room.
        room: RoomName,
        /// Its last position at that moment: what is at or before it is history.
        head: Position,
    },
    /// A room was left.
    Left {
        /// The room.
        room: RoomName,
    },
    /// A room was lost: it was to be joined from the start, or again after a loss, and the hub
    /// refused, or it could not go on.
    JoinRefused {
        /// The room.
        room: RoomName,
        /// Why.
        error: Error,
    },
    /// A message of a joined room, one's own included: exactly once, and in order.
    Message(Message),
    /// Messages of a room are or may be missing here: the hub could not go on after the last one
    /// seen. What follows begins with the room's next message.
    RoomReset {
        /// The room.
        room: RoomName,
        /// Why; harmless to a terminal.
        cause: String,
    },
    /// A private message arrived.
    Direct(Direct),
    /// Something other than a message happened in a conversation that another client opened. These
    /// are left out while the events are not read.
    Conversation {
        /// The way back into that conversation.
        line: Line,
        /// What happened.
        event: ConversationEvent,
    },
    /// Somebody called under a known name with another key, and was refused: they are not who they
    /// say, or have a new key. Told once for each such key, and left out while the events are not
    /// read. Where the hub lists the new key, too, [`super::Client::accept`] accepts it.
    CallerKeyChanged {
        /// The name they said.
        name: Name,
        /// The key that the name is known by.
        known: Fingerprint,
        /// The key that they have.
        offered: Fingerprint,
    },
    /// The courier has delivered a message of the outbox. Left out while the events are not read.
    QueuedDelivered {
        /// The message.
        id: MessageId,
        /// That the peer holds it.
        receipt: Receipt,
        /// Where the peer was reached.
        endpoint: Option<Endpoint>,
    },
    /// A message of the outbox was refused for good: it stays there, and is tried again when
    /// [`super::Client::retry_queued`] or a change of the contact book says so. Left out while the
    /// events are not read.
    QueuedFailed {
        /// The message.
        id: MessageId,
        /// Who should have it.
        peer: Name,
        /// Why they do not.
        error: Error,
        /// Whether the peer's messages behind it wait for it.
        holds_up: bool,
    },
    /// The hub refused for good, for example because the name was taken meanwhile, or has another
    /// key than before. The client stops.
    Ended {
        /// What it said.
        error: Error,
    },
}

/// A private message, and what is known of where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// The message.
    pub message: DirectMessage,
    /// How far its sender is known.
    pub standing: Verification,
    /// The address it came from.
    pub from: Option<SocketAddr>,
}

/// How far somebody is the one whose name they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// They have this key, which a person has compared.
    Verified(Fingerprint),
    /// They have the key by which the contact book or the hub knows the name.
    Known(Fingerprint),
    /// The name is only what they say; the key, where they showed one, is nobody's known here.
    Unverified(Option<Fingerprint>),
}

impl Verification {
    /// The key they have shown.
    pub fn key(&self) -> Option<Fingerprint> {
        match self {
            Self::Verified(key) | Self::Known(key) => Some(*key),
            Self::Unverified(key) => *key,
        }
    }

    /// Whether a person has compared the key.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Verified(_))
    }
}

/// The stream of what happens.
///
/// It is bounded. Whoever does not read it makes the client stop reading from the hub, which
/// harms nobody else, and refuse private messages once 256 wait.
///
/// The sender of a private message has its receipt before the message comes out here. Whoever ends
/// a client orderly therefore stops it first, which ends the intake, and then reads on to the end:
/// after [`Client::stop`](super::Client::stop) what was accepted still comes, and nothing more is.
/// Dropping the stream discards it, except for messages that their senders keep: those come out of
/// the next client with the same [`inbox`](super::ClientOptions::inbox). They count as shown when
/// they come out here, unless [`Events::keep_until_seen`] was called.
#[derive(Debug)]
pub struct Events {
    session: mpsc::Receiver<Event>,
    direct: mpsc::Receiver<Event>,
    kept: Option<DurableInbox>,
    /// What is noted as shown before it is handed out.
    next: Option<Direct>,
    /// Whether it is said from outside what is shown.
    until_seen: bool,
}

/// Private messages that came out of [`Events`] and count as shown only when that is said.
#[derive(Debug, Clone)]
pub struct Unseen(Option<DurableInbox>);

impl Unseen {
    /// Whether a message would come out of the next client again, which its sender keeps and nobody
    /// has seen.
    pub fn holds(&self, message: &DirectMessage) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.holds(message))
    }

    /// Says that a person has seen a message, or a program has all of it. It is noted on the disk
    /// when this returns.
    pub async fn seen(&self, sender: &Name, id: MessageId) {
        if let Some(kept) = &self.0 {
            kept.shown(sender, id).await;
        }
    }
}

impl Events {
    pub(super) fn new(
        session: mpsc::Receiver<Event>,
        direct: mpsc::Receiver<Event>,
        kept: Option<DurableInbox>,
    ) -> Self {
        Self { session, direct, kept, next: None, until_seen: false }
    }

    /// From now on a private message that its sender keeps counts as shown when [`Unseen::seen`] says
    /// so. Until then it comes out of the next client again, however this one ends.
    pub fn keep_until_seen(&mut self) -> Unseen {
        self.until_seen = true;
        Unseen(self.kept.clone())
    }

    /// The next event; `None` when the client has stopped. Nothing is lost when the future is
    /// dropped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let (Some(direct), Some(kept)) = (&self.next, &self.kept) {
                kept.shown(&direct.message.sender, direct.message.id).await;
                return self.next.take().map(Event::Direct);
            }
            match (self.receive().await, &self.kept) {
                (Some(Event::Direct(direct)), Some(kept))
                    if !self.until_seen && kept.holds(&direct.message) =>
                {
                    self.next = Some(direct);
                }
                (event, _) => return event,
            }
        }
    }

    /// Reads on to the end and hands nothing out. Returns how many private messages are lost with
    /// it whose senders hold a receipt; those that their senders keep come out of the next client
    /// with the same [`inbox`](super::ClientOptions::inbox).
    pub async fn discard(mut self) -> usize {
        let mut lost = 0;
        while let Some(event) = self.receive().await {
            let Event::Direct(direct) = event else { continue };
            let kept = self.kept.as_ref().is_some_and(|kept| kept.holds(&direct.message));
            lost += usize::from(!kept);
        }
        lost
    }

    async fn receive(&mut self) -> Option<Event> {
        tokio::select! {
            event = self.session.recv() => match event {
                Some(event) => Some(event),
                None => {
                    // What was accepted is still handed out; nothing more is accepted.
                    self.direct.close();
                    self.direct.recv().await
                }
            },
            Some(event) = self.direct.recv() => Some(event),
        }
    }
}
