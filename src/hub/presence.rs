//! The unary rpcs of Presence.

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use jiff::Timestamp;
use tonic::{Request, Response, Status, async_trait};

use super::{
    admission, auth, paging,
    peers::{self, View},
    state::HubState,
};
use crate::{
    error::{RequestError, Result},
    model::{Certificate, Endpoint, LOBBY, MAX_TEXT_BYTES, Name, Peer, RoomName},
    proto::{
        self, CheckEndpointsRequest, CheckEndpointsResponse, GetPeerRequest, GetPeerResponse,
        ListPeersRequest, ListPeersResponse, RegisterRequest, RegisterResponse, RenewRequest,
        RenewResponse, UnregisterRequest, UnregisterResponse, unary::presence_server,
    },
    storage::{Owner, Session, SessionId, SessionUpdate},
    transport::PeerInfo,
    wire,
};

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

type Answer<T> = Result<Response<T>, Status>;

#[derive(Debug, Clone)]
pub(crate) struct Presence(pub(crate) Arc<HubState>);

#[async_trait]
impl presence_server::Presence for Presence {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        let state = &self.0;
        let (_, extensions, asked) = request.into_parts();
        let remote = PeerInfo::of(&extensions).map(|info| info.remote);
        let key = PeerInfo::of(&extensions).and_then(PeerInfo::key);
        let origin = state.rate_limits.origin(&extensions);
        state.rate_limits.register(origin)?;
        let name = wire::name("name", &asked.name)?;
        let endpoints = wire::endpoints("endpoints", &asked.endpoints)?;
        let status = wire::peer_status("status", asked.status)?;
        let invite = wire::invite_code("invite_code", &asked.invite_code)?;

