//! Protection of direct messages against callers without a key, with a similar name, or sent by a
//! lying hub.

use crate::support::{
    direct_line::{self, client, message, next, stub, text, to},
    fake_hub::name,
    keys::{Hub, Person, acquainted, heard},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, ConversationEvent, DirectPolicy, Error, Event, Verification},
    error::Reason,
    model::Endpoint,
    proto::peer_chat_client::PeerChatClient,
    transport::{Dial, Trust},
    wire,
};
use tonic::Status;

fn reason(refused: &Status) -> Reason {
    wire::refused(refused).reason
}

#[tokio::test]
async fn a_caller_without_a_key_is_not_a_contact() {
    let (hub, alice, bob) = acquainted().await;
    let (alices, mut events) = alice.start_for(&hub, DirectPolicy::Anyone).await;
    let address = Endpoint::from(alices.direct_address().unwrap());
    let dial = Dial::tls(None, &Trust::Pinned(alice.key())).unwrap();
    let mut keyless = PeerChatClient::new(dial.peer_channel(&address).unwrap());
    // Also under a name that looks the same.
    for claimed in ["bob", "b0b"] {
        let refused = keyless.send(to("alice", &message(claimed, "it is me"))).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::CallerKeyChanged, "{claimed}");
    }
    keyless.send(to("alice", &message("eve", "psst"))).await.unwrap();
    assert_eq!(heard(&mut events).await.0, "eve");

    // On this machine the name is accepted as a claim, as long as bob is not blocked.
    let mut local = stub(&alices);
    local.send(to("alice", &message("bob", "psst"))).await.unwrap();
    assert_eq!(heard(&mut events).await.1, Verification::Unverified(None));
    let at = hub.endpoint.clone();
    alice.change(|book| book.block(&at, &name("bob"), true));
    let refused = local.send(to("alice", &message("bob", "psst"))).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CallerRefused);
    drop(bob);
}

