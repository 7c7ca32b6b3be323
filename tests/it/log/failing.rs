//! A log whose store fails: it reports the failure, still reads, and stores nothing of the batch.
#![cfg(unix)]

use std::{env, fs, path::Path, process::Command};

use chinwag::{
    error::RequestError,
    model::{MAX_TEXT_BYTES, Message},
    storage::{Edge, MessageLog, Slice},
};

use super::test_log::{TestLog, draft, room};

/// Marks the process with the limited store, and names its directory.
const LIMITED: &str = "CHINWAG_TEST_LIMITED_STORE";

/// The maximum file size of that process: larger than a new log, smaller than one checkpoint. In
/// the shell's blocks of 512 bytes.
const LIMIT_BLOCKS: u32 = 2048;

/// The test runs itself in a process with a limited file size, which causes a real write error in
/// the middle of a commit.
#[tokio::test]
async fn a_failed_write_leaves_all_that_was_acknowledged_and_no_more() {
    if let Some(directory) = env::var_os(LIMITED) {
        return write_until_it_fails(directory.as_ref()).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let name = own_name!("a_failed_write_leaves_all_that_was_acknowledged_and_no_more");
    // Without the trap, SIGXFSZ would end the process.
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT_BLOCKS}; exec \"$0\" --exact {name}");
    let limited = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .env(LIMITED, directory.path())
        .output()
        .unwrap();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stdout));

    let acknowledged = fs::read_to_string(directory.path().join("acknowledged")).unwrap();
    let acknowledged: usize = acknowledged.parse().unwrap();
    assert!(acknowledged > 0);
    let test = TestLog::at(directory.path());
    assert_eq!(numbers(&all(&test).await), (0..acknowledged).collect::<Vec<_>>());
    test.fill("lobby", 10).await;
}

async fn write_until_it_fails(directory: &Path) {
    let test = TestLog::at(directory);
    let filler = "x".repeat(MAX_TEXT_BYTES - 10);
    let mut acknowledged = 0;
    let mut refused = 0;
    // Each is tried again, and there is no more room.
    while refused < 20 {
        match test.post(draft("lobby", "alice", &format!("{acknowledged} {filler}"))).await {
            Ok(_) if refused == 0 => acknowledged += 1,
            Err(RequestError::StoreUnavailable(_)) => refused += 1,
            unexpected => panic!("{unexpected:?}"),
        }
    }
    assert_eq!(numbers(&all(&test).await), (0..acknowledged).collect::<Vec<_>>());
    assert_eq!(test.heard().len(), acknowledged);
    fs::write(directory.join("acknowledged"), acknowledged.to_string()).unwrap();
}

async fn all(test: &TestLog) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let after = all.last().map_or(0, |message| message.position.seq);
        let slice = Slice { from: Edge::After(after), limit: 100 };
        let page = test.log.read(&room("lobby"), slice).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn numbers(messages: &[Message]) -> Vec<usize> {
    let number = |message: &Message| message.text.as_str().split(' ').next().unwrap().parse();
    messages.iter().map(|message| number(message).unwrap()).collect()
}
