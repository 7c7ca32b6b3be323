//! Live conversations: messages and what becomes of them, in both directions.
//!
//! 1. The calling side says hello, and whom it wants to speak to.
//! 2. The called side says hello, or ends the stream if it is somebody else. Before that nothing
//!    is said that is not for everybody's ears.
//! 3. From then on both sides are equal. Each message is answered by a receipt or a refusal; a side
//!    has at most [`WINDOW`] messages without an answer under way, and about [`WINDOW_BYTES`] of
//!    them, so that neither can fill the other's memory and both can always read.
//!
//! One task drives each conversation; [`Line`]s are the way in. A conversation ends when the
//! calling side hangs up, the stream breaks, a side talks garbage, or a client stops.

use std::{net::SocketAddr, time::Duration};

use tokio::sync::{mpsc, oneshot};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::talk::{Audience, Talk};
use super::{
    contact_store::PeerTrust,
    conversation_limits::Permit,
    events::{Direct, Verification},
    gate::{Caller, Gate},
    inbox::Inbox,
    session::Reply,
};
pub(super) use crate::proto::converse_request::Event as Said;
use crate::{
    error::{Error, Result},
    model::{MessageId, Name, Receipt, Text},
    proto, wire,
};

mod talk;

/// Messages of one side that wait for their receipt: enough to keep both sides busy while messages
/// and receipts are under way.
const WINDOW: usize = 1024;

/// Bytes of their texts after which no further message is sent. The other side may have to hold them
/// for as long as nobody reads there, in each of its conversations.
const WINDOW_BYTES: usize = 256 * 1024;

/// What waits to be written: a side's own messages, receipts for the other side's, and a few
/// marks. With honest sides it is never full.
const WIRE: usize = 3 * WINDOW;

/// What a [`Line`] waits to say; whoever says more waits.
const LINE: usize = 64;

/// What a calling side has heard and not read yet; messages beyond wait for a place.
const HEARD: usize = 256;

/// How long a message may wait for a place among those that are not read yet, before it is refused.
/// Whoever reads at all makes one sooner.
const PLACE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the other side may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a receipt may take, on a line that may be slow but is not dead.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Something that happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConversationEvent {
    /// Another client opened the conversation.
    Opened,
    /// A message. Those of conversations that another client opened come as
    /// [`super::Event::Direct`].
    Message(Direct),
    /// The other side read this message and those before it.
    Read(MessageId),
    /// Whether somebody is typing at the other side; true holds for 6 seconds.
    Typing(bool),
    /// The conversation has ended.
    Closed {
        /// Why, where it did not simply end; harmless to a terminal.
        cause: Option<String>,
    },
}

/// A conversation that this client opened. It ends when this is dropped with all of its lines.
#[derive(Debug)]
pub struct Conversation {
    line: Line,
    heard: mpsc::Receiver<ConversationEvent>,
}

impl Conversation {
    /// Says a message and returns when the other side holds it.
    ///
    /// # Errors
    ///
    /// As [`Line::send`].
    pub async fn send(&self, text: Text) -> Result<Receipt> {
        self.line.send(text).await
    }

    /// Tells the other side that its messages up to this one were read.
    pub fn mark_read(&self, id: MessageId) {
        self.line.mark_read(id);
    }

    /// Tells the other side that somebody types or stopped to.
    pub fn typing(&self, active: bool) {
        self.line.typing(active);
    }

    /// The speaking half alone.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What happens next; `None` when the conversation is over. Not reading for a while makes
    /// messages be refused and everything else be left out.
    pub async fn next(&mut self) -> Option<ConversationEvent> {
        self.heard.recv().await
    }
}

/// The speaking half of a conversation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Line {
    peer: Name,
    from: Option<SocketAddr>,
    say: mpsc::Sender<Say>,
}

/// What a line wants said.
#[derive(Debug)]
enum Say {
    Message { id: MessageId, text: Text, reply: Reply<Receipt> },
    Read(MessageId),
    Typing(bool),
}

