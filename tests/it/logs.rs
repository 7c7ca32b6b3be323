//! The hub's log, even at the level `trace`, has no texts, no tokens and no control characters.
//! Neither a log that cannot be written nor strangers who fill it disturb the work.

use std::{
    fs::File,
    io::{Read, Write, pipe},
    net::TcpStream,
    os::fd::OwnedFd,
};

use chinwag::proto::{
    GetPeerRequest, ListMessagesRequest, ListPeersRequest, SearchMessagesRequest,
    presence_client::PresenceClient,
};
use tonic::{Request, metadata::MetadataValue};

use crate::support::{
    cli,
    hub::TestHub,
    peer::{Session, connect, named, new_id, post},
    room::fill,
};

/// A text that must not appear in any log.
const TEXT: &str = "the-treasure-is-under-the-oak";

/// Characters that move the cursor, colour, reorder, or imitate a log line.
const HOSTILE: &str = "\x1b[31m\u{9b}2J\u{202e}evil\r\n2026-01-01T00:00:00Z  INFO forged\x07";

/// Makes valid and invalid calls to a hub.
async fn use_it(hub: &TestHub) -> String {
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    chat.post("lobby", &new_id(), TEXT).await;
    assert_eq!(chat.message().await.text, TEXT);
    chat.post(HOSTILE, HOSTILE, TEXT).await;
    let mut broadcast = alice.broadcast();
    broadcast.post(post("lobby", &new_id(), &format!("{TEXT} {HOSTILE}"))).await.unwrap();
    broadcast.post(post(HOSTILE, HOSTILE, TEXT)).await.unwrap_err();
    let search = |query: &str| SearchMessagesRequest { query: query.into(), ..Default::default() };
    broadcast.search_messages(search(TEXT)).await.unwrap();
    let _ = broadcast.search_messages(search(HOSTILE)).await;
    let history = ListMessagesRequest { page_token: HOSTILE.into(), ..Default::default() };
    broadcast.list_messages(history).await.unwrap_err();
    let mut presence = alice.presence();
    presence
        .get_peer(GetPeerRequest { name: HOSTILE.into(), ..Default::default() })
        .await
        .unwrap_err();
    let list = ListPeersRequest { name_prefix: HOSTILE.into(), ..Default::default() };
    presence.list_peers(list).await.unwrap();

    let mut stranger = PresenceClient::new(connect(hub.address()).await);
    stranger.register(named(HOSTILE)).await.unwrap_err();
    let mut request = Request::new(named("mallory"));
    let agent = MetadataValue::try_from(&b"evil\x9b31m\xe2\x80\xae"[..]).unwrap();
    request.metadata_mut().insert("user-agent", agent.clone());
    request.metadata_mut().insert("x-evil", agent);
    stranger.register(request).await.unwrap();
    alice.registered.token
}

fn check(log: &str, token: &str) {
    assert!(log.contains("TRACE"), "it does not log everything");
    for secret in [TEXT, token] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
    let obeyed = |c: &char| *c != '\n' && chinwag::text::is_dangerous(*c);
    let bad = log.lines().find(|line| line.chars().any(|c| obeyed(&c)));
    assert_eq!(bad, None, "a terminal would obey this");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "a forged line");
}

#[tokio::test]
async fn a_trace_log_holds_no_secret_and_no_control_character() {
    let mut hub = TestHub::with(&["--ephemeral", "--log", "trace"]);
    let token = use_it(&hub).await;
    hub.terminate();
    check(&hub.log(), &token);
}

#[tokio::test]
async fn a_log_in_json_is_an_object_a_line() {
    let mut hub = TestHub::with(&["--ephemeral", "--log", "trace", "--log-format", "json"]);
    let token = use_it(&hub).await;
    hub.terminate();
    let log = hub.log();
    check(&log, &token);
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_that_cannot_be_written_ends_neither_program() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut hub = TestHub::logging_to(full(), &["--ephemeral", "--log", "trace"]);
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["one", "two"]).await;
    let home = tempfile::tempdir().unwrap();
    let command = |name, args: &[&str]| {
        let mut command = cli::command(home.path(), hub.address(), name, args);
        command.stderr(full()).output().unwrap()
    };
    let posted = command("sova", &["-vvv", "post", "lobby", "three"]);
    assert!(posted.status.success(), "{posted:?}");
    // An error that cannot be told is still an exit code: 2 of a usage error.
    assert_eq!(command("sova", &["-vvv", "post", "not a room!", "hi"]).status.code(), Some(2));
    drop(alice);
    let (status, _) = hub.terminate();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_program() {
    let (mut reader, writer) = pipe().unwrap();
    let stderr = || File::from(OwnedFd::from(writer.try_clone().unwrap()));
    let mut hub = TestHub::logging_to(stderr(), &["--ephemeral", "--log", "trace"]);
    let alice = Session::of(hub.address(), "alice").await;
    // Each post logs more than a kilobyte, and a pipe holds 64.
    for _ in 0..200 {
        fill(&alice, "lobby", &["a line"]).await;
    }
    let home = tempfile::tempdir().unwrap();
    let mut command =
        cli::command(home.path(), hub.address(), "sova", &["-vvv", "post", "lobby", "hi"]);
    let posted = command.stderr(stderr()).output().unwrap();
    assert!(posted.status.success(), "{posted:?}");
    drop((alice, command));
    let (status, _) = hub.terminate();
    assert!(status.success(), "{status}");
    drop((writer, hub));
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.contains("listening") && !log.contains("stopping"), "the pipe was not full");
}

#[test]
fn warnings_that_a_stranger_causes_are_left_out_and_counted() {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const ACK: u8 = 1;
    let mut hub = TestHub::with(&["--ephemeral"]);
    let mut stranger = TcpStream::connect(hub.address()).unwrap();
    stranger.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stranger.write_all(SETTINGS).unwrap();
    let mut unasked = PING.to_vec();
    unasked[4] = ACK;
    stranger.write_all(&unasked.repeat(100)).unwrap();
    // The answer to this one shows that all were read.
    stranger.write_all(PING).unwrap();
    let mut answer = unasked;
    answer[9..].copy_from_slice(&PING[9..]);
    let mut read = Vec::new();
    while !read.windows(answer.len()).any(|part| part == answer) {
        let mut byte = [0];
        stranger.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    drop(stranger);
    hub.terminate();
    let log = hub.log();
    assert_eq!(log.matches("PING").count(), 20, "{log}");
    assert!(log.contains("left out log lines repeated=80 lost=0"), "{log}");
}
