//! The client library against the real hub.

use std::{sync::Arc, time::Duration};

use crate::support::{
    hub::TestHub,
    within::{PATIENCE, within},
};
use chinwag::{
    client::{
        Client, ClientOptions, Connection, Error, Event, Events, HubTrust, PageRequest, PeerChange,
    },
    error::Reason,
    identity::Identity,
    model::{Message, Name, PeerStatus, RoomName, Start, Text},
};
use tokio::{sync::Barrier, task::JoinSet};

/// Members of the crowd, each of whom posts [`SAID`] messages.
const CROWD: usize = 60;
const SAID: usize = 20;
const CROWD_PATIENCE: Duration = Duration::from_secs(120);

fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

fn room(raw: &str) -> RoomName {
    RoomName::parse(raw).unwrap()
}

fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

fn options(hub: &TestHub, who: &str) -> ClientOptions {
    let rooms = vec![(RoomName::lobby(), Start::Head), (room("den"), Start::Head)];
    let listen = "127.0.0.1:0".parse().unwrap();
    ClientOptions::new(hub.address().into(), name(who)).rooms(rooms).listen(listen)
}

/// Returns a client that is in the lobby and the den.
async fn client(hub: &TestHub, who: &str) -> (Client, Events) {
    let (client, mut events) = Client::start(options(hub, who)).await.unwrap();
    for _ in 0..2 {
        until(&mut events, |event| matches!(event, Event::Joined { .. })).await;
    }
    (client, events)
}

