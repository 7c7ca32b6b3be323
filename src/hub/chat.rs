//! The streams of Broadcast: what a client says on Chat, and how Chat and Subscribe begin.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;

use super::{
    State,
    fanout::{self, EventStream, StreamCommand, StreamQueue},
    metrics::Metrics,
    rates::{Origin, PostOrder},
    sessions::{Caller, Membership, StreamGuard},
};
use crate::{
    error::{RequestError, Result},
    model::{Draft, Position, Posted, RoomName, Start},
    proto::{self, chat_request::Request, chat_response::Event, refused},
    wire,
};

/// The most rooms of one Subscribe.
const MAX_JOINS: usize = 64;

/// The most bytes of a client's id or room name that are sent back with a refusal.
const MAX_ECHO_BYTES: usize = 64;

/// What must live as long as a stream does.
#[derive(Debug)]
pub(crate) struct Guard {
    _hold: StreamGuard,
    _rooms: Vec<Membership>,
    /// Reads the client's requests, where there are more than one.
    _reader: Option<AbortOnDropHandle<()>>,
}

/// Answers Chat.
pub(crate) async fn chat(
    state: Arc<State>,
    caller: Caller,
    origin: Origin,
    requests: Streaming<proto::ChatRequest>,
) -> Result<EventStream<Guard>> {
    let mailbox = StreamQueue::new();
    let hold = state.hold(&caller, &mailbox).await?;
    let (rooms, turn) = (HashMap::new(), PostOrder::default());
    let reader = Reader { state, caller, origin, mailbox: mailbox.clone(), rooms, turn };
    let reader = Some(start(reader.read(requests)));
    Ok(EventStream::new(mailbox, Guard { _hold: hold, _rooms: Vec::new(), _reader: reader }))
}

/// Answers Subscribe.
pub(crate) async fn subscribe(
    state: Arc<State>,
    caller: Caller,
    origin: Origin,
    request: proto::SubscribeRequest,
) -> Result<EventStream<Guard>> {
    let mut joins = request.joins;
    if joins.len() > MAX_JOINS {
        return Err(RequestError::invalid("joins", format!("at most {MAX_JOINS} rooms")));
    }
    if joins.is_empty() {
        joins.push(wire::to_join(&RoomName::lobby(), Start::Head));
    }
    let mailbox = StreamQueue::new();
    let mut rooms = HashMap::new();
    for (i, join) in joins.into_iter().enumerate() {
        let (room, start) = wire::join(&format!("joins[{i}]"), join)?;
        if reads(&start) {
            state.gates.read(origin, &caller.peer)?;
        }
        mailbox.admit().await;
        let (membership, order) = begin(&state, &caller, &room, start).await?;
        if rooms.insert(room, membership).is_some() {
            return Err(RequestError::invalid(format!("joins[{i}].room"), "named twice"));
        }
        mailbox.push(order);
    }
    let rooms = rooms.into_values().collect();
    // Last, because a call that is refused must not count as a stream that broke.
    let hold = state.hold(&caller, &mailbox).await?;
    Ok(EventStream::new(mailbox, Guard { _hold: hold, _rooms: rooms, _reader: None }))
}

/// A task that ends with its handle. A set for a single one would cost every stream more.
#[allow(clippy::disallowed_methods, reason = "the handle owns the task")]
fn start(reader: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(reader))
}

/// Whether such a start has the store read what was said before.
fn reads(start: &Start) -> bool {
    !matches!(start, Start::Head)
}

/// Enters a room, and the order that makes a stream deliver it.
async fn begin(
    state: &State,
    caller: &Caller,
    room: &RoomName,
    start: Start,
) -> Result<(Membership, StreamCommand)> {
    let membership = state.sessions.join(caller.session, room)?;
    let beginning = state.rooms.begin(&state.log, room, start).await?;
    let joined = proto::Joined {
        room: room.to_string(),
        position: Some(beginning.position.into()),
        head: Some(beginning.head.into()),
    };
    let Position { seq, .. } = beginning.position;
    let answer = event(Event::Joined(joined));
    Ok((membership, StreamCommand::Join { source: beginning.source, seq, answer }))
}

/// Reads the requests of one Chat stream.
struct Reader {
    state: Arc<State>,
    caller: Caller,
    origin: Origin,
    mailbox: Arc<StreamQueue>,
    rooms: HashMap<RoomName, Membership>,
    turn: PostOrder,
}

