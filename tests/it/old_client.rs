//! Replays every message of a client of version 0.1.0, byte for byte, to the current hub, and
//! compares the answers with those of the hub of 0.1.0.
//!
//! The hub has the data of the old one, so that epochs, positions and page tokens are the same.
//! Only the session tokens in the metadata are replaced, as each hub generates its own.
#![cfg(unix)]

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chinwag::proto::{
    ChatResponse, GetPeerResponse, ListMessagesResponse, ListPeersResponse, ListRoomsResponse,
    Message, Peer, RegisterResponse, RenewResponse, SearchMessagesResponse, UnregisterResponse,
    WatchPeersResponse, chat_response, watch_peers_response,
};
use prost::Message as _;
use prost_types::Timestamp;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};

use crate::support::{
    fixture::Fixture,
    peer::connect,
    raw,
    refusal::why,
    within::{PATIENCE, within},
};

/// The name of the recorded client; its posts are newer than the data.
const RECORDED: &str = "greta";

const REGISTER: &str = "/chinwag.v1.Presence/Register";
const WATCH_PEERS: &str = "/chinwag.v1.Presence/WatchPeers";

/// A recorded call, and the same call to the current hub.
struct Call {
    method: String,
    requests: Option<mpsc::UnboundedSender<Bytes>>,
    answers: mpsc::UnboundedReceiver<Result<Bytes, Status>>,
    /// Both in a comparable form.
    recorded: Vec<String>,
    answered: Vec<String>,
    /// The lists of peers that result from the answers.
    peers: [BTreeMap<String, Peer>; 2],
    _task: JoinSet<()>,
}

#[tokio::test]
async fn a_client_of_0_1_0_gets_the_same_answers() {
    let old = Fixture::of("v0.1.0");
    let hub = old.hub("hub", &[]);
    old.wait_for_index(&hub);
    let channel = connect(hub.address()).await;
    let mut calls: HashMap<u64, Call> = HashMap::new();
    let mut tokens: HashMap<String, String> = HashMap::new();
    let mut seen = BTreeMap::<String, usize>::new();
    for line in old.objects("wire.jsonl") {
        let number = line["call"].as_u64().unwrap();
        if let Some(method) = line["method"].as_str() {
            let token = line["authorization"].as_str().map(|token| tokens[token].clone());
            calls.insert(number, Call::open(channel.clone(), method, token));
            *seen.entry(method.into()).or_default() += 1;
            continue;
        }
        let call = calls.get_mut(&number).unwrap();
        if let Some(request) = bytes(&line["request"]) {
            call.requests.as_ref().unwrap().send(request).unwrap();
        } else if line["closed"] == true {
            call.requests = None;
        } else if let Some(recorded) = bytes(&line["answer"]) {
            let answer = call.answer(&recorded).await;
            if call.method == REGISTER {
                let token = |raw: &Bytes| {
                    format!("Bearer {}", RegisterResponse::decode(raw.clone()).unwrap().token)
                };
                tokens.insert(token(&recorded), token(&answer));
            }
        } else if let Some(status) = line["status"].as_i64() {
            call.end(status, bytes(&line["details"])).await;
        } else {
            assert_eq!(line["cancelled"], true, "{line}");
            calls.remove(&number).unwrap().compare();
        }
    }
    calls.into_values().for_each(Call::compare);
    // The record must contain all of these calls.
    for (method, least) in [
        ("Broadcast/Chat", 5),
        ("Broadcast/ListMessages", 2),
        ("Broadcast/ListRooms", 2),
        ("Broadcast/SearchMessages", 3),
        ("Presence/GetPeer", 1),
        ("Presence/ListPeers", 2),
        ("Presence/Register", 5),
        ("Presence/Renew", 1),
        ("Presence/Unregister", 5),
        ("Presence/WatchPeers", 1),
    ] {
        assert!(seen[&format!("/chinwag.v1.{method}")] >= least, "{method}: {seen:?}");
    }
}

fn bytes(field: &Value) -> Option<Bytes> {
    field.as_str().map(|encoded| STANDARD.decode(encoded).unwrap().into())
}

