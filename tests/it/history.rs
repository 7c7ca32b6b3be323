//! Stored messages: start positions, repeated posts, pages and search.

use std::collections::HashSet;

use chinwag::proto::{
    ListMessagesRequest, Message, Position, SearchHit, SearchMessagesRequest, SearchOrder,
    SubscribeRequest, chat_response, join::Start,
};

use crate::support::{
    hub::TestHub,
    peer::{Session, new_id, post},
    refusal::why,
    room::{enter, fill, join, join_request, prove_whole, refused, texts},
    within::{PATIENCE, within},
};

#[tokio::test]
async fn a_join_begins_at_the_requested_position() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let positions = fill(&alice, "lobby", &["one", "two", "three", "four"]).await;
    let after_two = Some(Start::After(positions[1]));

    let mut chat = alice.chat().await;
    let (from, head) = enter(&mut chat, "lobby", after_two).await;
    assert_eq!((from, head), (positions[1], positions[3]));
    assert_eq!(texts(&mut chat, 2).await, ["three", "four"]);

    // Joining again restarts the room at the new position.
    enter(&mut chat, "lobby", Some(Start::Last(1))).await;
    assert_eq!(chat.message().await.text, "four");
    let history = alice.broadcast().list_messages(ListMessagesRequest::default()).await.unwrap();
    let since = history.into_inner().messages[1].created_at.unwrap();
    enter(&mut chat, "lobby", Some(Start::Since(since))).await;
    let heard = texts(&mut chat, 1).await;
    assert!(["one", "two"].contains(&heard[0].as_str()), "stored at one time or not: {heard:?}");

    // The position before the first message is a valid start.
    let origin = Position { seq: 0, ..positions[0] };
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", Some(Start::After(origin))).await;
    assert_eq!(texts(&mut chat, 4).await, ["one", "two", "three", "four"]);
}

#[tokio::test]
async fn an_impossible_start_is_refused_with_a_reason() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let last = *fill(&alice, "lobby", &["one", "two"]).await.last().unwrap();
    let other_life = Position { epoch: last.epoch ^ 1, seq: 1 };
    let ahead = Position { seq: last.seq + 1000, ..last };
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    for (position, reason) in [(other_life, "EPOCH_CHANGED"), (ahead, "POSITION_AHEAD")] {
        let wanted = format!("OutOfRange {reason}");
        let begin = Some(Start::After(position));
        chat.say(join_request("ops", begin)).await;
        assert_eq!(refused(&mut chat).await, wanted);
        let request = SubscribeRequest { joins: vec![join("lobby", begin)] };
        let refused = match alice.broadcast().subscribe(request).await {
            Err(status) => status,
            Ok(stream) => stream.into_inner().message().await.unwrap_err(),
        };
        assert_eq!(why(&refused), wanted);
    }
    // The refusal changes nothing: the stream is still in its room.
    chat.post("lobby", &new_id(), "three").await;
    assert_eq!(chat.message().await.text, "three");
}

#[tokio::test]
async fn a_repeated_post_is_stored_once() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let bob = Session::of(hub.address(), "bob").await;
    let id = new_id();
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    chat.post("lobby", &id, "once").await;
    chat.post("lobby", &id, "once").await;
    let mut posted = Vec::new();
    while posted.len() < 2 {
        if let chat_response::Event::Posted(one) = chat.next().await {
            posted.push(one);
        }
    }
    assert_eq!(posted[0].position, posted[1].position);
    assert_eq!(posted[0].created_at, posted[1].created_at);
    assert_eq!((posted[0].duplicate, posted[1].duplicate), (false, true));
    let again = alice.broadcast().post(post("", &id, "once")).await.unwrap().into_inner();
    assert_eq!((again.duplicate, again.position), (true, posted[0].position));

    // Different content with the same id is refused; the same id of another sender is another
    // message.
    let other = alice.broadcast().post(post("lobby", &id, "twice")).await.unwrap_err();
    assert_eq!(why(&other), "AlreadyExists MESSAGE_ID_REUSED");
    chat.post("lobby", &id, "thrice").await;
    assert_eq!(refused(&mut chat).await, "AlreadyExists MESSAGE_ID_REUSED");
    let bobs = bob.broadcast().post(post("lobby", &id, "once")).await.unwrap().into_inner();
    assert!(!bobs.duplicate);

    let page = alice.broadcast().list_messages(ListMessagesRequest::default()).await.unwrap();
    let stored: Vec<_> = page.into_inner().messages.into_iter().map(|m| m.sender).collect();
    assert_eq!(stored, ["alice", "bob"]);
}

