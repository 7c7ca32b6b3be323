//! Several hubs: profiles in the settings, on the command line and in the chat.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{
    cli::{self, Ended},
    hub::TestHub,
    terminal::Terminal,
};

/// A user with two hubs: `default` as sova, and `work` as ann, in the room ops.
struct Person {
    home: TempDir,
    here: TestHub,
    work: TestHub,
}

const BEFORE: &str = "# mine\n[keys]\nquit = 'ctrl-q' # out\n";

impl Person {
    fn new() -> Self {
        let (here, work) = (TestHub::start(), TestHub::start());
        let home = tempfile::tempdir().unwrap();
        let config = format!("hub = '{}'\nname = 'sova'\n{BEFORE}", here.address());
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        let person = Self { home, here, work };
        let link = person.work.link().to_owned();
        person.run(&["hubs", "add", "work", &link, "--name", "ann", "--room", "ops"]).done();
        person
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cli::homeless(self.home.path(), args);
        command.env("CHINWAG_LISTEN", "127.0.0.1:0");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Ended {
        cli::run(self.command(args), b"")
    }

    fn config(&self) -> String {
        std::fs::read_to_string(self.home.path().join("config.toml")).unwrap()
    }

    fn chat(&self, args: &[&str]) -> Terminal {
        let args = [&["chat", "--listen", "127.0.0.1:0"], args].concat();
        Terminal::chinwag(self.home.path(), &args)
    }
}

/// Returns the messages in a room of a hub, each after the name of its sender.
fn posted(hub: &TestHub, room: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let ended = cli::run(
        cli::command(
            home.path(),
            hub.address(),
            "reader",
            &["--json", "--plaintext", "history", room],
        ),
        b"",
    );
    let said = |message: serde_json::Value| {
        let part = |field: &str| message[field].as_str().unwrap().to_owned();
        format!("{}: {}", part("sender"), part("text"))
    };
    ended.objects().into_iter().map(said).collect()
}

#[test]
fn a_profile_is_added_used_and_removed() {
    let person = Person::new();
    let work = person.work.address();
    assert!(person.config().contains(BEFORE), "{}", person.config());
    assert!(!person.config().contains("chinwag://"), "the key is in the contact book");
    let listed = person.run(&["hubs"]).done();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("*  default  ") && lines[0].ends_with("  as sova"), "{listed}");
    assert_eq!(lines[1], format!("   work     {work}  as ann"));

    person.run(&["post", "lobby", "one"]).done();
    person.run(&["--at", "work", "post", "ops", "two"]).done();
    // Words come from standard input, so that the room is that of the profile.
    cli::run(person.command(&["--at", "work", "post"]), b"three\n").done();
    assert_eq!(posted(&person.here, "lobby"), ["sova: one"]);
    assert_eq!(posted(&person.work, "ops"), ["ann: two", "ann: three"]);

    person.run(&["hubs", "use", "work"]).done();
    assert!(person.run(&["hubs"]).done().contains("\n*  work"));
    person.run(&["post", "ops", "four"]).done();
    person.run(&["--at", "default", "post", "lobby", "five"]).done();
    assert_eq!(posted(&person.here, "lobby"), ["sova: one", "sova: five"]);
    assert_eq!(posted(&person.work, "ops").last().unwrap(), "ann: four");

    let refused = person.run(&["hubs", "add", "work", person.work.link()]).failed(2);
    assert!(refused.contains("there is a profile work already"), "{refused}");
    let unreached = person.run(&["hubs", "add", "home", "127.0.0.1:1"]).failed(3);
    assert!(unreached.contains("no hub at"), "{unreached}");
    assert!(!person.config().contains("home"), "nothing is saved that does not work");
    let reserved = person.run(&["hubs", "add", "default", person.work.link()]).failed(2);
    assert!(reserved.contains("default stands for the settings above [hubs]"), "{reserved}");
    assert!(!reserved.contains("remove it"), "it cannot be removed: {reserved}");
    assert!(person.run(&["hubs", "use", "nowhere"]).failed(2).contains("no profile nowhere"));
    assert!(person.run(&["--at", "nowhere", "peers"]).failed(2).contains("no profile nowhere"));
    person.run(&["hubs", "remove", "work"]).done();
    assert_eq!(person.run(&["hubs"]).done().lines().count(), 1);
    person.run(&["post", "lobby", "six"]).done();
    assert_eq!(posted(&person.here, "lobby").last().unwrap(), "sova: six");
    assert!(person.config().ends_with(BEFORE), "{}", person.config());
}

