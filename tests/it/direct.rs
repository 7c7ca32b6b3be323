//! Direct messages: between clients, and from callers that have only generated stubs.

use std::net::SocketAddr;

use crate::support::{
    direct_line::{channel, client, direct, message, quiet_hub, stub, text, to},
    fake_hub::name,
};
use chinwag::{
    client::{Client, ClientOptions, Error},
    error::Reason,
    model::{Endpoint, MessageId, Receipt, Text},
    proto::{
        self, ConverseRequest, ConverseResponse, SendRequest,
        converse_response::Event as Heard,
        peer_chat_server::{PeerChat, PeerChatServer},
    },
    wire,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tonic::{Code, Request, Response, Status, Streaming, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};

/// The capacity of an inbox.
const INBOX: usize = 256;

#[tokio::test]
async fn a_message_goes_from_client_to_client() {
    let (hub, _quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (buzz, mut buzz_events) = client(&hub, "buzz").await;
    let receipt = sova.send(&name("buzz"), text("secret")).await.unwrap();
    assert_eq!((receipt.receiver, receipt.duplicate), (name("buzz"), false));
    assert_eq!(direct(&mut buzz_events).await, "sova: secret");
    let straight = buzz.direct_address().unwrap().into();
    assert_eq!(sova.send_to(&straight, text("more")).await.unwrap().receiver, name("buzz"));
    assert_eq!(direct(&mut buzz_events).await, "sova: more");
}

#[tokio::test]
async fn known_peers_are_reached_without_a_hub() {
    let (hub, quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (buzz, mut buzz_events) = client(&hub, "buzz").await;
    let (_colt, mut colt_events) = client(&hub, "colt").await;
    sova.send(&name("buzz"), text("before")).await.unwrap();
    sova.peer(&name("colt")).await.unwrap();
    quiet.stop().await;
    sova.send(&name("buzz"), text("after")).await.unwrap();
    sova.send(&name("colt"), text("first")).await.unwrap();
    for said in ["sova: before", "sova: after"] {
        assert_eq!(direct(&mut buzz_events).await, said);
    }
    assert_eq!(direct(&mut colt_events).await, "sova: first");
    // Unknown peers are not found.
    let unknown = sova.send(&name("winter"), text("hello")).await;
    assert!(matches!(unknown, Err(Error::HubUnreachable { .. })), "{unknown:?}");
    let there: Endpoint = buzz.direct_address().unwrap().into();
    buzz.stop().await;
    match sova.send(&name("buzz"), text("too late")).await {
        Err(Error::PeerUnreachable { cause, .. }) => {
            assert!(cause.contains(&there.to_string()), "{cause}");
            assert!(cause.contains("cannot be looked up"), "{cause}");
        }
        other => panic!("not unreachable: {other:?}"),
    }
}

#[tokio::test]
async fn an_absent_peer_differs_from_an_unreachable_one() {
    let (hub, quiet) = quiet_hub().await;
    let (sova, _events) = client(&hub, "sova").await;
    let nobody = sova.send(&name("nobody"), text("hello")).await;
    assert!(matches!(nobody, Err(Error::PeerUnknown(_))), "{nobody:?}");
    quiet.set_peer("mute", &[]);
    let mute = sova.send(&name("mute"), text("hello")).await.unwrap_err();
    assert_eq!(mute.to_string(), "mute cannot be reached: it takes no direct messages");
    // Two ports that were bound and released.
    let gone = [free_port().await, free_port().await];
    quiet.set_peer("gone", &gone);
    let unreachable = sova.converse(&name("gone")).await.unwrap_err();
    assert!(matches!(&unreachable, Error::PeerUnreachable { .. }));
    for address in gone {
        assert!(unreachable.to_string().contains(&address.to_string()), "{unreachable}");
    }
    let endpoint = gone[0].into();
    let unreachable = sova.send_to(&endpoint, text("hello")).await.unwrap_err();
    assert!(
        matches!(&unreachable, Error::PeerUnreachable { peer, .. } if *peer == endpoint.to_string())
    );
}

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_moved_peer_is_found_and_a_reused_address_is_not_trusted() {
    let (hub, quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (buzz, mut buzz_events) = client(&hub, "buzz").await;
    let (eve, mut eve_events) = client(&hub, "eve").await;
    // The remembered address of buzz leads to eve.
    quiet.set_peer("buzz", &[eve.direct_address().unwrap()]);
    sova.peer(&name("buzz")).await.unwrap();
    let wrong = sova.send(&name("buzz"), text("secret")).await.unwrap_err().to_string();
    assert!(wrong.contains("nobody named buzz listens here"), "{wrong}");
    let wrong = sova.converse(&name("buzz")).await.unwrap_err().to_string();
    assert!(wrong.contains("nobody named buzz listens here"), "{wrong}");
    // The hub now has the right address as well.
    quiet.set_peer("buzz", &[eve.direct_address().unwrap(), buzz.direct_address().unwrap()]);
    assert_eq!(sova.send(&name("buzz"), text("secret")).await.unwrap().receiver, name("buzz"));
    assert_eq!(direct(&mut buzz_events).await, "sova: secret");
    sova.send(&name("eve"), text("hi")).await.unwrap();
    assert_eq!(direct(&mut eve_events).await, "sova: hi");
}

#[tokio::test]
async fn a_peer_that_restarted_elsewhere_is_looked_up_once() {
    let (hub, _quiet) = quiet_hub().await;
    let (sova, _sova_events) = client(&hub, "sova").await;
    let (buzz, _buzz_events) = client(&hub, "buzz").await;
    sova.send(&name("buzz"), text("one")).await.unwrap();
    buzz.stop().await;
    let (_buzz, mut buzz_events) = client(&hub, "buzz").await;
    sova.send(&name("buzz"), text("two")).await.unwrap();
    assert_eq!(direct(&mut buzz_events).await, "sova: two");
}

#[tokio::test]
async fn a_repeated_message_gets_the_first_receipt_and_is_shown_once() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut stub = stub(&buzz);
    let once = message("sova", "hello");
    let mut receipts = Vec::new();
    for receiver in ["", "buzz", "BUZZ"] {
        let answer = stub.send(to(receiver, &once)).await.unwrap().into_inner();
        receipts.push(Receipt::try_from(answer.receipt.unwrap()).unwrap());
    }
    assert_eq!(receipts.iter().map(|r| r.duplicate).collect::<Vec<_>>(), [false, true, true]);
    assert!(receipts.iter().all(|r| r.accepted_at == receipts[0].accepted_at));
    // The same id from another sender is another message.
    let other = proto::DirectMessage { sender: "colt".into(), ..once.clone() };
    assert!(!stub.send(to("", &other)).await.unwrap().into_inner().receipt.unwrap().duplicate);
    assert_eq!(direct(&mut events).await, "sova: hello");
    assert_eq!(direct(&mut events).await, "colt: hello");
    let reused = proto::DirectMessage { text: "changed".into(), ..once };
    let refusal = stub.send(to("", &reused)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::AlreadyExists);
    assert_eq!(wire::refused(&refusal).reason, Reason::MessageIdReused);
}

#[tokio::test]
async fn a_message_sent_many_times_at_once_is_shown_once() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let (once, last) = (message("sova", "hello"), message("sova", "last"));
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        let (mut stub, request) = (stub(&buzz), to("", &once));
        calls.spawn(async move { stub.send(request).await });
    }
    let answers = calls.join_all().await;
    let first = answers
        .into_iter()
        .filter(|answer| !answer.as_ref().unwrap().get_ref().receipt.as_ref().unwrap().duplicate);
    assert_eq!(first.count(), 1);
    stub(&buzz).send(to("", &last)).await.unwrap();
    assert_eq!(direct(&mut events).await, "sova: hello");
    assert_eq!(direct(&mut events).await, "sova: last");
}

#[tokio::test]
async fn a_full_inbox_refuses_and_accepts_the_same_message_later() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut stub = stub(&buzz);
    for number in 0..INBOX {
        stub.send(to("", &message("sova", &number.to_string()))).await.unwrap();
    }
    let late = message("sova", "late");
    let refusal = wire::refused(&stub.send(to("", &late)).await.unwrap_err());
    assert_eq!((refusal.code, refusal.reason), (Code::ResourceExhausted, Reason::InboxFull));
    assert!(refusal.retry_after.is_some());
    assert_eq!(direct(&mut events).await, "sova: 0");
    let receipt = stub.send(to("", &late)).await.unwrap().into_inner().receipt.unwrap();
    assert!(!receipt.duplicate);
    for number in 1..INBOX {
        assert_eq!(direct(&mut events).await, format!("sova: {number}"));
    }
    assert_eq!(direct(&mut events).await, "sova: late");
}

