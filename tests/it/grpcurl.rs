//! Runs the examples of `docs/grpc.md` with the real grpcurl, a hub and a client in a chat.

use std::net::SocketAddr;

use chinwag::proto::{GetPeerRequest, Peer};

use crate::support::{grpcurl, hub::TestHub, peer::Session, terminal::Terminal};

/// The commands of the document in order: a word of each, and words of its output.
const EXAMPLES: [(&str, &[&str]); 11] = [
    ("50051 list", &["chinwag.v1.Broadcast", "chinwag.v1.Presence", "grpc.health.v1.Health"]),
    ("describe chinwag.v1.Broadcast.Post", &["rpc Post", "Posts one message"]),
    ("describe chinwag.v1.PostRequest", &["string text = 3", "1 to 16,384 bytes"]),
    ("Presence/Register", &["\"token\"", "\"lease\": \"30s\"", "\"robot\""]),
    ("Presence/ListPeers", &["\"buzz\"", "\"robot\""]),
    ("Broadcast/Post", &["\"position\"", "\"seq\": \"1\""]),
    ("Broadcast/ListMessages", &["\"the build is green\"", "\"head\""]),
    ("Broadcast/Subscribe", &["\"joined\"", "\"the build is green\""]),
    ("54321 list", &["chinwag.v1.PeerChat", "grpc.health.v1.Health"]),
    ("PeerChat/Send", &["\"receiver\": \"buzz\"", "\"acceptedAt\""]),
    ("Health/Check", &["\"SERVING\""]),
];

async fn buzz(hub: SocketAddr) -> Peer {
    let watcher = Session::of(hub, "watcher").await;
    let request = GetPeerRequest { name: "buzz".into(), ..Default::default() };
    watcher.presence().get_peer(request).await.unwrap().into_inner().peer.unwrap()
}

#[tokio::test]
async fn the_documented_examples_work() {
    let Some(path) = grpcurl::path() else { return };
    let hub = TestHub::start();
    let home = tempfile::tempdir().unwrap();
    let address = hub.address().to_string();
    let chat = Terminal::chinwag(
        home.path(),
        &["--hub", &address, "--name", "buzz", "--listen", "127.0.0.1:0", "chat", "--plain"],
    );
    chat.wait_for("lobby");
    let direct = format!("127.0.0.1:{}", buzz(hub.address()).await.endpoints[0].port);

    let examples = grpcurl::examples("-plaintext");
    assert_eq!(examples.len(), EXAMPLES.len(), "{examples:#?}");
    let mut token = String::new();
    for (example, (word, wanted)) in examples.into_iter().zip(EXAMPLES) {
        assert!(example.contains(word), "{word} was expected instead of {example}");
        let example =
            example.replace("localhost:50051", &address).replace("localhost:54321", &direct);
        let printed = grpcurl::run(&example, &path, &token, wanted);
        if word == "Presence/Register" {
            let answer: serde_json::Value = serde_json::from_str(&printed).unwrap();
            token = answer["token"].as_str().unwrap().to_owned();
        }
    }
    // Posts are shown in the room, and direct messages are marked as such.
    chat.wait_for("robot: the build is green");
    chat.wait_for("robot (unverified): psst, the build is green");
}
