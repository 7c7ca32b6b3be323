//! The current programs open the data of version 0.1.0 without losses.
#![cfg(unix)]

use std::{fs, time::Instant};

use chinwag::proto::{PostRequest, RegisterRequest};
use serde_json::Value;

use crate::support::{
    cli::{self, Running},
    fixture::Fixture,
    hub::TestHub,
    keyed::{enter, new_key, register, register_on},
    peer::{self, Session, named, new_id},
    refusal::why,
    terminal::Terminal,
    within::{PATIENCE, within},
};

/// The data directories of a stopped hub, and of the same hub killed later.
const STOPPED: &str = "hub";
const KILLED: &str = "hub-killed";

fn fixture() -> Fixture {
    Fixture::of("v0.1.0")
}

/// Returns the JSON objects that a command of alice prints.
#[track_caller]
fn of_alice(old: &Fixture, hub: &TestHub, args: &[&str]) -> Vec<Value> {
    let args = [args, &["--json"]].concat();
    cli::run(old.command(hub, "alice", &args), b"").objects()
}

#[track_caller]
fn refused(answer: Result<Session, tonic::Status>) -> String {
    why(&answer.unwrap_err())
}

/// The output equals that of 0.1.0: the epoch and the positions, the members, the contacts with
/// their flags and notes, and the outbox.
#[test]
fn every_command_prints_what_it_printed_before() {
    let old = fixture();
    let hub = old.hub(STOPPED, &[]);
    old.wait_for_index(&hub);
    for (recorded, args) in [
        ("rooms", &["rooms"][..]),
        ("history-lobby", &["history", "--room", "lobby"]),
        ("history-dev", &["history", "--room", "dev"]),
        ("history-resume", &["history", "--room", "résumé"]),
        ("search-cafe", &["search", "cafe"]),
        ("search-number", &["search", "num*"]),
        ("contacts", &["contacts"]),
        ("outbox", &["outbox"]),
        ("id", &["id"]),
    ] {
        let mut recorded = old.objects(&format!("said/{recorded}.jsonl"));
        if args == ["rooms"] {
            // 0.1.0 counted the session of the command itself.
            recorded.iter_mut().for_each(|room| room["members"] = 0.into());
        }
        assert_eq!(of_alice(&old, &hub, args), recorded, "{args:?}");
    }
    assert_eq!(old.operator(STOPPED, &["members", "--json"]), old.text("said/members.jsonl"));
    let key = |link: &str| link.trim_end().split_once('#').unwrap().1.to_owned();
    assert_eq!(key(hub.link()), key(&old.text("said/link.txt")));
    // No command prints muted rooms.
    assert!(old.text("homes/alice/contacts.toml").contains("muted = [\"dev\"]\n"));
}

/// The search index of 0.1.0 has neither emoji nor `ss` for `ß`: it is made anew.
#[test]
fn old_messages_are_found_by_the_rules_of_today() {
    let old = fixture();
    let hub = old.hub(STOPPED, &[]);
    old.wait_for_index(&hub);
    for words in ["GRÜSSE", "👧"] {
        let found = of_alice(&old, &hub, &["search", words]);
        assert!(found[0]["text"].as_str().unwrap().starts_with("Grüße"), "{words}: {found:?}");
    }
}

#[test]
fn posts_acknowledged_before_the_kill_are_present() {
    let old = fixture();
    let hub = old.hub(KILLED, &[]);
    // The last start of the old hub truncated one more message.
    let lobby = of_alice(&old, &hub, &["history", "--room", "lobby"]);
    assert_eq!(lobby, old.objects("said/history-lobby.jsonl")[1..]);
    let dev = of_alice(&old, &hub, &["history", "--room", "dev"]);
    let (before, after) = dev.split_at(dev.len() - 3);
    assert_eq!(before, old.objects("said/history-dev.jsonl"));
    let posted = old.objects("posted.jsonl");
    for ((message, posted), number) in after.iter().zip(&posted[posted.len() - 3..]).zip(1..) {
        assert_eq!(message["text"], format!("before the power went: {number}"));
        for field in ["id", "epoch", "seq", "created_at"] {
            assert_eq!(message[field], posted[field]);
        }
    }
    // The search index catches up; it did not contain them yet.
    let deadline = Instant::now() + PATIENCE;
    while of_alice(&old, &hub, &["search", "power"]).len() < 3 {
        assert!(Instant::now() < deadline, "they are never found");
    }
    let members = old.operator(KILLED, &["members"]);
    assert!(members.contains("carola ") && !members.contains("carol "), "{members}");
}

