//! The joined rooms: how far each was read, and how it goes on where it was left.
//!
//! A message is told if it follows the last one that was told: its `prev_seq` is not beyond that
//! one's seq. What was told already is dropped. Where something is missing the room is joined
//! again right after the last message told; if even that leaves a gap, or is refused, the gap is
//! told ([`Event::RoomReset`]) and the room goes on.

use std::collections::BTreeMap;

use tonic::Code;

use super::{super::events::Event, Reply, queues::SessionQueues};
use crate::{
    error::{Error, Refusal},
    model::{Message, Position, RoomName, Start},
    proto::{self, chat_request::Request},
    text, wire,
};

/// The most rooms of one client; hubs allow no more than that.
const MAX_ROOMS: usize = 256;

/// The rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<RoomName, Room>,
    leaving: Vec<(RoomName, Reply<()>)>,
}

#[derive(Debug, Default)]
struct Room {
    /// The join that the hub has not answered yet.
    asked: Option<Asked>,
    /// After which position the next message is expected; `None` before the room was joined.
    last: Option<Position>,
    /// Where the room was joined again because something was missing: it is tried once.
    retried: Option<Position>,
}

#[derive(Debug)]
struct Asked {
    start: Start,
    /// Whether the room should go on where it was, as opposed to where somebody wants to begin.
    resumes: bool,
    replies: Vec<Reply<Position>>,
}

/// The hub's consent to a join.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) room: RoomName,
    pub(super) position: Position,
    pub(super) head: Position,
}

impl Rooms {
    /// Rooms to be joined once there is a connection.
    pub(super) fn new(rooms: Vec<(RoomName, Start)>) -> Self {
        let asked = |start| Some(Asked { start, resumes: false, replies: Vec::new() });
        let rooms = rooms
            .into_iter()
            .map(|(name, start)| (name, Room { asked: asked(start), ..Room::default() }))
            .collect();
        Self { rooms, leaving: Vec::new() }
    }

    pub(super) fn names(&self) -> Vec<RoomName> {
        self.rooms.keys().cloned().collect()
    }

