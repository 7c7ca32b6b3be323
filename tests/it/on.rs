//! `chinwag on`: runs a command for each message, and replies with its output.

use std::path::Path;

use crate::support::{
    cli::{self, Running},
    hub::TestHub,
    person::Person,
};
use serde_json::Value;

/// A text that would run commands in a shell.
const HOSTILE: &str = "$(touch owned) `touch owned` '; touch owned; \" && touch owned\n\
                       touch owned | ${HOME} \\\u{1b}[2J\u{202e}";

/// Starts a bot with these arguments and waits until it is ready.
fn bot(person: &Person<'_>, args: &[&str]) -> Running {
    let mut command = person.command(&[&["on"], args].concat());
    command.current_dir(person.home.path());
    let running = Running::start(command);
    let ready = running.complaint();
    assert!(ready.contains(&format!("{} listens to ", person.name)), "{ready}");
    running
}

/// Starts to print the posts in the lobby.
fn tail(person: &Person<'_>) -> Running {
    let tail = person.start(&["tail", "--json", "-v"]);
    // Wait until it has joined.
    while !tail.complaint().contains("joined") {}
    tail
}

/// Returns the next message of a sender.
fn said_by(tail: &Running, name: &str) -> Value {
    loop {
        let message = tail.object();
        if message["sender"] == name {
            return message;
        }
    }
}

fn nothing_was_obeyed(home: &Path) {
    assert!(!home.join("owned").exists(), "a text was run as a command");
}

#[test]
fn only_the_output_of_a_command_is_posted() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    sova.run(&["post", "lobby", "before", "it", "came"]).done();
    let tail = tail(&sova);
    // The bot must ignore its own posts, or it would answer itself for ever.
    let run = r#"case $MESSAGE_TEXT in silent) ;; bad) echo no; exit 3 ;; *) cat; echo ;; esac"#;
    let running = bot(&dice, &["--run", run, "--count", "4", "--json"]);
    for text in ["one", "silent", "bad", HOSTILE] {
        sova.run(&["post", "lobby", text]).done();
    }
    for text in ["one", HOSTILE] {
        let asked = loop {
            let asked = said_by(&tail, "sova");
            if asked["text"] == text {
                break asked;
            }
        };
        let answer = said_by(&tail, "dice");
        let heard: Value = serde_json::from_str(answer["text"].as_str().unwrap()).unwrap();
        assert_eq!(heard, asked, "it reads what tail prints");
        let posted = running.object();
        assert_eq!((&posted["type"], &posted["id"]), (&"posted".into(), &answer["id"]));
    }
    let failed: Value = serde_json::from_str(&running.complaint()).unwrap();
    assert_eq!(failed["message"], "message from sova in lobby: the command failed: exit status: 3");
    let ended = running.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    nothing_was_obeyed(dice.home.path());
    let history = sova.run(&["history", "--json"]).objects();
    assert_eq!(history.iter().filter(|message| message["sender"] == "dice").count(), 2);
}

#[test]
fn a_direct_message_is_answered_directly() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let running = bot(
        &dice,
        &[
            "--direct-only",
            "--json",
            "--count",
            "1",
            "--run",
            r#"printf '%s/%s/%s: %s\n' "$MESSAGE_TYPE" "$MESSAGE_SENDER" "$MESSAGE_STANDING" "$MESSAGE_TEXT""#,
        ],
    );
    let listening = sova.start(&["listen", "--json"]);
    listening.complaint();
    sova.run(&["send", "dice", HOSTILE]).done();
    let answer = listening.object();
    assert_eq!(answer["sender"], "dice");
    assert_eq!(answer["text"], format!("direct/sova/known: {HOSTILE}"));
    let receipt = running.object();
    assert_eq!((&receipt["type"], &receipt["id"]), (&"receipt".into(), &answer["id"]));
    assert_eq!(running.end().code, Some(0));
    nothing_was_obeyed(dice.home.path());
    assert_eq!(sova.run(&["history"]).done(), "", "nothing of it is in the room");
}

#[test]
fn nested_commands_act_as_the_bot() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let tail = tail(&sova);
    let chinwag = env!("CARGO_BIN_EXE_chinwag");
    let run =
        format!("'{chinwag}' post lobby within; '{chinwag}' history \"$MESSAGE_ROOM\" --limit 1");
    // The command inherits the hub and the name from the bot's command line.
    let place = hub.address().to_string();
    let mut command = cli::homeless(sova.home.path(), &["on", "--rooms-only", "--run", &run]);
    command.args(["--hub", &place, "--name", "dice", "--home"]).arg(dice.home.path());
    let running = Running::start(command);
    assert_eq!(running.complaint(), "chinwag: dice listens to lobby");
    sova.run(&["post", "lobby", "go"]).done();
    assert_eq!(said_by(&tail, "dice")["text"], "within");
    let answer = said_by(&tail, "dice");
    assert!(answer["text"].as_str().unwrap().ends_with(" dice: within"), "{answer}");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_command_that_takes_too_long_is_killed_and_the_next_one_runs() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let tail = tail(&sova);
    let run = r#"case $MESSAGE_TEXT in long) sleep 1000 ;; *) echo next ;; esac"#;
    // Longer than the next command takes on a busy machine.
    let running = bot(&dice, &["--run", run, "--run-timeout", "5s"]);
    sova.run_with(&["post"], "long\nshort").done();
    assert_eq!(said_by(&tail, "dice")["text"], "next");
    assert!(running.complaint().contains("killed: it took longer than 5s"));
    running.signal("INT");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn commands_run_in_parallel_on_request() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let gate = dice.home.path().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // The first command ends with the second, which could not start before.
    let run = "case $MESSAGE_TEXT in first) cat gate ;; second) echo both | tee gate ;; esac";
    let running = bot(&dice, &["--run", run, "--jobs", "2", "--count", "2"]);
    sova.run_with(&["post"], "first\nsecond").done();
    assert_eq!(running.end().code, Some(0));
    let history = sova.run(&["history", "--json"]).objects();
    assert_eq!(history.iter().filter(|message| message["text"] == "both").count(), 2);
}

