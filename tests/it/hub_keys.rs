//! A hub is identified by its key. A hub with another key differs from one that is unreachable.

use std::io::{Read as _, Write as _};

use crate::support::{
    direct_line,
    fake_hub::{FakeHub, name},
    keys::{Hub, Person, door},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, ClientOptions, Error, Event, HubTrust},
    identity::Identity,
    model::Fingerprint,
};

#[tokio::test]
async fn a_hub_is_recognized_by_its_first_key() {
    let hub = Hub::start().await;
    let alice = Person::new("alice");
    let usual = alice.options(&hub);
    let first = |trust| usual.clone().trust(trust);
    let (alices, mut events) = Client::start(first(HubTrust::FirstUse)).await.unwrap();
    let Hub { endpoint, key, quiet } = hub;
    let known =
        |person: &Person| person.contacts.read().unwrap().hub(&endpoint).and_then(|hub| hub.key);
    assert_eq!(known(&alice), Some(key));

    // Another hub at the same address is detected on reconnection and at the start.
    quiet.stop().await;
    let other = Identity::generate().unwrap();
    let address = endpoint.to_string().parse().unwrap();
    let _other = FakeHub::restart_behind(door(&other), address).await.serve_quietly();
    let changed = |error: Error| match error {
        Error::HubKeyChanged { known, offered, .. } => (known, offered),
        other => panic!("{other:?}"),
    };
    let expected = (key, other.fingerprint());
    let ended = loop {
        match within(PATIENCE, "the end", events.next()).await.unwrap() {
            Event::Ended { error } => break error,
            Event::Connected | Event::Disconnected { .. } => {}
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(changed(ended), expected);
    assert!(within(PATIENCE, "the end", events.next()).await.is_none());
    drop(alices);
    let again = Client::start(first(HubTrust::FirstUse)).await.unwrap_err();
    assert_eq!(changed(again), expected);
    assert_eq!(known(&alice), Some(key));

    // A join link with the new key does not replace the known one; only a person does.
    let linked = Client::start(first(HubTrust::Pinned(other.fingerprint()))).await.unwrap_err();
    assert_eq!(changed(linked), expected);
    assert_eq!(known(&alice), Some(key));
    let (alices, _events) =
        Client::start(first(HubTrust::Accepted(other.fingerprint()))).await.unwrap();
    assert_eq!(known(&alice), Some(other.fingerprint()));
    alices.stop().await;
    let pinned = first(HubTrust::Pinned(other.fingerprint()));
    Client::start(pinned).await.unwrap().0.stop().await;
    let (alices, _events) = Client::start(first(HubTrust::FirstUse)).await.unwrap();
    alices.stop().await;
    // A wrong fingerprint changes nothing.
    let wrong = Fingerprint::from_bytes([7; 32]);
    let refused = Client::start(first(HubTrust::Accepted(wrong))).await.unwrap_err();
    assert_eq!(changed(refused), (wrong, other.fingerprint()));
    assert_eq!(known(&alice), Some(other.fingerprint()));
}

#[tokio::test]
async fn an_untrusted_hub_differs_from_an_unreachable_one() {
    let (plain, _quiet) = direct_line::quiet_hub().await;
    let alice = Person::new("alice");
    let options = |trust| {
        ClientOptions::new(plain.clone(), name("alice"))
            .identity(alice.identity.clone())
            .trust(trust)
    };
    let started = async |trust| Client::start(options(trust)).await.unwrap_err();
    // A hub without TLS cannot be identified.
    let error = started(HubTrust::Pinned(alice.key())).await;
    assert!(
        matches!(error, Error::HubUntrusted { .. } | Error::HubUnreachable { .. }),
        "{error:?}"
    );
    // No certificate authority has signed the hub's own key.
    let hub = Hub::start().await;
    let options = alice.options(&hub).trust(HubTrust::Authorities);
    if let Err(error @ (Error::HubUnreachable { .. } | Error::HubKeyChanged { .. })) =
        Client::start(options).await
    {
        panic!("{error:?}");
    }
    // Nothing listens there.
    let address: std::net::SocketAddr = hub.endpoint.to_string().parse().unwrap();
    hub.quiet.stop().await;
    for trust in [HubTrust::Pinned(hub.key), HubTrust::FirstUse] {
        let hub = address.into();
        let away = ClientOptions::new(hub, name("alice")).trust(trust);
        let error = Client::start(away).await.unwrap_err();
        assert!(matches!(error, Error::HubUnreachable { .. }), "{error:?}");
    }
}

/// As a captive portal does, or another program on the same port.
#[tokio::test]
async fn a_server_without_a_key_cannot_replace_a_known_hub() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let alice = Person::new("alice");
    let known = alice.key();
    let _ = alice.contacts.change(|book| book.meet_hub(&place.into(), Some(known))).unwrap();
    let options = ClientOptions::new(place.into(), name("alice"))
        .identity(alice.identity.clone())
        .contacts(alice.contacts.clone())
        .trust(HubTrust::FirstUse);
    let error = Client::start(options).await.unwrap_err();
    let shown = matches!(error, Error::HubUntrusted { known: Some(key), .. } if key == known);
    assert!(shown, "{error:?}");
}
