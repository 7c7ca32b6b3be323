//! The body of a streaming response.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use slab::Slab;
use tonic::{Status, async_trait};

use super::{Chunk, Ring, StreamCommand, StreamQueue, ring::Taken, stream_queue::Mail};
use crate::{
    error::{RequestError, Result},
    model::RoomName,
    wire,
};

/// A log that streams deliver.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Its recent end.
    fn ring(&self) -> &Ring;

    /// The room it is, where it is one: a stream delivers each room once.
    fn room(&self) -> Option<&RoomName>;

    /// Entries after `seq` for a cursor that the ring has left behind. Never empty.
    async fn catch_up(&self, seq: u64) -> Result<Chunk>;

    /// Counts what one reader was given: the distance between two seqs, which is the number of
    /// messages where the log is without gaps.
    fn delivered(&self, _messages: u64, _bytes: usize) {}

    /// Counts a reader that the ring has left behind.
    fn left_behind(&self) {}

    /// The event that tells that the source cannot be read on, after which the stream goes on
    /// without it. `None`: the stream has to end.
    fn farewell(&self, error: &RequestError) -> Option<Bytes>;
}

/// A source that is delivered, and how far.
#[derive(Debug)]
struct Slot {
    source: Arc<dyn Source>,
    /// The ring's name for this reader; `None` once nothing new is wanted.
    subscription: Option<usize>,
    seq: u64,
    /// Where a stream that drains ends.
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

/// A read that is under way, and for which slot.
struct CatchUp {
    slot: usize,
    chunk: Pin<Box<dyn Future<Output = Result<Chunk>> + Send>>,
}

/// Shared frames for one reader. `G` lives as long as the stream does.
pub(crate) struct EventStream<G> {
    mailbox: Arc<StreamQueue>,
    slots: Slab<Slot>,
    /// Slots that the ring has left behind, each once; the first is being helped.
    behind: VecDeque<usize>,
    catch_up: Option<CatchUp>,
    /// Whether the stream ends once every slot has come to where its log was.
    draining: bool,
    end: Option<Status>,
    ended: bool,
    _guard: G,
}

impl<G> EventStream<G> {
    /// A stream that obeys the orders in `mailbox`.
    pub(crate) fn new(mailbox: Arc<StreamQueue>, guard: G) -> Self {
        Self {
            mailbox,
            slots: Slab::new(),
            behind: VecDeque::new(),
            catch_up: None,
            draining: false,
            end: None,
            ended: false,
            _guard: guard,
        }
    }

    /// The next bytes to send; `None` where the stream ends.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.end.is_none() {
            // A reader far behind in one room and present in another gets both by turns.
            let caught_up = self.poll_catch_up(cx);
            if let Poll::Ready(Some(bytes)) = caught_up {
                return Poll::Ready(Some(bytes));
            }
            let bytes = match self.mailbox.poll(cx) {
                Some(Mail::Answers(answers, count)) => {
                    self.mailbox.answered(count);
                    Some(answers)
                }
                Some(Mail::StreamCommand(order)) => self.obey(order),
                Some(Mail::Ready(slot)) => self.deliver(slot),
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

    fn obey(&mut self, order: StreamCommand) -> Option<Bytes> {
        match order {
            StreamCommand::Answer(answer) => {
                self.mailbox.answered(1);
                Some(answer)
            }
            StreamCommand::Join { source, seq, answer } => {
                self.mailbox.answered(1);
                if let Some(room) = source.room() {
                    self.forget_room(&room.clone());
                }
                self.begin(source, seq);
                Some(answer)
            }
            StreamCommand::Leave { room, answer } => {
                self.mailbox.answered(1);
                self.forget_room(&room);
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

    fn begin(&mut self, source: Arc<dyn Source>, seq: u64) {
        let entry = self.slots.vacant_entry();
        let slot = entry.key();
        let subscription = Some(source.ring().subscribe(self.mailbox.clone(), slot));
        entry.insert(Slot { source, subscription, seq, until: u64::MAX });
        // Whatever was appended before the subscription.
        self.mailbox.notify(slot);
    }

    fn deliver(&mut self, slot: usize) -> Option<Bytes> {
        let reader = self.slots.get_mut(slot)?;
        match reader.source.ring().take(reader.seq) {
            Taken::Chunk(chunk, more) => {
                reader.advance(&chunk);
                if more && !reader.is_drained() {
                    self.mailbox.notify(slot);
                }
                Some(chunk.frames)
            }
            Taken::End => None,
            Taken::Behind => {
                if !self.behind.contains(&slot) {
                    reader.source.left_behind();
                    self.behind.push_back(slot);
                }
                None
            }
        }
    }

    /// Bytes from the store for the slot that has waited longest. Pending where there is none
    /// to wait for, too; ready with nothing where something changed without bytes to send.
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
                self.mailbox.notify(slot);
                Some(chunk.frames)
            }
            Err(error) => {
                let farewell = reader.source.farewell(&error);
                self.forget(slot);
                if farewell.is_none() {
                    self.finish(Some(&error));
                }
                farewell
            }
        }
    }

    fn forget_room(&mut self, room: &RoomName) {
        let of_room = |(_, slot): &(usize, &Slot)| slot.source.room() == Some(room);
        if let Some((slot, _)) = self.slots.iter().find(of_room) {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: usize) {
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

    /// Lets every slot come to where its log is now.
    fn drain(&mut self) {
        self.unsubscribe();
        self.draining = true;
        for (slot, reader) in &mut self.slots {
            reader.until = reader.source.ring().head();
            self.mailbox.notify(slot);
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
