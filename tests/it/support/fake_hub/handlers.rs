//! The services of the fake hub, which hand calls to the test.

use std::{pin::Pin, sync::Arc, time::Duration};

use chinwag::{
    error::RequestError,
    model::Certificate,
    proto::{
        self, ChatRequest, ChatResponse, WatchPeersRequest, WatchPeersResponse,
        broadcast_server::Broadcast, presence_server::Presence,
    },
    transport::PeerInfo,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Call, FakeChat, FakeWatch, State, at, large_peers, peer};

/// Peers of a page without end, below the limit of a message.
const ENDLESS_PAGE: usize = 1_500;

#[derive(Clone)]
pub(super) struct Handlers {
    pub(super) told: mpsc::UnboundedSender<Call>,
    pub(super) state: Arc<State>,
}

impl Handlers {
    fn tell(&self, call: Call) -> Result<(), Status> {
        self.told.send(call).map_err(|_| Status::unavailable("the test is over"))
    }
}

fn token<T>(request: &Request<T>) -> Option<String> {
    let bearer = request.metadata().get("authorization")?.to_str().ok()?;
    bearer.strip_prefix("Bearer ").map(str::to_owned)
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[async_trait]
impl Presence for Handlers {
    async fn register(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<Response<proto::RegisterResponse>, Status> {
        let shown = token(&request);
        let caller = PeerInfo::of(request.extensions()).cloned();
        let request = request.into_inner();
        let answer = match self.state.refusals.lock().pop_front() {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        };
        let mut peer = peer(&request.name, request.endpoints.clone());
        if let Some(certificate) = caller.and_then(|caller| caller.certificate) {
            peer.certificate = certificate.as_der().to_vec();
            peer.fingerprint = super::fingerprint_of(&peer.certificate);
            peer.guest = false;
        }
        // Tests need to find a peer without a key, even if it is invisible.
        let unlisted = !peer.guest && request.status() == proto::PeerStatus::Invisible;
        self.tell(Call::Register { request, shown })?;
        answer?;
        let table = if unlisted { &self.state.unlisted } else { &self.state.peers };
        table.lock().insert(peer.name.clone(), peer.clone());
        let number = {
            let mut tokens = self.state.tokens.lock();
            *tokens += 1;
            *tokens
        };
        let lease = self.state.lease.lock().unwrap_or(Duration::from_secs(30));
        Ok(Response::new(proto::RegisterResponse {
            token: format!("token-{number}"),
            lease: Some(lease.try_into().unwrap()),
            peer: Some(peer),
            observed: Some(proto::Endpoint { host: "192.0.2.1".into(), port: 4242 }),
            hub: None,
        }))
    }

    async fn renew(
        &self,
        request: Request<proto::RenewRequest>,
    ) -> Result<Response<proto::RenewResponse>, Status> {
        self.tell(Call::Renew { request: request.into_inner() })?;
        if let Some(refusal) = self.state.change_refusals.lock().pop_front() {
            return Err(refusal);
        }
        Ok(Response::new(proto::RenewResponse { lease: None }))
    }

    async fn unregister(
        &self,
        request: Request<proto::UnregisterRequest>,
    ) -> Result<Response<proto::UnregisterResponse>, Status> {
        self.tell(Call::Unregister { token: token(&request) })?;
        Ok(Response::new(proto::UnregisterResponse {}))
    }

    async fn get_peer(
        &self,
        request: Request<proto::GetPeerRequest>,
    ) -> Result<Response<proto::GetPeerResponse>, Status> {
        let proto::GetPeerRequest { name, fingerprint } = request.into_inner();
        let listed = self.state.peers.lock().get(&name).cloned();
        let found = listed.or_else(|| {
            let unlisted = self.state.unlisted.lock().get(&name)?.clone();
            let key = Certificate::parse(&unlisted.certificate).unwrap().fingerprint();
            (key.as_bytes()[..] == fingerprint).then_some(unlisted)
        });
        match found {
            Some(peer) => Ok(Response::new(proto::GetPeerResponse { peer: Some(peer) })),
            None => Err(chinwag::wire::status(&chinwag::error::RequestError::PeerUnknown(
                super::name(&name),
            ))),
        }
    }

    /// Dials nothing and returns the time of the fake clock.
    async fn check_endpoints(
        &self,
        _: Request<proto::CheckEndpointsRequest>,
    ) -> Result<Response<proto::CheckEndpointsResponse>, Status> {
        let ahead = jiff::SignedDuration::from_secs(*self.state.clock.lock());
        let now = Some(chinwag::wire::to_timestamp(jiff::Timestamp::now() + ahead));
        let answer = proto::CheckEndpointsResponse { received_at: now, now, ..Default::default() };
        Ok(Response::new(answer))
    }

    /// Returns one peer a page.
    async fn list_peers(
        &self,
        request: Request<proto::ListPeersRequest>,
    ) -> Result<Response<proto::ListPeersResponse>, Status> {
        let request = request.into_inner();
        if *self.state.endless.lock() {
            *self.state.pages.lock() += 1;
            let first = request.page_token.parse().unwrap_or(0);
            let next_page_token = (first + ENDLESS_PAGE).to_string();
            let peers = large_peers(first, ENDLESS_PAGE);
            return Ok(Response::new(proto::ListPeersResponse { peers, next_page_token }));
        }
        let (after, is_basic) = (&request.page_token, request.view() == proto::PeerView::Basic);
        let peers = self.state.peers.lock();
        let mut rest: Vec<_> = peers.values().filter(|peer| peer.name > *after).cloned().collect();
        rest.sort_by(|a, b| a.name.cmp(&b.name));
        let more = rest.len() > 1;
        rest.truncate(1);
        rest.iter_mut().filter(|_| is_basic).for_each(|peer| peer.certificate.clear());
        let next_page_token = if more { rest[0].name.clone() } else { String::new() };
        Ok(Response::new(proto::ListPeersResponse { peers: rest, next_page_token }))
    }

    type WatchPeersStream = Answers<WatchPeersResponse>;

    async fn watch_peers(
        &self,
        request: Request<WatchPeersRequest>,
    ) -> Result<Response<Self::WatchPeersStream>, Status> {
        let (answers, stream) = mpsc::channel(16);
        let held = self.state.held_watches.lock().pop_front();
        self.tell(Call::Watch(FakeWatch { request: request.into_inner(), answers }))?;
        if let Some(held) = held {
            held.await.map_err(|_| Status::unavailable("the test is over"))??;
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

#[async_trait]
impl Broadcast for Handlers {
    type ChatStream = Answers<ChatResponse>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let token = token(&request);
        let (answers, stream) = mpsc::channel(16);
        self.tell(Call::Chat(FakeChat { token, requests: request.into_inner(), answers }))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn post(
        &self,
        _: Request<proto::PostRequest>,
    ) -> Result<Response<proto::PostResponse>, Status> {
        Err(Status::unimplemented("a client posts on Chat"))
    }

    type SubscribeStream = Answers<proto::SubscribeResponse>;

    async fn subscribe(
        &self,
        _: Request<proto::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(Status::unimplemented("a client receives on Chat"))
    }

    async fn list_messages(
        &self,
        _: Request<proto::ListMessagesRequest>,
    ) -> Result<Response<proto::ListMessagesResponse>, Status> {
        Ok(Response::new(proto::ListMessagesResponse {
            messages: vec![one_letter()],
            next_page_token: "again".into(),
            head: Some(at(1)),
        }))
    }

    /// Returns one hit of a one-letter message, with the range from the query. Refuses words.
    async fn search_messages(
        &self,
        request: Request<proto::SearchMessagesRequest>,
    ) -> Result<Response<proto::SearchMessagesResponse>, Status> {
        let Ok(end) = request.into_inner().query.parse() else {
            return Err(chinwag::wire::status(&RequestError::SearchTooBroad));
        };
        let hit = proto::SearchHit {
            message: Some(one_letter()),
            ranges: vec![proto::TextRange { start: 0, end }],
        };
        Ok(Response::new(proto::SearchMessagesResponse {
            hits: vec![hit],
            next_page_token: if *self.state.endless.lock() { "again" } else { "" }.into(),
        }))
    }

    async fn list_rooms(
        &self,
        request: Request<proto::ListRoomsRequest>,
    ) -> Result<Response<proto::ListRoomsResponse>, Status> {
        *self.state.room_requests.lock() += 1;
        let request = request.into_inner();
        let is_endless = *self.state.endless.lock();
        let from = request.page_token.parse().unwrap_or(0);
        let all = if is_endless { usize::MAX } else { *self.state.rooms.lock() };
        let size = if is_endless { 40_000 } else { usize::try_from(request.page_size).unwrap() };
        let to = (from + size).min(all);
        let room = |number| proto::Room {
            name: format!("room-{number}"),
            head: Some(at(0)),
            first: Some(at(0)),
            ..proto::Room::default()
        };
        Ok(Response::new(proto::ListRoomsResponse {
            rooms: (from..to).map(room).collect(),
            next_page_token: if to < all { to.to_string() } else { String::new() },
        }))
    }
}

/// Returns a message of one letter.
fn one_letter() -> proto::Message {
    proto::Message {
        id: uuid::Uuid::now_v7().to_string(),
        room: "lobby".into(),
        position: Some(at(1)),
        prev_seq: 0,
        sender: "somebody".into(),
        created_at: Some(prost_types::Timestamp::default()),
        text: "\u{fc}".into(),
    }
}