#[tokio::test]
async fn a_name_that_looks_like_a_contacts_is_refused_both_ways() {
    let (hub, alice, _bob) = acquainted().await;
    let (alices, _events) = alice.start_for(&hub, DirectPolicy::Anyone).await;
    let double = Person::new("b0b");
    let (doubles, _doubles_events) = double.start(&hub).await;
    match doubles.send(&name("alice"), text("it is me")).await.unwrap_err() {
        Error::Refused(refusal) => assert_eq!(refusal.reason, Reason::CallerKeyChanged),
        other => panic!("{other:?}"),
    }
    let refused = alices.send(&name("b0b"), text("secret")).await;
    assert!(matches!(refused, Err(Error::KeyChanged { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_blocked_peer_is_not_received_in_open_conversations() {
    let (hub, alice, bob) = acquainted().await;
    let (alices, mut alices_events) = alice.start(&hub).await;
    let (bobs, _bobs_events) = bob.start(&hub).await;
    let at = hub.endpoint.clone();

    let mut from_bob = bobs.converse(&name("alice")).await.unwrap();
    from_bob.send(text("before")).await.unwrap();
    assert!(matches!(next(&mut alices_events).await, Event::Conversation { .. }));
    assert_eq!(heard(&mut alices_events).await.2, "before");
    let to_bob = alices.converse(&name("bob")).await.unwrap();
    to_bob.send(text("before")).await.unwrap();
    alice.change(|book| book.block(&at, &name("bob"), true));

    let after = from_bob.send(text("after")).await;
    assert!(matches!(after, Err(Error::PeerUnreachable { .. })), "{after:?}");
    match within(PATIENCE, "the end", from_bob.next()).await {
        Some(ConversationEvent::Closed { cause }) => {
            assert!(cause.unwrap().contains("it has blocked you"));
        }
        other => panic!("{other:?}"),
    }
    let after = to_bob.send(text("after")).await;
    assert!(matches!(after, Err(Error::PeerUnreachable { .. })), "{after:?}");
    match next(&mut alices_events).await {
        Event::Conversation { event: ConversationEvent::Closed { .. }, .. } => {}
        other => panic!("heard after all: {other:?}"),
    }
}

#[tokio::test]
async fn a_blocked_peer_is_refused_before_it_has_said_anything() {
    let (hub, alice, bob) = acquainted().await;
    let (alices, _events) = alice.start(&hub).await;
    let at = hub.endpoint.clone();
    alice.change(|book| book.block(&at, &name("bob"), true));
    let address = Endpoint::from(alices.direct_address().unwrap());
    let dial = Dial::tls(Some(bob.credentials()), &Trust::Pinned(alice.key())).unwrap();
    let mut blocked = PeerChatClient::new(dial.peer_channel(&address).unwrap());
    let silent = tokio_stream::pending();
    let refused = within(PATIENCE, "a refusal", blocked.converse(silent)).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CallerRefused);
}

#[tokio::test]
async fn a_remote_hub_cannot_make_a_client_call_without_a_key() {
    let hub = Hub::start().await;
    let alice = Person::new("alice");
    let (plain, _quiet) = direct_line::quiet_hub().await;
    let (trap, mut events) = client(&plain, "bob").await;
    let trap_at = trap.direct_address().unwrap();
    hub.quiet.list("bob", &[trap_at], &[]);
    // The same hub under an address that is not known to be local.
    let port = hub.endpoint.to_string().rsplit(':').next().unwrap().to_owned();
    let elsewhere = Endpoint::parse(&format!("0.0.0.0:{port}")).unwrap();
    let options = alice.options(&hub).hub(elsewhere);
    let (alices, _alices_events) = Client::start(options).await.unwrap();
    let refused = alices.send(&name("bob"), text("secret")).await;
    assert!(matches!(refused, Err(Error::Keyless)), "{refused:?}");
    let refused = alices.send_to(&trap_at.into(), text("secret")).await;
    assert!(matches!(refused, Err(Error::Keyless)), "{refused:?}");
    trap.stop().await;
    while let Some(event) = events.next().await {
        assert!(matches!(event, Event::Connected), "{event:?}");
    }
}

#[tokio::test]
async fn a_contacts_address_must_answer_with_its_key() {
    let (hub, alice, bob) = acquainted().await;
    let mallory = Person::new("mallory");
    let (trap, mut events) = mallory.start_for(&hub, DirectPolicy::Anyone).await;
    let trap_at = Endpoint::from(trap.direct_address().unwrap());
    let (at, there) = (hub.endpoint.clone(), [trap_at.clone()]);
    alice.change(|book| book.meet(&at, &name("bob"), bob.key(), &there).map(drop));
    let (alices, _alices_events) = alice.start(&hub).await;
    alices.peer(&name("mallory")).await.unwrap();
    let refused = alices.send_to(&trap_at, text("for bob")).await;
    assert!(matches!(refused, Err(Error::PeerUnreachable { .. })), "{refused:?}");
    trap.stop().await;
    while let Some(event) = events.next().await {
        assert!(matches!(event, Event::Connected), "{event:?}");
    }
}

#[tokio::test]
async fn silent_callers_do_not_keep_contacts_out() {
    let (hub, alice, bob) = acquainted().await;
    let (alices, mut events) = alice.start(&hub).await;
    let (bobs, _bobs_events) = bob.start(&hub).await;
    // The maximum number of conversations, on several connections, none of which says hello.
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut stub = stub(&alices);
        for _ in 0..100 {
            let stream = stub.converse(tokio_stream::pending()).await;
            silent.extend(stream.ok());
        }
    }
    let talk = bobs.converse(&name("alice")).await.unwrap();
    talk.send(text("here I am")).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Conversation { .. }));
    assert_eq!(heard(&mut events).await.2, "here I am");
    assert!(silent.len() < 300);
    // A known peer may take only a few places as well.
    let mut held = vec![talk];
    let refused = loop {
        match bobs.converse(&name("alice")).await {
            Ok(talk) => held.push(talk),
            Err(error) => break error,
        }
        assert!(held.len() < 256);
    };
    assert!(refused.to_string().contains("with one caller"), "{refused}");
}
