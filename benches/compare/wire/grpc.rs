//! The protocol of Chinwag: hand-written gRPC, one call after the other.
//!
//! 1. `Register` returns a token (the plain broadcaster has neither names nor tokens).
//! 2. `Chat` begins with a join. Each event is then parsed as far as needed to check the order:
//!    each message names the seq of the one before it.

use anyhow::{Context, Result, bail, ensure};
use chinwag::proto::{
    ChatRequest, Join, PeerView, Position, PostRequest, RegisterRequest, RegisterResponse,
    WatchPeersRequest, chat_request, join,
};
use prost::Message;

use super::{
    Heard,
    http2::{Flow, Frame, kind},
    protobuf::{Fields, Value},
};

/// The length of a message's prefix: a flag for compression, and the length.
const PREFIX: usize = 5;

/// The bytes of a post beside its text: ids, names, tags and lengths.
const POST_OVERHEAD: usize = 128;

/// Field numbers of `ChatResponse` and the messages in it.
mod field {
    pub(super) const MESSAGE: u64 = 1;
    pub(super) const JOINED: u64 = 2;
    pub(super) const POSTED: u64 = 5;
    pub(super) const MESSAGE_POSITION: u64 = 3;
    pub(super) const MESSAGE_PREV_SEQ: u64 = 4;
    pub(super) const MESSAGE_TEXT: u64 = 7;
    pub(super) const JOINED_POSITION: u64 = 2;
    pub(super) const POSITION_EPOCH: u64 = 1;
    pub(super) const POSITION_SEQ: u64 = 2;
}

/// Where the room of a connection starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// With the next message.
    Head,
    /// With the first message of a log with this epoch.
    Origin(u64),
}

/// The last call, which determines the kind of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Unary,
    /// A unary call that was answered.
    Answered,
    Chat,
    Watch,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Grpc {
    flow: Flow,
    /// The stream of the last call.
    stream: u32,
    call: Call,
    token: Option<String>,
    /// The start of an incomplete message. Calls do not overlap, so it belongs to the last one.
    partial: Vec<u8>,
    last_seq: Option<u64>,
    epoch: u64,
}

impl Grpc {
    /// Opens a connection.
    pub(crate) fn open(out: &mut Vec<u8>) -> Self {
        Self {
            flow: Flow::open(out),
            stream: 0,
            call: Call::Unary,
            token: None,
            partial: Vec::new(),
            last_seq: None,
            epoch: 0,
        }
    }

    /// Returns the epoch of the last joined room.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the seq of the last message of that room.
    pub(crate) fn last_seq(&self) -> Option<u64> {
        self.last_seq
    }

    /// Registers a name; answered by [`Heard::Answer`], which [`Self::registered`] takes.
    pub(crate) fn register(&mut self, name: &str, out: &mut Vec<u8>) {
        let request = RegisterRequest { name: name.to_owned(), ..Default::default() };
        self.begin(Call::Unary, "/chinwag.v1.Presence/Register", &request, out);
    }

    /// Saves the token of an answer to Register.
    pub(crate) fn registered(&mut self, answer: &[u8]) -> Result<()> {
        self.token = Some(RegisterResponse::decode(answer)?.token);
        Ok(())
    }

    /// Watches the list of peers; each [`Heard::Answer`] is a `WatchPeersResponse`.
    pub(crate) fn watch(&mut self, out: &mut Vec<u8>) {
        let request = WatchPeersRequest { view: PeerView::Basic.into(), ..Default::default() };
        self.begin(Call::Watch, "/chinwag.v1.Presence/WatchPeers", &request, out);
    }

    fn begin(&mut self, call: Call, path: &str, request: &impl Message, out: &mut Vec<u8>) {
        self.call = call;
        self.stream = if self.stream == 0 { 1 } else { self.stream + 2 };
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.flow.headers(self.stream, &headers, out);
        self.send(request, call != Call::Chat, out);
    }

    /// Opens Chat in a room; answered by [`Heard::Subscribed`].
    pub(crate) fn join(&mut self, room: &str, start: Start, out: &mut Vec<u8>) {
        let start = match start {
            Start::Head => None,
            Start::Origin(epoch) => Some(join::Start::After(Position { epoch, seq: 0 })),
        };
        let join = chat_request::Request::Join(Join { room: room.to_owned(), start });
        self.begin(Call::Chat, "/chinwag.v1.Broadcast/Chat", &request(join), out);
    }

