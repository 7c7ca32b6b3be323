//! What a session keeps from one connection to the next.

use std::sync::Arc;

use tokio::{sync::mpsc, time::Instant};

use super::{
    super::{event::Event, reply::Reply},
    PostCount, SessionStatus,
    posts::PendingPosts,
    queues::SessionQueues,
    rooms::{JoinAccepted, JoinedRooms},
};
use crate::{
    client::error::{Error, Result},
    error::Refusal,
    model::{Draft, MessageId, Position, Posted, RoomName, Start},
    proto::{self, chat_response::Event as Answer, refused::Request as About},
    wire,
};

/// What a client asks of its session.
pub(in super::super) enum SessionCommand {
    Join { room: RoomName, start: Start, reply: Reply<Position> },
    Leave { room: RoomName, reply: Reply<()> },
    Post { draft: Draft, reply: Reply<Posted>, count: PostCount },
}

/// The joined rooms, the pending posts, and what they queue. Knows nothing of sockets.
pub(super) struct SessionState {
    rooms: JoinedRooms,
    posts: PendingPosts,
    pub(super) out: SessionQueues,
    status: Arc<SessionStatus>,
}

impl SessionState {
    pub(super) fn new(
        rooms: Vec<(RoomName, Start)>,
        events: mpsc::Sender<Event>,
        status: Arc<SessionStatus>,
    ) -> Self {
        let (rooms, posts) = (JoinedRooms::new(rooms), PendingPosts::default());
        let state = Self { rooms, posts, out: SessionQueues::new(events), status };
        state.publish_rooms();
        state
    }

    /// Starts a connection: resumes every room, and then sends its pending posts again.
    pub(super) fn connected(&mut self) {
        self.out.set_online(true);
        self.out.emit(Event::Connected);
        self.rooms.connected(&mut self.out);
        self.posts.connected();
        self.send_posts();
    }

    /// Ends a connection.
    pub(super) fn disconnected(&mut self) {
        self.out.set_online(false);
        self.rooms.disconnected();
    }

    /// Drops all commands that wait for an answer.
    pub(super) fn forget(&mut self) {
        self.rooms = JoinedRooms::default();
        self.posts = PendingPosts::default();
        self.publish_rooms();
    }

    /// Handles a command, at once or as soon as possible.
    pub(super) fn handle(&mut self, command: SessionCommand) {
        match command {
            SessionCommand::Join { room, start, reply } => {
                self.rooms.join(room, start, reply, &mut self.out);
                self.publish_rooms();
            }
            SessionCommand::Leave { room, reply } => {
                self.rooms.leave(&room, reply, &mut self.out);
                self.publish_rooms();
                self.send_posts();
            }
            SessionCommand::Post { draft, reply, count } => {
                let ready = !self.rooms.is_joining(&draft.room);
                self.posts.add(draft, reply, count, ready, &mut self.out);
            }
        }
    }

    /// Handles an answer of the hub. Returns the reason if the connection has to end.
    pub(super) fn on_answer(&mut self, answer: proto::ChatResponse) -> Option<Refusal> {
        match answer.event.map(|event| self.on_event(event)) {
            Some(Ok(goodbye)) => goodbye,
            Some(Err(error)) => {
                // A skipped message leaves a gap, which is noticed.
                tracing::warn!(%error, "the hub sent an invalid answer");
                None
            }
            // An event of a later version of the protocol.
            None => None,
        }
    }

    fn on_event(&mut self, answer: Answer) -> Result<Option<Refusal>> {
        match answer {
            Answer::Message(message) => self.rooms.message(message.try_into()?, &mut self.out),
            Answer::Joined(joined) => self.joined(joined)?,
            Answer::Left(left) => {
                let refusal = left.refusal.map(wire::refused_in_stream);
                self.rooms.left(&room_name(&left.room)?, refusal, &mut self.out);
                self.publish_rooms();
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
        let accepted = JoinAccepted {
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
                let temporary = self.rooms.join_refused(&room_name(&room)?, refusal, &mut self.out);
                self.publish_rooms();
                self.send_posts();
                return Ok(temporary);
            }
            About::Leave(room) => self.rooms.left(&room_name(&room)?, None, &mut self.out),
            About::Post(id) => {
                let id = MessageId::parse(&id).map_err(Error::protocol)?;
                let rooms = &self.rooms;
                self.posts.refused(id, refusal, |room| rooms.is_joining(room));
            }
        }
        Ok(None)
    }

    /// Returns when to call [`Self::resume`], if posting is paused.
    pub(super) fn paused(&self) -> Option<Instant> {
        self.posts.paused
    }

    /// Goes on posting after the pause that the hub asked for.
    pub(super) fn resume(&mut self) {
        self.posts.resume();
        self.send_posts();
    }

    fn send_posts(&mut self) {
        let rooms = &self.rooms;
        self.posts.send(|room| !rooms.is_joining(room), &mut self.out);
    }

    fn publish_rooms(&self) {
        *self.status.rooms.lock() = self.rooms.names();
    }
}

fn room_name(raw: &str) -> Result<RoomName> {
    RoomName::parse(raw).map_err(Error::protocol)
}
