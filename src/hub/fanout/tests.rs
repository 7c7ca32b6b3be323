//! Streams against rings and a store in memory.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use bytes::Bytes;
use http_body::Body;
use parking_lot::Mutex;
use tonic::async_trait;

use super::*;
use crate::{
    error::{Gone, RequestError, Result},
    model::RoomName,
};

/// A room whose entries are single bytes, all of them in its store.
#[derive(Debug)]
struct FakeRoom {
    name: RoomName,
    ring: Ring,
    stored: Mutex<Vec<u8>>,
    truncated: bool,
}

impl FakeRoom {
    fn new(name: &str, ring_bytes: usize) -> Arc<Self> {
        let name = RoomName::parse(name).unwrap();
        Arc::new(Self {
            name,
            ring: Ring::new(ring_bytes),
            stored: Mutex::default(),
            truncated: false,
        })
    }

    fn say(&self, text: &str) {
        for byte in text.bytes() {
            let mut stored = self.stored.lock();
            stored.push(byte);
            let last_seq = stored.len() as u64;
            let frames = Bytes::copy_from_slice(&[byte]);
            self.ring.append(last_seq - 1, Chunk { frames, last_seq });
        }
    }
}

#[async_trait]
impl Source for FakeRoom {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn room(&self) -> Option<&RoomName> {
        Some(&self.name)
    }

    async fn catch_up(&self, seq: u64) -> Result<Chunk> {
        if self.truncated {
            return Err(RequestError::PositionGone(Gone::Truncated));
        }
        tokio::task::yield_now().await;
        let stored = self.stored.lock();
        // Two at a time, so that one reader needs several reads.
        let entries: Vec<u8> = stored[seq as usize..].iter().copied().take(2).collect();
        let last_seq = seq + entries.len() as u64;
        Ok(Chunk { frames: entries.into(), last_seq })
    }

    fn farewell(&self, _error: &RequestError) -> Option<Bytes> {
        Some(Bytes::from_static(b"!"))
    }
}

fn stream() -> (EventStream<()>, Arc<StreamQueue>) {
    let mailbox = StreamQueue::new();
    (EventStream::new(mailbox.clone(), ()), mailbox)
}

fn join(mailbox: &StreamQueue, room: &Arc<FakeRoom>, seq: u64, answer: &'static str) {
    mailbox.push(StreamCommand::Join { source: room.clone(), seq, answer: answer.into() });
}

/// What the stream has to say by now.
async fn said(stream: &mut EventStream<()>) -> String {
    let mut said = String::new();
    let mut waits = 0;
    loop {
        let mut stream = pin!(&mut *stream);
        let next = poll_fn(|cx| Poll::Ready(stream.as_mut().poll_frame(cx))).await;
        match next {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => said.push_str(std::str::from_utf8(&data).unwrap()),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap();
                    said.push_str(&format!("<{}>", trailers["grpc-status"].to_str().unwrap()));
                }
            },
            Poll::Ready(Some(Err(status))) => panic!("{status}"),
            Poll::Ready(None) => return said,
            // A read from the store takes a few turns.
            Poll::Pending if waits == 10 => return said,
            Poll::Pending => waits += 1,
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_appended_is_delivered_once_and_in_order() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 100);
    room.say("abc");
    join(&mailbox, &room, 1, "joined:");
    assert_eq!(said(&mut stream).await, "joined:bc");
    room.say("d");
    room.say("ef");
    assert_eq!(said(&mut stream).await, "def");
    assert_eq!(said(&mut stream).await, "");
}

#[tokio::test]
async fn who_fell_out_of_the_ring_catches_up_from_the_store() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 3);
    join(&mailbox, &room, 0, "");
    assert_eq!(said(&mut stream).await, "");
    room.say("abcdefghijk");
    assert_eq!(said(&mut stream).await, "abcdefghijk");
    room.say("l");
    assert_eq!(said(&mut stream).await, "l");
}

