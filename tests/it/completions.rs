//! Shell completion, requested as the generated scripts do, and once by bash itself.

use std::{process::Command, time::Instant};

use crate::support::{cli, hub::TestHub, person::Person, within::PATIENCE};

/// Returns the completions of the last of these words, without options.
#[track_caller]
fn offered(command: Command, words: &[&str]) -> Vec<String> {
    let all = everything(command, words);
    all.into_iter().filter(|offered| !offered.starts_with('-')).collect()
}

#[track_caller]
fn everything(mut command: Command, words: &[&str]) -> Vec<String> {
    command.args(["--", "chinwag"]).args(words).env("CHINWAG_COMPLETE", "bash");
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    let ended = cli::run(command, b"");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    ended.stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn words(person: &Person<'_>, words: &[&str]) -> Vec<String> {
    offered(person.command(&[]), words)
}

/// Repeats the request until it offers these: on a busy machine the hub may be too slow for the
/// short time limit of a completion.
#[track_caller]
fn are_offered(ask: impl Fn() -> Vec<String>, wanted: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let offered = ask();
        if offered == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{offered:?} and not {wanted:?}");
    }
}

#[test]
fn names_and_rooms_come_from_the_hub() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    sova.run(&["post", "kitchen", "soup"]).done();
    let watcher = Person::new(&hub, "bystander");
    let changes = watcher.start(&["peers", "--watch", "--json"]);
    let listening = buzz.start(&["listen"]);
    while changes.object()["name"] != "buzz" {}

    are_offered(|| words(&sova, &["send", "b"]), &["buzz"]);
    are_offered(|| words(&sova, &["verify", "B"]), &["buzz"]);
    // A user is not offered as a recipient to itself.
    are_offered(|| words(&sova, &["send", ""]), &["buzz"]);
    are_offered(|| words(&sova, &["tail", ""]), &["kitchen", "lobby"]);
    are_offered(|| words(&sova, &["--room", "k"]), &["kitchen"]);
    are_offered(|| words(&sova, &["mute", "k"]), &["kitchen"]);
    let commands = words(&sova, &["do"]);
    assert_eq!(commands, ["doctor"]);
    assert!(everything(sova.command(&[]), &["send", "--"]).contains(&"--queue".to_owned()));

    // Options on the line apply: another home has no contacts.
    let stranger = Person::new(&hub, "stranger");
    let home = stranger.home.path().to_str().unwrap();
    assert_eq!(words(&sova, &["--home", home, "send", "b"]), [""; 0]);

    // Contacts are offered without the hub as well.
    sova.run(&["send", "buzz", "hi"]).done();
    drop(listening);
    drop(changes);
    let book = std::fs::read(sova.home.path().join("contacts.toml")).unwrap();
    drop(hub_is_away(&sova));
    assert_eq!(std::fs::read(sova.home.path().join("contacts.toml")).unwrap(), book);
}

/// Requests completions with another hub address in the environment.
fn hub_is_away(sova: &Person<'_>) -> Vec<String> {
    let mut command = cli::homeless(sova.home.path(), &[]);
    command.env("CHINWAG_NAME", "sova").env("CHINWAG_HUB", "127.0.0.1:1");
    let found = offered(command, &["send", "b"]);
    assert_eq!(found, [""; 0], "nobody was met at that hub");
    found
}

#[test]
fn completing_without_a_hub_creates_and_prints_nothing() {
    let mut hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let address = hub.address();
    let ask = |hub: &str, of: &[&str]| {
        let mut command = cli::homeless(home.path(), &[]);
        command.env("CHINWAG_NAME", "sova").env("CHINWAG_HUB", hub);
        offered(command, of)
    };
    // Without a key and a known hub, only static completions are offered.
    assert_eq!(ask(&address.to_string(), &["send", "b"]), [""; 0]);
    assert_eq!(ask(&address.to_string(), &["tail", "l"]), ["lobby"]);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);

    cli::run(cli::command(home.path(), address, "sova", &["post", "kitchen", "x"]), b"").done();
    are_offered(|| ask(&address.to_string(), &["tail", "k"]), &["kitchen"]);
    hub.kill9();
    assert_eq!(ask(&address.to_string(), &["tail", ""]), ["lobby"]);
    std::fs::write(home.path().join("config.toml"), "nonsense").unwrap();
    assert_eq!(ask(&address.to_string(), &["tail", ""]), [""; 0]);
    assert_eq!(ask("also nonsense", &["compl"]), ["completions"]);
}

#[test]
fn every_shell_has_its_script() {
    let home = tempfile::tempdir().unwrap();
    // Invalid settings do not matter.
    std::fs::write(home.path().join("config.toml"), "nonsense").unwrap();
    for (shell, part) in [
        ("bash", "complete -o nospace"),
        ("zsh", "#compdef chinwag"),
        ("fish", "complete --keep-order --exclusive --command chinwag"),
        ("elvish", "edit:completion:arg-completer[chinwag]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = cli::run(cli::homeless(home.path(), &["completions", shell]), b"").done();
        assert!(script.contains(part), "{shell}: {script}");
        assert!(script.contains("CHINWAG_COMPLETE"), "{shell}");
        assert!(script.contains(env!("CARGO_BIN_EXE_chinwag")), "{shell}: as it was called");
    }
    cli::run(cli::homeless(home.path(), &["completions", "cmd"]), b"").failed(2);
}

/// A name of a directory that has a meaning in a shell, unless it is quoted well.
#[cfg(unix)]
const HOSTILE: &str = r#"a b $(touch x) `touch x` it's "q" \ $HOME; touch x"#;

#[cfg(unix)]
#[test]
fn bash_calls_a_program_with_any_path_and_runs_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join(HOSTILE);
    std::fs::create_dir(&directory).unwrap();
    let program = directory.join("chinwag");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_chinwag"), &program).unwrap();
    let script = Command::new(&program).args(["completions", "bash"]).output().unwrap();
    assert!(script.status.success(), "{script:?}");
    let file = home.path().join("completions.bash");
    std::fs::write(&file, script.stdout).unwrap();
    let tab = "source \"$0\"; COMP_WORDS=(chinwag compl); COMP_CWORD=1; COMP_TYPE=9; \
               _clap_complete_chinwag chinwag compl chinwag; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", tab]).arg(&file).current_dir(home.path());
    assert_eq!(cli::run(bash, b"").done(), "completions\n");
    assert!(!home.path().join("x").exists(), "the path was run");
}

#[cfg(unix)]
#[test]
fn bash_completes_a_word() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run(&["post", "kitchen", "soup"]).done();
    let script = sova.run(&["completions", "bash"]).done();
    let file = sova.home.path().join("completions.bash");
    std::fs::write(&file, script).unwrap();
    // As readline does when Tab is pressed.
    let tab = "source \"$0\"; COMP_WORDS=(chinwag tail k); COMP_CWORD=2; COMP_TYPE=9; \
               _clap_complete_chinwag chinwag k tail; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let press = || {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", tab]).arg(&file).envs(
            sova.command(&[])
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))),
        );
        cli::run(bash, b"").done().lines().map(str::to_owned).collect()
    };
    are_offered(press, &["kitchen"]);
}
