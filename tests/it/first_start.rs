//! The first start on a terminal: the questions, and which answers are remembered.

use std::path::Path;

use crate::support::{
    cli,
    hub::{self, TestHub},
    terminal::Terminal,
};

fn chat(home: &Path, args: &[&str]) -> Terminal {
    Terminal::chinwag(home, &[&["chat", "--plain", "--listen", "127.0.0.1:0"], args].concat())
}

fn settings(home: &Path) -> String {
    std::fs::read_to_string(home.join("config.toml")).unwrap_or_default()
}

fn leave(mut terminal: Terminal) {
    terminal.wait_for("lobby> ");
    terminal.type_line("/quit");
    assert!(terminal.wait_for_end().success());
}

/// Runs a command without a hub or a name on the command line.
fn run(home: &Path, args: &[&str]) -> cli::Ended {
    cli::run(cli::homeless(home, args), b"")
}

#[test]
fn a_new_user_is_asked_once() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let sova = chat(home.path(), &[]);
    sova.wait_for("Choose a name: ");
    sova.wait_for("Your name [");
    sova.type_line("two words");
    sova.wait_for("Invalid: a name must be one word");
    sova.type_line("Sova");
    sova.wait_for("Choose a hub: ");
    sova.wait_for("Hub [127.0.0.1:50051]: ");
    sova.type_line("nowhere");
    sova.wait_for("Invalid: \"nowhere\" has no port: write it as HOST:PORT");
    assert_eq!(settings(home.path()), "", "nothing is remembered yet");
    sova.type_line("127.0.0.1:1");
    sova.wait_for("That did not work: no hub at 127.0.0.1:1: start one with `chinwagd`");
    sova.type_line(&hub.address().to_string());
    sova.wait_for("sova on 127.0.0.1:");
    // The name was asked for only once.
    assert_eq!(sova.lines_with("Choose a name:"), 1);
    leave(sova);

    let remembered = settings(home.path());
    let place = hub.address();
    assert!(remembered.starts_with("# "), "{remembered}");
    for line in [&format!("hub = \"{place}\"\n"), "name = \"sova\"\n"] {
        assert!(remembered.contains(line), "{remembered}");
    }
    let again = chat(home.path(), &[]);
    again.wait_for("sova on 127.0.0.1:");
    assert_eq!(again.lines_with("called?") + again.lines_with("Hub ["), 0, "{}", again.screen());
    leave(again);
    // The other commands use the same hub and name.
    let id = &run(home.path(), &["id", "--json"]).objects()[0];
    assert_eq!(id["name"], "sova");
    run(home.path(), &["post", "lobby", "hello"]).done();
    assert_eq!(settings(home.path()), remembered);
}

#[test]
fn a_name_that_is_taken_is_asked_for_again() {
    let hub = TestHub::start();
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cli::run(cli::command(other.path(), hub.address(), "buzz", &["peers"]), b"").done();
    let sova = chat(home.path(), &["--hub", &hub.address().to_string()]);
    sova.wait_for("Your name [");
    sova.type_line("buzz");
    sova.wait_for("That did not work: the name buzz is taken");
    assert_eq!(settings(home.path()), "");
    sova.type_line("sova");
    sova.wait_for("sova on 127.0.0.1:");
    assert_eq!(sova.lines_with("Choose a hub:"), 0, "it was said on the command line");
    leave(sova);
    let remembered = settings(home.path());
    assert!(
        remembered.contains("name = \"sova\"") && !remembered.contains("hub ="),
        "{remembered}"
    );
}

#[test]
fn only_the_first_join_link_is_remembered() {
    let (hub, other) = (TestHub::start(), TestHub::start());
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "# mine\nroom = 'lobby'\n").unwrap();
    let sova = chat(home.path(), &[hub.link()]);
    sova.wait_for("Your name [");
    sova.type_line("sova");
    sova.wait_for("sova on 127.0.0.1:");
    leave(sova);
    let remembered = settings(home.path());
    assert!(remembered.contains(&format!("hub = \"{}\"", hub.address())), "{remembered}");
    assert!(remembered.ends_with("# mine\nroom = 'lobby'\n"), "{remembered}");

    let elsewhere = chat(home.path(), &[other.link()]);
    elsewhere.wait_for(&format!("your default hub is still {}", hub.address()));
    elsewhere.wait_for(&format!("sova on {}", other.address()));
    leave(elsewhere);
    assert_eq!(settings(home.path()), remembered);
    run(home.path(), &["peers"]).done();
}

#[test]
fn a_whole_command_with_an_invitation_may_be_pasted() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let _hub = TestHub::with(&["--data-dir", data, "--invite-only"]);
    let home = tempfile::tempdir().unwrap();
    let mut keeper = hub::command(env!("CARGO_BIN_EXE_chinwagd"));
    let invited = keeper.args(["--data-dir", data, "invite"]).output().unwrap().stdout;
    let link = String::from_utf8(invited).unwrap().trim().to_owned();
    let (bare, _) = link.split_once('?').unwrap();
    let sova = chat(home.path(), &["--name", "sova"]);
    sova.wait_for("Hub [");
    sova.type_line(bare);
    sova.wait_for("That did not work: newcomers need an invitation");
    sova.type_line(&format!("chinwag chat '{link}'"));
    sova.wait_for("sova on 127.0.0.1:");
    leave(sova);
    let remembered = settings(home.path());
    assert!(remembered.contains("hub = ") && !remembered.contains("invite"), "{remembered}");
}

#[test]
fn a_link_is_taken_as_it_was_pasted() {
    let hub = TestHub::start();
    let link = hub.link();
    for (name, pasted) in [("sova", format!("<{link}>.")), ("buzz", format!("`{link}`"))] {
        let home = tempfile::tempdir().unwrap();
        let user = chat(home.path(), &["--name", name, "--no-direct"]);
        user.wait_for("Hub [");
        user.type_line(&pasted);
        user.wait_for(&format!("{name} on 127.0.0.1:"));
        leave(user);
        // As an argument and in the settings too.
        run(home.path(), &["peers", "--hub", &pasted, "--name", name]).done();
        let settings = format!("hub = '{pasted}'\nname = '{name}'\n");
        std::fs::write(home.path().join("config.toml"), settings).unwrap();
        run(home.path(), &["peers"]).done();
        run(home.path(), &["chat", &pasted, "--no-direct"]).done();
    }
}

#[test]
fn leaving_the_questions_writes_no_file() {
    for keys in ["\u{3}", "\u{4}"] {
        let home = tempfile::tempdir().unwrap();
        let mut sova = chat(home.path(), &[]);
        sova.wait_for("Your name [");
        sova.type_keys(keys);
        assert_eq!(sova.wait_for_end().exit_code(), 130);
        assert_eq!(settings(home.path()), "");
    }
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let hub = TestHub::start();
    let ended = run(home.path(), &["chat", "--hub", "127.0.0.1:1", "--name", "sova"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
    let link = hub.link();
    let chat = ["chat", link, "--name", "sova", "--listen", "0"];
    let ended = run(home.path(), &chat);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(settings(home.path()), "");
}
