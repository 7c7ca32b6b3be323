//! Direct messages are kept on the machines of both sides, listed after a restart, and deleted on
//! request.

use std::{fs, path::Path};

use crate::support::{cli::Running, hub::TestHub, person::Person, terminal::Terminal};

fn chat(person: &Person<'_>, more: &[&str]) -> Terminal {
    let hub = person.hub.to_string();
    let common = ["--hub", &hub, "--name", person.name, "--listen", "127.0.0.1:0", "chat"];
    Terminal::of_size((100, 30), person.home.path(), &[&common, more].concat(), &[])
}

#[track_caller]
fn leave(mut terminal: Terminal) {
    terminal.type_line("/quit");
    assert!(terminal.wait_for_end().success(), "{}", terminal.screen());
}

/// Closes the overlay with this text.
#[track_caller]
fn close(terminal: &Terminal, shown: &str) {
    terminal.type_keys("\x1b");
    terminal.wait_until("the end of the overlay", |screen| (!screen.contains(shown)).then_some(()));
}

fn listen(person: &Person<'_>) -> Running {
    let running = person.start(&["listen", "--json"]);
    running.direct_address();
    running
}

/// Returns true if a file of the directory contains these bytes.
fn contains(dir: &Path, needle: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let content = fs::read(entry.unwrap().path()).unwrap_or_default();
        content.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

/// Returns sender, receiver, text and state of each kept message.
fn kept(person: &Person<'_>, peer: &str) -> Vec<[String; 4]> {
    let kept = person.run(&["history", "--with", peer, "--json"]).objects();
    let fields = ["sender", "receiver", "text", "state"];
    kept.iter()
        .map(|direct| {
            assert_eq!(direct["type"], "direct");
            fields.map(|field| direct[field].as_str().unwrap_or("-").to_owned())
        })
        .collect()
}

#[test]
fn send_listen_and_the_outbox_keep_both_directions() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = listen(&buzz);
    let sent = sova.run(&["send", "buzz", "one"]);
    let file = sova.home.path().join("direct.db");
    let notice = format!("direct messages are kept in {}; `keep = false`", file.display());
    assert!(sent.stderr.contains(&notice), "{sent:?}");
    assert_eq!(listening.object()["text"], "one");
    listening.complaint_of("direct messages are kept in ");
    let again = sova.run(&["send", "buzz", "two"]);
    assert!(!again.stderr.contains("are kept in"), "said once: {again:?}");
    assert_eq!(listening.object()["text"], "two");
    drop(listening);
    sova.run(&["send", "buzz", "--queue", "three"]).done();
    let line = |text: &str, state: &str| ["sova", "buzz", text, state].map(str::to_owned);
    let expected = [line("one", "delivered"), line("two", "delivered"), line("three", "queued")];
    assert_eq!(kept(&sova, "buzz"), expected);

    let listening = listen(&buzz);
    sova.run(&["outbox", "retry"]).done();
    assert_eq!(listening.object()["text"], "three");
    assert_eq!(kept(&sova, "buzz")[2], line("three", "delivered"));
    let end = listening;
    end.signal("INT");
    end.end().done();
    let line = |text: &str| ["sova", "-", text, "read"].map(str::to_owned);
    assert_eq!(kept(&buzz, "sova"), [line("one"), line("two"), line("three")]);
    let plain = buzz.run(&["history", "--with", "sova", "--limit", "1"]).done();
    assert!(plain.ends_with(" [direct] sova (known): three\n"), "{plain}");
    let nothing = buzz.run(&["history", "--with", "sova", "--until", "1h"]);
    assert!(nothing.stderr.contains("no direct messages with sova are kept"), "{nothing:?}");
    assert_eq!(kept(&buzz, "nobody"), Vec::<[String; 4]>::new());
}

#[test]
fn a_chat_opens_with_the_conversations_of_the_last_one() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let first = chat(&sova, &[]);
    first.wait_for("lobby>");
    let listening = listen(&buzz);
    first.wait_for("● buzz");
    first.type_line("/msg buzz the first message");
    assert_eq!(listening.object()["text"], "the first message");
    first.type_line("/msg buzz");
    first.wait_for("direct messages are kept on this machine, in");
    first.type_line("/join lobby");
    first.wait_for("lobby>");
    buzz.run(&["send", "sova", "an answer to that"]).done();
    first.wait_until("the unread message", |screen| {
        screen.lines().any(|line| line.contains(" 2 ● buzz") && line.contains("1 ")).then_some(())
    });
    drop(listening);
    first.type_line("/queue buzz for later");
    first.wait_for("⧗1 1 ");
    leave(first);

    // After a restart: listed with what is unread and queued, and open with the history.
    let second = chat(&sova, &[]);
    second.wait_for("✗ buzz");
    second.type_line("/status");
    second.wait_for("direct with buzz, 1 not read, 1 queued");
    close(&second, "direct with buzz");
    second.type_line("/msg buzz");
    second.wait_for("only buzz>");
    second.wait_for("the first message ✓");
    second.wait_for("an answer to that");
    second.wait_for("for later ⧗");
    second.type_line("/keep");
    second.wait_for("direct messages with buzz are kept; the default is on,");
    second.type_line("/keep 7d");
    second.wait_for("direct messages with buzz are kept for 7d");
    second.type_line("/keep");
    second.wait_for("direct messages with buzz are kept for 7d; the default");
    second.type_line("/search ANSWER");
    second.wait_for("found with buzz: ANSWER");
    second.wait_for("buzz: an answer to that");
    close(&second, "found with");
    let listening = listen(&buzz);
    assert_eq!(listening.object()["text"], "for later");
    second.wait_for("for later ✓");
    leave(second);

    // What was seen stays read.
    let third = chat(&sova, &[]);
    third.wait_for(" 2 ● buzz");
    third.type_line("/status");
    third.wait_for("direct with buzz ");
    assert_eq!(third.lines_with("not read") + third.lines_with("queued"), 0, "{}", third.screen());
}

