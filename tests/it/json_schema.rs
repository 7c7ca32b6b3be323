//! The output of every command with `--json` against `chinwag schema`, on both streams.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{
    cli::{self, Ended, Running},
    help::commands,
    hub::{self, TestHub},
    object_types::{self, schema},
    person::Person,
};

/// Commands that print text for people or for other programs, and no objects.
const WITHOUT_OBJECTS: [&str; 4] = ["chat", "completions", "man", "schema"];

/// Checks objects, and notes which types and commands were seen.
struct Checker {
    validators: BTreeMap<String, Validator>,
    seen: BTreeSet<String>,
    commands: BTreeSet<String>,
}

impl Checker {
    fn new() -> Self {
        let schema = schema();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        let validators = object_types::variants(&schema).into_iter().map(|(name, mut variant)| {
            // Stricter than the schema for others, which allows fields of later versions.
            variant["unevaluatedProperties"] = false.into();
            variant["$defs"] = schema["$defs"].clone();
            (name, jsonschema::draft202012::new(&variant).unwrap())
        });
        let validators = validators.collect();
        Self { validators, seen: BTreeSet::new(), commands: BTreeSet::new() }
    }

    /// Checks an object and returns its type.
    fn check(&mut self, object: &Value) -> String {
        let kind = object["type"].as_str().unwrap_or_else(|| panic!("{object}")).to_owned();
        let validator = &self.validators[&kind];
        let problems: Vec<String> =
            validator.iter_errors(object).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?} in {object}");
        self.seen.insert(kind.clone());
        kind
    }

    /// Checks that a command has succeeded and printed these types of objects, and that all of its
    /// standard error consists of objects, too.
    #[track_caller]
    fn prints(&mut self, command: &str, ended: Ended, expected: &[&str]) -> Vec<Value> {
        assert_eq!(ended.code, Some(0), "{command}: {ended:?}");
        self.commands.insert(command.to_owned());
        for line in ended.stderr.lines() {
            let kind = self.check(&serde_json::from_str(line).unwrap());
            assert!(["notice", "warning"].contains(&kind.as_str()), "{command}: {line}");
        }
        let objects = ended.objects();
        let kinds: Vec<String> = objects.iter().map(|object| self.check(object)).collect();
        assert_eq!(kinds, expected, "{command}");
        objects
    }

    /// Checks the next object of this type; skips others.
    #[track_caller]
    fn prints_next(&mut self, running: &Running, kind: &str) {
        while self.check(&running.object()) != kind {}
    }

    /// Checks that a command has failed, and with which exit code and reason.
    #[track_caller]
    fn fails(&mut self, ended: Ended, code: i32, reason: &str) -> Value {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        let last = ended.stderr.lines().last().unwrap_or_else(|| panic!("{ended:?}"));
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{ended:?}"));
        assert_eq!(self.check(&error), "error");
        assert_eq!((&error["exit_code"], &error["reason"]), (&code.into(), &reason.into()));
        error
    }
}

fn operator(args: &[&str], data: &Path) -> Ended {
    let mut command = hub::command(env!("CARGO_BIN_EXE_chinwagd"));
    command.arg("--json").args(args).arg("--data-dir").arg(data);
    cli::run(command, b"")
}

