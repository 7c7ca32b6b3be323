//! The full-screen chat: it opens, sends and receives, and restores the terminal at every kind of
//! end.

use std::{fs, path::Path, process::Command};

use crate::support::{cli, fake_hub::FakeHub, hub::TestHub, skip::not_tested, terminal::Terminal};
use nix::sys::signal::Signal;

/// The usual size of a terminal in columns and rows.
const USUAL: (u16, u16) = (100, 30);

/// The default modes of a terminal.
const USUAL_MODES: [&str; 3] = ["ICANON", "ECHO", "ISIG"];

fn chat(home: &Path, hub: &TestHub, name: &str, more: &[(&str, &str)]) -> Terminal {
    let hub = hub.address().to_string();
    let args = ["--hub", &hub, "--name", name, "--listen", "127.0.0.1:0", "chat"];
    let terminal = Terminal::of_size(USUAL, home, &args, more);
    terminal.wait_for("lobby>");
    // Users who see themselves in the list are registered.
    terminal.wait_for(&format!("● {name} (you)"));
    assert!(terminal.is_full_screen());
    terminal
}

/// Waits for the program to exit, and asserts that the terminal is restored.
#[track_caller]
fn gives_back(terminal: &mut Terminal) -> u32 {
    let status = terminal.wait_for_end();
    assert!(!terminal.is_full_screen(), "still the whole screen");
    let modes = terminal.modes();
    for mode in USUAL_MODES {
        assert!(modes.split(" | ").any(|set| set == mode), "no {mode} in {modes}");
    }
    status.exit_code()
}

#[test]
fn two_people_talk_in_a_room_and_directly() {
    let hub = TestHub::start();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut sova = chat(one.path(), &hub, "sova", &[]);
    let mut buzz = chat(two.path(), &hub, "buzz", &[]);
    sova.wait_for("● buzz");

    sova.type_line("does the new build run for you?");
    buzz.wait_for("sova  does the new build run for you?");
    sova.wait_for("does the new build run for you? ✓");
    buzz.type_line("green here");
    sova.wait_for("buzz  green here");

    sova.type_line("/msg buzz");
    sova.wait_for("only buzz>");
    sova.wait_for("buzz · known · live");
    sova.type_line("between us");
    sova.wait_for("between us ✓ direct 127.0.0.1:");
    // The unread message is shown.
    buzz.wait_until("the conversation", |screen| {
        screen.lines().any(|line| line.contains(" 2 ● sova")).then_some(())
    });
    assert_eq!(buzz.lines_with("between us"), 0, "{}", buzz.screen());
    buzz.type_keys("\x1b2");
    buzz.wait_for("sova  between us");
    sova.wait_for("between us ✓✓ direct");
    buzz.wait_for("sova · known · live");
    buzz.type_keys("hm");
    sova.wait_for("buzz is typing…");
    buzz.type_line("m");
    sova.wait_for("buzz  hmm");

    let history = cli::run(cli::command(one.path(), hub.address(), "sova", &["history"]), b"");
    let history = history.done();
    assert!(history.contains("green here") && !history.contains("between us"), "{history}");
    sova.type_line("/quit");
    assert_eq!(gives_back(&mut sova), 0, "{}", sova.screen());
    buzz.type_keys("\x11");
    assert_eq!(gives_back(&mut buzz), 0, "{}", buzz.screen());
}

