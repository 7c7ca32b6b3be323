//! The commands for scripts, run as programs: their output and exit codes.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

use serde_json::Value;

use crate::support::{
    cli::{self, Ended},
    hub::TestHub,
    person::Person,
    within,
};

#[test]
fn posts_appear_in_history_and_tail() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    assert_eq!(sova.run(&["post", "lobby", "one", "two"]).done(), "");
    let posted = &sova.run(&["post", "lobby", "--json", "three"]).objects()[0];
    assert_eq!((&posted["type"], &posted["duplicate"]), (&"posted".into(), &false.into()));

    let history = sova.run(&["history", "--json"]).objects();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0]["text"], "one two");
    let three = &history[1];
    for field in ["room", "id", "epoch", "seq", "created_at"] {
        assert_eq!(three[field], posted[field], "{field}");
    }
    assert_eq!(three["prev_seq"], history[0]["seq"]);
    assert!(three["epoch"].is_string() && three["seq"].is_u64());

    let tail = sova.run(&["tail", "--last", "2", "--count", "2", "--json"]).objects();
    assert_eq!(tail, history);
    let since = history[1]["created_at"].as_str().unwrap();
    let tail = sova.run(&["tail", "lobby", "--since", since, "--count", "1", "--json"]).objects();
    assert_eq!(tail[0]["text"], "three");
    let plain = sova.run(&["history", "--limit", "1"]).done();
    assert!(plain.ends_with(" sova: three\n"), "{plain}");
    let rooms = sova.run(&["rooms", "--json"]).objects();
    assert_eq!((&rooms[0]["name"], &rooms[0]["head_seq"]), (&"lobby".into(), &three["seq"]));
}

#[test]
fn tail_after_a_lost_message_prints_all_that_is_left() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    for said in ["one", "two", "three"] {
        sova.run(&["post", "ops", said]).done();
    }
    let args = ["tail", "ops", "--after", "1:4", "--count", "3", "--timeout", "30s", "--json"];
    let printed = sova.run(&args).objects();
    let part = |line: &Value| line["text"].as_str().or(line["type"].as_str()).map(str::to_owned);
    let printed: Vec<_> = printed.iter().filter_map(part).collect();
    assert_eq!(printed, ["gap", "one", "two", "three"]);
}

#[test]
fn rooms_counts_no_sessions_of_commands() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = sova.start(&["listen"]);
    listening.complaint_of("receives direct messages");
    let tail = buzz.start(&["tail", "ops", "--json"]);
    tail.complaint_of("ops");
    let counted = || {
        let rooms = buzz.run(&["rooms", "--json"]).objects();
        let count = |room: &Value| (room["name"].to_string(), room["members"].as_u64());
        rooms.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(counted(), [("\"lobby\"".into(), Some(1))]);
}

#[test]
fn commands_report_that_nothing_was_found() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    for args in [&["history"][..], &["history", "--all", "--json"], &["search", "walnut"]] {
        let ended = sova.run(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{args:?}");
        let as_text = ended.stderr.starts_with("chinwag: no");
        let as_object = ended.stderr.contains("\"message\":\"no");
        assert!(as_text != as_object && args.contains(&"--json") == as_object, "{ended:?}");
        assert_eq!(sova.run(&[args, &["-q"]].concat()).stderr, "");
    }
    sova.run(&["post", "lobby", "one", "walnut"]).done();
    sova.run(&["post", "lobby", "two"]).done();
    assert!(sova.run(&["history", "--last", "1"]).done().ends_with("sova: two\n"));
    // Recent messages may not be indexed yet.
    sova.run(&["search", "walnut", "--last", "1"]).done();
}