#[test]
fn older_messages_are_loaded_by_scrolling_up() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = sova.start(&["on", "--direct-only", "--count", "150", "--run", "true"]);
    listening.complaint_of("listens to");
    let lines: String = (1..=150).map(|number| format!("/msg sova number {number}.\n")).collect();
    let said = buzz.run_with(&["chat"], &lines);
    assert_eq!(said.code, Some(0), "{said:?}");
    listening.end().done();
    let chat = chat(&sova, &[]);
    chat.wait_for(" 2 ✗ buzz");
    chat.type_line("/msg buzz");
    chat.wait_for("number 150.");
    // PageUp, through both pages.
    while !chat.screen().contains("number 1.") {
        chat.type_keys("\x1b[5~");
        let before = chat.screen();
        chat.wait_until("another page", |screen| (*screen != before).then_some(()));
    }
}

#[test]
fn forgetting_and_keep_off_delete_every_byte() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = listen(&buzz);
    sova.run(&["send", "buzz", "a very secret word"]).done();
    assert_eq!(listening.object()["text"], "a very secret word");
    drop(listening);
    sova.run(&["send", "buzz", "--queue", "a queued secret"]).done();
    assert!(
        contains(sova.home.path(), "very secret") && contains(sova.home.path(), "queued secret")
    );
    let said = sova.run(&["forget", "buzz"]).stderr;
    let expected = "; deleted 1 kept message; deleted 1 queued message";
    assert!(said.contains("removed buzz from your contacts") && said.contains(expected), "{said}");
    assert!(!contains(sova.home.path(), "secret"), "sova");
    let said = sova.run(&["forget", "buzz"]).failed(1);
    assert!(said.contains("buzz"), "{said}");

    // The other side keeps its own, until it wants to keep no more.
    assert!(contains(buzz.home.path(), "very secret"));
    let off = buzz.run_with(&["chat"], "/keep sova off\n").done();
    assert!(off.contains("direct messages with sova are not kept; deleted 1 of them"), "{off}");
    assert!(!contains(buzz.home.path(), "secret"));
    let listening = listen(&buzz);
    sova.run(&["send", "buzz", "another secret"]).done();
    assert_eq!(listening.object()["text"], "another secret");
    drop(listening);
    assert!(!contains(buzz.home.path(), "another secret"));
    let on = buzz.run_with(&["chat"], "/keep sova 7d\n/keep sova never\n");
    assert!(on.stdout.contains("direct messages with sova are kept for 7d"), "{on:?}");
    assert!(on.stdout.contains("usage: /keep on, off, or a time such as 7d"), "{on:?}");
}

#[test]
fn a_damaged_history_does_not_hold_up_forgetting() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let book = || fs::read_to_string(sova.home.path().join("contacts.toml")).unwrap();
    let file = sova.home.path().join("direct.db");
    let meet = || {
        let listening = listen(&buzz);
        sova.run(&["send", "buzz", "hello"]).done();
        drop(listening);
        sova.run(&["send", "buzz", "--queue", "a queued secret"]).done();
        assert!(book().contains("buzz"));
        fs::write(&file, "damaged ".repeat(1000)).unwrap();
    };
    meet();
    let said = sova.run(&["forget", "buzz"]).failed(1);
    assert!(said.contains("removed buzz from your contacts"), "{said}");
    assert!(said.contains("not all messages with buzz are deleted: "), "{said}");
    assert!(said.contains("direct.db cannot be used: "), "{said}");
    assert!(said.contains("delete what cannot be used with all messages in it"), "{said}");
    assert!(!book().contains("buzz") && !contains(sova.home.path(), "queued secret"), "{said}");
    let again = sova.run(&["forget", "buzz"]).failed(1);
    assert!(again.contains("buzz was not in your contacts"), "{again}");
    assert!(again.contains("not all messages with buzz are deleted: "), "{again}");

    fs::remove_file(&file).unwrap();
    meet();
    let chat = sova.run_with(&["chat"], "/forget buzz\n");
    assert_eq!(chat.code, Some(1), "{chat:?}");
    assert!(chat.stdout.contains("removed buzz from your contacts"), "{chat:?}");
    assert!(chat.stdout.contains("delete what cannot be used with all messages"), "{chat:?}");
    assert!(!book().contains("buzz") && !contains(sova.home.path(), "queued secret"), "{chat:?}");
}

