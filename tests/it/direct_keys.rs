//! Keys of direct messages: a peer or hub that shows a wrong key is noticed and receives nothing.

use crate::support::{
    direct_line::{self, client, message, next, stub, text, to},
    fake_hub::name,
    keys::{self, Hub, Middle, Person, heard},
    proxy::Proxy,
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, ConversationEvent, DirectPolicy, Error, Event, Verification},
    error::Reason,
    identity::Contact,
    model::PeerStatus,
    proto::peer_chat_client::PeerChatClient,
    transport::{Dial, Trust},
    wire,
};
use tonic::Code;

/// Two users who have exchanged a message.
struct Pair {
    hub: Hub,
    alice: Person,
    bob: Person,
}

impl Pair {
    async fn acquainted() -> Self {
        let (hub, alice, bob) = keys::acquainted().await;
        Self { hub, alice, bob }
    }
}

/// Returns a user's contact entry of another.
fn contact(of: &Person, hub: &Hub, who: &str) -> Option<Contact> {
    of.contacts.read().unwrap().contact(&hub.endpoint, &name(who)).cloned()
}

fn reason(result: Result<impl std::fmt::Debug, Error>) -> Reason {
    match result {
        Err(Error::Refused(refusal)) => {
            assert_eq!(refusal.code, Code::PermissionDenied);
            refusal.reason
        }
        other => panic!("not refused by the peer: {other:?}"),
    }
}

#[tokio::test]
async fn peers_authenticate_by_key_and_encrypt() {
    let hub = Hub::start().await;
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let (alices, mut alices_events) = alice.start(&hub).await;
    let (bobs, mut bobs_events) = bob.start(&hub).await;
    let wire = Proxy::before(bobs.direct_address().unwrap());
    hub.quiet.list("bob", &[wire.address()], bob.certificate());

    alices.send(&name("bob"), text("for your eyes only")).await.unwrap();
    let known = Verification::Known(alice.key());
    let said = |text: &str, standing| ("alice".to_owned(), standing, text.to_owned());
    assert_eq!(heard(&mut bobs_events).await, said("for your eyes only", known));
    assert!(wire.recorded() > 0);
    assert_eq!(wire.occurrences("for your eyes only") + wire.occurrences("PeerChat"), 0);
    // The sender saves the contact; the recipient does not.
    assert_eq!(contact(&alice, &hub, "bob").unwrap().key, bob.key());
    assert_eq!(contact(&bob, &hub, "alice"), None);

    // The same applies to a message to an address.
    alices.send_to(&wire.address().into(), text("there")).await.unwrap();
    assert_eq!(heard(&mut bobs_events).await, said("there", known));
    assert_eq!(wire.occurrences("there"), 0);

    // A verified contact is reported as verified from the next message on.
    bobs.send(&name("alice"), text("hi")).await.unwrap();
    assert_eq!(heard(&mut alices_events).await.1, Verification::Known(bob.key()));
    bobs.verify(&name("alice"), alice.key()).await.unwrap();
    alices.send(&name("bob"), text("again")).await.unwrap();
    assert_eq!(heard(&mut bobs_events).await.1, Verification::Verified(alice.key()));
    let wrong = bobs.verify(&name("alice"), bob.key()).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))), "{wrong:?}");

    // A conversation checks the same keys.
    let mut talk = alices.converse(&name("bob")).await.unwrap();
    talk.send(text("live")).await.unwrap();
    let line = loop {
        match next(&mut bobs_events).await {
            Event::Conversation { line, .. } => break line,
            Event::Direct(direct) => {
                assert_eq!(direct.verification, Verification::Verified(alice.key()))
            }
            other => panic!("{other:?}"),
        }
    };
    line.send(text("back")).await.unwrap();
    match within(PATIENCE, "an answer", talk.next()).await {
        Some(ConversationEvent::Message(direct)) => {
            assert_eq!(direct.verification, Verification::Known(bob.key()));
        }
        other => panic!("{other:?}"),
    }
}