#[tokio::test]
async fn history_is_paged_in_both_directions() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let said: Vec<_> = (0..25).map(|i| format!("message {i}")).collect();
    let positions = fill(&alice, "", &said.iter().map(String::as_str).collect::<Vec<_>>()).await;

    for forward in [true, false] {
        let mut found: Vec<Message> = Vec::new();
        let mut request = ListMessagesRequest { page_size: 10, forward, ..Default::default() };
        loop {
            let page = alice.broadcast().list_messages(request.clone()).await.unwrap().into_inner();
            assert_eq!(page.head, positions.last().copied());
            let at = if forward { found.len() } else { 0 };
            found.splice(at..at, page.messages);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        prove_whole(&found);
        assert_eq!(
            found.iter().map(|m| &m.text).collect::<Vec<_>>(),
            said.iter().collect::<Vec<_>>()
        );
    }

    let from = ListMessagesRequest { from: Some(positions[9]), page_size: 2, ..Default::default() };
    let page = alice.broadcast().list_messages(from).await.unwrap().into_inner().messages;
    assert_eq!(
        page.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(),
        ["message 7", "message 8"]
    );
}

#[tokio::test]
async fn history_can_be_limited_to_a_period() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let said: Vec<_> = (0..12).map(|i| format!("message {i}")).collect();
    fill(&alice, "", &said.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let all = alice.broadcast().list_messages(ListMessagesRequest::default()).await.unwrap();
    let at: Vec<_> = all.into_inner().messages.iter().map(|m| m.created_at).collect();
    let never = Some(prost_types::Timestamp { seconds: 253_402_207_200, nanos: 0 });
    let before =
        |i: usize| at[i].map(|at| prost_types::Timestamp { seconds: at.seconds - 1, ..at });
    // `since` is inclusive and `until` exclusive.
    for (since, until, expected) in [
        (at[3], at[8], 3..8),
        (at[3], None, 3..12),
        (None, at[8], 0..8),
        (at[3], never, 3..12),
        (before(0), at[1], 0..1),
        (at[8], at[3], 0..0),
        (at[3], at[3], 0..0),
        (never, None, 0..0),
        (None, before(0), 0..0),
    ] {
        for (forward, page_size) in [(true, 2), (true, 50), (false, 2), (false, 50)] {
            let mut request =
                ListMessagesRequest { page_size, forward, since, until, ..Default::default() };
            let mut found: Vec<Message> = Vec::new();
            loop {
                let page = alice.broadcast().list_messages(request.clone()).await.unwrap();
                let page = page.into_inner();
                let place = if forward { found.len() } else { 0 };
                found.splice(place..place, page.messages);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            let found: Vec<_> = found.into_iter().map(|m| m.text).collect();
            assert_eq!(found, said[expected.clone()], "{request:?}");
        }
    }

    // A token belongs to its period, and a position beside it narrows further.
    let request = ListMessagesRequest { page_size: 2, since: at[3], ..Default::default() };
    let page = alice.broadcast().list_messages(request.clone()).await.unwrap().into_inner();
    let other =
        ListMessagesRequest { page_token: page.next_page_token, since: at[4], ..request.clone() };
    let refused = alice.broadcast().list_messages(other).await.unwrap_err();
    assert_eq!(why(&refused), "InvalidArgument INVALID_FIELD page_token");
    let sixth = page.head.map(|head| Position { seq: 6, ..head });
    let request = ListMessagesRequest { from: sixth, ..request };
    let page = alice.broadcast().list_messages(request).await.unwrap().into_inner();
    assert_eq!(
        page.messages.iter().map(|m| &m.text).collect::<Vec<_>>(),
        said[3..5].iter().collect::<Vec<_>>()
    );
    assert_eq!(page.next_page_token, "");
    for (since, until, field) in
        [(Some(bad_time()), None, "since"), (None, Some(bad_time()), "until")]
    {
        let request = ListMessagesRequest { since, until, ..Default::default() };
        let refused = alice.broadcast().list_messages(request).await.unwrap_err();
        assert_eq!(why(&refused), format!("InvalidArgument INVALID_FIELD {field}"));
        let request =
            SearchMessagesRequest { query: "x".into(), since, until, ..Default::default() };
        let refused = alice.broadcast().search_messages(request).await.unwrap_err();
        assert_eq!(why(&refused), format!("InvalidArgument INVALID_FIELD {field}"));
    }
}

fn bad_time() -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }
}

