//! A simulated disk that can lose power, be full or fail: a directory, and a preloaded library
//! between the hub and its files there (`disk.c`).

use std::{
    collections::BTreeMap,
    fs::{self, Metadata, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::UNIX_EPOCH,
};

use rand::{Rng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::unix::pipe};

use crate::support::{
    hub::TestHub,
    within::{PATIENCE, within},
};

/// The unit of atomic writes.
const SECTOR_BYTES: usize = 512;

/// Faults of the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// No file can grow.
    Full,
    /// Every sync fails.
    Failing,
    /// Syncs succeed but persist nothing.
    Lying,
}

impl Fault {
    fn switch(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Lying => "lying",
        }
    }
}

/// The fate of unsynced writes when the power fails.
#[derive(Debug)]
pub(crate) enum Unsynced {
    /// All of it is lost.
    Lost,
    /// Each sector of each file, and the entries of each directory, may or may not be lost.
    Torn(Box<StdRng>),
}

impl Unsynced {
    fn survives(&mut self) -> bool {
        match self {
            Self::Lost => false,
            Self::Torn(rng) => rng.random(),
        }
    }
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
}

/// Blocks a sync until dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "the other end notices")] pipe::Receiver);

impl Disk {
    /// Creates an empty disk without faults.
    pub(crate) fn new() -> Self {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        disk.format();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/disk.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(disk.path("disk.so"))
            .args([source, "-ldl"])
            .status();
        assert!(built.unwrap().success());
        disk
    }

    /// Resets the disk to its initial state.
    pub(crate) fn format(&self) {
        for folder in ["root", "synced", "control"].map(|name| self.path(name)) {
            if folder.exists() {
                fs::remove_dir_all(&folder).unwrap();
            }
            fs::create_dir(folder).unwrap();
        }
    }

    /// Starts a hub on this disk. Returns its output if it does not start.
    pub(crate) fn try_start(&self) -> Result<TestHub, String> {
        let names = ["disk.so", "root", "synced", "control", "root/the/hub"];
        let paths = names.map(|name| self.path(name).to_str().unwrap().to_owned());
        let [library, root, synced, control, data] = paths.each_ref().map(String::as_str);
        let environment = [
            ("LD_PRELOAD", library),
            ("DISK_ROOT", root),
            ("DISK_SYNCED", synced),
            ("DISK_CONTROL", control),
        ];
        TestHub::try_start(&["--data-dir", data], &environment)
    }

    /// Starts a hub on this disk.
    pub(crate) fn start(&self) -> TestHub {
        self.try_start().unwrap_or_else(|said| panic!("{said}"))
    }

    pub(crate) fn break_down(&self, fault: Fault) {
        fs::write(self.control(fault.switch()), "").unwrap();
    }

    pub(crate) fn mend(&self, fault: Fault) {
        fs::remove_file(self.control(fault.switch())).unwrap();
    }

    /// Blocks the hub's next sync and returns once it has begun.
    pub(crate) async fn hold_next_sync(&self, meanwhile: impl Future<Output = ()>) -> Held {
        let pipe = self.control("held");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut end = pipe::OpenOptions::new().read_write(true).open_receiver(&pipe).unwrap();
        meanwhile.await;
        within(PATIENCE, "a sync", end.read_u8()).await.unwrap();
        fs::remove_file(pipe).unwrap();
        Held(end)
    }

    /// Cuts the power when a process requests its `nth` sync.
    pub(crate) fn cut_power_at_sync(&self, nth: u32) {
        fs::write(self.control("cut"), nth.to_string()).unwrap();
    }

    /// Simulates a power failure and clears all faults. The hub must not be running.
    pub(crate) fn lose_power(&self, unsynced: &mut Unsynced) {
        for switch in fs::read_dir(self.path("control")).unwrap() {
            fs::remove_file(switch.unwrap().path()).unwrap();
        }
        let (live, kept) = (self.path("root"), self.path("kept"));
        self.recover("root", Some(&live), &kept, unsynced);
        fs::remove_dir_all(&live).unwrap();
        fs::rename(kept, &live).unwrap();
        fs::remove_dir_all(self.path("synced")).unwrap();
        fs::create_dir(self.path("synced")).unwrap();
        self.note_synced("root", &live);
    }

    /// Restores into `kept` what remains of the directory stored as `key`.
    fn recover(&self, key: &str, live: Option<&Path>, kept: &Path, unsynced: &mut Unsynced) {
        fs::create_dir(kept).unwrap();
        let written = live.map(entries).unwrap_or_default();
        let entries = if unsynced.survives() { written.clone() } else { self.synced_entries(key) };
        for (name, key) in entries {
            let still_there = written.get(&name) == Some(&key);
            let live = live.filter(|_| still_there).map(|live| live.join(&name));
            if key.starts_with('d') {
                self.recover(&key, live.as_deref(), &kept.join(name), unsynced);
            } else {
                let synced = fs::read(self.path("synced").join(key)).unwrap_or_default();
                let written = live.map_or_else(|| synced.clone(), |live| fs::read(live).unwrap());
                let kept = kept.join(name);
                fs::write(&kept, mix(&synced, &written, unsynced)).unwrap();
                // Keys that others can read are refused.
                fs::set_permissions(kept, Permissions::from_mode(0o600)).unwrap();
            }
        }
    }

    fn synced_entries(&self, key: &str) -> BTreeMap<String, String> {
        let list = fs::read_to_string(self.path("synced").join(key)).unwrap_or_default();
        let entries = list.lines().map(|line| line.split_once(' ').unwrap());
        entries.map(|(key, name)| (name.into(), key.into())).collect()
    }

    /// Records the current content as synced.
    fn note_synced(&self, key: &str, live: &Path) {
        let mut list = String::new();
        for (name, key) in entries(live) {
            list += &format!("{key} {name}\n");
            let file = live.join(name);
            if file.is_dir() {
                self.note_synced(&key, &file);
            } else {
                fs::copy(file, self.path("synced").join(key)).unwrap();
            }
        }
        fs::write(self.path("synced").join(key), list).unwrap();
    }

    fn control(&self, switch: &str) -> PathBuf {
        self.path("control").join(switch)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Returns the entries of a directory with their keys.
fn entries(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), key(&entry.metadata().unwrap())))
        .collect()
}

/// Computes the same key as `key` in `disk.c`.
fn key(file: &Metadata) -> String {
    let born = file.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.unwrap_or_default();
    let kind = if file.is_dir() { 'd' } else { 'f' };
    format!("{kind}-{}-{}.{}", file.ino(), born.as_secs(), born.subsec_nanos())
}

/// Returns a file with each sector either as synced or as last written.
fn mix(synced: &[u8], written: &[u8], unsynced: &mut Unsynced) -> Vec<u8> {
    let length = if unsynced.survives() { written.len() } else { synced.len() };
    let mut mixed = vec![0; length];
    for (nth, sector) in mixed.chunks_mut(SECTOR_BYTES).enumerate() {
        let source = if unsynced.survives() { written } else { synced };
        let there = source.get(nth * SECTOR_BYTES..).unwrap_or_default();
        let there = &there[..there.len().min(sector.len())];
        sector[..there.len()].copy_from_slice(there);
    }
    mixed
}
