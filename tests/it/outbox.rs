//! Queued messages for absent peers: kept, delivered once and in order.

use crate::support::{
    cli::{self, Running},
    hub::TestHub,
    library::{name, options, text},
    person::Person,
    proxy::Proxy,
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, ClientOptions, Error, Event, Events},
    model::PeerStatus,
};

fn listening(options: ClientOptions) -> ClientOptions {
    let listen = "127.0.0.1:0".parse().unwrap();
    options.listen(listen).status(PeerStatus::Online)
}

async fn next(events: &mut Events) -> Event {
    loop {
        match within(PATIENCE, "an event", events.next()).await.expect("the client has stopped") {
            Event::Connected | Event::Disconnected { .. } => {}
            event => return event,
        }
    }
}

#[test]
fn queued_messages_are_delivered_once_when_the_peer_returns() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let kept = sova.run_with(&["send", "buzz", "--queue", "--json"], "one\ntwo\n");
    assert!(kept.stderr.contains("queued for buzz; you have never met buzz: "), "{kept:?}");
    let kept = &kept.objects()[0];
    assert_eq!((&kept["type"], &kept["peer"]), (&"queued".into(), &"buzz".into()));
    assert_eq!((&kept["text"], &kept["refused"]), (&"one\ntwo".into(), &false.into()));
    assert_eq!(sova.run(&["outbox", "--json"]).objects(), std::slice::from_ref(kept));
    let listed = sova.run(&["outbox"]).done();
    assert!(listed.starts_with(&kept["id"].as_str().unwrap()[..8]), "{listed}");
    assert!(listed.contains("buzz") && listed.contains("no peer named buzz"), "{listed}");

    // Another process of the sender delivers it.
    let couriers = sova.start(&["listen"]);
    couriers.direct_address();
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    let direct = listening.object();
    assert_eq!((&direct["text"], &direct["id"]), (&kept["text"], &kept["id"]));
    couriers.complaint_of("delivered to buzz");
    assert_eq!(sova.run(&["outbox"]).done(), "");
    drop(couriers);
    sova.start(&["listen"]).direct_address();
    sova.run(&["send", "buzz", "--queue", "after"]).done();
    assert_eq!(listening.object()["text"], "after");
    assert_eq!(sova.run(&["outbox", "retry"]).done(), "");
}

#[test]
fn queued_messages_are_delivered_without_a_hub() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let at = hub.address();
    let sova = |args: &[&str]| cli::command(homes[0].path(), at, "sova", args);
    let buzz = |args: &[&str]| cli::command(homes[1].path(), at, "buzz", args);
    // Both have exchanged a message.
    let listening = Running::start(buzz(&["listen"]));
    let place = listening.direct_address().to_string();
    let couriers = Running::start(sova(&["listen"]));
    couriers.direct_address();
    cli::run(sova(&["send", "buzz", "hello"]), b"").done();
    cli::run(buzz(&["send", "sova", "hello"]), b"").done();
    drop((listening, couriers));
    hub.kill9();

    let away = cli::run(sova(&["send", "buzz", "hello?"]), b"").failed(4);
    assert!(away.contains("buzz cannot be reached"), "{away}");
    cli::run(sova(&["send", "--queue", "buzz", "later"]), b"").done();
    let couriers = Running::start(sova(&["listen"]));
    couriers.direct_address();
    couriers.complaint_of("the hub is gone");
    let listening = Running::start(buzz(&["listen", "--json", "--listen", &place]));
    assert_eq!(listening.direct_address().to_string(), place);
    let direct = listening.object();
    assert_eq!((&direct["text"], &direct["standing"]), (&"later".into(), &"known".into()));
    couriers.complaint_of("delivered to buzz");
    // Works without an outbox as well.
    cli::run(sova(&["send", "buzz", "now"]), b"").done();
    assert_eq!(listening.object()["text"], "now");
    let chat = cli::run(sova(&["chat"]), b"/msg buzz from a chat\n").done();
    assert!(chat.contains("[direct to buzz] from a chat"), "{chat}");
    assert_eq!(listening.object()["text"], "from a chat");
    hub.restart();
    couriers.complaint_of("back on the hub");
    // An unknown hub must be reachable.
    let stranger = tempfile::tempdir().unwrap();
    hub.kill9();
    let refused = cli::run(cli::command(stranger.path(), at, "eve", &["listen"]), b"").failed(3);
    assert!(refused.contains("start one with `chinwagd`"), "{refused}");
}

