//! The rooms: from the log to the streams.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::{Bytes, BytesMut};
use tonic::async_trait;

use super::fanout::{self, Chunk, Ring, Source};
use crate::{
    backbone::{Edge, Extent, MessageLog, Rooms as Which, Slice, Tail},
    error::{Error, Gone, Result},
    model::{Message, Position, RoomName, Start},
    proto::{self, chat_response::Event},
    wire,
};

/// Bytes of frames that a room keeps for its readers: more than TCP and HTTP/2 hold for a reader,
/// so that only one who stands still falls out and has to be served from the store.
const RING_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of frames after which a batch is closed. A stream takes turns between its rooms after
/// each batch.
const BATCH_BYTES: usize = 64 * 1024;

/// Messages that one read for a reader who is behind returns at most.
const CATCH_UP_MESSAGES: usize = 2_000;

/// The most messages that a join may begin with.
const MAX_LAST: u32 = 1_000;

/// The rings of all rooms that somebody reads.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    rings: RwLock<HashMap<RoomName, Arc<Ring>>>,
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
    /// Finds where a stream begins.
    pub(crate) async fn begin(
        &self,
        log: &Arc<dyn MessageLog>,
        room: &RoomName,
        start: Start,
    ) -> Result<Beginning> {
        // The ring comes first: whatever is stored after the log is read is in it.
        let ring = self.ring(room);
        let extent = log.extents(Which::One(room.clone())).await?.remove(room);
        let last = extent.map_or(0, |extent| extent.last);
        ring.advance(last);
        let seq = seq_of(&**log, room, extent, start).await?;
        let at = |seq| Position { epoch: log.epoch(), seq };
        let source = Arc::new(RoomSource { room: room.clone(), ring, log: log.clone() });
        Ok(Beginning { source, position: at(seq), head: at(last) })
    }

    /// Forgets the rings that nobody reads.
    pub(crate) fn sweep(&self) {
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads a ring, or is about to, owns it too.
        rings.retain(|_, ring| Arc::strong_count(ring) > 1);
    }

    fn ring(&self, room: &RoomName) -> Arc<Ring> {
        if let Some(ring) = self.existing(room) {
            return ring;
        }
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        rings.entry(room.clone()).or_insert_with(|| Arc::new(Ring::new(RING_BYTES))).clone()
    }

    fn existing(&self, room: &RoomName) -> Option<Arc<Ring>> {
        self.rings.read().unwrap_or_else(PoisonError::into_inner).get(room).cloned()
    }
}

impl Tail for Rooms {
    fn stored(&self, room: &RoomName, messages: &[Message]) {
        let Some(ring) = self.existing(room) else { return };
        let mut messages = messages;
        while let Some(first) = messages.first() {
            let (chunk, count) = encode(messages, BATCH_BYTES);
            ring.append(first.prev_seq, chunk);
            messages = &messages[count..];
        }
    }
}

/// Reads the log of one room.
struct RoomSource {
    room: RoomName,
    ring: Arc<Ring>,
    log: Arc<dyn MessageLog>,
}

impl std::fmt::Debug for RoomSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RoomSource").field(&self.room).finish()
    }
}

#[async_trait]
impl Source for RoomSource {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn room(&self) -> Option<&RoomName> {
        Some(&self.room)
    }

    async fn catch_up(&self, seq: u64) -> Result<Chunk> {
        let slice = Slice { from: Edge::After(seq), limit: CATCH_UP_MESSAGES };
        let messages = self.log.read(&self.room, slice).await?;
        match messages.first() {
            Some(first) if first.prev_seq <= seq => Ok(encode(&messages, usize::MAX).0),
            _ => Err(Error::PositionGone(Gone::Truncated)),
        }
    }

    fn farewell(&self, error: &Error) -> Option<Bytes> {
        let room = self.room.to_string();
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
            Err(Error::PositionGone(Gone::Epoch))
        }
        Start::After(position) if position.seq > last => Err(Error::PositionGone(Gone::Ahead)),
        Start::After(position) => match extent {
            Some(extent) if position.seq + 1 < extent.first => {
                Err(Error::PositionGone(Gone::Truncated))
            }
            _ => Ok(position.seq),
        },
        Start::Last(count) if count > MAX_LAST => {
            Err(Error::invalid("last", format!("at most {MAX_LAST} messages")))
        }
        Start::Last(count) => {
            let slice = Slice { from: Edge::Before(last + 1), limit: count as usize };
            let messages = log.read(room, slice).await?;
            Ok(messages.first().map_or(last, |first| first.prev_seq))
        }
        Start::Since(at) => log.seq_before(room, at).await,
    }
}

/// Frames of messages, until `limit` bytes are reached, and of how many. Not for an empty slice.
fn encode(messages: &[Message], limit: usize) -> (Chunk, usize) {
    let mut frames = BytesMut::new();
    let mut last_seq = 0;
    let mut count = 0;
    for message in messages {
        let event = Event::Message(message.into());
        fanout::put_frame(&mut frames, &proto::ChatResponse { event: Some(event) });
        last_seq = message.position.seq;
        count += 1;
        if frames.len() >= limit {
            break;
        }
    }
    (Chunk { frames: frames.freeze(), last_seq }, count)
}
