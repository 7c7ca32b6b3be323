//! `chinwag doctor`, run as a program: it finds each problem and names a remedy.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::Command,
};

use chinwag::{
    identity::Identity,
    model::JoinLink,
    transport::{Acceptor, ClientKeys, Plaintext, server_config},
};
use serde_json::Value;

use crate::support::{cli, fake_hub::FakeHub, hub::TestHub, person::Person};

/// The result of `doctor`.
struct Found {
    code: Option<i32>,
    checks: Vec<Value>,
    stderr: String,
}

impl Found {
    /// Runs `doctor --json`.
    #[track_caller]
    fn by(command: Command) -> Self {
        let ended = cli::run(command, b"");
        let checks: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for check in &checks {
            assert_eq!(check["type"], "check");
            // Every problem must have a remedy.
            assert!(check["result"] == "ok" || check["remedy"].is_string(), "{check}");
        }
        Self { code: ended.code, checks, stderr: ended.stderr }
    }

    #[track_caller]
    fn of(person: &Person<'_>, args: &[&str]) -> Self {
        Self::by(person.command(&[&["doctor", "--json"], args].concat()))
    }

    fn names(&self) -> Vec<&str> {
        self.checks.iter().map(|check| check["name"].as_str().unwrap()).collect()
    }

    /// Returns the result, finding and remedy of the check with this name.
    #[track_caller]
    fn get(&self, name: &str) -> (&str, &str, &str) {
        let check = self.checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no {name} among {:?}", self.names()));
        let text = |field: &str| check[field].as_str().unwrap_or_default();
        (text("result"), text("found"), text("remedy"))
    }

    /// Returns the names of the checks with this result.
    fn all(&self, result: &str) -> Vec<&str> {
        let names = self.checks.iter().filter(|check| check["result"] == result);
        names.map(|check| check["name"].as_str().unwrap()).collect()
    }
}

/// Returns a closed port.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn every_check_passes() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let found = Found::of(&sova, &[]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""), "{:?}", found.checks);
    let names = "settings permissions key contact_book hub hub_key name clock addresses reachable";
    assert_eq!(found.names().join(" "), names);
    assert_eq!(found.all("ok"), found.names());
    let key = &sova.run(&["id", "--json"]).objects()[0]["fingerprint"];
    assert!(found.get("key").1.starts_with(key.as_str().unwrap()));
    assert!(found.get("key").1.contains("mode 0600"));
    assert!(found.get("hub").1.contains(env!("CARGO_PKG_VERSION")));
    assert!(found.get("addresses").2.contains("--listen 0.0.0.0:"));
    assert!(found.get("reachable").1.contains("reached 127.0.0.1:"));
    // The doctor neither adds contacts nor registers.
    assert!(!sova.home.path().join("contacts.toml").exists());
    assert_eq!(sova.run(&["peers", "--json"]).objects().len(), 0);
    let shown = sova.run(&["doctor"]).done();
    assert!(shown.contains("ok    hub key       "), "{shown}");
    assert!(shown.contains(&format!("\n{:20}→ to be reached from other machines", "")), "{shown}");
    // It listens for other machines already.
    let found = Found::of(&sova, &["--listen", "0.0.0.0:0"]);
    let remedy = found.get("addresses").2;
    assert!(remedy.contains("--advertise HOST:") && !remedy.contains("--listen"), "{remedy}");
    // Without direct messages, their endpoints are not checked.
    let found = Found::of(&sova, &["--no-direct"]);
    assert_eq!((found.code, found.get("reachable").0), (Some(0), "ok"));
}

#[test]
fn without_a_hub_the_other_checks_run() {
    let home = tempfile::tempdir().unwrap();
    let found = Found::by(cli::command(home.path(), closed(), "sova", &["doctor", "--json"]));
    assert_eq!(found.code, Some(3));
    assert_eq!(found.names(), ["settings", "permissions", "key", "contact_book", "hub"]);
    let (result, said, remedy) = found.get("hub");
    assert_eq!(result, "fail");
    assert!(said.contains("nobody listens there") && remedy.contains("`chinwagd`"), "{remedy}");
}

