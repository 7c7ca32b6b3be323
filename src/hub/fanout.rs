//! Delivering the same events to many readers, encoded once.
//!
//! 1. Each event is encoded once, as a complete gRPC frame, and appended to a [`Ring`].
//! 2. A reader is a cursor: the seq of the last entry it received. It has no queue of events.
//! 3. An [`EventStream`] is the body of a streaming response. When HTTP/2 asks for data, it returns
//!    the frames after its cursor, shared with the ring and not copied. While a client reads
//!    slowly, its cursor stays where it is, at no cost.
//! 4. A cursor that fell behind the ring catches up through its [`Source`]: a room reads from the
//!    storage, the list of peers sends itself again.
//!
//! A [`StreamQueue`] is the producers' side of a stream: it tells the stream which sources have new
//! entries, and holds the answers to the client's own requests, whose number is limited.

mod event_stream;
mod frames;
mod ring;
mod source;
mod stream_queue;
#[cfg(test)]
mod tests;

pub(crate) use event_stream::EventStream;
pub(crate) use frames::{Chunk, frame, put_frame};
pub(crate) use ring::Ring;
pub(crate) use source::Source;
pub(crate) use stream_queue::{StreamCommand, StreamQueue};
