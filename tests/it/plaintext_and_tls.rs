//! Connecting to a hub: TLS with its own key or by a certificate authority, plaintext from loopback
//! only, and no secrets in the log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use chinwag::{
    identity::Identity,
    model::{Endpoint, JoinLink},
    proto::{
        RegisterRequest, SendRequest, peer_chat_client::PeerChatClient,
        presence_client::PresenceClient,
    },
    transport::{Authorities, Dial, DialFailure, Trust, dial_failure},
};
use tonic::{Status, transport::Endpoint as Settings};

use crate::support::{
    hub::{TestHub, command},
    keyed::{enter, new_key, register, register_on},
    peer::{self, Session, named, new_id, post},
    refusal::why,
};

/// Returns an address of this machine that is not loopback, if it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Finds the local address of the route; sends no packet.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn remote_plaintext_is_refused_with_a_reason() {
    let Some(own) = own_address() else { return };
    let hub = TestHub::at("0.0.0.0:0", &["--ephemeral"]);
    let address = SocketAddr::new(own, hub.address().port());
    // As another client: ours would refuse to try.
    let plain = Settings::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let refused = PresenceClient::new(plain).register(named("alice")).await.unwrap_err();
    assert_eq!(why(&refused), "FailedPrecondition PLAINTEXT_REFUSED");

    let link = JoinLink::parse(hub.link()).unwrap();
    assert!(link.hub.host() != "0.0.0.0" && link.hub.port() == address.port(), "{link}");
    let dial = |key: Option<&Identity>| {
        let trust = Trust::Pinned(link.fingerprint.unwrap());
        let dial = Dial::tls(key.map(Identity::credentials), &trust).unwrap();
        dial.channel(&Endpoint::from(address)).unwrap()
    };
    register_on(dial(Some(&new_key())), None, named("alice")).await.unwrap();
    let guest = register_on(dial(None), None, named("bob")).await.unwrap_err();
    assert_eq!(why(&guest), "PermissionDenied GUESTS_REFUSED");
}

#[tokio::test]
async fn plaintext_can_be_switched_off() {
    let hub = TestHub::with(&["--ephemeral", "--no-plaintext"]);
    let refused = peer::register(hub.address(), named("alice")).await.unwrap_err();
    assert_eq!(why(&refused), "FailedPrecondition PLAINTEXT_REFUSED");
    register(&hub, None, named("alice")).await.unwrap();
}

#[tokio::test]
async fn an_unspecified_endpoint_becomes_the_callers_address() {
    let hub = TestHub::start();
    let endpoint = |host: &str| chinwag::proto::Endpoint { host: host.into(), port: 7 };
    let request = RegisterRequest { endpoints: vec![endpoint("0.0.0.0")], ..named("alice") };
    let session = register(&hub, Some(&new_key()), request).await.unwrap();
    assert_eq!(session.registered.peer.unwrap().endpoints, [endpoint("127.0.0.1")]);
    assert_eq!(session.registered.observed.unwrap().host, "127.0.0.1");
}

/// Creates a certificate for this name, signed by an authority: the authority, and the two files.
fn certified(name: &str, home: &std::path::Path) -> (Authorities, [String; 2]) {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).unwrap();
    let issuer = rcgen::Issuer::new(params, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let files = [("hub.crt", leaf.pem()), ("hub.key", key.serialize_pem())].map(|(file, pem)| {
        let path = home.join(file);
        std::fs::write(&path, pem).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        path.to_str().unwrap().to_owned()
    });
    (Authorities::new([root.into()]).unwrap(), files)
}