impl Call {
    fn open(channel: chinwag::transport::Channel, method: &str, token: Option<String>) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        let path = method.to_owned();
        task.spawn(async move {
            let queue = UnboundedReceiverStream::new(queue);
            match raw::open(channel, token, &path, queue).await {
                Err(status) => drop(answer.send(Err(status))),
                Ok(mut stream) => {
                    while let Some(next) = stream.message().await.transpose() {
                        let _ = answer.send(next);
                    }
                }
            }
        });
        Self {
            method: method.into(),
            requests: Some(requests),
            answers,
            recorded: Vec::new(),
            answered: Vec::new(),
            peers: Default::default(),
            _task: task,
        }
    }

    /// Waits for the counterpart of a recorded answer.
    async fn answer(&mut self, recorded: &Bytes) -> Bytes {
        if self.method != WATCH_PEERS {
            let answer = self.next().await.unwrap().unwrap();
            self.recorded.push(comparable(&self.method, recorded));
            self.answered.push(comparable(&self.method, &answer));
            return answer;
        }
        // The grouping of changes depends on timing; only the resulting list is compared.
        apply(&mut self.peers[0], recorded);
        loop {
            let answer = self.next().await.unwrap().unwrap();
            apply(&mut self.peers[1], &answer);
            if self.peers[0] == self.peers[1] {
                return answer;
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        within(PATIENCE, &self.method, self.answers.recv()).await
    }

    /// Waits for the end of the call, which must have this status.
    async fn end(&mut self, status: i64, details: Option<Bytes>) {
        let end = self.next().await.transpose().map(|more| assert_eq!(more, None));
        match (status, end) {
            (0, end) => end.unwrap(),
            (code, end) => {
                let code = Code::from_i32(code.try_into().unwrap());
                let recorded = Status::with_details(code, "recorded", details.unwrap());
                assert_eq!(why(&end.unwrap_err()), why(&recorded));
            }
        }
    }

    /// Compares the answers; posts, messages and joins are not ordered relative to each other.
    fn compare(mut self) {
        if self.method.ends_with("/ListRooms") {
            // Invisible sessions are not counted any more.
            for answer in self.recorded.iter_mut().chain(&mut self.answered) {
                *answer = answer.replace("members: 1,", "members: 0,");
            }
        }
        self.recorded.sort();
        self.answered.sort();
        assert_eq!(self.recorded, self.answered, "{}", self.method);
    }
}

/// Formats an answer without the parts that differ each time. The current protocol must know every
/// field.
fn comparable(method: &str, raw: &Bytes) -> String {
    match method.rsplit_once('/').unwrap().1 {
        "Register" => print(raw, |answer: &mut RegisterResponse| {
            assert!(answer.token.len() >= 32, "{answer:?}");
            answer.token.clear();
            answer.peer.iter_mut().for_each(undated);
            answer.observed.as_mut().unwrap().port = 0;
            answer.hub.as_mut().unwrap().version.clear();
        }),
        "Renew" => print(raw, |_: &mut RenewResponse| {}),
        "Unregister" => print(raw, |_: &mut UnregisterResponse| {}),
        "GetPeer" => print(raw, |answer: &mut GetPeerResponse| {
            answer.peer.iter_mut().for_each(undated);
        }),
        "ListPeers" => print(raw, |answer: &mut ListPeersResponse| {
            answer.peers.iter_mut().for_each(undated);
        }),
        "ListRooms" => print(raw, |answer: &mut ListRoomsResponse| {
            answer.rooms.iter_mut().for_each(|room| then(&mut room.last_message_at));
        }),
        "ListMessages" => print(raw, |answer: &mut ListMessagesResponse| {
            answer.messages.iter_mut().for_each(message);
        }),
        "SearchMessages" => print(raw, |answer: &mut SearchMessagesResponse| {
            answer.hits.iter_mut().filter_map(|hit| hit.message.as_mut()).for_each(message);
        }),
        "Chat" | "Subscribe" => print(raw, |answer: &mut ChatResponse| match &mut answer.event {
            Some(chat_response::Event::Message(new)) => message(new),
            Some(chat_response::Event::Posted(posted)) => then(&mut posted.created_at),
            Some(chat_response::Event::Refused(refused)) => {
                refused.refusal.as_mut().unwrap().message.clear();
            }
            _ => {}
        }),
        other => panic!("no test knows what {other} answers"),
    }
}

fn print<T: prost::Message + Default + std::fmt::Debug>(
    raw: &Bytes,
    mask: impl FnOnce(&mut T),
) -> String {
    let mut answer = decode::<T>(raw);
    mask(&mut answer);
    format!("{answer:?}")
}

/// Decodes a message. Panics on unknown fields.
fn decode<T: prost::Message + Default + std::fmt::Debug>(raw: &Bytes) -> T {
    let answer = T::decode(raw.clone()).unwrap();
    assert_eq!(answer.encode_to_vec(), raw.to_vec(), "{answer:?}");
    answer
}

/// Replaces a time: only its presence is compared.
fn then(time: &mut Option<Timestamp>) {
    *time = time.map(|_| Timestamp::default());
}

fn undated(peer: &mut Peer) {
    then(&mut peer.online_since);
    then(&mut peer.status_since);
}

fn message(message: &mut Message) {
    if message.sender == RECORDED {
        then(&mut message.created_at);
    }
}

fn apply(peers: &mut BTreeMap<String, Peer>, raw: &Bytes) {
    use watch_peers_response::Event;
    let answer: WatchPeersResponse = decode(raw);
    let (updated, removed) = match answer.event.unwrap() {
        Event::Snapshot(snapshot) => (snapshot.peers, Vec::new()),
        Event::Delta(delta) => (delta.updated, delta.removed),
        Event::Goodbye(goodbye) => panic!("{goodbye:?}"),
    };
    for mut peer in updated {
        undated(&mut peer);
        peers.insert(peer.name.clone(), peer);
    }
    for name in removed {
        peers.remove(&name);
    }
}