async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    within(PATIENCE, "the awaited event", async {
        loop {
            let event = events.next().await.expect("the client has stopped");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}

async fn heard(events: &mut Events) -> Message {
    match until(events, |event| matches!(event, Event::Message(_))).await {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_receive_the_same_messages() {
    let hub = TestHub::start();
    let everyone_is_here = Arc::new(Barrier::new(CROWD));
    let mut crowd = JoinSet::new();
    for i in 0..CROWD {
        let (options, barrier) = (options(&hub, &format!("member-{i}")), everyone_is_here.clone());
        crowd.spawn(async move {
            let (client, mut events) = Client::start(options).await.unwrap();
            for _ in 0..2 {
                until(&mut events, |event| matches!(event, Event::Joined { .. })).await;
            }
            barrier.wait().await;
            let posts = async {
                for n in 0..SAID {
                    client.post(room("den"), text(&n.to_string())).await.unwrap();
                }
            };
            let listen = async {
                let mut all = Vec::new();
                for _ in 0..CROWD * SAID {
                    let message = heard(&mut events).await;
                    all.push((message.position.seq, message.sender, message.text));
                }
                all
            };
            let ((), all) = tokio::join!(posts, listen);
            client.stop().await;
            all
        });
    }
    let all = within(CROWD_PATIENCE, "the crowd", crowd.join_all()).await;
    assert!(all[0].is_sorted_by(|a, b| a.0 < b.0));
    assert!(all.iter().all(|heard| *heard == all[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_hub_loses_no_post() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let (sova, mut sova_events) = client(&hub, "sova").await;
    let (buzz, mut buzz_events) = client(&hub, "buzz").await;
    for events in [&mut sova_events, &mut buzz_events] {
        sova.post(room("den"), text("before")).await.unwrap();
        heard(events).await;
    }
    sova.send(&name("buzz"), text("known")).await.unwrap();
    // Both clients have received both messages.
    heard(&mut sova_events).await;
    let before = heard(&mut buzz_events).await;

    for round in 0..3 {
        hub.kill9();
        until(&mut sova_events, |event| matches!(event, Event::Disconnected { .. })).await;
        let said = format!("meanwhile {round}");
        let typed = {
            let (sova, said) = (sova.clone(), text(&said));
            let mut typed = JoinSet::new();
            typed.spawn(async move { sova.post(room("den"), said).await });
            typed
        };
        let receipt = sova.send(&name("buzz"), text("still private")).await.unwrap();
        assert_eq!(receipt.receiver, name("buzz"));
        hub.restart();
        let posted = within(PATIENCE, "the post", typed.join_all()).await.remove(0).unwrap();
        for events in [&mut sova_events, &mut buzz_events] {
            let message = heard(events).await;
            assert_eq!((message.position, message.text.as_str()), (posted.position, &*said));
        }
    }
    let mut page = PageRequest::default();
    (page.forward, page.from) = (true, Some(before.position));
    let kept = sova.messages(room("den"), page).await.unwrap();
    let kept: Vec<_> = kept.items.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(kept, ["meanwhile 0", "meanwhile 1", "meanwhile 2"]);
    let listed = sova.peers(Default::default()).await.unwrap();
    assert_eq!(
        listed.into_iter().map(|peer| peer.name).collect::<Vec<_>>(),
        [buzz.name(), sova.name()]
    );
}

#[tokio::test]
async fn a_hub_without_its_data_is_noticed_and_loses_no_post() {
    let mut hub = TestHub::start();
    let (sova, mut events) = client(&hub, "sova").await;
    sova.post(room("den"), text("before")).await.unwrap();
    heard(&mut events).await;
    hub.kill9();
    until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    let post = sova.post(room("den"), text("meanwhile"));
    let back = async {
        hub.restart();
        until(
            &mut events,
            |event| matches!(event, Event::RoomReset { room, .. } if room.as_str() == "den"),
        )
        .await;
        heard(&mut events).await
    };
    let (posted, message) =
        within(PATIENCE, "the return", async { tokio::join!(post, back) }).await;
    assert_eq!(posted.unwrap().position, message.position);
}

#[tokio::test]
async fn a_client_reconnects_after_an_orderly_shutdown() {
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let (sova, mut events) = client(&hub, "sova").await;
    // The test must not block the client's runtime while it waits for the hub to exit.
    let (status, mut hub) = tokio::task::spawn_blocking(move || {
        let mut hub = hub;
        (hub.terminate().0, hub)
    })
    .await
    .unwrap();
    assert!(status.success());
    match until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await {
        Event::Disconnected { cause, retry_in } => {
            assert!(retry_in >= Duration::from_secs(1), "{retry_in:?}");
            assert!(cause.contains("shutting down"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    hub.restart();
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    sova.post(room("den"), text("again")).await.unwrap();
}

#[tokio::test]
async fn a_command_shares_the_name_of_a_chat_with_its_key() {
    let hub = TestHub::start();
    let identity = Identity::generate().unwrap();
    let trust = HubTrust::FirstUse;
    let chat = options(&hub, "sova").identity(identity.clone()).trust(trust);
    let (chat, mut events) = Client::start(chat).await.unwrap();
    let stranger = ClientOptions::new(hub.address().into(), name("sova"));
    let thief = stranger.clone().identity(Identity::generate().unwrap()).trust(HubTrust::FirstUse);
    for other in [stranger.clone(), thief] {
        let taken = Client::start(other).await.unwrap_err();
        assert!(matches!(taken, Error::Refused(why) if why.reason == Reason::NameTaken));
    }

    let status = PeerStatus::Invisible;
    let command = stranger.status(status).identity(identity).trust(trust);
    // A second chat of the same user came and went; the key stays the user's.
    let second = command.clone().status(PeerStatus::Online);
    let (second, _) = Client::start(second).await.unwrap();
    second.stop().await;
    let (command, _) = Client::start(command).await.unwrap();
    let posted = command.post(RoomName::lobby(), text("from a script")).await.unwrap();
    command.stop().await;
    let message = heard(&mut events).await;
    assert_eq!((message.position, message.sender), (posted.position, chat.name()));
    assert_eq!(chat.peers(Default::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_watch_reports_peers_that_join_and_leave() {
    let hub = TestHub::start();
    let (sova, _events) = client(&hub, "sova").await;
    let mut watch = sova.watch_peers().await.unwrap();
    let mut change = async || within(PATIENCE, "a change", watch.next()).await.unwrap();
    assert_eq!(change().await, PeerChange::Reset);
    assert!(matches!(change().await, PeerChange::Updated(peer) if peer.name == name("sova")));
    assert_eq!(change().await, PeerChange::Listed);
    let (buzz, _buzz_events) = client(&hub, "buzz").await;
    assert!(matches!(change().await, PeerChange::Updated(peer)
        if peer.name == name("buzz") && peer.endpoints == buzz.advertised()));
    buzz.set_status(PeerStatus::Away).await.unwrap();
    assert!(matches!(change().await, PeerChange::Updated(peer) if peer.status == PeerStatus::Away));
    buzz.stop().await;
    assert_eq!(change().await, PeerChange::Left(name("buzz")));
    assert!(matches!(&*sova.connection().borrow(), Connection::Connected { .. }));
}
