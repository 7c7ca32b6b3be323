//! The first ten minutes of somebody who has never used Chinwag, in a real tmux: start, join, find a
//! message of last week, copy a link, quote code, leave a message for somebody who is away, and start
//! again.

use std::{fs, path::Path};

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use crate::support::{
    hub::TestHub,
    person::Person,
    tmux::{PROMPT, Tmux, tmux},
};

/// The size of the terminal.
const SIZE: (u16, u16) = (100, 30);

/// A week in microseconds.
const WEEK: i64 = 7 * 24 * 60 * 60 * 1_000_000;

const LINK: &str = "https://wiki.example.org/build-7/disk?step=clean";

/// Makes all messages of a stopped hub a week older. Its index is made anew from them.
fn make_a_week_older(data: &Path) {
    let log = rusqlite::Connection::open(data.join("log.db")).unwrap();
    for table in ["messages", "posts"] {
        let older = format!("UPDATE {table} SET created_at = created_at - {WEEK}");
        assert!(log.execute(&older, []).unwrap() > 0);
    }
    drop(log);
    for file in fs::read_dir(data).unwrap().map(|file| file.unwrap().path()) {
        if file.file_name().unwrap().to_string_lossy().starts_with("search.db") {
            fs::remove_file(file).unwrap();
        }
    }
}

/// Waits until the shell takes the next command. Its screen has earlier prompts.
fn is_in_the_shell(screen: &Tmux) {
    screen.wait_until("the shell", |shown| {
        let last = shown.lines().rfind(|line| !line.trim().is_empty())?;
        (last.trim_end() == PROMPT.trim_end()).then_some(())
    });
}

/// Closes a list. A key that followed Escape at once would be one with Alt.
fn close_list(screen: &Tmux) {
    screen.press(&["Escape"]);
    screen.wait_until("no list", |shown| (!shown.contains("Esc closes")).then_some(()));
}

#[test]
fn a_stranger_finds_the_way() {
    let Some(program) = tmux() else { return };
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let [carl, ben] = ["carl", "ben"].map(|name| Person::new(&hub, name));
    carl.run(&["post", "lobby", &format!("the disk of build-7 is full again, see {LINK}")]).done();
    hub.terminate();
    make_a_week_older(data.path());
    hub.restart();
    carl.run(&["post", "lobby", "the disk is fine today"]).done();

    // The first start asks two questions.
    let home = tempfile::tempdir().unwrap();
    let screen = Tmux::start(&program, home.path(), SIZE);
    screen.type_line("chinwag chat");
    screen.wait_for("Your name [ann]:");
    screen.press(&["Enter"]);
    screen.wait_for("Hub [");
    screen.type_line(&hub.address().to_string());
    screen.wait_for("lobby>");
    screen.wait_for("the disk is fine today");
    screen.type_line("/join ops");
    screen.wait_for("ops>");
    screen.wait_for("This is the room ops. Nobody has said anything yet.");

    // A message of last week, in another room.
    let day = (Timestamp::now() - 72.hours()).to_zoned(TimeZone::UTC).date();
    carl.search_until_found(&["build"]);
    screen.type_line(&format!("/search disk before:{day}"));
    screen.wait_for("1 found: disk");
    screen.press(&["Enter"]);
    screen.wait_for("lobby>");
    screen.wait_for("the disk of build-7 is full again");

    // Its link is copied.
    screen.press(&["M-o"]);
    screen.wait_for("Alt-C copies");
    screen.press(&["M-c"]);
    screen.wait_for("copied: https://wiki");
    screen.wait_until("the copied link", |_| (screen.copied().trim_end() == LINK).then_some(()));

    // Code keeps its lines and its indentation.
    screen.paste("it was this:\n```\nif full:\n    clean('/var/tmp')\n```");
    screen.press(&["Enter"]);
    screen.wait_for("if full:");
    let said = carl.run(&["history", "lobby", "--limit", "1", "--json"]).done();
    assert!(said.contains(r"```\nif full:\n    clean('/var/tmp')\n```"), "{said}");

    // A message for somebody who is away.
    screen.type_line("/queue ben call me about build-7");
    screen.wait_for("✗ ben");
    screen.type_line("/outbox");
    screen.wait_for("call me about build-7");
    close_list(&screen);

    // After a restart everything is there: the rooms, what was said, and what waits.
    screen.press(&["C-q"]);
    is_in_the_shell(&screen);
    screen.type_line("clear; chinwag chat");
    screen.wait_for("lobby>");
    screen.wait_for("if full:");
    screen.wait_for("2 ops");
    screen.type_line("/outbox");
    screen.wait_for("call me about build-7");
    close_list(&screen);
    let listening = ben.start(&["listen", "--count", "1"]);
    let heard = listening.line();
    assert!(heard.ends_with("call me about build-7"), "{heard}");
    screen.press(&["C-q"]);
    is_in_the_shell(&screen);
}
