//! What a client promises about its session, against a hub that does what the test says.

#[path = "support/fake_hub.rs"]
mod fake_hub;

use std::time::Duration;

use chinwag::{
    client::{
        Client, ClientOptions, Connection, Event, Events, PeerChange, PeerFilter, SearchRequest,
    },
    error::Error,
    model::{MessageId, PeerStatus, Position, Posted, RoomName, Start, Text},
    proto::{
        self, join::Start as RawStart, refused::Request as About,
        watch_peers_response::Event as Watched,
    },
};
use fake_hub::{Call, EPOCH, FakeChat, FakeHub, PATIENCE, at, name, peer, refusal, within};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

fn room(raw: &str) -> RoomName {
    RoomName::parse(raw).unwrap()
}

fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

fn options(hub: &FakeHub, rooms: &[&str]) -> ClientOptions {
    let rooms = rooms.iter().map(|raw| (room(raw), Start::Head)).collect();
    ClientOptions { rooms, ..ClientOptions::new(hub.endpoint(), name("sova")) }
}

/// A client, and its stream in the room `r`, whose last message is number 10.
async fn in_a_room(hub: &mut FakeHub) -> (Client, Events, FakeChat) {
    let options = options(hub, &["r"]);
    let (client, mut chat) = tokio::join!(Client::start(options), hub.session());
    let (client, mut events) = client.unwrap();
    assert_eq!(chat.join().await.room, "r");
    chat.joined("r", 10, 10).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Joined { head, .. } if head.seq == 10));
    (client, events, chat)
}

async fn next(events: &mut Events) -> Event {
    within("an event", events.next()).await.expect("the client has stopped")
}

/// The seqs of the next messages, with nothing but messages between them.
async fn seqs<const N: usize>(events: &mut Events) -> [u64; N] {
    let mut seqs = [0; N];
    for seq in &mut seqs {
        match next(events).await {
            Event::Message(message) => *seq = message.position.seq,
            other => panic!("not a message: {other:?}"),
        }
    }
    seqs
}

async fn disconnected(events: &mut Events) -> (String, Duration) {
    match next(events).await {
        Event::Disconnected { cause, retry_in } => (cause, retry_in),
        other => panic!("not a loss: {other:?}"),
    }
}

/// Posts from another task.
fn post(client: &Client, to: &str, said: &str) -> JoinHandle<Result<Posted, Error>> {
    let (client, to, said) = (client.clone(), room(to), text(said));
    #[allow(clippy::disallowed_methods, reason = "the test awaits it")]
    tokio::spawn(async move { client.post(to, said).await })
}

async fn outcome(post: JoinHandle<Result<Posted, Error>>) -> Result<Posted, Error> {
    within("the end of a post", post).await.unwrap()
}

fn after(seq: u64) -> Option<RawStart> {
    Some(RawStart::After(at(seq)))
}

#[tokio::test]
async fn a_client_registers_joins_and_hears() {
    let mut hub = FakeHub::start().await;
    let mut options = options(&hub, &[]);
    options.rooms = vec![(room("lobby"), Start::Last(5)), (room("den"), Start::Head)];
    options.listen = Some("127.0.0.1:0".parse().unwrap());
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
async fn a_lost_stream_goes_on_where_it_was() {
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
    // A hub that repeats itself is not heard twice.
    for (seq, prev) in [(10, 9), (11, 10), (12, 11), (12, 11), (14, 12)] {
        chat.message("r", seq, prev).await;
    }
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert_eq!(seqs(&mut events).await, [12, 14]);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_said_again_under_the_same_id_in_order() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let mut posts = Vec::new();
    let mut ids = Vec::new();
    for said in ["one", "two", "three"] {
        posts.push(post(&client, "r", said));
        ids.push(chat.post().await.id);
    }
    assert_eq!(client.waiting(), 3);
    let first = proto::PostRequest { id: ids[0].clone(), room: "r".into(), text: "one".into() };
    chat.posted(&first, 11).await;
    assert_eq!(outcome(posts.remove(0)).await.unwrap().position.seq, 11);
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let fourth = post(&client, "r", "four");

    let mut chat = hub.session().await;
    // Nobody may post to a room before joining it.
    assert_eq!(chat.join().await.start, after(10));
    chat.joined("r", 10, 11).await;
    let again = [chat.post().await, chat.post().await, chat.post().await];
    assert_eq!(again.each_ref().map(|post| post.text.as_str()), ["two", "three", "four"]);
    assert_eq!([&again[0].id, &again[1].id], [&ids[1], &ids[2]]);
    for (post, seq) in again.iter().zip(12..) {
        chat.posted(post, seq).await;
    }
    for (post, seq) in posts.into_iter().chain([fourth]).zip(12..) {
        assert_eq!(outcome(post).await.unwrap().position.seq, seq);
    }
    assert_eq!(client.waiting(), 0);
}

#[tokio::test]
async fn ones_own_message_comes_once() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let sent = post(&client, "r", "hello");
    let asked = chat.post().await;
    // Delivered, but the stream breaks before the acknowledgement.
    let own = |seq, prev_seq| proto::Message {
        id: asked.id.clone(),
        room: "r".into(),
        position: Some(at(seq)),
        prev_seq,
        sender: "sova".into(),
        created_at: Some(prost_types::Timestamp::default()),
        text: "hello".into(),
    };
    chat.say(proto::chat_response::Event::Message(own(11, 10))).await;
    assert_eq!(seqs(&mut events).await, [11]);
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;

    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.start, after(11));
    chat.joined("r", 11, 11).await;
    assert_eq!(chat.post().await.id, asked.id);
    chat.posted(&asked, 11).await;
    chat.message("r", 12, 11).await;
    assert_eq!(outcome(sent).await.unwrap().position.seq, 11);
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert_eq!(seqs(&mut events).await, [12]);
}

