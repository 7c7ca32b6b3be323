//! What streams deliver.

use std::fmt;

use bytes::Bytes;
use tonic::async_trait;

use super::{frames::Chunk, ring::Ring};
use crate::{
    error::{RequestError, Result},
    model::RoomName,
};

/// A log that streams deliver.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// The recent end of the log.
    fn ring(&self) -> &Ring;

    /// The room, if it is one: a stream delivers each room once.
    fn room(&self) -> Option<&RoomName>;

    /// Reads entries after `seq`, for a cursor that fell behind the ring. Never empty.
    async fn catch_up(&self, seq: u64) -> Result<Chunk>;

    /// Counts what a reader received. `messages` is the distance of two seqs, which is the number
    /// of messages if the log has no gaps.
    fn delivered(&self, _messages: u64, _bytes: usize) {}

    /// Counts a reader that fell behind the ring.
    fn left_behind(&self) {}

    /// Returns the event that tells that the source cannot be read any further, after which the
    /// stream continues without it. `None` ends the stream.
    fn end_event(&self, error: &RequestError) -> Option<Bytes>;
}
