//! The task that drives one conversation.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
};

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{
    super::{
        admission::BLOCKED,
        contact_store::PeerTrust,
        event::Event,
        inbox::{self, Inbox},
        line::LineCommand,
        received::Direct,
        reply::Reply,
    },
    ConversationEvent, ConverseEvent, Incoming, Line, Outgoing, ROOM_TIMEOUT, WINDOW, WINDOW_BYTES,
};
use crate::{
    client::error::Error,
    error::{RequestError, Result},
    model::{DirectMessage, MessageId, Name, Receipt},
    proto, text, transport, wire,
};

/// Who gets what the other side sends.
pub(super) enum Consumer {
    /// The reader of the client's events, with the line to answer on.
    Inbox(Line),
    /// The caller that opened the conversation.
    Caller(mpsc::Sender<ConversationEvent>),
}

impl Consumer {
    /// Passes on an event that may be left out.
    pub(super) fn hint(&self, inbox: &Inbox, event: ConversationEvent) {
        match self {
            Self::Inbox(line) => {
                inbox.hint(Event::Conversation { line: line.clone(), event });
            }
            Self::Caller(events) => drop(events.try_send(event)),
        }
    }

    /// Returns true if a message would be refused because too many are unread.
    fn is_full(&self, inbox: &Inbox) -> bool {
        match self {
            Self::Inbox(_) => inbox.is_full(),
            Self::Caller(events) => inbox::is_full(events),
        }
    }

    /// Waits until there may be room for a message.
    async fn has_room(&self, inbox: &Inbox) {
        match self {
            Self::Inbox(_) => inbox.has_room().await,
            Self::Caller(events) => inbox::has_room(events).await,
        }
    }
}

pub(super) struct ConversationTask {
    peer: Name,
    trust: PeerTrust,
    from: Option<SocketAddr>,
    inbox: Inbox,
    consumer: Consumer,
    outgoing: Outgoing,
    commands: mpsc::Receiver<LineCommand>,
    /// Messages that wait for room, as many as an honest side may have under way. They have no
    /// receipt. Everything else that the stream brings is handled meanwhile: it may be what the
    /// reader waits for.
    held: VecDeque<DirectMessage>,
    held_bytes: usize,
    /// When the held messages are refused unless there was room.
    held_until: Instant,
}

/// Messages of this side that wait for their receipt.
#[derive(Default)]
struct InFlight {
    /// By id: who waits for the receipt, and the bytes of the text.
    replies: HashMap<MessageId, (Reply<Receipt>, usize)>,
    bytes: usize,
}

impl InFlight {
    fn has_room(&self) -> bool {
        self.replies.len() < WINDOW && self.bytes < WINDOW_BYTES
    }

    fn insert(&mut self, id: MessageId, reply: Reply<Receipt>, bytes: usize) {
        // Of two senders of one id the last one gets the answer.
        self.remove(&id);
        self.bytes += bytes;
        self.replies.insert(id, (reply, bytes));
    }

    fn remove(&mut self, id: &MessageId) -> Option<Reply<Receipt>> {
        let (reply, bytes) = self.replies.remove(id)?;
        self.bytes -= bytes;
        Some(reply)
    }
}

/// Why a conversation ended; `None` if one side hung up.
type End = Option<Cause>;

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
enum Cause {
    /// This side ended it, and tells the other side why.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// The contact book says so, or the stream broke.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Cause {
    /// The status that the other side gets, if it can get one.
    fn status(&self, peer: &Name) -> Option<Status> {
        Some(wire::status(&match self {
            Self::Refused(error) => error.clone(),
            Self::Failed(Error::Blocked(_)) => RequestError::CallerRefused(BLOCKED),
            Self::Failed(Error::KeyChanged { .. }) => RequestError::CallerKeyChanged(peer.clone()),
            // The stream broke.
            Self::Failed(Error::PeerUnreachable { .. }) => return None,
            Self::Failed(error) => RequestError::internal(error.clone()),
        }))
    }
}