/// The receipt is lost, and then the receiver is killed: it has shown the message, and the sender
/// does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_receipt_and_a_restart_duplicate_nothing() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let place = {
        let once = buzz.start(&["listen"]);
        once.direct_address()
    };
    let proxy = Proxy::before(place);
    let (place, front) = (place.to_string(), proxy.address().to_string());
    let listen = ["listen", "--json", "--listen", &place, "--advertise", &front];
    let home = sova.home.path();
    let (client, mut events) =
        Client::start(listening(options(home, hub.address(), "sova"))).await.unwrap();
    let running = buzz.start(&listen);
    assert_eq!(running.direct_address().to_string(), place);
    client.send(&name("buzz"), text("one")).durable().await.unwrap();
    assert!(matches!(next(&mut events).await, Event::QueuedDelivered { .. }));
    assert_eq!(running.object()["text"], "one");

    proxy.mute();
    let two = client.send(&name("buzz"), text("two")).durable().await.unwrap();
    assert_eq!(running.object()["text"], "two");
    drop(running);
    proxy.cut();
    let running = buzz.start(&listen);
    assert_eq!(running.direct_address().to_string(), place);
    proxy.heal();
    match next(&mut events).await {
        Event::QueuedDelivered { id, receipt, .. } => {
            assert_eq!((id, receipt.duplicate), (two.id, true));
        }
        other => panic!("{other:?}"),
    }
    client.send(&name("buzz"), text("three")).await.unwrap();
    assert_eq!(running.object()["text"], "three");
    assert_eq!(client.queued().await.unwrap(), []);
    // The same id cannot be used for another text.
    let other = client.send(&name("buzz"), text("not two")).id(two.id).await;
    assert!(other.is_ok(), "it was remembered by the life before: {other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_delivery_tasks_deliver_each_message_once_and_in_order() {
    const MESSAGES: usize = 40;
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let couriers = [sova.start(&["listen"]), sova.start(&["listen"])];
    for courier in &couriers {
        courier.direct_address();
    }
    let options = options(sova.home.path(), hub.address(), "sova");
    let (client, _events) = Client::start(options).await.unwrap();
    for number in 0..MESSAGES {
        client.send(&name("buzz"), text(&number.to_string())).durable().await.unwrap();
    }
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    for number in 0..MESSAGES {
        assert_eq!(listening.object()["text"], number.to_string());
    }
    client.send(&name("buzz"), text("the end")).durable().await.unwrap();
    assert_eq!(listening.object()["text"], "the end");
}

#[test]
fn a_killed_sender_keeps_confirmed_messages() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let waiting = sova.start(&["send", "--queue", "--wait", "buzz", "patience"]);
    waiting.complaint_of("queued for buzz");
    waiting.signal("KILL");
    drop(waiting);
    assert_eq!(sova.run(&["outbox", "--json"]).objects()[0]["text"], "patience");
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    let receipts = sova.run(&["outbox", "retry", "buzz", "--json"]).objects();
    assert_eq!(receipts[0]["type"], "receipt");
    let direct = listening.object();
    assert_eq!((&direct["text"], &direct["id"]), (&"patience".into(), &receipts[0]["id"]));
}

#[test]
fn send_can_wait_for_the_receipt() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let plain = sova.start(&["send", "--wait", "--json", "buzz", "one"]);
    let kept = sova.start(&["send", "--wait", "--queue", "--json", "buzz", "two"]);
    plain.complaint_of("still trying");
    kept.complaint_of("queued for buzz");
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    for waiting in [plain, kept] {
        let receipt = waiting.object();
        assert_eq!((&receipt["type"], &receipt["receiver"]), (&"receipt".into(), &"buzz".into()));
        waiting.end().done();
    }
    let mut said =
        [listening.object(), listening.object()].map(|direct| direct["text"].to_string());
    said.sort();
    assert_eq!(said, ["\"one\"", "\"two\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_bounded() {
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let options = options(home.path(), hub.address(), "sova");
    let (client, _events) = Client::start(options).await.unwrap();
    for _ in 0..100 {
        client.send(&name("buzz"), text("hello")).durable().await.unwrap();
    }
    let full = client.send(&name("buzz"), text("hello")).durable().await;
    assert!(matches!(&full, Err(Error::LimitReached { .. })), "{full:?}");
    let long = text(&"x".repeat(16 * 1024));
    let mut more = 0;
    let full = loop {
        let peer = name(&format!("peer{}", more / 100));
        match client.send(&peer, long.clone()).durable().await {
            Ok(_) => more += 1,
            Err(full) => break full.to_string(),
        }
    };
    assert!(full.contains("4194304 bytes") && more == 255, "{more}: {full}");
    let oneself = client.send(&name("sova"), text("hello")).durable().await;
    assert!(matches!(oneself, Err(Error::Invalid(_))), "{oneself:?}");
}

#[test]
fn refused_messages_stay_with_their_reason_until_decided() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    let couriers = sova.start(&["listen"]);
    couriers.direct_address();
    sova.run(&["send", "buzz", "hello"]).done();
    assert_eq!(listening.object()["text"], "hello");
    let kept = || sova.run(&["outbox", "--json"]).objects();

    sova.run(&["block", "buzz"]).done();
    let said = sova.run(&["send", "--queue", "buzz", "one"]);
    assert!(said.stderr.contains("queued for buzz: buzz is blocked"), "{said:?}");
    assert!(said.stderr.contains("`chinwag unblock buzz`; then `chinwag outbox retry"), "{said:?}");
    said.done();
    // `--wait` fails: no receipt can arrive from a blocked peer.
    sova.run(&["send", "--queue", "--wait", "buzz", "one and a half"]).failed(1);
    sova.run(&["outbox", "drop", kept()[1]["id"].as_str().unwrap()]).done();
    assert_eq!(kept()[0]["refused"], true);
    assert!(kept()[0]["last_error"].as_str().unwrap().contains("buzz is blocked"));
    let retried = sova.run(&["outbox", "retry"]).failed(4);
    assert!(retried.contains("one message stays in the outbox"), "{retried}");
    sova.run(&["unblock", "buzz"]).done();
    assert_eq!(listening.object()["text"], "one");
    couriers.complaint_of("delivered to buzz");

    // The contact book and the hub have different keys for buzz.
    let book = sova.home.path().join("contacts.toml");
    let before = std::fs::read_to_string(&book).unwrap();
    let eve = Person::new(&hub, "eve").run(&["id", "--json"]).objects();
    let key = buzz.run(&["id", "--json"]).objects()[0]["fingerprint"].as_str().unwrap().to_owned();
    let other = eve[0]["fingerprint"].as_str().unwrap();
    std::fs::write(&book, before.replace(&key, other)).unwrap();
    let said = sova.run(&["send", "--queue", "buzz", "two"]);
    assert!(said.stderr.contains("another key") && said.stderr.contains(other), "{said:?}");
    said.done();
    assert!(kept()[0]["last_error"].as_str().unwrap().contains(&key));
    sova.run(&["accept", "buzz", &key]).done();
    assert_eq!(listening.object()["text"], "two");

    // Buzz has blocked the sender.
    couriers.complaint_of("delivered to buzz");
    buzz.run(&["block", "sova"]).done();
    sova.run(&["send", "--queue", "buzz", "three"]).done();
    assert!(kept()[0]["last_error"].as_str().unwrap().contains("it has blocked you"));
    buzz.run(&["unblock", "sova"]).done();
    assert_eq!(kept()[0]["refused"], true);
    sova.run(&["outbox", "retry", "buzz"]).done();
    assert_eq!(listening.object()["text"], "three");
}

