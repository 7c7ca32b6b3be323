//! The hub's log, even at the level `trace`, has no texts, no tokens and no control characters.

use chinwag::proto::{
    GetPeerRequest, ListMessagesRequest, ListPeersRequest, SearchMessagesRequest,
    presence_client::PresenceClient,
};
use tonic::{Request, metadata::MetadataValue};

use crate::support::{
    hub::TestHub,
    peer::{Session, connect, named, new_id, post},
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
