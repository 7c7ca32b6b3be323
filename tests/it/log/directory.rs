//! The embedded log in its directory: what it stores, and what it refuses to open.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chinwag::{
    model::Posted,
    storage::{
        Edge, MessageLog, Retention,
        embedded::log::{EmbeddedLog, Store},
    },
};
use tempfile::TempDir;

use super::test_log::{Heard, TestLog, draft, texts};

/// Returns a directory with a log of a few messages.
async fn used() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let test = TestLog::at(directory.path());
    test.say("lobby", "alice", &["one", "two", "three"]).await;
    directory
}

fn refusal(directory: &Path) -> String {
    let store = Store::Directory(directory.into());
    match EmbeddedLog::open(store, None, Arc::new(Heard::default())) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was opened"),
    }
}

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn a_reopened_log_continues() {
    let directory = tempfile::tempdir().unwrap();
    let first = TestLog::at(directory.path());
    let epoch = first.log.epoch();
    assert_ne!(epoch, 0);
    let hello = draft("lobby", "alice", "hello");
    let posted = first.post(hello.clone()).await.unwrap();
    first.fill("lobby", 5).await;
    let messages = first.read("lobby", Edge::After(0), 100).await;
    drop(first);

    let second = TestLog::at(directory.path());
    assert_eq!(second.log.epoch(), epoch);
    assert_eq!(second.read("lobby", Edge::After(0), 100).await, messages);
    assert_eq!(second.post(hello).await.unwrap(), Posted { duplicate: true, ..posted });
    let next = second.fill("lobby", 1).await.remove(0);
    let last = messages.last().unwrap();
    assert!(next.position.seq > last.position.seq && next.created_at >= last.created_at);
    assert_eq!(second.heard().last().unwrap().prev_seq, last.position.seq);
}

#[tokio::test]
async fn every_log_has_its_own_epoch() {
    let epochs = [Store::Memory, Store::Memory].map(|store| TestLog::open(store).log.epoch());
    assert_ne!(epochs[0], epochs[1]);
}

#[tokio::test]
async fn acknowledged_posts_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let test = TestLog::at(directory.path());
    test.fill("lobby", 100).await;
    // Copy the files as a killed process would leave them.
    let left = tempfile::tempdir().unwrap();
    for name in ["log.db", "log.db-wal"] {
        fs::copy(directory.path().join(name), left.path().join(name)).unwrap();
    }
    let messages = test.read("lobby", Edge::After(0), 1000).await;
    assert_eq!(TestLog::at(left.path()).read("lobby", Edge::After(0), 1000).await, messages);
    assert_eq!(messages.len(), 100);
}

#[tokio::test]
async fn times_never_decrease_when_the_clock_is_set_back() {
    let directory = used().await;
    let hour = 3_600_000_000_i64;
    let log = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    log.execute("UPDATE messages SET created_at = created_at + ?1", [hour]).unwrap();
    log.execute("UPDATE rooms SET last_at = last_at + ?1", [hour]).unwrap();
    drop(log);
    let test = TestLog::at(directory.path());
    test.fill("lobby", 3).await;
    let messages = test.read("lobby", Edge::After(0), 10).await;
    assert!(messages.is_sorted_by_key(|message| message.created_at));
    assert!(messages[3].created_at > jiff::Timestamp::now());
}

#[tokio::test]
async fn a_second_hub_is_refused() {
    let directory = used().await;
    let test = TestLog::at(directory.path());
    assert!(refusal(directory.path()).contains("in use by another hub"));
    test.fill("lobby", 1).await;
    drop(test);
    TestLog::at(directory.path()).fill("lobby", 1).await;
}

