//! The outgoing queues of a session: requests to the hub, and events to the reader.

use std::collections::VecDeque;

use tokio::sync::mpsc::{self, error::SendError, error::TrySendError};

use super::super::event::Event;
use crate::proto::{self, chat_request::Request};

/// Waiting requests after which no answer is read that could cause more. A client has fewer of its
/// own, as its rooms and posts are bounded.
const MAX_REQUESTS: usize = 2048;

/// Both queues. They are bounded: nothing that adds to them is read while they are full.
pub(super) struct SessionQueues {
    pub(super) events: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
    pub(super) requests: VecDeque<proto::ChatRequest>,
    pub(super) online: bool,
}

impl SessionQueues {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, waiting: VecDeque::new(), requests: VecDeque::new(), online: false }
    }

    /// Starts or ends a connection. Waiting requests belong to the last one and are dropped.
    pub(super) fn set_online(&mut self, online: bool) {
        self.requests.clear();
        self.online = online;
    }

    /// Queues a request to the hub, if it is connected.
    pub(super) fn request(&mut self, request: Request) {
        if self.online {
            self.requests.push_back(proto::ChatRequest { request: Some(request) });
        }
    }

    /// Emits an event, at once if there is room for it.
    pub(super) fn emit(&mut self, event: Event) {
        if self.waiting.is_empty() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.waiting.push_back(event);
            }
            return;
        }
        // Failed attempts to reconnect must not pile up: only the last one counts.
        if let (Event::Disconnected { .. }, Some(last @ Event::Disconnected { .. })) =
            (&event, self.waiting.back_mut())
        {
            *last = event;
        } else {
            self.waiting.push_back(event);
        }
    }

    /// Returns true if there is room for whatever an answer may cause.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.requests.len() < MAX_REQUESTS
    }

    pub(super) fn has_events(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Hands out one waiting event, or drops all if the reader is gone.
    pub(super) fn hand_out(&mut self, permit: Result<mpsc::Permit<'_, Event>, SendError<()>>) {
        match permit {
            Ok(permit) => {
                if let Some(event) = self.waiting.pop_front() {
                    permit.send(event);
                }
            }
            Err(_) => self.waiting.clear(),
        }
    }

    /// Hands out all waiting events.
    pub(super) async fn hand_out_all(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            if self.events.send(event).await.is_err() {
                self.waiting.clear();
            }
        }
    }
}
