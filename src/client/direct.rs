//! What a client says straight to its peers.

use std::time::Duration;

use tokio::time::Instant;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{Client, Conversation, PeerFilter, outbox};
use crate::{
    backoff,
    error::{Error, Result},
    model::{Endpoint, MessageId, Name, Receipt, Text},
};

impl Client {
    /// Sends a private message straight to a peer. Peers already known are reached without a hub.
    /// Where the line breaks before the receipt came the message may have arrived nevertheless.
    ///
    /// # Errors
    ///
    /// [`Error::PeerUnknown`]; [`Error::KeyChanged`] where the hub lists another key for the peer
    /// than the contact book has, and [`Error::Blocked`]: nothing was sent;
    /// [`Error::PeerUnreachable`], which names every endpoint that was tried;
    /// [`Error::HubUnreachable`] where the peer is not known and the hub is away;
    /// [`Error::Refused`] by the peer, for example with the reason `INBOX_FULL`.
    pub async fn send(&self, peer: &Name, text: Text) -> Result<Receipt> {
        self.send_draft(MessageId::new(), peer, text).await
    }

    /// Sends a private message under an id of one's own, as one does to repeat one that got no
    /// receipt: the peer shows it once, as long as it was not started again in between. What must
    /// outlive that is for [`Client::queue`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`], and `MESSAGE_ID_REUSED` where the id was used for another text.
    pub async fn send_draft(&self, id: MessageId, peer: &Name, text: Text) -> Result<Receipt> {
        let message = self.0.peers.message(id, text);
        self.0.peers.send(peer, &message, false).await
    }

    /// Sends a private message again and again until the peer holds it, who shows it once, even if
    /// they are started again in between. `not_yet` is told of each attempt that failed.
    ///
    /// # Errors
    ///
    /// What does not pass by waiting: see [`Client::send`].
    pub async fn send_until_held(
        &self,
        peer: &Name,
        text: Text,
        mut not_yet: impl FnMut(&Error),
    ) -> Result<Receipt> {
        let message = self.0.peers.message(MessageId::new(), text);
        let mut pauses = backoff::RECONNECT;
        loop {
            match self.0.peers.send(peer, &message, true).await {
                Err(error) if outbox::passes(&error) => {
                    not_yet(&error);
                    tokio::time::sleep(pauses.next_delay()).await;
                }
                done => return done,
            }
        }
    }

    /// Sends a private message to whoever listens at an endpoint. A client with a key of its own
    /// sends it to the peer that the hub lists there, as [`Client::send`] does; where it lists none,
    /// the message goes to loopback only, and without encryption.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn send_to(&self, endpoint: &Endpoint, text: Text) -> Result<Receipt> {
        if !self.0.peers.knows_place(endpoint)
            && let Err(error) = self.peers(PeerFilter::default()).await
        {
            tracing::debug!(%error, "who is at {endpoint} cannot be asked");
        }
        self.0.peers.send_to(endpoint, text).await
    }

    /// Opens a live conversation with a peer.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn converse(&self, peer: &Name) -> Result<Conversation> {
        self.0.peers.converse(peer).await
    }

    /// Where the last call to this peer succeeded: the path that its messages go.
    pub fn reached_at(&self, peer: &Name) -> Option<Endpoint> {
        self.0.peers.reached_at(peer)
    }

    /// Asks the hub for a sign of life and returns how long that took. It costs the hub next to
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`Error::HubUnreachable`] and [`Error::Refused`].
    pub async fn ping(&self) -> Result<Duration> {
        let began = Instant::now();
        let rpc = |channel, request| async move { HealthClient::new(channel).check(request).await };
        self.0.link.call(HealthCheckRequest::default(), rpc).await?;
        Ok(began.elapsed())
    }
}
