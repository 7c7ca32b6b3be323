//! A client that starts while its hub is unreachable: it talks to its contacts and finds the hub
//! later.

use crate::support::{
    direct_line::{next, text},
    fake_hub::name,
    hub::TestHub,
    keys::{Hub, Person, acquainted, heard},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{
        Client, ClientOptions, Connection, Conversation, ConversationEvent, Error, Event, Events,
        HubTrust, PeerChange,
    },
    identity::Identity,
    model::{MessageId, PeerStatus, RoomName},
};

/// Returns alice and bob, who are contacts of each other and stopped.
async fn friends() -> (Hub, Person, Person) {
    let (hub, alice, bob) = acquainted().await;
    let (alices, mut events) = alice.start(&hub).await;
    let (bobs, _events) = bob.start(&hub).await;
    bobs.send(&name("alice"), text("hi")).await.unwrap();
    heard(&mut events).await;
    alices.stop().await;
    bobs.stop().await;
    (hub, alice, bob)
}

fn away(person: &Person, hub: &Hub) -> ClientOptions {
    person.options(hub).may_start_away(true)
}

#[tokio::test]
async fn contacts_talk_without_a_hub() {
    let (hub, alice, bob) = friends().await;
    let [of_alice, of_bob] = [&alice, &bob].map(|person| away(person, &hub));
    // Bob's address is unchanged.
    let at = alice.contacts.read().unwrap().contact(&hub.endpoint, &name("bob")).unwrap().clone();
    let port: std::net::SocketAddr = at.endpoints[0].to_string().parse().unwrap();
    hub.quiet.stop().await;
    let options = of_bob.listen(port);
    let (bobs, mut events) = Client::start(options).await.unwrap();
    assert_eq!(bobs.direct_address(), Some(port));
    assert!(matches!(&*bobs.connection().borrow(), Connection::Lost { .. }));
    match within(PATIENCE, "an event", events.next()).await {
        Some(Event::Disconnected { .. }) => {}
        other => panic!("{other:?}"),
    }
    let options = of_alice.trust(HubTrust::FirstUse);
    let (alices, _events) = Client::start(options).await.unwrap();
    assert_eq!(alices.reached_at(&name("bob")), None);
    alices.send(&name("bob"), text("just us")).await.unwrap();
    assert_eq!(heard(&mut events).await.2, "just us");
    assert_eq!(alices.reached_at(&name("bob")), Some(port.into()));
    // The list of peers is available once the hub is.
    assert!(alices.watch_peers().await.is_ok());
    alices.stop().await;
}

#[tokio::test]
async fn only_a_known_hub_may_be_unreachable_at_the_start() {
    let (hub, alice, bob) = friends().await;
    let carol = Person::new("carol");
    let [of_alice, of_carol] = [&alice, &carol].map(|person| away(person, &hub));
    hub.quiet.stop().await;
    let start = async |options| Client::start(options).await.map(drop);
    let unmet = |refused: Result<(), Error>| match refused {
        Err(Error::HubUnreachable { .. }) => {}
        other => panic!("{other:?}"),
    };
    unmet(start(of_alice.clone().may_start_away(false)).await);
    unmet(start(of_carol.clone()).await);
    unmet(start(of_carol.trust(HubTrust::FirstUse)).await);
    // Another key means another hub, which a link alone does not make the known one.
    let linked = start(of_alice.clone().trust(HubTrust::Pinned(bob.key()))).await;
    assert!(matches!(linked, Err(Error::HubKeyChanged { .. })), "{linked:?}");
    unmet(start(of_alice.clone().trust(HubTrust::Accepted(bob.key()))).await);
    start(of_alice).await.unwrap();
}

