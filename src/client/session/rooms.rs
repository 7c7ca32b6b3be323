//! The joined rooms: the last position of each, and how it is resumed.
//!
//! A message is emitted if it follows the last one: its `prev_seq` is not beyond that one's seq.
//! Repeated messages are dropped. If messages are missing the room is joined again right after the
//! last one. If that leaves a gap as well, or is refused, the gap is reported
//! ([`Event::RoomReset`]) and the room goes on, with the first message that the hub still has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tonic::Code;

use super::{
    super::{event::Event, reply::Reply},
    queues::SessionQueues,
};
use crate::{
    client::error::Error,
    error::{Reason, Refusal},
    model::{Message, Position, RoomName, Start},
    proto::{self, chat_request::Request},
    text, wire,
};

/// The most rooms of one client. Hubs allow no more than that.
const MAX_ROOMS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct JoinedRooms {
    rooms: BTreeMap<RoomName, RoomProgress>,
    leaving: Vec<(RoomName, Reply<()>)>,
}

#[derive(Debug, Default)]
struct RoomProgress {
    /// The join that the hub has not answered yet.
    join: Option<PendingJoin>,
    /// The position of the last message; `None` before the room was joined.
    last: Option<Position>,
    /// The position after which the room was joined again, once, because messages were missing.
    retried: Option<Position>,
}

#[derive(Debug)]
struct PendingJoin {
    start: Start,
    /// Whether the room is resumed after its last message, not begun anew.
    resumes: bool,
    replies: Vec<Reply<Position>>,
}

/// The hub's answer to an accepted join.
pub(super) struct JoinAccepted {
    pub(super) room: RoomName,
    pub(super) position: Position,
    pub(super) head: Position,
}

impl JoinedRooms {
    pub(super) fn new(rooms: Vec<(RoomName, Start)>) -> Self {
        let join = |start| Some(PendingJoin { start, resumes: false, replies: Vec::new() });
        let rooms = rooms
            .into_iter()
            .map(|(name, start)| {
                (name, RoomProgress { join: join(start), ..RoomProgress::default() })
            })
            .collect();
        Self { rooms, leaving: Vec::new() }
    }

    pub(super) fn names(&self) -> Vec<RoomName> {
        self.rooms.keys().cloned().collect()
    }

