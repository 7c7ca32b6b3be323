//! Rooms: one order for all members, no message lost or repeated.

use std::time::Duration;

use bytes::Bytes;
use chinwag::proto::{
    ChatRequest, Leave, ListRoomsRequest, SubscribeRequest, SubscribeResponse, chat_request,
    chat_response, join::Start, subscribe_response,
};
use prost::Message as _;
use tokio::{sync::Barrier, task::JoinSet};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::{
    hub::TestHub,
    peer::{Session, new_id, post},
    raw,
    refusal::{why, why_in_stream},
    room::{enter, fill, join, joined, prove_whole, refused, subscribe, texts},
    within::{PATIENCE, within},
};

/// The number of members in the large room.
const CROWD: usize = 300;

/// The number of posts of each.
const SAID_EACH: usize = 10;

/// The time limit for the crowd: a fraction is enough in a debug build on two cores.
const CROWD_PATIENCE: Duration = Duration::from_secs(180);

/// All of 300 members receive all 3,000 messages, once, in the same order and without a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_receives_everything_once_and_in_one_order() {
    let hub = TestHub::start();
    let everyone_is_here = std::sync::Arc::new(Barrier::new(CROWD));
    let mut crowd = JoinSet::new();
    for i in 0..CROWD {
        let (address, barrier) = (hub.address(), everyone_is_here.clone());
        crowd.spawn(async move {
            let mut chat = Session::of(address, &format!("member-{i:03}")).await.chat().await;
            enter(&mut chat, "great", None).await;
            barrier.wait().await;
            for n in 0..SAID_EACH {
                chat.post("great", &new_id(), &format!("{i} {n}")).await;
            }
            let (mut heard, mut acked) = (Vec::new(), 0);
            while heard.len() < CROWD * SAID_EACH || acked < SAID_EACH {
                match chat.next().await {
                    chat_response::Event::Message(message) => heard.push(message),
                    chat_response::Event::Posted(posted) => {
                        assert!(!posted.duplicate);
                        acked += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            prove_whole(&heard);
            heard
                .into_iter()
                .map(|m| (m.position.unwrap().seq, m.sender, m.text))
                .collect::<Vec<_>>()
        });
    }
    let mut first = None;
    while let Some(heard) = within(CROWD_PATIENCE, "the crowd", crowd.join_next()).await {
        let heard = heard.unwrap();
        assert_eq!(heard.len(), CROWD * SAID_EACH);
        assert!(*first.get_or_insert_with(|| heard.clone()) == heard, "two heard different things");
    }
    prove_complete(&first.unwrap());
}

/// Asserts that everything was received, and that each member's posts are in order.
fn prove_complete(heard: &[(u64, String, String)]) {
    let mut next = vec![0; CROWD];
    for (_, sender, text) in heard {
        let (who, n) = text.split_once(' ').unwrap();
        let who: usize = who.parse().unwrap();
        assert_eq!(*sender, format!("member-{who:03}"));
        assert_eq!(n.parse(), Ok(next[who]), "{sender}");
        next[who] += 1;
    }
    assert!(next.iter().all(|&said| said == SAID_EACH));
}

#[tokio::test]
async fn an_event_has_the_same_bytes_on_chat_and_subscribe() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "lobby", &["one", "two", "three"]).await;
    let begin = join("lobby", Some(Start::Last(10)));

    let request = ChatRequest { request: Some(chat_request::Request::Join(begin.clone())) };
    let open =
        tokio_stream::iter([Bytes::from(request.encode_to_vec())]).chain(tokio_stream::pending());
    let mut chat = raw::call(&alice, "Broadcast/Chat", open).await.unwrap();
    let request = SubscribeRequest { joins: vec![begin] };
    let open = tokio_stream::once(Bytes::from(request.encode_to_vec()));
    let mut subscribe = raw::call(&alice, "Broadcast/Subscribe", open).await.unwrap();

    fill(&alice, "lobby", &["four"]).await;
    for kind in ["joined", "one", "two", "three", "four"] {
        let event = within(PATIENCE, kind, chat.message()).await.unwrap().unwrap();
        let same = within(PATIENCE, kind, subscribe.message()).await.unwrap().unwrap();
        assert_eq!(event, same, "{kind}");
        match SubscribeResponse::decode(event).unwrap().event.unwrap() {
            subscribe_response::Event::Joined(_) => assert_eq!(kind, "joined"),
            subscribe_response::Event::Message(message) => assert_eq!(kind, message.text),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_default_room_is_joined_automatically() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "", &["before"]).await;
    let mut listener = subscribe(&alice, vec![]).await;
    let mut chat = alice.chat().await;
    // Any request except a join first joins the default room at its end.
    chat.post("", &new_id(), "after").await;
    let (position, head) = joined(&mut chat, "lobby").await;
    assert_eq!(position, head);
    assert_eq!(chat.message().await.text, "after");
    let message = loop {
        let next = within(PATIENCE, "the message", listener.message()).await.unwrap().unwrap();
        if let Some(subscribe_response::Event::Message(message)) = next.event {
            break message;
        }
    };
    assert_eq!((message.text.as_str(), message.room.as_str()), ("after", "lobby"));
    assert_eq!(message.sender, "alice");
}

#[tokio::test]
async fn rooms_are_joined_and_left() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let bob = Session::of(hub.address(), "bob").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "ops", None).await;

    // A session outside a room cannot post to it and receives nothing from it.
    let refused_post = bob.broadcast().post(post("ops", &new_id(), "hi")).await.unwrap_err();
    assert_eq!(why(&refused_post), "FailedPrecondition NOT_JOINED");
    let mut bobs = bob.chat().await;
    enter(&mut bobs, "Ops", None).await;
    bobs.post("ops", &new_id(), "from the stream").await;
    // Calls on and beside a stream are not ordered, unless the test waits.
    assert_eq!(bobs.message().await.text, "from the stream");
    fill(&bob, "ops", &["from beside it"]).await;
    assert_eq!(texts(&mut chat, 2).await, ["from the stream", "from beside it"]);

    bobs.say(chat_request::Request::Leave(Leave { room: "ops".into() })).await;
    bobs.find(|event| match event {
        chat_response::Event::Left(left) => (left.room == "ops").then_some(()),
        _ => None,
    })
    .await;
    bobs.post("ops", &new_id(), "too late").await;
    assert_eq!(refused(&mut bobs).await, "FailedPrecondition NOT_JOINED");
    fill(&alice, "ops", &["alone"]).await;
    fill(&alice, "lobby", &["fence"]).await;
    enter(&mut bobs, "lobby", Some(Start::Last(1))).await;
    assert_eq!(bobs.message().await.text, "fence", "a message of a room that was left came");

    // The stream's other rooms are left as well.
    drop(chat);
    let mut listener = subscribe(&bob, vec![join("ops", Some(Start::Last(5)))]).await;
    let rooms = bob.broadcast().list_rooms(ListRoomsRequest::default()).await.unwrap();
    let names: Vec<_> = rooms.into_inner().rooms.into_iter().map(|room| room.name).collect();
    assert_eq!(names, ["lobby", "ops"]);
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let next = within(PATIENCE, "the history", listener.message()).await.unwrap().unwrap();
        if let Some(subscribe_response::Event::Message(message)) = next.event {
            heard.push(message);
        }
    }
    prove_whole(&heard);
    let texts: Vec<_> = heard.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["from the stream", "from beside it", "alone"]);
}

