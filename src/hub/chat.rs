//! The Chat and Subscribe rpcs: how their streams begin, and the requests on Chat.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;

use super::{
    fanout::{self, EventStream, StreamCommand, StreamQueue},
    metrics::Metrics,
    rates::{Origin, PostOrder},
    sessions::{Caller, Membership, StreamGuard},
    state::HubState,
};
use crate::{
    error::{RequestError, Result},
    model::{Draft, Position, Posted, RoomName, Start},
    proto::{self, chat_request::Request, chat_response::Event, refused},
    wire,
};

/// The most rooms of one Subscribe.
const MAX_JOINS: usize = 64;

/// The longest id or room name of a client, in bytes, that a refusal repeats.
const MAX_ECHO_BYTES: usize = 64;

/// What lives as long as a stream of messages.
#[derive(Debug)]
pub(crate) struct ChatGuard {
    _stream: StreamGuard,
    _rooms: Vec<Membership>,
    /// The task that reads the client's requests; `None` for Subscribe.
    _reader: Option<AbortOnDropHandle<()>>,
}

/// Answers Chat: delivers the rooms that the client joins, and handles its requests.
pub(crate) async fn chat(
    state: Arc<HubState>,
    caller: Caller,
    origin: Origin,
    queue: Arc<StreamQueue>,
    requests: Streaming<proto::ChatRequest>,
) -> Result<EventStream<ChatGuard>> {
    let stream = state.open_stream(&caller, &queue).await?;
    let (rooms, post_order) = (HashMap::new(), PostOrder::default());
    let reader = RequestReader { state, caller, origin, queue: queue.clone(), rooms, post_order };
    let reader = Some(spawn(reader.run(requests)));
    Ok(EventStream::new(queue, ChatGuard { _stream: stream, _rooms: Vec::new(), _reader: reader }))
}

/// Answers Subscribe: delivers the rooms of the request.
pub(crate) async fn subscribe(
    state: Arc<HubState>,
    caller: Caller,
    origin: Origin,
    queue: Arc<StreamQueue>,
    request: proto::SubscribeRequest,
) -> Result<EventStream<ChatGuard>> {
    let mut joins = request.joins;
    if joins.len() > MAX_JOINS {
        return Err(RequestError::invalid("joins", format!("at most {MAX_JOINS} rooms")));
    }
    if joins.is_empty() {
        joins.push(wire::to_join(&RoomName::lobby(), Start::Head));
    }
    let mut rooms = HashMap::new();
    for (i, join) in joins.into_iter().enumerate() {
        let (room, start) = wire::join(&format!("joins[{i}]"), join)?;
        if reads_history(&start) {
            state.rate_limits.read(origin, &caller.peer)?;
        }
        queue.admit().await;
        let (membership, command) = join_room(&state, &caller, &room, start).await?;
        if rooms.insert(room, membership).is_some() {
            return Err(RequestError::invalid(format!("joins[{i}].room"), "named twice"));
        }
        queue.push(command);
    }
    queue.charge_rooms(rooms.len());
    let rooms = rooms.into_values().collect();
    // Last: a refused call must not count as a stream that broke.
    let stream = state.open_stream(&caller, &queue).await?;
    Ok(EventStream::new(queue, ChatGuard { _stream: stream, _rooms: rooms, _reader: None }))
}

/// Spawns a task that ends with its handle. A `JoinSet` would cost every stream more memory.
#[allow(clippy::disallowed_methods, reason = "the handle owns the task")]
fn spawn(reader: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(reader))
}

/// Returns true if delivery from `start` reads earlier messages from the storage.
fn reads_history(start: &Start) -> bool {
    !matches!(start, Start::Head)
}

/// Joins a room. Returns the membership, and the command that makes a stream deliver the room.
async fn join_room(
    state: &HubState,
    caller: &Caller,
    room: &RoomName,
    start: Start,
) -> Result<(Membership, StreamCommand)> {
    let membership = state.sessions.join(caller.session, room)?;
    let HubState { log, reads, rooms, .. } = state;
    let beginning = rooms.start_of(log, reads, &caller.peer, room, start).await?;
    let joined = proto::Joined {
        room: room.to_string(),
        position: Some(beginning.position.into()),
        head: Some(beginning.head.into()),
    };
    let Position { seq, .. } = beginning.position;
    let answer = event(Event::Joined(joined));
    Ok((membership, StreamCommand::Join { source: beginning.source, seq, answer }))
}

