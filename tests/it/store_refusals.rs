//! What a store refuses, before and after a crash: a second hub, foreign or damaged files, removed
//! positions and used message ids.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use chinwag::proto::{
    ListMessagesRequest, ListRoomsRequest, Position, SubscribeRequest, join::Start,
};

use crate::support::{
    hub::{TestHub, command},
    peer::{Session, new_id, post},
    refusal::why,
    room::{enter, fill, join, join_request, refused, texts},
    within::{PATIENCE, within},
};

/// Starts a hub with this data directory.
fn hub_in(directory: &Path, args: &[&str]) -> TestHub {
    TestHub::with(&[&["--data-dir", directory.to_str().unwrap()], args].concat())
}

/// Returns the error of a hub that cannot start in this directory.
fn refusal_in(directory: &Path) -> String {
    let args = ["--listen", "127.0.0.1:0", "--data-dir", directory.to_str().unwrap()];
    let output = command(env!("CARGO_BIN_EXE_chinwagd")).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "it said that it listens");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("chinwagd: ") && said.lines().count() == 1, "{said}");
    said
}

/// Returns the files of a directory that hold data. SQLite's index of the write-ahead log and an
/// empty log are omitted.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.map(|path| (path.clone(), fs::read(path).unwrap()));
    files.filter(|(path, bytes)| !path.ends_with("log.db-shm") && !bytes.is_empty()).collect()
}

#[tokio::test]
async fn a_second_hub_is_refused_and_the_first_keeps_running() {
    let data = tempfile::tempdir().unwrap();
    let mut first = hub_in(data.path(), &[]);
    let alice = Session::of(first.address(), "alice").await;
    fill(&alice, "lobby", &["one"]).await;
    let said = refusal_in(data.path());
    assert!(said.contains("is in use by another hub"), "{said}");
    assert!(said.contains(data.path().to_str().unwrap()), "{said}");
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", Some(Start::Last(1))).await;
    fill(&alice, "lobby", &["two"]).await;
    assert_eq!(texts(&mut chat, 2).await, ["one", "two"]);
    // A killed hub does not hold the lock.
    first.kill9();
    let second = hub_in(data.path(), &[]);
    fill(&Session::of(second.address(), "alice").await, "lobby", &["three"]).await;
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_unchanged() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("is not a database", |bytes| bytes.fill(0xa5)),
        ("is not a database", |bytes| bytes.clear()),
        ("malformed", |bytes| bytes.truncate(bytes.len() / 2)),
        ("malformed", |bytes| bytes[4096..].fill(0xa5)),
    ];
    let data = tempfile::tempdir().unwrap();
    for orderly in [true, false] {
        let mut hub = hub_in(data.path(), &["--grace", "0s"]);
        fill(&Session::of(hub.address(), "alice").await, "lobby", &["one", "two"]).await;
        if orderly {
            assert!(hub.terminate().0.success());
        } else {
            hub.kill9();
        }
        let file = data.path().join("log.db");
        let whole = fs::read(&file).unwrap();
        for (problem, damage) in damages {
            let mut bytes = whole.clone();
            damage(&mut bytes);
            fs::write(&file, bytes).unwrap();
            let before = contents(data.path());
            let said = refusal_in(data.path());
            assert!(said.contains(problem) && said.contains(file.to_str().unwrap()), "{said}");
            assert!(before == contents(data.path()), "{problem}: something was changed");
        }
        fs::write(file, whole).unwrap();
    }
    let hub = hub_in(data.path(), &[]);
    let posted = fill(&Session::of(hub.address(), "alice").await, "lobby", &["five"]).await;
    assert_eq!(posted[0].seq, 5);
}

/// A damaged page that is not read at the start affects only its own content.
#[tokio::test]
async fn a_damaged_page_fails_only_requests_that_read_it() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(data.path(), &["--grace", "0s"]);
    let alice = Session::of(hub.address(), "alice").await;
    let long = "x".repeat(3000);
    fill(&alice, "lobby", &vec![long.as_str(); 100]).await;
    fill(&alice, "lobby", &["one"]).await;
    assert!(hub.terminate().0.success());
    let file = data.path().join("log.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(file, bytes).unwrap();

    hub.restart();
    let alice = Session::of(hub.address(), "alice").await;
    let all = ListMessagesRequest { page_size: 1000, ..Default::default() };
    let status = alice.broadcast().list_messages(all).await.unwrap_err();
    assert_eq!(why(&status), "Internal INTERNAL");
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", Some(Start::Last(1))).await;
    fill(&alice, "lobby", &["two"]).await;
    assert_eq!(texts(&mut chat, 2).await, ["one", "two"]);
}

