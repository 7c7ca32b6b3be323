//! The shell bot in `examples/`, run unchanged: it answers in a room and directly.
#![cfg(unix)]

use std::{ffi::OsString, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::support::{cli::Running, hub::TestHub, person::Person};

const BOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bot.sh");

/// Starts the bot as an installed program.
fn start(person: &Person<'_>) -> Running {
    let chinwag = Path::new(env!("CARGO_BIN_EXE_chinwag")).parent().unwrap();
    let mut path = OsString::from(chinwag);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    // The path contains characters that a shell interprets.
    let place = person.home.path().join("it's $HOME");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(BOT, place.join("my bot.sh")).unwrap();
    let mut bot = Command::new(place.join("my bot.sh"));
    bot.envs(person.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    bot.args(["--room", "lobby,ops"]).env("PATH", path).current_dir(person.home.path());
    let running = Running::start(bot);
    let notice = running.complaint();
    assert!(notice.contains("ops is a new room"), "{notice}");
    let ready = running.complaint();
    assert!(ready.contains("dice listens to lobby, ops, and direct messages at"), "{ready}");
    running
}

#[test]
fn the_bot_answers_in_a_room_and_directly() {
    let hub = TestHub::start();
    let (sova, dice) = (Person::new(&hub, "sova"), Person::new(&hub, "dice"));
    let bot = start(&dice);
    let ask = |room: &str, text: &str| {
        sova.run(&["post", room, text]).done();
        let tail = sova.start(&["tail", room, "--last", "1000", "--json"]);
        loop {
            // Skip everything up to the question.
            if tail.object()["text"] == text {
                let answer = tail.object();
                assert_eq!(answer["sender"], "dice");
                return answer["text"].as_str().unwrap().to_owned();
            }
        }
    };
    assert_eq!(ask("lobby", "!help"), "!time, !roll, !echo WORDS, !help");
    assert!((1..=6).contains(&ask("ops", "!roll").parse::<u8>().unwrap()));
    assert!(ask("lobby", "!time").contains("UTC"));

    let listening = sova.start(&["listen", "--json"]);
    listening.complaint();
    let ask = |text: &str| {
        sova.run(&["send", "dice", text]).done();
        let answer = listening.object();
        assert_eq!((&answer["sender"], &answer["standing"]), (&"dice".into(), &"known".into()));
        answer["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("!help"), "!time, !roll, !echo WORDS, !help");
    for hostile in [
        "$(touch owned) `touch owned`",
        "'; touch owned; echo '",
        "\" && touch owned && \"",
        "one\ntouch owned\n",
        "-n \\c %s ${HOME} * ~",
        "\u{1b}[2J\u{202e}",
    ] {
        assert_eq!(ask(&format!("!echo {hostile}")), format!("sova said: {}", hostile.trim_end()));
    }
    assert!(!dice.home.path().join("owned").exists(), "a text was run as a command");
    bot.signal("TERM");
    let ended = bot.end();
    // The first direct message is a reason to say that they are kept.
    let notices: Vec<_> = ended.stderr.lines().collect();
    assert!(notices.len() == 1 && notices[0].contains("messages are kept in"), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_bot_is_short_and_executable() {
    let lines = std::fs::read_to_string(BOT).unwrap().lines().count();
    assert!(lines <= 10, "{lines} lines");
    let mode = std::fs::metadata(BOT).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    // Only if shellcheck is installed.
    if let Ok(checked) = Command::new("shellcheck").arg(BOT).output() {
        assert!(checked.status.success(), "{checked:?}");
    }
}