/// A hub that lists another key for a peer, and an address with that key.
#[tokio::test]
async fn a_lying_hub_is_noticed_and_reads_nothing() {
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    let mallory = Person::new("bob");
    let (bobs, mut bobs_events) = bob.start(&hub).await;
    let elsewhere = Hub::start().await;
    let (trap, mut traps_events) = mallory.start_for(&elsewhere, DirectPolicy::Anyone).await;
    let (alices, _events) = alice.start(&hub).await;

    // With its key and its address, and with its key and the right address.
    for address in [trap.direct_address().unwrap(), bobs.direct_address().unwrap()] {
        hub.quiet.list("bob", &[address], mallory.certificate());
        let noticed = alices.send(&name("bob"), text("secret")).await.unwrap_err();
        let said = noticed.to_string();
        assert!(said.contains(&bob.key().to_string()), "{said}");
        assert!(said.contains(&mallory.key().to_string()), "{said}");
        match noticed {
            Error::KeyChanged { name: who, known, offered } => {
                assert_eq!((who, known, offered), (name("bob"), bob.key(), mallory.key()));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(alices.converse(&name("bob")).await, Err(Error::KeyChanged { .. })));
        let straight = alices.send_to(&address.into(), text("secret")).await;
        assert!(matches!(straight, Err(Error::KeyChanged { .. })), "{straight:?}");
    }
    // With the right key but its address, where another key is shown.
    hub.quiet.list("bob", &[trap.direct_address().unwrap()], bob.certificate());
    let noticed = alices.send(&name("bob"), text("secret")).await.unwrap_err();
    assert!(matches!(noticed, Error::PeerUnreachable { .. }), "{noticed:?}");
    assert!(noticed.to_string().contains(&mallory.key().to_string()), "{noticed}");

    // With a truthful list the message arrives; nothing has arrived elsewhere.
    hub.quiet.list("bob", &[bobs.direct_address().unwrap()], bob.certificate());
    alices.send(&name("bob"), text("for bob")).await.unwrap();
    assert_eq!(heard(&mut bobs_events).await.2, "for bob");
    trap.stop().await;
    while let Some(event) = traps_events.next().await {
        assert!(matches!(event, Event::Connected), "the hub's friend has heard {event:?}");
    }
}

#[tokio::test]
async fn a_man_in_the_middle_is_noticed_at_the_hub_and_at_the_peer() {
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    let at_hub: std::net::SocketAddr = hub.endpoint.to_string().parse().unwrap();
    let middle = Middle::before(at_hub, hub.key).await;
    let options = alice.options(&hub).hub(middle.address.into());
    match Client::start(options).await.unwrap_err() {
        Error::HubKeyChanged { known, offered, .. } => {
            assert_eq!((known, offered), (hub.key, middle.key));
        }
        other => panic!("{other:?}"),
    }

    let (bobs, mut bobs_events) = bob.start(&hub).await;
    let (alices, _events) = alice.start(&hub).await;
    let middle = Middle::before(bobs.direct_address().unwrap(), bob.key()).await;
    hub.quiet.list("bob", &[middle.address], bob.certificate());
    let noticed = alices.send(&name("bob"), text("secret")).await.unwrap_err();
    assert!(matches!(noticed, Error::PeerUnreachable { .. }), "{noticed:?}");
    assert!(noticed.to_string().contains(&middle.key.to_string()), "{noticed}");
    // Dave has never met bob, and the hub lists the key of the man in the middle. Then bob is
    // called with a key other than the caller's.
    let dave = Person::new("dave");
    let (daves, _daves_events) = dave.start(&hub).await;
    hub.quiet.list("bob", &[middle.address], &certificate_of(&middle).await);
    let refused = daves.send(&name("bob"), text("secret")).await;
    assert_eq!(reason(refused), Reason::CallerKeyChanged);
    match next(&mut bobs_events).await {
        Event::CallerKeyChanged { name: who, known, offered } => {
            assert_eq!((who, known, offered), (name("dave"), dave.key(), middle.key));
        }
        other => panic!("{other:?}"),
    }
    hub.quiet.list("bob", &[bobs.direct_address().unwrap()], bob.certificate());
    alices.send(&name("bob"), text("straight")).await.unwrap();
    assert_eq!(heard(&mut bobs_events).await.2, "straight");
}

async fn certificate_of(middle: &Middle) -> Vec<u8> {
    let shown = chinwag::transport::certificate_on_loopback(&middle.address.into()).await;
    shown.unwrap().as_der().to_vec()
}

#[tokio::test]
async fn a_changed_key_blocks_both_directions_until_it_is_accepted() {
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    // Bob has alice as a contact and then lost his key.
    let new_bob = Person::new("bob");
    hub.quiet.forget("bob");
    let (alices, mut alices_events) = alice.start(&hub).await;
    let (bobs, mut bobs_events) = new_bob.start(&hub).await;
    for _ in 0..2 {
        let refused = bobs.send(&name("alice"), text("it is me")).await;
        assert_eq!(reason(refused), Reason::CallerKeyChanged);
    }
    match next(&mut alices_events).await {
        Event::CallerKeyChanged { name: who, known, offered } => {
            assert_eq!((who, known, offered), (name("bob"), bob.key(), new_bob.key()));
        }
        other => panic!("{other:?}"),
    }
    let refused = alices.send(&name("bob"), text("who?")).await;
    assert!(matches!(refused, Err(Error::KeyChanged { .. })), "{refused:?}");

    assert_eq!(alices.accept(&name("bob"), None).await.unwrap(), new_bob.key());
    alices.send(&name("bob"), text("you!")).await.unwrap();
    assert_eq!(heard(&mut bobs_events).await.2, "you!");
    bobs.send(&name("alice"), text("me")).await.unwrap();
    // Alice is notified only once, so this is the next event.
    let known = ("bob".to_owned(), Verification::Known(new_bob.key()), "me".to_owned());
    assert_eq!(heard(&mut alices_events).await, known);
    let nothing = alices.accept(&name("bob"), None).await;
    assert!(matches!(nothing, Err(Error::Invalid(_))), "{nothing:?}");
}

#[tokio::test]
async fn an_impostor_cannot_have_its_key_accepted() {
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    let (alices, mut events) = alice.start_for(&hub, DirectPolicy::Anyone).await;
    let (bobs, _bobs_events) = bob.start(&hub).await;
    let elsewhere = Hub::start().await;
    let impostor = Person::new("bob");
    let (impostors, _impostors_events) = impostor.start(&elsewhere).await;
    let address = alices.direct_address().unwrap();
    elsewhere.quiet.list("alice", &[address], alice.certificate());
    let refused = impostors.send(&name("alice"), text("trust me")).await;
    assert_eq!(reason(refused), Reason::CallerKeyChanged);
    match next(&mut events).await {
        Event::CallerKeyChanged { offered, .. } => assert_eq!(offered, impostor.key()),
        other => panic!("{other:?}"),
    }
    // The hub does not confirm the key, so it cannot be accepted.
    assert!(matches!(alices.accept(&name("bob"), None).await, Err(Error::Invalid(_))));

    // For peers unknown to alice, the key listed by the hub applies.
    let carol = Person::new("carol");
    let (_carols, _carols_events) = carol.start(&hub).await;
    let false_carol = Person::new("carol");
    let (falses, _falses_events) = false_carol.start(&elsewhere).await;
    let refused = falses.send(&name("alice"), text("trust me")).await;
    assert_eq!(reason(refused), Reason::CallerKeyChanged);
    assert!(matches!(next(&mut events).await, Event::CallerKeyChanged { .. }));
    bobs.send(&name("alice"), text("the true one")).await.unwrap();
    assert_eq!(heard(&mut events).await.2, "the true one");
}

#[tokio::test]
async fn a_blocked_peer_is_neither_received_nor_answered() {
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    let (alices, mut events) = alice.start_for(&hub, DirectPolicy::Anyone).await;
    let (bobs, _bobs_events) = bob.start(&hub).await;
    let at = hub.endpoint.clone();
    alice.change(|book| book.block(&at, &name("bob"), true));
    assert_eq!(reason(bobs.send(&name("alice"), text("hello?")).await), Reason::CallerRefused);
    assert!(matches!(alices.send(&name("bob"), text("no")).await, Err(Error::Blocked(_))));
    alice.change(|book| book.block(&at, &name("bob"), false));
    bobs.send(&name("alice"), text("hello!")).await.unwrap();
    assert_eq!(heard(&mut events).await.2, "hello!");
}

#[tokio::test]
async fn the_direct_policy_decides_who_may_send() {
    use DirectPolicy::{Anyone, Contacts, Known};
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    let (bobs, _bobs_events) = bob.start(&hub).await;
    let carol = Person::new("carol");
    let (carols, _carols_events) = carol.start(&hub).await;
    // Dave is on a hub that alice's hub does not know.
    let elsewhere = Hub::start().await;
    let dave = Person::new("dave");
    let (daves, _daves_events) = dave.start(&elsewhere).await;

    for policy in [Contacts, Known, Anyone] {
        let (alices, mut events) = alice.start_for(&hub, policy).await;
        let address = alices.direct_address().unwrap();
        elsewhere.quiet.list("alice", &[address], alice.certificate());
        let mut check = async |sent: Result<_, Error>, least: DirectPolicy, standing| {
            if policy as u8 >= least as u8 {
                sent.unwrap();
                assert_eq!(heard(&mut events).await.1, standing, "{policy:?}");
            } else {
                assert_eq!(reason(sent), Reason::CallerRefused, "{policy:?}");
            }
        };
        let to_alice = name("alice");
        let from = bobs.send(&to_alice, text("bob")).await;
        check(from, Contacts, Verification::Known(bob.key())).await;
        let from = carols.send(&to_alice, text("carol")).await;
        check(from, Known, Verification::Known(carol.key())).await;
        let from = daves.send(&to_alice, text("dave")).await;
        check(from, Anyone, Verification::Unverified(Some(dave.key()))).await;

        // Without a key: over TLS from anywhere, or in plaintext on this machine.
        let keyless = Dial::tls(None, &Trust::Pinned(alice.key())).unwrap();
        let mut keyless = PeerChatClient::new(keyless.peer_channel(&address.into()).unwrap());
        let sent = keyless.send(to("alice", &message("eve", "psst"))).await;
        let refused = |status| Error::Refused(wire::refused(&status));
        check(sent.map_err(refused).map(drop_receipt), Anyone, Verification::Unverified(None))
            .await;
        // Any name, known or not, remains a claim.
        for claimed in ["eve", "bob"] {
            let sent = stub(&alices).send(to("alice", &message(claimed, "psst"))).await;
            check(sent.map_err(refused).map(drop_receipt), Known, Verification::Unverified(None))
                .await;
        }
        alices.stop().await;
    }
}

fn drop_receipt(sent: tonic::Response<chinwag::proto::SendResponse>) -> chinwag::model::Receipt {
    sent.into_inner().receipt.unwrap().try_into().unwrap()
}

#[tokio::test]
async fn an_invisible_command_is_still_recognized_by_its_key() {
    let (hub, alice, bob) = (Hub::start().await, Person::new("alice"), Person::new("bob"));
    let (_bobs, mut events) = bob.start(&hub).await;
    let options = alice.options(&hub).status(PeerStatus::Invisible);
    let (alices, _alices_events) = Client::start(options).await.unwrap();
    assert!(matches!(alices.peer(&name("alice")).await, Err(Error::PeerUnknown(_))));
    alices.send(&name("bob"), text("build is green")).await.unwrap();
    assert_eq!(heard(&mut events).await.1, Verification::Known(alice.key()));
}

#[tokio::test]
async fn contacts_suffice_while_the_hub_is_away() {
    let Pair { hub, alice, bob } = Pair::acquainted().await;
    let (bobs, mut bobs_events) = bob.start(&hub).await;
    // Bob saves alice with her address; alice updates bob's address.
    let (alices, mut alices_events) = alice.start(&hub).await;
    bobs.send(&name("alice"), text("hi")).await.unwrap();
    heard(&mut alices_events).await;
    alices.send(&name("bob"), text("hi")).await.unwrap();
    heard(&mut bobs_events).await;
    alices.stop().await;

    // Alice reconnects and makes no request before the hub stops.
    let (alices, _alices_events) = alice.start(&hub).await;
    hub.quiet.stop().await;
    alices.send(&name("bob"), text("still here?")).await.unwrap();
    let known = ("alice".to_owned(), Verification::Known(alice.key()), "still here?".to_owned());
    assert_eq!(heard(&mut bobs_events).await, known);
    let unknown = alices.send(&name("carol"), text("hello")).await;
    assert!(matches!(unknown, Err(Error::HubUnreachable { .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_contact_with_a_key_is_never_called_without_it() {
    let Pair { hub, alice, .. } = Pair::acquainted().await;
    // The hub lists bob without a key, with a plaintext address.
    let (plain, _quiet) = direct_line::quiet_hub().await;
    let (trap, mut events) = client(&plain, "bob").await;
    hub.quiet.list("bob", &[trap.direct_address().unwrap()], &[]);
    let (alices, _alices_events) = alice.start(&hub).await;
    let refused = alices.send(&name("bob"), text("secret")).await.unwrap_err();
    assert!(matches!(refused, Error::PeerUnreachable { .. }), "{refused:?}");
    let straight = alices.send_to(&trap.direct_address().unwrap().into(), text("secret")).await;
    assert!(straight.is_err(), "{straight:?}");
    // A peer that never had a key is accepted on this machine.
    hub.quiet.list("guest", &[trap.direct_address().unwrap()], &[]);
    let wrong = alices.send(&name("guest"), text("hi")).await.unwrap_err();
    assert!(wrong.to_string().contains("nobody named guest listens here"), "{wrong}");
    trap.stop().await;
    while let Some(event) = events.next().await {
        assert!(matches!(event, Event::Connected), "{event:?}");
    }
}
