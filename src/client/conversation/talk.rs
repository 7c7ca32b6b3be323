//! The task that drives one conversation.

use std::{collections::HashMap, net::SocketAddr};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{
    super::{
        events::{Direct, Event, Standing},
        inbox::Inbox,
        session::Reply,
    },
    ConversationEvent, Heard, Line, Said, Say, WINDOW, Wire,
};
use crate::{
    error::{Error, Result},
    model::{DirectMessage, MessageId, Name, Receipt},
    proto, text, transport, wire,
};

/// Who hears what the other side says.
pub(super) enum Audience {
    /// The events of the client, with the way back.
    Inbox(Line),
    /// Whoever opened the conversation.
    Caller(mpsc::Sender<ConversationEvent>),
}

impl Audience {
    /// Tells what may be left out.
    pub(super) fn tell(&self, inbox: &Inbox, event: ConversationEvent) {
        match self {
            Self::Inbox(line) => {
                inbox.hint(Event::Conversation { line: line.clone(), event });
            }
            Self::Caller(told) => drop(told.try_send(event)),
        }
    }
}

/// A conversation's task.
pub(super) struct Talk {
    pub(super) peer: Name,
    pub(super) standing: Standing,
    pub(super) from: Option<SocketAddr>,
    pub(super) inbox: Inbox,
    pub(super) audience: Audience,
    pub(super) wire: Wire,
    pub(super) asked: mpsc::Receiver<Say>,
}

/// Messages of this side by id, and who waits for their receipts.
type Pending = HashMap<MessageId, Reply<Receipt>>;

/// Why a conversation ended; `None` where it simply did.
type End = Option<Error>;

impl Talk {
    pub(super) async fn run(mut self, heard: impl Heard, stop: CancellationToken) {
        let end = stop.run_until_cancelled(self.talk(heard)).await;
        let end = end.unwrap_or(Some(Error::ShuttingDown));
        if let Some(error) = &end {
            // Where the wire is full or gone, the end of the stream has to do.
            let _ = self.wire.try_send(Err(wire::status(error)));
        }
        let cause = end.map(|error| text::one_line(&error.to_string()).into_owned());
        self.audience.tell(&self.inbox, ConversationEvent::Closed { cause });
    }

    async fn talk(&mut self, mut heard: impl Heard) -> End {
        let mut pending = Pending::new();
        loop {
            let done = tokio::select! {
                asked = self.asked.recv(), if pending.len() < WINDOW => match asked {
                    Some(say) => self.say(say, &mut pending).await,
                    // Whoever opened the conversation is done with it.
                    None => return None,
                },
                event = heard.next() => match event {
                    Some(Ok(Some(said))) => self.hear(said, &mut pending).await,
                    Some(Ok(None)) => Ok(()),
                    // Hanging up may look like this.
                    Some(Err(status)) if status.code() == Code::Cancelled => return None,
                    Some(Err(status)) => return Some(self.failed(&status)),
                    None => return None,
                },
            };
            if let Err(error) = done {
                return Some(error);
            }
        }
    }

    async fn say(&mut self, say: Say, pending: &mut Pending) -> Result<()> {
        let said = match say {
            Say::Message { text, reply } => {
                let id = MessageId::new();
                pending.insert(id, reply);
                let sender = self.inbox.owner().clone();
                let message = DirectMessage { id, sender, sent_at: Some(Timestamp::now()), text };
                Said::Message((&message).into())
            }
            Say::Read(id) => Said::Read(proto::ReadMark { id: id.to_string() }),
            Say::Typing(active) => Said::Typing(proto::Typing { active }),
        };
        self.write(said).await
    }

    async fn hear(&mut self, said: Said, pending: &mut Pending) -> Result<()> {
        match said {
            Said::Hello(_) => Err(Error::invalid("hello", "must be the first event only")),
            Said::Message(message) => {
                let said = self.accept(message)?;
                self.write(said).await
            }
            Said::Receipt(receipt) => {
                let receipt = Receipt::try_from(receipt)
                    .map_err(|problem| Error::invalid("receipt", problem))?;
                if receipt.receiver != self.peer {
                    return Err(Error::invalid("receipt.receiver", "not the name of the hello"));
                }
                if let Some(reply) = pending.remove(&receipt.id) {
                    let _ = reply.send(Ok(receipt));
                }
                Ok(())
            }
            Said::Refused(refused) => {
                let id = wire::field("refused.id", MessageId::parse(&refused.id))?;
                let refusal = wire::refused_in_stream(refused.refusal.unwrap_or_default());
                if let Some(reply) = pending.remove(&id) {
                    let _ = reply.send(Err(Error::Refused(refusal)));
                }
                Ok(())
            }
            Said::Read(mark) => {
                let id = wire::field("read.id", MessageId::parse(&mark.id))?;
                self.audience.tell(&self.inbox, ConversationEvent::Read(id));
                Ok(())
            }
            Said::Typing(typing) => {
                self.audience.tell(&self.inbox, ConversationEvent::Typing(typing.active));
                Ok(())
            }
        }
    }

    /// Accepts a message or says why not. Only one that has no readable id cannot be answered.
    fn accept(&self, raw: proto::DirectMessage) -> Result<Said> {
        let id = raw.id.clone();
        wire::field("message.id", MessageId::parse(&id))?;
        let accepted = wire::direct_message("message", Some(raw)).and_then(|message| {
            if message.sender != self.peer {
                return Err(Error::invalid("message.sender", "not the name of the hello"));
            }
            match &self.audience {
                Audience::Inbox(_) => self.inbox.accept(message, self.standing, self.from),
                Audience::Caller(told) => {
                    let direct = Direct { message, standing: self.standing, from: None };
                    self.inbox.accept_into(told, direct, ConversationEvent::Message)
                }
            }
        });
        Ok(match accepted {
            Ok(receipt) => Said::Receipt((&receipt).into()),
            Err(error) => {
                let refusal = Some(wire::refusal(&error));
                Said::Refused(proto::MessageRefused { id, refusal })
            }
        })
    }

    async fn write(&self, said: Said) -> Result<()> {
        self.wire.send(Ok(said)).await.map_err(|_| self.unreachable("the stream ended"))
    }

    fn failed(&self, status: &Status) -> Error {
        match transport::why(status) {
            Some(failure) => self.unreachable(&text::one_line(&failure.to_string())),
            None => Error::Refused(wire::refused(status)),
        }
    }

    fn unreachable(&self, cause: &str) -> Error {
        Error::PeerUnreachable { peer: self.peer.to_string(), cause: cause.to_owned() }
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