        if auth::is_costly(&extensions) || invite.is_some() {
            state.rate_limits.check_failures(origin)?;
        }
        // A token of a session that has ended is ignored: it proves nothing.
        let replaces = state.sessions.authenticate(&asked.replace_token, key).ok();
        let newcomer = admission::identify(state, &extensions, replaces.as_ref()).await?;
        let began_at = Timestamp::now();
        if let Some(certificate) = newcomer.owner.as_ref().and_then(Owner::certificate) {
            certificate.check_profile(began_at).map_err(RequestError::from)?;
        }
        let session = Session {
            id: SessionId::new(),
            peer: name.clone(),
            endpoints: reachable(endpoints, remote),
            status: status.unwrap_or_default(),
            began_at,
            status_since: began_at,
            owner: newcomer.owner.clone(),
        };
        let replaces = replaces.map(|caller| caller.session);
        let token =
            admission::register(state, &extensions, newcomer, session, replaces, invite).await?;
        let peer = state.peers.get(&name).or_else(|| state.peers.get_even_invisible(&name));
        let certificate = state.certificate.as_ref().map(Certificate::as_der);
        Ok(Response::new(RegisterResponse {
            token,
            lease: Some(wire::to_duration(state.lease)),
            peer: peer.as_ref().map(Into::into),
            observed: remote.map(|address| (&Endpoint::from(address)).into()),
            hub: Some(proto::HubInfo {
                version: env!("CARGO_PKG_VERSION").into(),
                default_room: LOBBY.into(),
                max_text_bytes: MAX_TEXT_BYTES as u32,
                certificate: certificate.unwrap_or_default().to_vec(),
                invite_only: state.admission.by_invitation,
            }),
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Answer<RenewResponse> {
        let state = &self.0;
        let caller = auth::caller(request.extensions())?;
        let observed = PeerInfo::of(request.extensions()).map(|info| info.remote);
        let asked = request.get_ref();
        if asked.status != 0 || asked.endpoints.is_some() {
            // A mere keepalive is not limited.
            let origin = state.rate_limits.origin(request.extensions());
            state.rate_limits.change(origin, &caller.peer)?;
        }
        let asked = request.into_inner();
        let endpoints = match asked.endpoints {
            Some(list) => {
                Some(reachable(wire::endpoints("endpoints.endpoints", &list.endpoints)?, observed))
            }
            None => None,
        };
        let change =
            SessionUpdate { status: wire::peer_status("status", asked.status)?, endpoints };
        state.directory.renew(caller.session, state.lease).await?;
        state.sessions.promise(caller.session, state.lease);
        state.directory.update(caller.session, change).await?;
        Ok(Response::new(RenewResponse { lease: Some(wire::to_duration(state.lease)) }))
    }

    async fn unregister(&self, request: Request<UnregisterRequest>) -> Answer<UnregisterResponse> {
        let caller = auth::caller(request.extensions())?;
        self.0.directory.release(caller.session).await?;
        Ok(Response::new(UnregisterResponse {}))
    }

    async fn get_peer(&self, request: Request<GetPeerRequest>) -> Answer<GetPeerResponse> {
        self.0.count_read(request.extensions())?;
        let asked = request.get_ref();
        let name = wire::name("name", &asked.name)?;
        let listed = self.0.peers.get(&name).map(|peer| (&peer).into());
        let peer = listed.or_else(|| self.unlisted(&name, &asked.fingerprint));
        Ok(Response::new(GetPeerResponse {
            peer: Some(peer.ok_or(RequestError::PeerUnknown(name))?),
        }))
    }

    async fn list_peers(&self, request: Request<ListPeersRequest>) -> Answer<ListPeersResponse> {
        let peer = self.0.count_read(request.extensions())?;
        let page = self.peers(request.into_inner());
        Ok(Response::new(self.0.reads.run(&peer, page).await?))
    }

    async fn check_endpoints(
        &self,
        request: Request<CheckEndpointsRequest>,
    ) -> Answer<CheckEndpointsResponse> {
        let received_at = Timestamp::now();
        let state = &self.0;
        let caller = auth::caller(request.extensions())?;
        let remote = PeerInfo::of(request.extensions()).map(|info| info.remote);
        let origin = state.rate_limits.origin(request.extensions());
        state.rate_limits.dial_back(origin, &caller.peer)?;
        let session = state.peers.session(&caller.peer, caller.session);
        let session = session.ok_or(RequestError::SessionEnded)?;
        let checks = state.dial_backs.check(&session, remote).await?;
        Ok(Response::new(CheckEndpointsResponse {
            checks,
            observed: remote.map(|address| (&Endpoint::from(address)).into()),
            received_at: Some(wire::to_timestamp(received_at)),
            now: Some(wire::to_timestamp(Timestamp::now())),
        }))
    }
}

impl Presence {
    async fn peers(&self, asked: ListPeersRequest) -> Result<ListPeersResponse> {
        let size = paging::page_size(asked.page_size, DEFAULT_PAGE, MAX_PAGE)?;
        let status = wire::peer_status("status", asked.status)?;
        let view = View::parse("view", asked.view)?;
        let members: Option<HashSet<Name>> = match asked.room.as_str() {
            "" => None,
            room => {
                let room = wire::room_name("room", room)?;
                let members = || self.0.sessions.members(&room).into_iter().collect();
                // All are in the lobby.
                (room != RoomName::lobby()).then(members)
            }
        };
        let filters = [&asked.room, &asked.name_prefix, &asked.status.to_string()];
        let filters = filters.map(String::as_str);
        let after = paging::parse_token(&filters, &asked.page_token)?
            .map(|last| wire::name("page_token", &last))
            .transpose()?;
        // One more than asked for shows whether there is another page.
        let is_wanted = |peer: &Peer| {
            peer.name.as_str().starts_with(&asked.name_prefix)
                && status.is_none_or(|status| peer.status == status)
                && members.as_ref().is_none_or(|members| members.contains(&peer.name))
        };
        let peers = self.0.peers.list(after, size + 1, is_wanted).await;
        let mut peers: Vec<proto::Peer> = peers.iter().map(|peer| view.of(peer)).collect();
        let page = peers::fitting(&peers).min(size);
        let more = peers.len() > page;
        peers.truncate(page);
        let last = peers.last().filter(|_| more);
        Ok(ListPeersResponse {
            next_page_token: last
                .map(|peer| paging::token(&filters, &peer.name))
                .unwrap_or_default(),
            peers,
        })
    }

    /// Returns an online but invisible peer to a caller who knows its key. It confirms that the
    /// name has this key, and tells nothing else.
    fn unlisted(&self, name: &Name, key: &[u8]) -> Option<proto::Peer> {
        let peer = self.0.peers.get_even_invisible(name)?;
        (peer.key?.as_bytes() == key).then(|| proto::Peer {
            endpoints: Vec::new(),
            status: proto::PeerStatus::Unspecified.into(),
            status_since: None,
            ..(&peer).into()
        })
    }
}

/// Returns the endpoints that others can dial: an unspecified address becomes the observed one.
fn reachable(endpoints: Vec<Endpoint>, observed: Option<SocketAddr>) -> Vec<Endpoint> {
    let dialable = |endpoint: Endpoint| match observed {
        _ if !endpoint.is_unspecified() => Some(endpoint),
        Some(mut address) => {
            address.set_port(endpoint.port());
            Some(address.into())
        }
        None => None,
    };
    endpoints.into_iter().filter_map(dialable).collect()
}
