//! The sending half of a conversation.

use std::{net::SocketAddr, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{received::Direct, reply::Reply};
use crate::{
    client::error::{Error, Result},
    model::{MessageId, Name, Receipt, Text},
};

/// The commands that may wait for the task of a conversation. A sender waits for room.
const COMMANDS: usize = 64;

/// How long a receipt may take, on a connection that is slow but alive.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Something that happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConversationEvent {
    /// Another client opened the conversation.
    Opened,
    /// A message. Those of incoming conversations come as [`super::Event::Direct`].
    Message(Direct),
    /// The peer has read this message and those before it.
    Read(MessageId),
    /// Whether the peer is typing; true holds for 6 seconds.
    Typing(bool),
    /// The conversation has ended.
    Closed {
        /// The reason, unless the peer hung up; safe to print on a terminal.
        cause: Option<String>,
    },
}

/// The sending half of a conversation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Line {
    peer: Name,
    from: Option<SocketAddr>,
    commands: mpsc::Sender<LineCommand>,
}

/// A [`Line`] that does not keep its conversation open.
pub(super) struct WeakLine {
    peer: Name,
    from: Option<SocketAddr>,
    commands: mpsc::WeakSender<LineCommand>,
}

impl WeakLine {
    /// Returns the line, unless the conversation is over.
    pub(super) fn upgrade(&self) -> Option<Line> {
        let commands = self.commands.upgrade()?;
        let line = Line { peer: self.peer.clone(), from: self.from, commands };
        Some(line).filter(|line| !line.is_over())
    }
}

/// What a line asks of the task of its conversation.
pub(super) enum LineCommand {
    Send { id: MessageId, text: Text, reply: Reply<Receipt> },
    MarkRead(MessageId),
    SetTyping(bool),
}

impl Line {
    pub(super) fn new(peer: Name, from: Option<SocketAddr>) -> (Self, mpsc::Receiver<LineCommand>) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        (Self { peer, from, commands }, receiver)
    }

    /// Returns the name of the peer. [`Direct::verification`] of its messages says whether the name
    /// is proved.
    pub fn peer(&self) -> &Name {
        &self.peer
    }

    /// Returns the address that the peer called from; `None` if this client called.
    pub fn from(&self) -> Option<SocketAddr> {
        self.from
    }

    /// Returns true if the conversation is over, so that nothing sent here arrives.
    pub fn is_over(&self) -> bool {
        self.commands.is_closed()
    }

    /// Sends a message and returns when the peer holds it. Waits while too many are under way.
    /// Errors with [`Error::Refused`] by the peer, for example with the reason `INBOX_FULL`;
    /// [`Error::PeerUnreachable`] if the conversation is over or no receipt comes within 30 s: the
    /// peer may or may not hold the message then.
    pub async fn send(&self, text: Text) -> Result<Receipt> {
        self.send_with_id(MessageId::new(), text).await
    }

    /// Sends a message under an id of the caller's choice, for example to repeat one that got no
    /// receipt: the peer shows it once. Errors as [`Line::send`].
    pub async fn send_with_id(&self, id: MessageId, text: Text) -> Result<Receipt> {
        let (reply, receipt) = oneshot::channel();
        let over = || self.unreachable("the conversation is over");
        self.commands.send(LineCommand::Send { id, text, reply }).await.map_err(|_| over())?;
        match tokio::time::timeout(RECEIPT_TIMEOUT, receipt).await {
            Ok(answer) => answer.map_err(|_| over())?,
            Err(_) => Err(self.unreachable("no receipt came")),
        }
    }

    /// Tells the peer that its messages up to this one were read. Left out while the line is busy.
    pub fn mark_read(&self, id: MessageId) {
        let _ = self.commands.try_send(LineCommand::MarkRead(id));
    }

    /// Tells the peer that somebody is typing or stopped typing. Left out while the line is busy.
    pub fn typing(&self, active: bool) {
        let _ = self.commands.try_send(LineCommand::SetTyping(active));
    }

    /// Returns a handle that does not keep the conversation open.
    pub(super) fn downgrade(&self) -> WeakLine {
        let commands = self.commands.downgrade();
        WeakLine { peer: self.peer.clone(), from: self.from, commands }
    }

    fn unreachable(&self, cause: &str) -> Error {
        Error::PeerUnreachable { peer: self.peer.to_string(), cause: cause.into() }
    }
}