#[test]
fn a_queued_message_stays_unread_until_it_was_displayed() {
    let hub = TestHub::start();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let send = |text: &str| {
        let args = ["send", "buzz", "--queue", "--wait", text];
        cli::run(cli::command(one.path(), hub.address(), "sova", &args), b"").done();
    };
    let unread = |terminal: &Terminal| {
        terminal.wait_until("one unread", |screen| {
            let mut places = screen.lines().filter_map(|line| line.split('│').next());
            places
                .any(|place| place.contains("sova") && place.trim_end().ends_with(" 1"))
                .then_some(())
        });
    };
    let mut buzz = chat(two.path(), &hub, "buzz", &[]);
    send("nobody has seen this");
    unread(&buzz);
    buzz.signal("KILL");
    buzz.wait_for_end();

    let mut buzz = chat(two.path(), &hub, "buzz", &[]);
    unread(&buzz);
    buzz.type_line("/quit");
    assert_eq!(gives_back(&mut buzz), 0);
    assert_eq!(buzz.lines_with("nobody has seen this"), 0, "it comes again: {}", buzz.screen());

    let mut buzz = chat(two.path(), &hub, "buzz", &[]);
    unread(&buzz);
    buzz.type_line("/msg sova");
    buzz.wait_for("nobody has seen this");
    // The display of another message shows that the event loop has run.
    send("and this");
    buzz.wait_for("and this");
    buzz.type_line("/leave lobby");
    buzz.wait_for("left lobby");
    buzz.signal("KILL");
    buzz.wait_for_end();
    let again = cli::command(two.path(), hub.address(), "buzz", &["listen", "--count", "1"]);
    let listening = cli::Running::start(again);
    listening.complaint();
    send("the next");
    let heard = listening.line();
    assert!(heard.ends_with("the next"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_and_leaving_lists_the_rooms_of_a_large_hub_once() {
    const ROOMS: usize = 10_000;
    let hub = FakeHub::start().await;
    hub.set_rooms(ROOMS);
    let (home, at) = (tempfile::tempdir().unwrap(), hub.endpoint().to_string());
    let hub = hub.serve_rooms();
    let args = ["--plaintext", "--hub", &at, "--name", "sova", "--no-direct", "chat"];
    let terminal = Terminal::of_size(USUAL, home.path(), &args, &[]);
    terminal.wait_for("lobby>");
    for number in 0..40 {
        terminal.type_line(&format!("/join room-{number}"));
        terminal.wait_for(&format!("room-{number}>"));
        terminal.type_line("/leave");
        terminal.wait_for("lobby>");
    }
    // Completion has them.
    terminal.type_keys("/join room-998\t");
    terminal.wait_for("room-9986");
    let requests = hub.room_requests();
    // A slow machine may take longer than the list is fresh.
    assert!((10..=30).contains(&requests), "{requests} requests for pages of the list");
    terminal.type_keys("\x15");
    drop(terminal);
    hub.stop().await;
}

#[test]
fn a_small_terminal_suffices() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let mut sova = chat(home.path(), &hub, "sova", &[]);
    for size in [(40, 12), (7, 3), (1, 1), (200, 60), (40, 12)] {
        sova.resize(size);
    }
    // Input typed at the same moment is not lost.
    sova.type_line("still here");
    sova.wait_for("sova: still here ✓");
    let screen = sova.screen();
    assert!(screen.lines().count() <= 12 && !screen.contains('│'), "{screen}");
    sova.resize(USUAL);
    sova.wait_for("● sova (you)");
    sova.type_line("/quit");
    assert_eq!(gives_back(&mut sova), 0);
}

#[test]
fn a_signal_restores_the_terminal() {
    let hub = TestHub::start();
    for signal in ["TERM", "INT", "HUP"] {
        let home = tempfile::tempdir().unwrap();
        let mut sova = chat(home.path(), &hub, &signal.to_lowercase(), &[]);
        sova.type_keys("half a tho");
        sova.wait_for("lobby> half a tho");
        sova.signal(signal);
        assert_eq!(gives_back(&mut sova), 0, "{signal}: {}", sova.screen());
    }
}

#[test]
fn a_fatal_signal_restores_the_terminal() {
    let hub = TestHub::start();
    for signal in [Signal::SIGABRT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM] {
        let home = tempfile::tempdir().unwrap();
        let name = signal.as_str().trim_start_matches("SIG");
        let mut sova = chat(home.path(), &hub, &name.to_lowercase(), &[]);
        sova.signal(name);
        let code = gives_back(&mut sova);
        assert_eq!(code, 128 + signal as u32, "{signal}: {}", sova.screen());
    }
}

/// Runs `chinwag` as a job and reports its state; a key resumes it.
const JOB: &str = r#"
set -m
sh -c 'echo $$ > pid; exec "$@"' sh "$@"
echo "STOPPED"; read key; fg
stty sane; printf '\033[2J\033[HSTOPPED AGAIN\n'; read key; fg
echo "ENDED $?"
"#;

#[test]
fn stopping_and_resuming_restores_the_terminal_each_time() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let args = ["--hub", &address, "--name", "sova", "--listen", "127.0.0.1:0", "chat"];
    let mut sova = Terminal::shell(USUAL, home.path(), JOB, &args);
    sova.wait_for("● sova (you)");
    let pid = fs::read_to_string(home.path().join("pid")).unwrap();
    let raw = sova.modes();

    kill("TSTP", &pid);
    sova.wait_for("STOPPED");
    assert!(!sova.is_full_screen(), "still the whole screen");
    let modes = sova.modes();
    for mode in USUAL_MODES {
        assert!(modes.split(" | ").any(|set| set == mode), "no {mode} in {modes}");
    }
    sova.type_keys("\n");
    sova.wait_for("● sova (you)");
    assert!(sova.is_full_screen());
    assert_eq!(sova.modes(), raw);

    // SIGSTOP cannot be handled: the terminal stays as it was.
    kill("STOP", &pid);
    sova.wait_for("STOPPED AGAIN");
    assert_ne!(sova.modes(), raw);
    sova.type_keys("\n");
    sova.wait_for("● sova (you)");
    sova.type_keys("hello");
    sova.wait_for("lobby> hello");
    assert!(sova.is_full_screen());
    assert_eq!(sova.modes(), raw);

    kill("QUIT", &pid);
    sova.wait_for("ENDED 131");
    gives_back(&mut sova);
}

#[test]
fn a_chat_without_a_job_control_shell_does_not_stop() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let mut sova = chat(home.path(), &hub, "sova", &[]);
    sova.signal("TSTP");
    sova.type_line("still here");
    sova.wait_for("still here ✓");
    sova.type_line("/quit");
    assert_eq!(gives_back(&mut sova), 0, "{}", sova.screen());
}

