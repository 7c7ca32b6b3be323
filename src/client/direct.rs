//! Direct messages to peers.

use std::{pin::Pin, time::Duration};

use tokio::time::Instant;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    Client, Conversation, PeerFilter,
    outbox::{self, Queued},
};
use crate::{
    backoff,
    client::error::{Error, Result},
    model::{Endpoint, MessageId, Name, Receipt, Text},
};

/// A direct message, made by [`Client::send`]. Nothing is sent before it is awaited.
#[must_use = "a message is sent when it is awaited"]
#[derive(Debug, Clone)]
pub struct DirectSend<'a> {
    client: &'a Client,
    peer: &'a Name,
    id: MessageId,
    text: Text,
}

/// A direct message for the outbox, made by [`DirectSend::durable`].
#[must_use = "a message is queued when it is awaited"]
#[derive(Debug, Clone)]
pub struct DurableSend<'a>(DirectSend<'a>);

impl Client {
    /// Sends a direct message to a peer. Await the result to wait for the receipt:
    ///
    /// ```no_run
    /// # async fn f(client: chinwag::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use chinwag::model::{Name, Text};
    ///
    /// let bob = Name::parse("bob")?;
    /// client.send(&bob, Text::parse("hello")?).await?;
    /// // Kept on disk until bob has it, for example because he is away:
    /// client.send(&bob, Text::parse("call me back")?).durable().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The message goes over the open [`Conversation`] with the peer, if this client has one, and
    /// by a call of its own otherwise, or if the conversation breaks. Known peers are reached
    /// without a hub. If the connection breaks before the receipt, the message may have arrived
    /// nevertheless; repeat it under the same [`id`](DirectSend::id). Errors with
    /// [`Error::PeerUnknown`]; [`Error::KeyChanged`] if the hub lists another key for the peer than
    /// the contact book, and [`Error::Blocked`]: nothing was sent; [`Error::PeerUnreachable`],
    /// which names every endpoint that was tried; [`Error::HubUnreachable`] if the peer is not
    /// known and the hub is away; [`Error::Refused`] by the peer, for example with the reason
    /// `INBOX_FULL`, or `MESSAGE_ID_REUSED` if the id was used for another text.
    pub fn send<'a>(&'a self, peer: &'a Name, text: Text) -> DirectSend<'a> {
        DirectSend { client: self, peer, id: MessageId::new(), text }
    }

    /// Sends a direct message to whoever listens at an endpoint. A client with a key sends it to
    /// the peer that is known to be there. If none is, the message goes to loopback only, and
    /// without encryption. Errors as [`Client::send`].
    pub async fn send_to(&self, endpoint: &Endpoint, text: Text) -> Result<Receipt> {
        if !self.0.peers.knows_endpoint(endpoint)
            && let Err(error) = self.peers(PeerFilter::default()).await
        {
            tracing::debug!(%error, "cannot ask the hub who is at {endpoint}");
        }
        let message = self.0.peers.message(MessageId::new(), text);
        let (receipt, proven) = self.0.peers.send_to(endpoint, &message).await?;
        self.0.history.record_sent(&receipt.receiver, message, proven).await;
        Ok(receipt)
    }

    /// Opens a live conversation with a peer. Errors as [`Client::send`].
    pub async fn converse(&self, peer: &Name) -> Result<Conversation> {
        self.0.peers.converse(peer).await
    }

    /// Returns where the last call to a peer succeeded.
    pub fn reached_at(&self, peer: &Name) -> Option<Endpoint> {
        self.0.peers.reached_at(peer)
    }

    /// Pings the hub and returns the round trip. Costs the hub next to nothing. Errors with
    /// [`Error::HubUnreachable`] and [`Error::Refused`].
    pub async fn ping(&self) -> Result<Duration> {
        let began = Instant::now();
        let rpc = |channel, request| async move { HealthClient::new(channel).check(request).await };
        self.0.hub.call(HealthCheckRequest::default(), rpc).await?;
        Ok(began.elapsed())
    }
}

impl<'a> DirectSend<'a> {
    /// Sets the id, for example to repeat a message that got no receipt: the peer shows it once, as
    /// long as it was not restarted in between. The default is a new id.
    pub fn id(mut self, id: MessageId) -> Self {
        self.id = id;
        self
    }

    /// Keeps the message in the outbox, across restarts of this client, until the peer has confirmed
    /// it. It is delivered when the peer is online, after the earlier messages for that peer, and
    /// shown there once. The result of awaiting is the queued message, which is on the disk then.
    ///
    /// The delivery task does the rest. It runs in every client that takes direct messages and
    /// shares the outbox, and after [`Client::retry_queued`] or [`Client::wait_delivered`] in this
    /// client. [`Event::QueuedDelivered`](super::Event::QueuedDelivered) and
    /// [`Event::QueuedFailed`](super::Event::QueuedFailed) report the result.
    ///
    /// If this client has never met the peer, the message goes to the owner of the name at the time
    /// of delivery. Awaiting fails with [`Error::LimitReached`] if the outbox is full;
    /// [`Error::Invalid`] if the options name no outbox, if the outbox has a message of this id, or
    /// if the peer is this client itself; [`Error::Io`].
    pub fn durable(self) -> DurableSend<'a> {
        DurableSend(self)
    }

    /// Sends the message again and again until the peer has it, and shows it once even if the peer
    /// is restarted in between. Calls `on_failure` after each failed attempt. Errors with those of
    /// [`Client::send`] that waiting does not help against.
    pub async fn until_delivered(self, mut on_failure: impl FnMut(&Error)) -> Result<Receipt> {
        let peers = &self.client.0.peers;
        let message = peers.message(self.id, self.text);
        let mut pauses = backoff::RECONNECT;
        loop {
            match peers.send(self.peer, &message, true).await {
                Err(error) if outbox::is_transient(&error) => {
                    on_failure(&error);
                    tokio::time::sleep(pauses.next_delay()).await;
                }
                Err(error) => return Err(error),
                Ok((receipt, _)) => {
                    self.client.0.history.record_sent(self.peer, message, true).await;
                    return Ok(receipt);
                }
            }
        }
    }

    async fn deliver(self) -> Result<Receipt> {
        let (peers, history) = (&self.client.0.peers, &self.client.0.history);
        let message = peers.message(self.id, self.text.clone());
        if let Some(line) = peers.open_line(self.peer) {
            match line.send_with_id(self.id, self.text).await {
                // It may or may not have arrived. Under the same id it is shown once.
                Err(Error::PeerUnreachable { .. }) => {}
                Err(error) => return Err(error),
                Ok(receipt) => {
                    history.record_sent(self.peer, message, true).await;
                    return Ok(receipt);
                }
            }
        }
        let (receipt, _) = peers.send(self.peer, &message, false).await?;
        history.record_sent(self.peer, message, true).await;
        Ok(receipt)
    }
}

impl<'a> DurableSend<'a> {
    /// Sets the id, for example that of a message that was sent and got no receipt.
    pub fn id(self, id: MessageId) -> Self {
        Self(self.0.id(id))
    }
}

impl<'a> IntoFuture for DirectSend<'a> {
    type Output = Result<Receipt>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.deliver())
    }
}

impl<'a> IntoFuture for DurableSend<'a> {
    type Output = Result<Queued>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let DirectSend { client, peer, id, text } = self.0;
        Box::pin(async move {
            if *peer == client.name() {
                return Err(Error::invalid("peer", "that is you"));
            }
            let message = client.0.peers.message(id, text);
            client.outbox()?.queue(peer, message).await
        })
    }
}