#[test]
fn what_is_chosen_nearer_to_the_command_wins() {
    let person = Person::new();
    let here = person.here.address().to_string();
    let name = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = person.command(&[&["--json"], args, &["id"]].concat());
        command.envs(environment.iter().copied());
        cli::run(command, b"").objects()[0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(&[], &[]), "sova");
    assert_eq!(name(&["--at", "work"], &[]), "ann");
    assert_eq!(name(&[], &[("CHINWAG_AT", "work")]), "ann");
    assert_eq!(name(&[], &[("CHINWAG_AT", "")]), "sova");
    assert_eq!(name(&[], &[("CHINWAG_AT", "work"), ("CHINWAG_NAME", "eva")]), "eva");
    assert_eq!(name(&["--at", "work"], &[("CHINWAG_NAME", "eva")]), "ann");
    assert_eq!(name(&["--at", "work", "--name", "zoe"], &[]), "zoe");
    // Another hub sets the profile aside.
    assert_eq!(name(&["--hub", &here], &[("CHINWAG_AT", "work")]), "sova");
    person.run(&["hubs", "use", "work"]).done();
    assert_eq!(name(&[], &[]), "ann");
    assert_eq!(name(&[], &[("CHINWAG_HUB", &here)]), "sova");
    assert_eq!(name(&["--hub", &here], &[]), "sova");
    assert_eq!(name(&["--at", "default"], &[]), "sova");
    // A command inside of a bot is at the hub of the bot.
    let program = env!("CARGO_BIN_EXE_chinwag");
    let inside = format!("{program} -q --json id");
    let bot = ["--at", "default", "on", "--count", "1", "--run", &inside];
    let mut bot = person.command(&bot);
    bot.env("CHINWAG_AT", "work");
    let bot = cli::Running::start(bot);
    bot.complaint_of("sova listens to lobby");
    let home = tempfile::tempdir().unwrap();
    cli::run(
        cli::command(home.path(), person.here.address(), "buzz", &["post", "lobby", "who?"]),
        b"",
    )
    .done();
    assert_eq!(bot.end().code, Some(0));
    assert!(posted(&person.here, "lobby")[1].contains("\"name\":\"sova\""));
}

#[test]
fn a_current_profile_that_is_missing_locks_nobody_out() {
    let person = Person::new();
    let file = person.home.path().join("config.toml");
    let lose = || {
        let kept = person.config().replace("at = \"gone\"\n", "");
        std::fs::write(&file, format!("at = \"gone\"\n{kept}")).unwrap();
    };
    lose();
    let refused = person.run(&["peers"]).failed(2);
    assert!(refused.contains("no profile gone") && refused.contains("`chinwag hubs use default`"));
    person.run(&["--at", "work", "peers"]).done();
    let listed = person.run(&["hubs"]);
    assert!(listed.stderr.contains("no profile gone"), "{listed:?}");
    assert!(listed.done().starts_with("*  default  "));
    let added = person.run(&["--json", "hubs", "add", "den", person.work.link()]);
    assert_eq!(added.objects()[0]["name"], "den");
    person.run(&["hubs", "remove", "den"]).done();
    person.run(&["hubs", "use", "default"]).done();
    person.run(&["peers"]).done();
    lose();
    person.run(&["hubs", "use", "work"]).done();
    assert!(person.run(&["hubs"]).done().contains("\n*  work"));
    person.run(&["peers"]).done();
}

#[test]
fn a_profile_and_another_hub_exclude_each_other() {
    let person = Person::new();
    let here = person.here.address().to_string();
    for args in [
        &["--at", "work", "--hub", &here, "peers"][..],
        &["--at", "default", "--hub", &here, "peers"],
        &["--at", "work", "chat", &here],
    ] {
        let problem = person.run(args).failed(2);
        let why = format!("--at {} and the hub {here} cannot be used together", args[1]);
        assert!(problem.contains(&why), "{problem}");
    }
}

#[test]
fn a_chat_goes_to_a_profile_that_was_added_meanwhile_without_options_for_another_hub() {
    let person = Person::new();
    let options = ["--plaintext", "--name", "zoe", "--room", "den", "chat"];
    let mut chat = cli::Running::start(person.command(&options));
    chat.write(b"one\n/hub\n");
    while !chat.line().starts_with("*  default") {}
    let link = person.work.link();
    person.run(&["hubs", "add", "later", link, "--name", "ann", "--room", "attic"]).done();
    chat.write(b"/hub later\ntwo\n/hub default\nthree\n");
    assert_eq!(chat.end().code, Some(0));
    assert_eq!(posted(&person.here, "den"), ["zoe: one"]);
    assert_eq!(posted(&person.work, "attic"), ["ann: two"]);
    assert_eq!(posted(&person.here, "lobby"), ["sova: three"]);
}

