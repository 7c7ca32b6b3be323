//! What typed lines mean.

use std::collections::BTreeSet;

use super::{
    commands::{COMMANDS, STATUSES},
    *,
};
use crate::model::MAX_TEXT_BYTES;

fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

fn endpoint(raw: &str) -> Endpoint {
    Endpoint::parse(raw).unwrap()
}

fn room(raw: &str) -> RoomName {
    RoomName::parse(raw).unwrap()
}

#[track_caller]
fn check_invalid(line: &str, expected: &str) {
    match Input::parse(line) {
        Input::Invalid(problem) => assert!(problem.contains(expected), "{line:?}: {problem}"),
        other => panic!("{line:?} was understood as {other:?}"),
    }
}

#[test]
fn plain_text_is_posted_as_it_is() {
    for line in ["hello", "  indented /quit", "PEER?", "peer", "P2P2", "dup P2P a 1 b", " P2P a"] {
        assert_eq!(Input::parse(line), Input::Post(text(line)), "{line:?}");
    }
    assert_eq!(Input::parse("//shrug"), Input::Post(text("/shrug")));
    assert_eq!(Input::parse("///"), Input::Post(text("//")));
}

#[test]
fn blank_lines_are_nothing() {
    for line in ["", "   ", "\t", "\r"] {
        assert_eq!(Input::parse(line), Input::Nothing, "{line:?}");
    }
}

#[test]
fn the_words_of_the_original_program() {
    assert_eq!(Input::parse("PEER"), Input::Ask(Request::Peers));
    assert_eq!(Input::parse("PEER\r"), Input::Ask(Request::Peers));
    assert_eq!(
        Input::parse("P2P 127.0.0.1 54322 secret  messages"),
        Input::Ask(Request::SendTo {
            to: endpoint("127.0.0.1:54322"),
            text: text("secret  messages")
        })
    );
    assert_eq!(
        Input::parse("P2P ::1 54322 hi"),
        Input::Ask(Request::SendTo { to: endpoint("[::1]:54322"), text: text("hi") })
    );
}

#[test]
fn a_private_line_for_an_address_is_never_posted() {
    let secret = Input::parse("P2P 127.0.0.1 54322 secret");
    let lines = ["p2p {}", "P2p {}", " P2P {}", "\tp2P {}", "\u{feff} p2p {}"];
    for line in lines.map(|line| line.replace("{}", "127.0.0.1 54322 secret")) {
        assert_eq!(Input::parse(&line), secret, "{line:?}");
        assert!(is_private(&line), "{line:?}");
        check_invalid(&format!("hello\n{line}"), "not sent: line 2");
    }
    for rest in ["127.0.0.1 54322", "127.0.0.1:54322 secret", "[::1]:54322", "buzzbox 54322"] {
        for line in lines.map(|line| line.replace("{}", rest)) {
            check_invalid(&line, "P2P HOST PORT TEXT");
        }
    }
    for word in ["ｐ２ｐ", "р2р", " Р2Р"] {
        check_invalid(&format!("{word} 127.0.0.1 1 secret"), "only looks like a command");
    }
    for line in ["p2p is great", "p2p", "P2p: 2 of 3", " P2P is fine", "peer", "p2ps 127.0.0.1 1 a"]
    {
        assert_eq!(Input::parse(line), Input::Post(text(line)), "{line:?}");
    }
}

#[test]
fn the_options_of_the_command_line_are_no_words_of_a_search() {
    use clap::Args as _;
    let command = crate::cli::commands::search::Args::augment_args(clap::Command::new("search"));
    let mut options: Vec<String> = Vec::new();
    for option in command.get_arguments() {
        let names = option.get_long_and_visible_aliases().unwrap_or_default();
        options.extend(names.iter().map(|name| format!("--{name}")));
    }
    assert_eq!(
        BTreeSet::from_iter(&options),
        BTreeSet::from_iter(&SEARCH_OPTIONS.map(String::from))
    );
    for option in options {
        let refused = format!("{option} is an option of `chinwag search`");
        check_invalid(&format!("/search {option} x"), &refused);
        check_invalid(&format!("/search x {option}"), &refused);
        let quoted = Input::parse(&format!("/search \"{option}\""));
        assert!(matches!(quoted, Input::Ask(Request::Search(_))), "{quoted:?}");
    }
    assert!(matches!(Input::parse("/search --force"), Input::Ask(Request::Search(_))));
}