/// Asserts that every rpc refuses to resume from this position for this reason.
async fn prove_refused(session: &Session, position: Position, wanted: &str) {
    let begin = Some(Start::After(position));
    let mut chat = session.chat().await;
    chat.say(join_request("lobby", begin)).await;
    assert_eq!(refused(&mut chat).await, wanted);
    let request = SubscribeRequest { joins: vec![join("lobby", begin)] };
    let status = match session.broadcast().subscribe(request).await {
        Err(status) => status,
        Ok(stream) => stream.into_inner().message().await.unwrap_err(),
    };
    assert_eq!(why(&status), wanted);
    let request = ListMessagesRequest { from: Some(position), forward: true, ..Default::default() };
    let status = session.broadcast().list_messages(request).await.unwrap_err();
    assert_eq!(why(&status), wanted);
}

#[tokio::test]
async fn a_position_of_an_earlier_epoch_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(data.path(), &[]);
    let alice = Session::of(hub.address(), "alice").await;
    let old = fill(&alice, "lobby", &["one", "two"]).await;
    // A crash does not change the epoch.
    hub.kill9();
    hub.restart();
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", Some(Start::After(old[0]))).await;
    assert_eq!(texts(&mut chat, 1).await, ["two"]);

    hub.kill9();
    fs::remove_dir_all(data.path()).unwrap();
    hub.restart();
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["another", "life"]).await;
    prove_refused(&alice, old[0], "OutOfRange EPOCH_CHANGED").await;
}

#[tokio::test]
async fn a_position_before_the_retained_messages_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(data.path(), &[]);
    let alice = Session::of(hub.address(), "alice").await;
    let positions = fill(&alice, "lobby", &["one", "two", "three", "four", "five"]).await;
    hub.kill9();
    let hub = hub_in(data.path(), &["--retain", "2"]);
    let alice = Session::of(hub.address(), "alice").await;
    let truncated = async {
        loop {
            let rooms = alice.broadcast().list_rooms(ListRoomsRequest::default()).await.unwrap();
            if rooms.into_inner().rooms[0].first == Some(positions[3]) {
                break;
            }
        }
    };
    within(PATIENCE, "the retention", truncated).await;
    for gone in &positions[..2] {
        prove_refused(&alice, *gone, "OutOfRange POSITION_GONE").await;
    }
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", Some(Start::After(positions[2]))).await;
    assert_eq!(texts(&mut chat, 2).await, ["four", "five"]);
}

/// Whoever reads on in a room that was removed misses nothing, or is told.
#[tokio::test]
async fn a_room_that_nobody_uses_is_removed_and_its_positions_stay_right() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(data.path(), &[]);
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "attic", None).await;
    let old = fill(&alice, "attic", &["one", "two"]).await;
    hub.kill9();
    let mut hub = hub_in(data.path(), &["--room-expiry", "1ms"]);
    let alice = Session::of(hub.address(), "alice").await;
    let listed = async |room: &str| {
        let asked = ListRoomsRequest { room: room.into(), ..Default::default() };
        let rooms = alice.broadcast().list_rooms(asked).await.unwrap().into_inner().rooms;
        rooms.into_iter().find(|room| room.name == "attic")
    };
    within(PATIENCE, "the removal", async { while listed("").await.is_some() {} }).await;
    assert_eq!(listed("attic").await, None);
    // Whoever enters it goes on where it ended.
    let mut chat = alice.chat().await;
    assert_eq!(enter(&mut chat, "attic", None).await, (old[1], old[1]));
    for asked in ["", "attic"] {
        let room = listed(asked).await.unwrap();
        assert_eq!((room.members, room.head), (1, Some(old[1])));
    }

    hub.kill9();
    let hub = hub_in(data.path(), &[]);
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "attic", Some(Start::After(old[1]))).await;
    let new = fill(&alice, "attic", &["three"]).await;
    assert_eq!(new[0].seq, old[1].seq + 1);
    assert_eq!(texts(&mut chat, 1).await, ["three"]);
    chat.say(join_request("attic", Some(Start::After(old[0])))).await;
    assert_eq!(refused(&mut chat).await, "OutOfRange POSITION_GONE");
}

#[tokio::test]
async fn a_message_id_stays_used_after_removal() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = hub_in(data.path(), &["--retain", "1"]);
    let alice = Session::of(hub.address(), "alice").await;
    let id = new_id();
    let first = alice.broadcast().post(post("lobby", &id, "once")).await.unwrap().into_inner();
    fill(&alice, "lobby", &["more", "still more"]).await;
    hub.kill9();
    hub.restart();
    let alice = Session::of(hub.address(), "alice").await;
    let again = alice.broadcast().post(post("lobby", &id, "once")).await.unwrap().into_inner();
    assert_eq!((again.duplicate, again.position), (true, first.position));
    assert_eq!(again.created_at, first.created_at);
    for other in [post("lobby", &id, "twice"), post("den", &id, "once")] {
        let mut chat = alice.chat().await;
        enter(&mut chat, &other.room, None).await;
        let status = alice.broadcast().post(other.clone()).await.unwrap_err();
        assert_eq!(why(&status), "AlreadyExists MESSAGE_ID_REUSED");
        chat.post(&other.room, &other.id, &other.text).await;
        assert_eq!(refused(&mut chat).await, "AlreadyExists MESSAGE_ID_REUSED");
    }
}
