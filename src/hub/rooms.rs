//! Rooms: from the message log to the streams.

mod shared_reads;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use tonic::async_trait;

use self::shared_reads::{EncodedRead, Pieces, SharedReads};
use super::{
    fanout::{self, Chunk, Ring, Source},
    metrics::Metrics,
    turns::Turns,
};
use crate::{
    error::{Gone, RequestError, Result},
    model::{Message, Name, Position, RoomName, Start},
    proto::{self, chat_response::Event},
    storage::{CommitListener, Edge, Extent, MessageLog, RoomSelection, Slice},
    transport::{Pool, allocated},
    wire,
};

/// Bytes of frames that a room keeps for its readers: more than TCP and HTTP/2 buffer for one, so
/// that only a reader that does not read falls behind and has to be served from the storage.
const RING_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of frames after which a batch ends. A stream alternates between its rooms after each.
const BATCH_BYTES: usize = 64 * 1024;

/// The approximate size of a message's frame without the text.
const FRAME_BYTES: usize = 128;

/// Rooms with readers, of all sessions: as many as 64 sessions may join. A quiet room takes some
/// hundred bytes, a busy one a ring.
const MAX_ACTIVE_ROOMS: usize = 16 * 1024;

/// When to retry while there are too many rooms.
const FULL_DELAY: Duration = Duration::from_secs(30);

/// The most messages of one read for a reader that is behind.
const CATCH_UP_MESSAGES: usize = 2_000;

#[derive(Debug)]
pub(crate) struct Rooms {
    active: RwLock<HashMap<RoomName, Arc<ActiveRoom>>>,
    metrics: Metrics,
    /// What the rooms keep for their readers.
    kept: Pool,
}

/// What the readers of a room share.
#[derive(Debug)]
struct ActiveRoom {
    ring: Ring,
    /// For readers that fell behind the ring.
    reads: SharedReads,
}

/// Where the delivery of a room begins.
#[derive(Debug)]
pub(crate) struct RoomStart {
    pub(crate) source: Arc<dyn Source>,
    /// The position after which messages are delivered.
    pub(crate) position: Position,
    pub(crate) head: Position,
}

impl Rooms {
    /// `kept` limits what all rooms keep for their readers.
    pub(crate) fn new(metrics: Metrics, kept: Pool) -> Self {
        Self { active: RwLock::default(), metrics, kept }
    }

    /// Counts the rooms that have readers, or had some until recently.
    pub(crate) fn count(&self) -> usize {
        self.active.read().len()
    }

    /// Returns where the delivery of a room to a peer begins. The log is read when it is the peer's turn.
    pub(crate) async fn start_of(
        self: &Arc<Self>,
        log: &Arc<dyn MessageLog>,
        reads: &Arc<Turns>,
        peer: &Name,
        room: &RoomName,
        start: Start,
    ) -> Result<RoomStart> {
        // The ring comes first: it receives what is stored after the log is read.
        let active = self.room(room)?;
        let begin = async {
            let extent = log.extents(RoomSelection::One(room.clone())).await?.remove(room);
            let last = extent.map_or(0, |extent| extent.last);
            active.ring.advance(last);
            Ok((seq_of(&**log, room, extent, start).await?, last))
        };
        let (seq, last) = reads.run_for_stream(peer, begin).await?;
        let at = |seq| Position { epoch: log.epoch(), seq };
        let source = Arc::new(RoomSource {
            name: room.clone(),
            room: active,
            log: log.clone(),
            rooms: self.clone(),
            reads: reads.clone(),
            peer: peer.clone(),
        });
        Ok(RoomStart { source, position: at(seq), head: at(last) })
    }

    /// Drops the rooms without readers, and what the others have read from the storage.
    pub(crate) fn sweep(&self) {
        let mut rooms = self.active.write();
        // Every reader of a room, present or about to come, owns it too.
        rooms.retain(|_, room| Arc::strong_count(room) > 1);
        for room in rooms.values() {
            room.reads.clear();
        }
    }

    /// Makes the rooms drop what they keep beyond half of the limit, if all together are above it:
    /// what was read from the storage, and of the rings what is more than an equal share.
    fn trim(&self) {
        if self.kept.held() <= self.kept.limit() {
            return;
        }
        let rooms = self.active.read();
        let share = self.kept.limit() / 2 / rooms.len().max(1);
        for room in rooms.values() {
            room.reads.clear();
            room.ring.trim(share);
        }
    }

    fn room(&self, name: &RoomName) -> Result<Arc<ActiveRoom>> {
        if let Some(room) = self.existing(name) {
            return Ok(room);
        }
        if self.count() >= MAX_ACTIVE_ROOMS {
            self.sweep();
        }
        let mut rooms = self.active.write();
        if rooms.len() >= MAX_ACTIVE_ROOMS {
            let what = format!("there are {MAX_ACTIVE_ROOMS} rooms with readers already");
            return Err(RequestError::LimitReached { what, retry_after: Some(FULL_DELAY) });
        }
        let ring = || Ring::new(RING_BYTES).within(&self.kept);
        let new = || ActiveRoom { ring: ring(), reads: SharedReads::default() };
        Ok(rooms.entry(name.clone()).or_insert_with(|| Arc::new(new())).clone())
    }

