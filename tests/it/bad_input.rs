//! Bad input is refused with a typed error (google.rpc details, never UNKNOWN), and the connection
//! and all other calls on it continue.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use bytes::Bytes;
use chinwag::proto::{
    ChatRequest, DirectMessage, Endpoint, EndpointList, GetPeerRequest, Join, Leave,
    ListMessagesRequest, ListPeersRequest, ListRoomsRequest, PostRequest, RegisterRequest,
    RenewRequest, SearchMessagesRequest, SendRequest, SubscribeRequest, UnregisterRequest,
    WatchPeersRequest, broadcast_client::BroadcastClient, chat_request::Request as Ask,
    chat_response, join::Start, peer_chat_client::PeerChatClient, presence_client::PresenceClient,
};
use prost::Message as _;
use tokio_stream::StreamExt;
use tonic::Status;

use crate::support::{
    hub::TestHub,
    peer::{Chat, Session, connect, named, new_id, post, register},
    raw,
    refusal::{why, why_in_stream},
    room, terminal,
    within::{PATIENCE, within},
};

/// One byte more than the maximum length of a text.
const TOO_LONG: usize = 16 * 1024 + 1;

/// Invalid names.
const BAD_NAMES: [&str; 7] = ["", " ", "a b", "-a", "a/b", "tab\t", "\u{202e}abc"];

/// Starts a hub and a session whose single connection must survive the whole test.
async fn alice() -> (TestHub, Session) {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    (hub, alice)
}

/// Returns the refusal of a call.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> String {
    why(&answer.unwrap_err())
}

/// Returns the refusal of a request on a stream that continues.
async fn refused_on(chat: &mut Chat, request: Ask) -> String {
    chat.say(request).await;
    room::refused(chat).await
}

/// Asserts that the session still works on its connection.
async fn still_works(session: &Session) {
    session.broadcast().post(post("", &new_id(), "still here")).await.unwrap();
}

#[tokio::test]
async fn names_are_checked() {
    let (hub, alice) = alice().await;
    let long = "x".repeat(65);
    for name in BAD_NAMES.into_iter().chain([long.as_str()]) {
        let answer = register(hub.address(), named(name)).await;
        assert_eq!(why(&answer.unwrap_err()), "InvalidArgument INVALID_FIELD name", "{name:?}");
        let request = GetPeerRequest { name: name.into(), ..Default::default() };
        let answer = alice.presence().get_peer(request).await;
        assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD name", "{name:?}");
    }
    let status = RegisterRequest { status: 99, ..named("bob") };
    let answer = register(hub.address(), status).await;
    assert_eq!(why(&answer.unwrap_err()), "InvalidArgument INVALID_FIELD status");
    assert_eq!(
        why(&register(hub.address(), named("alice")).await.unwrap_err()),
        "AlreadyExists NAME_TAKEN"
    );
    let unknown = GetPeerRequest { name: "nobody".into(), ..Default::default() };
    assert_eq!(refused(alice.presence().get_peer(unknown).await), "NotFound PEER_UNKNOWN");
    still_works(&alice).await;
}

#[tokio::test]
async fn endpoints_are_checked() {
    let (hub, alice) = alice().await;
    let at = |host: &str, port| Endpoint { host: host.into(), port };
    let good = at("127.0.0.1", 1);
    for bad in [at("", 1), at("no/host", 1), at("127.0.0.1", 0), at("a", 65_536), at("[::1]", 1)] {
        let endpoints = vec![good.clone(), bad];
        let request = RegisterRequest { endpoints: endpoints.clone(), ..named("bob") };
        let answer = register(hub.address(), request).await;
        assert_eq!(why(&answer.unwrap_err()), "InvalidArgument INVALID_FIELD endpoints[1]");
        let endpoints = Some(EndpointList { endpoints });
        let answer = alice.presence().renew(RenewRequest { status: 0, endpoints }).await;
        assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD endpoints.endpoints[1]");
    }
    let request = RegisterRequest { endpoints: vec![good; 9], ..named("bob") };
    let answer = register(hub.address(), request).await;
    assert_eq!(why(&answer.unwrap_err()), "InvalidArgument INVALID_FIELD endpoints");
    still_works(&alice).await;
}

