//! Streams with rings and an in-memory storage.

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

/// A room whose entries are single bytes, all of them stored.
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

    fn append(&self, text: &str) {
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

    fn end_event(&self, _error: &RequestError) -> Option<Bytes> {
        Some(Bytes::from_static(b"!"))
    }
}

fn stream() -> (EventStream<()>, Arc<StreamQueue>) {
    let queue = StreamQueue::new(None);
    (EventStream::new(queue.clone(), ()), queue)
}

fn join(queue: &StreamQueue, room: &Arc<FakeRoom>, seq: u64, answer: &'static str) {
    queue.push(StreamCommand::Join { source: room.clone(), seq, answer: answer.into() });
}

/// What the stream sends without further events.
async fn output(stream: &mut EventStream<()>) -> String {
    let mut output = String::new();
    let mut waits = 0;
    loop {
        let mut stream = pin!(&mut *stream);
        let next = poll_fn(|cx| Poll::Ready(stream.as_mut().poll_frame(cx))).await;
        match next {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => output.push_str(std::str::from_utf8(&data).unwrap()),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap();
                    output.push_str(&format!("<{}>", trailers["grpc-status"].to_str().unwrap()));
                }
            },
            Poll::Ready(Some(Err(status))) => panic!("{status}"),
            Poll::Ready(None) => return output,
            // A read from the storage takes a few polls.
            Poll::Pending if waits == 10 => return output,
            Poll::Pending => waits += 1,
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn entries_are_delivered_once_and_in_order() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 100);
    room.append("abc");
    join(&queue, &room, 1, "joined:");
    assert_eq!(output(&mut stream).await, "joined:bc");
    room.append("d");
    room.append("ef");
    assert_eq!(output(&mut stream).await, "def");
    assert_eq!(output(&mut stream).await, "");
}

#[tokio::test]
async fn a_reader_behind_the_ring_catches_up_from_the_storage() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 3);
    join(&queue, &room, 0, "");
    assert_eq!(output(&mut stream).await, "");
    room.append("abcdefghijk");
    assert_eq!(output(&mut stream).await, "abcdefghijk");
    room.append("l");
    assert_eq!(output(&mut stream).await, "l");
}

#[tokio::test]
async fn catching_up_in_one_room_does_not_block_another() {
    let (mut stream, queue) = stream();
    let (far, near) = (FakeRoom::new("far", 1), FakeRoom::new("near", 100));
    far.append("0123456789");
    join(&queue, &far, 0, "");
    join(&queue, &near, 0, "");
    near.append("x");
    let output = output(&mut stream).await;
    assert!(output.find('x') < output.find('9'), "{output}");
    assert_eq!(output.replace('x', ""), "0123456789");
}

#[tokio::test]
async fn an_unreadable_room_ends_and_the_others_continue() {
    let (mut stream, queue) = stream();
    let mut gone = FakeRoom::new("gone", 1);
    Arc::get_mut(&mut gone).unwrap().truncated = true;
    let here = FakeRoom::new("here", 100);
    gone.append("ab");
    join(&queue, &gone, 0, "");
    join(&queue, &here, 0, "");
    assert_eq!(output(&mut stream).await, "!");
    gone.append("c");
    here.append("x");
    assert_eq!(output(&mut stream).await, "x");
}

#[tokio::test]
async fn a_room_joined_again_restarts_and_a_left_one_ends() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 100);
    room.append("abc");
    join(&queue, &room, 0, "1:");
    join(&queue, &room, 2, "2:");
    assert_eq!(output(&mut stream).await, "1:2:c");
    queue.push(StreamCommand::Leave { room: room.name.clone(), answer: "left".into() });
    room.append("d");
    assert_eq!(output(&mut stream).await, "left");
}

#[tokio::test]
async fn answers_make_room_for_requests() {
    let (mut stream, queue) = stream();
    let mut requests = 0;
    while let Poll::Ready(()) = poll_once(queue.admit()).await {
        queue.push(StreamCommand::Answer(Bytes::from_static(b".")));
        requests += 1;
    }
    assert!(poll_once(queue.settled()).await.is_pending());
    assert_eq!(output(&mut stream).await.len(), requests);
    assert!(poll_once(queue.settled()).await.is_ready());
}

#[tokio::test]
async fn an_end_with_an_error_is_immediate() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 100);
    join(&queue, &room, 0, "");
    queue.push(StreamCommand::End { last: "bye".into(), error: Some(RequestError::SessionEnded) });
    room.append("a");
    assert_eq!(output(&mut stream).await, "bye<16>");
}

#[tokio::test]
async fn an_end_without_an_error_delivers_the_rest() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 100);
    join(&queue, &room, 0, "");
    room.append("a");
    queue.push(StreamCommand::End { last: Bytes::new(), error: None });
    assert_eq!(output(&mut stream).await, "a<0>");
}

#[tokio::test]
async fn an_end_waits_for_the_storage_but_not_for_later_entries() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 1);
    room.append("abcdefg");
    join(&queue, &room, 0, "");
    queue.push(StreamCommand::End { last: Bytes::new(), error: None });
    let frame = poll_fn(|cx| Pin::new(&mut stream).poll_frame(cx)).await.unwrap().unwrap();
    let first = frame.into_data().unwrap();
    room.append("later");
    let rest = output(&mut stream).await;
    let all = format!("{}{rest}", std::str::from_utf8(&first).unwrap());
    assert!(all.starts_with("abcdefg") && all.ends_with("<0>"), "{all}");
    assert!(!all.contains("later"), "{all}");
}

#[tokio::test]
async fn a_dropped_stream_unsubscribes() {
    let (mut stream, queue) = stream();
    let room = FakeRoom::new("a", 100);
    join(&queue, &room, 0, "");
    output(&mut stream).await;
    drop((stream, queue));
    assert_eq!(Arc::strong_count(&room), 1);
}

async fn poll_once(future: impl Future<Output = ()>) -> Poll<()> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).as_mut().poll(cx))).await
}