    fn encode_read(&self, messages: &[Message]) -> Pieces {
        let pieces = encode_in_batches(messages);
        let bytes = pieces.iter().map(|piece| allocated(piece.frames.len())).sum();
        Pieces { pieces, _held: self.kept.hold(bytes) }
    }

    fn existing(&self, room: &RoomName) -> Option<Arc<ActiveRoom>> {
        self.active.read().get(room).cloned()
    }
}

impl CommitListener for Rooms {
    fn committed(&self, messages: usize, took: Duration) {
        self.metrics.committed(messages, took);
    }

    fn stored(&self, room: &RoomName, messages: &[Message]) {
        let Some(room) = self.existing(room) else { return };
        let mut prev_seq = messages.first().map_or(0, |first| first.prev_seq);
        for read in encode_in_batches(messages) {
            if let Some(&(last_seq, _)) = read.ends.last() {
                room.ring.append(prev_seq, Chunk { frames: read.frames, last_seq });
                prev_seq = last_seq;
            }
        }
        self.trim();
    }
}

/// The log of one room, as a stream reads it.
struct RoomSource {
    name: RoomName,
    room: Arc<ActiveRoom>,
    log: Arc<dyn MessageLog>,
    rooms: Arc<Rooms>,
    reads: Arc<Turns>,
    /// Whose turn it is when this is read.
    peer: Name,
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
                Some(first) if first.prev_seq <= seq => Ok(self.rooms.encode_read(&messages)),
                _ => Err(RequestError::PositionGone(Gone::Truncated)),
            }
        };
        let read = self.reads.run_for_stream(&self.peer, read);
        let chunk = self.room.reads.after(seq, read).await;
        self.rooms.trim();
        chunk
    }

    fn delivered(&self, messages: u64, bytes: usize) {
        self.rooms.metrics.delivered(messages, bytes);
    }

    fn left_behind(&self) {
        self.rooms.metrics.left_behind();
    }

    fn end_event(&self, error: &RequestError) -> Option<Bytes> {
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

/// Encodes messages in batches of about [`BATCH_BYTES`].
fn encode_in_batches(mut messages: &[Message]) -> Vec<EncodedRead> {
    let mut batches = Vec::new();
    while !messages.is_empty() {
        let batch = encode(messages, BATCH_BYTES);
        messages = &messages[batch.ends.len()..];
        batches.push(batch);
    }
    batches
}

/// Encodes messages until `limit` bytes are reached.
fn encode(messages: &[Message], limit: usize) -> EncodedRead {
    let mut size = 0;
    for message in messages {
        size += FRAME_BYTES + message.text.as_str().len();
        if size >= limit {
            break;
        }
    }
    let mut frames = BytesMut::with_capacity(size);
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
    EncodedRead { frames: frames.freeze(), ends }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Budget;

    /// Readers of what was dropped get it from the storage.
    #[test]
    fn rooms_keep_little_if_all_together_keep_much() {
        let budget = Budget::new(8 * 1024 * 1024);
        let rooms = Rooms::new(Metrics::default(), budget.pool(4));
        let name = |i: usize| RoomName::parse(&format!("r{i}")).unwrap();
        let all: Vec<_> = (0..8).map(|i| rooms.room(&name(i)).unwrap()).collect();
        for seq in 0..100 {
            for room in &all {
                let frames = Bytes::from(vec![0; 16 * 1024]);
                room.ring.append(seq, Chunk { frames, last_seq: seq + 1 });
            }
            rooms.trim();
            assert!(budget.held() <= budget.limit() / 4, "{}", budget.held());
        }
        assert!(budget.held() >= budget.limit() / 16, "the latest ones are kept");
        drop((all, rooms));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn rooms_are_limited_and_unread_ones_make_room() {
        let rooms = Rooms::new(Metrics::default(), Budget::default().pool(1));
        let name = |i: usize| RoomName::parse(&format!("r{i}")).unwrap();
        let mut held: Vec<_> =
            (0..MAX_ACTIVE_ROOMS).map(|i| rooms.room(&name(i)).unwrap()).collect();
        let refused = rooms.room(&name(MAX_ACTIVE_ROOMS)).unwrap_err();
        assert!(
            matches!(refused, RequestError::LimitReached { retry_after: Some(_), .. }),
            "{refused}"
        );
        rooms.room(&name(0)).unwrap();
        held.pop();
        rooms.room(&name(MAX_ACTIVE_ROOMS)).unwrap();
    }
}