#[tokio::test]
async fn a_half_closed_stream_is_answered_completely() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    let ids: Vec<_> = (0..50).map(|_| new_id()).collect();
    for id in &ids {
        chat.post("", id, "and goodbye").await;
    }
    chat.close();
    let mut acked = Vec::new();
    while let Some(event) = chat.try_next().await.unwrap() {
        if let chat_response::Event::Posted(posted) = event {
            acked.push(posted.id);
        }
    }
    assert_eq!(acked, ids);
}

#[tokio::test]
async fn rooms_are_listed_with_their_members() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let bob = Session::of(hub.address(), "bob").await;
    let mut chat = alice.chat().await;
    for room in ["zebra", "ant"] {
        enter(&mut chat, room, None).await;
    }
    let head = fill(&alice, "ant", &["one", "two"]).await[1];
    let mut request = ListRoomsRequest { page_size: 2, ..Default::default() };
    let page = bob.broadcast().list_rooms(request.clone()).await.unwrap().into_inner();
    request.page_token = page.next_page_token;
    let rest = bob.broadcast().list_rooms(request).await.unwrap().into_inner();
    assert_eq!(rest.next_page_token, "");
    let rooms: Vec<_> = page.rooms.into_iter().chain(rest.rooms).collect();
    let facts: Vec<_> = rooms.iter().map(|room| (room.name.as_str(), room.members)).collect();
    assert_eq!(facts, [("ant", 1), ("lobby", 2), ("zebra", 1)]);
    assert_eq!(rooms[0].head, Some(head));
    assert!(rooms[0].last_message_at.is_some());
    assert_eq!(rooms[2].head.unwrap().seq, 0);
    assert_eq!(rooms[2].last_message_at, None);
    // One room alone, also the one that all are in.
    for (room, found) in
        [("ant", vec![("ant", 1)]), ("LOBBY", vec![("lobby", 2)]), ("nowhere", vec![])]
    {
        let request = ListRoomsRequest { room: room.into(), ..Default::default() };
        let page = bob.broadcast().list_rooms(request).await.unwrap().into_inner();
        let facts: Vec<_> =
            page.rooms.iter().map(|room| (room.name.as_str(), room.members)).collect();
        assert_eq!((facts, page.next_page_token.as_str()), (found, ""));
    }
}

#[tokio::test]
async fn a_hub_that_stops_says_goodbye() {
    let mut hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    let (status, rest) = tokio::task::spawn_blocking(move || hub.terminate()).await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(rest, [] as [String; 0], "a hub prints one line");
    let told = chat
        .find(|event| match event {
            chat_response::Event::Goodbye(goodbye) => goodbye.refusal,
            _ => None,
        })
        .await;
    assert_eq!(why_in_stream(&told), "Unavailable SHUTTING_DOWN");
    assert!(told.retry_delay.is_some());
    let ended = chat.try_next().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert_eq!(why(&ended), "Unavailable SHUTTING_DOWN");
}
