//! Reads from the storage that the readers of a room share.
//!
//! Readers that fell behind in a burst have similar cursors. The first of them reads from the
//! storage. Others whose cursors are within that read take the rest of it, and have the same cursor
//! from then on. Otherwise a burst of large messages would be read and encoded again for every
//! reader.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::{error::Result, hub::fanout::Chunk, transport::Held};

/// Reads that a room keeps. Each has about [`MAX_SLICE_BYTES`](crate::storage::MAX_SLICE_BYTES);
/// [`SharedReads::clear`] drops them after a while.
const KEPT_READS: usize = 4;

/// Consecutive messages of a room as frames.
#[derive(Debug)]
pub(super) struct EncodedRead {
    pub(super) frames: Bytes,
    /// The seq of each message, and the end of its frame.
    pub(super) ends: Vec<(u64, usize)>,
}

/// What was read from the storage, in pieces: a reader holds only one of them at a time.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) pieces: Vec<EncodedRead>,
    pub(super) _held: Held,
}

/// A read, complete or running.
#[derive(Debug)]
struct SharedRead {
    /// The seq that it follows.
    after: u64,
    read: OnceCell<Pieces>,
}

/// The latest reads of a room.
#[derive(Debug, Default)]
pub(super) struct SharedReads(Mutex<VecDeque<Arc<SharedRead>>>);

impl SharedReads {
    /// Returns the piece that follows `seq`: of an earlier read, a running one, or `read`, which is
    /// never empty.
    pub(super) async fn after(
        &self,
        seq: u64,
        read: impl Future<Output = Result<Pieces>>,
    ) -> Result<Chunk> {
        let entry = {
            let mut entries = self.0.lock();
            if let Some(chunk) = entries.iter().find_map(|entry| entry.rest_after(seq)) {
                return Ok(chunk);
            }
            match entries.iter().find(|entry| entry.after == seq && !entry.read.initialized()) {
                Some(running) => running.clone(),
                None => {
                    let entry = Arc::new(SharedRead { after: seq, read: OnceCell::new() });
                    entries.truncate(KEPT_READS - 1);
                    entries.push_front(entry.clone());
                    entry
                }
            }
        };
        entry.read.get_or_try_init(|| read).await?;
        let none = || Chunk { frames: Bytes::new(), last_seq: seq };
        Ok(entry.rest_after(seq).unwrap_or_else(none))
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl SharedRead {
    /// Returns the rest of the piece that has what follows `seq`; `None` if `seq` is outside.
    fn rest_after(&self, seq: u64) -> Option<Chunk> {
        if seq < self.after {
            return None;
        }
        let pieces = &self.read.get()?.pieces;
        let at =
            pieces.partition_point(|piece| piece.ends.last().is_none_or(|(last, _)| *last <= seq));
        let read = pieces.get(at)?;
        let (last_seq, _) = *read.ends.last()?;
        let passed = read.ends.partition_point(|(passed, _)| *passed <= seq);
        let begin = passed.checked_sub(1).map_or(0, |last| read.ends[last].1);
        Some(Chunk { frames: read.frames.slice(begin..), last_seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::{Gone, RequestError},
        transport::Budget,
    };

    fn piece(frames: &'static [u8], ends: &[(u64, usize)]) -> EncodedRead {
        EncodedRead { frames: Bytes::from_static(frames), ends: ends.to_vec() }
    }

    async fn read(frames: &'static [u8], ends: &[(u64, usize)]) -> Result<Pieces> {
        Ok(Pieces { pieces: vec![piece(frames, ends)], _held: Budget::default().pool(1).hold(0) })
    }

    async fn refused() -> Result<Pieces> {
        Err(RequestError::PositionGone(Gone::Truncated))
    }

    #[tokio::test]
    async fn a_reader_within_a_read_takes_the_rest_of_it() {
        let reads = SharedReads::default();
        let ends = [(3, 1), (5, 3), (6, 4)];
        let chunk = reads.after(2, read(b"abbc", &ends)).await.unwrap();
        assert_eq!((&chunk.frames[..], chunk.last_seq), (&b"abbc"[..], 6));
        for (seq, rest) in [(2, "abbc"), (3, "bbc"), (4, "bbc"), (5, "c")] {
            let chunk = reads.after(seq, refused()).await.unwrap();
            assert_eq!((&chunk.frames[..], chunk.last_seq), (rest.as_bytes(), 6), "after {seq}");
        }
        for seq in [1, 6, 7] {
            assert!(reads.after(seq, refused()).await.is_err(), "after {seq}");
        }
    }

    #[tokio::test]
    async fn a_reader_takes_one_piece_at_a_time() {
        let reads = SharedReads::default();
        let pieces = vec![piece(b"abb", &[(3, 1), (5, 3)]), piece(b"cd", &[(6, 1), (8, 2)])];
        let _held = Budget::default().pool(1).hold(0);
        let chunk = reads.after(2, async { Ok(Pieces { pieces, _held }) }).await.unwrap();
        assert_eq!((&chunk.frames[..], chunk.last_seq), (&b"abb"[..], 5));
        for (seq, rest, last_seq) in [(4, "bb", 5), (5, "cd", 8), (6, "d", 8), (7, "d", 8)] {
            let chunk = reads.after(seq, refused()).await.unwrap();
            assert_eq!((&chunk.frames[..], chunk.last_seq), (rest.as_bytes(), last_seq));
        }
        assert!(reads.after(8, refused()).await.is_err());
    }

    #[tokio::test]
    async fn a_running_read_is_shared() {
        let reads = SharedReads::default();
        let first = reads.after(0, async {
            tokio::task::yield_now().await;
            read(b"a", &[(1, 1)]).await
        });
        let (first, second) = tokio::join!(first, reads.after(0, refused()));
        assert_eq!(first.unwrap().frames, second.unwrap().frames);
    }

    #[tokio::test]
    async fn a_failed_read_is_retried() {
        let reads = SharedReads::default();
        assert!(reads.after(0, refused()).await.is_err());
        assert_eq!(reads.after(0, read(b"a", &[(1, 1)])).await.unwrap().last_seq, 1);
    }

    #[tokio::test]
    async fn few_reads_are_kept_and_none_after_clearing() {
        let reads = SharedReads::default();
        for seq in 0..=KEPT_READS as u64 {
            reads.after(seq, read(b"a", &[(seq + 1, 1)])).await.unwrap();
        }
        assert!(reads.after(0, refused()).await.is_err());
        assert!(reads.after(KEPT_READS as u64, refused()).await.is_ok());
        reads.clear();
        assert!(reads.after(KEPT_READS as u64, refused()).await.is_err());
    }
}