#[test]
fn messages_and_contacts_stay_with_their_hub() {
    let person = Person::new();
    let buzz = |hub: &TestHub, home: &Path| {
        let listening = cli::Running::start(cli::command(
            home,
            hub.address(),
            "buzz",
            &["--json", "listen", "--count", "1"],
        ));
        listening.complaint_of("receives direct messages");
        listening
    };
    person.run(&["send", "--queue", "buzz", "at home"]).done();
    person.run(&["--at", "work", "send", "--queue", "buzz", "at work"]).done();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let listening = [buzz(&person.here, homes[0].path()), buzz(&person.work, homes[1].path())];
    // A chat that leaves for the other hub delivers both, each where it belongs.
    let mut chat = cli::Running::start(person.command(&["chat"]));
    assert_eq!(listening[0].object()["text"], "at home");
    chat.write(b"/hub work\n");
    assert_eq!(listening[1].object()["text"], "at work");
    assert_eq!(chat.end().code, Some(0));
    let contacts = |at: &str| person.run(&["--json", "--at", at, "contacts"]).objects();
    let keys = ["default", "work"].map(|at| contacts(at)[0]["fingerprint"].clone());
    assert_ne!(keys[0], keys[1], "two peers of one name");
}

#[test]
fn lines_after_a_change_of_the_hub_go_there_or_nowhere() {
    let person = Person::new();
    let said = "one\n/hub\n/hub work\ntwo\n/hub default\nthree\n";
    let shown = cli::run(person.command(&["chat"]), said.as_bytes()).done();
    assert!(shown.contains("*  default  ") && shown.contains("* ann on "), "{shown}");
    assert_eq!(posted(&person.here, "lobby"), ["sova: one", "sova: three"]);
    assert_eq!(posted(&person.work, "ops"), ["ann: two"]);
    for (wrong, rest, not_run) in [
        ("nowhere", "private\n", "one further line was not run"),
        ("two words", "private\n\nprivate\n", "2 further lines were not run"),
    ] {
        let input = format!("before {wrong}\n/hub {wrong}\n{rest}");
        let ended = cli::run(person.command(&["chat"]), input.as_bytes());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(not_run), "{ended:?}");
        assert!(ended.stderr.contains(&format!("no profile {wrong}")), "{ended:?}");
        let shown = format!("sova: before {wrong}");
        assert!(ended.stdout.contains(&shown), "what was sent is waited for: {ended:?}");
        assert_eq!(posted(&person.here, "lobby").last(), Some(&shown));
    }
    let mut person = person;
    person.work.kill9();
    std::fs::remove_file(person.home.path().join("contacts.toml")).unwrap();
    let ended = cli::run(person.command(&["chat"]), b"/hub work\nprivate\n");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("one further line was not run"), "{ended:?}");
    assert!(!posted(&person.here, "lobby").contains(&"sova: private".to_owned()));
}

#[test]
fn the_full_screen_goes_from_hub_to_hub() {
    let mut person = Person::new();
    let mut screen = person.chat(&[]);
    screen.wait_for("lobby> ");
    screen.type_line("one");
    screen.wait_for(" ✓");
    screen.type_line("/hub");
    screen.wait_for("*  default");
    screen.press(&["Esc"]);
    screen.wait_without("*  default");
    screen.type_line("/hub nowhere");
    screen.wait_for("there is no profile nowhere");
    screen.type_line("/hub work");
    screen.wait_for("ops> ");
    screen.type_line("two");
    screen.wait_for("two");
    screen.type_line("/hub default");
    screen.wait_for("lobby> ");
    screen.wait_for("one");
    screen.type_line("/join den");
    screen.wait_for("den> ");
    screen.type_keys("half a thought");
    screen.wait_for("den> half a thought");
    screen.press(&["M-1"]);
    screen.wait_for("lobby> ");
    // A hub that is gone and whose key is not known: the chat comes back.
    person.work.kill9();
    std::fs::remove_file(person.home.path().join("contacts.toml")).unwrap();
    screen.type_line("/hub work");
    screen.wait_for("cannot go to work: ");
    screen.type_line("three");
    screen.wait_for("three");
    assert!(screen.is_full_screen());
    screen.press(&["M-2"]);
    screen.wait_for("den> half a thought");
    screen.press(&["M-1"]);
    screen.wait_for("lobby> ");
    screen.type_line("/quit");
    assert!(screen.wait_for_end().success());
    assert_eq!(screen.left_behind(), Vec::<&str>::new());
    assert_eq!(posted(&person.here, "lobby"), ["sova: one", "sova: three"]);
}

#[test]
fn the_line_editor_stays_from_hub_to_hub() {
    let person = Person::new();
    let mut terminal = person.chat(&["--plain"]);
    terminal.wait_for("lobby> ");
    terminal.type_line("one");
    terminal.wait_for("sova: one");
    terminal.type_line("/hub work");
    terminal.wait_for("ann on ");
    terminal.wait_for("ops> ");
    terminal.type_line("two");
    terminal.wait_for("ann: two");
    terminal.type_line("/quit");
    assert!(terminal.wait_for_end().success());
    assert!(terminal.left_behind().is_empty());
    assert_eq!(posted(&person.work, "ops"), ["ann: two"]);
}
