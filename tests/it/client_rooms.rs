//! Rooms and posts of the client library, against a fake hub.

use crate::support::{
    fake_hub::{EPOCH, FakeHub, at},
    one_client::{after, disconnected, in_a_room, next, options, outcome, post, room, seqs, text},
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, Error, Event},
    error::Reason,
    model::{MessageId, Position, Start},
    proto::{self, refused::Request as About},
};
use tonic::{Code, Status};

#[tokio::test]
async fn after_a_gap_the_room_is_joined_again_after_the_last_message() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, mut chat) = in_a_room(&mut hub).await;
    chat.message("r", 12, 11).await;
    assert_eq!(chat.join().await.start, after(10));
    // A late message of the previous stream.
    chat.message("r", 13, 12).await;
    chat.joined("r", 10, 13).await;
    for seq in 11..=13 {
        chat.message("r", seq, seq - 1).await;
    }
    assert_eq!(seqs(&mut events).await, [11, 12, 13]);
}

#[tokio::test]
async fn a_lasting_gap_is_reported() {
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
async fn an_invalid_response_counts_as_a_gap() {
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
async fn a_lost_position_is_reported_and_the_room_resumes_with_all_that_is_left() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let waits = post(&client, "r", "kept");

    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.start, after(10));
    chat.refused(About::Join("r".into()), Code::OutOfRange, "EPOCH_CHANGED").await;
    assert_eq!(chat.join().await.start, Some(proto::join::Start::Since(Default::default())));
    chat.joined("r", 2, 2).await;
    // A post during that time is not lost with the room.
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
async fn a_hub_that_lost_its_latest_messages_does_not_repeat_the_others() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.start, after(10));
    chat.refused(About::Join("r".into()), Code::OutOfRange, "POSITION_AHEAD").await;
    assert_eq!(chat.join().await.start, None);
}

#[tokio::test]
async fn without_a_room_nothing_is_joined() {
    let mut hub = FakeHub::start().await;
    let (client, mut chat) = tokio::join!(Client::start(options(&hub, &[])), hub.session());
    let (client, mut events) = client.unwrap();
    let sent = post(&client, "lobby", "hello");
    let asked = chat.post().await;
    // A stream that begins with a post joins the lobby, which this client does not want.
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
    // Joining a joined room has no effect.
    assert_eq!(client.join(room("s"), Start::Head).await.unwrap().seq, 3);
    assert_eq!(client.rooms(), [room("r"), room("s")]);

    let hub_side = async {
        assert_eq!(chat.join().await.room, "t");
        chat.refused(About::Join("t".into()), Code::ResourceExhausted, "LIMIT_REACHED").await;
    };
    let (refused, ()) = tokio::join!(client.join(room("t"), Start::Head), hub_side);
    assert!(matches!(refused, Err(Error::Refused(why)) if why.reason == Reason::LimitReached));

    let hub_side = async {
        assert_eq!(chat.leave().await, "s");
        chat.say(proto::chat_response::Event::Left(proto::Left {
            room: "s".into(),
            refusal: None,
        }))
        .await;
    };
    let (left, ()) = tokio::join!(client.leave(room("s")), hub_side);
    left.unwrap();
    assert!(matches!(next(&mut events).await, Event::Left { .. }));
    assert_eq!(client.rooms(), [room("r")]);
    assert!(matches!(client.leave(room("s")).await, Err(Error::NotJoined(_))));
    // The client does not rejoin a room that it has left.
    chat.end(Status::unavailable("gone")).await;
    let mut chat = hub.session().await;
    assert_eq!(chat.join().await.room, "r");
    let sent = post(&client, "lobby", "next");
    chat.joined("r", 10, 10).await;
    assert_eq!(chat.post().await.text, "next");
    drop(sent);
}

#[tokio::test]
async fn a_room_refused_after_a_reconnect_is_reported() {
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
    assert!(
        matches!(outcome(waits).await, Err(Error::Refused(why)) if why.reason == Reason::NotJoined)
    );
}

#[tokio::test]
async fn an_unavailable_room_is_retried() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    let mut chat = hub.session().await;
    chat.join().await;
    chat.refused(About::Join("r".into()), Code::Unavailable, "STORE_UNAVAILABLE").await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert_eq!(disconnected(&mut events).await.0, "\u{241b}[31mbecause STORE_UNAVAILABLE");
    assert_eq!(client.rooms(), [room("r")]);
    assert_eq!(hub.session().await.join().await.start, after(10));
}

