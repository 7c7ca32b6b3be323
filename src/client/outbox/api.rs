//! The outbox in the interface of a client.

use std::{path::PathBuf, sync::atomic::Ordering};

use super::{Attempt, DeliveryState, LOCK_PAUSE, LOCK_TIMEOUT, Outbox, POLL, Queued};
use crate::{
    client::error::{Error, Result},
    client::{
        Client, ClientOptions,
        blocking::blocking,
        contact_store::ContactStore,
        database,
        direct_history::{self, DirectHistory},
        inbox::{self, DurableInbox},
    },
    model::{MessageId, Name, Receipt},
    sqlite::Plan,
};

impl ClientOptions {
    pub(in crate::client) async fn open_outbox(
        &self,
        contacts: &ContactStore,
        history: &DirectHistory,
    ) -> Result<Option<Outbox>> {
        let Some(path) = self.outbox.clone() else { return Ok(None) };
        let (contacts, clock, history) = (contacts.clone(), self.clock.clone(), history.clone());
        blocking(move || Outbox::open(&path, contacts, clock, history)).await.map(Some)
    }

    /// Opens the inbox of durable messages, if there is to be one and direct messages come in.
    pub(in crate::client) async fn open_inbox(
        &self,
        contacts: &ContactStore,
    ) -> Result<Option<DurableInbox>> {
        match self.listen {
            Some(_) => self.open_inbox_of(contacts).await,
            None => Ok(None),
        }
    }

    pub(in crate::client) async fn open_inbox_of(
        &self,
        contacts: &ContactStore,
    ) -> Result<Option<DurableInbox>> {
        let Some(path) = self.inbox.clone() else { return Ok(None) };
        let contacts = contacts.clone();
        blocking(move || DurableInbox::open(&path, contacts)).await.map(Some)
    }

    /// Checks that the inbox file, if it exists, can be used. Errors with [`Error::Store`] if it is
    /// not a database, or a corrupt one; [`Error::Io`].
    pub async fn check_inbox(&self) -> Result<()> {
        check(self.inbox.clone(), inbox::PLAN).await
    }

    /// Checks the file of kept messages, as [`Self::check_inbox`] does the inbox.
    pub async fn check_history(&self) -> Result<()> {
        check(self.history.clone(), direct_history::PLAN).await
    }

    /// Returns the messages in the outbox, as [`Client::queued`] does, without a client.
    pub async fn queued(&self) -> Result<Vec<Queued>> {
        self.outbox_without_client().await?.queued().await
    }

    /// Removes a message from the outbox, as [`Client::drop_queued`] does, without a client.
    pub async fn drop_queued(&self, id: MessageId) -> Result<()> {
        self.outbox_without_client().await?.drop(id).await
    }

    async fn outbox_without_client(&self) -> Result<Outbox> {
        let contacts = self.contacts_without_client();
        // Nothing is delivered here, so nothing is kept.
        let nothing = DirectHistory::off(contacts.clone());
        self.open_outbox(&contacts, &nothing).await?.ok_or_else(missing)
    }
}

async fn check(file: Option<PathBuf>, plan: Plan) -> Result<()> {
    match file.filter(|path| path.exists()) {
        Some(path) => blocking(move || database::check(&path, plan)).await,
        None => Ok(()),
    }
}

fn missing() -> Error {
    Error::invalid("outbox", "this client has none")
}

/// Why a durable message was not delivered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The message was removed from the outbox.
    #[error("not delivered: {0} was dropped")]
    Dropped(MessageId),
    /// The message was refused, or waits for one that was, for this reason as the outbox has it.
    #[error("not delivered: {0}")]
    Refused(String),
    /// The delivery failed just now, or the outbox cannot be used.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Client {
    /// Waits until a durable message is delivered, by this or another process, and returns its
    /// receipt. Starts the delivery task if it does not run yet. Errors with [`DeliveryError`] if
    /// the message was refused or dropped. A refused one stays in the outbox.
    pub async fn wait_delivered(&self, id: MessageId) -> Result<Receipt, DeliveryError> {
        let outbox = self.outbox()?;
        let mut attempts = outbox.0.attempts.subscribe();
        self.start_delivery();
        let mut is_first = true;
        loop {
            let listed = outbox.list().await?;
            let Some(index) = listed.iter().position(|(queued, _)| queued.id == id) else {
                return outbox.receipt(id).await?.ok_or(DeliveryError::Dropped(id));
            };
            let peer = &listed[index].0.peer;
            // At first the delivery task may be about to try a refused message once more.
            let refused = listed[..=index].iter().rev().find(|(queued, state)| match state {
                _ if is_first => false,
                DeliveryState::Waits => false,
                DeliveryState::Refused => queued.peer == *peer,
                DeliveryState::GivenUp | DeliveryState::Expired => queued.id == id,
            });
            if let Some((queued, _)) = refused {
                let cause = queued.last_error.clone().unwrap_or_default();
                return Err(DeliveryError::Refused(cause));
            }
            is_first = false;
            tokio::select! {
                failed = attempts.recv() => if let Ok(failed) = failed
                    && (failed.id == id || (failed.peer == *peer && failed.holds_up))
                {
                    return Err(failed.error.into());
                },
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Returns the receipt of a durable message, whichever process has delivered it. Receipts are
    /// kept for as long as messages are tried; `None` for a message that waits or was dropped.
    /// Errors with [`Error::Invalid`] if the options name no outbox; [`Error::Io`].
    pub async fn queued_receipt(&self, id: MessageId) -> Result<Option<Receipt>> {
        self.outbox()?.receipt(id).await
    }

    /// Returns the messages in the outbox for this hub and this client's name, in the order of
    /// queueing. Errors with [`Error::Invalid`] if the options name no outbox; [`Error::Io`].
    pub async fn queued(&self) -> Result<Vec<Queued>> {
        self.outbox()?.queued().await
    }

    /// Removes a message from the outbox. It may have arrived all the same, if its receipt was
    /// lost. Errors with [`Error::Invalid`] if it is not there any more; [`Error::Io`].
    pub async fn drop_queued(&self, id: MessageId) -> Result<()> {
        self.outbox()?.drop(id).await
    }

    /// Has the delivery task, started if need be, try everything now, including refused messages.
    pub fn retry_queued(&self) {
        if let Some(outbox) = &self.0.outbox {
            outbox.0.retry_requested.store(true, Ordering::Release);
            outbox.0.wake.notify_one();
            self.start_delivery();
        }
    }

    /// Tries once to deliver the messages for a peer, or all of them, including refused ones, and
    /// returns the attempts in order. Waits while another process delivers. Errors with
    /// [`Error::Invalid`] if the options name no outbox; [`Error::Io`].
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
            let until = tokio::time::Instant::now() + LOCK_TIMEOUT;
            loop {
                let passed = outbox.pass(&name, &self.0.peers, true).await?;
                if let Some(passed) = passed {
                    attempts.extend(passed);
                    break;
                }
                if tokio::time::Instant::now() > until {
                    break;
                }
                tokio::time::sleep(LOCK_PAUSE).await;
            }
        }
        Ok(attempts)
    }

    pub(in crate::client) fn outbox(&self) -> Result<&Outbox> {
        self.0.outbox.as_ref().ok_or_else(missing)
    }
}