#[test]
fn a_burst_is_answered_completely_and_in_order() {
    const MESSAGES: usize = 700;
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let count = MESSAGES.to_string();
    let run = r#"echo "re: $MESSAGE_TEXT""#;
    let running = bot(&dice, &["--count", &count, "--json", "--run", run]);
    let lines: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    sova.run_with(&["post", "--json"], &lines.join("\n")).done();
    // One answer at a time: each command has its own timeout.
    let posted: Vec<Value> = lines.iter().map(|_| running.object()["id"].clone()).collect();
    let ended = running.end();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    let all = sova.run(&["history", "--all", "--json"]).objects();
    let answers: Vec<_> = all.iter().filter(|message| message["sender"] == "dice").collect();
    assert_eq!(answers.len(), MESSAGES);
    for ((answer, line), id) in answers.iter().zip(&lines).zip(posted) {
        assert_eq!((&answer["text"], &answer["id"]), (&format!("re: {line}").into(), &id));
    }
}

#[test]
fn an_answer_waits_for_an_unreachable_hub() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let place = hub.address();
    let (homes, gate) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = |name: &str| homes.path().join(name);
    let gate = gate.path().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // The command answers when the test opens the gate.
    let run = format!("read -r answer <'{}'; echo \"$answer\"", gate.display());
    let command =
        cli::command(&home("dice"), place, "dice", &["on", "--run", &run, "--count", "1"]);
    let running = Running::start(command);
    running.complaint();
    let sova = |args: &[&str]| cli::run(cli::command(&home("sova"), place, "sova", args), b"");
    sova(&["post", "lobby", "go"]).done();
    // Opening a named pipe waits for the command to open the other end.
    let opened = std::fs::File::options().write(true).open(&gate).unwrap();
    hub.kill9();
    std::io::Write::write_all(&mut { opened }, b"late\n").unwrap();
    hub.restart();
    assert_eq!(running.end().code, Some(0));
    let history = sova(&["history", "--json"]).objects();
    assert_eq!(history.iter().map(|m| &m["text"]).collect::<Vec<_>>(), ["go", "late"]);
}

#[test]
fn a_blocked_peer_runs_no_command() {
    let hub = TestHub::start();
    let [sova, eve, dice] = ["sova", "eve", "dice"].map(|who| Person::new(&hub, who));
    let listening = eve.start(&["listen"]);
    listening.complaint();
    dice.run(&["block", "eve"]).done();
    let tail = tail(&sova);
    let running =
        bot(&dice, &["--run", "cat >/dev/null; echo heard $MESSAGE_SENDER", "--count", "2"]);
    eve.run(&["post", "lobby", "one"]).done();
    sova.run(&["post", "lobby", "two"]).done();
    assert_eq!(said_by(&tail, "dice")["text"], "heard sova");
    // It takes effect at once.
    dice.run(&["unblock", "eve"]).done();
    eve.run(&["post", "lobby", "three"]).done();
    assert_eq!(said_by(&tail, "dice")["text"], "heard eve");
    running.end().done();
}

#[test]
fn unanswered_messages_are_answered_after_a_restart() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    // The command runs until the other messages have arrived.
    let fifo = dice.home.path().join("fifo");
    let run = format!("read line < '{}'", fifo.display());
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let running = bot(&dice, &["--count", "1", "--run", &run]);
    let couriers = sova.start(&["listen"]);
    couriers.direct_address();
    for text in ["one", "two", "three"] {
        sova.run(&["send", "dice", "--queue", "--wait", text]).done();
    }
    std::fs::write(&fifo, "go\n").unwrap();
    assert_eq!(running.end().code, Some(0));
    // They arrive before it reports that it is ready.
    let next = dice.start(&["on", "--count", "2", "--json", "--run", "echo $MESSAGE_TEXT"]);
    let answers = [next.object(), next.object()];
    assert_eq!(next.end().code, Some(0), "{answers:?}");
    let heard = [couriers.line(), couriers.line()].join("\n");
    assert!(heard.contains("two") && heard.contains("three"), "{heard}");
}

#[test]
fn a_contact_book_error_does_not_end_a_bot() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let running = bot(&dice, &["--run", "echo heard $MESSAGE_TEXT", "--json"]);
    let listening = sova.start(&["listen"]);
    listening.direct_address();
    sova.run(&["send", "dice", "one"]).done();
    running.object();
    let book = dice.home.path().join("contacts.toml");
    let before = std::fs::read_to_string(&book).unwrap();
    std::fs::write(&book, format!("{before}\noops [[\n")).unwrap();
    sova.run(&["send", "dice", "two"]).done();
    running.object();
    let said = running.complaint_of("contacts.toml cannot be used");
    assert!(said.contains("it counts as it was"), "{said}");
    std::fs::write(&book, before).unwrap();
    sova.run(&["send", "dice", "three"]).done();
    running.object();
}