#[tokio::test]
async fn a_gap_makes_the_room_begin_again_after_the_last_message() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, mut chat) = in_a_room(&mut hub).await;
    chat.message("r", 12, 11).await;
    assert_eq!(chat.join().await.start, after(10));
    // Still of the stream before.
    chat.message("r", 13, 12).await;
    chat.joined("r", 10, 13).await;
    for seq in 11..=13 {
        chat.message("r", seq, seq - 1).await;
    }
    assert_eq!(seqs(&mut events).await, [11, 12, 13]);
}

#[tokio::test]
async fn a_gap_that_stays_is_told() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, mut chat) = in_a_room(&mut hub).await;
    chat.message("r", 12, 11).await;
    assert_eq!(chat.join().await.start, after(10));
    chat.joined("r", 10, 12).await;
    chat.message("r", 12, 11).await;
    assert!(matches!(next(&mut events).await, Event::RoomReset { .. }));
    assert_eq!(seqs(&mut events).await, [12]);
}

#[tokio::test]
async fn an_answer_without_sense_is_a_gap() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, mut chat) = in_a_room(&mut hub).await;
    chat.say(proto::chat_response::Event::Message(proto::Message {
        room: "r".into(),
        position: Some(at(11)),
        ..Default::default()
    }))
    .await;
    chat.message("r", 12, 11).await;
    assert_eq!(chat.join().await.start, after(10));
    chat.joined("r", 10, 12).await;
    chat.message("r", 11, 10).await;
    chat.message("r", 12, 11).await;
    assert_eq!(seqs(&mut events).await, [11, 12]);
}

#[tokio::test]
async fn a_position_that_is_gone_is_told_and_the_room_goes_on_from_its_head() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let waits = post(&client, "r", "kept");

    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.start, after(10));
    chat.refused(About::Join("r".into()), Code::OutOfRange, "EPOCH_CHANGED").await;
    assert_eq!(chat.join().await.start, None);
    chat.joined("r", 2, 2).await;
    // What was said meanwhile is not lost with the room.
    let kept = chat.post().await;
    chat.posted(&kept, 3).await;
    assert_eq!(outcome(waits).await.unwrap().position.seq, 3);
    chat.message("r", 3, 2).await;

    assert!(matches!(next(&mut events).await, Event::Connected));
    match next(&mut events).await {
        Event::RoomReset { room: reset, cause } => {
            assert_eq!((reset, cause.as_str()), (room("r"), "\u{241b}[31mbecause EPOCH_CHANGED"));
        }
        other => panic!("not a reset: {other:?}"),
    }
    assert!(matches!(next(&mut events).await, Event::Joined { head, .. } if head.seq == 2));
    assert_eq!(seqs(&mut events).await, [3]);
}

