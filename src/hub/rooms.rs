//! The rooms: from the log to the streams.

mod reads;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use tonic::async_trait;

use self::reads::{Read, Reads};
use super::{
    fanout::{self, Chunk, Ring, Source},
    metrics::Metrics,
};
use crate::{
    error::{Gone, RequestError, Result},
    model::{Message, Position, RoomName, Start},
    proto::{self, chat_response::Event},
    storage::{CommitListener, Edge, Extent, MessageLog, Rooms as Which, Slice},
    wire,
};

/// Bytes of frames that a room keeps for its readers: more than TCP and HTTP/2 hold for a reader,
/// so that only one who stands still falls out and has to be served from the store.
const RING_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of frames after which a batch is closed. A stream takes turns between its rooms after
/// each batch.
const BATCH_BYTES: usize = 64 * 1024;

/// What a message's frame takes beside its text, about.
const FRAME_BYTES: usize = 128;

/// Rooms that are read at a time, by all sessions: 64 sessions with as many as each may be in. An
/// empty one takes some hundred bytes; one in which much is said, a ring.
const MAX_ROOMS: usize = 16 * 1024;

/// When somebody who found too many rooms may come again.
const FULL_DELAY: Duration = Duration::from_secs(30);

/// Messages that one read for a reader who is behind returns at most.
const CATCH_UP_MESSAGES: usize = 2_000;

/// All rooms that somebody reads.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    read: RwLock<HashMap<RoomName, Arc<Room>>>,
    metrics: Metrics,
}

/// What the readers of a room share.
#[derive(Debug)]
struct Room {
    ring: Ring,
    /// For those whom the ring has left behind.
    reads: Reads,
}

/// Where a stream begins in a room.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) source: Arc<dyn Source>,
    /// After which position it delivers.
    pub(crate) position: Position,
    /// The room's last position.
    pub(crate) head: Position,
}

impl Rooms {
    /// No rooms yet.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// How many rooms somebody reads, or did a moment ago.
    pub(crate) fn count(&self) -> usize {
        self.read.read().len()
    }

    /// Finds where a stream begins.
    pub(crate) async fn begin(
        &self,
        log: &Arc<dyn MessageLog>,
        room: &RoomName,
        start: Start,
    ) -> Result<Beginning> {
        // The ring comes first: whatever is stored after the log is read is in it.
        let shared = self.room(room)?;
        let extent = log.extents(Which::One(room.clone())).await?.remove(room);
        let last = extent.map_or(0, |extent| extent.last);
        shared.ring.advance(last);
        let seq = seq_of(&**log, room, extent, start).await?;
        let at = |seq| Position { epoch: log.epoch(), seq };
        let source = Arc::new(RoomSource {
            name: room.clone(),
            room: shared,
            log: log.clone(),
            metrics: self.metrics.clone(),
        });
        Ok(Beginning { source, position: at(seq), head: at(last) })
    }

    /// Forgets the rooms that nobody reads, and what the others have read from the store.
    pub(crate) fn sweep(&self) {
        let mut rooms = self.read.write();
        // Whoever reads a room, or is about to, owns it too.
        rooms.retain(|_, room| Arc::strong_count(room) > 1);
        for room in rooms.values() {
            room.reads.clear();
        }
    }

    fn room(&self, name: &RoomName) -> Result<Arc<Room>> {
        if let Some(room) = self.existing(name) {
            return Ok(room);
        }
        if self.count() >= MAX_ROOMS {
            self.sweep();
        }
        let mut rooms = self.read.write();
        if rooms.len() >= MAX_ROOMS {
            let what = format!("{MAX_ROOMS} rooms are read already");
            return Err(RequestError::LimitReached { what, retry_after: Some(FULL_DELAY) });
        }
        let new = || Room { ring: Ring::new(RING_BYTES), reads: Reads::default() };
        Ok(rooms.entry(name.clone()).or_insert_with(|| Arc::new(new())).clone())
    }

    fn existing(&self, room: &RoomName) -> Option<Arc<Room>> {
        self.read.read().get(room).cloned()
    }
}

impl CommitListener for Rooms {
    fn committed(&self, messages: usize, took: Duration) {
        self.metrics.committed(messages, took);
    }

