//! Names belong to keys: who may use a name, and for how long.

use std::collections::BTreeSet;

use chinwag::{
    identity::{CERTIFICATE_FILE, Credentials, Identity, TLS_NAME},
    model::{Certificate, Fingerprint, Name, RoomName},
    proto::{
        Endpoint, GetPeerRequest, ListPeersRequest, Peer, PeerView, RegisterRequest, RenewRequest,
        UnregisterRequest, WatchPeersRequest, watch_peers_response::Event,
    },
};
use prost::Message as _;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use crate::support::{
    hub::TestHub,
    keyed::{connect, connect_as, enter, new_key, register_on},
    peer::{self, Session, named, post},
    person::Person,
    refusal::why,
    watch::{Watch, list},
    within::{PATIENCE, within},
};

/// "alice" with a Cyrillic а.
const LOOK_ALIKE: &str = "\u{430}lice";

/// Returns the refusal of a registration without TLS.
async fn refused_plaintext(hub: &TestHub, request: RegisterRequest) -> String {
    why(&peer::register(hub.address(), request).await.unwrap_err())
}

/// Returns the refusal of a name for this key.
async fn refused(hub: &TestHub, key: &Identity, name: &str) -> String {
    why(&enter(hub, key, name).await.unwrap_err())
}

/// Starts a hub with a data directory and short leases.
fn hub_in(data: &tempfile::TempDir, args: &[&str]) -> TestHub {
    let data = ["--data-dir", data.path().to_str().unwrap(), "--lease", "2s"];
    TestHub::with(&[&data, args].concat())
}

/// Others cannot get the name alice: neither while she is online, nor while she is away, nor
/// afterwards.
async fn nobody_else_is_alice(hub: &TestHub, stolen: &str) {
    assert_eq!(refused(hub, &new_key(), "alice").await, "AlreadyExists NAME_TAKEN");
    assert_eq!(refused(hub, &new_key(), "Alice").await, "AlreadyExists NAME_TAKEN");
    assert_eq!(refused_plaintext(hub, named("alice")).await, "AlreadyExists NAME_TAKEN");
    let guest = register_on(connect(hub, None), None, named("alice")).await.unwrap_err();
    assert_eq!(why(&guest), "AlreadyExists NAME_TAKEN");
    assert_eq!(refused(hub, &new_key(), LOOK_ALIKE).await, "AlreadyExists NAME_CONFUSABLE");
    let look_alike = refused_plaintext(hub, named(LOOK_ALIKE)).await;
    assert_eq!(look_alike, "AlreadyExists NAME_CONFUSABLE");
    let replacing = RegisterRequest { replace_token: stolen.into(), ..named("alice") };
    assert_eq!(refused_plaintext(hub, replacing.clone()).await, "AlreadyExists NAME_TAKEN");
    let thief = register_on(connect(hub, Some(&new_key())), None, replacing).await.unwrap_err();
    assert_eq!(why(&thief), "AlreadyExists NAME_TAKEN");
}

#[tokio::test]
async fn a_name_belongs_to_the_key_that_took_it() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(&data, &[]);
    let key = new_key();
    let alice = enter(&hub, &key, "alice").await.unwrap();
    let stolen = alice.registered.token.clone();
    nobody_else_is_alice(&hub, &stolen).await;

    // A stolen token is invalid without the key, even while the session lives.
    for thief in [Some(&new_key()), None] {
        let channel = connect(&hub, thief);
        let refused = register_on(channel.clone(), Some(&stolen), named("alice")).await;
        assert_eq!(why(&refused.unwrap_err()), "Unauthenticated TOKEN_REFUSED");
        let thief = Session { channel, registered: alice.registered.clone() };
        let refused = thief.presence().renew(RenewRequest::default()).await.unwrap_err();
        assert_eq!(why(&refused), "Unauthenticated TOKEN_REFUSED");
        let refused = thief.broadcast().post(post("", "", "I am alice")).await.unwrap_err();
        assert_eq!(why(&refused), "Unauthenticated TOKEN_REFUSED");
        let asked = WatchPeersRequest::default();
        let refused = thief.presence().watch_peers(asked).await.unwrap_err();
        assert_eq!(why(&refused), "Unauthenticated TOKEN_REFUSED");
    }

    // The lease expires: the name is still hers, and the token is invalid.
    let watcher = Session::of(hub.address(), "watcher").await;
    let mut watch = Watch::with(&watcher, &["alice", "watcher"]).await;
    watch.until_removed("alice").await;
    let late = alice.presence().renew(RenewRequest::default()).await.unwrap_err();
    assert_eq!(why(&late), "Unauthenticated SESSION_ENDED");
    nobody_else_is_alice(&hub, &stolen).await;
    let alice = enter(&hub, &key, "alice").await.unwrap();

    // The hub restarts with the same key.
    let (link, before) = (hub.link().to_owned(), alice.registered.token);
    hub.kill9();
    hub.restart();
    assert_eq!(hub.link(), link);
    nobody_else_is_alice(&hub, &before).await;
    let again = enter(&hub, &key, "alice").await.unwrap();
    assert_ne!(again.registered.token, before);
    let peer = again.registered.peer.unwrap();
    assert_eq!((peer.name.as_str(), peer.guest), ("alice", false));
    assert_eq!(peer.certificate, key.certificate().as_der());
}

