//! Posts that are not acknowledged yet, in the order in which they were made.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{
    super::{reply::Reply, retry},
    PostCount,
    queues::SessionQueues,
};
use crate::{
    client::error::Error,
    error::{Reason, Refusal},
    model::{Draft, MessageId, Posted, RoomName},
    proto::chat_request::Request,
};

/// The most waiting posts: hours of one person's typing while a hub is away, and at most 16 MiB.
const MAX_WAITING: usize = 1024;

/// The posts of a session that are not acknowledged yet.
#[derive(Debug, Default)]
pub(super) struct PendingPosts {
    waiting: VecDeque<PendingPost>,
    /// When posting may go on, after the hub refused posts for their rate.
    pub(super) paused: Option<Instant>,
}

#[derive(Debug)]
struct PendingPost {
    draft: Draft,
    replies: Vec<Reply<Posted>>,
    count: PostCount,
    /// Whether it was sent on the present connection.
    sent: bool,
}

impl PendingPosts {
    /// Adds a post, and sends it at once if its room is `ready`: no earlier post to the room waits
    /// then, so that posts to a room stay in the order of the calls.
    pub(super) fn add(
        &mut self,
        draft: Draft,
        reply: Reply<Posted>,
        count: PostCount,
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
            let _ = reply.send(Err(Error::LimitReached(what)));
            return;
        }
        let mut waiting = PendingPost { draft, replies: vec![reply], count, sent: false };
        if ready && self.paused.is_none() {
            waiting.send(out);
        }
        self.waiting.push_back(waiting);
    }

    /// Marks all posts as unsent on a new connection.
    pub(super) fn connected(&mut self) {
        self.paused = None;
        for waiting in &mut self.waiting {
            waiting.sent = false;
        }
    }

    pub(super) fn send(&mut self, ready: impl Fn(&RoomName) -> bool, out: &mut SessionQueues) {
        if self.paused.is_some() {
            return;
        }
        for waiting in self.waiting.iter_mut().filter(|w| !w.sent && ready(&w.draft.room)) {
            waiting.send(out);
        }
    }

    /// Ends the pause that the hub asked for.
    pub(super) fn resume(&mut self) {
        self.paused = None;
    }

    /// Handles an acknowledgement.
    pub(super) fn stored(&mut self, posted: Posted) {
        if let Some(waiting) = self.take(posted.id) {
            waiting.answer(Ok(posted));
        }
    }

    /// Handles a refusal. A post that may be accepted later stays.
    pub(super) fn refused(
        &mut self,
        id: MessageId,
        refusal: Refusal,
        is_joining: impl Fn(&RoomName) -> bool,
    ) {
        // The hub is about to end the stream; the post is sent again on the next one.
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
        // Rate limited. The hub refuses the posts after it as well, so that they stay in order.
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

    fn take(&mut self, id: MessageId) -> Option<PendingPost> {
        // Acknowledgements mostly come in order, so this finds the first.
        let index = self.waiting.iter().position(|waiting| waiting.draft.id == id)?;
        self.waiting.remove(index)
    }
}

impl PendingPost {
    fn send(&mut self, out: &mut SessionQueues) {
        if out.online {
            out.request(Request::Post((&self.draft).into()));
            self.sent = true;
        }
    }

    fn answer(self, answer: Result<Posted, Error>) {
        // Before the answer, so that its receiver sees one less waiting.
        drop(self.count);
        for reply in self.replies {
            // Nobody may be waiting any more.
            let _ = reply.send(answer.clone());
        }
    }
}
