//! Live conversations: messages, receipts, read marks and typing notices, in both directions.
//!
//! 1. The calling side says hello, and names the peer that it wants to talk to.
//! 2. The called side says hello, or ends the stream if it goes by another name. Nothing private is
//!    sent before that.
//! 3. From then on both sides are equal. Each message is answered by a receipt or a refusal. A side
//!    has at most [`WINDOW`] unanswered messages under way, and about [`WINDOW_BYTES`] of text, so
//!    that neither can fill the other's memory and both can always read.
//!
//! One task drives each conversation; a [`Line`] sends commands to it. A conversation ends when the
//! calling side hangs up, the stream breaks, a side breaks the protocol, or a client stops.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::task::{Consumer, ConversationTask};
use super::{
    admission::Admission,
    caller::Caller,
    contact_store::PeerTrust,
    conversation_limits::Permit,
    inbox::Inbox,
    line::{ConversationEvent, Line},
    received::Verification,
};
pub(super) use crate::proto::converse_request::Event as ConverseEvent;
use crate::{
    client::error::Result,
    error::RequestError,
    model::{MessageId, Name, Receipt, Text},
    proto, wire,
};

mod task;

/// Messages of one side that wait for their receipt: enough to keep both sides busy while messages
/// and receipts are under way.
const WINDOW: usize = 1024;

/// Bytes of their texts after which no further message is sent. The other side may have to hold them
/// for as long as nobody reads there, in each of its conversations.
const WINDOW_BYTES: usize = 256 * 1024;

/// What waits to be written: a side's own messages, receipts for the other side's, and a few
/// marks. With honest sides it is never full.
const OUTGOING: usize = 3 * WINDOW;

/// Events of a conversation that this client opened and has not read; further messages wait.
const UNREAD: usize = 256;

/// How long a message may wait for room among the unread events before it is refused. A reader
/// that is alive makes room sooner.
const ROOM_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the other side may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// A conversation that this client opened. It ends when this and all of its lines are dropped.
#[derive(Debug)]
pub struct Conversation {
    line: Line,
    events: mpsc::Receiver<ConversationEvent>,
}

impl Conversation {
    /// Sends a message and returns when the peer holds it. Errors as [`Line::send`].
    pub async fn send(&self, text: Text) -> Result<Receipt> {
        self.line.send(text).await
    }

    /// Tells the peer that its messages up to this one were read.
    pub fn mark_read(&self, id: MessageId) {
        self.line.mark_read(id);
    }

    /// Tells the peer that somebody is typing or stopped typing.
    pub fn typing(&self, active: bool) {
        self.line.typing(active);
    }

    /// Returns the sending half alone.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Returns the next event; `None` when the conversation is over. While this is not called,
    /// messages are refused and everything else is left out.
    pub async fn next(&mut self) -> Option<ConversationEvent> {
        self.events.recv().await
    }
}

/// Where the task of a conversation writes, and what the connection reads from it.
pub(super) type Outgoing = mpsc::Sender<Result<ConverseEvent, Status>>;

/// Returns both ends of the queue of what a side sends.
pub(super) fn outgoing() -> (Outgoing, ReceiverStream<Result<ConverseEvent, Status>>) {
    let (outgoing, events) = mpsc::channel(OUTGOING);
    (outgoing, ReceiverStream::new(events))
}

/// What comes from the other side; `None` is an event of a later version of the protocol.
pub(super) trait Incoming:
    Stream<Item = Result<Option<ConverseEvent>, Status>> + Unpin + Send
{
}
impl<T: Stream<Item = Result<Option<ConverseEvent>, Status>> + Unpin + Send> Incoming for T {}

/// Says hello to `peer`, on the calling side. This has to come before the call: the servers of many
/// languages send nothing, not even their headers, until they have a first answer.
pub(super) fn say_hello(peer: &Name, inbox: &Inbox, outgoing: &Outgoing) {
    let hello = proto::Hello { name: inbox.owner().get().to_string(), receiver: peer.to_string() };
    let _ = outgoing.try_send(Ok(ConverseEvent::Hello(hello)));
}

/// The outer error is that of the stream, the inner one a wrong answer.
type HelloResult<T> = Result<Result<T, RequestError>, Status>;

/// Waits for the hello of the called side.
pub(super) async fn expect_hello(peer: &Name, incoming: &mut impl Incoming) -> HelloResult<()> {
    Ok(match read_hello(incoming).await? {
        Ok(hello) if hello.name == peer.as_str() => Ok(()),
        Ok(_) => Err(RequestError::WrongReceiver(peer.clone())),
        Err(error) => Err(error),
    })
}

