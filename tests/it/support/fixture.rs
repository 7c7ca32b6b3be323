//! Files written by a released version: see `tests/fixtures/README.md`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use chinwag::identity::Identity;
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{cli, hub::TestHub, within::PATIENCE};

/// A writable copy of the files of one version.
pub(crate) struct Fixture(TempDir);

impl Fixture {
    /// Copies the files of a version, such as `v0.1.0`.
    pub(crate) fn of(version: &str) -> Self {
        let copy = tempfile::tempdir().unwrap();
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version);
        copy_all(&recorded, copy.path());
        Self(copy)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Returns the JSON objects of a file, one a line.
    pub(crate) fn objects(&self, name: &str) -> Vec<Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns one of the hub's secrets.
    pub(crate) fn code(&self, name: &str) -> String {
        let codes: Value = serde_json::from_str(&self.text("codes.json")).unwrap();
        codes[name].as_str().unwrap().to_owned()
    }

    /// Starts the current hub on a data directory.
    pub(crate) fn hub(&self, data: &str, args: &[&str]) -> TestHub {
        let path = self.path(data);
        TestHub::with(&[&["--data-dir", path.to_str().unwrap()], args].concat())
    }

    /// Waits until the hub has indexed the messages of the recording for search: all of them in one
    /// step.
    pub(crate) fn wait_for_index(&self, hub: &TestHub) {
        let deadline = Instant::now() + PATIENCE;
        while cli::run(self.command(hub, "alice", &["search", "cafe"]), b"").done().is_empty() {
            assert!(Instant::now() < deadline, "the messages are never found");
        }
    }

    /// Returns the output of the current operator command.
    #[track_caller]
    pub(crate) fn operator(&self, data: &str, args: &[&str]) -> String {
        let mut command = crate::support::hub::command(env!("CARGO_BIN_EXE_chinwagd"));
        let output = command.args(args).arg("--data-dir").arg(self.path(data)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the key of a user.
    pub(crate) fn key(&self, name: &str) -> Identity {
        Identity::load(&self.path(&format!("homes/{name}"))).unwrap().unwrap()
    }

    /// Returns the current command of a user, pointed at this hub.
    pub(crate) fn command(&self, hub: &TestHub, name: &str, args: &[&str]) -> Command {
        let mut command = cli::homeless(&self.path(&format!("homes/{name}")), args);
        command.env("CHINWAG_HUB", hub.link()).env("CHINWAG_LISTEN", "127.0.0.1:0");
        // Alice's name is in her settings.
        if name != "alice" {
            command.env("CHINWAG_NAME", name);
        }
        command
    }

    /// Resets the age of queued messages to that at the time of the recording: they are given up
    /// after 14 days and deleted after 30.
    pub(crate) fn refresh(&self, name: &str) {
        let now = Timestamp::now().as_microsecond();
        for (file, change) in [
            ("outbox.db", "UPDATE outbox SET queued_at = ?1"),
            ("inbox.db", "UPDATE kept SET accepted_at = ?1, sent_at = ?1"),
        ] {
            let path = self.path(&format!("homes/{name}/{file}"));
            Connection::open(path).unwrap().execute(change, [now]).unwrap();
        }
    }
}

/// Copies a folder with permissions for the owner only, which git does not keep.
fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&copy).unwrap();
            fs::set_permissions(&copy, Permissions::from_mode(0o700)).unwrap();
            copy_all(&entry.path(), &copy);
        } else {
            fs::copy(entry.path(), &copy).unwrap();
            fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
        }
    }
}
