//! Rate limits: calls above a rate are refused with a delay, and a client that waits loses nothing.

use std::time::Duration;

use chinwag::{
    client::{Client, ClientOptions, Event, Events},
    model::{MessageId, Name, RoomName, Start, Text},
    proto::{
        EndpointList, GetPeerRequest, Join, PeerStatus, RenewRequest, SubscribeRequest,
        chat_request, chat_response, join,
    },
};
use tokio::{task::JoinSet, time::Instant};
use tonic_types::StatusExt;

use crate::support::{
    hub::TestHub,
    peer::{Session, connect, named, new_id, post, register},
    refusal::why,
    within::{PATIENCE, within},
};

const LIMITED: &str = "ResourceExhausted RATE_LIMITED";

fn limited_hub(args: &[&str]) -> TestHub {
    TestHub::with(&[&["--ephemeral", "--rate-loopback"], args].concat())
}

#[tokio::test]
async fn posts_above_the_rate_are_refused_with_a_delay() {
    let hub = limited_hub(&["--post-rate", "6/m"]);
    let (alice, bob) =
        tokio::join!(Session::of(hub.address(), "alice"), Session::of(hub.address(), "bob"));
    let say =
        async |session: &Session| session.broadcast().post(post("lobby", &new_id(), "hello")).await;
    say(&alice).await.unwrap();
    let status = say(&alice).await.unwrap_err();
    assert_eq!(why(&status), LIMITED);
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10), "{wait:?}");
    say(&bob).await.unwrap();
}

/// The bytes of a day may be used at once.
#[tokio::test]
async fn posts_above_the_bytes_of_a_day_are_refused_with_a_delay() {
    let hub = limited_hub(&["--post-bytes", "1MiB"]);
    let (alice, bob) =
        tokio::join!(Session::of(hub.address(), "alice"), Session::of(hub.address(), "bob"));
    let long = "x".repeat(16 * 1024);
    let say =
        async |session: &Session| session.broadcast().post(post("lobby", &new_id(), &long)).await;
    let mut taken = 0;
    let status = loop {
        match say(&alice).await {
            Ok(_) => taken += 1,
            Err(status) => break status,
        }
    };
    // 64 without what a message takes beside its text.
    assert!((60..64).contains(&taken), "{taken}");
    assert_eq!(why(&status), LIMITED);
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!(wait > Duration::from_secs(60) && wait <= Duration::from_secs(24 * 60), "{wait:?}");
    say(&bob).await.unwrap();
}

#[tokio::test]
async fn registrations_and_reads_have_their_own_rates() {
    let hub = limited_hub(&["--register-rate", "6/m", "--read-rate", "6/m"]);
    let alice = Session::of(hub.address(), "alice").await;
    let status = register(hub.address(), named("bob")).await.unwrap_err();
    assert_eq!(why(&status), LIMITED);
    alice.broadcast().list_rooms(chinwag::proto::ListRoomsRequest::default()).await.unwrap();
    let search = chinwag::proto::SearchMessagesRequest { query: "x".into(), ..Default::default() };
    assert_eq!(why(&alice.broadcast().search_messages(search).await.unwrap_err()), LIMITED);
    alice.broadcast().post(post("lobby", &new_id(), "hello")).await.unwrap();
}

/// Every call that makes the hub or others read counts, in any form.
#[tokio::test]
async fn all_reads_share_one_rate() {
    let hub = limited_hub(&["--read-rate", "6/m"]);
    let alice = Session::of(hub.address(), "alice").await;
    let look = || GetPeerRequest { name: "alice".into(), ..Default::default() };
    alice.presence().get_peer(look()).await.unwrap();
    assert_eq!(why(&alice.presence().get_peer(look()).await.unwrap_err()), LIMITED);
    let subscribe = |start| SubscribeRequest { joins: vec![Join { room: "lobby".into(), start }] };
    let last = subscribe(Some(join::Start::Last(10)));
    assert_eq!(why(&alice.broadcast().subscribe(last).await.unwrap_err()), LIMITED);
    alice.broadcast().subscribe(subscribe(None)).await.unwrap();
}

/// All who watch the list receive each change.
#[tokio::test]
async fn changes_of_a_peer_have_a_rate() {
    const BURST: i32 = 10;
    let hub = limited_hub(&[]);
    let (alice, bob) =
        tokio::join!(Session::of(hub.address(), "alice"), Session::of(hub.address(), "bob"));
    let turn = |number: i32| match number % 2 {
        0 => RenewRequest { status: PeerStatus::Away.into(), endpoints: None },
        _ => RenewRequest { status: 0, endpoints: Some(EndpointList::default()) },
    };
    let began = Instant::now();
    let mut refused = None;
    let mut changes = 0;
    while refused.is_none() {
        refused = alice.presence().renew(turn(changes)).await.err();
        changes += 1;
    }
    let most = BURST + 1 + began.elapsed().as_secs() as i32;
    assert!((BURST + 1..=most).contains(&changes), "{changes} changes");
    let status = refused.unwrap();
    assert_eq!(why(&status), LIMITED);
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    alice.presence().renew(RenewRequest::default()).await.unwrap();
    bob.presence().renew(turn(0)).await.unwrap();
}

