//! The line mode of the chat on a terminal: input, output and the end.

use std::path::Path;

use crate::support::{cli, hub::TestHub, terminal::Terminal, within::PATIENCE};

/// The default modes of a terminal.
const USUAL_MODES: [&str; 3] = ["ICANON", "ECHO", "ISIG"];

fn chat_in(home: &Path, hub: &TestHub, args: &[&str]) -> Terminal {
    let hub = hub.address().to_string();
    let common = ["--hub", &hub, "--name", "sova", "--listen", "127.0.0.1:0", "chat", "--plain"];
    let terminal = Terminal::chinwag(home, &[&common, args].concat());
    terminal.wait_for("nobody else is here");
    terminal.wait_for("> ");
    terminal
}

/// Posts to a room as another user.
fn post(hub: &TestHub, home: &Path, args: &[&str]) {
    let args = [&["post"], args].concat();
    cli::run(cli::command(home, hub.address(), "buzz", &args), b"").done();
}

/// Returns the last line of the screen that is not blank.
fn last_line(screen: &str) -> &str {
    screen.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()
}

#[track_caller]
fn is_usual(terminal: &Terminal) {
    let modes = terminal.modes();
    for mode in USUAL_MODES {
        assert!(modes.split(" | ").any(|set| set == mode), "no {mode} in {modes}");
    }
}

#[test]
fn incoming_messages_do_not_break_the_line_being_typed() {
    let hub = TestHub::start();
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sova = chat_in(home.path(), &hub, &[]);
    sova.type_keys("half a tho");
    sova.wait_for("lobby> half a tho");
    post(&hub, other.path(), &["lobby", "first"]);
    post(&hub, other.path(), &["lobby", "sec\nond"]);
    sova.wait_for("    ond");
    let screen = sova.wait_until("the line is whole and last", |screen| {
        (last_line(screen) == "lobby> half a tho").then(|| screen.to_owned())
    });
    let at = |text: &str| screen.lines().position(|line| line.ends_with(text)).unwrap();
    assert!(at(" buzz: first") < at(" buzz: sec"));
    assert_eq!(sova.lines_with("half a tho"), 1);
    sova.type_line("ught");
    sova.wait_for("sova: half a thought");
    assert_eq!(sova.lines_with("half a tho"), 1, "{}", sova.screen());
}

#[test]
fn many_lines_at_once_stay_in_order() {
    const LINES: usize = 200;
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let sova = chat_in(home.path(), &hub, &[]);
    let lines: Vec<String> = (0..LINES).map(|i| format!("line {i} of many")).collect();
    sova.type_keys(&(lines.join("\r") + "\r"));
    sova.wait_for(&format!("sova: {}", lines[LINES - 1]));
    let screen = sova.screen();
    let shown: Vec<&str> =
        screen.lines().filter_map(|line| Some(line.split_once("sova: ")?.1)).collect();
    assert_eq!(shown, lines);
    assert_eq!(sova.lines_with("of many"), LINES, "{screen}");
}

#[test]
fn a_paste_is_one_message() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let sova = chat_in(home.path(), &hub, &[]);
    sova.type_keys("\x1b[200~def f():\n    return 1\x1b[201~\r");
    sova.wait_for("sova: def f():");
    sova.wait_for("        return 1");
    assert_eq!(sova.lines_with("def f():"), 1, "{}", sova.screen());
}

#[test]
fn a_paste_with_a_command_inside_is_returned_for_editing() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let sova = chat_in(home.path(), &hub, &[]);
    sova.type_keys("\x1b[200~hello\n/msg buzz secret\x1b[201~\r");
    sova.wait_for("* not sent: line 2 begins like a command");
    sova.type_line("plain");
    sova.wait_for("sova: plain");
    let history = cli::run(cli::command(home.path(), hub.address(), "sova", &["history"]), b"");
    assert!(!history.done().contains("secret"));
    sova.type_keys("\x1b[A\x1b[A");
    sova.wait_until("the text", |screen| (last_line(screen) == "/msg buzz secret").then_some(()));
}