/// The messages 1 to 4 are truncated, but their ids are still known.
#[tokio::test]
async fn a_repeated_id_gets_its_first_position() {
    let old = fixture();
    let hub = old.hub(STOPPED, &[]);
    let bob = enter(&hub, &old.key("bob"), "bob").await.unwrap();
    let posted = old.objects("posted.jsonl");
    let post = |id: &Value, text: String| {
        let id = id.as_str().unwrap().to_owned();
        let request = PostRequest { room: "lobby".into(), id, text };
        let mut broadcast = bob.broadcast();
        async move { within(PATIENCE, "Post", broadcast.post(request)).await }
    };
    for (first, number) in posted.iter().zip(1..=12) {
        let again = post(&first["id"], format!("number {number}")).await.unwrap().into_inner();
        let position = again.position.unwrap();
        assert!(again.duplicate, "{number}");
        assert_eq!(position.seq, first["seq"].as_u64().unwrap());
        assert_eq!(position.epoch.to_string(), first["epoch"].as_str().unwrap());
        let other = post(&first["id"], "something else".into()).await.unwrap_err();
        assert_eq!(why(&other), "AlreadyExists MESSAGE_ID_REUSED");
    }
    let last = &old.objects("said/history-lobby.jsonl").pop().unwrap();
    let next = post(&new_id().into(), "and on".into()).await.unwrap().into_inner();
    let position = next.position.unwrap();
    assert_eq!(position.seq, last["seq"].as_u64().unwrap() + 1);
    assert_eq!(position.epoch.to_string(), last["epoch"].as_str().unwrap());
}

#[tokio::test]
async fn names_tokens_and_removals_stay_valid() {
    let old = fixture();
    let hub = old.hub(STOPPED, &[]);
    for name in ["alice", "bob", "carol"] {
        enter(&hub, &old.key(name), name).await.unwrap();
        let taken = refused(enter(&hub, &new_key(), name).await);
        assert_eq!(taken, "AlreadyExists NAME_TAKEN");
    }
    let alike = refused(enter(&hub, &new_key(), "a1ice").await);
    assert_eq!(alike, "AlreadyExists NAME_CONFUSABLE");
    // Dave was renamed, and mallory removed.
    let renamed = enter(&hub, &old.key("dave"), "dave").await.unwrap_err();
    assert!(renamed.message().ends_with("yours on this hub is david"), "{renamed:?}");
    enter(&hub, &old.key("dave"), "david").await.unwrap();
    for name in ["mallory", "somebody"] {
        let removed = refused(enter(&hub, &old.key("mallory"), name).await);
        assert_eq!(removed, "PermissionDenied REMOVED");
    }
    let token = old.code("token");
    let bot = |token: String| {
        let address = hub.address();
        async move { register_on(peer::connect(address).await, Some(&token), named("robot")).await }
    };
    assert!(!bot(token.clone()).await.unwrap().registered.peer.unwrap().guest);
    assert_eq!(refused(bot(token + "x").await), "Unauthenticated TOKEN_REFUSED");
    // Changes use the same tables.
    assert_eq!(old.operator(STOPPED, &["rename", "david", "dave"]), "renamed david to dave\n");
    enter(&hub, &old.key("dave"), "dave").await.unwrap();
}

#[tokio::test]
async fn an_invitation_keeps_its_remaining_uses() {
    let old = fixture();
    let hub = old.hub(STOPPED, &["--invite-only"]);
    let link = chinwag::model::JoinLink::parse(&old.code("invitation")).unwrap();
    let code = link.invite.unwrap().as_str().to_owned();
    let invited = |name: &'static str| {
        let (hub, invite_code) = (&hub, code.clone());
        let key = new_key();
        async move { register(hub, Some(&key), RegisterRequest { invite_code, ..named(name) }).await }
    };
    // Carol has used one of three.
    invited("erin").await.unwrap();
    invited("frank").await.unwrap();
    assert_eq!(refused(invited("grace").await), "PermissionDenied INVITE_REQUIRED");
    enter(&hub, &old.key("bob"), "bob").await.unwrap();
}

