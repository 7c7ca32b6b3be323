//! How many direct messages a contact may send, and what an outbox does when it has sent too many.

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use chinwag::{
    client::{Client, ClientOptions, Error, Event, Events},
    error::{Reason, RequestError},
    model::PeerStatus,
    proto::{
        self, ConverseRequest, ConverseResponse, SendRequest, SendResponse,
        peer_chat_server::{PeerChat, PeerChatServer},
    },
    wire,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::support::{
    direct_line::{next, quiet_hub},
    hub::TestHub,
    library::{name, options, text},
    within::{PATIENCE, within},
};

/// The messages that a contact may send at once.
const BURST: usize = 2_000;

/// Starts a client with a key, whose files are in the directory.
async fn keyed(hub: &TestHub, who: &str) -> (tempfile::TempDir, Client, Events) {
    let home = tempfile::tempdir().unwrap();
    let options = options(home.path(), hub.address(), who).status(PeerStatus::Online);
    let (client, events) =
        Client::start(options.listen("127.0.0.1:0".parse().unwrap())).await.unwrap();
    (home, client, events)
}

/// The contact answers in a conversation that the receiver opened: calls of this machine have no rate.
#[tokio::test]
async fn a_contact_has_a_rate() {
    let hub = TestHub::start();
    let (_home, sova, _events) = keyed(&hub, "sova").await;
    let (_other_home, _buzz, mut buzz_events) = keyed(&hub, "buzz").await;
    let mut talk = sova.converse(&name("buzz")).await.unwrap();
    let back = match next(&mut buzz_events).await {
        Event::Conversation { line, .. } => line,
        other => panic!("not a beginning: {other:?}"),
    };
    let mut readers = JoinSet::new();
    readers.spawn(async move { while talk.next().await.is_some() {} });
    let began = Instant::now();
    let mut taken = 0;
    let refusal = loop {
        match within(PATIENCE, "a receipt", back.send(text("again"))).await {
            Ok(_) => taken += 1,
            Err(Error::Refused(refusal)) => break refusal,
            Err(error) => panic!("{error}"),
        }
    };
    let since = began.elapsed().as_secs() as usize * 10 + 10;
    assert!((BURST..=BURST + since).contains(&taken), "{taken}");
    assert_eq!(refusal.reason, Reason::RateLimited);
    let pause = refusal.retry_after.unwrap();
    assert!(pause <= Duration::from_millis(100), "{pause:?}");
    let later = async { while back.send(text("later")).await.is_err() {} };
    within(PATIENCE, "another receipt", later).await;
}

/// A client's server that refuses first, and notes when messages came.
#[derive(Clone, Default)]
struct Limited {
    refusals: Arc<Mutex<VecDeque<Status>>>,
    came: Arc<Mutex<Vec<Instant>>>,
}

#[async_trait]
impl PeerChat for Limited {
    async fn send(&self, request: Request<SendRequest>) -> Result<Response<SendResponse>, Status> {
        self.came.lock().push(Instant::now());
        if let Some(refusal) = self.refusals.lock().pop_front() {
            return Err(refusal);
        }
        let receipt = Some(proto::Receipt {
            id: request.into_inner().message.unwrap().id,
            receiver: "buzz".into(),
            accepted_at: Some(prost_types::Timestamp::default()),
            duplicate: false,
        });
        Ok(Response::new(SendResponse { receipt }))
    }

    type ConverseStream = Pin<Box<dyn Stream<Item = Result<ConverseResponse, Status>> + Send>>;

    async fn converse(
        &self,
        _: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        Err(Status::unimplemented("an outbox calls Send"))
    }
}

#[tokio::test]
async fn an_outbox_waits_as_long_as_the_receiver_asks() {
    let retry_after = Duration::from_secs(4);
    let limited = wire::status(&RequestError::RateLimited { what: "messages", retry_after });
    let receiver = Limited::default();
    receiver.refusals.lock().push_back(limited);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut servers = JoinSet::new();
    servers.spawn(
        tonic::transport::Server::builder()
            .add_service(PeerChatServer::new(receiver.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let (hub, quiet) = quiet_hub().await;
    quiet.set_peer("buzz", &[address]);
    let home = tempfile::tempdir().unwrap();
    let options = ClientOptions::new(hub, name("sova")).outbox(home.path().join("outbox.db"));
    let listen = "127.0.0.1:0".parse().unwrap();
    let (sova, mut events) = Client::start(options.listen(listen)).await.unwrap();
    sova.send(&name("buzz"), text("hello")).durable().await.unwrap();
    match next(&mut events).await {
        Event::QueuedDelivered { receipt, .. } => assert_eq!(receipt.receiver, name("buzz")),
        other => panic!("not delivered: {other:?}"),
    }
    let came = receiver.came.lock().clone();
    assert_eq!(came.len(), 2);
    assert!(came[1] - came[0] >= retry_after, "{:?}", came[1] - came[0]);
    assert!(sova.queued().await.unwrap().is_empty());
}