#[test]
fn forgetting_goes_on_past_every_file_that_cannot_be_used() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let file = |name: &str| sova.home.path().join(name);
    let meet = || {
        let listening = listen(&buzz);
        sova.run(&["send", "buzz", "a kept secret"]).done();
        drop(listening);
        sova.run(&["send", "buzz", "--queue", "a queued secret"]).done();
    };
    meet();
    for name in ["outbox.db", "inbox.db"] {
        fs::write(file(name), "damaged ".repeat(1000)).unwrap();
    }
    let shown = sova.run(&["history", "--with", "buzz"]);
    assert!(shown.stdout.ends_with(" a kept secret\n"), "{shown:?}");
    assert!(shown.code == Some(1) && shown.stderr.contains("outbox.db cannot be used: "));
    let said = sova.run(&["forget", "buzz"]).failed(1);
    assert!(said.contains("removed buzz from your contacts; "), "{said}");
    assert!(said.contains("; deleted 1 kept message\n"), "{said}");
    for name in ["outbox.db cannot be used: ", "inbox.db cannot be used: "] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!contains(sova.home.path(), "a kept secret"));
    for name in ["outbox.db", "inbox.db"] {
        fs::remove_file(file(name)).unwrap();
    }

    let a_directory = |direct: &Path| {
        fs::remove_file(direct).unwrap();
        fs::create_dir(direct).unwrap();
    };
    let of_a_newer_version = |direct: &Path| {
        let newer = rusqlite::Connection::open(direct).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
    };
    for unusable in [&of_a_newer_version as &dyn Fn(&Path), &a_directory] {
        meet();
        unusable(&file("direct.db"));
        let said = sova.run(&["forget", "buzz"]).failed(1);
        assert!(said.contains("contacts; ") && said.contains("1 queued message\n"), "{said}");
        assert!(said.contains("not all messages with buzz are deleted: "), "{said}");
        assert!(!contains(sova.home.path(), "queued secret"), "{said}");
        if file("direct.db").is_file() {
            fs::remove_file(file("direct.db")).unwrap();
        }
    }
}

#[test]
fn messages_under_another_own_name_are_pointed_out_and_forgotten() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = listen(&buzz);
    sova.run(&["send", "buzz", "a kept secret"]).done();
    drop(listening);
    sova.run(&["send", "buzz", "--queue", "a queued secret"]).done();
    let said = sova.run(&["--name", "nova", "history", "--with", "buzz"]);
    let expected = "no direct messages with buzz are kept under your name nova, but under sova";
    assert!(said.stderr.contains(expected), "{said:?}");
    let said = sova.run(&["--name", "nova", "forget", "buzz"]);
    let expected = "deleted 1 kept message; deleted 1 queued message";
    assert!(said.stderr.contains(expected), "{said:?}");
    assert!(!contains(sova.home.path(), "secret"));
}

#[test]
fn keep_false_still_deletes_what_was_kept() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    for command in ["/keep buzz off", "/forget buzz"] {
        let listening = listen(&buzz);
        sova.run(&["send", "buzz", "an old secret"]).done();
        drop(listening);
        fs::write(sova.home.path().join("config.toml"), "keep = false\n").unwrap();
        let refused = sova.run_with(&["chat"], "/keep buzz on\n");
        assert!(refused.stdout.contains("are not kept: `keep = false`"), "{refused:?}");
        let said = sova.run_with(&["chat"], &format!("{command}\n")).done();
        assert!(said.contains("deleted 1"), "{said}");
        assert!(!contains(sova.home.path(), "an old secret"), "{command}");
        fs::write(sova.home.path().join("config.toml"), "").unwrap();
        sova.run_with(&["chat"], "/keep buzz on\n");
    }
}

#[test]
fn keep_false_keeps_nothing() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    for person in [&sova, &buzz] {
        fs::write(person.home.path().join("config.toml"), "keep = false\n").unwrap();
    }
    let listening = listen(&buzz);
    sova.run(&["send", "buzz", "a secret"]).done();
    assert_eq!(listening.object()["text"], "a secret");
    drop(listening);
    for person in [&sova, &buzz] {
        assert!(!contains(person.home.path(), "a secret"));
        assert!(!person.home.path().join("direct.db").exists());
    }
    let said = sova.run(&["history", "--with", "buzz"]);
    assert!(said.stderr.contains("no direct messages with buzz are kept"), "{said:?}");
}

#[test]
fn a_history_that_cannot_be_used_stops_no_message() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let garbage = "this is no database, but it is long enough to look like a file of one\n";
    for person in [&sova, &buzz] {
        fs::write(person.home.path().join("direct.db"), garbage.repeat(20)).unwrap();
    }
    let listening = listen(&buzz);
    let sent = sova.run(&["send", "buzz", "all the same"]);
    assert!(sent.stderr.contains("direct messages are not kept: "), "{sent:?}");
    sent.done();
    assert_eq!(listening.object()["text"], "all the same");
    let read = sova.run(&["history", "--with", "buzz"]).failed(1);
    assert!(read.contains("direct.db"), "{read}");
}