#[tokio::test]
async fn a_goodbye_is_honoured() {
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
    // An attempt may have come in between; its streams end with the hub.
    let address = hub.stop().await;
    let waits = post(&client, "r", "kept");
    loop {
        let (cause, _) = disconnected(&mut events).await;
        if cause.contains("refused") {
            break;
        }
        // It had connected just before the end.
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
async fn a_session_that_ended_is_begun_anew() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(chinwag::wire::status(&Error::SessionEnded)).await;
    disconnected(&mut events).await;
    let (asked, shown) = hub.registration().await;
    assert_eq!((asked.replace_token.as_str(), shown), ("token-1", None));
    assert_eq!(hub.chat().await.token.as_deref(), Some("token-2"));
}

#[tokio::test]
async fn without_a_room_nothing_is_joined() {
    let mut hub = FakeHub::start().await;
    let (client, mut chat) = tokio::join!(Client::start(options(&hub, &[])), hub.session());
    let (client, mut events) = client.unwrap();
    let sent = post(&client, "lobby", "hello");
    let asked = chat.post().await;
    // A stream that begins with a post begins in the lobby; nobody here wants to.
    chat.joined("lobby", 4, 4).await;
    assert_eq!(chat.leave().await, "lobby");
    chat.message("lobby", 5, 4).await;
    chat.posted(&asked, 5).await;
    outcome(sent).await.unwrap();
    assert!(client.rooms().is_empty());
    client.stop().await;
    assert!(matches!(events.next().await, Some(Event::Connected)));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn rooms_are_joined_and_left() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let start = Start::After(Position { epoch: EPOCH, seq: 3 });
    let hub_side = async {
        assert_eq!(chat.join().await.start, after(3));
        chat.joined("s", 3, 5).await;
    };
    let (head, ()) = tokio::join!(client.join(room("s"), start), hub_side);
    assert_eq!(head.unwrap().seq, 5);
    assert!(matches!(next(&mut events).await, Event::Joined { .. }));
    // Joining what is joined is nothing.
    assert_eq!(client.join(room("s"), Start::Head).await.unwrap().seq, 3);
    assert_eq!(client.rooms(), [room("r"), room("s")]);

    let hub_side = async {
        assert_eq!(chat.join().await.room, "t");
        chat.refused(About::Join("t".into()), Code::ResourceExhausted, "LIMIT_REACHED").await;
    };
    let (refused, ()) = tokio::join!(client.join(room("t"), Start::Head), hub_side);
    assert!(matches!(refused, Err(Error::Refused(why)) if why.reason == "LIMIT_REACHED"));

    let hub_side = async {
        assert_eq!(chat.leave().await, "s");
        chat.say(proto::chat_response::Event::Left(proto::Left { room: "s".into() })).await;
    };
    let (left, ()) = tokio::join!(client.leave(room("s")), hub_side);
    left.unwrap();
    assert!(matches!(next(&mut events).await, Event::Left { .. }));
    assert_eq!(client.rooms(), [room("r")]);
    assert!(matches!(client.leave(room("s")).await, Err(Error::NotJoined(_))));
    // The room that was left is not joined again.
    chat.end(Status::unavailable("gone")).await;
    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.room, "r");
    let sent = post(&client, "lobby", "next");
    chat.joined("r", 10, 10).await;
    assert_eq!(chat.post().await.text, "next");
    drop(sent);
}

#[tokio::test]
async fn a_room_that_is_refused_on_return_is_told() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let waits = post(&client, "r", "never");
    let mut chat = hub.session().await;
    chat.join().await;
    chat.refused(About::Join("r".into()), Code::PermissionDenied, "BANNED").await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::JoinRefused { .. }));
    assert!(client.rooms().is_empty());
    let asked = chat.post().await;
    chat.refused(About::Post(asked.id), Code::FailedPrecondition, "NOT_JOINED").await;
    assert!(matches!(outcome(waits).await, Err(Error::Refused(why)) if why.reason == "NOT_JOINED"));
}

#[tokio::test]
async fn a_room_that_the_hub_ends_is_tried_once_more() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, mut chat) = in_a_room(&mut hub).await;
    let left = || proto::chat_response::Event::Left(proto::Left { room: "r".into() });
    chat.say(left()).await;
    assert_eq!(chat.join().await.start, after(10));
    chat.joined("r", 10, 10).await;
    chat.say(left()).await;
    assert!(matches!(next(&mut events).await, Event::Left { .. }));
}