impl Line {
    fn new(peer: Name, from: Option<SocketAddr>) -> (Self, mpsc::Receiver<Say>) {
        let (say, asked) = mpsc::channel(LINE);
        (Self { peer, from, say }, asked)
    }

    /// The name that the other side goes by; its messages say how far it is theirs.
    pub fn peer(&self) -> &Name {
        &self.peer
    }

    /// The address that the other side called from; `None` where this side called.
    pub fn from(&self) -> Option<SocketAddr> {
        self.from
    }

    /// Whether the conversation is over, so that nothing said here arrives.
    pub fn is_over(&self) -> bool {
        self.say.is_closed()
    }

    /// Says a message and returns when the other side holds it. Waits while too many are under
    /// way.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] by the other side, for example with the reason `INBOX_FULL`;
    /// [`Error::PeerUnreachable`] where the conversation is over or no receipt comes: then the
    /// other side may or may not hold the message.
    pub async fn send(&self, text: Text) -> Result<Receipt> {
        self.send_draft(MessageId::new(), text).await
    }

    /// Says a message under an id of one's own, as one does to repeat one that got no receipt: the
    /// other side shows it once.
    ///
    /// # Errors
    ///
    /// As [`Line::send`].
    pub async fn send_draft(&self, id: MessageId, text: Text) -> Result<Receipt> {
        let (reply, receipt) = oneshot::channel();
        let over = || self.unreachable("the conversation is over");
        self.say.send(Say::Message { id, text, reply }).await.map_err(|_| over())?;
        match tokio::time::timeout(RECEIPT_TIMEOUT, receipt).await {
            Ok(answer) => answer.map_err(|_| over())?,
            Err(_) => Err(self.unreachable("no receipt came")),
        }
    }

    /// Tells the other side that its messages up to this one were read. Left out where the line is
    /// busy.
    pub fn mark_read(&self, id: MessageId) {
        let _ = self.say.try_send(Say::Read(id));
    }

    /// Tells the other side that somebody types or stopped to. Left out where the line is busy.
    pub fn typing(&self, active: bool) {
        let _ = self.say.try_send(Say::Typing(active));
    }

    fn unreachable(&self, cause: &str) -> Error {
        Error::PeerUnreachable { peer: self.peer.to_string(), cause: cause.into() }
    }
}

/// Where a conversation's task writes, and what the connection reads from it.
pub(super) type Wire = mpsc::Sender<Result<Said, Status>>;

/// A wire and its other end.
pub(super) fn wire() -> (Wire, ReceiverStream<Result<Said, Status>>) {
    let (wire, said) = mpsc::channel(WIRE);
    (wire, ReceiverStream::new(said))
}

/// What is heard from the other side; `None` is an event of a later version of the protocol.
pub(super) trait Heard: Stream<Item = Result<Option<Said>, Status>> + Unpin + Send {}
impl<T: Stream<Item = Result<Option<Said>, Status>> + Unpin + Send> Heard for T {}

/// Says hello to `peer`, on the calling side. This has to come before the call: the servers of many
/// languages answer nothing, not even that the call has arrived, until they have something to say.
pub(super) fn say_hello(peer: &Name, inbox: &Inbox, wire: &Wire) {
    let me = inbox.owner().to_string();
    let _ = wire.try_send(Ok(Said::Hello(proto::Hello { name: me, receiver: peer.to_string() })));
}

/// Waits for the answer to one's hello.
///
/// The outer error is that of the stream, the inner one that of what was heard on it.
pub(super) async fn greet(peer: &Name, heard: &mut impl Heard) -> Result<Result<()>, Status> {
    Ok(match hello(heard).await? {
        Ok(hello) if hello.name == peer.as_str() => Ok(()),
        Ok(_) => Err(Error::WrongReceiver(peer.clone())),
        Err(error) => Err(error),
    })
}