/// Settings in the environment are not needed on the command line.
#[test]
fn usage_errors_do_not_depend_on_the_settings() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let help = sova.run(&[]).failed(2);
    assert!(help.contains("Commands:\n") && !help.contains("error:"), "{help}");
    let usage = sova.run(&["send"]).failed(2);
    assert!(usage.contains("Usage: chinwag send <NAME> [TEXT]...\n"), "{usage}");
    let mut wrong = sova.command(&["peers"]);
    wrong.env("CHINWAG_HUB", "nowhere");
    assert!(cli::run(wrong, b"").failed(2).contains("invalid value 'nowhere' for '--hub <HUB>'"));
    let mut empty = sova.command(&["id", "--name", "buzz"]);
    for name in ["HUB", "NAME", "ROOM", "LISTEN", "ADVERTISE", "DIRECT", "TIMEOUT"] {
        empty.env(format!("CHINWAG_{name}"), "");
    }
    assert!(cli::run(empty, b"").done().starts_with("Fingerprint of your key, buzz:"));
}

#[test]
fn piped_lines_are_posted_once_and_in_order() {
    const LINES: usize = 2500;
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let lines: Vec<String> = (0..LINES).map(|i| format!("line {i}")).collect();
    let posted = sova.run_with(&["post", "ops", "--json"], &lines.join("\n")).objects();
    assert_eq!(posted.len(), LINES);
    // More than one page of the hub, from either end.
    let all = sova.run(&["history", "ops", "--all", "--json"]).objects();
    assert_eq!(all.len(), LINES);
    for ((message, posted), line) in all.iter().zip(&posted).zip(&lines) {
        assert_eq!(message["text"], **line);
        assert_eq!(message["id"], posted["id"], "receipts in the order of the lines");
    }
    let last = sova.run(&["history", "ops", "--limit", "1500", "--json"]).objects();
    assert!(last == all[LINES - 1500..]);
}

#[test]
fn a_refused_line_is_reported_and_the_others_are_posted() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let input = format!("one\n\n{}\n{}\ntwo", "x".repeat(16 * 1024 + 1), "y".repeat(100_000));
    let complaint = sova.run_with(&["post"], &input).failed(1);
    for part in ["line 3: ", "line 4: ", "2 of 5 lines were not posted"] {
        assert!(complaint.contains(part), "{complaint}");
    }
    let history = sova.run(&["history", "--json"]).objects();
    assert_eq!(history.iter().map(|m| &m["text"]).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn a_direct_message_reaches_a_listening_peer() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let missing = sova.run(&["send", "buzz", "hello"]).failed(4);
    assert!(missing.contains("no peer named buzz is here"), "{missing}");

    let listening = buzz.start(&["listen", "--json", "--count", "2"]);
    assert!(listening.complaint().contains("buzz receives direct messages at 127.0.0.1:"));
    assert_eq!(sova.run(&["send", "buzz", "hello", "there"]).done(), "");
    let direct = listening.object();
    for (field, value) in [("type", "direct"), ("sender", "sova"), ("text", "hello there")] {
        assert_eq!(direct[field], value);
    }
    assert_eq!((&direct["standing"], &direct["verified"]), (&"known".into(), &false.into()));
    let id = &sova.run(&["id", "--json"]).objects()[0];
    assert_eq!(direct["fingerprint"], id["fingerprint"]);
    let receipt = &sova.run(&["send", "--json", "buzz", "more"]).objects()[0];
    assert_eq!((&receipt["type"], &receipt["receiver"]), (&"receipt".into(), &"buzz".into()));
    assert_eq!(listening.object()["id"], receipt["id"]);
    assert_eq!(listening.end().code, Some(0));
}