    fn stored(&self, room: &RoomName, messages: &[Message]) {
        let Some(room) = self.existing(room) else { return };
        let mut messages = messages;
        while let Some(first) = messages.first() {
            let read = encode(messages, BATCH_BYTES);
            messages = &messages[read.ends.len()..];
            if let Some(&(last_seq, _)) = read.ends.last() {
                room.ring.append(first.prev_seq, Chunk { frames: read.frames, last_seq });
            }
        }
    }
}

/// Reads the log of one room.
struct RoomSource {
    name: RoomName,
    room: Arc<Room>,
    log: Arc<dyn MessageLog>,
    metrics: Metrics,
}

impl std::fmt::Debug for RoomSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RoomSource").field(&self.name).finish()
    }
}

#[async_trait]
impl Source for RoomSource {
    fn ring(&self) -> &Ring {
        &self.room.ring
    }

    fn room(&self) -> Option<&RoomName> {
        Some(&self.name)
    }

    async fn catch_up(&self, seq: u64) -> Result<Chunk> {
        let read = async {
            let slice = Slice { from: Edge::After(seq), limit: CATCH_UP_MESSAGES };
            let messages = self.log.read(&self.name, slice).await?;
            match messages.first() {
                Some(first) if first.prev_seq <= seq => Ok(encode(&messages, usize::MAX)),
                _ => Err(RequestError::PositionGone(Gone::Truncated)),
            }
        };
        self.room.reads.after(seq, read).await
    }

    fn delivered(&self, messages: u64, bytes: usize) {
        self.metrics.delivered(messages, bytes);
    }

    fn left_behind(&self) {
        self.metrics.left_behind();
    }

    fn farewell(&self, error: &RequestError) -> Option<Bytes> {
        let room = self.name.to_string();
        let left = proto::Left { room, refusal: Some(wire::refusal(error)) };
        Some(fanout::frame(&proto::ChatResponse { event: Some(Event::Left(left)) }))
    }
}

async fn seq_of(
    log: &dyn MessageLog,
    room: &RoomName,
    extent: Option<Extent>,
    start: Start,
) -> Result<u64> {
    let last = extent.map_or(0, |extent| extent.last);
    match start {
        Start::Head => Ok(last),
        Start::After(position) if position.epoch != log.epoch() => {
            Err(RequestError::PositionGone(Gone::Epoch))
        }
        Start::After(position) if position.seq > last => {
            Err(RequestError::PositionGone(Gone::Ahead))
        }
        Start::After(position) => match extent {
            Some(extent) if position.seq + 1 < extent.first => {
                Err(RequestError::PositionGone(Gone::Truncated))
            }
            _ => Ok(position.seq),
        },
        Start::Last(count) => {
            let slice = Slice { from: Edge::Before(last + 1), limit: count as usize };
            let messages = log.read(room, slice).await?;
            Ok(messages.first().map_or(last, |first| first.prev_seq))
        }
        Start::Since(at) => log.seq_before(room, at).await,
    }
}

/// Frames of messages, until `limit` bytes are reached.
fn encode(messages: &[Message], limit: usize) -> Read {
    let size = messages.iter().map(|message| FRAME_BYTES + message.text.as_str().len()).sum();
    let mut frames = BytesMut::with_capacity(limit.min(size));
    let mut ends = Vec::with_capacity(messages.len());
    let mut event = proto::ChatResponse { event: Some(Event::Message(proto::Message::default())) };
    for message in messages {
        if let Some(Event::Message(raw)) = &mut event.event {
            wire::put_message(raw, message);
        }
        fanout::put_frame(&mut frames, &event);
        ends.push((message.position.seq, frames.len()));
        if frames.len() >= limit {
            break;
        }
    }
    Read { frames: frames.freeze(), ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_bounded_and_those_that_nobody_reads_make_place() {
        let rooms = Rooms::default();
        let name = |i: usize| RoomName::parse(&format!("r{i}")).unwrap();
        let mut held: Vec<_> = (0..MAX_ROOMS).map(|i| rooms.room(&name(i)).unwrap()).collect();
        let refused = rooms.room(&name(MAX_ROOMS)).unwrap_err();
        assert!(
            matches!(refused, RequestError::LimitReached { retry_after: Some(_), .. }),
            "{refused}"
        );
        rooms.room(&name(0)).unwrap();
        held.pop();
        rooms.room(&name(MAX_ROOMS)).unwrap();
    }
}
