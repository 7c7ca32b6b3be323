//! Python programs that know only the protos: they use gRPC's own TLS to reach the hub and clients
//! in Rust, and clients in Rust reach them.

mod scene;

use chinwag::{
    client::{Error, Event, Verification},
    identity::{CERTIFICATE_FILE, TLS_NAME},
    model::{Fingerprint, RoomName},
};
use scene::{Key, Scene, find, name, tells, text};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{cli, python};

/// Returns the refusal of a name that belongs to another key.
fn taken() -> serde_json::Value {
    json!({ "refused": "NAME_TAKEN", "code": "ALREADY_EXISTS" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_chats() {
    let Some(scene) = Scene::set(&[]) else { return };
    let (ann, mut events) = scene.client("ann", &Key::new()).await;
    let mut guest = scene.python("chat", "guest", None, &[]);
    tells(&guest, &json!({ "registered": "guest", "guest": true, "certificate": "" }));
    tells(&guest, &json!({ "joined": "lobby" }));

    guest.write("greetings from python\n".as_bytes());
    tells(&guest, &json!({ "posted": "lobby" }));
    let said = |event| match event {
        Event::Message(message) => Some((message.sender, message.text)),
        _ => None,
    };
    let heard = find(&mut events, said).await;
    assert_eq!(heard, (name("guest"), text("greetings from python")));
    ann.post(RoomName::lobby(), text("greetings from rust")).await.unwrap();
    tells(&guest, &json!({ "sender": "ann", "text": "greetings from rust" }));
    guest.end().done();

    let stranger = scene.python("chat", "ann", None, &[]);
    tells(&stranger, &taken());
}

#[test]
fn a_hub_without_guests_requires_a_key() {
    let Some(scene) = Scene::set(&["--guests", "never"]) else { return };
    let guest = scene.python("chat", "guest", None, &[]);
    tells(&guest, &json!({ "refused": "GUESTS_REFUSED", "code": "PERMISSION_DENIED" }));
    let key = Key::new();
    let robot = scene.python("chat", "robot", Some(&key), &[]);
    tells(&robot, &json!({ "registered": "robot", "guest": false }));
}

#[test]
fn a_name_belongs_to_the_key_that_took_it() {
    let Some(scene) = Scene::set(&[]) else { return };
    let key = Key::new();
    let der = key.identity.certificate().as_der();
    let certificate: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    for said in ["first", "second"] {
        let mut robot = scene.python("chat", "robot", Some(&key), &[]);
        tells(
            &robot,
            &json!({ "registered": "robot", "guest": false, "certificate": certificate }),
        );
        robot.write(format!("{said}\n").as_bytes());
        tells(&robot, &json!({ "sender": "robot", "text": said }));
        robot.end().done();
    }
    // The owner is offline, but the name is still taken.
    let other = Key::new();
    for other in [Some(&other), None] {
        tells(&scene.python("chat", "robot", other, &[]), &taken());
    }
}

#[test]
fn a_hub_with_another_key_is_not_trusted() {
    let Some(scene) = Scene::set(&[]) else { return };
    let (key, other) = (Key::new(), Key::new());
    let root = other.home().join(CERTIFICATE_FILE);
    let misled = scene.python_trusting(&root, "chat", "robot", Some(&key), &[]);
    tells(&misled, &json!({ "refused": null, "code": "UNAVAILABLE" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_calls_a_python_peer_by_its_key() {
    let Some(scene) = Scene::set(&[]) else { return };
    let [hers, his, own] = [(); 3].map(|()| Key::new());
    let robot = scene.python("listen", "robot", Some(&own), &[]);
    tells(&robot, &json!({ "listed": "robot" }));

    let (ann, _events) = scene.client("ann", &hers).await;
    tells(&robot, &json!({ "listed": "ann" }));
    let key = hers.fingerprint().hex();
    let receipt = ann.send(&name("robot"), text("between us")).await.unwrap();
    assert_eq!(receipt.receiver, name("robot"));
    tells(&robot, &json!({ "sender": "ann", "text": "between us", "key": key }));
    let conversation = ann.converse(&name("robot")).await.unwrap();
    conversation.send(text("and on")).await.unwrap();
    tells(&robot, &json!({ "sender": "ann", "text": "and on", "key": key }));

    // The command runs for a listed user: Python's server only accepts calls from listed peers.
    let link = scene.link().to_string();
    let ben = |args: &[&str]| {
        let common = ["--hub", &link, "--name", "ben", "--listen", "127.0.0.1:0"];
        cli::homeless(his.home(), &[&common[..], args].concat())
    };
    let _listens = cli::Running::start(ben(&["listen"]));
    tells(&robot, &json!({ "listed": "ben" }));
    let sent = cli::run(ben(&["send", "--json", "robot", "hello"]), b"").objects();
    assert_eq!(sent[0]["receiver"], "robot");
    tells(&robot, &json!({ "sender": "ben", "text": "hello" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_peer_with_another_key_receives_nothing() {
    let Some(scene) = Scene::set(&[]) else { return };
    let (key, other) = (Key::new(), Key::new());
    let serve_as = ["--serve-as", other.home().to_str().unwrap()];
    let robot = scene.python("listen", "robot", Some(&key), &serve_as);
    tells(&robot, &json!({ "listed": "robot" }));
    let (ann, _events) = scene.client("ann", &Key::new()).await;
    tells(&robot, &json!({ "listed": "ann" }));

    let refused = ann.send(&name("robot"), text("between us")).await.unwrap_err();
    let Error::PeerUnreachable { cause, .. } = &refused else { panic!("{refused:?}") };
    for fingerprint in [key.fingerprint(), other.fingerprint()] {
        assert!(cause.contains(&fingerprint.to_string()), "{cause}");
    }
    robot.signal("TERM");
    assert!(!robot.end().stdout.contains("between us"));
}

#[tokio::test(flavor = "multi_thread")]
async fn python_calls_a_rust_peer_by_its_listed_certificate() {
    let Some(scene) = Scene::set(&[]) else { return };
    let key = Key::new();
    let (_ann, mut events) = scene.client("ann", &Key::new()).await;
    let robot = scene.python("send", "robot", Some(&key), &["ann", "between us"]);
    tells(&robot, &json!({ "receiver": "ann", "same": true }));
    let direct = |event| match event {
        Event::Direct(direct) => Some(direct),
        _ => None,
    };
    let heard = find(&mut events, direct).await;
    assert_eq!(heard.message.sender, name("robot"));
    assert_eq!(heard.message.text, text("between us"));
    assert_eq!(heard.verification, Verification::Known(key.fingerprint()));

    // Callers without a key cannot be identified, and their messages are dropped.
    let guest = scene.python("send", "guest", None, &["ann", "it is me"]);
    tells(&guest, &json!({ "refused": "CALLER_REFUSED", "code": "PERMISSION_DENIED" }));
}

/// The names in a certificate may be those of another key.
#[test]
fn python_takes_fingerprints_from_keys() {
    let Some(python) = python::python() else { return };
    let [own, other] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
    let hex = |key: &rcgen::KeyPair| {
        let digest = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(key));
        Fingerprint::from_bytes(digest.into()).hex()
    };
    let mut params = rcgen::CertificateParams::new([TLS_NAME.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, hex(&other));
    let pem = params.self_signed(&own).unwrap().pem();
    let script = python::program(&python, "listen", &[]);
    let folder = script.get_args().next().unwrap().to_owned();
    let folder = std::path::Path::new(&folder).parent().unwrap().to_owned();
    let program = "import sys; sys.path.insert(0, sys.argv[1]); import common; \
                   print(common.fingerprint(sys.argv[2]))";
    let path = script.get_envs().find(|(name, _)| *name == "PYTHONPATH").unwrap().1.unwrap();
    let mut shown = std::process::Command::new(&python);
    shown.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    shown.args(["-c", program]).arg(folder).arg(pem);
    assert_eq!(cli::run(shown, b"").done().trim(), hex(&own));
}