/// Returns a conversation whose peer has said hello, and the task that drives it.
pub(super) fn call(
    peer: Name,
    trust: PeerTrust,
    inbox: Inbox,
    incoming: impl Incoming,
    outgoing: Outgoing,
    stop: CancellationToken,
) -> (Conversation, impl Future<Output = ()>) {
    let (line, commands) = Line::new(peer.clone(), None);
    let (sender, events) = mpsc::channel(UNREAD);
    let consumer = Consumer::Caller(sender);
    let task = ConversationTask::new(peer, trust, None, inbox, consumer, outgoing, commands);
    (Conversation { line, events }, task.run(incoming, stop))
}

/// Drives a conversation that another client opened.
pub(super) async fn answer(
    inbox: Inbox,
    admission: Admission,
    caller: Caller,
    arrival: Permit,
    mut incoming: impl Incoming,
    outgoing: Outgoing,
    stop: CancellationToken,
) {
    let admitted = admit(&inbox, &admission, caller, &mut incoming);
    let admitted = stop.run_until_cancelled(admitted).await;
    let (peer, verification, _permit) =
        match admitted.unwrap_or(Ok(Err(RequestError::ShuttingDown))) {
            Ok(Ok(admitted)) => admitted,
            Ok(Err(error)) => {
                let _ = outgoing.try_send(Err(wire::status(&error)));
                return;
            }
            // The stream broke; nobody is left to answer.
            Err(_) => return,
        };
    drop(arrival);
    let hello = proto::Hello { name: inbox.owner().get().to_string(), receiver: String::new() };
    let _ = outgoing.try_send(Ok(ConverseEvent::Hello(hello)));
    let from = caller.from;
    let (line, commands) = Line::new(peer.clone(), from);
    let consumer = Consumer::Inbox(line);
    consumer.hint(&inbox, ConversationEvent::Opened);
    let trust = admission.trust(peer.clone(), verification);
    ConversationTask::new(peer, trust, from, inbox, consumer, outgoing, commands)
        .run(incoming, stop)
        .await;
}

async fn admit(
    inbox: &Inbox,
    admission: &Admission,
    caller: Caller,
    incoming: &mut impl Incoming,
) -> HelloResult<(Name, Verification, Permit)> {
    let peer = read_hello(incoming).await?.and_then(|hello| {
        let peer = wire::name("hello.name", &hello.name)?;
        inbox.check_receiver("hello.receiver", &hello.receiver)?;
        Ok(peer)
    });
    Ok(match peer {
        Ok(peer) => {
            let admitted = admission.admit_to_conversation(caller, &peer).await;
            admitted.map(|(verification, permit)| (peer, verification, permit))
        }
        Err(error) => Err(error),
    })
}

async fn read_hello(incoming: &mut impl Incoming) -> HelloResult<proto::Hello> {
    match tokio::time::timeout(HELLO_TIMEOUT, incoming.next()).await {
        Ok(Some(Ok(Some(ConverseEvent::Hello(hello))))) => Ok(Ok(hello)),
        Ok(Some(Ok(_))) => Ok(Err(RequestError::invalid("hello", "must be the first event"))),
        Ok(Some(Err(status))) => Err(status),
        Ok(None) | Err(_) => Ok(Err(RequestError::invalid("hello", "missing"))),
    }
}

impl From<ConverseEvent> for proto::converse_response::Event {
    fn from(event: ConverseEvent) -> Self {
        match event {
            ConverseEvent::Hello(hello) => Self::Hello(hello),
            ConverseEvent::Message(message) => Self::Message(message),
            ConverseEvent::Receipt(receipt) => Self::Receipt(receipt),
            ConverseEvent::Read(mark) => Self::Read(mark),
            ConverseEvent::Typing(typing) => Self::Typing(typing),
            ConverseEvent::Refused(refused) => Self::Refused(refused),
        }
    }
}

impl From<proto::converse_response::Event> for ConverseEvent {
    fn from(event: proto::converse_response::Event) -> Self {
        use proto::converse_response::Event;
        match event {
            Event::Hello(hello) => Self::Hello(hello),
            Event::Message(message) => Self::Message(message),
            Event::Receipt(receipt) => Self::Receipt(receipt),
            Event::Read(mark) => Self::Read(mark),
            Event::Typing(typing) => Self::Typing(typing),
            Event::Refused(refused) => Self::Refused(refused),
        }
    }
}
