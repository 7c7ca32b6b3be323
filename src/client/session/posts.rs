//! Posts that are not acknowledged yet, in the order in which they were made.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{super::retry, Counted, Reply, queues::SessionQueues};
use crate::{
    error::{Error, Reason, Refusal},
    model::{Draft, MessageId, Posted, RoomName},
    proto::chat_request::Request,
};

/// The most posts that wait: hours of one person's typing while a hub is away, and 16 MiB at the
/// worst.
const MAX_WAITING: usize = 1024;

/// The posts.
#[derive(Debug, Default)]
pub(super) struct Posts {
    waiting: VecDeque<Waiting>,
    /// Until when the hub wants to hear no more of them: there were too many.
    paused: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    draft: Draft,
    replies: Vec<Reply<Posted>>,
    counted: Counted,
    /// Whether it was sent over the present connection.
    sent: bool,
}

impl Posts {
    /// Takes a post, and sends it at once where it is `ready`. Nothing earlier of the same room
    /// waits then, so that the order within a room is that of the calls.
    pub(super) fn add(
        &mut self,
        draft: Draft,
        reply: Reply<Posted>,
        counted: Counted,
        ready: bool,
        out: &mut SessionQueues,
    ) {
        if let Some(same) = self.waiting.iter_mut().find(|waiting| waiting.draft.id == draft.id) {
            if same.draft == draft {
                same.replies.retain(|reply| !reply.is_closed());
                same.replies.push(reply);
            } else {
                let _ = reply.send(Err(Error::MessageIdReused(draft.id)));
            }
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            let what = format!("{MAX_WAITING} posts wait for the hub already");
            let _ = reply.send(Err(Error::LimitReached { what, retry_after: None }));
            return;
        }
        let mut waiting = Waiting { draft, replies: vec![reply], counted, sent: false };
        if ready && self.paused.is_none() {
            waiting.send(out);
        }
        self.waiting.push_back(waiting);
    }

    /// A new connection has seen none of them.
    pub(super) fn connected(&mut self) {
        self.paused = None;
        for waiting in &mut self.waiting {
            waiting.sent = false;
        }
    }

    /// Sends what was not sent yet to rooms that are ready.
    pub(super) fn send(&mut self, ready: impl Fn(&RoomName) -> bool, out: &mut SessionQueues) {
        if self.paused.is_some() {
            return;
        }
        for waiting in self.waiting.iter_mut().filter(|w| !w.sent && ready(&w.draft.room)) {
            waiting.send(out);
        }
    }

    /// When [`Self::resume`] is due, if it is.
    pub(super) fn paused(&self) -> Option<Instant> {
        self.paused
    }

    /// The pause that the hub asked for is over.
    pub(super) fn resume(&mut self) {
        self.paused = None;
    }

    /// The hub acknowledged a post.
    pub(super) fn stored(&mut self, posted: Posted) {
        if let Some(waiting) = self.take(posted.id) {
            waiting.answer(Ok(posted));
        }
    }

    /// The hub refused a post. One that only came at the wrong moment stays.
    pub(super) fn refused(
        &mut self,
        id: MessageId,
        refusal: Refusal,
        is_joining: impl Fn(&RoomName) -> bool,
    ) {
        // The hub is about to end the stream; the next one begins with this post.
        if refusal.is_shutdown() {
            return;
        }
        // The room was lost and is being joined again; the post follows.
        if refusal.reason == Reason::NotJoined
            && let Some(early) = self.waiting.iter_mut().find(|w| w.draft.id == id)
            && is_joining(&early.draft.room)
        {
            early.sent = false;
            return;
        }
        // There were too many. The hub refuses those after it, too, so that they stay in order.
        if let Some(pause) = retry::pause(&refusal)
            && let Some(first) = self.waiting.iter().position(|w| w.draft.id == id)
        {
            self.waiting.range_mut(first..).for_each(|later| later.sent = false);
            self.paused = self.paused.max(Some(Instant::now() + pause));
            return;
        }
        if let Some(waiting) = self.take(id) {
            waiting.answer(Err(Error::Refused(refusal)));
        }
    }

    fn take(&mut self, id: MessageId) -> Option<Waiting> {
        // Acknowledgements mostly come in order: the first is the one.
        let index = self.waiting.iter().position(|waiting| waiting.draft.id == id)?;
        self.waiting.remove(index)
    }
}

impl Waiting {
    fn send(&mut self, out: &mut SessionQueues) {
        if out.is_online() {
            out.ask(Request::Post((&self.draft).into()));
            self.sent = true;
        }
    }

    fn answer(self, answer: Result<Posted, Error>) {
        // Whoever hears of it finds one less waiting.
        drop(self.counted);
        for reply in self.replies {
            // Whoever stopped waiting does not want to know.
            let _ = reply.send(answer.clone());
        }
    }
}
