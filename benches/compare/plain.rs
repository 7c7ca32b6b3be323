//! The plain tonic broadcaster: the simplest chat server with tonic.
//!
//! A room is a tokio `broadcast` channel, and tonic encodes each message for each subscriber. It
//! serves the hub's `Broadcast.Chat`, so that bytes and readers are the same. It stores nothing,
//! acknowledges nothing, and has no names.

use std::{
    collections::HashMap,
    io::{self, Write},
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
};

use anyhow::Result;
use chinwag::{
    proto::{
        self, ChatRequest, ChatResponse, Joined, Message, Position, broadcast_server,
        chat_request::Request as Asked, chat_response::Event,
    },
    transport::Acceptor,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::{net::TcpListener, sync::broadcast};
use tokio_stream::{Stream, StreamExt, wrappers::BroadcastStream};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming, async_trait, transport::Server};

/// Messages that a room keeps for slow readers: more than any workload has.
const CAPACITY: usize = 1 << 14;

/// The sender of all messages.
const SENDER: &str = "speaker";

/// Serves until the process is killed.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stdout(), "plain tonic listening on {}", listener.local_addr()?)?;
    let service = broadcast_server::BroadcastServer::new(Plain::default());
    let arrivals = Acceptor::plaintext().incoming(listener);
    Server::builder().add_service(service).serve_with_incoming(arrivals).await?;
    Ok(())
}

#[derive(Debug, Default)]
struct Plain {
    rooms: Arc<Rooms>,
    readers: TaskTracker,
}

#[derive(Debug, Default)]
struct Rooms(Mutex<HashMap<String, Room>>);

#[derive(Debug)]
struct Room {
    messages: broadcast::Sender<ChatResponse>,
    last_seq: u64,
}

impl Rooms {
    fn join(&self, room: &str) -> (u64, broadcast::Receiver<ChatResponse>) {
        let mut rooms = self.lock();
        let new = || Room { messages: broadcast::Sender::new(CAPACITY), last_seq: 0 };
        let room = rooms.entry(room.to_owned()).or_insert_with(new);
        (room.last_seq, room.messages.subscribe())
    }

    fn post(&self, post: proto::PostRequest) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(&post.room) else { return };
        let prev_seq = room.last_seq;
        room.last_seq += 1;
        let message = Message {
            id: post.id,
            room: post.room,
            position: Some(position(room.last_seq)),
            prev_seq,
            sender: SENDER.to_owned(),
            created_at: Some(std::time::SystemTime::now().into()),
            text: post.text,
        };
        // An error means that the room has no subscribers.
        let _ = room.messages.send(ChatResponse { event: Some(Event::Message(message)) });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.0.lock()
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[async_trait]
impl broadcast_server::Broadcast for Plain {
    type ChatStream = Answers<ChatResponse>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let mut requests = request.into_inner();
        let Some(ChatRequest { request: Some(Asked::Join(join)) }) = requests.message().await?
        else {
            return Err(Status::invalid_argument("a chat begins with a join"));
        };
        let (seq, messages) = self.rooms.join(&join.room);
        let rooms = self.rooms.clone();
        self.readers.spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                if let Some(Asked::Post(post)) = request.request {
                    rooms.post(post);
                }
            }
        });
        let head = Some(position(seq));
        let joined = Event::Joined(Joined { room: join.room, position: head, head });
        let joined = tokio_stream::once(Ok(ChatResponse { event: Some(joined) }));
        let lagged = |problem| Status::data_loss(format!("{problem}"));
        let messages = BroadcastStream::new(messages).map(move |next| next.map_err(lagged));
        Ok(Response::new(Box::pin(joined.chain(messages))))
    }

    type SubscribeStream = Answers<proto::SubscribeResponse>;

    async fn subscribe(
        &self,
        _: Request<proto::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(left_out())
    }

    async fn post(
        &self,
        _: Request<proto::PostRequest>,
    ) -> Result<Response<proto::PostResponse>, Status> {
        Err(left_out())
    }

    async fn list_messages(
        &self,
        _: Request<proto::ListMessagesRequest>,
    ) -> Result<Response<proto::ListMessagesResponse>, Status> {
        Err(left_out())
    }

    async fn search_messages(
        &self,
        _: Request<proto::SearchMessagesRequest>,
    ) -> Result<Response<proto::SearchMessagesResponse>, Status> {
        Err(left_out())
    }

    async fn list_rooms(
        &self,
        _: Request<proto::ListRoomsRequest>,
    ) -> Result<Response<proto::ListRoomsResponse>, Status> {
        Err(left_out())
    }
}

fn position(seq: u64) -> Position {
    Position { epoch: 1, seq }
}

fn left_out() -> Status {
    Status::unimplemented("only Chat is measured")
}