#[test]
fn a_private_line_with_a_mistake_is_never_posted() {
    for line in ["P2P", "P2P 127.0.0.1", "P2P 127.0.0.1 54322", "P2P 127.0.0.1:54322 secret"] {
        check_invalid(line, "P2P HOST PORT TEXT");
    }
    check_invalid("P2P 127.0.0.1 99999 secret", "a port must be from 1 to 65535");
    check_invalid("p2p 127.0.0.1 99999 secret", "a port must be from 1 to 65535");
    check_invalid("P2P no/host 1 secret", "neither a host name nor an address");
    check_invalid(" /msg", "usage: /msg NAME [TEXT]");
    check_invalid("/queue buzz", "/queue NAME TEXT");
    check_invalid("/p2p 127.0.0.1:1", "usage: /p2p HOST:PORT TEXT");
    check_invalid("/msg -buzz secret", "must begin with a letter or a digit");
    check_invalid("/p2p 127.0.0.1 secret", "HOST:PORT");
    check_invalid("/mgs buzz secret", "unknown command /mgs");
}

/// Characters that nobody sees, among them the mark of byte order that some editors write.
const UNSEEN: [&str; 8] = [
    "\u{feff}",
    "\u{200b}",
    "\u{200d}",
    "\u{2060}",
    "\u{fe0f}",
    "\u{ad}",
    "\u{1}",
    "\u{200e}\u{feff}",
];

#[test]
fn nothing_invisible_makes_a_text_of_a_command() {
    let secret = Input::Ask(Request::Send { to: name("buzz"), text: text("secret") });
    let original = Input::parse("P2P ::1 54322 secret");
    for unseen in UNSEEN {
        for line in ["{}/msg buzz secret", "{} /msg buzz secret", " {}/msg buzz secret"] {
            let line = line.replace("{}", unseen);
            assert_eq!(Input::parse(&line), secret, "{line:?}");
            assert!(is_private(&line), "{line:?}");
        }
        assert_eq!(Input::parse(&format!("{unseen}P2P ::1 54322 secret")), original);
        assert_eq!(Input::parse(&format!("{unseen}PEER")), Input::Ask(Request::Peers));
        check_invalid(&format!("{unseen}/mgs buzz secret"), "unknown command /mgs");
        check_invalid(&format!("/{unseen}msg buzz secret"), "unknown command /");
        check_invalid(&format!("P{unseen}2P ::1 54322 secret"), "only looks like a command");
        check_invalid(&format!("hello\n{unseen}/msg buzz secret"), "not sent: line 2");
        assert_eq!(Input::parse(unseen), Input::Nothing, "{unseen:?}");
        for line in ["{}hello", "❤{}", "a {}/b"].map(|line| line.replace("{}", unseen)) {
            assert_eq!(Input::parse(&line), Input::Post(text(&line)), "{line:?}");
        }
    }
}

#[test]
fn what_looks_like_a_command_is_obeyed_or_refused() {
    let secret = Input::Ask(Request::Send { to: name("buzz"), text: text("secret") });
    for line in ["／msg buzz secret", "\u{3000}／msg\u{3000}buzz\u{3000}secret"] {
        assert_eq!(Input::parse(line), secret, "{line:?}");
    }
    check_invalid("／ｍｓｇ buzz secret", "unknown command /");
    check_invalid("／／msg buzz secret", "unknown command /");
    check_invalid("/／msg buzz secret", "unknown command /");
    for slash in ['⁄', '∕', '⧸', '╱', '⟋'] {
        check_invalid(&format!("{slash}msg buzz secret"), "only looks like a command");
        check_invalid(&format!("hello\n {slash}msg buzz secret"), "not sent: line 2");
    }
    for word in ["Ｐ２Ｐ", "Р2Р", "Ρ2Ρ"] {
        check_invalid(&format!("{word} 127.0.0.1 1 secret"), "only looks like a command");
    }
    for line in ["ノート", "丿", "╱╲╱", "P2P2 is fine", "Р2Р", "1／2", "＞／msg"] {
        assert_eq!(Input::parse(line), Input::Post(text(line)), "{line:?}");
    }
}

