//! The protocols of the servers. Readers parse as little as possible, so that they do not dominate
//! the measurements.

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

/// An event of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Heard<'a> {
    /// The subscription is active.
    Subscribed,
    /// The text of a message of the subscribed room.
    Message(&'a [u8]),
    /// The next post was stored, or a request was accepted.
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
    /// Subscribes to a room.
    pub(crate) fn subscribe(&mut self, room: &str, out: &mut Vec<u8>) {
        match self {
            Self::Grpc(grpc) => grpc.join(room, Start::Head, out),
            Self::Nats(nats) => nats.subscribe(room, out),
            Self::Redis(redis) => redis.subscribe(room, out),
        }
    }

    /// Returns true if the server accepts a text of `size` bytes now.
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

    /// Parses the complete part of `bytes`, writes immediate answers to `out`, and returns the
    /// number of bytes it has consumed.
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

/// Splits a line from the bytes after it.
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
