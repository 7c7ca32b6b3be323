//! The recent end of a log, as frames that every reader shares.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard, RwLock};
use slab::Slab;

use super::{Chunk, JOINED_BYTES, StreamQueue};

/// Entries that were appended together.
#[derive(Debug)]
struct Batch {
    /// The seq of the entry before the first of these.
    prev_seq: u64,
    last_seq: u64,
    frames: Bytes,
}

/// The batches that are kept, each beginning where the one before it ends.
#[derive(Debug, Default)]
struct Tail {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// The seq of the last entry of the log; it may be known without any batch.
    head: u64,
}

/// What a ring has for a cursor.
#[derive(Debug)]
pub(crate) enum Taken {
    /// The next entries, and whether there are more after them.
    Chunk(Chunk, bool),
    /// Nothing more as yet.
    End,
    /// The next entries are not in the ring any more.
    Behind,
}

/// The recent end of a log, and who waits for more of it.
#[derive(Debug)]
pub(crate) struct Ring {
    tail: RwLock<Tail>,
    readers: Mutex<Slab<(Arc<StreamQueue>, usize)>>,
    capacity: usize,
}

impl Ring {
    /// An empty ring that keeps up to `capacity` bytes of frames.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { tail: RwLock::default(), readers: Mutex::default(), capacity }
    }

    /// The seq of the last entry that the ring knows of.
    pub(crate) fn head(&self) -> u64 {
        self.tail.read().head
    }

    /// Says that the log reaches to `seq` at least, without having the entries.
    pub(crate) fn advance(&self, seq: u64) {
        let mut tail = self.tail.write();
        tail.head = tail.head.max(seq);
    }

    /// Appends entries that follow `prev_seq`, and wakes the readers.
    pub(crate) fn append(&self, prev_seq: u64, chunk: Chunk) {
        {
            let mut tail = self.tail.write();
            if tail.batches.back().is_some_and(|last| last.last_seq != prev_seq) {
                // Something is missing in between: readers find it in the store.
                tail.batches.clear();
                tail.bytes = 0;
            }
            tail.bytes += chunk.frames.len();
            tail.head = chunk.last_seq;
            let batch = Batch { prev_seq, last_seq: chunk.last_seq, frames: chunk.frames };
            tail.batches.push_back(batch);
            while tail.bytes > self.capacity && tail.batches.len() > 1 {
                tail.drop_oldest();
            }
        }
        for (_, (mailbox, slot)) in self.readers().iter() {
            mailbox.notify(*slot);
        }
    }

    /// What follows `seq`: one large batch as it is, or several small ones joined.
    pub(crate) fn take(&self, seq: u64) -> Taken {
        let tail = self.tail.read();
        let at = tail.batches.partition_point(|batch| batch.last_seq <= seq);
        let Some(first) = tail.batches.get(at) else {
            return if seq < tail.head { Taken::Behind } else { Taken::End };
        };
        if first.prev_seq != seq {
            return Taken::Behind;
        }
        let chunk =
            |frames, last_seq| Taken::Chunk(Chunk { frames, last_seq }, last_seq < tail.head);
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

    /// Whether a cursor at `seq` would be behind.
    pub(crate) fn lacks(&self, seq: u64) -> bool {
        matches!(self.take(seq), Taken::Behind)
    }

    /// Tells `mailbox`, under the name `slot`, of everything appended from now on.
    pub(crate) fn subscribe(&self, mailbox: Arc<StreamQueue>, slot: usize) -> usize {
        self.readers().insert((mailbox, slot))
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, key: usize) {
        self.readers().try_remove(key);
    }

    fn readers(&self) -> MutexGuard<'_, Slab<(Arc<StreamQueue>, usize)>> {
        self.readers.lock()
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

    fn taken(ring: &Ring, seq: u64) -> (Vec<u8>, u64) {
        match ring.take(seq) {
            Taken::Chunk(chunk, _) => (chunk.frames.to_vec(), chunk.last_seq),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn small_batches_are_joined() {
        let ring = Ring::new(1024);
        append(&ring, 0, 2, b"ab");
        append(&ring, 2, 5, b"c");
        assert_eq!(taken(&ring, 0), (b"abc".to_vec(), 5));
        assert_eq!(taken(&ring, 2), (b"c".to_vec(), 5));
        assert!(matches!(ring.take(5), Taken::End));
    }

    #[test]
    fn a_large_batch_goes_as_it_is() {
        let ring = Ring::new(1 << 20);
        append(&ring, 0, 1, &[7; JOINED_BYTES]);
        append(&ring, 1, 2, b"x");
        assert_eq!(taken(&ring, 0).1, 1);
    }

    #[test]
    fn who_is_in_the_midst_of_a_batch_or_before_the_ring_is_behind() {
        let ring = Ring::new(3);
        append(&ring, 0, 2, b"ab");
        append(&ring, 2, 4, b"cd");
        assert!(matches!(ring.take(0), Taken::Behind), "the first batch was dropped");
        assert!(matches!(ring.take(3), Taken::Behind), "seq 3 is within the second batch");
        assert_eq!(taken(&ring, 2), (b"cd".to_vec(), 4));
    }

    #[test]
    fn a_head_without_frames_is_behind() {
        let ring = Ring::new(10);
        ring.advance(7);
        assert!(matches!(ring.take(6), Taken::Behind));
        assert!(matches!(ring.take(7), Taken::End));
        append(&ring, 7, 8, b"x");
        assert_eq!(taken(&ring, 7), (b"x".to_vec(), 8));
    }

    #[test]
    fn a_hole_empties_the_ring() {
        let ring = Ring::new(10);
        append(&ring, 0, 1, b"a");
        append(&ring, 2, 3, b"c");
        assert!(matches!(ring.take(0), Taken::Behind));
        assert_eq!(taken(&ring, 2), (b"c".to_vec(), 3));
    }
}
