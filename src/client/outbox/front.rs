//! The outbox as a client's user has it.

use std::sync::atomic::Ordering;

use super::{Attempt, Outbox, Queued, TURN_PAUSE, TURN_TIMEOUT};
use crate::{
    client::{
        Client, ClientOptions,
        contact_store::{ContactStore, blocking},
        database,
        inbox::DurableInbox,
    },
    error::{Error, Result},
    model::{MessageId, Name, Receipt, Text},
};

impl ClientOptions {
    /// The outbox that they name.
    pub(in crate::client) async fn open_outbox(
        &self,
        people: &ContactStore,
    ) -> Result<Option<Outbox>> {
        let Some(path) = self.outbox.clone() else { return Ok(None) };
        let (people, me) = (people.clone(), self.name.clone());
        blocking(move || Outbox::open(&path, people, me)).await.map(Some)
    }

    /// The inbox that they name, where anything comes in at all.
    pub(in crate::client) async fn open_inbox(
        &self,
        people: &ContactStore,
    ) -> Result<Option<DurableInbox>> {
        let Some(path) = self.inbox.clone().filter(|_| self.listen.is_some()) else {
            return Ok(None);
        };
        let (people, me) = (people.clone(), self.name.clone());
        blocking(move || DurableInbox::open(&path, people, me)).await.map(Some)
    }

    /// Whether the inbox that they name, if it is there, is one that can be used.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] where it is no database, or a broken one; [`Error::Io`].
    pub async fn check_inbox(&self) -> Result<()> {
        match self.inbox.clone().filter(|path| path.exists()) {
            Some(path) => blocking(move || database::look(&path)).await,
            None => Ok(()),
        }
    }

    /// As [`Client::queued`], without a client.
    ///
    /// # Errors
    ///
    /// Those of [`Client::queued`].
    pub async fn queued(&self) -> Result<Vec<Queued>> {
        self.outbox_alone().await?.queued().await
    }

    /// As [`Client::drop_queued`], without a client.
    ///
    /// # Errors
    ///
    /// Those of [`Client::drop_queued`].
    pub async fn drop_queued(&self, id: MessageId) -> Result<()> {
        self.outbox_alone().await?.drop(id).await
    }

    async fn outbox_alone(&self) -> Result<Outbox> {
        let people =
            ContactStore::new(self.hub.clone(), self.name.clone(), None, self.contacts.clone());
        self.open_outbox(&people).await?.ok_or_else(missing)
    }
}

fn missing() -> Error {
    Error::invalid("outbox", "this client has none")
}

impl Client {
    /// Keeps a message for a peer until they have it, across restarts of this client. It is
    /// delivered by this client's courier, or that of another client that shares the outbox, when
    /// the peer is there: after the peer's messages before it, and shown there once. A courier runs
    /// where the client takes direct messages, or was asked to ([`Client::retry_queued`]).
    /// [`Event::QueuedDelivered`](crate::client::Event::QueuedDelivered) and
    /// [`Event::QueuedFailed`](crate::client::Event::QueuedFailed) tell what came of it.
    ///
    /// A name that was never met is whoever has it when the message is delivered.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] where too much is kept already; [`Error::Invalid`] where the options
    /// name no outbox, or it is for this client itself; [`Error::Io`].
    pub async fn queue(&self, peer: &Name, text: Text) -> Result<Queued> {
        self.queue_draft(MessageId::new(), peer, text).await
    }

    /// As [`Client::queue`], for a message that was sent under this id and got no receipt: a peer
    /// who has it all the same shows it once, as long as they were not started again in between.
    ///
    /// # Errors
    ///
    /// As [`Client::queue`], and [`Error::Invalid`] where the outbox has a message of this id.
    pub async fn queue_draft(&self, id: MessageId, peer: &Name, text: Text) -> Result<Queued> {
        if peer == self.name() {
            return Err(Error::invalid("peer", "that is you"));
        }
        let message = self.0.peers.message(id, text);
        self.outbox()?.queue(peer, message).await
    }

    /// The receipt of a message that was in the outbox, whichever process has delivered it. Receipts
    /// are kept for as long as messages are tried; `None` for one that waits, or was dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the options name no outbox; [`Error::Io`].
    pub async fn queued_receipt(&self, id: MessageId) -> Result<Option<Receipt>> {
        self.outbox()?.receipt(id).await
    }

    /// What the outbox holds for this hub and this client's name, in the order of queueing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the options name no outbox; [`Error::Io`].
    pub async fn queued(&self) -> Result<Vec<Queued>> {
        self.outbox()?.queued().await
    }

    /// Takes a message out of the outbox. It may have arrived all the same, where its receipt was
    /// lost.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where it is not there any more; [`Error::Io`].
    pub async fn drop_queued(&self, id: MessageId) -> Result<()> {
        self.outbox()?.drop(id).await
    }

    /// Has the courier try everything now, also what was refused; it runs from then on in any case.
    pub fn retry_queued(&self) {
        if let Some(outbox) = &self.0.outbox {
            outbox.0.asked.store(true, Ordering::Release);
            outbox.0.wake.notify_one();
            self.start_courier();
        }
    }

    /// Tries once to deliver what is kept for a peer, or for everybody, also what was refused, and
    /// returns what came of it, in order. Where another process delivers it, that is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the options name no outbox; [`Error::Io`].
    pub async fn deliver_queued(&self, peer: Option<&Name>) -> Result<Vec<Attempt>> {
        let outbox = self.outbox()?;
        let mut names: Vec<Name> = Vec::new();
        for (queued, _) in outbox.list().await? {
            if peer.is_none_or(|peer| *peer == queued.peer) && !names.contains(&queued.peer) {
                names.push(queued.peer);
            }
        }
        let mut attempts = Vec::new();
        for name in names {
            let until = tokio::time::Instant::now() + TURN_TIMEOUT;
            loop {
                let passed = outbox.pass(&name, &self.0.peers, true).await?;
                if let Some(passed) = passed {
                    attempts.extend(passed);
                    break;
                }
                if tokio::time::Instant::now() > until {
                    break;
                }
                tokio::time::sleep(TURN_PAUSE).await;
            }
        }
        Ok(attempts)
    }

    pub(super) fn outbox(&self) -> Result<&Outbox> {
        self.0.outbox.as_ref().ok_or_else(missing)
    }
}
