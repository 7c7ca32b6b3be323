//! Common operations in rooms: join, post, receive, and check that nothing is missing.

use chinwag::proto::{
    Join, Message, Position, SubscribeRequest, SubscribeResponse, chat_request, chat_response,
    join::Start,
};
use tonic::Streaming;

use crate::support::{
    peer::{Chat, Session, new_id, post},
    refusal::why_in_stream,
};

pub(crate) fn join(room: &str, start: Option<Start>) -> Join {
    Join { room: room.into(), start }
}

pub(crate) fn join_request(room: &str, start: Option<Start>) -> chat_request::Request {
    chat_request::Request::Join(join(room, start))
}

/// Joins a room on a stream and returns the position it delivers from and the room's head.
pub(crate) async fn enter(
    chat: &mut Chat,
    room: &str,
    start: Option<Start>,
) -> (Position, Position) {
    chat.say(join_request(room, start)).await;
    joined(chat, &room.to_lowercase()).await
}

pub(crate) async fn joined(chat: &mut Chat, room: &str) -> (Position, Position) {
    chat.find(|event| match event {
        chat_response::Event::Joined(joined) if joined.room == room => {
            Some((joined.position.unwrap(), joined.head.unwrap()))
        }
        _ => None,
    })
    .await
}

pub(crate) async fn refused(chat: &mut Chat) -> String {
    let refusal = chat
        .find(|event| match event {
            chat_response::Event::Refused(refused) => refused.refusal,
            _ => None,
        })
        .await;
    why_in_stream(&refusal)
}

/// Posts texts to a room one by one and returns their positions.
pub(crate) async fn fill(session: &Session, room: &str, texts: &[&str]) -> Vec<Position> {
    let mut positions = Vec::new();
    for text in texts {
        let posted = session.broadcast().post(post(room, &new_id(), text)).await.unwrap();
        positions.push(posted.into_inner().position.unwrap());
    }
    positions
}

pub(crate) async fn texts(chat: &mut Chat, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        texts.push(chat.message().await.text);
    }
    texts
}

pub(crate) async fn subscribe(session: &Session, joins: Vec<Join>) -> Streaming<SubscribeResponse> {
    let call = session.broadcast().subscribe(SubscribeRequest { joins }).await;
    call.unwrap().into_inner()
}

/// Asserts that there is no gap: each message names the one before.
pub(crate) fn prove_whole(messages: &[Message]) {
    for pair in messages.windows(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|m| m.position.unwrap());
        assert_eq!(before.epoch, after.epoch);
        assert!(before.seq < after.seq, "{before:?} came before {after:?}");
        assert_eq!(pair[1].prev_seq, before.seq, "something is missing before {after:?}");
    }
}
