//! A disk that is full or fails: posts are refused with a reason, reading continues, and no
//! acknowledged post is lost.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use chinwag::proto::{
    ListMessagesRequest, ListRoomsRequest, Message, PostResponse, SearchMessagesRequest,
    join::Start,
};
use rustix::process::{Resource, Rlimit};
use tokio::{net::TcpStream, task::JoinSet};
use tonic::Status;

use crate::support::{
    disk::{Disk, Fault, Unsynced},
    hub::TestHub,
    metrics_page::Page,
    peer::{Chat, Session, new_id, post},
    refusal::why,
    room::{enter, fill, prove_whole, refused, texts},
    within::{PATIENCE, within},
};

const UNAVAILABLE: &str = "Unavailable STORE_UNAVAILABLE";

/// The number of posts that check that the failure is permanent.
const TRIES: usize = 20;

async fn try_post(session: &Session, id: &str, text: &str) -> Result<PostResponse, Status> {
    Ok(session.broadcast().post(post("lobby", id, text)).await?.into_inner())
}

async fn history(session: &Session) -> Vec<Message> {
    let all = ListMessagesRequest { page_size: 1000, forward: true, ..Default::default() };
    let messages = session.broadcast().list_messages(all).await.unwrap().into_inner().messages;
    prove_whole(&messages);
    messages
}

async fn said(session: &Session) -> Vec<String> {
    history(session).await.into_iter().map(|message| message.text).collect()
}

/// Asserts that posts are refused, as calls and on a stream in the room, and that everything else
/// works.
async fn prove_read_only(session: &Session, chat: &mut Chat, stored: &[&str]) {
    for _ in 0..TRIES {
        let unary = try_post(session, &new_id(), "refused").await.unwrap_err();
        assert_eq!(why(&unary), UNAVAILABLE);
        chat.post("lobby", &new_id(), "refused").await;
        assert_eq!(refused(chat).await, UNAVAILABLE);
    }
    assert_eq!(said(session).await, stored);
    let mut late = session.chat().await;
    enter(&mut late, "lobby", Some(Start::Last(1000))).await;
    assert_eq!(texts(&mut late, stored.len()).await, stored);
    let rooms = session.broadcast().list_rooms(ListRoomsRequest::default()).await.unwrap();
    assert_eq!(rooms.into_inner().rooms[0].head.unwrap().seq, stored.len() as u64);
    let search = SearchMessagesRequest { query: stored[0].into(), ..Default::default() };
    session.broadcast().search_messages(search).await.unwrap();
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    let disk = Disk::new();
    let mut hub = disk.start();
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    fill(&alice, "lobby", &["one", "two"]).await;
    assert_eq!(texts(&mut chat, 2).await, ["one", "two"]);

    disk.break_down(Fault::Failing);
    let doubtful = new_id();
    let failed = try_post(&alice, &doubtful, "doubtful").await.unwrap_err();
    assert_eq!(why(&failed), UNAVAILABLE);
    // Posts stay refused even if the next sync would succeed: the state of earlier writes is
    // unknown.
    disk.mend(Fault::Failing);
    prove_read_only(&alice, &mut chat, &["one", "two"]).await;
    let log = hub.log_with("ERROR");
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");

    hub.kill9();
    disk.lose_power(&mut Unsynced::Lost);
    hub.restart();
    let alice = Session::of(hub.address(), "alice").await;
    assert_eq!(said(&alice).await, ["one", "two"]);
    let posted = try_post(&alice, &doubtful, "doubtful").await.unwrap();
    assert!(!posted.duplicate);
    assert_eq!(said(&alice).await, ["one", "two", "doubtful"]);
}

/// Data written before the failed sync may exist after a restart. A retry stores it once.
#[tokio::test]
async fn a_post_with_an_unknown_outcome_is_stored_once() {
    let disk = Disk::new();
    let mut hub = disk.start();
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["one"]).await;
    disk.break_down(Fault::Failing);
    let doubtful = new_id();
    try_post(&alice, &doubtful, "doubtful").await.unwrap_err();
    assert_eq!(said(&alice).await, ["one"]);
    disk.mend(Fault::Failing);

    drop(alice);
    hub.kill9();
    hub.restart();
    let alice = Session::of(hub.address(), "alice").await;
    let before = said(&alice).await;
    let posted = try_post(&alice, &doubtful, "doubtful").await.unwrap();
    assert_eq!(posted.duplicate, before.len() == 2, "{before:?}");
    assert_eq!(said(&alice).await, ["one", "doubtful"]);
}

#[tokio::test]
async fn a_full_disk_refuses_posts_until_space_is_free() {
    let disk = Disk::new();
    let hub = disk.start();
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    fill(&alice, "lobby", &["one", "two"]).await;
    assert_eq!(texts(&mut chat, 2).await, ["one", "two"]);

    disk.break_down(Fault::Full);
    let late = new_id();
    assert_eq!(why(&try_post(&alice, &late, "three").await.unwrap_err()), UNAVAILABLE);
    prove_read_only(&alice, &mut chat, &["one", "two"]).await;
    let log = hub.log_with("ERROR");
    assert_eq!(log.matches("ERROR").count(), 1, "a full disk should not be filled with:\n{log}");

    disk.mend(Fault::Full);
    let posted = try_post(&alice, &late, "three").await.unwrap();
    assert!(!posted.duplicate);
    chat.post("lobby", &new_id(), "four").await;
    assert_eq!(texts(&mut chat, 2).await, ["three", "four"]);
    assert_eq!(said(&alice).await, ["one", "two", "three", "four"]);
}

