//! The recent end of a log, as frames that all readers share.

use std::{collections::VecDeque, fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, RwLock};
use slab::Slab;

use super::frames::{Chunk, JOINED_BYTES};
use crate::transport::{Held, Pool, allocated};

/// Entries that were appended together.
#[derive(Debug)]
struct Batch {
    /// The seq of the entry before the first of these.
    prev_seq: u64,
    last_seq: u64,
    frames: Bytes,
    _held: Option<Held>,
}

/// The batches that are kept, without gaps between them.
#[derive(Debug, Default)]
struct Tail {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// The seq of the log's last entry, which may be known before there is a batch.
    head: u64,
}

/// What follows a cursor.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next entries, and whether there are more after them.
    Chunk(Chunk, bool),
    /// Nothing yet.
    End,
    /// The next entries are not in the ring any more.
    Behind,
}

pub(crate) trait Subscriber: fmt::Debug + Send + Sync {
    /// Called after entries were appended, with the slot of the subscription.
    fn notify(&self, slot: usize);
}

/// The recent end of a log, and its subscribers.
#[derive(Debug)]
pub(crate) struct Ring {
    tail: RwLock<Tail>,
    subscribers: Mutex<Slab<(Arc<dyn Subscriber>, usize)>>,
    capacity: usize,
    pool: Option<Pool>,
}

impl Ring {
    /// An empty ring that keeps up to `capacity` bytes of frames.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { tail: RwLock::default(), subscribers: Mutex::default(), capacity, pool: None }
    }

    /// Counts what the ring keeps in a pool.
    pub(crate) fn within(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Drops the oldest entries until at most `bytes` are kept. Readers get them from the source.
    pub(crate) fn trim(&self, bytes: usize) {
        let mut tail = self.tail.write();
        while tail.bytes > bytes {
            tail.drop_oldest();
        }
    }

    /// The seq of the last known entry.
    pub(crate) fn head(&self) -> u64 {
        self.tail.read().head
    }

    /// Notes that the log reaches to `seq` at least, without the entries.
    pub(crate) fn advance(&self, seq: u64) {
        let mut tail = self.tail.write();
        tail.head = tail.head.max(seq);
    }

    /// Notes that the log reaches to `seq`, and drops all entries, which the next one does not follow.
    pub(crate) fn skip(&self, seq: u64) {
        *self.tail.write() = Tail { head: seq, ..Tail::default() };
    }

    /// Appends entries that follow `prev_seq`, and notifies the subscribers.
    pub(crate) fn append(&self, prev_seq: u64, chunk: Chunk) {
        {
            let mut tail = self.tail.write();
            if tail.batches.back().is_some_and(|last| last.last_seq != prev_seq) {
                // Entries are missing in between: readers get them from the storage.
                tail.batches.clear();
                tail.bytes = 0;
            }
            tail.bytes += chunk.frames.len();
            tail.head = chunk.last_seq;
            let _held = self.pool.as_ref().map(|pool| pool.hold(allocated(chunk.frames.len())));
            let batch = Batch { prev_seq, last_seq: chunk.last_seq, frames: chunk.frames, _held };
            tail.batches.push_back(batch);
            while tail.bytes > self.capacity && tail.batches.len() > 1 {
                tail.drop_oldest();
            }
        }
        for (_, (subscriber, slot)) in self.subscribers.lock().iter() {
            subscriber.notify(*slot);
        }
    }

    /// Returns what follows `seq`: one large batch as it is, or several small ones joined.
    pub(crate) fn next(&self, seq: u64) -> Next {
        let tail = self.tail.read();
        let at = tail.batches.partition_point(|batch| batch.last_seq <= seq);
        let Some(first) = tail.batches.get(at) else {
            return if seq < tail.head { Next::Behind } else { Next::End };
        };
        if first.prev_seq != seq {
            return Next::Behind;
        }
        let chunk =
            |frames, last_seq| Next::Chunk(Chunk { frames, last_seq }, last_seq < tail.head);
        let mut length = first.frames.len();
        let small = tail.batches.iter().skip(at + 1).take_while(|batch| {
            length += batch.frames.len();
            length <= JOINED_BYTES
        });
        let count = small.count();
        if count == 0 {
            return chunk(first.frames.clone(), first.last_seq);
        }
        let mut joined = BytesMut::with_capacity(JOINED_BYTES);
        let mut last_seq = seq;
        for batch in tail.batches.range(at..=at + count) {
            joined.extend_from_slice(&batch.frames);
            last_seq = batch.last_seq;
        }
        chunk(joined.freeze(), last_seq)
    }

    pub(crate) fn is_behind(&self, seq: u64) -> bool {
        let tail = self.tail.read();
        let at = tail.batches.partition_point(|batch| batch.last_seq <= seq);
        tail.batches.get(at).map_or(seq < tail.head, |next| next.prev_seq != seq)
    }

    /// Notifies `subscriber` of new entries from now on. Returns the key of the subscription.
    pub(crate) fn subscribe(&self, subscriber: Arc<dyn Subscriber>, slot: usize) -> usize {
        self.subscribers.lock().insert((subscriber, slot))
    }

    /// Counts the subscribers.
    pub(crate) fn subscribers(&self) -> usize {
        self.subscribers.lock().len()
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, key: usize) {
        self.subscribers.lock().try_remove(key);
    }
}

