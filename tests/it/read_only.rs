//! A home that cannot be written, as in containers and with mounted secrets: what needs no writing
//! works, with one warning.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    cli::{self, Ended, Running},
    hub::TestHub,
    person::Person,
};

/// The beginning of the warning.
const WARNING: &str = "chinwag: cannot write ";

/// Mounts the first argument read-only for the rest of the arguments, in a mount namespace of its own.
const MOUNT: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";

/// A user whose directory, or one file in it, is read-only. Root gets it mounted so, since permissions
/// do not count for root; for others the permissions do.
struct ReadOnly<'a> {
    person: Person<'a>,
    path: PathBuf,
}

impl<'a> ReadOnly<'a> {
    fn new(person: Person<'a>, file: Option<&str>) -> Self {
        let home = person.home.path();
        let path = file.map_or(home.to_owned(), |file| home.join(file));
        let read_only = Self { person, path };
        if !is_root() {
            read_only.set_mode(if file.is_some() { 0o400 } else { 0o500 });
        }
        read_only
    }

    fn set_mode(&self, mode: u32) {
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let command = self.person.command(args);
        if !is_root() {
            return command;
        }
        let mut mounted = Command::new("unshare");
        mounted.args(["--mount", "sh", "-c", MOUNT]).arg(&self.path);
        mounted.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => mounted.env(name, value),
                None => mounted.env_remove(name),
            };
        }
        mounted
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Ended {
        cli::run(self.command(args), b"")
    }

    fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// Returns the output of a command that succeeds with no more on standard error than the warning.
    #[track_caller]
    fn works(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        let warnings: Vec<&str> = ended.stderr.lines().collect();
        assert!(matches!(&warnings[..], [one] if one.starts_with(WARNING)), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(self.path.to_str().unwrap()), "{ended:?}");
        ended.done()
    }

    #[track_caller]
    fn fails(&self, args: &[&str], said: &str) {
        let complaint = self.run(args).failed(1);
        assert!(complaint.contains(said), "{args:?}: {complaint}");
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        if !is_root() && self.path.exists() {
            self.set_mode(0o700);
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim() == "0"
}

/// Returns the names and contents of all files.
fn content(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_home_with_a_key_alone_does_for_all_that_needs_no_writing() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    // Nothing but the key, as in a mounted secret.
    sova.run(&["id"]).done();
    std::fs::remove_file(sova.home.path().join("identity.crt")).unwrap();
    let sova = ReadOnly::new(sova, None);
    let before = content(sova.person.home.path());

    sova.works(&["post", "lobby", "one"]);
    assert!(sova.works(&["history"]).ends_with(" sova: one\n"));
    assert!(sova.works(&["tail", "--last", "1", "--count", "1"]).ends_with(" sova: one\n"));
    assert!(sova.works(&["rooms"]).starts_with("lobby "));
    assert!(sova.works(&["id"]).starts_with("Fingerprint of your key, sova"));
    for empty in ["peers", "contacts", "outbox"] {
        assert_eq!(sova.works(&[empty]), "", "{empty}");
    }
    assert!(sova.works(&["hubs"]).starts_with(['*', ' ']));
    assert!(sova.works(&["doctor"]).contains("read-only"));
    assert_eq!(sova.run(&["-q", "post", "lobby", "two"]).stderr, "");

    let mut listening = sova.start(&["listen", "--json", "--count", "2"]);
    listening.complaint_of("receives direct messages");
    buzz.run(&["send", "sova", "hello"]).done();
    assert_eq!(listening.object()["text"], "hello");
    // A message that the sender keeps until there is a receipt.
    buzz.run(&["send", "--queue", "--wait", "sova", "kept"]).done();
    assert_eq!(listening.object()["text"], "kept");
    listening.write(b"");
    assert_eq!(listening.end().code, Some(0));
    let talking = buzz.start(&["listen", "--json"]);
    talking.complaint_of("receives direct messages");
    sova.works(&["send", "buzz", "hi"]);
    assert_eq!(talking.object()["text"], "hi");

    let mut chat = sova.start(&["chat"]);
    while !chat.line().starts_with("* sova on ") {}
    chat.write(b"from the chat\n/msg buzz privately\n/note buzz cake\n/quit\n");
    assert_eq!(talking.object()["text"], "privately");
    let ended = chat.end();
    assert!(ended.stdout.contains(" sova: from the chat\n"), "{ended:?}");
    assert!(ended.stdout.contains("it is read-only"), "{ended:?}");
    let complaints: Vec<&str> = ended.stderr.lines().collect();
    let [warning, failed] = &complaints[..] else { panic!("{ended:?}") };
    assert!(warning.starts_with(WARNING), "{ended:?}");
    assert!(failed.contains("could not be carried out: 1"), "only the note: {ended:?}");

    let on = sova.start(&["on", "--count", "1", "--run", "echo yes"]);
    on.complaint_of("sova listens to ");
    buzz.run(&["post", "lobby", "ready?"]).done();
    assert_eq!(on.end().code, Some(0));

    // What needs writing says so, and does nothing by halves.
    sova.fails(&["send", "--queue", "buzz", "hi"], "cannot queue a message: ");
    sova.fails(&["outbox", "drop", "buzz"], "cannot change the outbox: ");
    sova.fails(&["block", "buzz"], "it is read-only");
    sova.fails(&["hubs", "add", "work", &hub.address().to_string()], "config.toml");
    assert_eq!(content(sova.person.home.path()), before);
}

#[test]
fn what_a_used_home_contains_can_be_read() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let config = format!("hub = '{}'\nname = 'sova'\n", hub.address());
    std::fs::write(sova.home.path().join("config.toml"), config).unwrap();
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    sova.run(&["send", "buzz", "kept"]).done();
    drop(listening);
    sova.run(&["send", "--queue", "buzz", "later"]).done();
    sova.run_with(&["chat"], "hello\n").done();
    let sova = ReadOnly::new(sova, None);
    let before = content(sova.person.home.path());
    let queued = sova.run(&["--json", "outbox"]).objects();
    assert_eq!(queued[0]["text"], "later");
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    let mut chat = sova.start(&["chat"]);
    while !chat.line().starts_with("* sova on ") {}
    chat.write(b"again\n/outbox\n/msg buzz hi\n/status\n");
    let mut shown = String::new();
    while !shown.ends_with("direct with buzz: 1 kept, 1 queued") {
        shown.push('\n');
        shown.push_str(&chat.line());
    }
    chat.write(b"/quit\n");
    let ended = chat.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    shown.push_str(&ended.stdout);
    assert!(shown.contains(" sova: again\n") && shown.contains("  later  "), "{shown}");
    let warnings: Vec<&str> = ended.stderr.lines().collect();
    assert!(matches!(&warnings[..], [one] if one.starts_with(WARNING)), "{ended:?}");
    assert_eq!(listening.object()["text"], "hi", "nothing is delivered that cannot be removed");
    assert_eq!(content(sova.person.home.path()), before);
}