#[tokio::test]
async fn malformed_messages_are_refused_by_field_and_others_arrive() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, mut events) = client(&hub, "buzz").await;
    let mut stub = stub(&buzz);
    let good = message("sova", "hello");
    let with = |change: fn(&mut proto::DirectMessage)| {
        let mut message = good.clone();
        change(&mut message);
        Some(message)
    };
    let cases = [
        (None, "", "message"),
        (with(|m| m.id.clear()), "", "message.id"),
        (with(|m| m.id = "7".into()), "", "message.id"),
        (with(|m| m.sender = "so va".into()), "", "message.sender"),
        (with(|m| m.text.clear()), "", "message.text"),
        (with(|m| m.text = "x".repeat(16 * 1024 + 1)), "", "message.text"),
        (
            with(|m| m.sent_at = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })),
            "",
            "message.sent_at",
        ),
        (Some(good.clone()), "no name", "receiver"),
    ];
    for (message, receiver, field) in cases {
        let request = SendRequest { message, receiver: receiver.into(), kept: false };
        let refusal = wire::refused(&stub.send(request).await.unwrap_err());
        assert_eq!(refusal.code, Code::InvalidArgument, "{field}");
        assert_eq!(refusal.violations[0].field, field);
    }
    let refusal = wire::refused(&stub.send(to("eve", &good)).await.unwrap_err());
    assert_eq!(
        (refusal.code, refusal.reason.as_str()),
        (Code::FailedPrecondition, "WRONG_RECEIVER")
    );
    // Too large to be read at all: it is still answered, and the connection continues.
    let huge = message("sova", &"x".repeat(1024 * 1024));
    assert_ne!(stub.send(to("", &huge)).await.unwrap_err().code(), Code::Unknown);
    stub.send(to("buzz", &good)).await.unwrap();
    assert_eq!(direct(&mut events).await, "sova: hello");
}

