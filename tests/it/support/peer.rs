//! A session on a hub with generated stubs only, as a client in any language uses them.

use std::net::SocketAddr;

use chinwag::{
    proto::{
        ChatRequest, ChatResponse, Message, PostRequest, RegisterRequest, RegisterResponse,
        broadcast_client::BroadcastClient, chat_request, chat_response,
        presence_client::PresenceClient,
    },
    transport::{Channel, guarded},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Endpoint,
};

use crate::support::within::{PATIENCE, within};

/// A registered session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The hub's answer to Register.
    pub(crate) registered: RegisterResponse,
    pub(crate) channel: Channel,
}

/// Adds the session's token to each request.
#[derive(Debug, Clone)]
pub(crate) struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Opens a separate connection to a server.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    guarded(within(PATIENCE, "connecting", endpoint.connect()).await.unwrap())
}

/// Returns a registration with only a name.
pub(crate) fn named(name: &str) -> RegisterRequest {
    RegisterRequest { name: name.into(), ..Default::default() }
}

/// Registers on a separate connection.
pub(crate) async fn register(hub: SocketAddr, request: RegisterRequest) -> Result<Session, Status> {
    register_over(connect(hub).await, request).await
}

async fn register_over(channel: Channel, request: RegisterRequest) -> Result<Session, Status> {
    let mut presence = PresenceClient::new(channel.clone());
    let registered = within(PATIENCE, "Register", presence.register(request)).await?.into_inner();
    Ok(Session { registered, channel })
}

/// Registers on a separate connection, which may fail.
pub(crate) async fn register_lazily(
    hub: SocketAddr,
    request: RegisterRequest,
) -> Result<Session, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{hub}")).unwrap();
    register_over(guarded(endpoint.connect_lazy()), request).await
}

/// Registers on the connection of a session.
pub(crate) async fn register_on(session: &Session, request: RegisterRequest) {
    let register = PresenceClient::new(session.channel.clone()).register(request).await;
    register.unwrap();
}

impl Session {
    /// Registers an unused name.
    pub(crate) async fn of(hub: SocketAddr, name: &str) -> Self {
        register(hub, named(name)).await.unwrap()
    }

    /// Returns the session's token.
    pub(crate) fn token(&self) -> Token {
        Token(format!("Bearer {}", self.registered.token).parse().unwrap())
    }

    pub(crate) fn presence(&self) -> PresenceClient<InterceptedService<Channel, Token>> {
        PresenceClient::with_interceptor(self.channel.clone(), self.token())
    }

    pub(crate) fn broadcast(&self) -> BroadcastClient<InterceptedService<Channel, Token>> {
        BroadcastClient::with_interceptor(self.channel.clone(), self.token())
    }

    /// Opens a Chat stream.
    pub(crate) async fn chat(&self) -> Chat {
        // Larger than the requests in flight in any test, so that sending never waits.
        let (requests, queue) = mpsc::channel(1024);
        let call = self.broadcast().chat(ReceiverStream::new(queue)).await;
        Chat { requests: Some(requests), responses: call.unwrap().into_inner() }
    }
}

/// An open Chat stream.
#[derive(Debug)]
pub(crate) struct Chat {
    requests: Option<mpsc::Sender<ChatRequest>>,
    pub(crate) responses: Streaming<ChatResponse>,
}

impl Chat {
    /// Sends one request.
    pub(crate) async fn say(&self, request: chat_request::Request) {
        let request = ChatRequest { request: Some(request) };
        self.requests.as_ref().unwrap().send(request).await.unwrap();
    }

    /// Sends an empty request.
    pub(crate) async fn say_nothing(&self) {
        self.requests.as_ref().unwrap().send(ChatRequest { request: None }).await.unwrap();
    }

    /// Posts to a room with an id.
    pub(crate) async fn post(&self, room: &str, id: &str, text: &str) {
        self.say(chat_request::Request::Post(post(room, id, text))).await;
    }

    /// Closes the sending side.
    pub(crate) fn close(&mut self) {
        self.requests = None;
    }

    /// Returns the next event; `None` if the stream ended with OK.
    pub(crate) async fn try_next(&mut self) -> Result<Option<chat_response::Event>, Status> {
        let next = within(PATIENCE, "the next event", self.responses.message()).await?;
        Ok(next.map(|response| response.event.unwrap()))
    }

    /// Returns the next event.
    pub(crate) async fn next(&mut self) -> chat_response::Event {
        self.try_next().await.unwrap().expect("the stream has ended")
    }

    /// Returns the first result of `pick`; skips other events.
    pub(crate) async fn find<T>(
        &mut self,
        mut pick: impl FnMut(chat_response::Event) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = pick(self.next().await) {
                return found;
            }
        }
    }

    /// Returns the status that ends the stream.
    pub(crate) async fn refusal(&mut self) -> Status {
        loop {
            match self.try_next().await {
                Err(status) => return status,
                Ok(answer) => assert!(answer.is_some(), "the stream ended in peace"),
            }
        }
    }

    /// Returns the next message.
    pub(crate) async fn message(&mut self) -> Message {
        self.find(|event| match event {
            chat_response::Event::Message(message) => Some(message),
            _ => None,
        })
        .await
    }
}

/// Returns a post.
pub(crate) fn post(room: &str, id: &str, text: &str) -> PostRequest {
    PostRequest { room: room.into(), id: id.into(), text: text.into() }
}

/// Returns a new message id.
pub(crate) fn new_id() -> String {
    chinwag::model::MessageId::new().to_string()
}
