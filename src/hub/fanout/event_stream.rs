//! The body of a streaming response.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use slab::Slab;
use tonic::Status;

use super::{
    frames::Chunk,
    ring::{Next, Subscriber as _},
    source::Source,
    stream_queue::{StreamCommand, StreamQueue, StreamWork},
};
use crate::{
    error::{RequestError, Result},
    model::RoomName,
    wire,
};

/// A source that is delivered, with the cursor.
#[derive(Debug)]
struct Slot {
    source: Arc<dyn Source>,
    /// The key of the ring's subscription; `None` once the stream ends.
    subscription: Option<usize>,
    seq: u64,
    /// Where delivery ends when the stream drains.
    until: u64,
}

impl Slot {
    fn advance(&mut self, chunk: &Chunk) {
        self.source.delivered(chunk.last_seq.saturating_sub(self.seq), chunk.frames.len());
        self.seq = chunk.last_seq;
    }

    fn is_drained(&self) -> bool {
        self.seq >= self.until
    }
}

/// A running read for a slot that fell behind.
struct CatchUp {
    slot: usize,
    chunk: Pin<Box<dyn Future<Output = Result<Chunk>> + Send>>,
}

/// The stream of one reader. `G` is dropped with the stream.
pub(crate) struct EventStream<G> {
    queue: Arc<StreamQueue>,
    slots: Slab<Slot>,
    /// Slots that fell behind the ring, each once. The first one is catching up.
    behind: VecDeque<usize>,
    catch_up: Option<CatchUp>,
    /// Whether the stream ends once every slot reaches its `until`.
    draining: bool,
    end: Option<Status>,
    ended: bool,
    _guard: G,
}

impl<G> EventStream<G> {
    /// A stream that handles the commands in `queue`.
    pub(crate) fn new(queue: Arc<StreamQueue>, guard: G) -> Self {
        Self {
            queue,
            slots: Slab::new(),
            behind: VecDeque::new(),
            catch_up: None,
            draining: false,
            end: None,
            ended: false,
            _guard: guard,
        }
    }

