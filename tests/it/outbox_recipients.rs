//! The outbox and its user: dropping messages, waiting for receipts, and timeouts.

use std::{fs::File, process::Command};

use crate::support::{
    cli::Running,
    hub::TestHub,
    library::{name, options, text},
    person::Person,
    proxy::Proxy,
    within::{PATIENCE, within},
};
use chinwag::{
    client::{Client, Event},
    identity::Contacts,
    model::{Endpoint, MessageId, RoomName},
};
use tokio::task::JoinSet;

/// Starts a receiver behind a proxy.
fn behind_proxy(person: &Person<'_>) -> (Running, Proxy) {
    let place = person.start(&["listen"]).direct_address();
    let proxy = Proxy::before(place);
    let (place, front) = (place.to_string(), proxy.address().to_string());
    let running = person.start(&["listen", "--json", "--listen", &place, "--advertise", &front]);
    assert_eq!(running.direct_address().to_string(), place);
    (running, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_queued_after_a_lost_receipt_is_shown_once() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let (listening, proxy) = behind_proxy(&buzz);
    let (client, mut events) =
        Client::start(options(sova.home.path(), hub.address(), "sova")).await.unwrap();
    client.send(&name("buzz"), text("one")).await.unwrap();
    assert_eq!(listening.object()["text"], "one");

    proxy.mute();
    let id = MessageId::new();
    let mut sending = JoinSet::new();
    sending.spawn({
        let client = client.clone();
        async move { client.send(&name("buzz"), text("two")).id(id).await }
    });
    assert_eq!(listening.object()["text"], "two");
    drop(sending);
    let kept = client.send(&name("buzz"), text("two")).id(id).durable().await.unwrap();
    assert_eq!(kept.id, id);
    let twice = client.send(&name("buzz"), text("two")).id(id).durable().await.unwrap_err();
    assert!(twice.to_string().contains("in the outbox already"), "{twice}");
    proxy.heal();
    client.retry_queued();
    loop {
        match within(PATIENCE, "an event", events.next()).await.unwrap() {
            Event::QueuedDelivered { id: delivered, receipt, endpoint } => {
                assert_eq!((delivered, receipt.duplicate), (id, true));
                assert!(endpoint.is_some());
                break;
            }
            Event::Connected | Event::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(client.queued_receipt(id).await.unwrap().unwrap().receiver, name("buzz"));
    client.send(&name("buzz"), text("three")).await.unwrap();
    assert_eq!(listening.object()["text"], "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_dropped_during_delivery_is_not_sent() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let (listening, proxy) = behind_proxy(&buzz);
    let (client, _events) =
        Client::start(options(sova.home.path(), hub.address(), "sova")).await.unwrap();
    client.send(&name("buzz"), text("hello")).await.unwrap();
    assert_eq!(listening.object()["text"], "hello");
    for said in ["one", "two", "three"] {
        client.send(&name("buzz"), text(said)).durable().await.unwrap();
    }
    let two = client.queued().await.unwrap()[1].id;

    proxy.mute();
    let mut delivering = JoinSet::new();
    delivering.spawn({
        let client = client.clone();
        async move { client.deliver_queued(None).await }
    });
    assert_eq!(listening.object()["text"], "one");
    sova.run(&["outbox", "drop", &two.to_string()]).done();
    proxy.begin_anew();
    let attempts = delivering.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(listening.object()["text"], "three", "{attempts:?}");
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(client.queued_receipt(two).await.unwrap(), None);
}

#[test]
fn waiting_for_a_receipt_ends_when_none_will_come() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let waiting = sova.start(&["send", "--queue", "--wait", "--json", "buzz", "one"]);
    waiting.complaint_of("queued for buzz");
    sova.run(&["outbox", "drop", "--all"]).done();
    let said = waiting.end().failed(1);
    assert!(said.contains("was dropped"), "{said}");

    // Any process may deliver it.
    let couriers = sova.start(&["listen"]);
    couriers.direct_address();
    let waiting = sova.start(&["send", "--queue", "--wait", "--json", "buzz", "two"]);
    waiting.complaint_of("queued for buzz");
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    let receipt = waiting.object();
    assert_eq!((&receipt["type"], &receipt["receiver"]), (&"receipt".into(), &"buzz".into()));
    waiting.end().done();
    assert_eq!(listening.object()["id"], receipt["id"]);
}

#[test]
fn a_timeout_keeps_the_queued_message() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let (_listening, proxy) = behind_proxy(&buzz);
    proxy.mute();
    // On a slow machine the timeout may expire before the message is queued; it is raised then.
    let keep = |args: &[&str], said: &str| {
        let tries = ["2s", "4s", "8s", "16s"].into_iter();
        let mut ends = tries.map(|time| sova.run(&[&["send", "--timeout", time], args].concat()));
        ends.find(|end| end.stderr.contains(said)).unwrap_or_else(|| panic!("never {said:?}"))
    };
    let kept = keep(&["--queue", "--json", "buzz", "one"], "queued for buzz");
    let one = &kept.objects()[0];
    assert_eq!((&one["type"], &one["text"]), (&"queued".into(), &"one".into()));
    // The requested receipt did not arrive.
    let late = keep(&["--queue", "--wait", "buzz", "two"], "queued as ").failed(124);
    let kept = sova.run(&["outbox", "--json"]).objects();
    assert!(kept.iter().any(|kept| kept["id"] == one["id"]), "{kept:?}");
    let two = kept.last().unwrap();
    assert_eq!(two["text"], "two");
    assert!(late.contains(&format!("queued as {}", two["id"].as_str().unwrap())), "{late}");
}

#[test]
fn waiting_does_not_fail_because_of_another_message() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    sova.run(&["send", "--queue", "buzz", "one"]).done();
    let waiting = sova.start(&["send", "--queue", "--wait", "--json", "buzz", "two"]);
    waiting.complaint_of("queued for buzz");
    // The first message expires while the second waits for its receipt.
    let file = rusqlite::Connection::open(sova.home.path().join("outbox.db")).unwrap();
    file.busy_timeout(PATIENCE).unwrap();
    let fifteen_days = 15_i64 * 24 * 60 * 60 * 1_000_000;
    let old = "UPDATE outbox SET queued_at = queued_at - ? WHERE text = 'one'";
    assert_eq!(file.execute(old, [fifteen_days]).unwrap(), 1);
    let given_up = || {
        let kept = sova.run(&["outbox", "--json"]).objects();
        kept[0]["last_error"].as_str().unwrap().contains("in 14 days")
    };
    let begun = std::time::Instant::now();
    while !given_up() {
        assert!(begun.elapsed() < PATIENCE);
    }
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    assert_eq!(waiting.object()["type"], "receipt");
    waiting.end().done();
    assert_eq!(listening.object()["text"], "two");
}

#[test]
fn a_changed_contact_retries_only_its_own_messages() {
    let hub = TestHub::start();
    let [sova, buzz] = ["sova", "buzz"].map(|who| Person::new(&hub, who));
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    sova.run(&["send", "buzz", "hello"]).done();
    buzz.run(&["send", "sova", "hello"]).failed(4);
    let couriers = sova.start(&["listen"]);
    couriers.direct_address();
    buzz.run(&["send", "sova", "hello"]).done();
    buzz.run(&["block", "sova"]).done();
    sova.run(&["send", "--queue", "buzz", "one"]).done();
    buzz.run(&["unblock", "sova"]).done();

    // The number of attempts shows that the delivery task has read the files: `send` tries once.
    let looks = |who: &str| {
        let kept = sova.run(&["send", "--queue", "--json", who, "hello?"]).objects();
        let id = &kept[0]["id"];
        let begun = std::time::Instant::now();
        loop {
            let kept = sova.run(&["outbox", "--json"]).objects();
            let one = kept.iter().find(|one| one["id"] == *id).unwrap();
            if one["attempts"].as_u64().unwrap() > 1 {
                return kept;
            }
            assert!(begun.elapsed() < PATIENCE);
        }
    };
    // The delivery task may have tried before.
    let tried = looks("eve")[0]["attempts"].clone();
    let contacts = Contacts::at(sova.home.path().join("contacts.toml"));
    let at = Endpoint::from(hub.address());
    contacts.change(|book| book.mute(&at, &RoomName::parse("cakes").unwrap(), true)).unwrap();
    let kept = looks("carol");
    assert_eq!((&kept[0]["text"], &kept[0]["attempts"]), (&"one".into(), &tried), "{kept:?}");
    assert_eq!(kept[0]["refused"], true, "{kept:?}");
    // Changes of the contact take effect.
    sova.run(&["block", "buzz"]).done();
    couriers.complaint_of("buzz is blocked");
    sova.run(&["unblock", "buzz"]).done();
    couriers.complaint_of("delivered to buzz");
}

#[test]
fn output_that_was_not_written_is_printed_again() {
    const MESSAGES: usize = 8;
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    // A pipe without a reader holds four of them.
    let pipe = buzz.home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut command = Command::new("sh");
    let listen = buzz.command(&["listen", "--json"]);
    command.args(["-c", r#"exec "$@" > pipe"#, "sh"]).arg(listen.get_program());
    command.args(listen.get_args()).current_dir(buzz.home.path());
    for (name, value) in listen.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let listening = Running::start(command);
    listening.direct_address();
    for number in 0..MESSAGES {
        let text = format!("{number}{}", "x".repeat(15_000));
        sova.run(&["send", "buzz", "--queue", "--wait", &text]).done();
    }
    listening.signal("KILL");
    listening.end();
    let again = buzz.start(&["listen", "--json"]);
    let last = (MESSAGES - 1).to_string();
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        let text = again.object()["text"].as_str().unwrap().to_owned();
        heard.push(text.trim_end_matches('x').to_owned());
    }
    assert!(heard.len() < MESSAGES, "what was written comes again: {heard:?}");
}

#[test]
fn contact_changes_between_runs_count() {
    let hub = TestHub::start();
    let (sova, buzz) = (Person::new(&hub, "sova"), Person::new(&hub, "buzz"));
    let listening = buzz.start(&["listen", "--json"]);
    listening.direct_address();
    sova.run(&["send", "buzz", "hello"]).done();
    sova.run(&["block", "buzz"]).done();
    let kept = sova.run(&["send", "--queue", "buzz", "one"]);
    assert!(kept.stderr.contains("queued for buzz: buzz is blocked"), "{kept:?}");
    sova.run(&["unblock", "buzz"]).done();
    let couriers = sova.start(&["listen"]);
    couriers.complaint_of("delivered to buzz");
    assert_eq!(listening.object()["text"], "hello");
    assert_eq!(listening.object()["text"], "one");
}

#[test]
fn sending_to_oneself_is_a_usage_error() {
    let hub = TestHub::start();
    let sova = Person::new(&hub, "sova");
    for args in [&["send", "sova", "hello"][..], &["send", "--queue", "sova", "hello"]] {
        assert!(sova.run(args).failed(2).contains("sova is you"));
    }
}
