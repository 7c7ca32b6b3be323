//! What the session wants to say: requests to the hub, and events to whoever reads them.

use std::collections::VecDeque;

use tokio::sync::mpsc::{self, error::SendError, error::TrySendError};

use super::super::events::Event;
use crate::proto::{self, chat_request::Request};

/// Requests that wait, after which no answer is read that could make more: a client has fewer of its
/// own, as its rooms and posts are bounded.
const MAX_REQUESTS: usize = 2048;

/// Both queues. Neither grows without bound: while events or too many requests wait, nothing that
/// makes more is read.
#[derive(Debug)]
pub(super) struct SessionQueues {
    pub(super) events: mpsc::Sender<Event>,
    told: VecDeque<Event>,
    requests: VecDeque<proto::ChatRequest>,
    online: bool,
}

impl SessionQueues {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, told: VecDeque::new(), requests: VecDeque::new(), online: false }
    }

    /// A new connection knows of no request made on the last one.
    pub(super) fn set_online(&mut self, online: bool) {
        self.requests.clear();
        self.online = online;
    }

    pub(super) fn is_online(&self) -> bool {
        self.online
    }

    /// Asks the hub for something, if it is there.
    pub(super) fn ask(&mut self, request: Request) {
        if self.online {
            self.requests.push_back(proto::ChatRequest { request: Some(request) });
        }
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    pub(super) fn next_request(&mut self) -> Option<proto::ChatRequest> {
        self.requests.pop_front()
    }

    /// Tells an event, at once where there is room for it.
    pub(super) fn tell(&mut self, event: Event) {
        if self.told.is_empty() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.told.push_back(event);
            }
            return;
        }
        // A long absence of the hub is no reason to collect its every failed attempt.
        if let (Event::Disconnected { .. }, Some(last @ Event::Disconnected { .. })) =
            (&event, self.told.back_mut())
        {
            *last = event;
        } else {
            self.told.push_back(event);
        }
    }

    /// Whether there is room for what an answer may lead to.
    pub(super) fn is_idle(&self) -> bool {
        self.told.is_empty() && self.requests.len() < MAX_REQUESTS
    }

    pub(super) fn has_events(&self) -> bool {
        !self.told.is_empty()
    }

    /// Hands out one waiting event; all are void where nobody will ever read them.
    pub(super) fn hand_out(&mut self, permit: Result<mpsc::Permit<'_, Event>, SendError<()>>) {
        match permit {
            Ok(permit) => {
                if let Some(event) = self.told.pop_front() {
                    permit.send(event);
                }
            }
            Err(_) => self.told.clear(),
        }
    }

    /// Hands out all that waits.
    pub(super) async fn hand_out_all(&mut self) {
        while let Some(event) = self.told.pop_front() {
            if self.events.send(event).await.is_err() {
                self.told.clear();
            }
        }
    }
}
