//! The stream of events of a client.

use tokio::sync::mpsc;

use super::{direct_history::DirectHistory, event::Event, inbox::DurableInbox, received::Direct};
use crate::model::{DirectMessage, MessageId, Name};

/// The events of a client, in order.
///
/// The stream is bounded. While it is not read the client stops reading from the hub, which delays
/// nobody else, and refuses direct messages once 256 wait.
///
/// The sender of a direct message has its receipt before the message comes out here. To end without
/// a loss, first stop the client, which ends the intake, and then read to the end: after
/// [`Client::stop`](super::Client::stop) the accepted messages still come. Dropping the stream
/// discards them, except for durable messages, which come out of the next client with the same
/// [`inbox`](super::ClientOptions::inbox). A durable message counts as shown when it comes out
/// here, unless [`Events::keep_until_seen`] was called.
#[derive(Debug)]
pub struct Events {
    session: mpsc::Receiver<Event>,
    direct: mpsc::Receiver<Event>,
    durable: Option<DurableInbox>,
    history: DirectHistory,
    /// A message that is marked as shown before it is handed out.
    next: Option<Direct>,
    /// Whether messages are marked as shown by [`Unseen::seen`] only.
    until_seen: bool,
}

/// Marks messages that came out of [`Events`] as shown.
#[derive(Debug, Clone)]
pub struct Unseen(Option<DurableInbox>, DirectHistory);

impl Unseen {
    /// Returns true if a message is durable and not marked as shown: the next client gets it again.
    pub fn holds(&self, message: &DirectMessage) -> bool {
        self.0.as_ref().is_some_and(|durable| durable.holds(message))
    }

    /// Marks a message as shown: a person has seen it, or a program has all of it. The mark is on
    /// the disk when this returns.
    pub async fn seen(&self, sender: &Name, id: MessageId) {
        if let Some(durable) = &self.0 {
            durable.mark_shown(sender, id).await;
        }
        self.1.mark_read(sender, id, false).await;
    }
}

impl Events {
    pub(super) fn new(
        session: mpsc::Receiver<Event>,
        direct: mpsc::Receiver<Event>,
        durable: Option<DurableInbox>,
        history: DirectHistory,
    ) -> Self {
        Self { session, direct, durable, history, next: None, until_seen: false }
    }

    /// From now on a durable message counts as shown when [`Unseen::seen`] is called. Until then it
    /// comes out of the next client again, however this one ends.
    pub fn keep_until_seen(&mut self) -> Unseen {
        self.until_seen = true;
        Unseen(self.durable.clone(), self.history.clone())
    }

    /// Returns the next event; `None` when the client has stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(direct) = &self.next {
                let message = &direct.message;
                let unseen = Unseen(self.durable.clone(), self.history.clone());
                unseen.seen(&message.sender, message.id).await;
                return self.next.take().map(Event::Direct);
            }
            match self.receive().await {
                Some(Event::Direct(direct)) if !self.until_seen => self.next = Some(direct),
                event => return event,
            }
        }
    }

    /// Reads to the end and discards the events. Returns how many direct messages are lost, whose
    /// senders hold a receipt. Durable messages are not lost: they come out of the next client with
    /// the same [`inbox`](super::ClientOptions::inbox).
    pub async fn discard(mut self) -> usize {
        let mut lost = 0;
        while let Some(event) = self.receive().await {
            let Event::Direct(direct) = event else { continue };
            let durable =
                self.durable.as_ref().is_some_and(|durable| durable.holds(&direct.message));
            lost += usize::from(!durable);
        }
        lost
    }

    async fn receive(&mut self) -> Option<Event> {
        tokio::select! {
            event = self.session.recv() => match event {
                Some(event) => Some(event),
                None => {
                    // Accepted messages are still handed out; no more are accepted.
                    self.direct.close();
                    self.direct.recv().await
                }
            },
            Some(event) = self.direct.recv() => Some(event),
        }
    }
}
