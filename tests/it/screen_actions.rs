//! The full screen beside its messages: taking text out of it, and going to where one wants to be.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, sync::mpsc, thread};

use crate::support::{hub::TestHub, person::Person, terminal::Terminal, within::PATIENCE};

/// The size of the terminal.
const SIZE: (u16, u16) = (100, 30);

/// A link that takes two rows.
const LINK: &str = "https://a.example/very/long/path/that/is/longer/than/one/row/of/this/screen/and/so/takes/two?a=1;b=2";

fn chat(home: &Path, hub: &TestHub, more: &[(&str, &str)]) -> Terminal {
    let hub = hub.address().to_string();
    let args = ["--hub", &hub, "--name", "ann", "--listen", "127.0.0.1:0", "chat"];
    let terminal = Terminal::of_size(SIZE, home, &args, more);
    terminal.wait_for("lobby>");
    terminal.wait_for("ann (you)");
    terminal
}

#[test]
fn text_is_taken_out_of_the_screen() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let ben = Person::new(&hub, "ben");
    // A browser that notes what it is to open. Nothing that looks like shell code may run.
    let (bin, opened) = (home.path().join("bin"), home.path().join("opened"));
    fs::create_dir(&bin).unwrap();
    let browser = bin.join("xdg-open");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$1\" >'{}'\n", opened.display());
    fs::write(&browser, script).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new("mkfifo").arg(&opened).status().unwrap().success());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let screen = chat(home.path(), &hub, &[("PATH", &path)]);
    assert!(screen.reports_mouse());

    ben.run(&["post", "lobby", &format!("see {LINK}")]).done();
    screen.wait_for("b=2");
    screen.press(&["M-c"]);
    screen.wait_for_clipboard(&format!("see {LINK}"));
    assert_eq!(screen.links(), [LINK], "one link, though it takes several rows");

    ben.run(&["post", "lobby", "https://b.example/$(touch hacked)`id`;x"]).done();
    screen.wait_for("b.example");
    screen.type_line("/open");
    screen.wait_for("Enter opens");
    screen.press(&["Enter"]);
    screen.wait_without("Enter opens");
    let (tell, noted) = mpsc::channel();
    thread::spawn(move || tell.send(fs::read_to_string(opened).unwrap()));
    assert_eq!(noted.recv_timeout(PATIENCE).unwrap(), "1\nhttps://b.example/$(touch\n");
    assert!(!home.path().join("hacked").exists());

    screen.press(&["M-l"]);
    screen.wait_for("any key goes back");
    let shown = screen.screen();
    let bare: String = shown.lines().map(str::trim_end).collect::<Vec<_>>().concat();
    assert!(bare.contains(&format!("ben: see {LINK}")) && !bare.contains('│'), "{shown}");
    assert!(!screen.reports_mouse(), "the terminal can select");
    screen.press(&["Enter"]);
    screen.wait_for("lobby>");
    assert!(screen.reports_mouse());
}

#[test]
fn the_mouse_can_be_left_to_the_terminal() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.toml"), "mouse = false\n").unwrap();
    let screen = chat(home.path(), &hub, &[]);
    assert!(!screen.reports_mouse());
    screen.press(&["M-l"]);
    screen.wait_for("any key goes back");
    screen.press(&["Enter"]);
    screen.wait_for("lobby>");
    assert!(!screen.reports_mouse());
}

#[test]
fn an_empty_room_says_how_others_join_and_who_makes_invitations() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let _hub = TestHub::with(&["--data-dir", data, "--invite-only"]);
    let home = tempfile::tempdir().unwrap();
    let invited = Command::new(env!("CARGO_BIN_EXE_chinwagd"))
        .args(["--data-dir", data, "invite"])
        .output()
        .unwrap();
    let link = String::from_utf8(invited.stdout).unwrap().trim().to_owned();
    let args = ["--name", "ann", "--no-direct", "chat", &link];
    let screen = Terminal::of_size((140, 30), home.path(), &args, &[]);
    screen.wait_for("This is the room lobby. Nobody has said anything yet.");
    let shown = screen.wait_for("'chinwag://127.0.0.1:");
    assert!(!shown.contains("invite="), "an invitation is for one: {shown}");
    screen.wait_for("the operator of the hub makes one with chinwagd invite");
    screen.type_line("hello");
    screen.wait_for("hello ✓");
    screen.wait_without("Nobody has said anything yet.");
    screen.type_line("/link");
    screen.wait_for("'chinwag://127.0.0.1:");
}

#[test]
fn a_notice_leaves_the_screen_by_the_terminal_or_by_a_command() {
    let hub = TestHub::start();
    let ben = Person::new(&hub, "ben");
    // A terminal that reports that it has lost the focus.
    let unfocused = "\x1b[O";
    let home = tempfile::tempdir().unwrap();
    let screen = chat(home.path(), &hub, &[("TERM_PROGRAM", "WezTerm")]);
    screen.type_keys(unfocused);
    ben.run(&["post", "lobby", "ann: \x1b\\look"]).done();
    assert_eq!(screen.wait_for_notice("look"), "9;ben in lobby: ann: \u{241b}\\look");
    drop(screen);

    let told = home.path().join("told");
    assert!(Command::new("mkfifo").arg(&told).status().unwrap().success());
    let told_by = r#"printf "%s|%s|%s" "$MESSAGE_ROOM" "$MESSAGE_SENDER" "$MESSAGE_TEXT" >told"#;
    let run = format!("notify = '{told_by}'\n");
    fs::write(home.path().join("config.toml"), format!("keywords = ['deploy']\n{run}")).unwrap();
    let screen = chat(home.path(), &hub, &[("TERM_PROGRAM", "WezTerm")]);
    screen.type_keys(unfocused);
    ben.run(&["post", "lobby", "deploy '$(touch hacked)' `touch hacked`"]).done();
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || tell.send(fs::read_to_string(told).unwrap()));
    let heard = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(heard, "lobby|ben|deploy '$(touch hacked)' `touch hacked`");
    assert!(!home.path().join("hacked").exists());
}

#[test]
fn the_title_counts_unread_messages_and_the_switcher_goes_there() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let ben = Person::new(&hub, "ben");
    let screen = chat(home.path(), &hub, &[]);
    screen.wait_for_title("lobby · chinwag");
    screen.type_line("/join operations");
    screen.wait_for("operations>");
    for text in ["one", "two"] {
        ben.run(&["post", "lobby", text]).done();
    }
    screen.wait_for_title("(2) operations · chinwag");
    screen.press(&["C-g"]);
    screen.wait_for("go to:");
    screen.type_keys("lby");
    screen.wait_for("#lobby");
    screen.press(&["Enter"]);
    screen.wait_for_title("lobby · chinwag");
    screen.wait_for("new messages");
}
