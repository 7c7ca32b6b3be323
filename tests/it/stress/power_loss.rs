//! The power fails: writes that were not synced are lost in whole or in part. Acknowledged posts
//! are still stored.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use chinwag::proto::{
    Leave, ListMessagesRequest, Message, chat_request::Request, chat_response::Event,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{
    audit::Log,
    crowd::Crowd,
    disk::{Disk, Fault, Unsynced},
    peer::{Session, named, new_id, post, register},
    room::{enter, fill, prove_whole},
};

/// Posts of each run of the sweep: enough for a power failure during ordinary operation.
const POSTS: usize = 8;

/// The crowd, the number of power failures, and the maximum number of syncs before each.
const MEMBERS: usize = 8;
const FAILURES: usize = 6;
const MOST_SYNCS: u32 = 150;

/// Long enough to restart the write-ahead log a few times.
const TEXT_BYTES: usize = 3000;

/// Returns a seeded generator for each run, so that it can be repeated.
fn rng() -> StdRng {
    let seed = rand::random();
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

/// Posts one by one until a post fails; returns the acknowledged ids.
async fn say(session: &Session, ids: &[String]) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for id in ids {
        match session.broadcast().post(post("", id, "words")).await {
            Ok(_) => acknowledged.push(id.clone()),
            Err(_) => break,
        }
    }
    acknowledged
}

async fn stored(session: &Session) -> Vec<Message> {
    let all = ListMessagesRequest { page_size: 1000, forward: true, ..Default::default() };
    let messages = session.broadcast().list_messages(all).await.unwrap().into_inner().messages;
    prove_whole(&messages);
    messages
}

fn ids(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.id.clone()).collect()
}

/// Cuts the power at each sync of a new hub in turn.
async fn sweep(mut unsynced: Unsynced) {
    let disk = Disk::new();
    let posts: Vec<_> = (0..POSTS).map(|_| new_id()).collect();
    for nth in 1.. {
        disk.format();
        disk.cut_power_at_sync(nth);
        let mut acknowledged = Vec::new();
        if let Ok(hub) = disk.try_start() {
            // The hub may stop before the registration.
            if let Ok(alice) = register(hub.address(), named("alice")).await {
                acknowledged = say(&alice, &posts).await;
            }
        }
        // The power fails again while the next hub recovers.
        disk.lose_power(&mut unsynced);
        disk.cut_power_at_sync(1 + nth % 3);
        drop(disk.try_start());

        disk.lose_power(&mut unsynced);
        let hub = disk.start();
        let alice = Session::of(hub.address(), "alice").await;
        let there = ids(&stored(&alice).await);
        assert!(there.starts_with(&acknowledged), "sync {nth}: {acknowledged:?} of {there:?}");
        assert!(posts.starts_with(&there), "sync {nth}: nobody posted {there:?}");
        // Unacknowledged posts are retried.
        assert_eq!(say(&alice, &posts).await, posts);
        assert_eq!(ids(&stored(&alice).await), posts);
        if acknowledged.len() == POSTS {
            println!("{} syncs", nth - 1);
            return;
        }
    }
}

#[tokio::test]
async fn acknowledged_posts_survive_a_power_failure_at_any_sync() {
    sweep(Unsynced::Lost).await;
}

#[tokio::test]
async fn acknowledged_posts_survive_torn_writes() {
    sweep(Unsynced::Torn(rng().into())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_posts_of_a_crowd_survive_power_failures() {
    let mut rng = rng();
    let disk = Disk::new();
    let mut hub = disk.start();
    let crowd = Crowd::gather(hub.address(), MEMBERS, TEXT_BYTES).await;
    let mut log = Log::default();
    let mut ways = [Unsynced::Lost, Unsynced::Torn(StdRng::from_rng(&mut rng).into())];
    for nth in 0..FAILURES {
        disk.cut_power_at_sync(rng.random_range(1..=MOST_SYNCS));
        hub.wait();
        disk.lose_power(&mut ways[nth % 2]);
        hub.restart();
        log.read_on(hub.address()).await;
    }
    let accounts = log.question(crowd, hub.address()).await;
    let complaints = log.complaints(&accounts);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(log, Log::read(hub.address()).await, "what was read before is not the same now");
    println!("{} messages stored", log.count());
}

/// Shows that these tests can fail: if syncs persist nothing, acknowledged posts are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_ignores_syncs_loses_posts() {
    let disk = Disk::new();
    let mut hub = disk.start();
    let crowd = Crowd::gather(hub.address(), 2, TEXT_BYTES).await;
    crowd.acknowledged(50).await;
    disk.break_down(Fault::Lying);
    crowd.acknowledged(50).await;
    hub.kill9();
    disk.lose_power(&mut Unsynced::Lost);
    hub.restart();
    crowd.acknowledged(50).await;
    let mut log = Log::default();
    let accounts = log.question(crowd, hub.address()).await;
    let complaints = log.complaints(&accounts).join("\n");
    assert!(complaints.contains("was acknowledged and is lost"), "{complaints}");
}

#[tokio::test]
async fn no_message_is_delivered_before_it_is_synced() {
    let disk = Disk::new();
    let hub = disk.start();
    let alice = Session::of(hub.address(), "alice").await;
    // The syncs of a new log are over then.
    let first = fill(&alice, "lobby", &["first"]).await;
    let mut chat = alice.chat().await;
    enter(&mut chat, "lobby", None).await;
    let id = new_id();
    let held = disk.hold_next_sync(chat.post("lobby", &id, "second")).await;

    // The message is written now. The hub continues with everything else.
    chat.say(Request::Leave(Leave { room: "elsewhere".into() })).await;
    match chat.next().await {
        Event::Refused(_) => {}
        other => panic!("before the sync came {other:?}"),
    }
    let before = stored(&alice).await;
    assert_eq!(before.iter().map(|message| message.position).collect::<Vec<_>>(), [Some(first[0])]);

    drop(held);
    // The order of the two is not defined.
    let (mut heard, mut posted) = (None, None);
    while heard.is_none() || posted.is_none() {
        match chat.next().await {
            Event::Message(message) => heard = Some(message),
            Event::Posted(receipt) => posted = Some(receipt),
            other => panic!("after the sync came {other:?}"),
        }
    }
    let (heard, posted) = (heard.unwrap(), posted.unwrap());
    assert_eq!(heard.id, id);
    assert_eq!((posted.id, posted.position), (id, heard.position));
    assert_eq!(stored(&alice).await[1..], [heard]);
}
