//! Handing the same events to many readers at the price of writing them.
//!
//! 1. What happens is encoded once, as finished gRPC frames, and appended to a [`Ring`].
//! 2. A reader is a cursor: the seq of the last entry it was given. It has no queue.
//! 3. An [`EventStream`] is the body of a streaming response. When HTTP/2 wants more of it, it hands
//!    out the frames after its cursor as they lie in the ring, shared and not copied. When HTTP/2
//!    does not, because the other side reads slowly, the cursor stands still and costs nothing.
//! 4. A cursor that the ring has left behind catches up through its [`Source`]: a room's reads
//!    from the store, the list of peers sends itself anew.
//!
//! A [`StreamQueue`] is what a stream's producers know of it: which sources have news, and the answers
//! to the client's own requests, which are bounded by the requests that are let in.

mod ring;
mod stream;
mod stream_queue;
#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

pub(crate) use ring::Ring;
pub(crate) use stream::{EventStream, Source};
pub(crate) use stream_queue::{StreamCommand, StreamQueue};

/// Frames and the cursor of who has read them.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// Finished gRPC frames.
    pub(crate) frames: Bytes,
    /// The seq of the last entry in them.
    pub(crate) last_seq: u64,
}

/// How many bytes small pieces are joined into before they go out, and how many a frame builder
/// puts into one batch: the payload of one HTTP/2 DATA frame of default size.
pub(crate) const JOINED_BYTES: usize = 16 * 1024;

/// Appends one message as a gRPC frame: not compressed, length, message (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
pub(crate) fn put_frame(out: &mut BytesMut, message: &impl prost::Message) {
    let length = message.encoded_len();
    out.reserve(5 + length);
    out.put_u8(0);
    // No event of ours comes near 4 GiB: texts are bounded, lists are cut.
    out.put_u32(length as u32);
    message.encode_raw(out);
}

/// One message as a gRPC frame.
pub(crate) fn frame(message: &impl prost::Message) -> Bytes {
    let mut out = BytesMut::new();
    put_frame(&mut out, message);
    out.freeze()
}
