//! A direct call to one endpoint.

use std::time::Duration;

use jiff::Timestamp;
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};

use super::{
    super::{
        contact_store::PeerTrust,
        conversation::{self, Conversation},
    },
    CallError, Peers, Target,
};
use crate::{
    client::error::{Error, Result},
    error::Reason,
    identity::Identity,
    model::{DirectMessage, MessageId, Name, Receipt, Text},
    proto::{ConverseRequest, SendRequest, peer_chat_client::PeerChatClient},
    text,
    transport::{CONNECT_TIMEOUT, Channel, Dial, Trust, dial_failure},
    wire,
};

/// The deadline of a direct call: the time to connect, and as much again.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(2 * CONNECT_TIMEOUT.as_secs());

impl Peers {
    /// Delivers a message. Repeats a failed call on a new channel, as a cached one may be broken.
    pub(super) async fn deliver_twice(
        &self,
        target: &Target,
        message: &DirectMessage,
        receiver: Option<&Name>,
    ) -> Result<Receipt, CallError> {
        match self.deliver(target, message, receiver, false).await {
            Err(CallError::NotReached(_)) => self.deliver(target, message, receiver, false).await,
            delivered => delivered,
        }
    }

    pub(super) async fn deliver(
        &self,
        target: &Target,
        message: &DirectMessage,
        receiver: Option<&Name>,
        durable: bool,
    ) -> Result<Receipt, CallError> {
        let mut request = Request::new(SendRequest {
            message: Some(message.into()),
            receiver: receiver.map(Name::to_string).unwrap_or_default(),
            kept: durable,
        });
        request.set_timeout(DIRECT_TIMEOUT);
        let mut client = PeerChatClient::new(self.channel(target)?);
        let answer =
            client.send(request).await.map_err(|status| self.call_error(target, &status))?;
        let receipt = wire::present("receipt", answer.into_inner().receipt)
            .and_then(Receipt::try_from)
            .map_err(|error| CallError::NotReached(error.to_string()))?;
        if receipt.id != message.id {
            return Err(CallError::NotReached("a receipt for another message".into()));
        }
        if let Some(meant) = receiver.filter(|&meant| *meant != receipt.receiver) {
            // It got the name of the receiver, and accepted the message all the same.
            let other = &receipt.receiver;
            return Err(CallError::NotReached(format!(
                "{other} listens there and accepted a message for {meant}"
            )));
        }
        Ok(receipt)
    }

    pub(super) async fn call(
        &self,
        target: &Target,
        peer: &Name,
    ) -> Result<Conversation, CallError> {
        let verification = self.verification(peer, target.key).await.map_err(CallError::Final)?;
        let mut client = PeerChatClient::new(self.channel(target)?);
        let (outgoing, requests) = conversation::outgoing();
        let requests =
            requests.map_while(Result::ok).map(|event| ConverseRequest { event: Some(event) });
        conversation::say_hello(peer, &self.inbox, &outgoing);
        let greeted = async {
            let answers = client.converse(requests).await?.into_inner();
            let mut incoming =
                answers.map(|answer| answer.map(|answer| answer.event.map(Into::into)));
            let greeted = conversation::expect_hello(peer, &mut incoming).await?;
            Ok((incoming, greeted))
        };
        let (incoming, greeted) = match tokio::time::timeout(DIRECT_TIMEOUT, greeted).await {
            Ok(answer) => answer.map_err(|status| self.call_error(target, &status))?,
            Err(_) => return Err(CallError::NotReached("it does not answer".into())),
        };
        greeted.map_err(|error| CallError::NotReached(error.to_string()))?;
        let (peer, inbox, stop) = (peer.clone(), self.inbox.clone(), self.stop.clone());
        let trust = PeerTrust::new(self.contacts.clone(), peer.clone(), verification);
        let (conversation, task) = conversation::call(peer, trust, inbox, incoming, outgoing, stop);
        self.tasks.spawn(task);
        Ok(conversation)
    }

    fn channel(&self, target: &Target) -> Result<Channel, CallError> {
        if let Some(channel) = self.channels.lock().get(target) {
            return Ok(channel.clone());
        }
        let channel = self.dial(target).map_err(CallError::Final)?;
        self.channels.lock().put(target.clone(), channel.clone());
        Ok(channel)
    }

    fn dial(&self, target: &Target) -> Result<Channel> {
        let own = self.identity.as_ref().map(Identity::credentials);
        let dial = match target.key {
            Some(key) => Dial::tls(own, &Trust::Pinned(key))?,
            None => Dial::plaintext(),
        };
        Ok(dial.peer_channel(&target.endpoint)?)
    }

    /// Converts the status of a failed call, and drops a channel that has failed.
    fn call_error(&self, target: &Target, status: &Status) -> CallError {
        if let Some(failure) = dial_failure(status) {
            self.channels.lock().pop(target);
            return CallError::NotReached(text::one_line(&failure.to_string()).into_owned());
        }
        let refusal = wire::refused(status);
        // Not an answer of the peer: it stops, is another peer, or is no PeerChat server at all.
        let is_elsewhere = matches!(status.code(), Code::Unavailable | Code::Unimplemented)
            || refusal.reason == Reason::WrongReceiver;
        if is_elsewhere {
            CallError::NotReached(text::one_line(&refusal.message).into_owned())
        } else {
            CallError::Final(Error::Refused(refusal))
        }
    }

    /// Returns a message by this client, with the present time.
    pub(in super::super) fn message(&self, id: MessageId, text: Text) -> DirectMessage {
        let sender = self.hub.name.get();
        DirectMessage { id, sender, sent_at: Some(Timestamp::now()), text }
    }
}