#[tokio::test]
async fn posts_are_checked() {
    let (_hub, alice) = alice().await;
    let id = new_id();
    let long = "x".repeat(TOO_LONG);
    let mut chat = alice.chat().await;
    alice.broadcast().post(post("", &id, "used")).await.unwrap();
    let cases: [(PostRequest, &str); 9] = [
        (post("", &new_id(), &"x".repeat(200_000)), "InvalidArgument INVALID_FIELD text"),
        (post("", &new_id(), ""), "InvalidArgument INVALID_FIELD text"),
        (post("", &new_id(), &long), "InvalidArgument INVALID_FIELD text"),
        (post("no room", &new_id(), "hi"), "InvalidArgument INVALID_FIELD room"),
        (post("", "1", "hi"), "InvalidArgument INVALID_FIELD id"),
        (post("", &id.replace('-', ""), "hi"), "InvalidArgument INVALID_FIELD id"),
        (
            post("", "00000000-0000-0000-0000-000000000000", "hi"),
            "InvalidArgument INVALID_FIELD id",
        ),
        (post("elsewhere", &new_id(), "hi"), "FailedPrecondition NOT_JOINED"),
        (post("", &id, "another text"), "AlreadyExists MESSAGE_ID_REUSED"),
    ];
    for (request, wanted) in cases {
        assert_eq!(refused(alice.broadcast().post(request.clone()).await), wanted);
        let on_stream = refused_on(&mut chat, Ask::Post(request)).await;
        assert_eq!(on_stream, wanted.replace("_FIELD ", "_FIELD post."));
    }
    chat.post("", &new_id(), "x".repeat(TOO_LONG - 1).as_str()).await;
    assert_eq!(chat.message().await.text.len(), TOO_LONG - 1, "the longest text there may be");
    still_works(&alice).await;
}

#[tokio::test]
async fn joins_are_checked() {
    let (_hub, alice) = alice().await;
    let mut chat = alice.chat().await;
    for name in BAD_NAMES {
        let join = Join { room: name.into(), start: None };
        let on_stream = refused_on(&mut chat, Ask::Join(join.clone())).await;
        assert_eq!(on_stream, "InvalidArgument INVALID_FIELD join.room", "{name:?}");
        let leave = Leave { room: name.into() };
        let on_stream = refused_on(&mut chat, Ask::Leave(leave)).await;
        assert_eq!(on_stream, "InvalidArgument INVALID_FIELD leave.room", "{name:?}");
        let joins = vec![Join { room: "lobby".into(), start: None }, join];
        let answer = alice.broadcast().subscribe(SubscribeRequest { joins }).await;
        assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD joins[1].room", "{name:?}");
    }
    let never = prost_types::Timestamp { seconds: 0, nanos: -1 };
    let since = Join { room: "ops".into(), start: Some(Start::Since(never)) };
    let on_stream = refused_on(&mut chat, Ask::Join(since)).await;
    assert_eq!(on_stream, "InvalidArgument INVALID_FIELD join.since");
    let elsewhere = Leave { room: "elsewhere".into() };
    let on_stream = refused_on(&mut chat, Ask::Leave(elsewhere)).await;
    assert_eq!(on_stream, "FailedPrecondition NOT_JOINED");

    let rooms = |count| (0..count).map(|i| Join { room: format!("room-{i}"), start: None });
    let many = SubscribeRequest { joins: rooms(65).collect() };
    let answer = alice.broadcast().subscribe(many).await;
    assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD joins");
    let twice = SubscribeRequest { joins: rooms(1).chain(rooms(1)).collect() };
    let answer = alice.broadcast().subscribe(twice).await;
    assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD joins[1].room");
    still_works(&alice).await;
}