#[tokio::test]
async fn posts_that_wait_are_bounded_and_an_id_stands_for_one_message() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let mut chat = hub.session().await;
    let id = MessageId::new();
    let again = |said: &str| client.post_draft(id, room("r"), text(said));
    let first = again("same");
    tokio::pin!(first);
    // Until its join is answered the room's posts wait.
    assert!(futures_poll(&mut first).await.is_none());
    let reused = within("the refusal", again("other")).await;
    assert!(matches!(reused, Err(Error::MessageIdReused(_))), "{reused:?}");
    let posts: Vec<_> = (1..1024).map(|_| post(&client, "r", "more")).collect();
    let full = async {
        while client.waiting() < 1024 {
            tokio::task::yield_now().await;
        }
    };
    within("a full queue", full).await;
    let refused = within("the refusal", client.post(room("r"), text("too many"))).await;
    assert!(matches!(refused, Err(Error::LimitReached { .. })), "{refused:?}");

    chat.join().await;
    chat.joined("r", 10, 10).await;
    let asked = chat.post().await;
    assert_eq!(asked.text, "same");
    let (one, two, ()) = tokio::join!(first, again("same"), async {
        tokio::task::yield_now().await;
        chat.posted(&asked, 11).await;
        if let proto::chat_request::Request::Post(second) = chat.next().await {
            // Depending on who came first the retry waits with the first or follows it.
            if second.id == asked.id {
                chat.posted(&second, 11).await;
            }
        }
    });
    assert_eq!([one.unwrap().position.seq, two.unwrap().position.seq], [11, 11]);
    drop(posts);
}

/// Lets a future run as far as it can now.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = async { for _ in 0..64 { tokio::task::yield_now().await } } => None,
    }
}

#[tokio::test]
async fn a_start_fails_where_the_hub_refuses_or_is_not_there() {
    let hub = FakeHub::start().await;
    hub.refuse([chinwag::wire::status(&Error::NameTaken(name("sova")))]);
    let refused = Client::start(options(&hub, &[])).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(why) if why.reason == "NAME_TAKEN"));
    let nobody = options(&hub, &[]);
    hub.stop().await;
    let unreachable = Client::start(nobody).await.unwrap_err();
    assert!(matches!(unreachable, Error::HubUnreachable { .. }), "{unreachable:?}");
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_client() {
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
    assert!(within("the end of events", events.next()).await.is_none());
    assert!(matches!(outcome(waits).await, Err(Error::Stopped)));
    assert!(matches!(client.join(room("s"), Start::Head).await, Err(Error::Stopped)));
    assert!(matches!(&*client.connection().borrow(), Connection::Stopped));
}

#[tokio::test]
async fn a_name_that_is_taken_is_asked_for_again_as_long_as_a_lease_may_live() {
    let mut hub = FakeHub::start().await;
    hub.set_lease(Duration::ZERO);
    let (_client, mut events, chat) = in_a_room(&mut hub).await;
    let taken = || chinwag::wire::status(&Error::NameTaken(name("sova")));
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
    assert_eq!(tokio::time::timeout(PATIENCE, ended).await.unwrap().reason, "NAME_TAKEN");
}

#[tokio::test]
async fn stopping_leaves_the_hub() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let waits = post(&client, "r", "never");
    chat.post().await;
    let other = client.clone();
    within("the stop", client.stop()).await;
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
    assert!(within("the end of events", events.next()).await.is_none());
}

#[tokio::test]
async fn processes_of_one_person_share_a_token() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    let kept = || std::fs::read_to_string(&file).ok();
    let mut hub = FakeHub::start().await;
    let options = ClientOptions { token_file: Some(file.clone()), ..options(&hub, &[]) };

    let (first, _chat) = tokio::join!(Client::start(options.clone()), hub.session());
    let (first, _events) = first.unwrap();
    assert_eq!(kept().as_deref(), Some("token-1"));

    // A command of the same person shows it, and neither writes nor removes it.
    let command = ClientOptions { status: PeerStatus::Invisible, ..options.clone() };
    let (second, (_, shown)) =
        tokio::join!(async { Client::start(command).await.unwrap() }, async {
            let asked = hub.registration().await;
            hub.chat().await;
            asked
        });
    assert_eq!(shown.as_deref(), Some("token-1"));
    second.0.stop().await;
    hub.call().await;
    assert_eq!(kept().as_deref(), Some("token-1"));

    // A token that proves nothing any more is not in the way.
    hub.refuse([chinwag::wire::status(&Error::SessionEnded)]);
    let (third, shown) =
        tokio::join!(async { Client::start(options.clone()).await.unwrap() }, async {
            let shown = [hub.registration().await.1, hub.registration().await.1];
            hub.chat().await;
            shown
        });
    assert_eq!(shown, [Some("token-1".into()), None]);
    let newest = kept().unwrap();
    assert_ne!(newest, "token-1");
    // Whoever stops removes its own token only.
    first.stop().await;
    assert_eq!(kept().as_deref(), Some(newest.as_str()));
    third.0.stop().await;
    assert_eq!(kept(), None);
}