/// A greeted conversation, and the task that drives it.
pub(super) fn call(
    peer: Name,
    known: PeerTrust,
    inbox: Inbox,
    heard: impl Heard,
    wire: Wire,
    stop: CancellationToken,
) -> (Conversation, impl Future<Output = ()>) {
    let (line, asked) = Line::new(peer.clone(), None);
    let (told, events) = mpsc::channel(HEARD);
    let audience = Audience::Caller(told);
    let talk = Talk::new(peer, known, None, inbox, audience, wire, asked);
    (Conversation { line, heard: events }, talk.run(heard, stop))
}

/// Drives a conversation that another client opened.
pub(super) async fn answer(
    inbox: Inbox,
    gate: Gate,
    caller: Caller,
    arrival: Permit,
    mut heard: impl Heard,
    wire: Wire,
    stop: CancellationToken,
) {
    let greeting = hear_caller(&inbox, &gate, caller, &mut heard);
    let greeted = stop.run_until_cancelled(greeting).await;
    let (peer, standing, _seat) = match greeted.unwrap_or(Ok(Err(Error::ShuttingDown))) {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(error)) => {
            let _ = wire.try_send(Err(wire::status(&error)));
            return;
        }
        // The stream broke; nobody is left to be told.
        Err(_) => return,
    };
    drop(arrival);
    let hello = proto::Hello { name: inbox.owner().to_string(), receiver: String::new() };
    let _ = wire.try_send(Ok(Said::Hello(hello)));
    let from = caller.from;
    let (line, asked) = Line::new(peer.clone(), from);
    let audience = Audience::Inbox(line);
    audience.tell(&inbox, ConversationEvent::Opened);
    let known = gate.acquaintance(peer.clone(), standing);
    Talk::new(peer, known, from, inbox, audience, wire, asked).run(heard, stop).await;
}

async fn hear_caller(
    inbox: &Inbox,
    gate: &Gate,
    caller: Caller,
    heard: &mut impl Heard,
) -> Result<Result<(Name, Verification, Permit)>, Status> {
    let called = hello(heard).await?.and_then(|hello| {
        let peer = wire::name("hello.name", &hello.name)?;
        inbox.check_receiver("hello.receiver", &hello.receiver)?;
        Ok(peer)
    });
    Ok(match called {
        Ok(peer) => {
            let seated = gate.seat(caller, &peer).await;
            seated.map(|(standing, seat)| (peer, standing, seat))
        }
        Err(error) => Err(error),
    })
}

async fn hello(heard: &mut impl Heard) -> Result<Result<proto::Hello>, Status> {
    match tokio::time::timeout(HELLO_TIMEOUT, heard.next()).await {
        Ok(Some(Ok(Some(Said::Hello(hello))))) => Ok(Ok(hello)),
        Ok(Some(Ok(_))) => Ok(Err(Error::invalid("hello", "must be the first event"))),
        Ok(Some(Err(status))) => Err(status),
        Ok(None) | Err(_) => Ok(Err(Error::invalid("hello", "missing"))),
    }
}

impl From<Said> for proto::converse_response::Event {
    fn from(said: Said) -> Self {
        match said {
            Said::Hello(hello) => Self::Hello(hello),
            Said::Message(message) => Self::Message(message),
            Said::Receipt(receipt) => Self::Receipt(receipt),
            Said::Read(mark) => Self::Read(mark),
            Said::Typing(typing) => Self::Typing(typing),
            Said::Refused(refused) => Self::Refused(refused),
        }
    }
}

impl From<proto::converse_response::Event> for Said {
    fn from(said: proto::converse_response::Event) -> Self {
        use proto::converse_response::Event;
        match said {
            Event::Hello(hello) => Self::Hello(hello),
            Event::Message(message) => Self::Message(message),
            Event::Receipt(receipt) => Self::Receipt(receipt),
            Event::Read(mark) => Self::Read(mark),
            Event::Typing(typing) => Self::Typing(typing),
            Event::Refused(refused) => Self::Refused(refused),
        }
    }
}