#[tokio::test]
async fn pages_are_checked() {
    let (_hub, alice) = alice().await;
    let (mut presence, mut broadcast) = (alice.presence(), alice.broadcast());
    for garbage in ["x", "!", "AAAAAAAAAAAAAAAAAAAA", "é"] {
        let page_token = || garbage.to_owned();
        let refusals = [
            refused(
                presence
                    .list_peers(ListPeersRequest { page_token: page_token(), ..Default::default() })
                    .await,
            ),
            refused(
                broadcast
                    .list_rooms(ListRoomsRequest { page_token: page_token(), ..Default::default() })
                    .await,
            ),
            refused(
                broadcast
                    .list_messages(ListMessagesRequest {
                        page_token: page_token(),
                        ..Default::default()
                    })
                    .await,
            ),
            refused(
                broadcast
                    .search_messages(SearchMessagesRequest {
                        query: "word".into(),
                        page_token: page_token(),
                        ..Default::default()
                    })
                    .await,
            ),
        ];
        for refusal in refusals {
            assert_eq!(refusal, "InvalidArgument INVALID_FIELD page_token", "{garbage:?}");
        }
    }
    let negative = ListPeersRequest { page_size: -1, ..Default::default() };
    let answer = presence.list_peers(negative).await;
    assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD page_size");
    let list = ListPeersRequest { view: 99, ..Default::default() };
    let watch = WatchPeersRequest { view: 99, ..Default::default() };
    for refusal in
        [refused(presence.list_peers(list).await), refused(presence.watch_peers(watch).await)]
    {
        assert_eq!(refusal, "InvalidArgument INVALID_FIELD view");
    }
    for query in ["", "\"", &"x".repeat(257), "a b c d e f g h i", &"a* ".repeat(85), "茶*"] {
        let request = SearchMessagesRequest { query: query.into(), ..Default::default() };
        let answer = broadcast.search_messages(request).await;
        assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD query", "{query:?}");
    }
    still_works(&alice).await;
}

#[tokio::test]
async fn calls_without_a_live_session_are_refused() {
    let hub = TestHub::start();
    let gone = Session::of(hub.address(), "gone").await;
    gone.presence().unregister(UnregisterRequest {}).await.unwrap();
    let ended = all_calls(gone.presence(), gone.broadcast()).await;
    assert!(ended.iter().all(|why| why == "Unauthenticated SESSION_ENDED"), "{ended:?}");

    let channel = connect(hub.address()).await;
    let missing =
        all_calls(PresenceClient::new(channel.clone()), BroadcastClient::new(channel)).await;
    assert!(missing.iter().all(|why| why == "Unauthenticated SESSION_MISSING"), "{missing:?}");
}

/// Returns the refusal of each rpc except Register.
async fn all_calls<T>(
    mut presence: PresenceClient<T>,
    mut broadcast: BroadcastClient<T>,
) -> Vec<String>
where
    T: tonic::client::GrpcService<tonic::body::Body>,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let name = GetPeerRequest { name: "alice".into(), ..Default::default() };
    let silent = tokio_stream::pending::<ChatRequest>();
    vec![
        refused(presence.renew(RenewRequest::default()).await),
        refused(presence.unregister(UnregisterRequest {}).await),
        refused(presence.get_peer(name).await),
        refused(presence.list_peers(ListPeersRequest::default()).await),
        refused(presence.watch_peers(WatchPeersRequest::default()).await),
        refused(broadcast.chat(silent).await),
        refused(broadcast.post(post("", "", "hi")).await),
        refused(broadcast.subscribe(SubscribeRequest::default()).await),
        refused(broadcast.list_messages(ListMessagesRequest::default()).await),
        refused(broadcast.search_messages(SearchMessagesRequest::default()).await),
        refused(broadcast.list_rooms(ListRoomsRequest::default()).await),
    ]
}

#[tokio::test]
async fn garbage_ends_only_its_own_stream() {
    let (_hub, alice) = alice().await;
    let mut chat = alice.chat().await;
    chat.post("", &new_id(), "before").await;
    assert_eq!(chat.message().await.text, "before");

    // A field with an undefined wire type, and a length beyond the end.
    for garbage in [&b"\x0f\xff\xff"[..], b"\x1a\xff\xff\xff\xff\x07x"] {
        let fine = post("", &new_id(), "fine");
        let fine = ChatRequest { request: Some(Ask::Post(fine)) }.encode_to_vec();
        let requests = tokio_stream::iter([Bytes::from(fine), Bytes::from_static(garbage)]);
        let open = requests.chain(tokio_stream::pending());
        let mut stream = raw::call(&alice, "Broadcast/Chat", open).await.unwrap();
        let ended = loop {
            match within(PATIENCE, "the end", stream.message()).await {
                Ok(answer) => assert!(answer.is_some(), "garbage was taken for the end"),
                Err(status) => break status,
            }
        };
        assert_eq!(why(&ended), "InvalidArgument INVALID_FIELD request");
        for method in ["Broadcast/Post", "Broadcast/Subscribe", "Presence/ListPeers"] {
            let request = tokio_stream::once(Bytes::from_static(garbage));
            let refused = match raw::call(&alice, method, request).await {
                Ok(mut stream) => stream.message().await.unwrap_err(),
                Err(status) => status,
            };
            assert_eq!(why(&refused), "InvalidArgument INVALID_FIELD request", "{method}");
        }
    }
    // An empty request is refused as well.
    chat.say_nothing().await;
    let refusal = chat
        .find(|event| match event {
            chat_response::Event::Refused(refused) => refused.refusal,
            _ => None,
        })
        .await;
    assert_eq!(why_in_stream(&refusal), "InvalidArgument INVALID_FIELD request");

    chat.post("", &new_id(), "after").await;
    while chat.message().await.text != "after" {}
    still_works(&alice).await;
}