#[tokio::test]
async fn a_changed_hub_key_is_refused() {
    let (first, second) = (TestHub::start(), TestHub::start());
    let home = tempfile::tempdir().unwrap();
    let contacts = chinwag::identity::Contacts::at(home.path().join("contacts.toml"));
    let options = |hub: &TestHub| {
        ClientOptions::new(hub.address().into(), name("alice"))
            .identity(Identity::load_or_create(home.path()).unwrap())
            .trust(HubTrust::FirstUse)
            .contacts(contacts.clone())
            .may_start_away(true)
    };
    Client::start(options(&first)).await.unwrap().0.stop().await;
    let book = std::fs::read_to_string(contacts.path()).unwrap();
    let moved = book.replace(&first.address().to_string(), &second.address().to_string());
    std::fs::write(contacts.path(), moved).unwrap();
    let refused = Client::start(options(&second)).await.map(drop);
    assert!(matches!(refused, Err(Error::HubKeyChanged { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_client_that_started_alone_finds_its_hub() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let home = tempfile::tempdir().unwrap();
    let lobby = RoomName::lobby();
    let options = ClientOptions::new(hub.address().into(), name("alice"))
        .identity(Identity::load_or_create(home.path()).unwrap())
        .trust(HubTrust::FirstUse)
        .contacts(chinwag::identity::Contacts::at(home.path().join("contacts.toml")))
        .may_start_away(true)
        .rooms(vec![(lobby.clone(), chinwag::model::Start::Head)]);
    let (client, _events) = Client::start(options.clone()).await.unwrap();
    assert!(client.ping().await.unwrap() < PATIENCE);
    client.stop().await;
    hub.kill9();
    let (client, mut events) = Client::start(options).await.unwrap();
    assert!(matches!(client.ping().await, Err(Error::HubUnreachable { .. })));
    let mut watch = client.watch_peers().await.unwrap();
    let post = client.post(lobby, text("alone")).begin().await.unwrap();
    hub.restart();
    loop {
        match within(PATIENCE, "the post", events.next()).await.expect("the client has stopped") {
            Event::Message(message) => break assert_eq!(message.text.as_str(), "alone"),
            Event::Ended { error } => panic!("{error}"),
            _ => {}
        }
    }
    within(PATIENCE, "the acknowledgement", post).await.unwrap();
    let listed = within(PATIENCE, "the list", watch.next()).await;
    assert_eq!(listed, Some(PeerChange::Reset));
}

/// Waits for the end of a conversation and returns its reason.
async fn closed(talk: &mut Conversation) -> String {
    loop {
        match within(PATIENCE, "the end", talk.next()).await.expect("no word about the end") {
            ConversationEvent::Closed { cause } => return cause.unwrap_or_default(),
            ConversationEvent::Message(direct) => panic!("heard {:?}", direct.message.text),
            _ => {}
        }
    }
}

/// Returns the text of the next message, of a conversation or a direct one.
async fn said(events: &mut Events) -> String {
    loop {
        match next(events).await {
            Event::Direct(direct) => return direct.message.text.as_str().to_owned(),
            Event::Conversation { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn blocking_a_peer_ends_its_open_conversation() {
    let (hub, alice, bob) = acquainted().await;
    let (alices, mut alices_events) = alice.start(&hub).await;
    let (bobs, mut bobs_events) = bob.start(&hub).await;
    let talk = alices.converse(&name("bob")).await.unwrap();
    talk.send(text("hello")).await.unwrap();
    assert_eq!(said(&mut bobs_events).await, "hello");

    // The called side blocks the caller.
    bobs.block(&name("alice"), true).await.unwrap();
    let mut talk = talk;
    let refused = talk.send(text("hello?")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(closed(&mut talk).await.contains("it has blocked you"));
    assert!(alices.converse(&name("bob")).await.is_err());
    assert!(matches!(bobs.send(&name("alice"), text("no")).await, Err(Error::Blocked(_))));
    bobs.block(&name("alice"), false).await.unwrap();

    // The calling side blocks the other.
    let mut talk = alices.converse(&name("bob")).await.unwrap();
    talk.send(text("again")).await.unwrap();
    assert_eq!(said(&mut bobs_events).await, "again");
    let line = bobs_line(&bobs, &alices, &mut alices_events).await;
    alices.block(&name("bob"), true).await.unwrap();
    assert!(line.send(text("hello?")).await.is_err());
    assert!(talk.send(text("no")).await.is_err());
    assert!(closed(&mut talk).await.contains("blocked"));
    assert!(matches!(alices.converse(&name("bob")).await, Err(Error::Blocked(_))));
}

/// Opens a conversation from bob to alice.
async fn bobs_line(bobs: &Client, alices: &Client, events: &mut Events) -> Conversation {
    let line = bobs.converse(&alices.name()).await.unwrap();
    line.send(text("and I")).await.unwrap();
    assert_eq!(said(events).await, "and I");
    line
}

#[tokio::test]
async fn a_repeated_message_id_is_shown_once() {
    let (hub, alice, bob) = acquainted().await;
    let (alices, _alices_events) = alice.start(&hub).await;
    let (_bobs, mut events) = bob.start(&hub).await;
    let (to, one, two) = (name("bob"), MessageId::new(), MessageId::new());
    assert!(!alices.send(&to, text("one")).id(one).await.unwrap().duplicate);
    assert!(alices.send(&to, text("one")).id(one).await.unwrap().duplicate);
    let talk = alices.converse(&to).await.unwrap();
    let line = talk.line();
    assert!(line.send_with_id(one, text("one")).await.unwrap().duplicate);
    assert!(!line.send_with_id(two, text("two")).await.unwrap().duplicate);
    assert!(alices.send(&to, text("two")).id(two).await.unwrap().duplicate);
    assert_eq!(line.send(text("three")).await.unwrap().receiver, to);
    for text in ["one", "two", "three"] {
        assert_eq!(said(&mut events).await, text);
    }
}

#[tokio::test]
async fn a_client_is_no_contact_of_itself() {
    let (hub, alice, _bob) = acquainted().await;
    let (alices, mut events) = alice.start(&hub).await;
    let other = ClientOptions::new(hub.endpoint.clone(), name("alice"))
        .status(PeerStatus::Invisible)
        .identity(alice.identity.clone())
        .trust(HubTrust::Pinned(hub.key))
        .contacts(alice.contacts.clone());
    let (other, _other_events) = Client::start(other).await.unwrap();
    other.send(&name("alice"), text("to myself")).await.unwrap();
    assert_eq!(heard(&mut events).await.2, "to myself");
    for refused in [
        other.contact(&name("alice")).await.map(drop),
        other.block(&name("alice"), true).await,
        other.note(&name("alice"), "me").await,
    ] {
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let known = alices.contacts().await.unwrap();
    assert_eq!(known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(alice.contacts.read().unwrap().contact(&hub.endpoint, &name("alice")), None);
    other.forget(&name("bob")).await.unwrap();
    assert!(alices.contacts().await.unwrap().is_empty());
    let room = RoomName::lobby();
    other.mute(&room, true).await.unwrap();
    assert_eq!(alices.muted().await.unwrap(), [room].into());
}
