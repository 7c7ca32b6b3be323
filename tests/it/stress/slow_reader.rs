//! Readers that stop reading for a while: they miss nothing, receive nothing twice, need little
//! memory of the hub, and delay no one.
#![cfg(target_os = "linux")]

use chinwag::{
    client::{Client, ClientOptions, Event, Events},
    model::{Name, RoomName, Start},
    proto::{chat_response, join::Start as RawStart},
};

use crate::support::{
    hub::TestHub,
    peer::{Chat, Session, new_id},
    room::enter,
    within::{PATIENCE, within},
};
use tokio::task::JoinSet;

/// Messages before readers stop: more than a room's ring holds, so that the memory of ordinary
/// operation is allocated.
const BEFORE: u64 = 10_000;

/// Messages while readers are stopped: several times what a room's ring holds.
const MISSED: u64 = 20_000;

const TEXT_BYTES: usize = 500;

/// Readers that stop reading.
const STALLED: usize = 10;

/// The maximum growth of the hub's memory for each of them. A separate queue would need 12 times
/// that.
const STALLED_BYTES: usize = 1024 * 1024;

/// The maximum shared growth, independent of the number of readers: the room's ring (4 MiB) and the
/// page caches of the store's writer (16 MiB) and readers.
const SHARED_BYTES: usize = 24 * 1024 * 1024;

/// Readers that stop in the middle of the whole history.
const STALLED_BEHIND: usize = 10;

/// The maximum growth for each reader that catches up: it reads one part of the log, and the next
/// after that is sent. A separate queue would need three to five times that.
const CATCHING_UP_BYTES: usize = 4 * 1024 * 1024;

/// Unacknowledged posts at a time.
const UNDER_WAY: u64 = 500;

/// Posts messages to the lobby and receives them.
async fn talk(chat: &mut Chat, messages: u64) {
    let text = "x".repeat(TEXT_BYTES);
    for _ in 0..messages / UNDER_WAY {
        for _ in 0..UNDER_WAY {
            chat.post("lobby", &new_id(), &text).await;
        }
        let (mut posted, mut heard) = (0, 0);
        while (posted, heard) != (UNDER_WAY, UNDER_WAY) {
            match chat.next().await {
                chat_response::Event::Posted(_) => posted += 1,
                chat_response::Event::Message(_) => heard += 1,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Opens a stream in the lobby that is not read.
async fn stalled(hub: &TestHub, name: &str, start: Option<RawStart>) -> (Chat, u64) {
    let mut chat = Session::of(hub.address(), name).await.chat().await;
    let (position, _) = enter(&mut chat, "lobby", start).await;
    (chat, position.seq)
}

/// Continues to read: everything after `last` arrives, each message once.
async fn read_on((mut chat, mut last): (Chat, u64), end: u64) {
    while last < end {
        let message = chat.message().await;
        assert_eq!(message.prev_seq, last);
        last = message.position.unwrap().seq;
    }
    assert_eq!(last, end);
}

/// Continues to read through the client.
async fn events_go_on(mut events: Events, mut last: u64, end: u64) {
    while last < end {
        match within(PATIENCE, "an event", events.next()).await.unwrap() {
            Event::Message(message) => {
                assert_eq!(message.prev_seq, last);
                last = message.position.seq;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last, end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_miss_nothing_and_take_little_memory() {
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let mut talker = Session::of(hub.address(), "talker").await.chat().await;
    let (origin, _) = enter(&mut talker, "lobby", None).await;
    talk(&mut talker, BEFORE).await;

    let mut readers = Vec::new();
    for i in 0..STALLED {
        readers.push(stalled(&hub, &format!("stalled-{i}"), None).await);
    }
    let rooms = vec![(RoomName::lobby(), Start::Head)];
    let options = ClientOptions::new(hub.address().into(), Name::parse("busy").unwrap());
    let (_client, mut events) = Client::start(options.rooms(rooms)).await.unwrap();
    while !matches!(events.next().await.unwrap(), Event::Joined { .. }) {}

    let before = hub.memory();
    let prove_little = |most| {
        let grown = hub.memory().saturating_sub(before);
        println!("{} KiB more than {} KiB, of {} KiB", grown >> 10, before >> 10, most >> 10);
        let most = most + SHARED_BYTES;
        assert!(grown < most, "{grown} bytes more than {before}");
    };
    talk(&mut talker, MISSED).await;
    prove_little(STALLED * STALLED_BYTES);

    let origin = Some(RawStart::After(origin));
    for i in 0..STALLED_BEHIND {
        readers.push(stalled(&hub, &format!("behind-{i}"), origin).await);
    }
    talk(&mut talker, UNDER_WAY).await;
    prove_little(STALLED * STALLED_BYTES + STALLED_BEHIND * CATCHING_UP_BYTES);

    let end = BEFORE + MISSED + UNDER_WAY;
    let mut reading: JoinSet<_> = readers.into_iter().map(|reader| read_on(reader, end)).collect();
    reading.spawn(events_go_on(events, BEFORE, end));
    reading.join_all().await;
    prove_little((STALLED + STALLED_BEHIND) * CATCHING_UP_BYTES);
}
