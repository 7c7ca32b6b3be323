//! Requests whose answers are large, for each rpc.

use bytes::Bytes;
use chinwag::proto::{self, chat_request::Request, join};
use prost::Message;
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request};

use super::DEN;
use crate::support::{
    direct_line::{message, to},
    peer::{named, new_id},
};

/// Returns requests whose answers are large; an empty one for other rpcs.
pub(super) fn requests(path: &str, target: &str) -> Vec<Bytes> {
    let past = || proto::Join { room: DEN.into(), start: Some(join::Start::Last(1_000)) };
    let one = |request: Vec<u8>| vec![Bytes::from(request)];
    match path.rsplit_once('/').unwrap().1 {
        "Register" => one(named("squatter").encode_to_vec()),
        "Chat" => {
            let join = proto::ChatRequest { request: Some(Request::Join(past())) };
            let nothing = std::iter::repeat_n(Bytes::new(), 4_100);
            one(join.encode_to_vec()).into_iter().chain(nothing).collect()
        }
        "Subscribe" => one(proto::SubscribeRequest { joins: vec![past()] }.encode_to_vec()),
        "Post" => {
            one(proto::PostRequest { room: "lobby".into(), id: new_id(), text: "x".repeat(16_000) }
                .encode_to_vec())
        }
        "ListMessages" => {
            let request = proto::ListMessagesRequest {
                room: DEN.into(),
                page_size: 1000,
                ..Default::default()
            };
            one(request.encode_to_vec())
        }
        "SearchMessages" => {
            let query = "walnut".into();
            let request =
                proto::SearchMessagesRequest { query, page_size: 100, ..Default::default() };
            one(request.encode_to_vec())
        }
        "GetPeer" => {
            let request = proto::GetPeerRequest { name: "crowd1".into(), ..Default::default() };
            one(request.encode_to_vec())
        }
        "ServerReflectionInfo" => {
            use server_reflection_request::MessageRequest::FileContainingSymbol;
            let symbol = if path.contains("v1alpha") {
                "grpc.health.v1.Health"
            } else {
                "chinwag.v1.Message"
            };
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(FileContainingSymbol(symbol.into())),
            };
            vec![request.encode_to_vec().into(); 100]
        }
        "Send" => one(to(target, &message("mallory", &"x".repeat(16_000))).encode_to_vec()),
        "Converse" => {
            let hello = proto::Hello { name: "mallory".into(), receiver: target.into() };
            let event = |event| proto::ConverseRequest { event: Some(event) };
            use proto::converse_request::Event;
            let mut all = one(event(Event::Hello(hello)).encode_to_vec());
            for _ in 0..1_000 {
                let said = message("mallory", "x");
                all.push(event(Event::Message(said)).encode_to_vec().into());
            }
            all
        }
        _ => one(Vec::new()),
    }
}