#[test]
fn a_hub_with_another_key_is_reported() {
    let mut hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let address = hub.address();
    let doctor = || Found::by(cli::command(home.path(), address, "sova", &["doctor", "--json"]));
    cli::run(cli::command(home.path(), address, "sova", &["rooms"]), b"").done();
    let found = doctor();
    assert!(found.get("hub_key").1.ends_with("from the contact book"), "{:?}", found.checks);

    // A hub without stored data has another key after a restart.
    let before = JoinLink::parse(hub.link()).unwrap().fingerprint.unwrap();
    hub.kill9();
    hub.restart();
    let now = JoinLink::parse(hub.link()).unwrap().fingerprint.unwrap();
    let found = doctor();
    assert_eq!((found.code, found.all("fail")), (Some(1), vec!["hub_key"]));
    let (_, said, remedy) = found.get("hub_key");
    for key in [before, now] {
        assert!(said.contains(&key.to_string()), "{said}");
    }
    assert!(remedy.contains("join link"), "{remedy}");

    // If the link and the contact book disagree on the key, the user has to decide.
    let link = hub.link().to_owned();
    let found = Found::by(cli::command(
        home.path(),
        address,
        "sova",
        &["doctor", "--json", "--hub", &link],
    ));
    assert_eq!((found.code, found.all("fail")), (Some(1), vec!["hub_key"]), "{:?}", found.checks);
    assert!(found.get("hub_key").2.contains("`chinwag hubs accept LINK`"), "{:?}", found.checks);
    let book = fs::read_to_string(home.path().join("contacts.toml")).unwrap();
    assert!(book.contains(&before.to_string()), "the doctor changes no book: {book}");
}

#[test]
fn a_name_of_another_key_is_reported() {
    let hub = TestHub::start();
    let (sova, thief) = (Person::new(&hub, "sova"), Person::new(&hub, "sova"));
    sova.run(&["rooms"]).done();
    let found = Found::of(&thief, &[]);
    assert_eq!((found.code, found.all("fail")), (Some(1), vec!["name"]));
    assert!(found.get("name").2.contains("--name NAME"));
    assert_eq!(found.get("hub").0, "ok");
}

#[test]
fn an_address_without_a_listener_is_reported() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let nowhere = closed().to_string();
    let found = Found::of(&sova, &["--advertise", &nowhere]);
    assert_eq!((found.code, found.all("fail")), (Some(1), vec!["reachable"]));
    let (_, said, remedy) = found.get("reachable");
    assert!(said.contains(&nowhere) && said.contains("nobody listens there"), "{said}");
    assert!(remedy.contains("firewall") && remedy.contains("--advertise"), "{remedy}");
    let error: serde_json::Value = serde_json::from_str(&found.stderr).unwrap();
    assert_eq!(error["message"], "one check failed");

    // One reachable endpoint of two is enough, with a warning.
    let listen = closed().to_string();
    let both = format!("{listen},{nowhere}");
    let found = Found::of(&sova, &["--listen", &listen, "--advertise", &both]);
    assert_eq!((found.code, found.get("reachable").0), (Some(0), "warn"), "{:?}", found.checks);
    // A name that does not resolve is found by the client only: the hub tries the port, not the
    // name.
    let named = format!("nowhere.invalid:{}", listen.rsplit(':').next().unwrap());
    let found = Found::of(&sova, &["--listen", &listen, "--advertise", &named]);
    assert_eq!((found.code, found.get("reachable").0), (Some(0), "ok"), "{:?}", found.checks);
    assert!(found.get("reachable").1.contains("tried at 127.0.0.1:"), "{:?}", found.checks);
    assert!(found.get("address_name").1.contains("does not resolve"));
    // The hub does not dial other hosts.
    let found = Found::of(&sova, &["--advertise", "192.0.2.7:54321"]);
    assert_eq!((found.code, found.get("reachable").0), (Some(0), "warn"), "{:?}", found.checks);
}

