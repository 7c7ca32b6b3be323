//! Texts on the command line and on standard input: what they are, and in which order they are sent.

use crate::support::{
    cli::{self, Ended},
    hub::TestHub,
    person::Person,
};

/// A text of PowerShell and of Windows editors: a mark of byte order, and line breaks of two characters.
const IN_UTF16: &str = "\u{feff}the walnut\r\nfalls\r\n";

/// Returns the texts of a room, oldest first.
#[track_caller]
fn texts(person: &Person<'_>, room: &str) -> Vec<String> {
    let messages = person.run(&["history", room, "--all", "--json"]).objects();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

fn run_with_bytes(person: &Person<'_>, args: &[&str], input: &[u8]) -> Ended {
    cli::run(person.command(args), input)
}

#[test]
fn options_end_at_the_first_word_of_a_text() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    for words in [
        &["please", "run", "make", "-q"][..],
        &["try", "--name", "buzz", "there"],
        &["see", "--help", "--", "-v"],
        &["--", "--json"],
        &["minus", "-", "one"],
    ] {
        assert_eq!(sova.run(&[&["post", "lobby"], words].concat()).done(), "");
    }
    let posted = sova.run(&["post", "--json", "lobby", "-q", "more", "--json"]).objects();
    assert_eq!(posted.len(), 1, "options before the text apply");
    let expected = [
        "please run make -q",
        "try --name buzz there",
        "see --help -- -v",
        "--json",
        "minus - one",
        "more --json",
    ];
    assert_eq!(texts(&sova, "lobby"), expected);
    let mistake = sova.run(&["post", "lobby", "--jsno", "hi"]).failed(2);
    assert!(mistake.contains("unexpected argument '--jsno'"), "{mistake}");
    assert_eq!(texts(&sova, "lobby"), expected);

    // Nobody has taken the name in the text.
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("receives direct messages"));
    assert_eq!(sova.run(&["send", "buzz", "try", "--wait", "--json"]).done(), "");
    assert_eq!(listening.object()["text"], "try --wait --json");
    sova.run(&["note", "buzz", "owes", "--json", "a", "-q", "cake"]).done();
    assert_eq!(sova.run(&["note", "buzz"]).done(), "owes --json a -q cake\n");
}

#[test]
fn standard_input_is_one_message_if_asked_for() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("receives direct messages"));
    let input = "fn f() {\n\n    // -\n}\n";
    for args in [
        &["post", "ops", "-"][..],
        &["post", "--whole", "ops"],
        &["post", "--room", "ops", "--whole"],
    ] {
        sova.run_with(args, input).done();
    }
    assert_eq!(texts(&sova, "ops"), [input.trim_end(); 3]);
    for args in [&["send", "buzz", "-"][..], &["send", "buzz"], &["send", "buzz", "--", "-"]] {
        sova.run_with(args, input).done();
        assert_eq!(listening.object()["text"], input.trim_end(), "{args:?}");
    }
    let both = sova.run_with(&["post", "--whole", "ops", "hi"], input).failed(2);
    assert!(both.contains("cannot be used with"), "{both}");
    assert!(sova.run_with(&["post", "ops", "-"], "\n").failed(2).contains("must not be empty"));
    assert_eq!(texts(&sova, "ops").len(), 3);
}

#[test]
fn too_long_texts_are_refused_with_the_limit_and_their_length() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let long = "x".repeat(30_000);
    let problem = "a text must not be longer than 16384 bytes; this one has 30000";
    for args in [&["send", "buzz"][..], &["send", "buzz", "-"], &["post", "ops", "-"]] {
        let said = sova.run_with(args, &format!("{long}\n")).failed(2);
        assert_eq!(said, format!("chinwag: {problem}\n"), "{args:?}");
    }
    let said = sova.run(&["post", "ops", &long]).failed(2);
    assert_eq!(said, format!("chinwag: {problem}\n"));
    let said = sova.run_with(&["post", "ops"], &long).failed(1);
    assert!(said.contains(&format!("chinwag: line 1: {problem}\n")), "{said}");
    let said = sova.run_with(&["chat"], &long);
    assert!(said.stdout.contains(&format!("* {problem}\n")), "{said:?}");
    // More than anybody counts.
    let said = sova.run_with(&["send", "buzz"], &"x".repeat(2_000_000)).failed(2);
    assert!(said.contains("16384 bytes; this one has 1048576 or more"), "{said}");
}