#[test]
fn control_characters_of_others_are_displayed_only() {
    let hub = TestHub::start();
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sova = chat_in(home.path(), &hub, &[]);
    post(&hub, other.path(), &["lobby", "\x1b[2J\x1b[H\r* winter left\u{202e}\x1b]0;mine\x07"]);
    sova.wait_for("buzz: ␛[2J␛[H␍* winter left<U+202E>␛]0;mine␇");
    // Padded to the edge of the terminal, which would wrap the line there.
    post(&hub, other.path(), &["lobby", &format!("{}* colt left", " ".repeat(400))]);
    sova.wait_until("the padded text", |screen| {
        screen.lines().find(|line| line.contains("colt left")).map(|line| {
            assert!(line.starts_with("    "), "{screen}");
        })
    });
    sova.wait_for("* sova on ");
}

#[test]
fn the_prompt_names_the_current_room() {
    let hub = TestHub::start();
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    post(&hub, other.path(), &["ops", "long", "ago"]);
    let sova = chat_in(home.path(), &hub, &[]);
    sova.type_line("/join ops");
    sova.wait_for("* talking in ops");
    sova.wait_for("* earlier in ops:");
    sova.wait_for(" ops buzz: long ago");
    sova.type_line("hello, ops");
    sova.wait_for(" ops sova: hello, ops");
    sova.type_line("/history");
    sova.wait_for(" ops buzz: long ago");
    sova.type_line("/rooms");
    sova.wait_for("ops    1 here  last message");
    sova.type_line("/status");
    sova.wait_for("* in lobby, ops; talking in ops");
    // Shown at the start, and again by /status.
    sova.wait_until("where direct messages come in", |screen| {
        (screen.matches("direct messages come in at 127.0.0.1:").count() == 2).then_some(())
    });
    sova.type_line("/leave");
    sova.wait_for("* left ops");
    sova.wait_until("the lobby's prompt", |screen| {
        last_line(screen).starts_with("lobby>").then_some(())
    });
    sova.type_line("/leave");
    sova.wait_for("* left lobby");
    sova.type_line("to nobody");
    sova.wait_for("* you are in no room");
    sova.type_line("/status busy");
    sova.wait_for("* your status is now busy");
    sova.type_line("/bogus");
    sova.wait_for("* unknown command /bogus");
    sova.type_line("/help");
    sova.wait_for("/msg NAME [TEXT]");
}

#[test]
fn joining_without_a_hub_does_not_redirect_lines() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let home = tempfile::tempdir().unwrap();
    let sova = chat_in(home.path(), &hub, &[]);
    hub.kill9();
    sova.wait_for("* the hub is gone; trying again in ");
    sova.type_line("/join ops");
    sova.wait_for("* ops will be joined when the hub is back");
    sova.type_keys("for the lob");
    sova.wait_for("lobby> for the lob");
    hub.restart();
    sova.wait_for("* joined ops; /join ops to talk there");
    sova.type_line("by");
    sova.wait_for(" lobby sova: for the lobby");
    sova.type_line("/join ops");
    sova.wait_until("the prompt of ops", |screen| {
        last_line(screen).starts_with("ops>").then_some(())
    });
}

#[test]
fn leaving_by_command_key_or_signal_restores_the_terminal() {
    let hub = TestHub::start();
    type Leave = fn(&mut Terminal);
    let ways: [(&str, Leave); 7] = [
        ("/quit", |terminal| terminal.type_line("/quit")),
        ("Ctrl-D", |terminal| terminal.type_keys("\x04")),
        ("Ctrl-C", |terminal| terminal.type_keys("half a line\x03")),
        ("SIGTERM", |terminal| terminal.signal("TERM")),
        ("SIGTERM in a line", |terminal| {
            terminal.type_keys("half a line");
            terminal.wait_for("half a line");
            terminal.signal("TERM");
        }),
        ("SIGINT", |terminal| terminal.signal("INT")),
        ("SIGHUP", |terminal| terminal.signal("HUP")),
    ];
    let home = tempfile::tempdir().unwrap();
    for (way, leave) in ways {
        let mut sova = chat_in(home.path(), &hub, &[]);
        assert!(!sova.modes().contains("ICANON"), "{way}");
        leave(&mut sova);
        assert!(sova.wait_for_end().success(), "{way}");
        is_usual(&sova);
    }
}