#[test]
fn every_command_prints_objects_of_the_schema() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let json = |person: &Person<'_>, args: &[&str]| person.run(&[&["--json"], args].concat());
    let mut checker = Checker::new();

    let watcher = Person::new(&hub, "watcher");
    let peers = watcher.start(&["--json", "peers", "--watch"]);
    for kind in ["reset", "listed"] {
        checker.prints_next(&peers, kind);
    }
    let listen = buzz.start(&["--json", "listen"]);
    checker.prints_next(&peers, "peer");
    checker.prints("peers", json(&sova, &["peers"]), &["peer"]);

    let posted = checker.prints("post", json(&sova, &["post", "lobby", "walnut"]), &["posted"]);
    let reader = Person::new(&hub, "reader");
    let tail = reader.start(&["--json", "tail", "--last", "1"]);
    checker.prints_next(&tail, "message");
    checker.commands.insert("tail".into());
    checker.prints("history", json(&sova, &["history"]), &["message"]);
    checker.prints("rooms", json(&sova, &["rooms"]), &["room"]);
    // The newest posts may not be indexed yet.
    while json(&sova, &["search", "walnut"]).objects().is_empty() {}
    checker.prints("search", json(&sova, &["search", "walnut"]), &["hit"]);

    checker.prints("send", json(&sova, &["send", "buzz", "psst"]), &["receipt"]);
    checker.prints_next(&listen, "direct");
    checker.commands.insert("listen".into());
    checker.prints("send", json(&sova, &["send", "--queue", "nobody", "psst"]), &["queued"]);
    checker.prints("outbox", json(&sova, &["outbox"]), &["queued"]);
    let left = json(&sova, &["outbox", "retry"]);
    assert_eq!(left.code, Some(4), "{left:?}");
    assert_eq!(checker.check(&serde_json::from_str(left.stdout.trim()).unwrap()), "queued");
    checker.prints("outbox", json(&sova, &["outbox", "drop", "nobody"]), &["dropped"]);

    let id = checker.prints("id", json(&buzz, &["id"]), &["identity"]);
    let key = id[0]["fingerprint"].as_str().unwrap();
    checker.prints("contacts", json(&sova, &["contacts"]), &["contact"]);
    let contact = checker.prints("verify", json(&sova, &["verify", "buzz", key]), &["contact"]);
    assert_eq!(contact[0]["verified"], true);
    let contact = checker.prints("block", json(&sova, &["block", "buzz"]), &["contact"]);
    assert_eq!(contact[0]["blocked"], true);
    checker.prints("unblock", json(&sova, &["unblock", "buzz"]), &["contact"]);
    let contact = checker.prints("note", json(&sova, &["note", "buzz", "cake"]), &["contact"]);
    assert_eq!(contact[0]["note"], "cake");
    checker.prints("note", json(&sova, &["note", "buzz"]), &["contact"]);
    let muted = checker.prints("mute", json(&sova, &["mute", "ops"]), &["notifications"]);
    assert_eq!((&muted[0]["room"], &muted[0]["muted"]), (&"ops".into(), &true.into()));
    checker.prints("unmute", json(&sova, &["unmute", "ops"]), &["notifications"]);
    let checks = json(&sova, &["doctor"]);
    let kinds = vec!["check"; checks.stdout.lines().count()];
    checker.prints("doctor", checks, &kinds);

    // Another key than buzz's was refused.
    let book = sova.home.path().join("contacts.toml");
    let mine = json(&sova, &["id"]).objects()[0]["fingerprint"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(&book).unwrap();
    let refused = text.replace(
        &format!("key = \"{key}\""),
        &format!("key = \"{key}\"\nrefused_key = \"{mine}\""),
    );
    assert_ne!(refused, text);
    std::fs::write(&book, refused).unwrap();
    checker.prints("accept", json(&sova, &["accept", "buzz", &mine]), &["contact"]);
    checker.prints("forget", json(&sova, &["forget", "buzz"]), &["forgotten"]);

    let work = ["hubs", "add", "work", &hub.address().to_string()];
    checker.prints("hubs", json(&sova, &work), &["hub"]);
    checker.prints("hubs", json(&sova, &["hubs", "use", "work"]), &["hub"]);
    checker.prints("hubs", json(&sova, &["hubs"]), &["hub", "hub"]);
    checker.prints("hubs", json(&sova, &["hubs", "remove", "work"]), &["removed"]);

    let bot = Person::new(&hub, "bot");
    let on = bot.start(&["--json", "on", "--count", "1", "--run", "echo yes"]);
    let ready: Value = serde_json::from_str(&on.complaint()).unwrap();
    assert_eq!(checker.check(&ready), "notice");
    json(&sova, &["post", "lobby", "ready?"]).done();
    checker.prints_next(&on, "posted");
    checker.prints("on", on.end(), &[]);

    // The hub loses its messages but not its key.
    listen.signal("INT");
    checker.prints_next(&peers, "left");
    checker.prints("listen", listen.end(), &[]);
    let data_dir = data.path();
    checker.prints("chinwagd members", operator(&["members"], data_dir), &["member"; 5]);
    hub.kill9();
    for file in data_dir.read_dir().unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        if !name.starts_with("identity") && !name.starts_with("members") && file.path().is_file() {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    hub.restart();
    checker.prints_next(&tail, "gap");
    let old = format!("{}:{}", posted[0]["epoch"].as_str().unwrap(), posted[0]["seq"]);
    let tail = sova.start(&["--json", "tail", "--after", &old]);
    checker.prints_next(&tail, "gap");

    for (args, kind) in [
        (&["link"][..], "link"),
        (&["invite", "--uses", "2"], "invite"),
        (&["token", "robot"], "token"),
        (&["token", "--revoke", "robot"], "revoked"),
        (&["rename", "reader", "rita"], "renamed"),
        (&["remove", "rita"], "removed"),
    ] {
        checker.prints(&format!("chinwagd {}", args[0]), operator(args, data_dir), &[kind]);
    }
    let mut command = hub::command(env!("CARGO_BIN_EXE_chinwagd"));
    command.args(["--json", "--ephemeral", "--listen", "127.0.0.1:0", "--log", "off"]);
    let daemon = Running::start(command);
    checker.prints_next(&daemon, "listening");

    checker.fails(json(&sova, &["history", "--nonsense"]), 2, "USAGE");
    let long = sova.run_with(&["--json", "post"], &"x".repeat(100_000));
    let warning = serde_json::from_str(long.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(checker.check(&warning), "warning");

    let all: BTreeSet<String> = checker.validators.keys().cloned().collect();
    assert_eq!(checker.seen, all, "every type of object");
    let with_objects = |program: &str, prefix: &str| {
        let names = commands(program).into_iter().map(|name| format!("{prefix}{name}"));
        names.filter(|name| !WITHOUT_OBJECTS.contains(&name.as_str())).collect::<BTreeSet<_>>()
    };
    let mut programs = with_objects(env!("CARGO_BIN_EXE_chinwag"), "");
    programs.extend(with_objects(env!("CARGO_BIN_EXE_chinwagd"), "chinwagd "));
    assert_eq!(checker.commands, programs, "every command");
}

#[test]
fn every_error_is_an_object_with_its_exit_code_and_reason() {
    let hub = TestHub::start();
    let (sova, thief) = (Person::new(&hub, "sova"), Person::new(&hub, "sova"));
    let json = |person: &Person<'_>, args: &[&str]| person.run(&[&["--json"], args].concat());
    let mut checker = Checker::new();
    json(&sova, &["peers"]).done();

    let error = checker.fails(json(&sova, &["send"]), 2, "USAGE");
    assert!(error["message"].as_str().unwrap().contains("required arguments"), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("Usage: chinwag send"), "{error}");
    checker.fails(json(&sova, &[]), 2, "USAGE");
    checker.fails(json(&sova, &["chat"]), 2, "USAGE");
    checker.fails(json(&sova, &["verify", "buzz"]), 2, "USAGE");
    checker.fails(json(&sova, &["--at", "nowhere", "peers"]), 2, "USAGE");
    let away = checker.fails(json(&sova, &["--hub", "127.0.0.1:1", "rooms"]), 3, "HUB_UNREACHABLE");
    assert!(away["remedy"].as_str().unwrap().contains("chinwagd"), "{away}");
    checker.fails(json(&sova, &["send", "nobody", "hi"]), 4, "PEER_UNKNOWN");
    let taken = checker.fails(json(&thief, &["rooms"]), 1, "NAME_TAKEN");
    assert!(taken["remedy"].as_str().unwrap().contains("--name NAME"), "{taken}");
    checker.fails(json(&sova, &["tail", "--timeout", "100ms"]), 124, "TIMED_OUT");
    checker.fails(json(&sova, &["note", "nobody"]), 1, "FAILED");
    checker.fails(json(&sova, &["outbox", "drop", "somebody-else"]), 1, "FAILED");
    let nowhere = tempfile::tempdir().unwrap();
    checker.fails(operator(&["link"], nowhere.path()), 1, "IO");
    checker.fails(operator(&["nonsense"], nowhere.path()), 2, "USAGE");
    assert_eq!(json(&sova, &["-q", "search", "walnut"]).stderr, "", "notices are quiet");
}

#[test]
fn a_reader_continues_after_the_last_object() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    for text in ["one", "two", "three"] {
        sova.run(&["post", "lobby", text]).done();
    }
    let first = &sova.run(&["--json", "tail", "--last", "3", "--count", "1"]).objects()[0];
    let after = format!("{}:{}", first["epoch"].as_str().unwrap(), first["seq"]);
    let rest = sova.run(&["--json", "tail", "--after", &after, "--count", "2"]).objects();
    assert_eq!(rest.iter().map(|message| &message["text"]).collect::<Vec<_>>(), ["two", "three"]);
    let said = sova.run(&["tail", "lobby", "ops", "--after", &after]).failed(2);
    assert!(said.contains("--after is about one room"), "{said}");
}