#[tokio::test]
async fn a_certificate_authority_can_replace_the_pinned_key() {
    let home = tempfile::tempdir().unwrap();
    let (authorities, [certificate, key]) = certified("localhost", home.path());
    let hub = TestHub::with(&[
        "--ephemeral",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--advertise",
        "hub.example:443",
    ]);
    assert_eq!(hub.link(), "chinwag://hub.example:443");
    let alice = new_key();
    let call = async |host: &str| {
        let dial = Dial::tls(Some(alice.credentials()), &Trust::Authorities(authorities.clone()));
        let endpoint = Endpoint::new(host, hub.address().port().into()).unwrap();
        register_on(dial.unwrap().channel(&endpoint).unwrap(), None, named("alice")).await
    };
    let session = call("localhost").await.unwrap();
    assert!(session.registered.hub.unwrap().certificate.is_empty());
    let other = call("127.0.0.1").await.unwrap_err();
    assert!(!dial_failure(&other).unwrap().is_transient(), "{other:?}");

    let alone = ["--ephemeral", "--tls-cert", &certificate];
    let output = command(env!("CARGO_BIN_EXE_chinwagd")).args(alone).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("go together"));
}

#[tokio::test]
async fn a_hub_with_another_key_is_not_trusted() {
    let (hub, other) = (TestHub::start(), TestHub::start());
    assert_ne!(hub.link(), other.link());
    let fingerprint = JoinLink::parse(hub.link()).unwrap().fingerprint.unwrap();
    let dial = Dial::tls(None, &Trust::Pinned(fingerprint)).unwrap();
    let channel = dial.channel(&Endpoint::from(other.address())).unwrap();
    let refused: Status = register_on(channel, None, named("alice")).await.unwrap_err();
    assert!(matches!(dial_failure(&refused), Some(DialFailure::KeyChanged(_))), "{refused:?}");
}

/// At the most verbose level, the log contains no secrets or texts.
#[tokio::test]
async fn nothing_secret_is_logged() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data, "--log", "trace", "--invite-only"]);
    let keeper = |args: &[&str]| {
        let mut keeper = command(env!("CARGO_BIN_EXE_chinwagd"));
        let listen = hub.address().to_string();
        keeper.args(["--data-dir", data, "--listen", &listen]).args(args);
        String::from_utf8(keeper.output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let link = JoinLink::parse(&keeper(&["invite"])).unwrap();
    let (invite, bot) = (link.invite.unwrap().as_str().to_owned(), keeper(&["token", "robot"]));
    let key = new_key();
    let request = RegisterRequest { invite_code: invite.clone(), ..named("alice") };
    let alice = register(&hub, Some(&key), request).await.unwrap();
    let plain = peer::connect(hub.address()).await;
    let robot = register_on(plain.clone(), Some(&bot), named("robot")).await.unwrap();
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    register_on(plain.clone(), Some(jwt), named("alice")).await.unwrap_err();
    register_on(plain.clone(), Some("made-up-password"), named("alice")).await.unwrap_err();
    let replace_token = robot.registered.token.clone();
    let request = RegisterRequest { replace_token, ..named("robot") };
    let newer = register_on(plain.clone(), Some(&bot), request).await.unwrap();
    let texts = ["the-text-of-a-post", "the-text-on-a-stream", "the-text-that-is-refused"];
    alice.broadcast().post(post("", &new_id(), texts[0])).await.unwrap();
    let mut chat = newer.chat().await;
    chat.post("", &new_id(), texts[1]).await;
    chat.message().await;
    alice.broadcast().post(post("", "no-id", texts[2])).await.unwrap_err();
    drop((
        enter(&hub, &key, "alice").await,
        PeerChatClient::new(plain).send(SendRequest::default()).await,
    ));

    hub.terminate();
    let log = hub.log();
    assert!(log.contains("TRACE"), "nothing is traced");
    let identity = std::fs::read_to_string(format!("{data}/identity.key")).unwrap();
    let sessions = [&alice, &robot, &newer].map(|s: &Session| s.registered.token.as_str());
    let shown = [invite.as_str(), bot.as_str(), jwt, "made-up-password"];
    let key = identity.lines().nth(1).unwrap();
    for secret in sessions.iter().chain(&shown).chain(&texts).chain(&[key]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is in the log: {line:?}");
    }
}