#[test]
fn the_end_of_the_session_restores_the_terminal() {
    // Long enough for the other user to keep the name on a busy machine.
    let hub = TestHub::with(&["--ephemeral", "--lease", "2s"]);
    let home = tempfile::tempdir().unwrap();
    let mut sova = chat_in(home.path(), &hub, &["--plaintext"]);
    sova.signal("STOP");
    // The lease ends, and another user takes the name, which only a guest had.
    let other = tempfile::tempdir().unwrap();
    let args = ["listen", "--json", "--plaintext"];
    let begun = std::time::Instant::now();
    let thief = std::iter::repeat_with(|| {
        assert!(begun.elapsed() < PATIENCE, "the name is never free");
        let thief = cli::Running::start(cli::command(other.path(), hub.address(), "sova", &args));
        let said = thief.complaint();
        said.contains("receives direct messages").then_some(thief)
    });
    let _thief = thief.flatten().next().unwrap();
    sova.signal("CONT");
    assert!(!sova.wait_for_end().success());
    assert!(sova.screen().contains("taken"), "{}", sova.screen());
    is_usual(&sova);
}

#[test]
fn lines_of_an_earlier_chat_are_recalled() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let mut sova = chat_in(home.path(), &hub, &[]);
    sova.type_line("remember me");
    sova.wait_for("sova: remember me");
    sova.type_line("/quit");
    sova.wait_for_end();
    let sova = chat_in(home.path(), &hub, &[]);
    sova.type_keys("\x1b[A\x1b[A");
    sova.wait_for("lobby> remember me");
    sova.type_line(" again");
    sova.wait_for("sova: remember me again");
}

#[test]
fn direct_messages_are_recalled_in_this_chat_and_in_no_file() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let mut sova = chat_in(home.path(), &hub, &[]);
    for (line, said) in [
        ("P2P 127.0.0.1 1 secret", "* not sent to 127.0.0.1:1"),
        ("/mgs buzz secret", "* unknown command /mgs"),
        ("/msg nobody secret", "* not sent to nobody"),
        ("for all", "sova: for all"),
    ] {
        sova.type_line(line);
        sova.wait_for(said);
    }
    sova.type_keys("\x1b[A\x1b[A");
    sova.wait_for("lobby> /msg nobody secret");
    sova.type_keys("\x03");
    sova.wait_for_end();
    let typed = std::fs::read_to_string(home.path().join("typed.txt")).unwrap();
    assert_eq!(typed, "for all\n");
}

#[test]
fn keys_are_compared_in_the_chat_and_on_a_terminal() {
    let hub = TestHub::start();
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sova = chat_in(home.path(), &hub, &[]);
    let buzz = |args: &[&str]| cli::command(other.path(), hub.address(), "buzz", args);
    let listening = cli::Running::start(buzz(&["listen", "--json"]));
    assert!(listening.complaint().contains("receives direct messages"));
    let id = &cli::run(buzz(&["id", "--json"]), b"").objects()[0];
    let key = id["fingerprint"].as_str().unwrap();

    sova.type_line("/id");
    sova.wait_for("Fingerprint of your key, sova:");
    sova.type_line("/contacts");
    sova.wait_for("* there are none");
    sova.type_line("/msg buzz hello");
    sova.wait_for("[direct to buzz] hello");
    assert_eq!(listening.object()["standing"], "known");
    sova.type_line("/contacts");
    sova.wait_for(&format!("buzz  known  {key}"));
    sova.type_line("/accept buzz");
    sova.wait_for("shown no other key");
    sova.type_line("/verify buzz");
    sova.wait_for("If the fingerprints match: /verify buzz FINGERPRINT");
    sova.type_line(&format!("/verify buzz {key}"));
    sova.wait_for("* buzz is verified");
    sova.type_line("/contacts");
    sova.wait_for(&format!("buzz  verified  {key}"));

    // On a terminal the user is asked.
    let third = tempfile::tempdir().unwrap();
    let hub = hub.address().to_string();
    for (answer, said) in [("n", "buzz is not verified"), ("y", "buzz is verified")] {
        let args = ["--hub", &hub, "--name", "colt", "verify", "buzz"];
        let mut colt = Terminal::chinwag(third.path(), &args);
        colt.wait_for("Do the fingerprints match?");
        colt.type_line(answer);
        colt.wait_for(said);
        assert_eq!(colt.wait_for_end().success(), answer == "y");
    }
}