#[test]
fn one_read_only_file_is_enough_for_the_warning() {
    let hub = TestHub::start();
    for file in ["contacts.toml", "outbox.db", "inbox.db", "identity.key"] {
        let sova = Person::new(&hub, "sova");
        // The name belongs to the first key.
        let name = format!("sova-{}", file.replace('.', "-"));
        let sova = Person { name: &name, ..sova };
        sova.run_with(&["chat"], "hello\n").done();
        assert!(sova.home.path().join(file).exists(), "{file}");
        let sova = ReadOnly::new(sova, Some(file));
        match file {
            // It is never written.
            "identity.key" => assert_eq!(sova.run(&["post", "lobby", "hi"]).stderr, ""),
            _ => assert_eq!(sova.works(&["post", "lobby", "hi"]), ""),
        }
        let ended = cli::run(sova.command(&["chat"]), b"hello again\n");
        assert_eq!(ended.code, Some(0), "{file}: {ended:?}");
        assert!(ended.stderr.lines().count() <= 1, "{file}: {ended:?}");
    }
}

#[test]
fn a_home_without_a_key_is_refused_except_for_guests() {
    let hub = TestHub::start();
    let sova = ReadOnly::new(Person::new(&hub, "sova"), None);
    sova.fails(&["post", "lobby", "hi"], "with --home DIR, put identity.key there");
    sova.works(&["post", "--plaintext", "lobby", "hi"]);
    let ended = cli::run(sova.command(&["chat", "--plaintext"]), b"hi\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn kept_direct_messages_are_read() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    sova.run(&["send", "buzz", "one"]).done();
    let sova = ReadOnly::new(sova, Some("direct.db"));
    let kept = sova.run(&["history", "--with", "buzz"]).done();
    assert!(kept.ends_with("[direct to buzz] one\n"), "{kept}");
}