#[tokio::test]
async fn a_room_ended_by_the_hub_is_joined_once_more() {
    let mut hub = FakeHub::start().await;
    let (_client, mut events, mut chat) = in_a_room(&mut hub).await;
    let left =
        || proto::chat_response::Event::Left(proto::Left { room: "r".into(), refusal: None });
    chat.say(left()).await;
    assert_eq!(chat.join().await.start, after(10));
    chat.joined("r", 10, 10).await;
    chat.say(left()).await;
    assert!(matches!(next(&mut events).await, Event::Left { .. }));
}

#[tokio::test]
async fn own_messages_arrive_once() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, mut chat) = in_a_room(&mut hub).await;
    let sent = post(&client, "r", "hello");
    let asked = chat.post().await;
    // The message is delivered, but the stream breaks before the acknowledgement.
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
async fn unacknowledged_posts_are_repeated_in_order_with_their_ids() {
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
    // A client must join a room before it posts there.
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
async fn a_post_counts_as_waiting_from_its_begin() {
    let mut hub = FakeHub::start().await;
    let (client, _events, mut chat) = in_a_room(&mut hub).await;
    // On one thread, nothing else has run between `begin` and this check.
    let stored = client.post(room("r"), text("hello")).begin().await.unwrap();
    assert_eq!(client.waiting(), 1);
    let asked = chat.post().await;
    chat.posted(&asked, 11).await;
    within(PATIENCE, "the acknowledgement", stored).await.unwrap();
    assert_eq!(client.waiting(), 0);
    let refused = post(&client, "r", "refused");
    let asked = chat.post().await;
    chat.refused(About::Post(asked.id), Code::PermissionDenied, "").await;
    assert!(matches!(outcome(refused).await, Err(Error::Refused(_))));
    assert_eq!(client.waiting(), 0);
}

#[tokio::test]
async fn pending_posts_are_bounded() {
    let mut hub = FakeHub::start().await;
    let (client, mut events, chat) = in_a_room(&mut hub).await;
    chat.end(Status::unavailable("gone")).await;
    disconnected(&mut events).await;
    // Posts to a room wait until its join is answered.
    let mut chat = hub.session().await;
    let posts: Vec<_> = (0..1024).map(|n| post(&client, "r", &n.to_string())).collect();
    let full = async {
        while client.waiting() < 1024 {
            tokio::task::yield_now().await;
        }
    };
    within(PATIENCE, "a full queue", full).await;
    let refused = client.post(room("r"), text("too many"));
    let refused = within(PATIENCE, "the refusal", refused).await;
    assert!(matches!(refused, Err(Error::LimitReached { .. })), "{refused:?}");
    chat.join().await;
    chat.joined("r", 10, 10).await;
    for (seq, post) in (11..).zip(posts) {
        let asked = chat.post().await;
        assert_eq!(asked.text, (seq - 11).to_string());
        chat.posted(&asked, seq).await;
        assert_eq!(outcome(post).await.unwrap().position.seq, seq);
    }
}

#[tokio::test]
async fn an_id_cannot_be_reused_for_another_message() {
    let mut hub = FakeHub::start().await;
    let (client, _events, mut chat) = in_a_room(&mut hub).await;
    let id = MessageId::new();
    let say = |said: &str| client.post(room("r"), text(said)).id(id).into_future();
    let hub_side = async {
        let asked = chat.post().await;
        let reused = within(PATIENCE, "the refusal", say("other")).await;
        assert!(matches!(reused, Err(Error::MessageIdReused(_))), "{reused:?}");
        // A retry before the acknowledgement shares it.
        let again = say("same");
        tokio::pin!(again);
        let wait = tokio::select! {
            biased;
            _ = &mut again => panic!("nothing was acknowledged"),
            // Commands are answered in order.
            left = client.leave(room("nowhere")) => left,
        };
        assert!(matches!(wait, Err(Error::NotJoined(_))));
        chat.posted(&asked, 11).await;
        again.await.unwrap().position.seq
    };
    let (first, again) = tokio::join!(say("same"), hub_side);
    assert_eq!([first.unwrap().position.seq, again], [11, 11]);
    let sent = post(&client, "r", "next");
    assert_eq!(chat.post().await.text, "next");
    drop(sent);
}