impl Tail {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.batches.pop_front() {
            self.bytes -= oldest.frames.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(ring: &Ring, prev_seq: u64, last_seq: u64, frames: &'static [u8]) {
        ring.append(prev_seq, Chunk { frames: Bytes::from_static(frames), last_seq });
    }

    fn next(ring: &Ring, seq: u64) -> (Vec<u8>, u64) {
        match ring.next(seq) {
            Next::Chunk(chunk, _) => (chunk.frames.to_vec(), chunk.last_seq),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn small_batches_are_joined() {
        let ring = Ring::new(1024);
        append(&ring, 0, 2, b"ab");
        append(&ring, 2, 5, b"c");
        assert_eq!(next(&ring, 0), (b"abc".to_vec(), 5));
        assert_eq!(next(&ring, 2), (b"c".to_vec(), 5));
        assert!(matches!(ring.next(5), Next::End));
    }

    #[test]
    fn a_large_batch_is_not_copied() {
        let ring = Ring::new(1 << 20);
        append(&ring, 0, 1, &[7; JOINED_BYTES]);
        append(&ring, 1, 2, b"x");
        assert_eq!(next(&ring, 0).1, 1);
    }

    #[test]
    fn a_cursor_within_a_batch_or_before_the_ring_is_behind() {
        let ring = Ring::new(3);
        append(&ring, 0, 2, b"ab");
        append(&ring, 2, 4, b"cd");
        assert!(matches!(ring.next(0), Next::Behind), "the first batch was dropped");
        assert!(matches!(ring.next(3), Next::Behind), "seq 3 is within the second batch");
        assert_eq!(next(&ring, 2), (b"cd".to_vec(), 4));
        assert_eq!([0, 2, 3, 4].map(|seq| ring.is_behind(seq)), [true, false, true, false]);
        ring.skip(6);
        assert!(matches!(ring.next(2), Next::Behind), "all entries were dropped");
        assert_eq!([4, 6].map(|seq| ring.is_behind(seq)), [true, false]);
    }

    #[test]
    fn a_head_without_frames_is_behind() {
        let ring = Ring::new(10);
        ring.advance(7);
        assert!(matches!(ring.next(6), Next::Behind));
        assert!(matches!(ring.next(7), Next::End));
        append(&ring, 7, 8, b"x");
        assert_eq!(next(&ring, 7), (b"x".to_vec(), 8));
    }

    #[test]
    fn a_gap_empties_the_ring() {
        let ring = Ring::new(10);
        append(&ring, 0, 1, b"a");
        append(&ring, 2, 3, b"c");
        assert!(matches!(ring.next(0), Next::Behind));
        assert_eq!(next(&ring, 2), (b"c".to_vec(), 3));
    }
}