#[test]
fn accepted_messages_are_printed_before_the_exit() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let mut command = buzz.command(&["listen", "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut listening = command.spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(listening.stderr.as_mut().unwrap()).read_line(&mut ready).unwrap();
    // Far more than the pipe and the queues hold while nothing reads: the last messages are
    // accepted but not taken out.
    let texts: Vec<String> = (0..100).map(|n| format!("{n} {}", "x".repeat(16_000))).collect();
    let sent: Vec<Ended> = texts.iter().map(|text| sova.run(&["send", "buzz", text])).collect();
    let kill = format!("kill -TERM {}", listening.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let ended = listening.wait_with_output().unwrap();
    sent.into_iter().for_each(|sent| assert_eq!(sent.done(), ""));
    assert!(ended.status.success(), "{ready}{ended:?}");
    let shown = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(shown.lines().count(), texts.len());
    for (line, text) in shown.lines().zip(&texts) {
        assert!(line.contains(&format!("\"{text}\"")), "{:.80}", line);
    }
}

#[test]
fn commands_run_beside_a_chat_of_the_same_key_only() {
    let hub = TestHub::start();
    let (sova, thief) = (Person::new(&hub, "sova"), Person::new(&hub, "sova"));
    let mut chat = sova.start(&["chat"]);
    assert!(chat.line().starts_with("* sova on "));
    let peers = sova.run(&["peers", "--json"]).objects();
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0]["name"], "sova");
    assert_eq!(peers[0]["endpoints"].as_array().unwrap().len(), 1);
    sova.run(&["post", "lobby", "from", "outside"]).done();
    while !chat.line().ends_with(" sova: from outside") {}

    let refused = thief.run(&["peers"]).failed(1);
    assert!(refused.contains("taken") && refused.contains("--name NAME"), "{refused}");
    chat.write(b"/quit\n");
    assert_eq!(chat.end().code, Some(0));
    // The name belongs to sova's key permanently.
    assert_eq!(sova.run(&["peers"]).done(), "");
    assert!(thief.run(&["peers"]).failed(1).contains("taken"));
}

#[test]
fn a_guests_name_is_free_after_the_session() {
    let hub = TestHub::start();
    let (sova, other) = (Person::new(&hub, "sova"), Person::new(&hub, "sova"));
    let mut chat = sova.start(&["chat", "--plaintext"]);
    assert!(chat.line().starts_with("* sova on "));
    for person in [&sova, &other] {
        let refused = person.run(&["peers", "--plaintext"]).failed(1);
        assert!(refused.contains("taken") && refused.contains("without a key"), "{refused}");
    }
    chat.write(b"/quit\n");
    assert_eq!(chat.end().code, Some(0));
    assert_eq!(other.run(&["peers", "--plaintext"]).done(), "");
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let hub = TestHub::start();
    let (good, nowhere) = (hub.address().to_string(), "127.0.0.1:1");
    let home = tempfile::tempdir().unwrap();
    let ask = |file: &str, environment: Option<&str>, flag: Option<&str>| {
        let config = format!("hub = '{file}'\nname = 'sova'\n");
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        let mut command = cli::homeless(home.path(), &["peers"]);
        if let Some(hub) = environment {
            command.env("CHINWAG_HUB", hub);
        }
        if let Some(hub) = flag {
            command.args(["--hub", hub]);
        }
        cli::run(command, b"").code
    };
    assert_eq!(ask(nowhere, None, None), Some(3));
    assert_eq!(ask(&good, None, None), Some(0));
    assert_eq!(ask(nowhere, Some(&good), None), Some(0));
    assert_eq!(ask(&good, Some(nowhere), None), Some(3));
    assert_eq!(ask(nowhere, Some(nowhere), Some(&good)), Some(0));
    assert_eq!(ask(&good, Some(&good), Some(nowhere)), Some(3));
    assert_eq!(ask("no hub", None, None), Some(2));
}

#[test]
fn peers_are_watched_until_ctrl_c() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let watch = sova.start(&["peers", "--watch", "--json"]);
    assert_eq!(watch.object()["type"], "reset");
    assert_eq!(watch.object()["type"], "listed");
    let listening = buzz.start(&["listen"]);
    let came = watch.object();
    assert_eq!((&came["type"], &came["name"]), (&"peer".into(), &"buzz".into()));
    listening.signal("TERM");
    assert_eq!(listening.end().code, Some(0));
    let left = watch.object();
    assert_eq!((&left["type"], &left["name"]), (&"left".into(), &"buzz".into()));
    watch.signal("INT");
    assert_eq!(watch.end().code, Some(0));
}

