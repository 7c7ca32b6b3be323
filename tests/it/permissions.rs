//! What other users of the machine can do with the files of a user and of a hub.
#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

use crate::support::{
    cli,
    hub::{TestHub, command},
    person::Person,
    skip::not_tested,
};

/// The id of another user.
const OTHER: u32 = 12_345;

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Returns true if there can be a second user, who can run the programs. That takes root.
fn can_be_another_user() -> bool {
    let can_run = |program: &str| {
        let mut version = Command::new(program);
        as_other(version.arg("--version")).output().is_ok_and(|output| output.status.success())
    };
    let can = rustix::process::geteuid().is_root()
        && [env!("CARGO_BIN_EXE_chinwag"), env!("CARGO_BIN_EXE_chinwagd"), "flock"]
            .into_iter()
            .all(can_run);
    if !can {
        not_tested("only root, with setpriv and flock, can act as two users");
    }
    can
}

/// Returns the same command, run by the other user.
fn as_other(command: &Command) -> Command {
    let mut other = Command::new("setpriv");
    let id = OTHER.to_string();
    other.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

#[test]
fn a_home_that_others_can_write_is_mended_and_reported() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    sova.run(&["peers"]).done();
    let home = sova.home.path();
    let files = ["contacts.toml", "outbox.db", "inbox.db", "direct.db", "typed.txt", "config.toml"];
    let expose = || {
        for file in files {
            let file = home.join(file);
            fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
            set(&file, 0o666);
        }
        set(home, 0o777);
    };
    expose();
    let examined = sova.run(&["doctor"]);
    assert_eq!(examined.code, Some(1), "{examined:?}");
    let report: String = examined.stdout.split_whitespace().collect();
    for file in files {
        let told = format!("{},mode0666", home.join(file).display());
        assert!(report.contains(&told), "{file}: {report}");
    }
    assert!(report.contains("mode0777") && report.contains("`chmodgo-w"), "{report}");

    expose();
    let mended = sova.run(&["peers"]);
    assert!(mended.stderr.contains("others could read or write"), "{mended:?}");
    for file in files {
        assert!(mended.stderr.contains(file), "{file}: {mended:?}");
        let private = if file == "config.toml" { 0o644 } else { 0o600 };
        assert_eq!(mode(&home.join(file)), private, "{file}");
    }
    assert_eq!(mode(home), 0o755);
    let again = sova.run(&["peers"]);
    assert_eq!(again.stderr, "", "it is said once");
    assert!(sova.run(&["doctor"]).stdout.contains("only you can write your files"));
}

#[test]
fn locks_are_private() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let listening = sova.start(&["listen"]);
    assert!(listening.complaint().contains("receives direct messages"));
    sova.run(&["mute", "ops"]).done();
    drop(listening);
    for lock in ["contacts.toml.lock", "inbox.db.lock"] {
        let lock = sova.home.path().join(lock);
        assert_eq!(mode(&lock), 0o600, "{}", lock.display());
        set(&lock, 0o644);
    }
    sova.run(&["unmute", "ops"]).done();
    assert_eq!(mode(&sova.home.path().join("contacts.toml.lock")), 0o600);
}

#[test]
fn a_directory_above_that_others_can_write_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let home = above.path().join("home");
    let in_home = |args: &[&str]| cli::run(cli::homeless(&home, args), b"");
    set(above.path(), 0o777);
    let refused = in_home(&["--name", "sova", "contacts"]).failed(1);
    assert!(refused.contains("others can write to") && refused.contains("chmod go-w"), "{refused}");
    assert!(!home.exists());
    let examined = in_home(&["--name", "sova", "doctor"]).stdout;
    assert!(examined.contains("others can write to"), "{examined}");
    let data = home.to_str().unwrap();
    let said = TestHub::try_start(&["--data-dir", data], &[]).unwrap_err();
    assert!(said.contains("others can write to"), "{said}");
    set(above.path(), 0o755);
    in_home(&["--name", "sova", "contacts"]).done();
    // Such as /tmp: meant for all.
    set(above.path(), 0o1777);
    in_home(&["--name", "sova", "contacts"]).done();
    let shared = cli::run(cli::homeless(above.path(), &["--name", "sova", "contacts"]), b"");
    assert!(shared.failed(1).contains("a directory of your own"));
}

