//! The direct line outwards: from a name to an endpoint to a cached channel.
//!
//! Endpoints that were seen anywhere are remembered, so that peers are reached while the hub is
//! away. An address may belong to another client by now, so every call says whom it means, and the
//! answer counts only if it is that peer's. When none of the remembered endpoints answers, the hub
//! is asked once and the call is made once more, with the same message id: a message that arrived
//! after all is recognized.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Request, Status};

use super::{
    conversation::{self, Conversation},
    inbox::Inbox,
    link::{Link, broken},
    lru::Lru,
};
use crate::{
    error::{Error, Result},
    model::{DirectMessage, Endpoint, MessageId, Name, Peer, Receipt, Text},
    proto::{
        self, ConverseRequest, SendRequest, peer_chat_client::PeerChatClient,
        presence_client::PresenceClient,
    },
    text,
    transport::{self, CONNECT_TIMEOUT, Channel},
    wire,
};

/// How many peers' endpoints are remembered; those not used for longest are forgotten.
const REMEMBERED: usize = 10_000;

/// How many channels are kept open.
const CHANNELS: usize = 256;

/// The deadline of a direct call: connecting, and the blink of an eye that accepting takes.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(2 * CONNECT_TIMEOUT.as_secs());

/// How long the endpoints of one list are tried, however many they are.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// The other clients.
pub(super) struct Peers {
    link: Arc<Link>,
    inbox: Inbox,
    endpoints: Mutex<Lru<Name, Vec<Endpoint>>>,
    channels: Mutex<Lru<Endpoint, Channel>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Why one endpoint was not the end of it.
enum Failed {
    /// The peer is not reached there, for this reason; it may be elsewhere.
    There(String),
    /// The peer itself refused.
    Refused(Error),
}

impl Peers {
    pub(super) fn new(
        link: Arc<Link>,
        inbox: Inbox,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            link,
            inbox,
            endpoints: Mutex::new(Lru::new(REMEMBERED)),
            channels: Mutex::new(Lru::new(CHANNELS)),
            stop,
            tasks,
        }
    }

    pub(super) async fn send(&self, peer: &Name, text: Text) -> Result<Receipt> {
        let message = self.message(text);
        let message = &message;
        self.reach(peer, |there| async move { self.deliver(&there, message, Some(peer)).await })
            .await
    }

    pub(super) async fn send_to(&self, endpoint: &Endpoint, text: Text) -> Result<Receipt> {
        let message = self.message(text);
        // The cached channel may have lost its connection unnoticed; the second call makes a new
        // one.
        let mut delivered = self.deliver(endpoint, &message, None).await;
        if let Err(Failed::There(_)) = delivered {
            delivered = self.deliver(endpoint, &message, None).await;
        }
        delivered.map_err(|failed| match failed {
            Failed::There(cause) => Error::PeerUnreachable { peer: endpoint.to_string(), cause },
            Failed::Refused(error) => error,
        })
    }

    pub(super) async fn converse(&self, peer: &Name) -> Result<Conversation> {
        self.reach(peer, |there| async move { self.call(&there, peer).await }).await
    }

    /// Asks the hub where a peer is, and remembers it.
    pub(super) async fn look_up(&self, name: &Name) -> Result<Peer> {
        let request = proto::GetPeerRequest { name: name.to_string() };
        let rpc =
            |channel, request| async move { PresenceClient::new(channel).get_peer(request).await };
        let answer = self.link.call(request, rpc).await.map_err(|error| match error {
            Error::Refused(refusal) if refusal.reason == "PEER_UNKNOWN" => {
                Error::PeerUnknown(name.clone())
            }
            _ => error,
        })?;
        let peer = Peer::try_from(wire::present("peer", answer.peer)?)?;
        if peer.name != *name {
            return Err(Error::Protocol(format!("asked for {name}, got {}", peer.name)));
        }
        self.remember(&peer);
        Ok(peer)
    }

    /// Remembers where a peer is.
    pub(super) fn remember(&self, peer: &Peer) {
        locked(&self.endpoints).insert(peer.name.clone(), peer.endpoints.clone());
    }