impl ConversationTask {
    pub(super) fn new(
        peer: Name,
        trust: PeerTrust,
        from: Option<SocketAddr>,
        inbox: Inbox,
        consumer: Consumer,
        outgoing: Outgoing,
        commands: mpsc::Receiver<LineCommand>,
    ) -> Self {
        let (held, held_bytes, held_until) = (VecDeque::new(), 0, Instant::now());
        Self {
            peer,
            trust,
            from,
            inbox,
            consumer,
            outgoing,
            commands,
            held,
            held_bytes,
            held_until,
        }
    }

    pub(super) async fn run(mut self, incoming: impl Incoming, stop: CancellationToken) {
        let end = stop.run_until_cancelled(self.converse(incoming)).await;
        let end = end.unwrap_or(Some(RequestError::ShuttingDown.into()));
        if let Some(status) = end.as_ref().and_then(|cause| cause.status(&self.peer)) {
            // If the queue is full or closed, the end of the stream has to do.
            let _ = self.outgoing.try_send(Err(status));
        }
        let cause = end.map(|error| text::one_line(&error.to_string()).into_owned());
        self.consumer.hint(&self.inbox, ConversationEvent::Closed { cause });
    }

    async fn converse(&mut self, mut incoming: impl Incoming) -> End {
        let mut in_flight = InFlight::default();
        let own_name = self.inbox.owner().clone();
        let me = own_name.get();
        loop {
            let done = tokio::select! {
                // The peer knows this side by the name of its hello.
                () = own_name.changed_from(&me) => {
                    return Some(RequestError::WrongReceiver(me).into());
                }
                command = self.commands.recv(), if in_flight.has_room() => match command {
                    Some(command) => self.handle(command, &mut in_flight).await,
                    // The conversation was dropped.
                    None => return None,
                },
                event = incoming.next() => match event {
                    Some(Ok(Some(event))) => self.on_event(event, &mut in_flight).await,
                    Some(Ok(None)) => Ok(()),
                    // Hanging up may look like this.
                    Some(Err(status)) if status.code() == Code::Cancelled => return None,
                    Some(Err(status)) => return Some(self.stream_error(&status)),
                    None => return None,
                },
                has_room = wait_for_room(&self.consumer, &self.inbox, self.held_until),
                    if !self.held.is_empty() => self.accept_held(has_room).await,
            };
            if let Err(error) = done {
                return Some(error);
            }
        }
    }

    async fn handle(
        &mut self,
        command: LineCommand,
        in_flight: &mut InFlight,
    ) -> Result<(), Cause> {
        self.trust.refresh().await?;
        let event = match command {
            LineCommand::Send { id, text, reply } => {
                in_flight.insert(id, reply, text.as_str().len());
                let sender = self.inbox.owner().get();
                let message = DirectMessage { id, sender, sent_at: Some(Timestamp::now()), text };
                ConverseEvent::Message((&message).into())
            }
            LineCommand::MarkRead(id) => {
                ConverseEvent::Read(proto::ReadMark { id: id.to_string() })
            }
            LineCommand::SetTyping(active) => ConverseEvent::Typing(proto::Typing { active }),
        };
        self.write(event).await
    }

    async fn on_event(
        &mut self,
        event: ConverseEvent,
        in_flight: &mut InFlight,
    ) -> Result<(), Cause> {
        if !matches!(event, ConverseEvent::Receipt(_) | ConverseEvent::Refused(_)) {
            self.trust.refresh().await?;
        }
        match event {
            ConverseEvent::Hello(_) => {
                Err(RequestError::invalid("hello", "must be the first event only").into())
            }
            ConverseEvent::Message(message) => self.on_message(message).await,
            ConverseEvent::Receipt(receipt) => {
                let receipt = Receipt::try_from(receipt)
                    .map_err(|problem| RequestError::invalid("receipt", problem))?;
                if receipt.receiver != self.peer {
                    let problem = "not the name of the hello";
                    return Err(RequestError::invalid("receipt.receiver", problem).into());
                }
                if let Some(reply) = in_flight.remove(&receipt.id) {
                    let _ = reply.send(Ok(receipt));
                }
                Ok(())
            }
            ConverseEvent::Refused(refused) => {
                let id = wire::field("refused.id", MessageId::parse(&refused.id))?;
                let refusal = wire::refused_in_stream(refused.refusal.unwrap_or_default());
                if let Some(reply) = in_flight.remove(&id) {
                    let _ = reply.send(Err(Error::Refused(refusal)));
                }
                Ok(())
            }
            ConverseEvent::Read(mark) => {
                let id = wire::field("read.id", MessageId::parse(&mark.id))?;
                self.inbox.history().mark_read(&self.peer, id, true).await;
                self.consumer.hint(&self.inbox, ConversationEvent::Read(id));
                Ok(())
            }
            ConverseEvent::Typing(typing) => {
                self.consumer.hint(&self.inbox, ConversationEvent::Typing(typing.active));
                Ok(())
            }
        }
    }