#[test]
fn the_data_directory_of_a_hub_is_mended() {
    let data = tempfile::tempdir().unwrap();
    let args = ["--data-dir", data.path().to_str().unwrap()];
    drop(TestHub::with(&args));
    let files = ["lock", "log.db", "members.db", "join-link"].map(|file| data.path().join(file));
    files.iter().for_each(|file| set(file, 0o666));
    set(data.path(), 0o777);
    let hub = TestHub::with(&args);
    hub.log_with("others could write to the data directory");
    for file in &files {
        let private = if file.ends_with("join-link") { 0o644 } else { 0o600 };
        assert_eq!(mode(file), private, "{}", file.display());
    }
    assert_eq!(mode(data.path()), 0o755);
}

/// As far as others cannot open it, they cannot hold it.
#[test]
fn another_users_lock_does_not_keep_a_hub_from_starting() {
    if !can_be_another_user() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let args = ["--data-dir", data.path().to_str().unwrap()];
    set(data.path(), 0o755);
    drop(TestHub::with(&args));
    let lock = data.path().join("lock");
    let hold = |path: &Path| {
        let mut hold = Command::new("flock");
        hold.args(["--exclusive", "--nonblock"]).arg(path).arg("true");
        as_other(&hold).output().unwrap()
    };
    let held = hold(&lock);
    assert!(!held.status.success(), "{held:?}");
    // One that was made for all is closed to others.
    set(&lock, 0o644);
    assert!(hold(&lock).status.success());
    drop(TestHub::with(&args));
    assert!(!hold(&lock).status.success());
    // A user's hub uses no lock of somebody else.
    chown(data.path(), Some(OTHER), Some(OTHER)).unwrap();
    fs::read_dir(data.path()).unwrap().for_each(|file| {
        chown(file.unwrap().path(), Some(OTHER), Some(OTHER)).unwrap();
    });
    chown(&lock, Some(OTHER + 1), None).unwrap();
    set(&lock, 0o666);
    let mut hub = command(env!("CARGO_BIN_EXE_chinwagd"));
    hub.args(["--listen", "127.0.0.1:0"]).args(args);
    let refused = as_other(&hub).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("lock belongs to another user, with the id 12346"), "{said}");
}

#[test]
fn files_of_another_user_are_refused() {
    if !can_be_another_user() {
        return;
    }
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let home = sova.home.path();
    chown(home, Some(OTHER), Some(OTHER)).unwrap();
    let run = |args: &[&str]| cli::run(as_other(&sova.command(args)), b"");
    run(&["peers"]).done();
    let elsewhere = tempfile::tempdir().unwrap();
    set(elsewhere.path(), 0o755);
    let theirs = elsewhere.path().join("contacts.toml");
    let own = home.join("contacts.toml");
    fs::rename(&own, &theirs).unwrap();
    chown(&theirs, Some(OTHER + 1), None).unwrap();
    set(&theirs, 0o644);
    symlink(&theirs, &own).unwrap();
    let refused = run(&["contacts"]).failed(1);
    assert!(refused.contains("contacts.toml belongs to another user"), "{refused}");
    let examined = run(&["doctor"]);
    assert!(examined.stdout.contains("belongs to another user"), "{examined:?}");
    // What root has put there is trusted.
    chown(&theirs, Some(0), None).unwrap();
    run(&["contacts"]).done();
    fs::remove_file(&own).unwrap();
    chown(home, Some(OTHER + 1), None).unwrap();
    set(home, 0o777);
    let refused = run(&["contacts"]).failed(1);
    assert!(refused.contains("belongs to another user"), "{refused}");
}