/// Names that look alike were given out before the hub knew that they do.
#[tokio::test]
async fn names_that_look_alike_stay_with_their_keys() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(&data, &[]);
    let (hers, his) = (new_key(), new_key());
    enter(&hub, &hers, "alice").await.unwrap();
    enter(&hub, &his, "bob").await.unwrap();
    for look_alike in ["alice.", "alice_", "alicė", "Àlice", LOOK_ALIKE] {
        let refused = refused(&hub, &new_key(), look_alike).await;
        assert_eq!(refused, "AlreadyExists NAME_CONFUSABLE", "{look_alike}");
    }
    hub.kill9();
    let members = rusqlite::Connection::open(data.path().join("members.db")).unwrap();
    members.execute("UPDATE members SET name = 'alice_' WHERE name = 'bob'", []).unwrap();
    drop(members);
    hub.restart();
    let _alice = enter(&hub, &hers, "alice").await.unwrap();
    let _beside = enter(&hub, &his, "alice_").await.unwrap();
    assert_eq!(refused(&hub, &hers, "alice_").await, "AlreadyExists NAME_TAKEN");
    assert_eq!(refused(&hub, &his, "alice").await, "AlreadyExists NAME_TAKEN");
    assert_eq!(refused(&hub, &new_key(), "alice-").await, "AlreadyExists NAME_CONFUSABLE");
    assert_eq!(refused_plaintext(&hub, named("alice_")).await, "AlreadyExists NAME_TAKEN");
}

#[test]
fn people_and_rooms_have_names_of_their_languages() {
    let hub = TestHub::start();
    for (name, room) in
        [("प्रिया", "தமிழ்"), ("น้ำ", "\u{1112}\u{1161}\u{11ab}국어"), ("İsmail", "שָׂרָה")]
    {
        let who = Person::new(&hub, name);
        let posted = &who.run(&["post", room, "--json", "hello"]).objects()[0];
        let said = &who.run(&["history", room, "--json"]).objects()[0];
        assert_eq!(said["id"], posted["id"], "{name} in {room}");
        assert_eq!(said["sender"], Name::parse(name).unwrap().as_str());
        assert_eq!(said["room"], RoomName::parse(room).unwrap().as_str());
    }
}

#[tokio::test]
async fn one_key_may_have_several_sessions() {
    let hub = TestHub::start();
    let key = new_key();
    let first = enter(&hub, &key, "alice").await.unwrap();
    let second = enter(&hub, &key, "alice").await.unwrap();
    assert_ne!(first.registered.token, second.registered.token);
    let replace =
        RegisterRequest { replace_token: first.registered.token.clone(), ..named("alice") };
    register_on(connect(&hub, Some(&key)), None, replace).await.unwrap();
    let replaced = first.presence().renew(RenewRequest::default()).await.unwrap_err();
    assert_eq!(why(&replaced), "Unauthenticated SESSION_ENDED");
    second.presence().renew(RenewRequest::default()).await.unwrap();
}

#[tokio::test]
async fn the_names_of_a_key_are_limited() {
    let hub = TestHub::start();
    let key = new_key();
    for i in 0..16 {
        enter(&hub, &key, &format!("name-{i}")).await.unwrap();
    }
    assert_eq!(refused(&hub, &key, "one-more").await, "ResourceExhausted LIMIT_REACHED");
    enter(&hub, &key, "name-3").await.unwrap();
}