/// Runs `chinwag` in a process namespace in which its group and session leaders are invisible, as
/// in a container.
const CONTAINED: &str = r#"exec unshare --user --pid --fork sh -c '"$@"; exit $?' sh "$@""#;

#[test]
fn a_chat_in_a_container_without_a_shell_does_not_stop() {
    let tried = Command::new("unshare").args(["--user", "--pid", "--fork", "true"]).status();
    if !tried.is_ok_and(|status| status.success()) {
        return not_tested("`unshare` makes no container here");
    }
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let args = ["--hub", &address, "--name", "sova", "--listen", "127.0.0.1:0", "chat"];
    let mut sova = Terminal::shell(USUAL, home.path(), CONTAINED, &args);
    sova.wait_for("● sova (you)");
    sova.type_keys("\x1a");
    sova.type_line("still here");
    sova.wait_for("still here ✓");
    sova.type_line("/quit");
    assert_eq!(gives_back(&mut sova), 0, "{}", sova.screen());
}

/// Runs `chinwag` with SIGHUP ignored; no end of input is typed when the terminal closes. The shell
/// leads the session and therefore receives further signals.
const DEAF: &str = r#"
stty eof undef; trap "" HUP
sh -c 'echo $$ > pid; exec "$@"' sh "$@"
exit 0
"#;

#[test]
fn a_closed_terminal_ends_a_chat_that_ignores_hangups() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let args = ["--hub", &address, "--name", "sova", "--listen", "127.0.0.1:0", "chat"];
    let mut sova = Terminal::shell(USUAL, home.path(), DEAF, &args);
    sova.wait_for("● sova (you)");
    let pid = fs::read_to_string(home.path().join("pid")).unwrap();
    sova.hang_up();
    let ended = sova.ends();
    if !ended {
        kill("KILL", &pid);
    }
    assert!(ended, "it runs without a terminal");
}

fn kill(signal: &str, pid: &str) {
    let kill = format!("kill -{signal} {pid}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn a_panic_restores_the_terminal_and_is_printed_afterwards() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let mut sova =
        chat(home.path(), &hub, "sova", &[("CHINWAG_TEST_PANIC", "1"), ("RUST_BACKTRACE", "0")]);
    sova.type_keys("\x1b[24~");
    assert_eq!(gives_back(&mut sova), 101);
    assert!(sova.screen().contains("CHINWAG_TEST_PANIC is set"), "{}", sova.screen());
}

#[test]
fn a_failed_start_leaves_the_screen_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--hub", "127.0.0.1:1", "--name", "sova", "--listen", "127.0.0.1:0", "chat"];
    let mut sova = Terminal::of_size(USUAL, home.path(), &args, &[]);
    assert_eq!(gives_back(&mut sova), 3, "{}", sova.screen());
    assert!(sova.screen().contains("no hub at 127.0.0.1:1"), "{}", sova.screen());
}

#[test]
fn a_dumb_terminal_and_plain_use_line_mode() {
    let hub = TestHub::start();
    let address = hub.address().to_string();
    for (name, more, environment) in
        [("sova", &["--plain"][..], &[][..]), ("buzz", &[], &[("TERM", "dumb")])]
    {
        let home = tempfile::tempdir().unwrap();
        let args = ["--hub", &address, "--name", name, "--listen", "127.0.0.1:0", "chat"];
        let sova = Terminal::of_size(USUAL, home.path(), &[&args, more].concat(), environment);
        sova.wait_for("what you type goes to the room");
        assert!(!sova.is_full_screen());
    }
}

#[test]
fn a_terminal_without_size_or_type_uses_line_mode() {
    let hub = TestHub::start();
    let address = hub.address().to_string();
    for (name, lacks) in [("sova", "stty rows 0 cols 0"), ("buzz", "unset TERM"), ("colt", "TERM=")]
    {
        let home = tempfile::tempdir().unwrap();
        let args = ["--hub", &address, "--name", name, "--listen", "127.0.0.1:0", "chat"];
        let script = format!(r#"{lacks}; "$@""#);
        let chat = Terminal::shell(USUAL, home.path(), &script, &args);
        chat.wait_for("what you type goes to the room");
        assert!(!chat.is_full_screen());
    }
}