#[test]
fn messages_are_dropped_by_id() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    let queue = |who| {
        let kept = sova.run(&["send", "--queue", "--json", who, "hello"]).objects();
        kept[0]["id"].as_str().unwrap().to_owned()
    };
    let (one, two, three) = (queue("buzz"), queue("buzz"), queue("eve"));
    let count = || sova.run(&["outbox", "list", "--json"]).objects().len();
    assert!(sova.run(&["outbox", "drop", &one[..7]]).failed(2).contains("too short"));
    assert!(sova.run(&["outbox", "drop", "ffffffff"]).failed(1).contains("no queued message"));
    sova.run(&["outbox", "drop"]).failed(2);
    for nobody in ["bbo", "ffffffff"] {
        let refused = sova.run(&["outbox", "retry", nobody]).failed(1);
        assert!(refused.contains(&format!("no messages are queued for {nobody}")), "{refused}");
    }
    // The printed id is sufficient.
    let listed = sova.run(&["outbox"]).done();
    let shown = listed.lines().nth(1).unwrap().split("  ").next().unwrap();
    assert!(two.starts_with(shown), "{listed}");
    sova.run(&["outbox", "drop", shown]).done();
    assert_eq!(count(), 2);
    assert!(sova.run(&["outbox", "drop", &two]).failed(1).contains("no queued message"));
    let left = sova.run(&["outbox", "retry", &three]).failed(4);
    assert!(left.contains("no peer named eve") && !left.contains("buzz"), "{left}");
    sova.run(&["outbox", "drop", "EVE"]).done();
    assert_eq!(count(), 1);
    assert!(sova.run(&["outbox", "drop", "eve"]).failed(2).contains("no messages are queued for"));
    sova.run(&["outbox", "drop", "--all"]).done();
    assert_eq!(count(), 0);
}

/// After a restart, a killed receiver shows the messages that it had accepted but not shown.
#[tokio::test(flavor = "multi_thread")]
async fn accepted_messages_are_shown_at_the_next_start() {
    let hub = TestHub::start();
    let [sovas, buzzes] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let of_buzz = || listening(options(buzzes.path(), hub.address(), "buzz"));
    let of_sova = options(sovas.path(), hub.address(), "sova");
    let (sova, _events) = Client::start(of_sova).await.unwrap();
    let (buzz, unread) = Client::start(of_buzz()).await.unwrap();
    for said in ["one", "two"] {
        sova.send(&name("buzz"), text(said)).durable().await.unwrap();
    }
    let attempts = sova.deliver_queued(None).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.result.is_ok()), "{attempts:?}");
    drop(unread);
    buzz.stop().await;

    let (buzz, mut events) = Client::start(of_buzz()).await.unwrap();
    match next(&mut events).await {
        Event::Direct(direct) => {
            assert_eq!(direct.message.text.as_str(), "one");
            assert!(direct.verification.key().is_some());
        }
        other => panic!("{other:?}"),
    }
    drop(events);
    buzz.stop().await;
    let (_buzz, mut events) = Client::start(of_buzz()).await.unwrap();
    match next(&mut events).await {
        Event::Direct(direct) => assert_eq!(direct.message.text.as_str(), "two"),
        other => panic!("{other:?}"),
    }
}
