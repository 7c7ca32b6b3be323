//! Sessions of the client library, against a fake hub.

use std::time::Duration;

use crate::support::{
    fake_hub::{Call, FakeHub, name, refusal},
    one_client::{after, disconnected, in_a_room, next, options, outcome, post, room, seqs, text},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, Connection, Error, Event},
    error::{Reason, RequestError},
    model::Start,
    proto::{self, join::Start as RawStart, refused::Request as About},
};
use tonic::{Code, Status};

#[tokio::test]
async fn a_client_registers_joins_and_receives() {
    let mut hub = FakeHub::start().await;
    let options = options(&hub, &[])
        .rooms([(room("lobby"), Start::Last(5)), (room("den"), Start::Head)])
        .listen("127.0.0.1:0".parse().unwrap());
    let start = async { Client::start(options).await.unwrap() };
    let serve = async { (hub.registration().await, hub.chat().await) };
    let ((client, mut events), ((asked, shown), mut chat)) = tokio::join!(start, serve);

    assert_eq!((asked.name.as_str(), shown, asked.replace_token.as_str()), ("sova", None, ""));
    let listens = client.direct_address().unwrap();
    assert_eq!(asked.endpoints[0].port, u32::from(listens.port()));
    assert_eq!(client.advertised(), [listens.into()]);
    assert_eq!(chat.token.as_deref(), Some("token-1"));
    let (den, lobby) = (chat.join().await, chat.join().await);
    assert_eq!((den.room.as_str(), den.start), ("den", None));
    assert_eq!((lobby.room.as_str(), lobby.start), ("lobby", Some(RawStart::Last(5))));
    assert_eq!(client.rooms(), [room("den"), room("lobby")]);

    chat.joined("lobby", 5, 10).await;
    chat.message("lobby", 7, 5).await;
    chat.message("lobby", 10, 7).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Joined { head, .. } if head.seq == 10));
    assert_eq!(seqs(&mut events).await, [7, 10]);
    match &*client.connection().borrow() {
        Connection::Connected { observed, .. } => {
            assert_eq!(observed.as_ref().unwrap().to_string(), "192.0.2.1:4242");
        }
        other => panic!("not connected: {other:?}"),
    }
}

#[tokio::test]
async fn a_lost_stream_resumes_where_it_was() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.message("r", 11, 10).await;
    assert_eq!(seqs(&mut events).await, [11]);
    chat.end(Status::unavailable("gone\u{7}")).await;
    let (cause, _) = disconnected(&mut events).await;
    assert_eq!(cause, "gone\u{2407}");
    assert!(matches!(&*client.connection().borrow(), Connection::Lost { .. }));

    let (asked, _) = hub.registration().await;
    assert_eq!(asked.replace_token, "token-1");
    let mut chat = hub.chat().await;
    assert_eq!(chat.token.as_deref(), Some("token-2"));
    assert_eq!(chat.join().await.start, after(11));
    chat.joined("r", 11, 14).await;
    // Repeated messages are delivered once.
    for (seq, prev) in [(10, 9), (11, 10), (12, 11), (12, 11), (14, 12)] {
        chat.message("r", seq, prev).await;
    }
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert_eq!(seqs(&mut events).await, [12, 14]);
}

#[tokio::test]
async fn the_pause_in_a_goodbye_is_respected() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let waits = post(&client, "r", "kept");
    let asked = chat.post().await;
    chat.refused(About::Post(asked.id.clone()), Code::Unavailable, "SHUTTING_DOWN").await;
    let pause = Duration::from_millis(300);
    let refusal = Some(refusal(Code::Unavailable, "SHUTTING_DOWN", Some(pause)));
    chat.say(proto::chat_response::Event::Goodbye(proto::Goodbye { refusal })).await;
    let (cause, retry_in) = disconnected(&mut events).await;
    assert_eq!(cause, "\u{241b}[31mbecause SHUTTING_DOWN");
    assert!(retry_in >= pause, "{retry_in:?}");
    drop(chat);

    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.start, after(10));
    chat.joined("r", 10, 10).await;
    assert_eq!(chat.post().await.id, asked.id);
    chat.posted(&asked, 11).await;
    outcome(waits).await.unwrap();
}

