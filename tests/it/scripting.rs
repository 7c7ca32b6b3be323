//! Options for scripts: timeouts, quiet and verbose output, and the arguments of `post`.

use std::{net::TcpListener, process::Stdio};

use crate::support::{cli, hub::TestHub, person::Person};

/// Longer than any command takes.
const LONG: &str = "10m";

/// Expires soon.
const SHORT: &str = "300ms";

#[test]
fn a_command_ends_at_its_timeout() {
    let hub = TestHub::start();
    let ends_and_leaves = |endless: &[&str], timeout: &str| {
        let name = format!("{}-{timeout}", endless[0]);
        let guest = Person::new(&hub, &name);
        // Its standard input stays open.
        let running = guest.start(&[endless, &["--plaintext", "--timeout", timeout]].concat());
        let said = running.complaint_of("--timeout");
        assert_eq!(said, format!("chinwag: ended by --timeout after {timeout}"));
        assert_eq!(running.end().code, Some(124), "{endless:?}");
        // It has unregistered: the guest's name is free again.
        Person::new(&hub, &name).run(&["peers", "--plaintext"]).code == Some(0)
    };
    for endless in [&["tail"][..], &["listen"], &["chat"], &["peers", "--watch"], &["post", "ops"]]
    {
        // A timeout before the client is registered leaves nothing to unregister; a slow machine
        // needs a longer timeout.
        let left = [SHORT, "3s", "12s"].iter().any(|timeout| ends_and_leaves(endless, timeout));
        assert!(left, "{endless:?}");
    }
}

#[test]
fn a_silent_hub_is_not_awaited_beyond_the_timeout() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = deaf.local_addr().unwrap().to_string();
    let said = sova.run(&["peers", "--hub", &place, "--timeout", SHORT]).failed(124);
    assert_eq!(said, "chinwag: ended by --timeout after 300ms\n");
    assert!(sova.run(&["peers", "--timeout", "30"]).failed(2).contains("such as 30s"));
}

#[test]
fn work_done_before_the_timeout_succeeds() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    assert_eq!(sova.run(&["--timeout", LONG, "post", "lobby", "hi"]).done(), "");
    let tail = sova.run(&["tail", "--last", "1", "--count", "1", "--timeout", LONG]).done();
    assert!(tail.ends_with(" sova: hi\n"), "{tail}");
    let recent = ["tail", "--since", "1h", "--count", "1", "--timeout", LONG];
    assert_eq!(sova.run(&recent).done(), tail);
    assert_eq!(sova.run(&["--timeout", LONG, "peers"]).done(), "");
}

#[test]
fn quiet_prints_failures_only() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let said = sova.run(&["post", "ops", "hi"]).stderr;
    assert_eq!(said, "chinwag: ops is a new room: nobody has posted there before\n");
    assert_eq!(sova.run(&["post", "ops", "hi"]).stderr, "");
    // Whoever mistypes the name of a room waits there for ever.
    let tail = sova.start(&["tail", "opps"]);
    assert_eq!(tail.complaint(), "chinwag: opps is a new room: nobody has posted there before");
    assert_eq!(sova.run(&["post", "-q", "dev", "hi"]).stderr, "");
    std::fs::write(sova.home.path().join("config.toml"), "quiet = true\n").unwrap();
    assert_eq!(sova.run(&["post", "docs", "hi"]).stderr, "");
    assert!(sova.run(&["--quiet", "send", "nobody", "hi"]).failed(4).contains("nobody"));
}

#[test]
fn verbose_logs_to_standard_error() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run(&["post", "lobby", "hi"]).done();
    let logged = |args: &[&str]| {
        let ended = sova.run(&[&["history", "--json"], args].concat());
        let (stderr, objects) = (ended.stderr.clone(), ended.objects());
        assert_eq!(objects.len(), 1);
        stderr
    };
    assert_eq!(logged(&[]), "");
    let (some, more) = (logged(&["-v"]), logged(&["-vvv"]));
    assert!(some.contains("INFO") && some.contains("registered"), "{some}");
    assert!(more.lines().count() > some.lines().count(), "{more}");
    // Session tokens must not be printed.
    assert!(!more.to_lowercase().contains("bearer "), "{more}");
}

#[test]
fn the_first_word_of_post_is_the_room() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let texts = |room: &str| {
        let history = sova.run(&["history", room, "--json"]).objects();
        history.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut shell = std::process::Command::new("sh");
    let command = sova.command(&[]);
    shell.args(["-c", "printf 'one\\ntwo\\n' | \"$0\" post ops"]).arg(command.get_program());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    cli::run(shell, b"").done();
    assert_eq!(texts("ops"), ["one", "two"]);

    // The argument overrides other sources of the room.
    let mut elsewhere = sova.command(&["post", "ops", "three"]);
    elsewhere.env("CHINWAG_ROOM", "lobby");
    cli::run(elsewhere, b"not this").done();
    sova.run_with(&["post", "--room", "ops"], "four").done();
    assert_eq!(texts("ops"), ["one", "two", "three", "four"]);
    let said = sova.run(&["post", "--room", "ops", "hello"]).failed(2);
    assert!(said.contains("`chinwag post ops hello …`"), "{said}");
    for room in ["lobby", "hello"] {
        assert_eq!(texts(room), [""; 0], "{room}");
    }
}

#[test]
fn post_without_a_text_posts_nothing() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let mut nothing = sova.command(&["post", "hello"]);
    let nothing = nothing.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(nothing.stderr).unwrap();
    assert_eq!(nothing.status.code(), Some(2), "{said}");
    assert!(
        said.contains("nothing to post to hello") && said.contains("post lobby hello"),
        "{said}"
    );
    let said = sova.run(&["post", "hello there"]).failed(2);
    assert!(said.contains("`chinwag post lobby hello`"), "{said}");
    let said = sova.run_with(&["post", "hello"], "").stderr;
    assert!(said.contains("nothing was posted to hello: standard input had no lines"), "{said}");
    assert_eq!(sova.run(&["rooms"]).done().matches("hello").count(), 0);
}

#[test]
fn listen_refuses_options_that_prevent_messages() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let said = sova.run(&["listen", "--no-direct"]).failed(2);
    assert!(said.contains("--no-direct turns direct messages off"), "{said}");
    let said = sova.run(&["on", "--run", "cat", "--direct-only", "--no-direct"]).failed(2);
    assert!(said.contains("cannot be used together"), "{said}");
}

#[test]
fn an_option_at_the_end_of_a_text_is_pointed_out() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let posted = sova.run(&["post", "lobby", "hello", "--json"]);
    let notice = "chinwag: --json is part of the text; options come before it";
    assert_eq!(posted.stderr.matches(notice).count(), 1, "{posted:?}");
    assert_eq!(posted.done(), "");
    assert!(sova.run(&["history"]).done().ends_with("sova: hello --json\n"));
    assert_eq!(sova.run(&["post", "lobby", "--", "hello", "--json"]).stderr, "");
    assert_eq!(sova.run(&["--quiet", "post", "lobby", "hello", "--json"]).stderr, "");
}

#[test]
fn an_error_about_a_contact_who_is_away_says_how_to_keep_the_message() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--count", "1"]);
    listening.complaint_of("receives direct messages");
    sova.run(&["send", "buzz", "hi"]).done();
    listening.end().done();
    let away = sova.run(&["send", "buzz", "hi"]).failed(4);
    assert!(away.contains("`--queue` keeps") && away.contains("`--wait` tries"), "{away}");
    let unknown = sova.run(&["send", "nobody", "hi"]).failed(4);
    assert!(!unknown.contains("--queue"), "it may be a slip: {unknown}");
}