/// The limit of the operator: messages can be read, searched and removed, and then posted again.
#[tokio::test]
async fn a_store_at_its_limit_refuses_posts_until_messages_are_removed() {
    let data = tempfile::tempdir().unwrap();
    let options = ["--data-dir", data.path().to_str().unwrap(), "--store-limit", "1MiB"];
    let mut hub = TestHub::with(&[&options[..], &["--metrics-listen", "0"]].concat());
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    let long = format!("first {}", "x".repeat(15 * 1024));
    let mut stored = 0;
    let refusal = loop {
        match try_post(&alice, &new_id(), &long).await {
            Ok(_) => stored += 1,
            Err(refusal) => break refusal,
        }
        assert!(stored < 100, "there is no limit");
    };
    assert_eq!(why(&refusal), UNAVAILABLE);
    assert!(stored > 50, "{stored}");
    hub.log_with("the log is almost full");
    let page = Page::of(&hub);
    let limit = page.value("chinwag_hub_store_limit_bytes");
    assert_eq!(limit, 1024.0 * 1024.0);
    assert!(page.value("chinwag_hub_store_bytes") >= limit);

    assert_eq!(texts(&mut chat, stored).await, vec![long.clone(); stored]);
    chat.post("lobby", &new_id(), "refused").await;
    assert_eq!(refused(&mut chat).await, UNAVAILABLE);
    let mut again = alice.chat().await;
    enter(&mut again, "lobby", Some(Start::Last(3))).await;
    assert_eq!(texts(&mut again, 3).await, vec![long; 3]);
    let search = SearchMessagesRequest { query: "first".into(), ..Default::default() };
    // A message is found a moment after it is stored.
    let found = async {
        while alice
            .broadcast()
            .search_messages(search.clone())
            .await
            .unwrap()
            .get_ref()
            .hits
            .is_empty()
        {}
    };
    within(PATIENCE, "a message that is found", found).await;

    drop((alice, chat, again));
    hub.terminate();
    let hub = TestHub::with(&[&options[..], &["--retain", "10"]].concat());
    let alice = Session::of(hub.address(), "alice").await;
    let late = new_id();
    let posted = within(PATIENCE, "the retention", async {
        loop {
            match try_post(&alice, &late, "late").await {
                Ok(posted) => return posted,
                Err(refusal) => assert_eq!(why(&refusal), UNAVAILABLE),
            }
        }
    });
    assert!(!posted.await.duplicate);
    assert_eq!(said(&alice).await.last().unwrap(), "late");
}

/// `ulimit -f`, which would end a process that does not expect SIGXFSZ.
#[tokio::test]
async fn a_limit_of_file_sizes_refuses_posts_until_it_is_lifted() {
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let limit = |bytes| {
        let pid = rustix::process::Pid::from_raw(hub.pid() as i32);
        let now = rustix::process::getrlimit(Resource::Fsize);
        rustix::process::prlimit(pid, Resource::Fsize, Rlimit { current: bytes, ..now }).unwrap();
    };
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    fill(&alice, "lobby", &["one", "two"]).await;
    assert_eq!(texts(&mut chat, 2).await, ["one", "two"]);

    limit(Some(std::fs::metadata(data.path().join("log.db-wal")).unwrap().len()));
    let late = new_id();
    assert_eq!(why(&try_post(&alice, &late, "three").await.unwrap_err()), UNAVAILABLE);
    prove_read_only(&alice, &mut chat, &["one", "two"]).await;
    hub.log_with("the log is full or locked");

    limit(None);
    let posted = try_post(&alice, &late, "three").await.unwrap();
    assert!(!posted.duplicate);
    assert_eq!(said(&alice).await, ["one", "two", "three"]);
    hub.log_with("the log can be written again");
}

/// Makes a call that the hub has to end. tonic's client would end it itself.
async fn call_with_timeout(
    hub: &TestHub,
    session: &Session,
    path: &str,
    message: &impl prost::Message,
    timeout: &str,
) -> Status {
    let stream = TcpStream::connect(hub.address()).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let call = http::Request::post(format!("http://{}{path}", hub.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", session.registered.token))
        .header("grpc-timeout", timeout);
    let (answer, mut body) = client.send_request(call.body(()).unwrap(), false).unwrap();
    let message = message.encode_to_vec();
    let prefix = [&[0][..], &(message.len() as u32).to_be_bytes()].concat();
    body.send_data([prefix, message].concat().into(), true).unwrap();
    let answer = within(PATIENCE, path, answer).await.unwrap();
    Status::from_header_map(answer.headers()).unwrap()
}

/// Another process, such as a copy tool, holds the database.
#[tokio::test]
async fn a_locked_store_answers_at_the_deadline_of_each_call() {
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["one"]).await;
    let other = rusqlite::Connection::open(data.path().join("log.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let id = new_id();
    let call = post("lobby", &id, "two");
    let late = call_with_timeout(&hub, &alice, "/chinwag.v1.Broadcast/Post", &call, "100m").await;
    assert_eq!(why(&late), "DeadlineExceeded DEADLINE_EXCEEDED");

    // The store goes on when it can, and a retry stores the post once.
    other.execute_batch("ROLLBACK").unwrap();
    try_post(&alice, &id, "two").await.unwrap();
    assert_eq!(said(&alice).await, ["one", "two"]);
}

#[tokio::test]
async fn a_hub_does_not_start_without_write_access() {
    for fault in [Fault::Full, Fault::Failing] {
        let disk = Disk::new();
        disk.break_down(fault);
        let said = disk.try_start().unwrap_err();
        assert!(said.contains("log.db cannot be used: "), "{said}");
        // The next attempt can succeed.
        disk.mend(fault);
        let hub = disk.start();
        fill(&Session::of(hub.address(), "alice").await, "lobby", &["one"]).await;
    }
}
