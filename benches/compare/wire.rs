//! What the servers speak, as thin as it can be read: readers that did more would hide the servers
//! behind themselves.

mod grpc;
mod http2;
mod nats;
pub(crate) mod protobuf;
mod redis;

use anyhow::Result;

pub(crate) use self::{
    grpc::{Grpc, Start},
    nats::Nats,
    redis::Redis,
};

/// What a line hears.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Heard<'a> {
    /// From now on messages come.
    Subscribed,
    /// A message of the subscribed room: its text.
    Message(&'a [u8]),
    /// The next of the posts was stored, or a request was granted.
    Acked,
    /// The answer to a call.
    Answer(&'a [u8]),
}

/// One of the protocols, with its state for one connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Grpc(Grpc),
    Nats(Nats),
    Redis(Redis),
}

impl Wire {
    /// Asks for a room's messages.
    pub(crate) fn subscribe(&mut self, room: &str, out: &mut Vec<u8>) {
        match self {
            Self::Grpc(grpc) => grpc.join(room, Start::Head, out),
            Self::Nats(nats) => nats.subscribe(room, out),
            Self::Redis(redis) => redis.subscribe(room, out),
        }
    }

    /// Whether the server takes a text of `size` bytes now.
    pub(crate) fn can_post(&self, size: usize) -> bool {
        match self {
            Self::Grpc(grpc) => grpc.can_post(size),
            Self::Nats(_) | Self::Redis(_) => true,
        }
    }

    /// Posts to a room.
    pub(crate) fn post(&mut self, room: &str, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Grpc(grpc) => grpc.post(room, text, out),
            Self::Nats(nats) => nats.post(room, text, out),
            Self::Redis(redis) => redis.post(room, text, out),
        }
    }

    /// Takes what is complete of `bytes`, puts what has to be answered at once into `out`, and says
    /// how much it took.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize> {
        match self {
            Self::Grpc(grpc) => grpc.take(bytes, out, hear),
            Self::Nats(nats) => nats.take(bytes, out, hear),
            Self::Redis(redis) => redis.take(bytes, hear),
        }
    }
}

/// A line without its end, and what comes after.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

fn number(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(usize::from(digit))
    })
}