#[tokio::test]
async fn a_guest_has_a_name_for_one_session() {
    let hub = TestHub::start();
    let guest = Session::of(hub.address(), "carol").await;
    let peer = guest.registered.peer.clone().unwrap();
    assert!(peer.guest && peer.certificate.is_empty(), "{peer:?}");
    // Refused keys are not stored.
    assert_eq!(refused(&hub, &new_key(), "carol").await, "AlreadyExists NAME_TAKEN");
    guest.presence().unregister(UnregisterRequest {}).await.unwrap();
    let again = Session::of(hub.address(), "carol").await;
    again.presence().unregister(UnregisterRequest {}).await.unwrap();
    let key = new_key();
    enter(&hub, &key, "carol").await.unwrap();
    assert_eq!(refused_plaintext(&hub, named("carol")).await, "AlreadyExists NAME_TAKEN");
}

#[tokio::test]
async fn a_guest_who_gets_a_key_keeps_the_name() {
    let hub = TestHub::start();
    let guest = Session::of(hub.address(), "carol").await;
    let key = new_key();
    let token = Some(guest.registered.token.as_str());
    let carol = register_on(connect(&hub, Some(&key)), token, named("carol")).await.unwrap();
    assert!(!carol.registered.peer.unwrap().guest);
    assert_eq!(refused(&hub, &new_key(), "carol").await, "AlreadyExists NAME_TAKEN");
}

#[tokio::test]
async fn guests_are_admitted_by_the_hubs_policy() {
    let hub = TestHub::with(&["--ephemeral", "--guests", "never"]);
    assert_eq!(refused_plaintext(&hub, named("bob")).await, "PermissionDenied GUESTS_REFUSED");
    let guest = register_on(connect(&hub, None), None, named("bob")).await.unwrap_err();
    assert_eq!(why(&guest), "PermissionDenied GUESTS_REFUSED");
    enter(&hub, &new_key(), "bob").await.unwrap();
}

#[tokio::test]
async fn the_list_has_the_owners_of_names() {
    let hub = TestHub::start();
    let key = new_key();
    let alice = enter(&hub, &key, "alice").await.unwrap();
    let _bob = Session::of(hub.address(), "bob").await;
    let peers = list(&alice, Default::default()).await;
    let seen: Vec<_> =
        peers.iter().map(|p| (p.name.as_str(), p.guest, p.certificate.as_slice())).collect();
    assert_eq!(seen, [("alice", false, key.certificate().as_der()), ("bob", true, &[])]);
    let (_, snapshot) = Watch::open(&alice).await;
    assert_eq!(snapshot, peers);

    // Without certificates, for those who ask only for what lists need.
    let view = PeerView::Basic.into();
    let basic = list(&alice, ListPeersRequest { view, ..Default::default() }).await;
    assert!(basic.iter().all(|peer| peer.certificate.is_empty()));
    assert_eq!(basic[0].fingerprint, key.certificate().fingerprint().as_bytes());
    assert_eq!(basic[1].fingerprint, [] as [u8; 0], "a guest has no key");
    let whole =
        |peer: &Peer, whole: &Peer| Peer { certificate: whole.certificate.clone(), ..peer.clone() };
    assert_eq!(peers, basic.iter().zip(&peers).map(|(b, w)| whole(b, w)).collect::<Vec<_>>());
    let mut watch = alice
        .presence()
        .watch_peers(WatchPeersRequest { view, ..Default::default() })
        .await
        .unwrap();
    let next = within(PATIENCE, "a part", watch.get_mut().message()).await.unwrap().unwrap();
    let Some(Event::Snapshot(part)) = next.event else { panic!("{next:?}") };
    assert_eq!(part.peers, basic);
    let request = GetPeerRequest { name: "alice".into(), ..Default::default() };
    let looked_up = alice.presence().get_peer(request).await.unwrap().into_inner().peer;
    assert_eq!(looked_up.as_ref(), Some(&peers[0]), "with the certificate");
    let own = alice.registered.hub.unwrap().certificate;
    let link = chinwag::model::JoinLink::parse(hub.link()).unwrap();
    let own = chinwag::model::Certificate::parse(&own).unwrap();
    assert_eq!(Some(own.fingerprint()), link.fingerprint);
}

