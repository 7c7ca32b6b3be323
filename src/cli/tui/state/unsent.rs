//! The messages of the user in one chat that are not known to have arrived.

use crate::{
    cli::tui::transcript::{EntryKey, Mark, Transcript},
    model::{MessageId, Text},
};

/// The messages in the order in which they were sent. The transcript of the chat shows their states.
#[derive(Default)]
pub(super) struct UnsentMessages(Vec<UnsentMessage>);

struct UnsentMessage {
    id: MessageId,
    text: Text,
    state: SendState,
    /// Whether the chat has a later message.
    overtaken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendState {
    Sending,
    Failed,
    /// In the outbox.
    Queued,
}

impl UnsentMessages {
    pub(super) fn push(&mut self, id: MessageId, text: Text) {
        self.0.push(UnsentMessage { id, text, state: SendState::Sending, overtaken: false });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, id: MessageId) {
        self.0.retain(|message| message.id != id);
    }

    /// Removes a message that has arrived. Returns true if the chat has no message after it, so that it
    /// can stay where it is, and `None` if there is no such message.
    pub(super) fn remove_in_order(&mut self, id: MessageId) -> Option<bool> {
        let index = self.0.iter().position(|message| message.id == id)?;
        let before_failed = self.0[..index].iter().all(|it| it.state == SendState::Failed);
        let message = self.0.remove(index);
        Some(before_failed && message.state != SendState::Failed && !message.overtaken)
    }

    /// Removes a message from the outbox. Returns false if it was not there.
    pub(super) fn remove_queued(&mut self, id: MessageId) -> bool {
        let before = self.0.len();
        self.0.retain(|message| message.id != id || message.state != SendState::Queued);
        self.0.len() < before
    }

    /// Records that the chat has a message after all of these.
    pub(super) fn overtake(&mut self) {
        self.0.iter_mut().for_each(|message| message.overtaken = true);
    }

    pub(super) fn fail(&mut self, id: MessageId, reason: String, transcript: &mut Transcript) {
        self.set(id, SendState::Failed, Mark::Failed(reason), transcript);
    }

    /// Fails all messages that are being sent, but not those in the outbox.
    pub(super) fn fail_all(&mut self, reason: &str, transcript: &mut Transcript) {
        for message in self.0.iter_mut().filter(|it| it.state == SendState::Sending) {
            message.state = SendState::Failed;
            transcript.mark(EntryKey::Own(message.id), Mark::Failed(reason.to_owned()));
        }
    }

    /// Records that a message is in the outbox.
    pub(super) fn queue(&mut self, id: MessageId, transcript: &mut Transcript) {
        self.set(id, SendState::Queued, Mark::Queued, transcript);
    }

    fn set(&mut self, id: MessageId, state: SendState, mark: Mark, transcript: &mut Transcript) {
        if let Some(message) = self.0.iter_mut().find(|message| message.id == id) {
            message.state = state;
            transcript.mark(EntryKey::Own(id), mark);
        }
    }

    /// The failed message with this id, or the first one, to be sent again with the same id.
    pub(super) fn retry(
        &mut self,
        id: Option<MessageId>,
        transcript: &mut Transcript,
    ) -> Option<(MessageId, Text)> {
        let mut failed = self.0.iter_mut().filter(|message| message.state == SendState::Failed);
        let failed = failed.find(|message| id.is_none_or(|id| message.id == id))?;
        failed.state = SendState::Sending;
        transcript.mark(EntryKey::Own(failed.id), Mark::Sending);
        Some((failed.id, failed.text.clone()))
    }

    /// The number of messages that are being sent.
    pub(super) fn sending(&self) -> usize {
        self.0.iter().filter(|message| message.state == SendState::Sending).count()
    }

    pub(super) fn queued(&self) -> impl Iterator<Item = MessageId> {
        self.0.iter().filter(|it| it.state == SendState::Queued).map(|message| message.id)
    }

    /// All ids, with or without the outbox.
    pub(super) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.0.iter().map(|message| message.id)
    }

    /// The messages that would be lost now: all but those in the outbox.
    pub(super) fn iter(&self) -> impl Iterator<Item = (MessageId, &Text)> {
        let lost = self.0.iter().filter(|message| message.state != SendState::Queued);
        lost.map(|message| (message.id, &message.text))
    }
}