#[test]
fn queued_messages_are_delivered_and_shown() {
    let old = fixture();
    let hub = old.hub(STOPPED, &[]);
    old.refresh("alice");
    let kept = old.objects("said/outbox.jsonl");
    // The contact book saves the new address of the hub.
    of_alice(&old, &hub, &["peers"]);
    let start = |name: &str| {
        let running = Running::start(old.command(&hub, name, &["listen", "--json"]));
        running.direct_address();
        running
    };
    let (bob, carol) = (start("bob"), start("carol"));
    let alice = start("alice");
    let unseen = alice.object();
    assert_eq!(unseen["text"], "nobody has seen this");
    assert_eq!((&unseen["sender"], &unseen["standing"]), (&"bob".into(), &"known".into()));
    for (receiver, kept) in [(&bob, &kept[0]), (&bob, &kept[1]), (&carol, &kept[2])] {
        let direct = receiver.object();
        assert_eq!((&direct["id"], &direct["text"]), (&kept["id"], &kept["text"]));
        assert_eq!(direct["sender"], "alice");
    }
    for _ in 0..3 {
        alice.complaint_of("delivered to ");
    }
    let left = of_alice(&old, &hub, &["outbox"]);
    assert_eq!(left.iter().map(|kept| &kept["peer"]).collect::<Vec<_>>(), ["mallory"]);
    // Shown messages are not shown again.
    drop(alice);
    let alice = start("alice");
    cli::run(old.command(&hub, "bob", &["send", "alice", "next"]), b"").done();
    assert_eq!(alice.object()["text"], "next");
}

/// A hub that lists other data for a contact does not change the contact.
#[test]
fn contacts_keep_their_keys() {
    let old = fixture();
    for database in ["members.db", "members.db-wal", "members.db-shm"] {
        let _ = fs::remove_file(old.path(STOPPED).join(database));
    }
    let hub = old.hub(STOPPED, &[]);
    // Another user registers as carol first.
    let eve = tempfile::tempdir().unwrap();
    let eve = Running::start(cli::command(eve.path(), hub.address(), "carol", &["listen"]));
    eve.direct_address();
    let said = cli::run(old.command(&hub, "alice", &["send", "carol", "hello"]), b"").failed(1);
    assert!(said.contains("another key"), "{said}");
    let mallory = Running::start(old.command(&hub, "mallory", &["listen"]));
    mallory.direct_address();
    let said = cli::run(old.command(&hub, "alice", &["send", "mallory", "hi"]), b"").failed(1);
    assert!(said.contains("mallory is blocked"), "{said}");
    let carol = &of_alice(&old, &hub, &["contacts"])[1];
    assert_eq!((&carol["name"], &carol["verified"]), (&"carol".into(), &true.into()));
    let note = cli::run(old.command(&hub, "alice", &["note", "carol"]), b"").done();
    assert_eq!(note, "met in Köln; plays the tuba\n");
}

/// On a terminal: the settings, the input history, and the read positions of rooms.
#[test]
fn a_chat_resumes_where_the_last_one_ended() {
    let old = fixture();
    let hub = old.hub(STOPPED, &[]);
    cli::run(old.command(&hub, "bob", &["post", "lobby", "after the upgrade"]), b"").done();
    let home = old.path("homes/alice");
    // Read positions are stored by the address of the hub, which has changed.
    let (then, now) = (old.code("hub"), hub.address().to_string());
    let seen = old.text("homes/alice/seen.toml").replace(&then, &now);
    fs::write(home.join("seen.toml"), seen).unwrap();
    let args = ["--hub", &now, "--listen", "127.0.0.1:0", "chat"];
    let mut alice = Terminal::of_size((100, 30), &home, &args, &[]);
    alice.wait_for("● alice (you)");
    alice.wait_for("after the upgrade");
    let above = |screen: &str| {
        let row = |text: &str| screen.lines().position(|line| line.contains(text));
        Some((row("from the whole screen")?, row("new messages")?, row("after the upgrade")?))
    };
    let (seen, rule, new) = alice.wait_until("the rule above what is new", above);
    assert!(seen < rule && rule < new, "{}", alice.screen());
    alice.type_keys("\x1b[A");
    alice.wait_for("lobby> /quit");
    // Ctrl-Q is bound in her config.toml.
    alice.type_keys("\x11");
    assert!(alice.wait_for_end().success());
}