#[tokio::test]
async fn messages_are_found_by_their_words() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "", &["the build is green", "the build is red", "lunch?"]).await;
    let mut request = SearchMessagesRequest {
        query: "build".into(),
        order: SearchOrder::Newest.into(),
        ..Default::default()
    };
    let hits = found_at_last(&alice, &request, 2).await;
    let texts: Vec<_> =
        hits.iter().map(|hit| hit.message.as_ref().unwrap().text.as_str()).collect();
    assert_eq!(texts, ["the build is red", "the build is green"]);
    let range = hits[0].ranges[0];
    assert_eq!(&texts[0][range.start as usize..range.end as usize], "build");
    request.query = "\"is green\"".into();
    let found = alice.broadcast().search_messages(request).await.unwrap().into_inner();
    assert_eq!(found.hits.len(), 1);
}

/// Returns the hits of a search once there are this many: the most recent posts may not be indexed yet.
async fn found_at_last(
    who: &Session,
    request: &SearchMessagesRequest,
    count: usize,
) -> Vec<SearchHit> {
    within(PATIENCE, "finding all", async {
        loop {
            let found = who.broadcast().search_messages(request.clone()).await.unwrap();
            let hits = found.into_inner().hits;
            if hits.len() == count {
                return hits;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn pages_of_a_search_do_not_shift_while_others_post() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    fill(&alice, "", &["tea 1", "tea 2", "tea 3"]).await;
    let all = SearchMessagesRequest { query: "tea".into(), page_size: 100, ..Default::default() };
    found_at_last(&alice, &all, 3).await;
    for (order, posted) in [(SearchOrder::Newest, 3), (SearchOrder::Relevance, 5)] {
        let mut request =
            SearchMessagesRequest { page_size: 1, order: order.into(), ..all.clone() };
        let mut found = Vec::new();
        for more in 1.. {
            let page = alice.broadcast().search_messages(request.clone()).await.unwrap();
            let page = page.into_inner();
            found.extend(page.hits.into_iter().map(|hit| hit.message.unwrap().id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            fill(&alice, "", &["tea tea tea"]).await;
            found_at_last(&alice, &all, posted + more).await;
        }
        let once: HashSet<_> = found.iter().collect();
        assert_eq!((found.len(), once.len()), (posted, posted), "{order:?}: {found:?}");
    }
}

/// Extreme values of positions and times are valid.
#[tokio::test]
async fn extreme_numbers_in_requests_are_handled() {
    let hub = TestHub::start();
    let alice = Session::of(hub.address(), "alice").await;
    let here = fill(&alice, "", &["one", "two"]).await[1];
    let end = Position { seq: u64::MAX, ..here };
    let mut chat = alice.chat().await;
    chat.say(join_request("lobby", Some(Start::After(end)))).await;
    assert_eq!(refused(&mut chat).await, "OutOfRange POSITION_AHEAD");
    chat.say(join_request("lobby", Some(Start::Last(u32::MAX)))).await;
    assert!(refused(&mut chat).await.ends_with("INVALID_FIELD join.last"));
    for seconds in [i64::MIN, i64::MAX] {
        let never = prost_types::Timestamp { seconds, nanos: 0 };
        chat.say(join_request("lobby", Some(Start::Since(never)))).await;
        assert_eq!(refused(&mut chat).await, "InvalidArgument INVALID_FIELD join.since");
    }
    // The first second of the year 1, and one of the last days of 9999.
    for (seconds, heard) in [(-62_135_596_800, &["one", "two"][..]), (253_402_207_200, &[])] {
        let at = prost_types::Timestamp { seconds, nanos: 0 };
        let (position, head) = enter(&mut chat, "lobby", Some(Start::Since(at))).await;
        assert_eq!(head.seq - position.seq, heard.len() as u64);
        assert_eq!(texts(&mut chat, heard.len()).await, heard);
    }
    for (forward, found) in [(true, 0), (false, 2)] {
        let request = ListMessagesRequest {
            from: Some(end),
            forward,
            page_size: i32::MAX,
            ..Default::default()
        };
        let page = alice.broadcast().list_messages(request).await.unwrap().into_inner();
        assert_eq!((page.messages.len(), page.next_page_token.as_str()), (found, ""));
    }
    let other_life = Position { epoch: here.epoch ^ 1, seq: 1 };
    let request = ListMessagesRequest { from: Some(other_life), ..Default::default() };
    let refused = alice.broadcast().list_messages(request).await.unwrap_err();
    assert_eq!(why(&refused), "OutOfRange EPOCH_CHANGED");
}
