//! A whole session in the full-screen chat, compared screen by screen, and the state of the
//! terminal after every kind of end.

use std::{fs, process::Command};

mod gallery;
mod screens;

use crate::support::{
    hub::TestHub,
    person::Person as Colleague,
    terminal::{PROMPT, Terminal},
};
use screens::compare;
use tempfile::TempDir;

/// The usual size of the terminal.
const USUAL: (u16, u16) = (100, 30);

/// A small size of the terminal.
const SMALL: (u16, u16) = (40, 12);

/// The usual terminal modes: line editing, echo, and signals from Ctrl-C.
const USUAL_MODES: [&str; 4] = ["icanon", "echo", "isig", "icrnl"];

/// A user at a terminal.
struct Person {
    terminal: Terminal,
    home: TempDir,
}

impl Person {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { terminal: Terminal::login(USUAL, home.path()), home }
    }

    /// Starts the chat of a user who has used it before.
    fn chats(hub: &TestHub, name: &str) -> Self {
        Self::new().joins(hub, name)
    }

    fn joins(self, hub: &TestHub, name: &str) -> Self {
        let this = self;
        let config = format!("hub = '{}'\nname = '{name}'\n", hub.address());
        fs::write(this.home.path().join("config.toml"), config).unwrap();
        this.terminal.type_line("chinwag chat");
        this.terminal.wait_for("lobby>");
        this.terminal.wait_for(" ms ");
        this
    }

    /// Sends a signal to the program in the terminal.
    fn signal(&self, name: &str) {
        let shell = self.terminal.pid();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(children.trim()).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the shell, and checks that the terminal is restored.
    #[track_caller]
    fn is_back_in_the_shell(&self) {
        let terminal = &self.terminal;
        let last = |screen: &str| {
            let line = screen.lines().rfind(|line| !line.trim().is_empty())?;
            (line.trim_end() == PROMPT.trim_end()).then_some(())
        };
        terminal.wait_until("the shell", last);
        assert_eq!(terminal.left_behind(), Vec::<&str>::new(), "{}", terminal.screen());
        terminal.type_line("clear; stty -a");
        terminal.wait_for("iexten");
        let screen = terminal.screen();
        for mode in USUAL_MODES {
            assert!(screen.split([' ', '\n', ';']).any(|set| set == mode), "{mode}: {screen}");
        }
        // Pasted text must arrive unchanged.
        terminal.type_line("clear");
        terminal.wait_until("nothing but the shell", |screen| {
            (screen.trim() == PROMPT.trim_end()).then_some(())
        });
        terminal.paste("echo plain");
        terminal.wait_for("ready$ echo plain");
        terminal.press(&["Enter"]);
        terminal.wait_until("the echo", |screen| {
            screen.lines().any(|line| line == "plain").then_some(())
        });
    }
}

fn posts(who: &Colleague<'_>, text: &str) {
    who.run(&["post", "lobby", text]).done();
}

/// Returns `Some` if a line begins with this text.
fn begins(screen: &str, text: &str) -> Option<()> {
    screen.lines().any(|line| line.starts_with(text)).then_some(())
}