    /// Returns true if a text of `size` bytes can be posted now.
    pub(crate) fn can_post(&self, size: usize) -> bool {
        self.flow.window() >= size + POST_OVERHEAD
    }

    /// Posts with an id of the client, as guarded clients do.
    pub(crate) fn post(&mut self, room: &str, text: &str, out: &mut Vec<u8>) {
        let id = uuid::Uuid::now_v7().to_string();
        let post = PostRequest { room: room.to_owned(), id, text: text.to_owned() };
        self.send(&request(chat_request::Request::Post(post)), false, out);
    }

    fn send(&mut self, message: &impl Message, last: bool, out: &mut Vec<u8>) {
        let length = message.encoded_len();
        let mut framed = Vec::with_capacity(PREFIX + length);
        framed.push(0);
        framed.extend((length as u32).to_be_bytes());
        message.encode_raw(&mut framed);
        self.flow.data(self.stream, &framed, last, out);
    }

    /// Parses the complete frames at the start of `bytes`, and returns their length.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize> {
        let mut taken = 0;
        while let Some(frame) = Frame::first(&bytes[taken..]) {
            taken += frame.length();
            match frame.kind {
                kind::DATA => self.data(frame.payload, hear)?,
                kind::HEADERS if frame.ends_stream() && frame.stream == self.stream => {
                    ensure!(self.call == Call::Answered, "the server refused or ended the call");
                }
                _ => self.flow.obey(frame, out)?,
            }
        }
        Ok(taken)
    }

    fn data(&mut self, payload: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<()> {
        if self.partial.is_empty() {
            let taken = self.messages(payload, hear)?;
            self.partial.extend_from_slice(&payload[taken..]);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.partial);
        bytes.extend_from_slice(payload);
        let taken = self.messages(&bytes, hear)?;
        bytes.drain(..taken);
        self.partial = bytes;
        Ok(())
    }

    fn messages(&mut self, bytes: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize> {
        let mut taken = 0;
        while let Some(([_, length @ ..], rest)) = bytes[taken..].split_first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some(message) = rest.get(..length) else { break };
            taken += PREFIX + length;
            match self.call {
                Call::Chat => self.event(message, hear)?,
                Call::Watch => hear(Heard::Answer(message)),
                Call::Unary | Call::Answered => {
                    self.call = Call::Answered;
                    hear(Heard::Answer(message));
                }
            }
        }
        Ok(taken)
    }

    fn event(&mut self, event: &[u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<()> {
        match Fields(event).next() {
            Some((field::MESSAGE, Value::Bytes(message))) => {
                hear(Heard::Message(self.message(message).context("a message cannot be read")?));
            }
            Some((field::POSTED, _)) => hear(Heard::Acked),
            Some((field::JOINED, Value::Bytes(joined))) => {
                let position = position(joined, field::JOINED_POSITION);
                let (epoch, seq) = position.context("no position was joined")?;
                (self.epoch, self.last_seq) = (epoch, Some(seq));
                hear(Heard::Subscribed);
            }
            _ => bail!("the hub says {:?}", chinwag::proto::ChatResponse::decode(event)),
        }
        Ok(())
    }

    /// Returns the text of a message, after checking that it follows the previous one.
    fn message<'a>(&mut self, message: &'a [u8]) -> Result<&'a [u8]> {
        let mut seq = 0;
        let mut prev_seq = 0;
        for (number, value) in Fields(message) {
            match (number, value) {
                (field::MESSAGE_POSITION, Value::Bytes(position)) => {
                    seq = number_of(position, field::POSITION_SEQ);
                }
                (field::MESSAGE_PREV_SEQ, Value::Varint(value)) => prev_seq = value,
                (field::MESSAGE_TEXT, Value::Bytes(text)) => {
                    let last = self.last_seq.replace(seq);
                    ensure!(last == Some(prev_seq), "seq {seq} follows {prev_seq}, not {last:?}");
                    return Ok(text);
                }
                _ => {}
            }
        }
        bail!("it has no text")
    }
}

fn request(request: chat_request::Request) -> ChatRequest {
    ChatRequest { request: Some(request) }
}

/// Returns the epoch and seq of a position.
fn position(message: &[u8], field: u64) -> Option<(u64, u64)> {
    let position = Fields(message).find(field)?.bytes()?;
    Some((number_of(position, field::POSITION_EPOCH), number_of(position, field::POSITION_SEQ)))
}

/// Returns a number that is omitted if it is 0.
fn number_of(message: &[u8], field: u64) -> u64 {
    Fields(message).find(field).and_then(Value::number).unwrap_or(0)
}