#[test]
fn a_chat_that_has_the_port_is_checked_instead() {
    let hub = TestHub::start();
    let (sova, watcher) = (Person::new(&hub, "sova"), Person::new(&hub, "watcher"));
    let port = closed().to_string();
    let changes = watcher.start(&["peers", "--watch", "--json"]);
    let _chat = sova.start(&["listen", "--listen", &port]);
    while changes.object()["name"] != "sova" {}
    let found = Found::of(&sova, &["--listen", &port]);
    assert_eq!(found.code, Some(0), "{:?}", found.checks);
    assert!(found.get("addresses").1.contains("another program of yours"));
    assert!(found.get("reachable").1.ends_with(&format!("reached {port}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_reported() {
    for (seconds, result, code) in [(-300, "fail", 1), (20, "warn", 0), (1, "ok", 0)] {
        let key = Identity::generate().unwrap();
        let config = server_config(key.credentials(), ClientKeys::Optional).unwrap();
        let hub = FakeHub::behind(Acceptor::tls(config, Plaintext::FromLoopback)).await;
        hub.set_clock(seconds);
        let (at, _quiet) = hub.serve_quietly();
        let doctor = move || {
            let home = tempfile::tempdir().unwrap();
            let mut command = cli::homeless(home.path(), &["doctor", "--json", "--name", "sova"]);
            command.args(["--listen", "127.0.0.1:0", "--hub", &at.to_string()]);
            Found::by(command)
        };
        let found = tokio::task::spawn_blocking(doctor).await.unwrap();
        let (how, said, remedy) = found.get("clock");
        assert_eq!((how, found.code), (result, Some(code)), "{:?}", found.checks);
        assert_eq!(
            how != "ok",
            remedy.contains("set the clock of this machine"),
            "{said}: {remedy}"
        );
    }
}

#[cfg(unix)]
#[test]
fn unusable_files_are_reported() {
    use std::os::unix::fs::PermissionsExt;
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run(&["rooms"]).done();
    let key = sova.home.path().join("identity.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let found = Found::of(&sova, &[]);
    assert_eq!((found.code, found.all("fail")), (Some(1), vec!["key"]), "{:?}", found.checks);
    assert!(found.get("key").2.contains("`chmod 600 "));
    assert_eq!(found.get("hub").0, "ok", "what needs no key is checked all the same");
    assert_eq!(found.get("name").0, "warn");

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let files = [
        ("contacts.toml", "contact_book"),
        ("outbox.db", "outbox"),
        ("inbox.db", "inbox"),
        ("direct.db", "kept_direct"),
    ];
    for (file, name) in files {
        let path = sova.home.path().join(file);
        let before = fs::read(&path).ok();
        fs::write(&path, "nonsense ".repeat(1000)).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let found = Found::of(&sova, &[]);
        assert_eq!((found.code, found.all("fail")), (Some(1), vec![name]), "{:?}", found.checks);
        if name != "contact_book" {
            assert!(found.get(name).2.contains("move it away"), "{:?}", found.checks);
        }
        if ["outbox", "inbox"].contains(&name) {
            let refused = sova.run(&["listen"]).failed(1);
            assert!(refused.contains(&format!("{file} cannot be used: ")), "{refused}");
            assert!(refused.contains("move it away"), "{refused}");
        }
        before.map_or_else(|| fs::remove_file(&path), |before| fs::write(&path, before)).unwrap();
    }
    for (file, name) in &files[1..] {
        let path = sova.home.path().join(file);
        let before = fs::read(&path).ok();
        let newer = rusqlite::Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let found = Found::of(&sova, &[]);
        assert_eq!((found.code, found.all("fail")), (Some(1), vec![*name]), "{:?}", found.checks);
        let remedy = found.get(name).2;
        assert!(remedy.contains("use that newer Chinwag, or move the file away"), "{remedy}");
        before.map_or_else(|| fs::remove_file(&path), |before| fs::write(&path, before)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn kept_messages_that_others_can_read_are_reported() {
    use std::os::unix::fs::PermissionsExt;
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run(&["send", "nobody", "hello"]).failed(4);
    let found = Found::of(&sova, &[]);
    let (result, said, _) = found.get("kept_direct");
    assert_eq!((found.code, result), (Some(0), "ok"), "{:?}", found.checks);
    assert!(said.contains("direct.db, ") && said.ends_with(" KiB, mode 0600"), "{said}");
    let file = sova.home.path().join("direct.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let found = Found::of(&sova, &[]);
    assert_eq!((found.code, found.all("fail")), (Some(1), vec!["permissions"]));
    let (_, said, remedy) = found.get("permissions");
    assert!(said.contains("direct.db, mode 0644"), "{said}");
    assert!(remedy.contains("`chmod go-rwx ") && remedy.contains("has read"), "{remedy}");
}

/// Only on Linux, where the environment sets the data directory. It names a file, because the
/// superuser may write to every directory.
#[cfg(target_os = "linux")]
#[test]
fn a_key_needs_a_directory_that_can_be_written_to() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let file = sova.home.path().join("file");
    fs::write(&file, "").unwrap();
    let mut doctor = sova.command(&["doctor", "--json"]);
    doctor.env_remove("CHINWAG_HOME").env("XDG_DATA_HOME", &file);
    let found = Found::by(doctor);
    assert_eq!(found.get("key").0, "fail", "{:?}", found.checks);
    assert!(found.get("key").2.contains("a directory that you can write to"), "{:?}", found.checks);
}

#[test]
fn a_refused_key_needs_a_decision() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    buzz.run(&["rooms"]).done();
    let listening = buzz.start(&["listen"]);
    let watcher = Person::new(&hub, "watcher");
    let changes = watcher.start(&["peers", "--watch", "--json"]);
    while changes.object()["name"] != "buzz" {}
    sova.run(&["send", "buzz", "hello"]).done();
    drop(listening);
    let book = sova.home.path().join("contacts.toml");
    let other = Identity::generate().unwrap().fingerprint();
    let text = fs::read_to_string(&book).unwrap();
    let (before, after) = text.split_once("[hub.contacts.buzz]\n").unwrap();
    fs::write(&book, format!("{before}[hub.contacts.buzz]\nrefused_key = \"{other}\"\n{after}"))
        .unwrap();
    let found = Found::of(&sova, &[]);
    let (result, said, remedy) = found.get("refused_keys");
    assert_eq!((found.code, result), (Some(0), "warn"));
    assert!(said.contains("buzz") && remedy.contains("`chinwag accept buzz`"), "{said}: {remedy}");
}