#[test]
fn a_closed_pipe_ends_tail_quietly() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run(&["post", "lobby", "hello"]).done();
    let tail = sova.command(&["tail", "--last", "1"]);
    let mut shell = std::process::Command::new("sh");
    // The second part reads one line and exits; nothing further is posted.
    shell.args(["-c", r#""$0" tail --last 1 | head -n 1; echo end"#]).arg(tail.get_program());
    shell.envs(tail.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stderr(Stdio::piped());
    let ended = cli::run(shell, b"");
    assert!(ended.stdout.ends_with(" sova: hello\nend\n"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_blocked_command_stops_on_a_signal_and_leaves_the_hub() {
    let hub = TestHub::start();
    let (sova, other) = (Person::new(&hub, "sova"), Person::new(&hub, "sova"));
    let tailing = ["tail", "--last", "300", "--plaintext"];
    // More than the pipe and all queues hold.
    let lines = vec!["x".repeat(12_000); 300].join("\n");
    sova.run_with(&["post", "--plaintext"], &lines).done();
    let mut tail = sova.command(&tailing);
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let mut unread = tail.stdout.take().unwrap();
    unread.read_exact(&mut [0]).unwrap();
    let kill = format!("kill -TERM {}", tail.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(tail.wait().unwrap().code()));
    assert_eq!(end.recv_timeout(within::PATIENCE), Ok(Some(0)));
    // The guest's name is free again.
    other.run(&["peers", "--plaintext"]).done();
    drop(unread);
}

#[test]
fn foreign_text_is_escaped_as_text_and_exact_as_json() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let nasty = "\x1b]0;owned\x07\u{202e}\u{9b}2J end";
    sova.run(&["post", "lobby", nasty]).done();
    let plain = sova.run(&["history"]).done();
    assert!(plain.ends_with("␛]0;owned␇<U+202E><U+009B>2J end\n"), "{plain}");
    let json = sova.run(&["history", "--json"]);
    assert!(!json.stdout.contains(['\x1b', '\u{202e}', '\u{9b}']), "{json:?}");
    assert_eq!(json.objects()[0]["text"], nasty);
}

#[test]
fn a_chat_on_a_pipe_posts_its_lines_and_waits_for_them() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let input = "hello\n/mgs buzz secret\n//shrug\nP2P 127.0.0.1 secret\nPEER\nlast";
    let ended = sova.run_with(&["chat"], input);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(
        ended.stderr,
        "chinwag: lines that could not be carried out: 2
"
    );
    let shown = ended.stdout;
    for text in ["sova: hello\n", "sova: /shrug\n", "sova: last\n", "\nsova  online  127.0.0.1:"] {
        assert_eq!(shown.matches(text).count(), 1, "{text:?} in\n{shown}");
    }
    assert!(shown.contains("* unknown command /mgs"), "{shown}");
    let history = sova.run(&["history", "--json"]).objects();
    let texts: Vec<_> = history.iter().map(|message| &message["text"]).collect();
    assert_eq!(texts, ["hello", "/shrug", "last"]);
}

#[test]
fn a_chat_on_a_pipe_fails_if_one_of_its_lines_fails() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let too_long = "x".repeat(16 * 1024 + 1);
    for line in [
        "/msg nobody secret",
        "/leave
to nobody",
        "/join no room",
        &too_long,
    ] {
        let ended = sova.run_with(
            &["chat"],
            &format!(
                "{line}
"
            ),
        );
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(
            ended.stderr,
            "chinwag: lines that could not be carried out: 1
"
        );
    }
}

#[test]
fn a_chat_on_a_pipe_posts_to_the_room_it_joined_last() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run_with(&["chat"], "/join ops\nto ops\n/leave\nto all").done();
    for (room, text) in [("ops", "to ops"), ("lobby", "to all")] {
        let history = sova.run(&["history", room, "--json"]).objects();
        assert_eq!(history.iter().map(|m| &m["text"]).collect::<Vec<_>>(), [text]);
    }
}
