//! Attacks with valid calls that are too many or too large.

use std::{net::SocketAddr, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use chinwag::{
    proto::{
        Join, PostRequest, SubscribeRequest, chat_response::Event, presence_client::PresenceClient,
    },
    transport::{Channel, guarded},
};
use tokio::{task::JoinSet, time::Instant};
use tokio_stream::StreamExt;
use tonic::Code;

use super::connections::try_channel;
use crate::support::{
    metrics_page::Page,
    peer::{Session, named, new_id, post},
    raw,
    refusal::{why, why_in_stream},
    within::{PATIENCE, within},
};

/// The duration of floods.
const LASTS: Duration = Duration::from_secs(4);

const LIMITED: &str = "ResourceExhausted RATE_LIMITED";

/// Opens a channel from an attacker's address.
async fn channel(hub: SocketAddr) -> Channel {
    guarded(within(PATIENCE, "connecting", try_channel(hub)).await.unwrap())
}

/// Registers an attacker.
async fn session(hub: SocketAddr, name: &str) -> Session {
    let channel = channel(hub).await;
    let registered = PresenceClient::new(channel.clone()).register(named(name)).await;
    Session { registered: registered.unwrap().into_inner(), channel }
}

/// Posts as fast as ten streams allow.
pub(crate) async fn posts(hub: SocketAddr, page: Page) {
    let before = page.value("chinwag_hub_posts_total");
    let mut flood = JoinSet::new();
    for i in 0..10 {
        flood.spawn(async move {
            let mallory = session(hub, &format!("mallory{i}")).await;
            let mut chat = mallory.chat().await;
            let (began, mut limited) = (Instant::now(), 0);
            while began.elapsed() < LASTS {
                for _ in 0..100 {
                    chat.post("lobby", &new_id(), &"x".repeat(1000)).await;
                }
                let mut answers = 0;
                while answers < 100 {
                    match chat.next().await {
                        Event::Posted(_) => answers += 1,
                        Event::Refused(refused) => {
                            let refusal = refused.refusal.unwrap();
                            assert_eq!(why_in_stream(&refusal), LIMITED);
                            assert!(refusal.retry_delay.is_some());
                            answers += 1;
                            limited += 1;
                        }
                        _ => {}
                    }
                }
            }
            limited
        });
    }
    let limited: usize = flood.join_all().await.iter().sum();
    let posts = page.value("chinwag_hub_posts_total") - before;
    assert!(limited > 1_000, "{limited} were refused");
    // A burst of ten seconds of the address's rate, then the rate; and the honest client's posts.
    assert!(posts < 9_000.0, "{posts} posts");
    assert!(page.value("chinwag_hub_rate_limited_total{what=\"posts\"}") > 0.0);
}

/// Registers as many names as possible.
pub(crate) async fn registrations(hub: SocketAddr, page: Page) {
    let mut flood = JoinSet::new();
    for i in 0..20 {
        flood.spawn(async move {
            let mut presence = PresenceClient::new(channel(hub).await);
            let (began, mut limited, mut count) = (Instant::now(), 0, 0);
            while began.elapsed() < LASTS {
                count += 1;
                match presence.register(named(&format!("m{i}.{count}"))).await {
                    Ok(_) => {}
                    Err(status) => {
                        assert_eq!(why(&status), LIMITED);
                        limited += 1;
                    }
                }
            }
            limited
        });
    }
    let limited: usize = flood.join_all().await.iter().sum();
    let sessions = page.value("chinwag_hub_sessions");
    assert!(limited > 100, "{limited} were refused");
    assert!(sessions < 600.0, "{sessions} sessions");
    // Guessing tokens is limited as well.
    let mut stranger = session_of_nobody(hub).await;
    stranger.registered.token = "x".repeat(43);
    let guess = || raw::call(&stranger, "Broadcast/Chat", tokio_stream::empty::<Bytes>());
    let mut reasons = Vec::new();
    while reasons.last().is_none_or(|reason| reason != LIMITED) {
        reasons.push(why(&guess().await.unwrap_err()));
        assert!(reasons.len() < 1_000, "guessing goes on without end");
    }
    assert!(reasons.len() > 50);
}

async fn session_of_nobody(hub: SocketAddr) -> Session {
    Session { registered: Default::default(), channel: channel(hub).await }
}

/// Sends messages that are too long, or that announce an excessive length.
pub(crate) async fn oversized_messages(hub: SocketAddr, _: Page) {
    let began = Instant::now();
    let mut mallory = session(hub, "mallory").await;
    for round in 1_u32.. {
        if began.elapsed() >= LASTS {
            break;
        }
        // HTTP/2 ends a connection after 1,024 streams that were reset.
        if round.is_multiple_of(500) {
            mallory = session(hub, &format!("mallory{round}")).await;
        }
        let long = PostRequest { text: "x".repeat(300 * 1024), ..post("lobby", &new_id(), "") };
        let status = mallory.broadcast().post(long).await.unwrap_err();
        assert_eq!(why(&status), "ResourceExhausted LIMIT_REACHED");
        // Announces four gigabytes and sends a few bytes.
        let mut claim = BytesMut::new();
        claim.put_u8(0);
        claim.put_u32(u32::MAX);
        claim.put_bytes(b'x', 60_000);
        let status = claims(&mallory, claim.freeze()).await;
        assert!(matches!(status, Code::ResourceExhausted | Code::OutOfRange), "{status:?}");
    }
}

/// Returns the status of a Chat stream with this body.
async fn claims(session: &Session, body: Bytes) -> Code {
    use http_body_util::{BodyExt, Full};
    let mut request = http::Request::post("/chinwag.v1.Broadcast/Chat");
    let headers = request.headers_mut().unwrap();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    let bearer = format!("Bearer {}", session.registered.token);
    headers.insert("authorization", bearer.parse().unwrap());
    let body = tonic::body::Body::new(Full::new(body).map_err(|never| match never {}));
    let call = tower::ServiceExt::oneshot(session.channel.clone(), request.body(body).unwrap());
    let response = within(PATIENCE, "an answer", call).await.unwrap();
    let (head, body) = response.into_parts();
    let rest = within(PATIENCE, "the end of the stream", body.collect()).await.unwrap();
    let trailers = rest.trailers().cloned().unwrap_or(head.headers);
    tonic::Status::from_header_map(&trailers).unwrap().code()
}

/// Opens readers that stop reading while a busy room continues.
pub(crate) async fn readers_that_stop(hub: SocketAddr, page: Page) {
    // A session may have 32 streams.
    let mut sessions = Vec::new();
    for i in 0..17 {
        sessions.push(session(hub, &format!("mallory{i}")).await);
    }
    let speaker = sessions.pop().unwrap();
    let joins = || vec![Join { room: "lobby".into(), start: None }];
    let mut stopped = Vec::new();
    for session in &sessions {
        for _ in 0..32 {
            let call = session.broadcast().subscribe(SubscribeRequest { joins: joins() }).await;
            stopped.push(call.unwrap().into_inner());
        }
    }
    assert!(stopped.len() >= 500);
    let mut chat = speaker.chat().await;
    let (began, mut said) = (Instant::now(), 0);
    while began.elapsed() < LASTS {
        let id = new_id();
        chat.post("lobby", &id, &"x".repeat(8_000)).await;
        let answer = chat.find(|event| match event {
            Event::Posted(posted) if posted.id == id => Some(true),
            Event::Refused(_) => Some(false),
            _ => None,
        });
        said += usize::from(answer.await);
    }
    // More than a stream's window and the room's ring hold.
    assert!(said > 100, "{said} messages");
    assert!(page.value("chinwag_hub_streams") >= 500.0);
    // A reader that continues receives the messages.
    let next = within(PATIENCE, "an event", stopped[0].next()).await;
    next.unwrap().unwrap();
}
