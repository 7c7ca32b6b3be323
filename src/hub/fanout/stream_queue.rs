//! What the producers of a stream know of it.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;

use super::{JOINED_BYTES, Source};
use crate::{error::RequestError, model::RoomName};

/// Requests of one stream that may be under way at a time: accepted, but their answers not yet
/// handed to HTTP/2. It bounds the memory of a client that asks and does not read (an answer has
/// about 100 bytes), and is enough to keep the store's group commits full.
const MAX_ANSWERS_DUE: usize = 4096;

/// What a stream is told to do, in order.
#[derive(Debug)]
pub(crate) enum StreamCommand {
    /// Send the answer to a request.
    Answer(Bytes),
    /// Begin to deliver a source after `seq`, and answer a request so.
    Join {
        /// What is read.
        source: Arc<dyn Source>,
        /// The cursor.
        seq: u64,
        /// The answer; empty: none.
        answer: Bytes,
    },
    /// Stop to deliver a room, and answer a request so.
    Leave {
        /// Which.
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

#[derive(Debug, Default)]
struct State {
    orders: VecDeque<StreamCommand>,
    /// Slots with news, each once, the one that waited longest first.
    ready: VecDeque<usize>,
    /// Whether a slot is in `ready`.
    is_ready: Vec<bool>,
    waker: Option<Waker>,
}

/// Orders and news for one stream.
#[derive(Debug)]
pub(crate) struct StreamQueue {
    state: Mutex<State>,
    answers: Semaphore,
}

/// What a stream finds in its mailbox.
#[derive(Debug)]
pub(super) enum Mail {
    /// Answers to this many requests, joined.
    Answers(Bytes, usize),
    /// Any other order.
    StreamCommand(StreamCommand),
    /// The source in this slot may have something new.
    Ready(usize),
}

impl StreamQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), answers: Semaphore::new(MAX_ANSWERS_DUE) })
    }

    /// Waits until one more request may be let in. Each is followed by exactly one order that
    /// answers it: [`StreamCommand::Answer`], [`StreamCommand::Join`] or [`StreamCommand::Leave`].
    pub(crate) async fn admit(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.answers.acquire().await {
            permit.forget();
        }
    }

    /// Waits until all requests that were let in have been answered.
    pub(crate) async fn settled(&self) {
        // As above.
        let _ = self.answers.acquire_many(MAX_ANSWERS_DUE as u32).await;
    }

    /// Says that `count` answers were handed out.
    pub(super) fn answered(&self, count: usize) {
        self.answers.add_permits(count);
    }

    /// Adds an order behind all others.
    pub(crate) fn push(&self, order: StreamCommand) {
        self.change(|state| state.orders.push_back(order));
    }

    /// Says that the source in `slot` has something new.
    pub(crate) fn notify(&self, slot: usize) {
        self.change(|state| state.mark(slot));
    }

    /// The next thing to do; where there is none, `cx` is woken when there is.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Option<Mail> {
        let mut state = self.lock();
        if let Some((answers, count)) = state.pop_answers() {
            return Some(Mail::Answers(answers, count));
        }
        if let Some(order) = state.orders.pop_front() {
            return Some(Mail::StreamCommand(order));
        }
        if let Some(slot) = state.pop_ready() {
            return Some(Mail::Ready(slot));
        }
        // A stream that idles keeps no room for orders.
        state.orders = VecDeque::new();
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        None
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// The answers in front: a single one as it is, several joined up to [`JOINED_BYTES`].
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
        if !matches!(self.orders.front(), Some(StreamCommand::Answer(_))) {
            return None;
        }
        match self.orders.pop_front() {
            Some(StreamCommand::Answer(answer)) => Some(answer),
            _ => None,
        }
    }

    fn pop_ready(&mut self) -> Option<usize> {
        let slot = self.ready.pop_front()?;
        self.is_ready[slot] = false;
        Some(slot)
    }

    fn mark(&mut self, slot: usize) {
        if self.is_ready.len() <= slot {
            self.is_ready.resize(slot + 1, false);
        }
        if !std::mem::replace(&mut self.is_ready[slot], true) {
            self.ready.push_back(slot);
        }
    }
}