#[tokio::test]
async fn a_hub_that_restarts_is_found_again() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    // A reconnection may have succeeded in between; its streams end with the hub.
    let address = hub.stop().await;
    let waits = post(&client, "r", "kept");
    loop {
        let (cause, _) = disconnected(&mut events).await;
        if cause.contains("refused") {
            break;
        }
        // The client had connected just before the hub stopped.
    }
    let mut hub = FakeHub::restart(address).await;
    let mut chat = hub.session().await;
    chat.join().await;
    chat.joined("r", 10, 10).await;
    let kept = chat.post().await;
    chat.posted(&kept, 11).await;
    outcome(waits).await.unwrap();
}

#[tokio::test]
async fn an_expired_session_is_registered_again() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(chinwag::wire::status(&RequestError::SessionEnded)).await;
    disconnected(&mut events).await;
    let (asked, shown) = hub.registration().await;
    assert_eq!((asked.replace_token.as_str(), shown), ("token-1", None));
    assert_eq!(hub.chat().await.token.as_deref(), Some("token-2"));
}

#[tokio::test]
async fn starting_fails_if_the_hub_refuses_or_is_unreachable() {
    let hub = FakeHub::start().await;
    hub.refuse([chinwag::wire::status(&RequestError::NameTaken(name("sova")))]);
    let refused = Client::start(options(&hub, &[])).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(why) if why.reason == Reason::NameTaken));
    let nobody = options(&hub, &[]);
    hub.stop().await;
    let unreachable = Client::start(nobody).await.unwrap_err();
    assert!(matches!(unreachable, Error::HubUnreachable { .. }), "{unreachable:?}");
}

#[tokio::test]
async fn a_permanent_refusal_ends_the_client() {
    let mut hub = FakeHub::start().await;
    hub.set_lease(Duration::ZERO);
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    let waits = post(&client, "r", "never");
    let mut chat = chat;
    chat.post().await;
    hub.refuse([Status::internal("a bad moment"), Status::permission_denied("removed")]);
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    disconnected(&mut events).await;
    match next(&mut events).await {
        Event::Ended { error: Error::Refused(why) } => assert_eq!(why.message, "removed"),
        other => panic!("not the end: {other:?}"),
    }
    assert!(within(PATIENCE, "the end of events", events.next()).await.is_none());
    assert!(matches!(outcome(waits).await, Err(Error::Stopped)));
    assert!(matches!(client.join(room("s"), Start::Head).await, Err(Error::Stopped)));
    assert!(matches!(&*client.connection().borrow(), Connection::Stopped));
}

#[tokio::test]
async fn a_taken_name_is_retried_for_the_length_of_a_lease() {
    let mut hub = FakeHub::start().await;
    hub.set_lease(Duration::ZERO);
    let (_client, mut events, chat) = in_a_room(&mut hub).await;
    let taken = || chinwag::wire::status(&RequestError::NameTaken(name("sova")));
    hub.refuse((0..100).map(|_| taken()));
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let (cause, _) = disconnected(&mut events).await;
    assert_eq!(cause, "the name sova is taken");
    let ended = async {
        loop {
            match next(&mut events).await {
                Event::Disconnected { .. } => {}
                Event::Ended { error: Error::Refused(why) } => break why,
                other => panic!("not the end: {other:?}"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, ended).await.unwrap().reason, Reason::NameTaken);
}

#[tokio::test]
async fn stopping_leaves_the_hub() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let waits = post(&client, "r", "never");
    chat.post().await;
    let other = client.clone();
    within(PATIENCE, "the stop", client.stop()).await;
    assert!(
        matches!(hub.call().await, Call::Unregister { token } if token.as_deref() == Some("token-1"))
    );
    assert!(events.next().await.is_none());
    assert!(matches!(outcome(waits).await, Err(Error::Stopped)));
    assert!(matches!(other.post(room("r"), text("x")).await, Err(Error::Stopped)));
}

#[tokio::test]
async fn dropping_the_last_client_leaves_the_hub() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, _chat) = in_a_room(&mut hub).await;
    drop(client);
    assert!(matches!(hub.call().await, Call::Unregister { .. }));
    assert!(within(PATIENCE, "the end of events", events.next()).await.is_none());
}
