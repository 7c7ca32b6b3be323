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
        contact_store::PeerTrust,
        events::{Direct, Event},
        gate::BLOCKED,
        inbox::{self, Inbox},
        session::Reply,
    },
    ConversationEvent, Heard, Line, PLACE_TIMEOUT, Said, Say, WINDOW, WINDOW_BYTES, Wire,
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

    /// Whether a message would be refused for want of a place.
    fn is_full(&self, inbox: &Inbox) -> bool {
        match self {
            Self::Inbox(_) => inbox.is_full(),
            Self::Caller(told) => inbox::is_full(told),
        }
    }

    /// Waits until there may be a place.
    async fn place(&self, inbox: &Inbox) {
        match self {
            Self::Inbox(_) => inbox.place().await,
            Self::Caller(told) => inbox::place(told).await,
        }
    }
}

/// A conversation's task.
pub(super) struct Talk {
    peer: Name,
    known: PeerTrust,
    from: Option<SocketAddr>,
    inbox: Inbox,
    audience: Audience,
    wire: Wire,
    asked: mpsc::Receiver<Say>,
    /// Messages that found no place yet, as many as an honest side may have under way. They have no
    /// receipt, and what the stream brings besides them goes on meanwhile: it may be what the
    /// reader waits for.
    held: VecDeque<DirectMessage>,
    held_bytes: usize,
    /// When those are refused, unless there was a place.
    held_until: Instant,
}

/// Messages of this side that are under way.
#[derive(Default)]
struct Pending {
    /// By id: who waits for the receipt, and the bytes of the text.
    replies: HashMap<MessageId, (Reply<Receipt>, usize)>,
    bytes: usize,
}

impl Pending {
    fn has_room(&self) -> bool {
        self.replies.len() < WINDOW && self.bytes < WINDOW_BYTES
    }

    fn insert(&mut self, id: MessageId, reply: Reply<Receipt>, bytes: usize) {
        // Said twice, it is answered to whoever said it last.
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

/// Why a conversation ended; `None` where it simply did.
type End = Option<Error>;

impl Talk {
    pub(super) fn new(
        peer: Name,
        known: PeerTrust,
        from: Option<SocketAddr>,
        inbox: Inbox,
        audience: Audience,
        wire: Wire,
        asked: mpsc::Receiver<Say>,
    ) -> Self {
        let (held, held_bytes, held_until) = (VecDeque::new(), 0, Instant::now());
        Self { peer, known, from, inbox, audience, wire, asked, held, held_bytes, held_until }
    }

    pub(super) async fn run(mut self, heard: impl Heard, stop: CancellationToken) {
        let end = stop.run_until_cancelled(self.talk(heard)).await;
        let end = end.unwrap_or(Some(Error::ShuttingDown));
        if let Some(error) = &end {
            let status = match error {
                Error::Blocked(_) => wire::status(&Error::CallerRefused(BLOCKED)),
                Error::KeyChanged { .. } => {
                    wire::status(&Error::CallerKeyChanged(self.peer.clone()))
                }
                error => wire::status(error),
            };
            // Where the wire is full or gone, the end of the stream has to do.
            let _ = self.wire.try_send(Err(status));
        }
        let cause = end.map(|error| text::one_line(&error.to_string()).into_owned());
        self.audience.tell(&self.inbox, ConversationEvent::Closed { cause });
    }

    async fn talk(&mut self, mut heard: impl Heard) -> End {
        let mut pending = Pending::default();
        loop {
            let done = tokio::select! {
                asked = self.asked.recv(), if pending.has_room() => match asked {
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
                found = place(&self.audience, &self.inbox, self.held_until),
                    if !self.held.is_empty() => self.take_held(found).await,
            };
            if let Err(error) = done {
                return Some(error);
            }
        }
    }

    async fn say(&mut self, say: Say, pending: &mut Pending) -> Result<()> {
        self.known.look().await?;
        let said = match say {
            Say::Message { id, text, reply } => {
                pending.insert(id, reply, text.as_str().len());
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
        if !matches!(said, Said::Receipt(_) | Said::Refused(_)) {
            self.known.look().await?;
        }
        match said {
            Said::Hello(_) => Err(Error::invalid("hello", "must be the first event only")),
            Said::Message(message) => self.take(message).await,
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

    /// Answers a message, or holds it until it has a place. Whoever has more under way than the
    /// window is not waited for. Only a message that has no readable id cannot be answered.
    async fn take(&mut self, raw: proto::DirectMessage) -> Result<()> {
        let id = raw.id.clone();
        wire::field("message.id", MessageId::parse(&id))?;
        // Before it is held: what is held is small.
        let message = match self.read(raw) {
            Ok(message) => message,
            Err(error) => return self.write(refused(id, &error)).await,
        };
        let has_to_wait = !self.held.is_empty() || self.audience.is_full(&self.inbox);
        let can_wait = self.held.len() < WINDOW && self.held_bytes < WINDOW_BYTES;
        if !has_to_wait || !can_wait {
            let said = self.accept(message);
            return self.write(said).await;
        }
        if self.held.is_empty() {
            self.held_until = Instant::now() + PLACE_TIMEOUT;
        }
        self.held_bytes += message.text.as_str().len();
        self.held.push_back(message);
        Ok(())
    }

    /// Takes what has waited: as far as there are places, or all of it where none was found, as
    /// nobody reads then. What has no place gets the answer that it would have had at once.
    async fn take_held(&mut self, found: bool) -> Result<()> {
        self.known.look().await?;
        while !(found && self.audience.is_full(&self.inbox))
            && let Some(message) = self.held.pop_front()
        {
            self.held_bytes -= message.text.as_str().len();
            let said = self.accept(message);
            self.write(said).await?;
            self.held_until = Instant::now() + PLACE_TIMEOUT;
        }
        Ok(())
    }

    fn read(&self, raw: proto::DirectMessage) -> Result<DirectMessage> {
        let message = wire::direct_message("message", Some(raw))?;
        if message.sender != self.peer {
            return Err(Error::invalid("message.sender", "not the name of the hello"));
        }
        Ok(message)
    }

    /// Accepts a message or says why not.
    fn accept(&self, message: DirectMessage) -> Said {
        let (id, standing) = (message.id, self.known.standing());
        let accepted = match &self.audience {
            Audience::Inbox(_) => self.inbox.accept(message, standing, self.from),
            Audience::Caller(told) => {
                let direct = Direct { message, standing, from: None };
                self.inbox.accept_into(told, direct, ConversationEvent::Message)
            }
        };
        match accepted {
            Ok(receipt) => Said::Receipt((&receipt).into()),
            Err(error) => refused(id.to_string(), &error),
        }
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

fn refused(id: String, error: &Error) -> Said {
    Said::Refused(proto::MessageRefused { id, refusal: Some(wire::refusal(error)) })
}

/// Waits until there may be a place, and says whether there was one in time.
async fn place(audience: &Audience, inbox: &Inbox, until: Instant) -> bool {
    timeout_at(until, audience.place(inbox)).await.is_ok()
}

#[cfg(test)]
mod tests;