#[test]
fn a_day_with_the_full_screen() {
    let kept = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", kept.path().to_str().unwrap()]);
    let [carl, dora] = ["carl", "dora"].map(|name| Colleague::new(&hub, name));

    // The first start asks for the settings.
    let ann = Person::new();
    let screen = &ann.terminal;
    screen.type_line("chinwag chat");
    screen.wait_for("Your name [ann]:");
    screen.press(&["Enter"]);
    screen.wait_for("Hub [");
    screen.type_line(&hub.address().to_string());
    screen.wait_for("lobby>");
    screen.wait_for(" ms ");
    screen.wait_for("nobody else is here");
    compare(screen, "first");

    // Two users in a room.
    let bob = Person::chats(&hub, "bob");
    screen.wait_for("bob came");
    screen.type_line("morning! does the new build run for you?");
    bob.terminal.wait_for("does the new build");
    bob.terminal.type_line("it does: https://ci.example.org/builds/4711 \u{1f389}");
    screen.wait_for("builds/4711");
    // Two more users, with commands.
    let _carl = carl.start(&["listen"]);
    screen.wait_for("carl came");
    let _dora = dora.start(&["listen"]);
    screen.wait_for("dora came");
    for (who, text, seen) in [
        (&dora, "mine stops at names like 日本語, it says something of columns", "columns"),
        (&dora, "$ cargo test --test wide\nwide_names ... FAILED\n  left: 3, right: 6", "right: 6"),
        (
            &carl,
            "that one counts characters where it should count cells; mended on main",
            "on main",
        ),
        (&dora, "pulled, and green. thank you! \u{2728}", "and green"),
    ] {
        posts(who, text);
        screen.wait_for(seen);
    }
    screen.type_line("then let us ship it after lunch");
    screen.wait_for("after lunch \u{2713}");
    screen.wait_for("lobby · 4 here");
    compare(screen, "lobby");
    // A second room, while the first continues.
    screen.type_line("/join ops");
    screen.wait_for("ops>");
    screen.type_line("anybody here?");
    screen.wait_for("anybody here? \u{2713}");
    bob.terminal.type_line("ann: are you still there?");
    screen.wait_for("@");
    screen.wait_for("ops · 1 here");
    compare(screen, "rooms");

    // Completion of a name and of a command.
    screen.type_keys("bo");
    screen.press(&["Tab"]);
    screen.wait_for("ops> bob:");
    screen.press(&["C-u"]);
    screen.type_keys("/m");
    screen.press(&["Tab"]);
    screen.wait_for("/mute");
    compare(screen, "completion");
    screen.press(&["C-u"]);

    // A direct message: delivered, then read, then answered.
    screen.type_line("/msg bob");
    screen.wait_for("only bob>");
    screen.type_line("between us: I broke it");
    screen.wait_for("\u{2713} direct 127.0.0.1:");
    bob.terminal.press(&["M-a"]);
    bob.terminal.wait_for("only ann>");
    screen.wait_for("\u{2713}\u{2713} direct");
    bob.terminal.wait_for("ann · known · live");
    bob.terminal.type_keys("I know.");
    screen.wait_for("bob is typing");
    bob.terminal.press(&["Enter"]);
    screen.wait_for("I know.");
    screen.wait_without("is typing");
    screen.type_line("and how?");
    bob.terminal.wait_for("and how?");
    bob.terminal.type_line("your name is in the commit, and your curses are in the log \u{1f648}");
    screen.wait_for("your curses");
    screen.wait_without("is typing");
    screen.wait_until("all to be read", |screen| {
        (screen.matches("\u{2713}\u{2713}").count() == 2).then_some(())
    });
    compare(screen, "direct");

    // A search result in a long history is opened.
    let lines: Vec<String> = (1..=300).map(|n| format!("line {n} of a long day")).collect();
    carl.run_with(&["post", "lobby"], &lines.join("\n")).done();
    carl.search_until_found(&["\"line 17\""]);
    screen.press(&["M-1"]);
    // It opens at the first unread message.
    screen.wait_for("line 1 of a long day");
    compare(screen, "unread");
    screen.press(&["C-End"]);
    screen.wait_for("line 300 of a long day");
    screen.type_line("/search \"line 17\"");
    screen.wait_for("1 found");
    compare(screen, "search");
    screen.press(&["Enter"]);
    screen.wait_without("1 found");
    screen.wait_for("line 17 of a long day");
    compare(screen, "jump");
    screen.press(&["C-End"]);
    screen.wait_for("line 300 of a long day");

    // The hub stops and restarts: posts of that time are stored once.
    hub.kill9();
    screen.wait_for("again in");
    screen.type_line("can anybody hear me?");
    screen.wait_for("can anybody hear me? \u{2026}");
    screen.wait_for("is unreachable; trying again in");
    compare(screen, "away");
    hub.restart();
    screen.wait_for("can anybody hear me? \u{2713}");
    screen.wait_for(" ms ");
    bob.terminal.press(&["M-1", "C-End"]);
    bob.terminal.wait_for("can anybody hear me?");
    screen.wait_for("on the hub: 4");
    screen.wait_for("lobby · 4 here");
    compare(screen, "back");

    // A very small terminal, and back.
    screen.resize(SMALL);
    screen.wait_until("a small screen", |shown| begins(shown, "lobby>"));
    compare(screen, "small");
    screen.resize(USUAL);
    screen.wait_until("a usual screen", |shown| begins(shown, "rooms"));
    compare(screen, "back");

    screen.press(&["C-q"]);
    ann.is_back_in_the_shell();

    // The second start asks no questions.
    screen.type_line("clear; chinwag chat");
    screen.wait_for("lobby>");
    screen.wait_for("can anybody hear me?");
    screen.press(&["C-d"]);
    ann.is_back_in_the_shell();
}

#[test]
fn the_terminal_is_sane_after_a_signal_and_after_a_panic() {
    let hub = TestHub::start();
    let ann = Person::chats(&hub, "ann");
    let screen = &ann.terminal;
    for signal in ["TERM", "INT", "HUP"] {
        ann.signal(signal);
        ann.is_back_in_the_shell();
        screen.type_line("clear; chinwag chat");
        screen.wait_for("lobby>");
    }
    screen.press(&["C-q"]);
    ann.is_back_in_the_shell();
    screen.type_line("clear; CHINWAG_TEST_PANIC=1 chinwag chat");
    screen.wait_for("lobby>");
    screen.press(&["F12"]);
    screen.wait_for("CHINWAG_TEST_PANIC is set, and F12 was pressed");
    ann.is_back_in_the_shell();
}

#[test]
fn hostile_texts_stay_within_their_lines() {
    let hub = TestHub::start();
    // One letter of the second name is Cyrillic: a hub never grants both names.
    let [mallory, again] = ["mallory", "m\u{430}llory"].map(|n| Colleague::new(&hub, n));
    let ann = Person::chats(&hub, "ann");
    let screen = &ann.terminal;
    posts(&mallory, "\x1b[2J\x1b[H\x1b]0;mine\x07\x1b[?1049l\x1b[31mred\u{9b}5n\r\x08\x7f");
    posts(&mallory, "invoice\u{202e}fdp.exe \u{2066}isolated\u{200f} \u{200b}hidden\u{e0041}");
    posts(&mallory, &format!("z{}algo", "\u{489}\u{301}".repeat(12)));
    posts(&mallory, "first line\n16:00 ann   I owe you money\n* ann left");
    posts(
        &mallory,
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f1e8}\u{1f1ed} e\u{301} \u{65e5}\u{672c}\u{8a9e} \u{fdfd}",
    );
    posts(&mallory, &"x".repeat(16 * 1024));
    posts(&mallory, "the end");
    let refused = again.run(&["post", "lobby", "it is me"]).failed(1);
    assert!(refused.contains("looks like"), "{refused}");
    screen.wait_for("the end");
    compare(screen, "hostile-end");
    screen.press(&["C-Home"]);
    screen.wait_for("first line");
    compare(screen, "hostile");
    screen.press(&["C-q"]);
    ann.is_back_in_the_shell();
}