#[test]
fn a_mark_of_byte_order_is_no_text() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--json"]);
    assert!(listening.complaint().contains("receives direct messages"));
    for args in [&["post", "ops"][..], &["post", "--whole", "ops"]] {
        sova.run_with(args, "\u{feff}one").done();
    }
    sova.run_with(&["chat", "--room", "ops"], "\u{feff}one\n").done();
    assert_eq!(texts(&sova, "ops"), ["one"; 3]);
    sova.run_with(&["send", "buzz"], "\u{feff}one").done();
    assert_eq!(listening.object()["text"], "one");
    // In a script for the chat, it must not turn a command into a post.
    sova.run_with(&["chat"], "\u{feff}/msg buzz my password\n").done();
    assert_eq!(listening.object()["text"], "my password");
    sova.run_with(&["chat"], "hello\n\u{200b}/msg buzz again\n").done();
    assert_eq!(listening.object()["text"], "again");
    assert_eq!(texts(&sova, "lobby"), ["hello"]);
}

#[test]
fn utf16_is_refused_and_replaced_bytes_are_reported() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let utf16: Vec<u8> = IN_UTF16.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for args in [&["post", "ops"][..], &["post", "--whole", "ops"], &["send", "buzz"], &["chat"]] {
        for input in [&utf16[..], &utf16[2..]] {
            let ended = run_with_bytes(&sova, args, input);
            assert_eq!(ended.code, Some(1), "{args:?}: {ended:?}");
            assert!(ended.stderr.contains("it is UTF-16 and not UTF-8"), "{args:?}: {ended:?}");
        }
    }
    assert!(texts(&sova, "ops").is_empty() && texts(&sova, "lobby").is_empty());

    let latin1 = b"caf\xe9\ncr\xe8me\nok";
    let report = "chinwag: standard input is not UTF-8: U+FFFD stands for each byte that is not\n";
    for args in [&["post", "lobby"][..], &["post", "lobby", "-"], &["chat"]] {
        let ended = run_with_bytes(&sova, args, latin1);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), report), "{args:?}");
    }
    let lines = ["caf\u{fffd}", "cr\u{fffd}me", "ok"];
    let whole = lines.join("\n");
    assert_eq!(texts(&sova, "lobby"), [&lines[..], &[&whole], &lines[..]].concat());
    assert_eq!(run_with_bytes(&sova, &["post", "-q", "lobby"], latin1).stderr, "");
}

#[test]
fn a_chat_on_a_pipe_sends_in_the_order_of_the_lines() {
    const ROUNDS: usize = 60;
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--json"]);
    let port = listening.direct_address().port();
    // Both ways to buzz, and two rooms.
    let mut lines = Vec::new();
    for i in 0..ROUNDS {
        lines.push(format!("/msg buzz {}", 2 * i));
        lines.push(format!("room {i}"));
        lines.push(format!("P2P 127.0.0.1 {port} {}", 2 * i + 1));
        if i % 20 == 7 {
            lines.push("/join ops".to_owned());
        } else if i % 20 == 9 {
            lines.push("/leave".to_owned());
        }
    }
    sova.run_with(&["chat"], &lines.join("\n")).done();
    let received: Vec<_> = (0..2 * ROUNDS).map(|_| listening.object()["text"].clone()).collect();
    let expected: Vec<_> = (0..2 * ROUNDS).map(|i| i.to_string()).collect();
    assert_eq!(received, expected);
    let (ops, lobby): (Vec<_>, Vec<_>) = (0..ROUNDS).partition(|i| [8, 9].contains(&(i % 20)));
    for (room, rounds) in [("ops", ops), ("lobby", lobby)] {
        let expected: Vec<_> = rounds.iter().map(|i| format!("room {i}")).collect();
        assert_eq!(texts(&sova, room), expected, "{room}");
    }
}