#[test]
fn a_command_in_a_later_line_is_never_posted() {
    for command in
        ["/msg buzz secret", "  /mgs buzz secret", "PEER", "P2P 127.0.0.1 1 secret", "P2P", "/"]
    {
        for before in ["hello\n", "hello\r", "\n", "one\n\ntwo\r\n", "/msg colt hello\n"] {
            let pasted = format!("{before}{command}\nmore");
            check_invalid(&pasted, "not sent");
        }
    }
    check_invalid("one\ntwo\n/quit", "line 3 begins like a command");
    for fine in ["fn f() {\n    // why\n\n}", "a\nb/c", "a\n P2P is fine\nPEERS"] {
        assert_eq!(Input::parse(fine), Input::Post(text(fine)), "{fine:?}");
    }
}

#[test]
fn what_might_be_meant_for_one_person_is_private() {
    for line in ["/msg buzz a", " /P2P ::1 a", "P2P 127.0.0.1 1 a", "P2P a", "/mgs buzz a"]
        .into_iter()
        .chain(["/dm buzz a", "/queue buzz a", "/note buzz a", "/note buzz", "/msg buzz"])
    {
        assert!(is_private(line), "{line:?}");
    }
    for line in ["hello", "/join ops", "PEER", "//msg", "/quit", "/outbox", "/block buzz"] {
        assert!(!is_private(line), "{line:?}");
    }
}

#[test]
fn commands_and_their_words() {
    let secret = text("the  secret");
    let key = Fingerprint::from_bytes([7; 32]);
    for (line, request) in [
        ("/peers", Request::Peers),
        ("/msg Buzz  the  secret", Request::Send { to: name("buzz"), text: secret.clone() }),
        ("  /MSG buzz the  secret ", Request::Send { to: name("buzz"), text: secret.clone() }),
        ("/p2p [::1]:9 the  secret", Request::SendTo { to: endpoint("[::1]:9"), text: secret }),
        ("/join Ops", Request::Join(room("ops"))),
        ("/join #ops", Request::Join(room("ops"))),
        ("/leave #ops", Request::Leave(Some(room("ops")))),
        ("/mute #ops", Request::Mute { room: Some(room("ops")), muted: true }),
        ("/msg @buzz", Request::Talk(name("buzz"))),
        ("/msg @buzz @all", Request::Send { to: name("buzz"), text: text("@all") }),
        ("/queue @buzz a", Request::Queue { to: name("buzz"), text: text("a") }),
        ("/block @buzz", Request::Block { name: name("buzz"), blocked: true }),
        ("/verify @buzz", Request::Verify { name: name("buzz"), key: None }),
        ("/note @buzz", Request::ShowNote(name("buzz"))),
        ("/forget @buzz", Request::Forget(name("buzz"))),
        ("/leave", Request::Leave(None)),
        ("/leave ops", Request::Leave(Some(room("ops")))),
        ("/rooms", Request::Rooms),
        ("/history", Request::History(DEFAULT_HISTORY)),
        ("/history 7", Request::History(7)),
        ("/id", Request::Id),
        ("/contacts", Request::Contacts),
        ("/verify Buzz", Request::Verify { name: name("buzz"), key: None }),
        (
            &format!("/verify buzz {}", key.to_string().replace('-', " ")),
            Request::Verify { name: name("buzz"), key: Some(key) },
        ),
        ("/accept buzz", Request::Accept { name: name("buzz"), key: None }),
        (&format!("/accept buzz {key}"), Request::Accept { name: name("buzz"), key: Some(key) }),
        ("/msg Buzz", Request::Talk(name("buzz"))),
        ("/queue buzz the  secret", Request::Queue { to: name("buzz"), text: text("the  secret") }),
        ("/outbox", Request::Outbox),
        ("/retry", Request::Retry),
        ("/drop 0193ABCD", Request::Drop("0193abcd".into())),
        ("/block buzz", Request::Block { name: name("buzz"), blocked: true }),
        ("/unblock buzz", Request::Block { name: name("buzz"), blocked: false }),
        ("/note buzz owes  me", Request::Note { name: name("buzz"), text: "owes  me".into() }),
        ("/note buzz -", Request::Note { name: name("buzz"), text: String::new() }),
        ("/note buzz", Request::ShowNote(name("buzz"))),
        ("/forget buzz", Request::Forget(name("buzz"))),
        ("/mute", Request::Mute { room: None, muted: true }),
        ("/mute ops", Request::Mute { room: Some(room("ops")), muted: true }),
        ("/unmute ops", Request::Mute { room: Some(room("ops")), muted: false }),
        (
            "/search two in:ops words",
            Request::Search(SearchTerms::parse("two words in:ops").unwrap()),
        ),
        ("/status Away", Request::SetStatus(PeerStatus::Away)),
    ] {
        assert_eq!(Input::parse(line), Input::Ask(request), "{line:?}");
    }
    assert_eq!(Input::parse("/status"), Input::ShowStatus);
    assert_eq!(Input::parse("/help"), Input::Help);
    assert_eq!(Input::parse("/quit "), Input::Quit);
}