/// Returns a key with a certificate of the profile after a change.
fn changed_key(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Credentials {
    let key = rcgen::KeyPair::generate().unwrap();
    let digest = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key));
    let mut params = rcgen::CertificateParams::new([TLS_NAME.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let hex = Fingerprint::from_bytes(digest.into()).hex();
    params.distinguished_name.push(rcgen::DnType::CommonName, hex);
    change(&mut params);
    Credentials::new(vec![params.self_signed(&key).unwrap().into()], key.into()).unwrap()
}

/// Returns a key with a certificate of about the maximum size.
fn bulky_key() -> Credentials {
    let key = changed_key(|params| {
        let names = (0..58).map(|i| format!("{}-{i:02}.example", "x".repeat(48)));
        let names = rcgen::CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        params.subject_alt_names.extend(names.subject_alt_names);
    });
    let bytes = key.certified_key().cert[0].len();
    assert!((3800..4096).contains(&bytes), "{bytes}");
    key
}

/// Other stacks may take a name in a certificate for the key of its owner.
#[tokio::test]
async fn a_certificate_that_other_stacks_cannot_use_is_refused_with_the_part() {
    let hub = TestHub::start();
    let alice = new_key();
    let _alice = enter(&hub, &alice, "alice").await.unwrap();
    let hers = alice.fingerprint().hex();
    let forged = changed_key(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "x");
        params.distinguished_name.push(rcgen::DnType::CommonName, hers);
    });
    let authority = changed_key(|params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let nameless = changed_key(|params| {
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        params.subject_alt_names.clear();
    });
    let expired = changed_key(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    for (key, part) in [
        (forged, "subject"),
        (authority, "basic_constraints"),
        (nameless, "alternative_names"),
        (expired, "validity"),
    ] {
        let entered = register_on(connect_as(&hub, Some(&key)), None, named("mallory")).await;
        let refused = why(&entered.unwrap_err());
        assert_eq!(refused, format!("InvalidArgument INVALID_FIELD certificate.{part}"));
    }
    // The name is free, and nothing is listed.
    let key = changed_key(|_| {});
    let mallory = register_on(connect_as(&hub, Some(&key)), None, named("mallory")).await.unwrap();
    let listed = list(&mallory, ListPeersRequest::default()).await;
    let names: Vec<_> = listed.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["alice", "mallory"]);
}

#[test]
fn the_certificates_of_all_versions_are_of_the_profile() {
    let now = jiff::Timestamp::now();
    Identity::generate().unwrap().certificate().check_profile(now).unwrap();
    let homes =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0.1.0/homes");
    let homes: Vec<_> = homes.read_dir().unwrap().map(|home| home.unwrap().path()).collect();
    assert_eq!(homes.len(), 5);
    for home in homes {
        let pem = std::fs::read(home.join(CERTIFICATE_FILE)).unwrap();
        let der = rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap();
        Certificate::parse(&der).unwrap().check_profile(now).unwrap();
    }
}

#[tokio::test]
async fn a_list_of_large_peers_is_paged_within_the_message_limit() {
    const MOST: usize = 1024 * 1024;
    let hub = TestHub::start();
    let endpoints: Vec<_> = (1..9)
        .map(|port| Endpoint { host: ["x".repeat(63).as_str(); 3].join("."), port })
        .collect();
    let mut last = None;
    for i in 0..20 {
        let channel = connect_as(&hub, Some(&bulky_key()));
        for j in 0..16 {
            let request = RegisterRequest {
                endpoints: endpoints.clone(),
                ..named(&format!("bulky-{}", 16 * i + j))
            };
            last = Some(register_on(channel.clone(), None, request).await.unwrap());
        }
    }
    let session = last.unwrap();
    let mut watch = session.presence().watch_peers(WatchPeersRequest::default()).await.unwrap();
    let (mut seen, mut complete) = (0, false);
    while !complete {
        let next = within(PATIENCE, "a part", watch.get_mut().message()).await.unwrap().unwrap();
        assert!(next.encoded_len() <= 64 * 1024, "{}", next.encoded_len());
        let Some(Event::Snapshot(part)) = next.event else { panic!("{next:?}") };
        seen += part.peers.len();
        complete = part.last;
    }
    assert_eq!(seen, 320);

    let (mut names, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = ListPeersRequest { page_size: 1000, page_token, ..Default::default() };
        let page = session.presence().list_peers(request).await.unwrap().into_inner();
        assert!(page.encoded_len() <= MOST, "{}", page.encoded_len());
        names.extend(page.peers.into_iter().map(|peer| peer.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), 320);
}