    /// Returns true if a post to the room has to wait until the hub has answered a join.
    pub(super) fn is_joining(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.join.is_some())
    }

    pub(super) fn connected(&mut self, out: &mut SessionQueues) {
        for (name, room) in &mut self.rooms {
            match (&room.join, room.last) {
                (Some(pending), _) => out.request(join_request(name, pending.start)),
                (None, Some(last)) => room.resume(name, last, out),
                (None, None) => {}
            }
        }
    }

    /// The connection was lost, and with it every membership.
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
        match (&mut room.join, room.last) {
            (_, Some(last)) if start == Start::Head => drop(reply.send(Ok(last))),
            (Some(pending), _) if start == Start::Head => {
                pending.replies.retain(|reply| !reply.is_closed());
                pending.replies.push(reply);
            }
            (Some(_), _) => refuse(reply, format!("{name} is being joined already")),
            (None, _) => room.join(&name, start, vec![reply], out),
        }
    }

    pub(super) fn leave(&mut self, name: &RoomName, reply: Reply<()>, out: &mut SessionQueues) {
        let Some(room) = self.rooms.remove(name) else {
            return drop(reply.send(Err(Error::NotJoined(name.clone()))));
        };
        for waiting in room.join.into_iter().flat_map(|pending| pending.replies) {
            let _ = waiting.send(Err(Error::NotJoined(name.clone())));
        }
        if room.last.is_some() {
            out.emit(Event::Left { room: name.clone() });
        }
        if out.online {
            out.request(Request::Leave(proto::Leave { room: name.to_string() }));
            self.leaving.push((name.clone(), reply));
        } else {
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn joined(&mut self, accepted: JoinAccepted, out: &mut SessionQueues) {
        let JoinAccepted { room: name, position, head } = accepted;
        let Some(room) = self.rooms.get_mut(&name) else {
            // A stream that begins with a post joins the default room, wanted or not.
            return out.request(Request::Leave(proto::Leave { room: name.to_string() }));
        };
        let Some(pending) = room.join.take() else { return };
        let before = room.last.filter(|_| pending.resumes);
        if before.is_none_or(|last| last.epoch != position.epoch) {
            if before.is_some() {
                out.emit(reset(&name, "the room began anew"));
            }
            room.last = Some(position);
            tracing::info!(room = %name, "joined");
            out.emit(Event::Joined { room: name, head });
        }
        for reply in pending.replies {
            let _ = reply.send(Ok(head));
        }
    }

    /// Handles a refused join. Returns the refusal if it is only temporary, because the hub stops or
    /// cannot read its store now: the client has to reconnect after a pause and join again.
    pub(super) fn join_refused(
        &mut self,
        name: &RoomName,
        refusal: Refusal,
        out: &mut SessionQueues,
    ) -> Option<Refusal> {
        let room = self.rooms.get_mut(name)?;
        let pending = room.join.take()?;
        if refusal.code == Code::Unavailable
            && (pending.replies.is_empty() || refusal.is_shutdown())
        {
            room.join = Some(pending);
            return Some(refusal);
        }
        self.join_denied(name, pending, refusal, out);
        None
    }

    fn join_denied(
        &mut self,
        name: &RoomName,
        pending: PendingJoin,
        refusal: Refusal,
        out: &mut SessionQueues,
    ) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if pending.replies.is_empty() {
            if refusal.code == Code::OutOfRange && matches!(pending.start, Start::After(_)) {
                out.emit(reset(name, &refusal.message));
                room.last = None;
                // All that is left is new to this client, unless the hub has lost its latest messages:
                // then those that are left are known.
                let start = match refusal.reason {
                    Reason::PositionAhead => Start::Head,
                    _ => Start::Since(Timestamp::UNIX_EPOCH),
                };
                return room.join(name, start, Vec::new(), out);
            }
            self.rooms.remove(name);
            let (room, error) = (name.clone(), Error::Refused(refusal));
            return out.emit(Event::JoinRefused { room, error });
        }
        match room.last {
            // A new start was refused; the room goes on as it was, also on a new connection.
            Some(last) => room.resume(name, last, out),
            None => drop(self.rooms.remove(name)),
        }
        for reply in pending.replies {
            let _ = reply.send(Err(Error::Refused(refusal.clone())));
        }
    }

    /// Handles the end of a membership, requested or not.
    pub(super) fn left(
        &mut self,
        name: &RoomName,
        refusal: Option<Refusal>,
        out: &mut SessionQueues,
    ) {
        if let Some(index) = self.leaving.iter().position(|(room, _)| room == name) {
            let (_, reply) = self.leaving.remove(index);
            return drop(reply.send(Ok(())));
        }
        let Some(room) = self.rooms.get_mut(name) else { return };
        match room.last {
            // The answer to a join will follow.
            _ if room.join.is_some() => {}
            Some(last) if room.retried != Some(last) => {
                room.retried = Some(last);
                room.resume(name, last, out);
            }
            _ => {
                self.rooms.remove(name);
                let room = name.clone();
                out.emit(match refusal {
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
        if room.join.as_ref().is_some_and(|pending| pending.resumes) {
            // It comes again after the join that is under way.
            return;
        }
        let at = message.position;
        if at.epoch == last.epoch && at.seq <= last.seq {
            return;
        }
        if at.epoch != last.epoch || message.prev_seq > last.seq {
            if room.join.is_some() {
                return;
            }
            if room.retried != Some(last) {
                room.retried = Some(last);
                return room.resume(name, last, out);
            }
            out.emit(reset(name, "the hub left messages out"));
        }
        room.last = Some(at);
        out.emit(Event::Message(message));
    }
}

impl RoomProgress {
    fn join(
        &mut self,
        name: &RoomName,
        start: Start,
        replies: Vec<Reply<Position>>,
        out: &mut SessionQueues,
    ) {
        self.join = Some(PendingJoin { start, resumes: false, replies });
        out.request(join_request(name, start));
    }

    fn resume(&mut self, name: &RoomName, last: Position, out: &mut SessionQueues) {
        let start = Start::After(last);
        self.join = Some(PendingJoin { start, resumes: true, replies: Vec::new() });
        out.request(join_request(name, start));
    }
}

fn join_request(name: &RoomName, start: Start) -> Request {
    Request::Join(wire::to_join(name, start))
}

fn reset(room: &RoomName, cause: &str) -> Event {
    Event::RoomReset { room: room.clone(), cause: text::one_line(cause).into_owned() }
}

fn refuse<T>(reply: Reply<T>, what: String) {
    let _ = reply.send(Err(Error::LimitReached(what)));
}
