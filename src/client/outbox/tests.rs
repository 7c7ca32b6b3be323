//! Messages that cannot be delivered.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use jiff::ToSpan;
use tonic::Code;

use super::*;
use crate::{
    client::{Client, ClientOptions},
    error::{Refusal, SystemError},
    identity::Contacts,
    model::{Endpoint, Fingerprint},
};

fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

fn refused(code: Code, reason: Reason, retry_after: Option<Duration>) -> Error {
    let message = String::new();
    Error::Refused(Refusal { code, reason, message, violations: Vec::new(), retry_after })
}

#[test]
fn transient_errors_are_told_from_final_ones() {
    let key = |byte| Fingerprint::from_bytes([byte; 32]);
    let later = Some(Duration::from_secs(1));
    for (error, state) in [
        (Error::PeerUnknown(name("bob")), DeliveryState::Waits),
        (Error::PeerUnreachable { peer: "bob".into(), cause: String::new() }, DeliveryState::Waits),
        (refused(Code::ResourceExhausted, Reason::InboxFull, later), DeliveryState::Waits),
        (refused(Code::Unavailable, Reason::ShuttingDown, later), DeliveryState::Waits),
        (refused(Code::PermissionDenied, Reason::CallerRefused, later), DeliveryState::Waits),
        (refused(Code::PermissionDenied, Reason::CallerRefused, None), DeliveryState::Refused),
        (refused(Code::PermissionDenied, Reason::CallerKeyChanged, None), DeliveryState::Refused),
        (Error::Blocked(name("bob")), DeliveryState::Refused),
        (
            Error::KeyChanged { name: name("bob"), known: key(1), offered: key(2) },
            DeliveryState::Refused,
        ),
        (refused(Code::AlreadyExists, Reason::MessageIdReused, None), DeliveryState::GivenUp),
        (refused(Code::InvalidArgument, Reason::InvalidField, None), DeliveryState::GivenUp),
    ] {
        assert_eq!(state_after(&error), state, "{error:?}");
        assert_eq!(is_transient(&error), state == DeliveryState::Waits, "{error:?}");
    }
    assert!(!is_transient(&Error::Stopped) && !is_transient(&Error::Io(SystemError::new(""))));
}

/// Returns a client whose hub is in its contact book and away.
async fn alone(home: &Path) -> Client {
    with_clock(home, WallClock::default()).await
}

async fn with_clock(home: &Path, clock: WallClock) -> Client {
    let hub = Endpoint::parse("127.0.0.1:1").unwrap();
    let contacts = Contacts::at(home.join("contacts.toml"));
    contacts.change(|book| book.meet_hub(&hub, None).map(drop)).unwrap();
    let mut options = ClientOptions::new(hub, name("alice"))
        .contacts(contacts)
        .outbox(home.join("outbox.db"))
        .may_start_away(true);
    options.clock = clock;
    Client::start(options).await.unwrap().0
}

#[tokio::test]
async fn expired_messages_are_given_up_and_hold_up_no_others() {
    let home = tempfile::tempdir().unwrap();
    let client = alone(home.path()).await;
    let outbox = client.outbox().unwrap();
    let message = |age: i64| DirectMessage {
        id: MessageId::new(),
        sender: name("alice"),
        sent_at: Some(Timestamp::now() - (age * 24).hours()),
        text: Text::parse("hello").unwrap(),
    };
    let old = outbox.queue(&name("bob"), message(15)).await.unwrap();
    let new = outbox.queue(&name("bob"), message(13)).await.unwrap();
    for _ in 0..2 {
        let attempts = client.deliver_queued(Some(&name("bob"))).await.unwrap();
        let came: Vec<_> = attempts.iter().map(|one| (one.queued.id, one.refused)).collect();
        assert_eq!(came, [(old.id, true), (new.id, false)], "{attempts:?}");
        assert!(attempts[0].result.as_ref().unwrap_err().to_string().contains("in 14 days"));
    }
    let queued = client.queued().await.unwrap();
    assert_eq!(queued.iter().map(|one| one.attempts).collect::<Vec<_>>(), [2, 2]);
    assert!(queued[1].last_error.as_ref().unwrap().contains("no hub at 127.0.0.1:1"));
}

/// Returns the message in the outbox once it is as wanted.
async fn until(client: &Client, is_wanted: impl Fn(&Queued) -> Option<()>) -> Queued {
    let wait = async {
        loop {
            let queued = client.queued().await.unwrap().remove(0);
            if is_wanted(&queued).is_some() {
                return queued;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the message stays as it is")
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_expires_nothing() {
    let home = tempfile::tempdir().unwrap();
    let days = Arc::new(AtomicI64::new(0));
    let ahead = days.clone();
    let clock =
        move || Timestamp::now() + SignedDuration::from_hours(24 * ahead.load(Ordering::Relaxed));
    let client = with_clock(home.path(), WallClock::new(clock)).await;
    let message = client.send(&name("bob"), Text::parse("hello").unwrap()).durable().await.unwrap();
    days.store(400, Ordering::Relaxed);
    // The delivery task notices both by itself.
    client.start_delivery();
    let now =
        until(&client, |one| one.last_error.as_ref()?.contains("in 14 days").then_some(())).await;
    assert!(now.refused && now.id == message.id, "{now:?}");
    days.store(0, Ordering::Relaxed);
    let now = until(&client, |one| one.last_error.as_ref()?.contains("no hub").then_some(())).await;
    assert!(!now.refused, "{now:?}");
}

#[tokio::test]
async fn an_outbox_is_of_one_hub_and_one_name() {
    let home = tempfile::tempdir().unwrap();
    let client = alone(home.path()).await;
    let one = client.send(&name("bob"), Text::parse("hello").unwrap()).durable().await.unwrap();
    let contacts = |hub: &str, me: &str| {
        let book = Some(Contacts::at(home.path().join("contacts.toml")));
        ContactStore::new(Endpoint::parse(hub).unwrap(), name(me), None, book)
    };
    let open = |hub, me| {
        let path = home.path().join("outbox.db");
        let contacts = contacts(hub, me);
        let history = DirectHistory::off(contacts.clone());
        Outbox::open(&path, contacts, WallClock::default(), history)
    };
    let elsewhere = open("127.0.0.1:2", "alice").unwrap();
    let other = open("127.0.0.1:1", "carol").unwrap();
    for not_theirs in [&elsewhere, &other] {
        assert_eq!(not_theirs.queued().await.unwrap(), []);
        assert!(not_theirs.drop(one.id).await.is_err());
    }
    // The same hub at another endpoint is the same hub.
    let contacts = Contacts::at(home.path().join("contacts.toml"));
    let toml = std::fs::read_to_string(contacts.path()).unwrap();
    let both = toml.replace("[\"127.0.0.1:1\"]", "[\"127.0.0.1:2\", \"127.0.0.1:1\"]");
    std::fs::write(contacts.path(), both).unwrap();
    assert_eq!(elsewhere.queued().await.unwrap(), std::slice::from_ref(&one));
    elsewhere.drop(one.id).await.unwrap();
    assert_eq!(client.queued().await.unwrap(), []);
    // Forgetting a peer is for all own names.
    client.send(&name("bob"), Text::parse("again").unwrap()).durable().await.unwrap();
    assert_eq!(other.drop_all(&name("bob")).await.unwrap(), 1);
    assert_eq!(client.queued().await.unwrap(), []);
}