struct RequestReader {
    state: Arc<HubState>,
    caller: Caller,
    origin: Origin,
    queue: Arc<StreamQueue>,
    rooms: HashMap<RoomName, Membership>,
    post_order: PostOrder,
}

impl RequestReader {
    async fn run(mut self, mut requests: Streaming<proto::ChatRequest>) {
        let mut first = true;
        let error = loop {
            match requests.message().await {
                // Boxed, so that an idle stream does not hold the memory of a request's future.
                Ok(Some(request)) => Box::pin(self.admit(request, &mut first)).await,
                Ok(None) => {
                    self.queue.settled().await;
                    break None;
                }
                Err(status) => break Some(wire::undecodable(&status)),
            }
        };
        self.queue.push(StreamCommand::End { last: Bytes::new(), error });
        // The memberships last until the stream ends.
        std::future::pending::<()>().await;
    }

    /// Handles a request once the rate allows it and the queue has room for its answer. A stream
    /// whose first request is not a join joins the lobby.
    async fn admit(&mut self, request: proto::ChatRequest, first: &mut bool) {
        self.state.rate_limits.wait_to_request(self.origin, &self.caller.peer).await;
        let joins = matches!(request.request, Some(Request::Join(_)));
        if std::mem::take(first) && !joins {
            self.queue.admit().await;
            self.join(wire::to_join(&RoomName::lobby(), Start::Head)).await;
        }
        self.queue.admit().await;
        self.handle(request).await;
    }

    /// Handles a request, which is answered now or later.
    async fn handle(&mut self, request: proto::ChatRequest) {
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
        let echoed = echo(&join.room);
        match self.try_join(join).await {
            Ok(command) => self.queue.push(command),
            Err(error) => self.refuse(Some(refused::Request::Join(echoed)), &error),
        }
    }

    async fn try_join(&mut self, join: proto::Join) -> Result<StreamCommand> {
        let (room, start) = wire::join("join", join)?;
        if reads_history(&start) {
            // Waits instead of refusing, so that a client that reconnects gets back all of its
            // rooms. Its later requests wait, too.
            self.state.rate_limits.wait_to_read(self.origin, &self.caller.peer).await;
        }
        let (membership, command) = join_room(&self.state, &self.caller, &room, start).await?;
        self.rooms.insert(room, membership);
        self.queue.charge_rooms(self.rooms.len());
        Ok(command)
    }

    fn leave(&mut self, leave: &proto::Leave) {
        let left = wire::room_name("leave.room", &leave.room).and_then(|room| {
            self.rooms.remove(&room).map(|_| room.clone()).ok_or(RequestError::NotJoined(room))
        });
        self.queue.charge_rooms(self.rooms.len());
        match left {
            Ok(room) => {
                let left = proto::Left { room: room.to_string(), refusal: None };
                self.queue.push(StreamCommand::Leave { room, answer: event(Event::Left(left)) });
            }
            Err(error) => {
                let echoed = refused::Request::Leave(echo(&leave.room));
                self.refuse(Some(echoed), &error);
            }
        }
    }

    async fn post(&mut self, post: proto::PostRequest) {
        let echoed = echo(&post.id);
        match self.check_post(post) {
            Ok(draft) => {
                let (queue, metrics) = (self.queue.clone(), self.state.metrics.clone());
                let done = Box::new(move |result: Result<Posted>| {
                    queue.push(match &result {
                        Ok(posted) => StreamCommand::Answer(event(Event::Posted(posted.into()))),
                        Err(error) => {
                            refusal(&metrics, Some(refused::Request::Post(echoed)), error)
                        }
                    });
                });
                self.state.log.append(draft, done).await;
            }
            Err(error) => self.refuse(Some(refused::Request::Post(echoed)), &error),
        }
    }

    fn check_post(&mut self, post: proto::PostRequest) -> Result<Draft> {
        let Self { state, caller, origin, post_order, .. } = self;
        let draft = wire::draft("post.", &caller.peer, post)?;
        state.sessions.check_member(caller.session, &draft.room)?;
        post_order.check(&state.rate_limits, *origin, &draft)?;
        Ok(draft)
    }

    fn refuse(&self, request: Option<refused::Request>, error: &RequestError) {
        self.queue.push(refusal(&self.state.metrics, request, error));
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

/// Repeats the id or room of a request, so that the client can find the request; empty if it is too
/// long to be one of the client's own.
fn echo(raw: &str) -> String {
    if raw.len() <= MAX_ECHO_BYTES { raw.to_owned() } else { String::new() }
}