#[tokio::test]
async fn a_foreign_file_is_refused_and_left_unchanged() {
    type Damage = fn(&Path);
    let damages: [(&str, &str, Damage); 7] = [
        ("text", "not a database", |file| fs::write(file, "dear diary").unwrap()),
        ("empty", "not a database", |file| fs::write(file, "").unwrap()),
        ("noise", "not a database", |file| fs::write(file, [0xa5; 20_000]).unwrap()),
        ("foreign", "not a log of Chinwag", |file| {
            fs::remove_file(file).unwrap();
            let other = rusqlite::Connection::open(file).unwrap();
            other.execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
        }),
        ("newer", "a newer Chinwag made it", |file| {
            let log = rusqlite::Connection::open(file).unwrap();
            log.pragma_update(None, "user_version", 1000).unwrap();
        }),
        ("cut", "malformed", |file| {
            let half = fs::metadata(file).unwrap().len() / 2;
            fs::File::options().write(true).open(file).unwrap().set_len(half).unwrap();
        }),
        ("overwritten", "malformed", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[4096..].fill(0xa5);
            fs::write(file, bytes).unwrap();
        }),
    ];
    for (name, expected, damage) in damages {
        let directory = used().await;
        let file = directory.path().join("log.db");
        damage(&file);
        let before = contents(directory.path());
        let problem = refusal(directory.path());
        assert!(problem.contains(expected), "{name}: {problem}");
        assert!(problem.contains(&file.display().to_string()), "{name}: {problem}");
        let mut after = contents(directory.path());
        // SQLite's index of the write-ahead log holds no data.
        after.retain(|path, bytes| before.contains_key(path) || !bytes.is_empty());
        after.remove(&directory.path().join("log.db-shm"));
        assert!(before == after, "{name}: something was changed");
    }
}

#[tokio::test]
async fn a_log_that_lost_its_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let orphan = directory.path().join("log.db-wal");
    fs::write(&orphan, "the only copy").unwrap();
    assert!(refusal(directory.path()).contains("is missing"));
    assert_eq!(fs::read(orphan).unwrap(), b"the only copy");
    assert!(!directory.path().join("log.db").exists());
}

#[tokio::test]
async fn an_interrupted_creation_is_started_over() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("log.db.new"), [0xa5; 5000]).unwrap();
    TestLog::at(directory.path()).fill("lobby", 1).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_directory_is_private_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("some/where");
    TestLog::at(&directory).fill("lobby", 1).await;
    assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Returns the texts that each of these words finds.
async fn find_each(test: &TestLog, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for word in words {
        found.extend(test.find(word).await);
    }
    found
}

#[tokio::test]
async fn an_unusable_index_is_rebuilt() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("missing", |file| fs::remove_file(file).unwrap()),
        ("noise", |file| fs::write(file, [0xa5; 20_000]).unwrap()),
        ("foreign", |file| {
            fs::remove_file(file).unwrap();
            let other = rusqlite::Connection::open(file).unwrap();
            other.execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
        }),
        ("of another log", |file| {
            let index = rusqlite::Connection::open(file).unwrap();
            index.execute("UPDATE store SET epoch = epoch + 1", []).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let directory = used().await;
        damage(&directory.path().join("search.db"));
        let test = TestLog::at(directory.path());
        test.searchable().await;
        assert_eq!(find_each(&test, &["two", "three"]).await, ["two", "three"], "{name}");
    }
}

#[tokio::test]
async fn an_index_that_fell_behind_catches_up() {
    let directory = used().await;
    let index = directory.path().join("search.db");
    let old = fs::read(&index).unwrap();
    let test = TestLog::at(directory.path());
    test.say("attic", "bob", &["two more"]).await;
    test.log.retain(Retention { count: Some(1), ..Retention::default() }).await.unwrap();
    drop(test);
    fs::write(&index, old).unwrap();
    let test = TestLog::at(directory.path());
    test.searchable().await;
    assert_eq!(find_each(&test, &["two", "three"]).await, ["two more", "three"]);
}

#[tokio::test]
async fn removed_messages_leave_the_index() {
    let directory = tempfile::tempdir().unwrap();
    let test = TestLog::at(directory.path());
    test.fill("lobby", 3500).await;
    test.fill("attic", 10).await;
    test.searchable().await;
    test.log.retain(Retention { count: Some(5), ..Retention::default() }).await.unwrap();
    test.searchable().await;
    let index = rusqlite::Connection::open(directory.path().join("search.db")).unwrap();
    let count = "SELECT count(*) FROM words WHERE words MATCH 'sender : 1'";
    let left: i64 = index.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 10);
}

#[tokio::test]
async fn an_index_ahead_of_a_restored_log_is_rebuilt() {
    let directory = used().await;
    let log = directory.path().join("log.db");
    let copy = fs::read(&log).unwrap();
    TestLog::at(directory.path()).say("lobby", "alice", &["lost tea"]).await;
    fs::write(&log, copy).unwrap();
    let test = TestLog::at(directory.path());
    test.say("lobby", "alice", &["new tea"]).await;
    let found = find_each(&test, &["two", "three", "tea"]).await;
    assert_eq!(found, ["two", "three", "new tea"]);
    assert_eq!(texts(&test.read("lobby", Edge::After(3), 10).await), ["new tea"]);
}