#[tokio::test]
async fn catching_up_in_one_room_does_not_silence_another() {
    let (mut stream, mailbox) = stream();
    let (far, near) = (FakeRoom::new("far", 1), FakeRoom::new("near", 100));
    far.say("0123456789");
    join(&mailbox, &far, 0, "");
    join(&mailbox, &near, 0, "");
    near.say("x");
    let said = said(&mut stream).await;
    assert!(said.find('x') < said.find('9'), "{said}");
    assert_eq!(said.replace('x', ""), "0123456789");
}

#[tokio::test]
async fn a_room_that_cannot_be_read_on_is_left_and_the_others_go_on() {
    let (mut stream, mailbox) = stream();
    let mut gone = FakeRoom::new("gone", 1);
    Arc::get_mut(&mut gone).unwrap().truncated = true;
    let here = FakeRoom::new("here", 100);
    gone.say("ab");
    join(&mailbox, &gone, 0, "");
    join(&mailbox, &here, 0, "");
    assert_eq!(said(&mut stream).await, "!");
    gone.say("c");
    here.say("x");
    assert_eq!(said(&mut stream).await, "x");
}

#[tokio::test]
async fn a_room_joined_again_begins_anew_and_a_left_one_is_silent() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 100);
    room.say("abc");
    join(&mailbox, &room, 0, "1:");
    join(&mailbox, &room, 2, "2:");
    assert_eq!(said(&mut stream).await, "1:2:c");
    mailbox.push(StreamCommand::Leave { room: room.name.clone(), answer: "left".into() });
    room.say("d");
    assert_eq!(said(&mut stream).await, "left");
}

#[tokio::test]
async fn answers_come_in_order_and_make_room_for_requests() {
    let (mut stream, mailbox) = stream();
    let mut requests = 0;
    while let Poll::Ready(()) = poll_once(mailbox.admit()).await {
        mailbox.push(StreamCommand::Answer(Bytes::from_static(b".")));
        requests += 1;
    }
    assert!(poll_once(mailbox.settled()).await.is_pending());
    assert_eq!(said(&mut stream).await.len(), requests);
    assert!(poll_once(mailbox.settled()).await.is_ready());
}

#[tokio::test]
async fn an_end_with_an_error_comes_at_once_and_says_it() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 100);
    join(&mailbox, &room, 0, "");
    mailbox
        .push(StreamCommand::End { last: "bye".into(), error: Some(RequestError::SessionEnded) });
    room.say("a");
    assert_eq!(said(&mut stream).await, "bye<16>");
}

#[tokio::test]
async fn an_end_in_peace_delivers_what_is_there() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 100);
    join(&mailbox, &room, 0, "");
    room.say("a");
    mailbox.push(StreamCommand::End { last: Bytes::new(), error: None });
    assert_eq!(said(&mut stream).await, "a<0>");
}

#[tokio::test]
async fn an_end_in_peace_waits_for_the_store_but_not_for_what_comes_later() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 1);
    room.say("abcdefg");
    join(&mailbox, &room, 0, "");
    mailbox.push(StreamCommand::End { last: Bytes::new(), error: None });
    let frame = poll_fn(|cx| Pin::new(&mut stream).poll_frame(cx)).await.unwrap().unwrap();
    let first = frame.into_data().unwrap();
    room.say("later");
    let rest = said(&mut stream).await;
    let all = format!("{}{rest}", std::str::from_utf8(&first).unwrap());
    assert!(all.starts_with("abcdefg") && all.ends_with("<0>"), "{all}");
    assert!(!all.contains("later"), "{all}");
}

#[tokio::test]
async fn a_stream_that_is_gone_leaves_the_rings() {
    let (mut stream, mailbox) = stream();
    let room = FakeRoom::new("a", 100);
    join(&mailbox, &room, 0, "");
    said(&mut stream).await;
    drop((stream, mailbox));
    assert_eq!(Arc::strong_count(&room), 1);
}

async fn poll_once(future: impl Future<Output = ()>) -> Poll<()> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).as_mut().poll(cx))).await
}
