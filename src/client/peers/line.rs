//! One call over the direct line: to one place, with the key that must be there.

use std::time::Duration;

use jiff::Timestamp;
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};

use super::{
    super::{
        contact_store::PeerTrust,
        conversation::{self, Conversation},
    },
    Failed, Peers, Target, locked,
};
use crate::{
    error::{Error, Reason, Result},
    identity::Identity,
    model::{DirectMessage, MessageId, Name, Receipt, Text},
    proto::{ConverseRequest, SendRequest, peer_chat_client::PeerChatClient},
    text,
    transport::{CONNECT_TIMEOUT, Channel, Dial, Trust, why},
    wire,
};

/// The deadline of a direct call: connecting, and the blink of an eye that accepting takes.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(2 * CONNECT_TIMEOUT.as_secs());

impl Peers {
    /// Delivers; the cached channel may have lost its connection unnoticed, so a second call makes a
    /// new one.
    pub(super) async fn deliver_twice(
        &self,
        there: &Target,
        message: &DirectMessage,
        receiver: Option<&Name>,
    ) -> Result<Receipt, Failed> {
        match self.deliver(there, message, receiver, false).await {
            Err(Failed::Target(_)) => self.deliver(there, message, receiver, false).await,
            delivered => delivered,
        }
    }

    pub(super) async fn deliver(
        &self,
        there: &Target,
        message: &DirectMessage,
        receiver: Option<&Name>,
        kept: bool,
    ) -> Result<Receipt, Failed> {
        let mut request = Request::new(SendRequest {
            message: Some(message.into()),
            receiver: receiver.map(Name::to_string).unwrap_or_default(),
            kept,
        });
        request.set_timeout(DIRECT_TIMEOUT);
        let mut client = PeerChatClient::new(self.channel(there)?);
        let answer = client.send(request).await.map_err(|status| self.failed(there, &status))?;
        let receipt = wire::present("receipt", answer.into_inner().receipt)
            .and_then(Receipt::try_from)
            .map_err(|error| Failed::Target(error.to_string()))?;
        if receipt.id != message.id {
            return Err(Failed::Target("a receipt for another message".into()));
        }
        if let Some(meant) = receiver.filter(|&meant| *meant != receipt.receiver) {
            // It was told whom the message is for, and took it all the same.
            let taker = &receipt.receiver;
            return Err(Failed::Target(format!(
                "{taker} listens there and took what is {meant}'s"
            )));
        }
        Ok(receipt)
    }

    pub(super) async fn call(&self, there: &Target, peer: &Name) -> Result<Conversation, Failed> {
        let standing = self.standing(peer, there.key).await.map_err(Failed::Refused)?;
        let mut client = PeerChatClient::new(self.channel(there)?);
        let (wire, said) = conversation::wire();
        let said = said.map_while(Result::ok).map(|event| ConverseRequest { event: Some(event) });
        conversation::say_hello(peer, &self.inbox, &wire);
        let greeted = async {
            let heard = client.converse(said).await?.into_inner();
            let mut heard = heard.map(|said| said.map(|said| said.event.map(Into::into)));
            let greeted = conversation::greet(peer, &mut heard).await?;
            Ok((heard, greeted))
        };
        let (heard, greeted) = match tokio::time::timeout(DIRECT_TIMEOUT, greeted).await {
            Ok(answer) => answer.map_err(|status| self.failed(there, &status))?,
            Err(_) => return Err(Failed::Target("it does not answer".into())),
        };
        greeted.map_err(|error| Failed::Target(error.to_string()))?;
        let (peer, inbox, stop) = (peer.clone(), self.inbox.clone(), self.stop.clone());
        let known = PeerTrust::new(self.people.clone(), peer.clone(), standing);
        let (conversation, task) = conversation::call(peer, known, inbox, heard, wire, stop);
        self.tasks.spawn(task);
        Ok(conversation)
    }

    fn channel(&self, there: &Target) -> Result<Channel, Failed> {
        if let Some(channel) = locked(&self.channels).get(there) {
            return Ok(channel.clone());
        }
        let channel = self.dial(there).map_err(Failed::Refused)?;
        locked(&self.channels).insert(there.clone(), channel.clone());
        Ok(channel)
    }

    fn dial(&self, there: &Target) -> Result<Channel> {
        let own = self.identity.as_ref().map(Identity::credentials);
        let dial = match there.key {
            Some(key) => Dial::tls(own, &Trust::Pinned(key))?,
            None => Dial::plaintext(),
        };
        dial.peer_channel(&there.endpoint)
    }

    /// What a failed call means, and whether the channel is still good.
    fn failed(&self, there: &Target, status: &Status) -> Failed {
        if let Some(failure) = why(status) {
            locked(&self.channels).remove(there);
            return Failed::Target(text::one_line(&failure.to_string()).into_owned());
        }
        let refusal = wire::refused(status);
        // No answer of the peer's: it stops, is somebody else, or is no PeerChat server at all.
        let is_elsewhere = matches!(status.code(), Code::Unavailable | Code::Unimplemented)
            || refusal.reason == Reason::WrongReceiver;
        if is_elsewhere {
            Failed::Target(text::one_line(&refusal.message).into_owned())
        } else {
            Failed::Refused(Error::Refused(refusal))
        }
    }

    /// A message of this client's, written now.
    pub(in super::super) fn message(&self, id: MessageId, text: Text) -> DirectMessage {
        let sender = self.link.name.clone();
        DirectMessage { id, sender, sent_at: Some(Timestamp::now()), text }
    }
}
