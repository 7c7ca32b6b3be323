//! The producers' side of a stream.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    frames::{JOINED_BYTES, frame},
    ring::Subscriber,
    source::Source,
};
use crate::{error::RequestError, model::RoomName, proto, transport::Charge, wire};

/// Requests of one stream that may be pending: accepted, but their answers not yet passed to
/// HTTP/2. Limits the memory of a client that does not read, and is enough for a client that posts
/// without waiting: the storage commits several times in the time that it takes to send so many.
const MAX_PENDING: usize = 1024;

/// The steps in which the commands of a stream are charged.
const CHARGED_STEP: usize = 4 * 1024;

/// What an allocation costs beside its bytes.
const ALLOCATION: usize = 64;

/// What a room costs that a stream is in: in the stream, among the members of the room, and the room
/// itself if nobody else is there.
const ROOM_BYTES: usize = 1024;

/// A command to a stream. Commands are handled in order.
#[derive(Debug)]
pub(crate) enum StreamCommand {
    /// Send the answer to a request.
    Answer(Bytes),
    /// Deliver a source after `seq`, and answer a request.
    Join {
        /// The source.
        source: Arc<dyn Source>,
        /// The cursor.
        seq: u64,
        /// The answer; empty: none.
        answer: Bytes,
    },
    /// Stop delivering a room, and answer a request.
    Leave {
        /// The room.
        room: RoomName,
        /// The answer.
        answer: Bytes,
    },
    /// Send `last` and end the stream.
    End {
        /// A last event; empty: none.
        last: Bytes,
        /// The status; `None`: OK.
        error: Option<RequestError>,
    },
}

impl StreamCommand {
    /// What it takes in memory.
    fn size(&self) -> usize {
        let (Self::Answer(bytes)
        | Self::Join { answer: bytes, .. }
        | Self::Leave { answer: bytes, .. }
        | Self::End { last: bytes, .. }) = self;
        size_of::<Self>() + ALLOCATION + bytes.len()
    }

    /// Ends a stream, and tells its client why.
    pub(crate) fn goodbye(error: RequestError) -> Self {
        let goodbye = proto::Goodbye { refusal: Some(wire::refusal(&error)) };
        let event = Some(proto::chat_response::Event::Goodbye(goodbye));
        Self::End { last: frame(&proto::ChatResponse { event }), error: Some(error) }
    }
}

#[derive(Debug, Default)]
struct Pending {
    commands: VecDeque<StreamCommand>,
    /// Slots with new entries, each once, the one that waited longest first.
    ready: VecDeque<usize>,
    /// Whether a slot is in `ready`.
    is_ready: Vec<bool>,
    waker: Option<Waker>,
    /// The size of `commands`, and of the rooms that the stream is in.
    bytes: usize,
    rooms: usize,
    /// What is charged for both.
    charge: Option<Charge>,
}

/// The commands to one stream, and which of its slots have new entries.
#[derive(Debug)]
pub(crate) struct StreamQueue {
    pending: Mutex<Pending>,
    answers: Semaphore,
}

/// The next thing for a stream to do.
#[derive(Debug)]
pub(super) enum StreamWork {
    /// Send the answers to this many requests, joined.
    Answers(Bytes, usize),
    /// Handle a command other than an answer.
    Command(StreamCommand),
    /// Deliver the source in this slot, which may have new entries.
    Deliver(usize),
}

impl StreamQueue {
    /// A queue whose commands are charged to the account of a connection.
    pub(crate) fn new(charge: Option<Charge>) -> Arc<Self> {
        let pending = Pending { charge, ..Pending::default() };
        Arc::new(Self { pending: Mutex::new(pending), answers: Semaphore::new(MAX_PENDING) })
    }

    /// Waits until one more request may be pending. Exactly one command must answer it:
    /// [`StreamCommand::Answer`], [`StreamCommand::Join`] or [`StreamCommand::Leave`].
    pub(crate) async fn admit(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.answers.acquire().await {
            permit.forget();
        }
    }

    /// Waits until all pending requests have been answered. No other is admitted from then on.
    pub(crate) async fn settled(&self) {
        // The semaphore is never closed.
        if let Ok(permits) = self.answers.acquire_many(MAX_PENDING as u32).await {
            permits.forget();
        }
    }

    /// Notes that `count` answers were passed to HTTP/2.
    pub(super) fn answered(&self, count: usize) {
        self.answers.add_permits(count);
    }

    /// Notes in how many rooms the stream is.
    pub(crate) fn charge_rooms(&self, rooms: usize) {
        let mut pending = self.pending.lock();
        pending.rooms = rooms;
        pending.update_charge();
    }

    /// Appends a command.
    pub(crate) fn push(&self, command: StreamCommand) {
        self.change(|pending| pending.push(command));
    }

    /// Returns the next thing to do. If there is none, wakes `cx` once there is.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Option<StreamWork> {
        let mut pending = self.pending.lock();
        if let Some((answers, count)) = pending.pop_answers() {
            return Some(StreamWork::Answers(answers, count));
        }
        if let Some(command) = pending.pop() {
            return Some(StreamWork::Command(command));
        }
        if let Some(slot) = pending.pop_ready() {
            return Some(StreamWork::Deliver(slot));
        }
        // An idle stream holds no memory for commands.
        pending.commands = VecDeque::new();
        match &mut pending.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        None
    }

    fn change(&self, change: impl FnOnce(&mut Pending)) {
        let waker = {
            let mut pending = self.pending.lock();
            change(&mut pending);
            pending.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Subscriber for StreamQueue {
    fn notify(&self, slot: usize) {
        self.change(|pending| pending.mark_ready(slot));
    }
}

impl Pending {
    /// Removes the answers in front: a single one as it is, several joined up to [`JOINED_BYTES`].
    fn pop_answers(&mut self) -> Option<(Bytes, usize)> {
        let first = self.pop_answer()?;
        let Some(second) = self.pop_answer() else { return Some((first, 1)) };
        let mut joined = BytesMut::from(first);
        joined.extend_from_slice(&second);
        let mut count = 2;
        while joined.len() < JOINED_BYTES
            && let Some(next) = self.pop_answer()
        {
            joined.extend_from_slice(&next);
            count += 1;
        }
        Some((joined.freeze(), count))
    }

    fn pop_answer(&mut self) -> Option<Bytes> {
        if !matches!(self.commands.front(), Some(StreamCommand::Answer(_))) {
            return None;
        }
        match self.pop() {
            Some(StreamCommand::Answer(answer)) => Some(answer),
            _ => None,
        }
    }

    fn push(&mut self, command: StreamCommand) {
        self.bytes += command.size();
        self.commands.push_back(command);
        self.update_charge();
    }

    fn pop(&mut self) -> Option<StreamCommand> {
        let command = self.commands.pop_front()?;
        self.bytes -= command.size();
        self.update_charge();
        Some(command)
    }

    /// Charges in steps, so that a few answers that are sent at once change nothing.
    fn update_charge(&mut self) {
        if let Some(charge) = &mut self.charge {
            let commands = self.bytes / CHARGED_STEP * CHARGED_STEP;
            charge.resize(commands + self.rooms * ROOM_BYTES);
        }
    }

    fn pop_ready(&mut self) -> Option<usize> {
        let slot = self.ready.pop_front()?;
        self.is_ready[slot] = false;
        Some(slot)
    }

    fn mark_ready(&mut self, slot: usize) {
        if self.is_ready.len() <= slot {
            self.is_ready.resize(slot + 1, false);
        }
        if !std::mem::replace(&mut self.is_ready[slot], true) {
            self.ready.push_back(slot);
        }
    }
}
