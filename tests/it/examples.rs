//! The programs in `examples/`, run unchanged.

use std::{path::Path, process::Command};

use crate::support::{cli::Running, hub::TestHub, person::Person};

/// Starts an example. `cargo test` builds the examples unless it is told to run one target only.
fn start(name: &str, args: &[&str]) -> Running {
    let programs = Path::new(env!("CARGO_BIN_EXE_chinwag")).parent().unwrap();
    let path = programs.join("examples").join(name);
    assert!(path.exists(), "run `cargo build --examples` before this test");
    let mut command = Command::new(path);
    command.args(args);
    Running::start(command)
}

#[test]
fn the_echo_bot_repeats_what_is_said_in_the_lobby_and_directly() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let tail = buzz.start(&["tail", "lobby", "--last", "1000", "--json"]);
    let listening = sova.start(&["listen", "--json"]);
    listening.direct_address();
    let _echo = start("echo", &[&hub.address().to_string()]);
    sova.run(&["send", "--wait", "echo", "to you"]).done();
    let answer = listening.object();
    assert_eq!((&answer["sender"], &answer["text"]), (&"echo".into(), &"to you".into()));
    // The bot may have joined the lobby only after some of these posts.
    for attempt in 0.. {
        let text = format!("to all {attempt}");
        sova.run(&["post", "lobby", &text]).done();
        // A post of the bot may come before that of the next attempt.
        let said = tail.object();
        if said["sender"] == "echo" {
            assert!(said["text"].as_str().unwrap().starts_with("to all "), "{said}");
            break;
        }
        assert!(attempt < 1000, "the bot says nothing");
    }
}

#[test]
fn the_bridge_connects_a_room_with_standard_input_and_output() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let tail = sova.start(&["tail", "ops", "--last", "1000", "--json"]);
    let mut bridge = start("bridge", &[&hub.address().to_string(), "bridge", "ops"]);
    bridge.write(b"disk is full\n");
    let said = tail.object();
    assert_eq!((&said["sender"], &said["text"]), (&"bridge".into(), &"disk is full".into()));
    assert_eq!(bridge.line(), r#"bridge "disk is full""#);
    sova.run(&["post", "ops", "on my way"]).done();
    assert_eq!(bridge.line(), r#"sova "on my way""#);
    assert_eq!(bridge.end().done(), "");
}

#[test]
fn a_durable_message_waits_for_its_receiver() {
    let hub = TestHub::start();
    let (buzz, directory) = (Person::new(&hub, "buzz"), tempfile::tempdir().unwrap());
    let directory = directory.path().to_str().unwrap();
    let durable =
        start("durable", &[&hub.address().to_string(), "sova", "buzz", "later", directory]);
    assert!(durable.line().starts_with("queued "));
    let listening = buzz.start(&["listen", "--json"]);
    assert_eq!(listening.object()["text"], "later");
    assert_eq!(durable.line(), "delivered to buzz");
    durable.end().done();
}

#[test]
fn the_embedded_hub_serves_its_clients() {
    assert_eq!(start("embedded_hub", &[]).line(), r#"received "hello""#);
}

#[test]
fn the_front_page_of_the_library_has_the_echo_bot() {
    let read = |path| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let example = read("examples/echo.rs").unwrap();
    let (_header, code) = example.split_once("\n\n").unwrap();
    let page = read("src/lib.rs").unwrap();
    let page: Vec<_> = page.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let page: Vec<_> = page.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    assert!(page.join("\n").contains(code.trim_end()), "copy it to the page");
}
