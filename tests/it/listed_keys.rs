//! The keys that a hub lists: a changed one is noticed, in lists and when a message is sent.

use chinwag::client::{DirectPolicy, Error, Event, PeerFilter};

use crate::support::{
    direct_line::text,
    fake_hub::name,
    keys::{self, Hub, Person},
};

/// Lists contain the fingerprint of a key, and no certificate.
#[tokio::test]
async fn a_changed_key_in_a_list_is_noticed() {
    let (hub, alice, bob) = keys::acquainted().await;
    let mallory = Person::new("bob");
    let elsewhere = Hub::start().await;
    let (trap, _events) = mallory.start_for(&elsewhere, DirectPolicy::Anyone).await;
    let (alices, _alices_events) = alice.start(&hub).await;
    hub.quiet.list("bob", &[trap.direct_address().unwrap()], mallory.certificate());
    let listed = alices.peers(PeerFilter::default()).await.unwrap();
    let bobs = listed.iter().find(|peer| peer.name == name("bob")).unwrap();
    assert_eq!((bobs.key, &bobs.certificate), (Some(mallory.key()), &None));
    let straight = alices.send_to(&trap.direct_address().unwrap().into(), text("secret")).await;
    assert!(matches!(straight, Err(Error::KeyChanged { .. })), "{straight:?}");
    match alices.send(&name("bob"), text("secret")).await {
        Err(Error::KeyChanged { known, offered, .. }) => {
            assert_eq!((known, offered), (bob.key(), mallory.key()));
        }
        other => panic!("{other:?}"),
    }
}

/// A hub that lists one key of a peer, and returns another when a message is sent.
#[tokio::test]
async fn a_hub_that_returns_another_key_than_it_listed_is_noticed() {
    let hub = Hub::start().await;
    let (dave, bob, mallory) = (Person::new("dave"), Person::new("bob"), Person::new("bob"));
    let elsewhere = Hub::start().await;
    let (trap, mut traps_events) = mallory.start_for(&elsewhere, DirectPolicy::Anyone).await;
    let address = trap.direct_address().unwrap();
    let (daves, _events) = dave.start(&hub).await;
    hub.quiet.list("bob", &[address], bob.certificate());
    daves.peers(PeerFilter::default()).await.unwrap();

    // A certificate that is not of the key that comes with it.
    hub.quiet.list("bob", &[address], mallory.certificate());
    hub.quiet.set_fingerprint("bob", bob.key());
    let noticed = daves.send(&name("bob"), text("secret")).await.unwrap_err();
    assert!(noticed.to_string().contains("of another key"), "{noticed}");
    let noticed = daves.peer(&name("bob")).await;
    assert!(matches!(noticed, Err(Error::Protocol(_))), "{noticed:?}");

    hub.quiet.list("bob", &[address], mallory.certificate());
    let noticed = daves.send(&name("bob"), text("secret")).await.unwrap_err();
    assert!(noticed.to_string().contains("with another key"), "{noticed}");
    trap.stop().await;
    while let Some(event) = traps_events.next().await {
        assert!(matches!(event, Event::Connected), "the hub's friend has heard {event:?}");
    }
}