    /// Whether a post to the room should wait until the hub has answered a join.
    pub(super) fn is_joining(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.asked.is_some())
    }

    /// Joins every room on a new connection.
    pub(super) fn connected(&mut self, out: &mut SessionQueues) {
        for (name, room) in &mut self.rooms {
            match (&room.asked, room.last) {
                (Some(asked), _) => out.ask(join(name, asked.start)),
                (None, Some(last)) => room.resume(name, last, out),
                (None, None) => {}
            }
        }
    }

    /// With the connection every membership is gone.
    pub(super) fn disconnected(&mut self) {
        for (_, reply) in self.leaving.drain(..) {
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn join(
        &mut self,
        name: RoomName,
        start: Start,
        reply: Reply<Position>,
        out: &mut SessionQueues,
    ) {
        if self.rooms.len() >= MAX_ROOMS && !self.rooms.contains_key(&name) {
            return refuse(reply, format!("at most {MAX_ROOMS} rooms"));
        }
        let room = self.rooms.entry(name.clone()).or_default();
        match (&mut room.asked, room.last) {
            (_, Some(last)) if start == Start::Head => drop(reply.send(Ok(last))),
            (Some(asked), _) if start == Start::Head => {
                asked.replies.retain(|reply| !reply.is_closed());
                asked.replies.push(reply);
            }
            (Some(_), _) => refuse(reply, format!("{name} is being joined already")),
            (None, _) => room.ask(&name, start, vec![reply], out),
        }
    }

    pub(super) fn leave(&mut self, name: &RoomName, reply: Reply<()>, out: &mut SessionQueues) {
        let Some(room) = self.rooms.remove(name) else {
            return drop(reply.send(Err(Error::NotJoined(name.clone()))));
        };
        for waiting in room.asked.into_iter().flat_map(|asked| asked.replies) {
            let _ = waiting.send(Err(Error::NotJoined(name.clone())));
        }
        if room.last.is_some() {
            out.tell(Event::Left { room: name.clone() });
        }
        if out.is_online() {
            out.ask(Request::Leave(proto::Leave { room: name.to_string() }));
            self.leaving.push((name.clone(), reply));
        } else {
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn joined(&mut self, accepted: Accepted, out: &mut SessionQueues) {
        let Accepted { room: name, position, head } = accepted;
        let Some(room) = self.rooms.get_mut(&name) else {
            // A stream that begins with a post begins in the default room, wanted or not.
            return out.ask(Request::Leave(proto::Leave { room: name.to_string() }));
        };
        let Some(asked) = room.asked.take() else { return };
        let before = room.last.filter(|_| asked.resumes);
        if before.is_none_or(|last| last.epoch != position.epoch) {
            if before.is_some() {
                out.tell(reset(&name, "the room began anew"));
            }
            room.last = Some(position);
            tracing::info!(room = %name, "joined");
            out.tell(Event::Joined { room: name, head });
        }
        for reply in asked.replies {
            let _ = reply.send(Ok(head));
        }
    }

    /// Returns the refusal where nothing is decided by it: the hub stops, or cannot read its store
    /// now. Another connection, after a pause, is to ask again.
    pub(super) fn join_refused(
        &mut self,
        name: &RoomName,
        refusal: Refusal,
        out: &mut SessionQueues,
    ) -> Option<Refusal> {
        let room = self.rooms.get_mut(name)?;
        let asked = room.asked.take()?;
        if refusal.code == Code::Unavailable && (asked.replies.is_empty() || refusal.is_shutdown())
        {
            room.asked = Some(asked);
            return Some(refusal);
        }
        self.join_denied(name, asked, refusal, out);
        None
    }

    fn join_denied(
        &mut self,
        name: &RoomName,
        asked: Asked,
        refusal: Refusal,
        out: &mut SessionQueues,
    ) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if asked.replies.is_empty() {
            if refusal.code == Code::OutOfRange && matches!(asked.start, Start::After(_)) {
                out.tell(reset(name, &refusal.message));
                room.last = None;
                return room.ask(name, Start::Head, Vec::new(), out);
            }
            self.rooms.remove(name);
            let (room, error) = (name.clone(), Error::Refused(refusal));
            return out.tell(Event::JoinRefused { room, error });
        }
        match room.last {
            // Beginning anew was refused; the room goes on as it was, also on a new connection.
            Some(last) => room.resume(name, last, out),
            None => drop(self.rooms.remove(name)),
        }
        for reply in asked.replies {
            let _ = reply.send(Err(Error::Refused(refusal.clone())));
        }
    }

    /// The hub says that a room was left: because it was asked to, or on its own account.
    pub(super) fn left(&mut self, name: &RoomName, why: Option<Refusal>, out: &mut SessionQueues) {
        if let Some(index) = self.leaving.iter().position(|(room, _)| room == name) {
            let (_, reply) = self.leaving.remove(index);
            return drop(reply.send(Ok(())));
        }
        let Some(room) = self.rooms.get_mut(name) else { return };
        match room.last {
            // The answer to a join will follow.
            _ if room.asked.is_some() => {}
            Some(last) if room.retried != Some(last) => {
                room.retried = Some(last);
                room.resume(name, last, out);
            }
            _ => {
                self.rooms.remove(name);
                let room = name.clone();
                out.tell(match why {
                    Some(refusal) => Event::JoinRefused { room, error: Error::Refused(refusal) },
                    None => Event::Left { room },
                });
            }
        }
    }

    pub(super) fn message(&mut self, message: Message, out: &mut SessionQueues) {
        let name = &message.room;
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(last) = room.last else { return };
        if room.asked.as_ref().is_some_and(|asked| asked.resumes) {
            // It comes again after the join that is under way.
            return;
        }
        let at = message.position;
        if at.epoch == last.epoch && at.seq <= last.seq {
            return;
        }
        if at.epoch != last.epoch || message.prev_seq > last.seq {
            if room.asked.is_some() {
                return;
            }
            if room.retried != Some(last) {
                room.retried = Some(last);
                return room.resume(name, last, out);
            }
            out.tell(reset(name, "the hub left messages out"));
        }
        room.last = Some(at);
        out.tell(Event::Message(message));
    }
}

impl Room {
    fn ask(
        &mut self,
        name: &RoomName,
        start: Start,
        replies: Vec<Reply<Position>>,
        out: &mut SessionQueues,
    ) {
        self.asked = Some(Asked { start, resumes: false, replies });
        out.ask(join(name, start));
    }

    fn resume(&mut self, name: &RoomName, last: Position, out: &mut SessionQueues) {
        let start = Start::After(last);
        self.asked = Some(Asked { start, resumes: true, replies: Vec::new() });
        out.ask(join(name, start));
    }
}

fn join(name: &RoomName, start: Start) -> Request {
    Request::Join(wire::to_join(name, start))
}

fn reset(room: &RoomName, cause: &str) -> Event {
    Event::RoomReset { room: room.clone(), cause: text::one_line(cause).into_owned() }
}

fn refuse<T>(reply: Reply<T>, what: String) {
    let _ = reply.send(Err(Error::LimitReached { what, retry_after: None }));
}
