//! What a session remembers from one connection to the next.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    super::events::Event,
    Counted, PoisonError, Shown,
    posts::Posts,
    queues::SessionQueues,
    rooms::{Accepted, Rooms},
};
use crate::{
    error::{Error, Refusal, Result},
    model::{Draft, MessageId, Position, Posted, RoomName, Start},
    proto::{self, chat_response::Event as Answer, refused::Request as About},
    wire,
};

/// Where the answer to a command goes.
pub(in super::super) type Reply<T> = oneshot::Sender<Result<T>>;

/// What a client asks of its session.
#[derive(Debug)]
pub(in super::super) enum Command {
    /// To join a room.
    Join { room: RoomName, start: Start, reply: Reply<Position> },
    /// To leave a room.
    Leave { room: RoomName, reply: Reply<()> },
    /// To post.
    Post { draft: Draft, reply: Reply<Posted>, counted: Counted },
}

/// The joined rooms, the posts that wait, and what is to be said about them.
#[derive(Debug)]
pub(super) struct SessionState {
    rooms: Rooms,
    posts: Posts,
    pub(super) out: SessionQueues,
    shown: Arc<Shown>,
}

impl SessionState {
    pub(super) fn new(
        rooms: Vec<(RoomName, Start)>,
        events: mpsc::Sender<Event>,
        shown: Arc<Shown>,
    ) -> Self {
        let (rooms, posts, out) = (Rooms::new(rooms), Posts::default(), SessionQueues::new(events));
        let ledger = Self { rooms, posts, out, shown };
        ledger.show_rooms();
        ledger
    }

    /// A connection began: every room is joined where it was left, and what was not acknowledged
    /// is said again, each post after the join of its room.
    pub(super) fn connected(&mut self) {
        self.out.set_online(true);
        self.out.tell(Event::Connected);
        self.rooms.connected(&mut self.out);
        self.posts.connected();
        self.send_posts();
    }

    /// The connection was lost.
    pub(super) fn disconnected(&mut self) {
        self.out.set_online(false);
        self.rooms.disconnected();
    }

    /// Drops everything that somebody waits for.
    pub(super) fn forget(&mut self) {
        self.rooms = Rooms::default();
        self.posts = Posts::default();
        self.show_rooms();
    }

    /// Obeys a command, now or when it can be.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Join { room, start, reply } => {
                self.rooms.join(room, start, reply, &mut self.out);
                self.show_rooms();
            }
            Command::Leave { room, reply } => {
                self.rooms.leave(&room, reply, &mut self.out);
                self.show_rooms();
                self.send_posts();
            }
            Command::Post { draft, reply, counted } => {
                let ready = !self.rooms.is_joining(&draft.room);
                self.posts.add(draft, reply, counted, ready, &mut self.out);
            }
        }
    }

    /// Takes an answer of the hub's. Some answers say why this connection is of no use any more.
    pub(super) fn hear(&mut self, answer: proto::ChatResponse) -> Option<Refusal> {
        match answer.event.map(|event| self.understand(event)) {
            Some(Ok(goodbye)) => goodbye,
            Some(Err(error)) => {
                // What is passed over leaves a gap, and a gap is noticed.
                tracing::warn!(%error, "an answer of the hub makes no sense");
                None
            }
            // An event of a later version of the protocol.
            None => None,
        }
    }

    fn understand(&mut self, answer: Answer) -> Result<Option<Refusal>> {
        match answer {
            Answer::Message(message) => self.rooms.message(message.try_into()?, &mut self.out),
            Answer::Joined(joined) => self.joined(joined)?,
            Answer::Left(left) => {
                let why = left.refusal.map(wire::refused_in_stream);
                self.rooms.left(&room_name(&left.room)?, why, &mut self.out);
                self.show_rooms();
            }
            Answer::Posted(posted) => self.posts.stored(posted.try_into()?),
            Answer::Refused(refused) => return self.refused(refused),
            Answer::Goodbye(goodbye) => {
                let refusal = wire::present("refusal", goodbye.refusal)?;
                return Ok(Some(wire::refused_in_stream(refusal)));
            }
        }
        Ok(None)
    }

    fn joined(&mut self, joined: proto::Joined) -> Result<()> {
        let accepted = Accepted {
            room: room_name(&joined.room)?,
            position: wire::present("position", joined.position)?.into(),
            head: wire::present("head", joined.head)?.into(),
        };
        self.rooms.joined(accepted, &mut self.out);
        self.send_posts();
        Ok(())
    }

    fn refused(&mut self, refused: proto::Refused) -> Result<Option<Refusal>> {
        let refusal = wire::refused_in_stream(wire::present("refusal", refused.refusal)?);
        match wire::present("request", refused.request)? {
            About::Join(room) => {
                let undecided = self.rooms.join_refused(&room_name(&room)?, refusal, &mut self.out);
                self.show_rooms();
                self.send_posts();
                return Ok(undecided);
            }
            About::Leave(room) => self.rooms.left(&room_name(&room)?, None, &mut self.out),
            About::Post(id) => {
                let id = MessageId::parse(&id).map_err(|e| Error::Protocol(e.to_string()))?;
                let rooms = &self.rooms;
                self.posts.refused(id, refusal, |room| rooms.is_joining(room));
            }
        }
        Ok(None)
    }

    /// When [`Self::resume`] is due, if it is.
    pub(super) fn paused(&self) -> Option<Instant> {
        self.posts.paused()
    }

    /// Posts on after the pause that the hub asked for.
    pub(super) fn resume(&mut self) {
        self.posts.resume();
        self.send_posts();
    }

    fn send_posts(&mut self) {
        let rooms = &self.rooms;
        self.posts.send(|room| !rooms.is_joining(room), &mut self.out);
    }

    fn show_rooms(&self) {
        *self.shown.rooms.lock().unwrap_or_else(PoisonError::into_inner) = self.rooms.names();
    }
}

fn room_name(raw: &str) -> Result<RoomName> {
    RoomName::parse(raw).map_err(|problem| Error::Protocol(problem.to_string()))
}
