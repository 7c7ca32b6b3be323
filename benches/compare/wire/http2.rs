//! The part of HTTP/2 (RFC 9113) that a client needs if it trusts its server.

use anyhow::{Result, bail};

/// The connection preface.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The default maximum size of a frame.
const MAX_FRAME: usize = 16 * 1024;

/// The length of a frame header.
const HEADER: usize = 9;

/// The default size of a window.
const DEFAULT_WINDOW: u32 = 65_535;

/// The maximum size of a window, so that flow control never stops the server.
const MAX_WINDOW: u32 = i32::MAX as u32;

const SETTING_INITIAL_WINDOW: u16 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The types of frames that are used here.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
}

/// A received frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Returns the frame at the start of `bytes`, if it is complete.
    pub(crate) fn first(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = *header;
        let payload = rest.get(..u32::from_be_bytes([0, l2, l1, l0]) as usize)?;
        Some(Self { kind, flags, stream: u32::from_be_bytes([s3, s2, s1, s0]), payload })
    }

    /// Returns its length with the header.
    pub(crate) fn length(&self) -> usize {
        HEADER + self.payload.len()
    }

    /// Returns true if the server has ended this stream.
    pub(crate) fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }

    /// Returns the number at the start of the payload.
    fn number(&self) -> u32 {
        self.payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }
}

/// Flow control and connection frames of a client.
#[derive(Debug)]
pub(crate) struct Flow {
    /// The initial window of a new stream.
    initial: i64,
    stream: i64,
    connection: i64,
}

impl Flow {
    /// Opens a connection.
    pub(crate) fn open(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(PREFACE);
        let mut settings = SETTING_INITIAL_WINDOW.to_be_bytes().to_vec();
        settings.extend(MAX_WINDOW.to_be_bytes());
        put(out, kind::SETTINGS, 0, 0, &settings);
        put(out, kind::WINDOW_UPDATE, 0, 0, &(MAX_WINDOW - DEFAULT_WINDOW).to_be_bytes());
        let window = i64::from(DEFAULT_WINDOW);
        Self { initial: window, stream: window, connection: window }
    }

    /// Opens a stream, for which data is counted from then on.
    pub(crate) fn headers(&mut self, stream: u32, headers: &[(&str, &str)], out: &mut Vec<u8>) {
        self.stream = self.initial;
        let mut block = Vec::new();
        for (name, value) in headers {
            // "Literal header field without indexing, new name" (RFC 7541, 6.2.2).
            block.push(0);
            put_string(&mut block, name);
            put_string(&mut block, value);
        }
        put(out, kind::HEADERS, END_HEADERS, stream, &block);
    }

    /// Sends data. It must fit into the [`window`](Self::window).
    pub(crate) fn data(&mut self, stream: u32, data: &[u8], last: bool, out: &mut Vec<u8>) {
        let mut pieces = data.chunks(MAX_FRAME).peekable();
        while let Some(piece) = pieces.next() {
            let ends = last && pieces.peek().is_none();
            put(out, kind::DATA, if ends { END_STREAM } else { 0 }, stream, piece);
        }
        let sent = i64::try_from(data.len()).unwrap_or(i64::MAX);
        self.stream -= sent;
        self.connection -= sent;
    }

    /// Returns how many bytes of data may be sent.
    pub(crate) fn window(&self) -> usize {
        usize::try_from(self.stream.min(self.connection)).unwrap_or(0)
    }

    /// Handles a frame that concerns the connection and not a stream's data.
    pub(crate) fn obey(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<()> {
        let acked = frame.flags & ACK != 0;
        match frame.kind {
            kind::SETTINGS if !acked => {
                self.settings(frame.payload);
                put(out, kind::SETTINGS, ACK, 0, &[]);
            }
            kind::PING if !acked => put(out, kind::PING, ACK, 0, frame.payload),
            kind::WINDOW_UPDATE if frame.stream == 0 => {
                self.connection += i64::from(frame.number())
            }
            kind::WINDOW_UPDATE => self.stream += i64::from(frame.number()),
            kind::RST_STREAM => bail!("the server reset the call, code {}", frame.number()),
            kind::GOAWAY => bail!("the server wants no more calls"),
            _ => {}
        }
        Ok(())
    }

    fn settings(&mut self, settings: &[u8]) {
        for setting in settings.chunks_exact(6) {
            let [id1, id0, v3, v2, v1, v0] = *setting else { continue };
            if u16::from_be_bytes([id1, id0]) == SETTING_INITIAL_WINDOW {
                let window = i64::from(u32::from_be_bytes([v3, v2, v1, v0]));
                self.stream += window - self.initial;
                self.initial = window;
            }
        }
    }
}

fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    // Our frames have at most MAX_FRAME bytes.
    let [_, l2, l1, l0] = (payload.len() as u32).to_be_bytes();
    out.extend([l2, l1, l0, kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A string literal without Huffman coding (RFC 7541, 5.1 and 5.2).
fn put_string(out: &mut Vec<u8>, string: &str) {
    const PREFIX: usize = 0x7f;
    if string.len() < PREFIX {
        out.push(string.len() as u8);
    } else {
        out.push(PREFIX as u8);
        let mut rest = string.len() - PREFIX;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(string.as_bytes());
}
