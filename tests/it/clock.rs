//! A hub whose clock is wrong for a while: nothing is removed because of it, and messages are found by
//! the time when they were stored.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::{path::Path, process::Command, time::Duration};

use chinwag::{proto::join::Start, wire::to_timestamp};
use jiff::Timestamp;

use crate::support::{
    hub::TestHub,
    peer::Session,
    room::{enter, fill, texts},
};

const DAY: i64 = 24 * 60 * 60;

/// A data directory, and a library that moves the clock of the hub.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/clock.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(folder.path().join("clock.so"))
            .args([source, "-ldl"])
            .status();
        assert!(built.unwrap().success());
        Self(folder)
    }

    /// Starts a hub that keeps messages for 30 days, and whose clock is `ahead` by seconds.
    fn start(&self, ahead: i64) -> TestHub {
        let path = |name: &str| Path::join(self.0.path(), name).to_str().unwrap().to_owned();
        let environment = [("LD_PRELOAD", path("clock.so")), ("CLOCK_AHEAD", ahead.to_string())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        TestHub::with_environment(&["--data-dir", &path("data"), "--retain", "30d"], &environment)
    }
}

/// Returns the latest `count` texts of the lobby that were stored since `at`.
async fn since(session: &Session, at: Timestamp, count: usize) -> Vec<String> {
    let mut chat = session.chat().await;
    let (position, head) = enter(&mut chat, "lobby", Some(Start::Since(to_timestamp(at)))).await;
    assert_eq!(head.seq - position.seq, count as u64);
    texts(&mut chat, count).await
}

#[tokio::test]
async fn a_clock_that_was_ahead_removes_nothing_and_hides_nothing() {
    let machine = Machine::new();
    let mut hub = machine.start(0);
    fill(&Session::of(hub.address(), "alice").await, "lobby", &["one"]).await;
    hub.terminate();

    let mut hub = machine.start(400 * DAY);
    // The first retention is over when a later post is stored.
    hub.log_with("the clock is ahead of the retention");
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["two"]).await;
    assert_eq!(since(&alice, Timestamp::UNIX_EPOCH, 2).await, ["one", "two"]);
    drop(alice);
    hub.terminate();

    let mut hub = machine.start(0);
    hub.log_with("the log is ahead of the clock");
    fill(&Session::of(hub.address(), "alice").await, "lobby", &["three"]).await;
    hub.terminate();

    // Two and three have a time that is hundreds of days ahead, and were stored yesterday.
    let hub = machine.start(DAY);
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["four"]).await;
    let tomorrow = Timestamp::now() + Duration::from_secs(DAY as u64);
    assert_eq!(since(&alice, tomorrow - Duration::from_secs(60 * 60), 1).await, ["four"]);
    let all = ["one", "two", "three", "four"];
    assert_eq!(since(&alice, tomorrow - Duration::from_secs(2 * DAY as u64), 4).await, all);
}
