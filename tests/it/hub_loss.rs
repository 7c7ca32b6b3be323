//! The hub is killed during a chat: direct messages continue, and what was typed meanwhile is
//! posted once when the hub is back.

use std::{collections::HashSet, path::Path, time::Duration};

use chinwag::proto::{
    ListMessagesRequest, WatchPeersRequest, WatchPeersResponse, watch_peers_response::Event,
};

use crate::support::{
    hub::TestHub, peer::Session, proxy::Proxy, terminal::Terminal, within::within,
};

/// The time limit for clients to be listed again after the hub's restart.
const BACK: Duration = Duration::from_secs(10);

/// The number of times the hub is killed.
const ROUNDS: usize = 2;

/// The number of times a connection is cut.
const CUTS: usize = 5;

fn chat(home: &Path, hub: &str, name: &str, more: &[&str]) -> Terminal {
    let home = home.join(name);
    std::fs::create_dir(&home).unwrap();
    let args =
        [more, &["--hub", hub, "--name", name, "--listen", "127.0.0.1:0", "chat", "--plain"]]
            .concat();
    let terminal = Terminal::chinwag(&home, &args);
    terminal.wait_for("lobby");
    terminal
}

/// Waits until all of `names` are listed.
async fn listed(watcher: &Session, names: &[&str]) {
    let watch = watcher.presence().watch_peers(WatchPeersRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    let mut missing: HashSet<_> = names.iter().map(|name| name.to_string()).collect();
    while !missing.is_empty() {
        let WatchPeersResponse { event } = watch.message().await.unwrap().unwrap();
        let peers = match event.unwrap() {
            Event::Snapshot(snapshot) => snapshot.peers,
            Event::Delta(delta) => delta.updated,
            other => panic!("{other:?}"),
        };
        for peer in peers {
            missing.remove(&peer.name);
        }
    }
}

async fn history(session: &Session) -> Vec<String> {
    let all = ListMessagesRequest { page_size: 1000, ..Default::default() };
    let page = session.broadcast().list_messages(all).await.unwrap().into_inner();
    page.messages.into_iter().map(|m| format!("{}: {}", m.sender, m.text)).collect()
}

#[tokio::test]
async fn chats_survive_a_killed_hub() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let sova = chat(home.path(), &address, "sova", &[]);
    let buzz = chat(home.path(), &address, "buzz", &[]);
    // They exchange a message and become contacts.
    sova.type_line("/msg buzz psst");
    buzz.wait_for("sova (known): psst");
    buzz.type_line("/msg sova yes?");
    sova.wait_for("buzz (known): yes?");

    let mut said = Vec::new();
    for round in 1..=ROUNDS {
        for (speaker, name) in [(&sova, "sova"), (&buzz, "buzz")] {
            let line = format!("round {round}, before");
            speaker.type_line(&line);
            said.push(format!("{name}: {line}"));
            for terminal in [&sova, &buzz] {
                terminal.wait_for(&format!("{name}: {line}"));
            }
        }

        hub.kill9();
        for (speaker, name, other) in [(&sova, "sova", &buzz), (&buzz, "buzz", &sova)] {
            speaker.wait_until("a word of the loss", |screen| {
                (screen.matches("the hub is gone").count() == round).then_some(())
            });
            let line = format!("round {round}, meanwhile");
            speaker.type_line(&line);
            said.push(format!("{name}: {line}"));
            let to = if name == "sova" { "buzz" } else { "sova" };
            speaker.type_line(&format!("/msg {to} round {round}, are you there?"));
            other.wait_for(&format!("{name} (known): round {round}, are you there?"));
        }

        hub.restart();
        let listed = async {
            let watcher = Session::of(hub.address(), "watcher").await;
            listed(&watcher, &["sova", "buzz"]).await;
        };
        within(BACK, "the return of both", listed).await;
        for line in &said {
            sova.wait_for(line);
            buzz.wait_for(line);
        }
    }

    // All earlier messages have arrived before these.
    for (speaker, line) in [(&sova, "sova: good night"), (&buzz, "buzz: good night")] {
        speaker.type_line("good night");
        sova.wait_for(line);
        buzz.wait_for(line);
        said.push(line.into());
    }
    for line in &said {
        assert_eq!(sova.lines_with(line), 1, "{line}\n{}", sova.screen());
        assert_eq!(buzz.lines_with(line), 1, "{line}\n{}", buzz.screen());
    }
    let watcher = Session::of(hub.address(), "historian").await;
    let mut stored = history(&watcher).await;
    stored.sort();
    said.sort();
    assert_eq!(stored, said);
}

/// Only the connection to the hub breaks: each post is stored, its ack is lost, and it is posted
/// again.
#[tokio::test]
async fn a_broken_connection_duplicates_nothing() {
    let hub = TestHub::start();
    let wire = Proxy::before(hub.address());
    let home = tempfile::tempdir().unwrap();
    // In plaintext, so that the test can read the recorded bytes.
    let sova = chat(home.path(), &wire.address().to_string(), "sova", &["--plaintext"]);
    let buzz = chat(home.path(), &hub.address().to_string(), "buzz", &["--plaintext"]);
    let mut said = Vec::new();
    for round in 0..CUTS {
        let line = format!("line {round} of many");
        let shown = format!("sova: {line}");
        wire.mute();
        sova.type_line(&line);
        buzz.wait_for(&shown);
        assert_eq!(wire.occurrences(&line), 1, "the post alone went through");
        assert_eq!(sova.lines_with(&shown), 0, "{}", sova.screen());
        wire.cut();
        wire.heal();
        sova.wait_for(&shown);
        said.push((line, shown));
    }
    sova.type_line("good night");
    sova.wait_for("sova: good night");
    buzz.wait_for("sova: good night");
    said.push(("good night".into(), "sova: good night".into()));
    for (line, shown) in &said {
        assert_eq!(sova.lines_with(shown), 1, "{shown}\n{}", sova.screen());
        assert_eq!(buzz.lines_with(shown), 1, "{shown}\n{}", buzz.screen());
        // The post, its retry, and the message. The ack of the last one may be lost in the next
        // cut.
        let passed = if line == "good night" { 2 } else { 3 };
        assert!(wire.occurrences(line) >= passed, "{line}");
    }
    let watcher = Session::of(hub.address(), "historian").await;
    let said: Vec<_> = said.into_iter().map(|(_, shown)| shown).collect();
    assert_eq!(history(&watcher).await, said);
}