    /// Tries what is remembered of a peer, then what the hub says.
    async fn reach<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        peer: &Name,
        attempt: impl Fn(Endpoint) -> F,
    ) -> Result<T> {
        let known = locked(&self.endpoints).get(peer.as_str()).cloned().unwrap_or_default();
        let mut tried = Vec::new();
        if let Some(reached) = self.try_each(peer, &known, &attempt, &mut tried).await? {
            return Ok(reached);
        }
        let unreachable = |cause| Error::PeerUnreachable { peer: peer.to_string(), cause };
        let listed = match self.look_up(peer).await {
            Ok(found) => found.endpoints,
            Err(error) if tried.is_empty() => return Err(error),
            Err(error @ Error::PeerUnknown(_)) => return Err(error),
            Err(error) => {
                let error = error.to_string();
                tried.push(format!("and it cannot be looked up: {}", text::one_line(&error)));
                return Err(unreachable(tried.join("; ")));
            }
        };
        if listed.is_empty() {
            return Err(unreachable("it takes no direct messages".into()));
        }
        tried.clear();
        match self.try_each(peer, &listed, &attempt, &mut tried).await? {
            Some(reached) => Ok(reached),
            None => Err(unreachable(tried.join("; "))),
        }
    }

    /// Tries endpoints in order. The first that leads to the peer is the first to be tried next
    /// time.
    async fn try_each<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        peer: &Name,
        endpoints: &[Endpoint],
        attempt: &impl Fn(Endpoint) -> F,
        tried: &mut Vec<String>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + LIST_TIMEOUT;
        for (index, endpoint) in endpoints.iter().enumerate() {
            let attempt = tokio::time::timeout_at(deadline, attempt(endpoint.clone())).await;
            let no_time = |_| Failed::There("no time left to try it".into());
            let reached = match attempt.map_err(no_time).flatten() {
                Ok(reached) => Ok(Some(reached)),
                Err(Failed::Refused(error)) => Err(error),
                Err(Failed::There(cause)) => {
                    tried.push(format!("{endpoint}: {cause}"));
                    continue;
                }
            };
            if index > 0 {
                let mut endpoints = endpoints.to_vec();
                endpoints[..=index].rotate_right(1);
                locked(&self.endpoints).insert(peer.clone(), endpoints);
            }
            return reached;
        }
        Ok(None)
    }

    async fn deliver(
        &self,
        endpoint: &Endpoint,
        message: &DirectMessage,
        receiver: Option<&Name>,
    ) -> Result<Receipt, Failed> {
        let mut request = Request::new(SendRequest {
            message: Some(message.into()),
            receiver: receiver.map(Name::to_string).unwrap_or_default(),
        });
        request.set_timeout(DIRECT_TIMEOUT);
        let mut there = PeerChatClient::new(self.channel(endpoint)?);
        let answer = there.send(request).await.map_err(|status| self.failed(endpoint, &status))?;
        let receipt = wire::present("receipt", answer.into_inner().receipt)
            .and_then(Receipt::try_from)
            .map_err(|error| Failed::There(error.to_string()))?;
        if receipt.id != message.id {
            return Err(Failed::There("a receipt for another message".into()));
        }
        if let Some(meant) = receiver.filter(|&meant| *meant != receipt.receiver) {
            // It was told whom the message is for, and took it all the same.
            let taker = &receipt.receiver;
            return Err(Failed::There(format!("{taker} listens there and took what is {meant}'s")));
        }
        Ok(receipt)
    }

    async fn call(&self, endpoint: &Endpoint, peer: &Name) -> Result<Conversation, Failed> {
        let mut there = PeerChatClient::new(self.channel(endpoint)?);
        let (wire, said) = conversation::wire();
        let said = said.map_while(Result::ok).map(|event| ConverseRequest { event: Some(event) });
        let greeted = async {
            let heard = there.converse(said).await?.into_inner();
            let mut heard = heard.map(|said| said.map(|said| said.event.map(Into::into)));
            let greeted = conversation::greet(peer, &self.inbox, &wire, &mut heard).await?;
            Ok((heard, greeted))
        };
        let (heard, greeted) = match tokio::time::timeout(DIRECT_TIMEOUT, greeted).await {
            Ok(answer) => answer.map_err(|status| self.failed(endpoint, &status))?,
            Err(_) => return Err(Failed::There("it does not answer".into())),
        };
        greeted.map_err(|error| Failed::There(error.to_string()))?;
        let (conversation, task) =
            conversation::call(peer.clone(), self.inbox.clone(), heard, wire, self.stop.clone());
        self.tasks.spawn(task);
        Ok(conversation)
    }

    fn channel(&self, endpoint: &Endpoint) -> Result<Channel, Failed> {
        let mut channels = locked(&self.channels);
        if let Some(channel) = channels.get(endpoint) {
            return Ok(channel.clone());
        }
        let channel = transport::peer_channel(endpoint).map_err(Failed::Refused)?;
        channels.insert(endpoint.clone(), channel.clone());
        Ok(channel)
    }

    /// What a failed call means, and whether the channel is still good.
    fn failed(&self, endpoint: &Endpoint, status: &Status) -> Failed {
        if let Some(cause) = broken(status) {
            locked(&self.channels).remove(endpoint);
            return Failed::There(cause);
        }
        let refusal = wire::refused(status);
        // No answer of the peer's: it stops, is somebody else, or is no PeerChat server at all.
        let is_elsewhere = matches!(status.code(), Code::Unavailable | Code::Unimplemented)
            || refusal.reason == "WRONG_RECEIVER";
        if is_elsewhere {
            Failed::There(text::one_line(&refusal.message).into_owned())
        } else {
            Failed::Refused(Error::Refused(refusal))
        }
    }

    fn message(&self, text: Text) -> DirectMessage {
        let (id, sender) = (MessageId::new(), self.link.name.clone());
        DirectMessage { id, sender, sent_at: Some(Timestamp::now()), text }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