#[test]
fn commands_have_other_names() {
    for (alias, command) in [
        ("/m buzz a", "/msg buzz a"),
        ("/dm buzz a", "/msg buzz a"),
        ("/query buzz", "/msg buzz"),
        ("/query buzz a", "/msg buzz a"),
        ("/names", "/peers"),
        ("/away", "/status away"),
        ("/back", "/status online"),
        ("/w", "/peers"),
        ("/WHO", "/peers"),
        ("/j ops", "/join ops"),
        ("/part ops", "/leave ops"),
        ("/exit", "/quit"),
        ("/q", "/quit"),
    ] {
        assert_eq!(Input::parse(alias), Input::parse(command), "{alias}");
    }
    check_invalid("/q now", "/q takes no arguments");
}

#[test]
fn every_command_is_there_once_and_says_what_it_lacks() {
    let mut names = Vec::new();
    for command in COMMANDS {
        assert_eq!(ChatCommand::find(command.name).unwrap().verb, command.verb);
        for name in command.names() {
            assert!(!names.contains(&name), "{name} twice");
            assert_eq!(name, name.to_lowercase());
            names.push(name);
        }
        let alone = Input::parse(&format!("/{}", command.name));
        match alone {
            Input::Invalid(problem) => assert!(problem.ends_with(&command.usage()), "{problem}"),
            _ => assert!(command.args.is_empty() || command.args.starts_with('['), "{alone:?}"),
        }
    }
}

#[test]
fn the_status_words_are_those_that_are_understood() {
    for status in STATUSES {
        let understood = Input::parse(&format!("/status {status}"));
        assert!(matches!(understood, Input::Ask(Request::SetStatus(_))), "{status}");
    }
}

#[test]
fn a_slip_of_the_fingers_is_understood_and_not_obeyed() {
    for (line, meant) in [
        ("/jion ops", "unknown command /jion: did you mean /join?"),
        ("/mgs buzz a", "unknown command /mgs: did you mean /msg?"),
        ("/PEER", "did you mean /peers?"),
        ("/histroy", "did you mean /history?"),
        ("/contcats", "did you mean /contacts?"),
        ("/unblokc buzz", "did you mean /unblock?"),
        ("/shrug", "unknown command /shrug: /help lists all commands"),
        ("/x", "unknown command /x: /help lists all commands"),
    ] {
        check_invalid(line, meant);
    }
    check_invalid(
        &format!("/{}", "q".repeat(1000)),
        "unknown command /qqqqqqqqqqqqqqqqqqqq: /help",
    );
}

#[test]
fn mistakes_are_explained() {
    check_invalid("/", "/help lists all commands");
    check_invalid("/quit now", "/quit takes no arguments");
    check_invalid("/join", "/join ROOM");
    check_invalid("/join two rooms", "letters, digits");
    check_invalid("/history 0", "from 1 to 1000");
    check_invalid("/history many", "from 1 to 1000");
    check_invalid("/search", "/search WORDS");
    check_invalid("/verify", "/verify NAME");
    check_invalid("/verify buzz 123", "13 groups");
    check_invalid("/accept", "usage: /accept NAME");
    check_invalid("/accept buzz 123", "13 groups");
    check_invalid("/block", "usage: /block NAME");
    check_invalid("/block two names", "one word");
    check_invalid("/drop", "/drop ID|NAME");
    check_invalid("/drop a b", "only one at a time: /drop");
    check_invalid("/mute two rooms", "one word");
    check_invalid("/outbox all", "/outbox takes no arguments");
    check_invalid("/id me", "/id takes no arguments");
    check_invalid("/status invisible", "online, away or busy");
    check_invalid(&"x".repeat(MAX_TEXT_BYTES + 1), "must not be longer than");
}