impl Reader {
    async fn read(mut self, mut requests: Streaming<proto::ChatRequest>) {
        let mut first = true;
        let error = loop {
            match requests.message().await {
                // Boxed, so that a stream that says nothing does not pay for what it might say.
                Ok(Some(request)) => Box::pin(self.take(request, &mut first)).await,
                Ok(None) => {
                    self.mailbox.settled().await;
                    break None;
                }
                Err(status) => break Some(wire::undecodable(&status)),
            }
        };
        self.mailbox.push(StreamCommand::End { last: Bytes::new(), error });
        // The memberships last until the stream itself ends.
        std::future::pending::<()>().await;
    }

    /// Takes a request as soon as one more may be under way.
    async fn take(&mut self, request: proto::ChatRequest, first: &mut bool) {
        let joins = matches!(request.request, Some(Request::Join(_)));
        if std::mem::take(first) && !joins {
            self.mailbox.admit().await;
            self.join(wire::to_join(&RoomName::lobby(), Start::Head)).await;
        }
        self.mailbox.admit().await;
        self.obey(request).await;
    }

    /// Sees to it that a request is answered, now or later.
    async fn obey(&mut self, request: proto::ChatRequest) {
        match request.request {
            Some(Request::Join(join)) => self.join(join).await,
            Some(Request::Leave(leave)) => self.leave(&leave),
            Some(Request::Post(post)) => self.post(post).await,
            None => {
                let error =
                    RequestError::invalid("request", "one of join, leave and post must be set");
                self.refuse(None, &error);
            }
        }
    }

    async fn join(&mut self, join: proto::Join) {
        let asked = echo(&join.room);
        match self.try_join(join).await {
            Ok(order) => self.mailbox.push(order),
            Err(error) => self.refuse(Some(refused::Request::Join(asked)), &error),
        }
    }

    async fn try_join(&mut self, join: proto::Join) -> Result<StreamCommand> {
        let (room, start) = wire::join("join", join)?;
        if reads(&start) {
            // A client that comes back to all of its rooms is not refused some of them: what else
            // it says on this stream waits as well.
            self.state.gates.read_in_turn(self.origin, &self.caller.peer).await;
        }
        let (membership, order) = begin(&self.state, &self.caller, &room, start).await?;
        self.rooms.insert(room, membership);
        Ok(order)
    }

    fn leave(&mut self, leave: &proto::Leave) {
        let left = wire::room_name("leave.room", &leave.room).and_then(|room| {
            self.rooms.remove(&room).map(|_| room.clone()).ok_or(RequestError::NotJoined(room))
        });
        match left {
            Ok(room) => {
                let left = proto::Left { room: room.to_string(), refusal: None };
                self.mailbox.push(StreamCommand::Leave { room, answer: event(Event::Left(left)) });
            }
            Err(error) => {
                let asked = refused::Request::Leave(echo(&leave.room));
                self.refuse(Some(asked), &error);
            }
        }
    }

    async fn post(&mut self, post: proto::PostRequest) {
        let asked = echo(&post.id);
        match self.may_post(post) {
            Ok(draft) => {
                let (mailbox, metrics) = (self.mailbox.clone(), self.state.metrics.clone());
                let done = Box::new(move |result: Result<Posted>| {
                    mailbox.push(match &result {
                        Ok(posted) => StreamCommand::Answer(event(Event::Posted(posted.into()))),
                        Err(error) => refusal(&metrics, Some(refused::Request::Post(asked)), error),
                    });
                });
                self.state.log.append(draft, done).await;
            }
            Err(error) => self.refuse(Some(refused::Request::Post(asked)), &error),
        }
    }

    fn may_post(&mut self, post: proto::PostRequest) -> Result<Draft> {
        let Self { state, caller, origin, turn, .. } = self;
        let draft = wire::draft("post.", &caller.peer, post)?;
        state.sessions.check_member(caller.session, &draft.room)?;
        turn.pass(&state.gates, *origin, &caller.peer, draft.id)?;
        Ok(draft)
    }

    fn refuse(&self, request: Option<refused::Request>, error: &RequestError) {
        self.mailbox.push(refusal(&self.state.metrics, request, error));
    }
}

fn refusal(
    metrics: &Metrics,
    request: Option<refused::Request>,
    error: &RequestError,
) -> StreamCommand {
    metrics.refused(&wire::reason(error));
    let refused = proto::Refused { request, refusal: Some(wire::refusal(error)) };
    StreamCommand::Answer(event(Event::Refused(refused)))
}

fn event(event: Event) -> Bytes {
    fanout::frame(&proto::ChatResponse { event: Some(event) })
}

/// What the client called the thing, so that it finds its request again; nothing where that cannot
/// be any of its own names.
fn echo(raw: &str) -> String {
    if raw.len() <= MAX_ECHO_BYTES { raw.to_owned() } else { String::new() }
}
