//! A client of a fake hub and its events.

use std::time::Duration;

use chinwag::{
    client::{Client, ClientOptions, Error, Event, Events},
    model::{Posted, RoomName, Start, Text},
    proto::join::Start as RawStart,
};
use tokio::task::JoinHandle;

use crate::support::{
    fake_hub::{FakeChat, FakeHub, at, name},
    within::{PATIENCE, within},
};

pub(crate) fn room(raw: &str) -> RoomName {
    RoomName::parse(raw).unwrap()
}

pub(crate) fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

pub(crate) fn options(hub: &FakeHub, rooms: &[&str]) -> ClientOptions {
    let rooms = rooms.iter().map(|raw| (room(raw), Start::Head));
    ClientOptions::new(hub.endpoint(), name("sova")).rooms(rooms)
}

/// Starts a client in the room `r`, whose last message is number 10. Returns its stream too.
pub(crate) async fn in_a_room(hub: &mut FakeHub) -> (Client, Events, FakeChat) {
    let options = options(hub, &["r"]);
    let (client, mut chat) = tokio::join!(Client::start(options), hub.session());
    let (client, mut events) = client.unwrap();
    assert_eq!(chat.join().await.room, "r");
    chat.joined("r", 10, 10).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Joined { head, .. } if head.seq == 10));
    (client, events, chat)
}

pub(crate) async fn next(events: &mut Events) -> Event {
    within(PATIENCE, "an event", events.next()).await.expect("the client has stopped")
}

/// Returns the seqs of the next events, which must all be messages.
pub(crate) async fn seqs<const N: usize>(events: &mut Events) -> [u64; N] {
    let mut seqs = [0; N];
    for seq in &mut seqs {
        match next(events).await {
            Event::Message(message) => *seq = message.position.seq,
            other => panic!("not a message: {other:?}"),
        }
    }
    seqs
}

pub(crate) async fn disconnected(events: &mut Events) -> (String, Duration) {
    match next(events).await {
        Event::Disconnected { cause, retry_in } => (cause, retry_in),
        other => panic!("not a loss: {other:?}"),
    }
}

/// Posts in a separate task.
pub(crate) fn post(client: &Client, to: &str, said: &str) -> JoinHandle<Result<Posted, Error>> {
    let (client, to, said) = (client.clone(), room(to), text(said));
    #[allow(clippy::disallowed_methods, reason = "the test awaits it")]
    tokio::spawn(async move { client.post(to, said).await })
}

pub(crate) async fn outcome(post: JoinHandle<Result<Posted, Error>>) -> Result<Posted, Error> {
    within(PATIENCE, "the end of a post", post).await.unwrap()
}

pub(crate) fn after(seq: u64) -> Option<RawStart> {
    Some(RawStart::After(at(seq)))
}
