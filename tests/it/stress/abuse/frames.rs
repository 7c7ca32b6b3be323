//! Attacks with HTTP/2 frames that no library sends.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

use super::connections::connect;
use crate::support::within::{PATIENCE, within};

/// Types of frames (RFC 9113, section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Error codes (RFC 9113, section 7).
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Encodes a header without HPACK's tables (RFC 7541, section 6.2.2).
pub(crate) fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut length = Vec::new();
        let mut rest = text.len();
        if rest < 127 {
            length.push(rest as u8);
        } else {
            length.push(127);
            rest -= 127;
            while rest >= 128 {
                length.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            length.push(rest as u8);
        }
        [length, text.as_bytes().to_vec()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}

/// Returns the headers of a Chat call with this token.
pub(crate) fn chat_headers(token: &str) -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/chinwag.v1.Broadcast/Chat"),
        (":authority", "hub"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &format!("Bearer {token}")),
    ]
    .iter()
    .flat_map(|(name, value)| header(name, value))
    .collect()
}

/// The answer of a server, until it closed the connection or was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// The number of frames of each type.
    pub(crate) frames: BTreeMap<u8, usize>,
    /// The number of stream resets for each code.
    pub(crate) resets: BTreeMap<u32, usize>,
    /// The error code of GOAWAY, if one was sent.
    pub(crate) goaway: Option<u32>,
}

/// A connection to the hub.
pub(crate) struct Raw {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

impl Raw {
    /// Connects and sends the preface.
    pub(crate) async fn open(hub: SocketAddr) -> Self {
        let stream: TcpStream = within(PATIENCE, "connecting", connect(hub)).await.unwrap();
        let (read, mut write) = stream.into_split();
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        write.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { read, write }
    }

    /// Sends these bytes as far as the server reads them, and reads until it closes the connection
    /// or has answered all.
    pub(crate) async fn say(self, said: Vec<u8>) -> Said {
        let Self { read, mut write } = self;
        let answered = Notify::new();
        let speak = async {
            // The server may close the connection in the middle of a write.
            let _ = write.write_all(&said).await;
            // The answer to the first ping may precede other answers, that to the second does not.
            for _ in 0..2 {
                let _ = write.write_all(&frame(PING, 0, 0, &[0; 8])).await;
                answered.notified().await;
            }
            let _ = write.shutdown().await;
        };
        let both = async {
            let mut said = Said::default();
            tokio::select! {
                () = listen(read, &answered, &mut said) => {}
                () = async { speak.await; std::future::pending().await } => {}
            }
            said
        };
        within(PATIENCE, "the end of a connection", both).await
    }
}

async fn listen(mut from: OwnedReadHalf, answered: &Notify, said: &mut Said) {
    let mut head = [0; 9];
    while from.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if from.read_exact(&mut payload).await.is_err() {
            break;
        }
        let code = |at: usize| {
            payload.get(at..at + 4).map(|code| u32::from_be_bytes(code.try_into().unwrap()))
        };
        *said.frames.entry(head[3]).or_default() += 1;
        match head[3] {
            RST_STREAM => *said.resets.entry(code(0).unwrap()).or_default() += 1,
            GOAWAY => said.goaway = said.goaway.max(code(4)),
            PING if head[4] == ACK => answered.notify_one(),
            _ => {}
        }
    }
}