#[tokio::test]
async fn a_status_outlives_the_session() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    client.set_status(PeerStatus::Away).await.unwrap();
    assert!(
        matches!(hub.call().await, Call::Renew { request } if request.status() == proto::PeerStatus::Away)
    );
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    assert_eq!(hub.registration().await.0.status(), proto::PeerStatus::Away);
}

#[tokio::test]
async fn all_pages_of_a_list_are_asked_for() {
    let hub = FakeHub::start().await;
    for name in ["colt", "buzz", "winter"] {
        hub.set_peer(name, &[]);
    }
    let options = options(&hub, &[]);
    let (_, hub) = hub.serve_quietly();
    let (client, _events) = Client::start(options).await.unwrap();
    let peers = client.peers(PeerFilter::default()).await.unwrap();
    let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["buzz", "colt", "sova", "winter"]);
    let nobody = client.peer(&name("nobody")).await;
    assert!(matches!(nobody, Err(Error::PeerUnknown(who)) if who == name("nobody")));
    drop(hub);
}

#[tokio::test]
async fn a_hit_is_a_part_of_its_text_or_nothing() {
    let hub = FakeHub::start().await;
    let options = options(&hub, &[]);
    let (_, _hub) = hub.serve_quietly();
    let (client, _events) = Client::start(options).await.unwrap();
    let search =
        |end: &str| client.search(SearchRequest { query: end.into(), ..Default::default() });
    assert_eq!(search("2").await.unwrap().items[0].ranges[0], 0..2);
    for wrong in ["1", "3"] {
        assert!(matches!(search(wrong).await, Err(Error::Protocol(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_watch_bridges_losses_or_says_so() {
    let mut hub = FakeHub::start().await;
    let (client, _events, _chat) = in_a_room(&mut hub).await;
    let snapshot = |peers: &[&str], last| {
        let peers = peers.iter().map(|name| peer(name, vec![])).collect();
        Watched::Snapshot(proto::PeerSnapshot { peers, last, revision: Some(at(1)) })
    };
    let (watch, mut stream) = tokio::join!(client.watch_peers(), hub.watch());
    let mut watch = watch.unwrap();
    stream.say(snapshot(&["buzz"], false)).await;
    stream.say(snapshot(&["colt"], true)).await;
    let seen = |change: PeerChange| match change {
        PeerChange::Updated(peer) => format!("+{}", peer.name),
        PeerChange::Left(name) => format!("-{name}"),
        other => format!("{other:?}"),
    };
    let mut changes = async |count| {
        let mut changes = Vec::new();
        for _ in 0..count {
            changes.push(seen(within("a change", watch.next()).await.unwrap()));
        }
        changes.join(" ")
    };
    assert_eq!(changes(4).await, "Reset +buzz +colt Listed");

    // The hub can say what changed since.
    stream.end(Status::unavailable("gone")).await;
    let watched = async {
        let stream = hub.watch().await;
        let delta = proto::PeerDelta {
            updated: vec![],
            removed: vec!["colt".into()],
            revision: Some(at(2)),
        };
        stream.say(Watched::Delta(delta)).await;
        stream
    };
    let (told, again) = tokio::join!(changes(1), watched);
    stream = again;
    assert_eq!((told.as_str(), stream.request.revision), ("-colt", Some(at(1))));

    // The hub cannot.
    stream.end(Status::unavailable("gone")).await;
    let watched = async {
        let stream = hub.watch().await;
        assert_eq!(stream.request.revision, Some(at(2)));
        stream.end(Status::out_of_range("gone")).await;
        let stream = hub.watch().await;
        stream.say(snapshot(&["winter"], true)).await;
        stream
    };
    let (told, again) = tokio::join!(changes(3), watched);
    assert_eq!((told.as_str(), again.request.revision), ("Reset +winter Listed", None));

    client.stop().await;
    assert!(within("the end of the watch", watch.next()).await.is_none());
}