#[tokio::test]
async fn a_client_answers_health_and_reflection() {
    let (hub, _quiet) = quiet_hub().await;
    let (buzz, _events) = client(&hub, "buzz").await;
    let channel = channel(buzz.direct_address().unwrap());
    for service in ["", "chinwag.v1.PeerChat"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = HealthClient::new(channel.clone()).check(request).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service:?}");
    }

    use v1::server_reflection_request::MessageRequest;
    let list = MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut reflection = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let asked = tokio_stream::once(request);
    let mut answers = reflection.server_reflection_info(asked).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(listed)) =
        answer
    else {
        panic!("not a list of services: {answer:?}")
    };
    let names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"chinwag.v1.PeerChat"), "{names:?}");
    assert!(!names.contains(&"chinwag.v1.Presence"), "{names:?}");

    use v1alpha::server_reflection_request::MessageRequest as Alpha;
    let symbol = Alpha::FileContainingSymbol("chinwag.v1.PeerChat".into());
    let request =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
    let mut reflection = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let asked = tokio_stream::once(request);
    let mut answers = reflection.server_reflection_info(asked).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(
        answer,
        Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_))
    ));
}

#[tokio::test]
async fn a_used_port_leads_to_the_next_free_one() {
    let (hub, _quiet) = quiet_hub().await;
    let (first, _events) = client(&hub, "sova").await;
    let taken = first.direct_address().unwrap();
    let options = ClientOptions::new(hub, name("buzz"));
    let options = options.listen(taken);
    let (second, _events) = Client::start(options).await.unwrap();
    assert!(second.direct_address().unwrap().port() > taken.port());
}

/// A PeerChat server that accepts all messages, also those for other recipients.
struct Greedy {
    id: Option<String>,
}

#[async_trait]
impl PeerChat for Greedy {
    async fn send(
        &self,
        request: Request<SendRequest>,
    ) -> Result<Response<proto::SendResponse>, Status> {
        let message = request.into_inner().message.unwrap();
        let receipt = Some(proto::Receipt {
            id: self.id.clone().unwrap_or(message.id),
            receiver: "eve".into(),
            accepted_at: Some(prost_types::Timestamp::default()),
            duplicate: false,
        });
        Ok(Response::new(proto::SendResponse { receipt }))
    }

    type ConverseStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<ConverseResponse, Status>> + Send>>;

    async fn converse(
        &self,
        _: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let hello = proto::Hello { name: "eve".into(), receiver: String::new() };
        let event = Some(Heard::Hello(hello));
        let said =
            tokio_stream::once(Ok(ConverseResponse { event })).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(said)))
    }
}

#[tokio::test]
async fn a_receipt_must_name_the_peer_and_the_message() {
    let (hub, quiet) = quiet_hub().await;
    let (sova, _events) = client(&hub, "sova").await;
    let mut servers = JoinSet::new();
    let mut greedy = async |id| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tonic::transport::Server::builder()
            .add_service(PeerChatServer::new(Greedy { id }))
            .serve_with_incoming(TcpListenerStream::new(listener));
        servers.spawn(served);
        address
    };
    let eve = greedy(None).await;
    quiet.set_peer("buzz", &[eve]);
    let taken = sova.send(&name("buzz"), text("secret")).await.unwrap_err().to_string();
    assert!(taken.contains("eve listens there and accepted a message for buzz"), "{taken}");
    let wrong = sova.converse(&name("buzz")).await.unwrap_err();
    assert!(matches!(wrong, Error::PeerUnreachable { .. }), "{wrong:?}");
    assert_eq!(sova.send_to(&eve.into(), text("hi")).await.unwrap().receiver, name("eve"));
    let other = greedy(Some(MessageId::new().to_string())).await;
    let wrong = sova.send_to(&other.into(), text("hi")).await.unwrap_err().to_string();
    assert!(wrong.contains("a receipt for another message"), "{wrong}");
}

/// Futures used in tasks must be `Send`.
#[test]
fn calls_can_be_made_from_any_task() {
    fn sendable<T: Send>(_: fn(Client, Endpoint, Text) -> T) {}
    sendable(|client, endpoint, text| async move {
        let (other, _events) = Client::start(ClientOptions::new(endpoint, name("x"))).await?;
        other.send(&name("x"), text).await?;
        client.converse(&name("x")).await?.next().await;
        client.peers(Default::default()).await?;
        client.watch_peers().await?.next().await;
        client.stop().await;
        Ok::<_, Error>(())
    });
}