/// Requests larger than any valid text are refused as too large without being read.
#[tokio::test]
async fn requests_of_every_length_are_answered() {
    let (_hub, alice) = alice().await;
    let huge = || post("", &new_id(), &"x".repeat(1_000_000));
    let too_much = "ResourceExhausted LIMIT_REACHED";
    assert_eq!(refused(alice.broadcast().post(huge()).await), too_much);
    let mut chat = alice.chat().await;
    chat.say(Ask::Post(huge())).await;
    assert_eq!(why(&chat.refusal().await), too_much);
    still_works(&alice).await;
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() {
    let (_hub, alice) = alice().await;
    for method in ["Broadcast/Shout", "Attic/Look"] {
        let refused = raw::call(&alice, method, tokio_stream::empty()).await.unwrap_err();
        assert_eq!(why(&refused), "Unimplemented METHOD_UNKNOWN", "{method}");
    }
    still_works(&alice).await;
}

#[tokio::test]
async fn bytes_that_are_not_http_disturb_no_other_client() {
    let (hub, alice) = alice().await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"[..], &[0xff; 4096]] {
        let mut stream = TcpStream::connect(hub.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(garbage);
        // The server ends the connection, whatever it answers first.
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection stays open");
        }
    }
    still_works(&alice).await;
}

#[tokio::test]
async fn a_client_checks_what_it_receives() {
    let (hub, alice) = alice().await;
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let options = ["--hub", &address, "--name", "bob", "--listen", "127.0.0.1:0"];
    let args = [&options[..], &["chat", "--plain"]].concat();
    let terminal = terminal::Terminal::chinwag(home.path(), &args);
    terminal.wait_for("lobby");
    let bob = GetPeerRequest { name: "bob".into(), ..Default::default() };
    let bob = alice.presence().get_peer(bob).await.unwrap().into_inner().peer.unwrap();
    let address = format!("{}:{}", bob.endpoints[0].host, bob.endpoints[0].port);
    let mut bob = PeerChatClient::new(connect(address.parse().unwrap()).await);

    let good = || DirectMessage {
        id: new_id(),
        sender: "alice".into(),
        sent_at: None,
        text: "psst".into(),
    };
    let cases = [
        (DirectMessage { id: "1".into(), ..good() }, "message.id"),
        (DirectMessage { sender: "a b".into(), ..good() }, "message.sender"),
        (DirectMessage { text: String::new(), ..good() }, "message.text"),
        (DirectMessage { text: "x".repeat(TOO_LONG), ..good() }, "message.text"),
    ];
    for (message, field) in cases {
        let answer = bob.send(SendRequest { message: Some(message), ..Default::default() }).await;
        assert_eq!(refused(answer), format!("InvalidArgument INVALID_FIELD {field}"));
    }
    let answer = bob.send(SendRequest::default()).await;
    assert_eq!(refused(answer), "InvalidArgument INVALID_FIELD message");
    let message = good();
    let receipt = bob
        .send(SendRequest { message: Some(message.clone()), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(receipt.into_inner().receipt.unwrap().receiver, "bob");
    terminal.wait_for("alice (unverified): psst");
    let again =
        bob.send(SendRequest { message: Some(message), ..Default::default() }).await.unwrap();
    assert!(again.into_inner().receipt.unwrap().duplicate);
}
