//! The inbox: it is bounded, and accepted messages are delivered even if the client stops.

use crate::support::{
    direct_line::{client, direct, message, quiet_hub, stub, to},
    fake_hub::name,
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, ClientOptions, Event},
    error::Reason,
    wire,
};
use tonic::Code;

#[tokio::test]
async fn a_client_accepts_no_more_messages_than_requested() {
    let (hub, _quiet) = quiet_hub().await;
    let options = ClientOptions::new(hub, name("buzz"));
    let listen = "127.0.0.1:0".parse().unwrap();
    let options = options.listen(listen).inbox_limit(2);
    let (buzz, mut events) = Client::start(options).await.unwrap();
    let mut stub = stub(&buzz);
    let (one, two) = (message("sova", "one"), message("sova", "two"));
    stub.send(to("", &one)).await.unwrap();
    stub.send(to("", &two)).await.unwrap();
    let three = stub.send(to("", &message("sova", "three"))).await.unwrap_err();
    let refusal = wire::refused(&three);
    assert_eq!((refusal.code, refusal.reason), (Code::Unavailable, Reason::ShuttingDown));
    // A retry of an acknowledged message gets its receipt again.
    let again = stub.send(to("", &two)).await.unwrap().into_inner().receipt.unwrap();
    assert!(again.duplicate);
    assert_eq!(direct(&mut events).await, "sova: one");
    assert_eq!(direct(&mut events).await, "sova: two");
}

#[tokio::test]
async fn accepted_messages_are_delivered_after_the_stop() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut stub = stub(&buzz);
    for said in ["one", "two"] {
        stub.send(to("", &message("sova", said))).await.unwrap();
    }
    buzz.stop().await;
    assert!(stub.send(to("", &message("sova", "three"))).await.is_err());
    assert_eq!(direct(&mut events).await, "sova: one");
    assert_eq!(direct(&mut events).await, "sova: two");
    // Events about the hub are not ordered relative to messages.
    while let Some(event) = within(PATIENCE, "the end of events", events.next()).await {
        assert!(matches!(event, Event::Connected), "{event:?}");
    }
}
