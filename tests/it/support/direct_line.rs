//! Clients that exchange direct messages, and callers with generated stubs only.

use std::net::SocketAddr;

use chinwag::{
    client::{Client, ClientOptions, Event, Events, Verification},
    model::{Endpoint, MessageId, Text},
    proto::{self, SendRequest, peer_chat_client::PeerChatClient},
};
use tonic::transport::Channel;

use crate::support::{
    fake_hub::{FakeHub, QuietHub, name},
    within::{PATIENCE, within},
};

pub(crate) fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

pub(crate) async fn quiet_hub() -> (Endpoint, QuietHub) {
    FakeHub::start().await.serve_quietly()
}

pub(crate) async fn client(hub: &Endpoint, who: &str) -> (Client, Events) {
    let options = ClientOptions::new(hub.clone(), name(who));
    let listen = "127.0.0.1:0".parse().unwrap();
    Client::start(options.listen(listen)).await.unwrap()
}

pub(crate) fn stub(client: &Client) -> PeerChatClient<Channel> {
    PeerChatClient::new(channel(client.direct_address().unwrap()))
}

pub(crate) fn channel(address: SocketAddr) -> Channel {
    tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

pub(crate) fn message(sender: &str, said: &str) -> proto::DirectMessage {
    let (id, sender) = (MessageId::new().to_string(), sender.into());
    proto::DirectMessage { id, sender, sent_at: None, text: said.into() }
}

pub(crate) fn to(receiver: &str, message: &proto::DirectMessage) -> SendRequest {
    SendRequest { message: Some(message.clone()), receiver: receiver.into(), kept: false }
}

/// Returns the next event that is not about the hub.
pub(crate) async fn next(events: &mut Events) -> Event {
    loop {
        match within(PATIENCE, "an event", events.next()).await.expect("the client has stopped") {
            Event::Connected | Event::Disconnected { .. } => {}
            event => return event,
        }
    }
}

pub(crate) async fn direct(events: &mut Events) -> String {
    match next(events).await {
        Event::Direct(direct) => {
            assert_eq!(direct.verification, Verification::Unverified(None));
            assert!(direct.from.unwrap().ip().is_loopback());
            format!("{}: {}", direct.message.sender, direct.message.text.as_str())
        }
        other => panic!("not a private message: {other:?}"),
    }
}
