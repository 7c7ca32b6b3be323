//! Calls: the bytes that the other side of a connection sends, hub and peers included.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use tonic::{Status, Streaming, codec::BufferSettings, metadata::MetadataMap};
use tonic_prost::ProstDecoder;

use crate::{
    model::{MAX_ENDPOINTS, MAX_TEXT_BYTES, Message, Name, Peer, Posted, Receipt, Room, SearchHit},
    proto, transport, wire,
};

/// A request of any method, as the hub or a peer decodes it. The first byte selects the method.
pub(super) fn request(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => read::<proto::RegisterRequest>(bytes, |asked| {
            let _ = wire::name("name", &asked.name);
            endpoints(&asked.endpoints);
            let _ = wire::peer_status("status", asked.status);
            let _ = wire::invite_code("invite_code", &asked.invite_code);
        }),
        1 => read::<proto::RenewRequest>(bytes, |asked| {
            endpoints(&asked.endpoints.unwrap_or_default().endpoints);
        }),
        2 => read::<proto::PostRequest>(bytes, post),
        3 => read::<proto::ChatRequest>(bytes, chat),
        4 => read::<proto::SubscribeRequest>(bytes, |asked| {
            for asked in asked.joins {
                join(asked);
            }
        }),
        5 => read::<proto::DirectMessage>(bytes, |sent| {
            let Ok(direct) = wire::direct_message("message", Some(sent)) else { return };
            assert!(direct.text.as_str().len() <= MAX_TEXT_BYTES);
        }),
        6 => read::<proto::ListMessagesRequest>(bytes, |asked| {
            let _ = wire::room_name_or_lobby("room", &asked.room);
        }),
        _ => read::<prost_types::Timestamp>(bytes, |at| {
            let Ok(read) = wire::timestamp("since", at) else { return };
            assert_eq!(wire::to_timestamp(read), at);
        }),
    }
}

/// An answer, as a client decodes it. What was decoded can be encoded again.
pub(super) fn answer(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => again::<proto::Message, Message>(bytes),
        1 => again::<proto::SearchHit, SearchHit>(bytes),
        2 => again::<proto::PostResponse, Posted>(bytes),
        3 => again::<proto::Peer, Peer>(bytes),
        4 => again::<proto::Room, Room>(bytes),
        5 => again::<proto::Receipt, Receipt>(bytes),
        6 => read::<proto::Refusal>(bytes, |refusal| drop(wire::refused_in_stream(refusal))),
        _ => read::<proto::ListPeersResponse>(bytes, |list| {
            let count = list.peers.len();
            assert!(wire::listed_peers(list.peers).count() <= count);
        }),
    }
}

/// The headers of an answer: code, message and details, one per line, the last in any bytes.
pub(super) fn status(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |&byte| byte == b'\n');
    let mut headers = http::HeaderMap::new();
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        let Some(value) = parts.next().and_then(|raw| http::HeaderValue::from_bytes(raw).ok())
        else {
            continue;
        };
        headers.insert(name, value);
    }
    transport::drop_broken_details(&mut headers);
    if let Some(status) = Status::from_header_map(&headers) {
        let refusal = wire::refused(&status);
        assert_eq!(refusal.code, status.code());
    }
    // The same bytes as details, without headers.
    let code = tonic::Code::from_i32(i32::from(bytes.first().copied().unwrap_or_default() % 17));
    let details = Bytes::copy_from_slice(bytes);
    let status = Status::with_details_and_metadata(code, "x", details, MetadataMap::new());
    drop(wire::refused(&status));
}

/// The body of a stream of requests, in pieces of the length in the first byte. The result does not
/// depend on the pieces.
pub(super) fn frames(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = decode(Full::new(Bytes::copy_from_slice(bytes)).map_err(|never| match never {}));
    let piece = usize::from(piece).max(1);
    let pieces: Vec<_> = bytes
        .chunks(piece)
        .map(|piece| Ok::<_, Status>(http_body::Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let cut = decode(StreamBody::new(tokio_stream::iter(pieces)));
    assert_eq!(whole, cut, "in pieces of {piece}");
    for request in whole.0 {
        chat(request);
    }
}

/// Returns the requests of a body, and how it ended.
fn decode<B>(body: B) -> (Vec<proto::ChatRequest>, Option<tonic::Code>)
where
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let decoder = ProstDecoder::new(BufferSettings::new(512, 1024));
    let mut stream: Streaming<proto::ChatRequest> =
        Streaming::new_request(decoder, body, None, Some(1024));
    let mut requests = Vec::new();
    super::acceptor::wait(async {
        loop {
            match stream.message().await {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return (requests, None),
                Err(status) => {
                    drop(wire::undecodable(&status));
                    return (requests, Some(status.code()));
                }
            }
        }
    })
}

fn chat(asked: proto::ChatRequest) {
    use proto::chat_request::Request;
    match asked.request {
        Some(Request::Join(asked)) => join(asked),
        Some(Request::Leave(leave)) => drop(wire::room_name("leave.room", &leave.room)),
        Some(Request::Post(asked)) => post(asked),
        None => {}
    }
}

fn join(asked: proto::Join) {
    let Ok((room, start)) = wire::join("join", asked) else { return };
    assert_eq!(wire::join("join", wire::to_join(&room, start)).ok(), Some((room, start)));
}

fn post(asked: proto::PostRequest) {
    let Ok(sender) = Name::parse("alice") else { return };
    let Ok(draft) = wire::draft("post.", &sender, asked) else { return };
    assert!((1..=MAX_TEXT_BYTES).contains(&draft.text.as_str().len()));
    let again = wire::draft("post.", &sender, (&draft).into());
    assert_eq!(again.ok(), Some(draft));
}

fn endpoints(raw: &[proto::Endpoint]) {
    let Ok(endpoints) = wire::endpoints("endpoints", raw) else { return };
    assert!(endpoints.len() <= MAX_ENDPOINTS);
}

fn read<T: prost::Message + Default>(bytes: &[u8], check: impl FnOnce(T)) {
    if let Ok(message) = T::decode(bytes) {
        check(message);
    }
}

/// Decodes an answer, encodes it, and decodes it again.
fn again<P, M>(bytes: &[u8])
where
    P: prost::Message + Default + for<'a> From<&'a M>,
    M: TryFrom<P> + PartialEq + std::fmt::Debug,
{
    let Some(first) = P::decode(bytes).ok().and_then(|raw| M::try_from(raw).ok()) else { return };
    let written = P::from(&first).encode_to_vec();
    let second = P::decode(written.as_slice()).ok().and_then(|raw| M::try_from(raw).ok());
    assert_eq!(second.as_ref(), Some(&first));
}