    /// Answers a message, or holds it until there is room. A side that has more under way than the
    /// window gets an answer at once. A message without a valid id cannot be answered: it ends the
    /// conversation.
    async fn on_message(&mut self, raw: proto::DirectMessage) -> Result<(), Cause> {
        let id = raw.id.clone();
        wire::field("message.id", MessageId::parse(&id))?;
        // Parsed before it is held, which bounds its size.
        let message = match self.parse(raw) {
            Ok(message) => message,
            Err(error) => return self.write(refused(id, &error)).await,
        };
        let has_to_wait = !self.held.is_empty() || self.consumer.is_full(&self.inbox);
        let can_wait = self.held.len() < WINDOW && self.held_bytes < WINDOW_BYTES;
        if !has_to_wait || !can_wait {
            let answer = self.accept(message).await;
            return self.write(answer).await;
        }
        if self.held.is_empty() {
            self.held_until = Instant::now() + ROOM_TIMEOUT;
        }
        self.held_bytes += message.text.as_str().len();
        self.held.push_back(message);
        Ok(())
    }

    /// Accepts held messages as far as there is room, or refuses all if there was none in time.
    async fn accept_held(&mut self, has_room: bool) -> Result<(), Cause> {
        self.trust.refresh().await?;
        while !(has_room && self.consumer.is_full(&self.inbox))
            && let Some(message) = self.held.pop_front()
        {
            self.held_bytes -= message.text.as_str().len();
            let answer = self.accept(message).await;
            self.write(answer).await?;
            self.held_until = Instant::now() + ROOM_TIMEOUT;
        }
        Ok(())
    }

    fn parse(&self, raw: proto::DirectMessage) -> Result<DirectMessage> {
        let message = wire::direct_message("message", Some(raw))?;
        if message.sender != self.peer {
            return Err(RequestError::invalid("message.sender", "not the name of the hello"));
        }
        Ok(message)
    }

    /// Accepts a message, and returns its receipt or refusal.
    async fn accept(&self, message: DirectMessage) -> ConverseEvent {
        let (id, verification) = (message.id, self.trust.verification);
        let direct = Direct { message, verification, from: self.from };
        let accepted = match &self.consumer {
            Consumer::Inbox(_) => self.inbox.accept(direct, false).await,
            Consumer::Caller(events) => {
                self.inbox.accept_into(events, direct, ConversationEvent::Message).await
            }
        };
        match accepted {
            Ok(receipt) => ConverseEvent::Receipt((&receipt).into()),
            Err(error) => refused(id.to_string(), &error),
        }
    }

    async fn write(&self, event: ConverseEvent) -> Result<(), Cause> {
        let sent = self.outgoing.send(Ok(event)).await;
        sent.map_err(|_| self.unreachable("the stream ended").into())
    }

    fn stream_error(&self, status: &Status) -> Cause {
        match transport::dial_failure(status) {
            Some(failure) => self.unreachable(&text::one_line(&failure.to_string())).into(),
            None => RequestError::Refused(wire::refused(status)).into(),
        }
    }

    fn unreachable(&self, cause: &str) -> Error {
        Error::PeerUnreachable { peer: self.peer.to_string(), cause: cause.to_owned() }
    }
}

fn refused(id: String, error: &RequestError) -> ConverseEvent {
    ConverseEvent::Refused(proto::MessageRefused { id, refusal: Some(wire::refusal(error)) })
}

/// Waits until there may be room for a message. Returns false if there was none in time.
async fn wait_for_room(consumer: &Consumer, inbox: &Inbox, until: Instant) -> bool {
    timeout_at(until, consumer.has_room(inbox)).await.is_ok()
}

#[cfg(test)]
mod tests;
