//! Messages as gRPC frames.

use bytes::{BufMut, Bytes, BytesMut};

/// Consecutive entries of a log.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// Complete gRPC frames.
    pub(crate) frames: Bytes,
    pub(crate) last_seq: u64,
}

/// The size up to which small pieces are joined: the payload of a default HTTP/2 DATA frame.
pub(super) const JOINED_BYTES: usize = 16 * 1024;

/// Appends a message as a gRPC frame: not compressed, length, message (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
pub(crate) fn put_frame(out: &mut BytesMut, message: &impl prost::Message) {
    let length = message.encoded_len();
    out.reserve(5 + length);
    out.put_u8(0);
    // No event comes near 4 GiB: texts are limited, and lists are split.
    out.put_u32(length as u32);
    message.encode_raw(out);
}

pub(crate) fn frame(message: &impl prost::Message) -> Bytes {
    let mut out = BytesMut::new();
    put_frame(&mut out, message);
    out.freeze()
}