    /// Returns the next bytes to send; `None` at the end of the stream.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.end.is_none() {
            // Alternates between a room that catches up and the other rooms.
            let caught_up = self.poll_catch_up(cx);
            if let Poll::Ready(Some(bytes)) = caught_up {
                return Poll::Ready(Some(bytes));
            }
            let bytes = match self.queue.poll(cx) {
                Some(StreamWork::Answers(answers, count)) => {
                    self.queue.answered(count);
                    Some(answers)
                }
                Some(StreamWork::Command(command)) => self.handle(command),
                Some(StreamWork::Deliver(slot)) => self.deliver(slot),
                None if self.draining && self.slots.iter().all(|(_, slot)| slot.is_drained()) => {
                    self.finish(None);
                    None
                }
                None if caught_up.is_pending() => return Poll::Pending,
                None => None,
            };
            if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                return Poll::Ready(Some(bytes));
            }
        }
        Poll::Ready(None)
    }

    fn handle(&mut self, command: StreamCommand) -> Option<Bytes> {
        match command {
            StreamCommand::Answer(answer) => {
                self.queue.answered(1);
                Some(answer)
            }
            StreamCommand::Join { source, seq, answer } => {
                self.queue.answered(1);
                if let Some(room) = source.room() {
                    self.remove_room(&room.clone());
                }
                self.add(source, seq);
                Some(answer)
            }
            StreamCommand::Leave { room, answer } => {
                self.queue.answered(1);
                self.remove_room(&room);
                Some(answer)
            }
            StreamCommand::End { last, error: Some(error) } => {
                self.finish(Some(&error));
                Some(last)
            }
            StreamCommand::End { last, error: None } => {
                self.drain();
                Some(last)
            }
        }
    }

    fn add(&mut self, source: Arc<dyn Source>, seq: u64) {
        let entry = self.slots.vacant_entry();
        let slot = entry.key();
        let subscription = Some(source.ring().subscribe(self.queue.clone(), slot));
        entry.insert(Slot { source, subscription, seq, until: u64::MAX });
        // For entries that were appended before the subscription.
        self.queue.notify(slot);
    }

    fn deliver(&mut self, slot: usize) -> Option<Bytes> {
        let reader = self.slots.get_mut(slot)?;
        match reader.source.ring().next(reader.seq) {
            Next::Chunk(chunk, more) => {
                reader.advance(&chunk);
                if more && !reader.is_drained() {
                    self.queue.notify(slot);
                }
                Some(chunk.frames)
            }
            Next::End => None,
            Next::Behind => {
                if !self.behind.contains(&slot) {
                    reader.source.left_behind();
                    self.behind.push_back(slot);
                }
                None
            }
        }
    }

    /// Reads for the slot that fell behind first. Also pending if no slot is behind. Ready with
    /// `None` if something changed but there is nothing to send.
    fn poll_catch_up(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.catch_up.is_none() {
            let Some(&slot) = self.behind.front() else { return Poll::Pending };
            let Some(Slot { source, seq, .. }) = self.slots.get(slot) else {
                self.behind.pop_front();
                return Poll::Ready(None);
            };
            let (source, seq) = (source.clone(), *seq);
            let chunk = Box::pin(async move { source.catch_up(seq).await });
            self.catch_up = Some(CatchUp { slot, chunk });
        }
        let Some(CatchUp { slot, chunk }) = &mut self.catch_up else { return Poll::Pending };
        let slot = *slot;
        let result = ready!(chunk.as_mut().poll(cx));
        self.catch_up = None;
        self.behind.pop_front();
        Poll::Ready(self.caught_up(slot, result))
    }

    fn caught_up(&mut self, slot: usize, result: Result<Chunk>) -> Option<Bytes> {
        let reader = self.slots.get_mut(slot)?;
        match result {
            Ok(chunk) => {
                reader.advance(&chunk);
                self.queue.notify(slot);
                Some(chunk.frames)
            }
            Err(error) => {
                let end_event = reader.source.end_event(&error);
                self.remove(slot);
                if end_event.is_none() {
                    self.finish(Some(&error));
                }
                end_event
            }
        }
    }

    fn remove_room(&mut self, room: &RoomName) {
        let of_room = |(_, slot): &(usize, &Slot)| slot.source.room() == Some(room);
        if let Some((slot, _)) = self.slots.iter().find(of_room) {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        if let Some(Slot { source, subscription: Some(subscription), .. }) =
            self.slots.try_remove(slot)
        {
            source.ring().unsubscribe(subscription);
        }
        self.behind.retain(|&behind| behind != slot);
        self.catch_up.take_if(|read| read.slot == slot);
    }

    fn finish(&mut self, error: Option<&RequestError>) {
        self.end = Some(error.map_or_else(|| Status::ok(""), wire::status));
        self.unsubscribe();
    }

    /// Delivers the rest of every log, up to its current end, and then ends the stream.
    fn drain(&mut self) {
        self.unsubscribe();
        self.draining = true;
        for (slot, reader) in &mut self.slots {
            reader.until = reader.source.ring().head();
            self.queue.notify(slot);
        }
    }

    fn unsubscribe(&mut self) {
        for (_, slot) in &mut self.slots {
            if let Some(subscription) = slot.subscription.take() {
                slot.source.ring().unsubscribe(subscription);
            }
        }
    }
}

impl<G: Unpin> Body for EventStream<G> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let stream = self.get_mut();
        if stream.ended {
            return Poll::Ready(None);
        }
        if let Some(bytes) = ready!(stream.poll_bytes(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        stream.ended = true;
        let mut trailers = HeaderMap::new();
        if let Some(status) = &stream.end {
            status.add_header(&mut trailers)?;
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl<G> Drop for EventStream<G> {
    fn drop(&mut self) {
        self.unsubscribe();
    }
}