/// Too many joins on a stream are delayed, not refused.
#[tokio::test]
async fn joins_above_the_read_rate_are_delayed() {
    const BURST: u32 = 10;
    let hub = limited_hub(&["--read-rate", "1/s"]);
    let alice = Session::of(hub.address(), "alice").await;
    let mut chat = alice.chat().await;
    let began = Instant::now();
    for _ in 0..BURST + 2 {
        let start = Some(join::Start::Last(1));
        chat.say(chat_request::Request::Join(Join { room: "attic".into(), start })).await;
    }
    for _ in 0..BURST + 2 {
        assert!(matches!(chat.next().await, chat_response::Event::Joined(_)));
    }
    assert!(began.elapsed() > Duration::from_millis(1_900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn failures_above_the_rate_are_refused() {
    let hub = limited_hub(&["--failure-rate", "6/m"]);
    let mut stranger = Session::of(hub.address(), "alice").await;
    stranger.registered.token = "x".repeat(43);
    let list = async |session: &Session| {
        let request = chinwag::proto::ListPeersRequest::default();
        session.presence().list_peers(request).await.map(drop)
    };
    assert_eq!(why(&list(&stranger).await.unwrap_err()), "Unauthenticated SESSION_ENDED");
    assert_eq!(why(&list(&stranger).await.unwrap_err()), LIMITED);
    let bob = Session::of(hub.address(), "bob").await;
    list(&bob).await.unwrap();
}

#[tokio::test]
async fn loopback_is_exempt_by_default() {
    let hub = TestHub::with(&["--ephemeral", "--post-rate", "1/m", "--register-rate", "1/m"]);
    for name in ["alice", "bob"] {
        let session = Session::of(hub.address(), name).await;
        for _ in 0..20 {
            session.broadcast().post(post("lobby", &new_id(), "hello")).await.unwrap();
        }
    }
}

/// A client that posts above the rate sends everything, once and in order.
#[tokio::test]
async fn a_client_waits_as_requested_and_keeps_the_order() {
    const POSTS: usize = 60;
    let hub = limited_hub(&["--post-rate", "4/s"]);
    let (client, mut events) = enter(&hub, "alice").await;
    let mut posts = JoinSet::new();
    let began = Instant::now();
    let mut ids = Vec::new();
    for i in 0..POSTS {
        let (id, text) = (MessageId::new(), Text::parse(i.to_string()).unwrap());
        ids.push(id);
        let client = client.clone();
        let (handed_over, next) = tokio::sync::oneshot::channel();
        posts.spawn(async move {
            let mut post = client.post(RoomName::lobby(), text).id(id).into_future();
            let first = tokio::task::unconstrained(std::future::poll_fn(|context| {
                std::task::Poll::Ready(post.as_mut().poll(context))
            }));
            let first = first.await;
            handed_over.send(()).unwrap();
            match first {
                std::task::Poll::Ready(posted) => posted,
                std::task::Poll::Pending => post.await,
            }
        });
        next.await.unwrap();
    }
    let heard = within(PATIENCE, "all that was said", async {
        let mut heard = Vec::new();
        while heard.len() < POSTS {
            match events.next().await.unwrap() {
                Event::Message(message) => heard.push(message.id),
                Event::Disconnected { cause, .. } => panic!("{cause}"),
                _ => {}
            }
        }
        heard
    });
    assert_eq!(heard.await, ids);
    for posted in posts.join_all().await {
        posted.unwrap();
    }
    // A burst of forty, then four a second.
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
}

/// A client that is refused because of too many registrations gets in a little later.
#[tokio::test]
async fn a_client_retries_a_limited_registration() {
    let hub = limited_hub(&["--register-rate", "60/m"]);
    let mut crowd = 0;
    let channel = connect(hub.address()).await;
    let mut presence = chinwag::proto::presence_client::PresenceClient::new(channel);
    while presence.register(named(&format!("peer{crowd}"))).await.is_ok() {
        crowd += 1;
    }
    let (client, _events) = enter(&hub, "alice").await;
    client.stop().await;
}

async fn enter(hub: &TestHub, name: &str) -> (Client, Events) {
    let options = ClientOptions::new(hub.address().into(), Name::parse(name).unwrap())
        .rooms(vec![(RoomName::lobby(), Start::Head)]);
    let (client, mut events) =
        within(PATIENCE, "the beginning", Client::start(options)).await.unwrap();
    while !matches!(events.next().await.unwrap(), Event::Joined { .. }) {}
    (client, events)
}
