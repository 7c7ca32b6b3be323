//! The unary rpcs of Presence.

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use jiff::Timestamp;
use tonic::{Request, Response, Status, async_trait};

use super::{State, admission, answer, auth, paging, peers, sessions::Caller};
use crate::{
    error::{RequestError, Result},
    model::{Endpoint, LOBBY, MAX_TEXT_BYTES, Name},
    proto::{self, unary::presence_server},
    storage::{Change, Claim, Session, SessionId},
    transport::PeerInfo,
    wire,
};

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// Presence, on the hub's state.
#[derive(Debug, Clone)]
pub(crate) struct Presence(pub(crate) Arc<State>);

#[async_trait]
impl presence_server::Presence for Presence {
    async fn register(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<Response<proto::RegisterResponse>, Status> {
        answer(self.registered(request).await)
    }

    async fn renew(
        &self,
        request: Request<proto::RenewRequest>,
    ) -> Result<Response<proto::RenewResponse>, Status> {
        answer(self.renewed(request).await)
    }

    async fn unregister(
        &self,
        request: Request<proto::UnregisterRequest>,
    ) -> Result<Response<proto::UnregisterResponse>, Status> {
        answer(self.unregistered(request).await)
    }

    async fn get_peer(
        &self,
        request: Request<proto::GetPeerRequest>,
    ) -> Result<Response<proto::GetPeerResponse>, Status> {
        answer(self.found(request))
    }

    async fn list_peers(
        &self,
        request: Request<proto::ListPeersRequest>,
    ) -> Result<Response<proto::ListPeersResponse>, Status> {
        answer(self.listed(request))
    }

    async fn check_endpoints(
        &self,
        request: Request<proto::CheckEndpointsRequest>,
    ) -> Result<Response<proto::CheckEndpointsResponse>, Status> {
        answer(self.checked(request).await)
    }
}

impl Presence {
    async fn registered(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<proto::RegisterResponse> {
        let state = &self.0;
        let (_, extensions, asked) = request.into_parts();
        let remote = PeerInfo::of(&extensions).map(|info| info.remote);
        let key = PeerInfo::of(&extensions).and_then(PeerInfo::key);
        state.gates.register(state.gates.origin(&extensions))?;
        let name = wire::name("name", &asked.name)?;
        let endpoints = wire::endpoints("endpoints", &asked.endpoints)?;
        let status = wire::peer_status("status", asked.status)?;
        let invite = wire::invite_code("invite_code", &asked.invite_code)?;

        if auth::takes_work(&extensions) || invite.is_some() {
            state.gates.prove(state.gates.origin(&extensions))?;
        }
        // A token that is not alive any more is ignored, as it shows nothing.
        let replaces = state.sessions.authenticate(&asked.replace_token, key).ok();
        let newcomer = admission::identify(state, &extensions, replaces.as_ref()).await?;
        let (owner, began_at) = (newcomer.owner.clone(), Timestamp::now());
        let session = Session {
            id: SessionId::new(),
            peer: name.clone(),
            endpoints: reachable(endpoints, remote),
            status: status.unwrap_or_default(),
            began_at,
            status_since: began_at,
            owner: owner.clone(),
        };
        let claim = Claim {
            lease: state.lease,
            beside: newcomer.beside.as_ref().map(|caller| caller.session),
            replaces: replaces.map(|caller| caller.session),
        };
        admission::admit(state, &newcomer, &session, &claim, invite, &extensions).await?;

        let id = session.id;
        let caller = Caller { session: id, peer: name.clone(), owner, key };
        let token = state.sessions.enter(caller, state.lease)?;
        if let Err(refused) = state.directory.claim(session, claim).await {
            state.sessions.remove(id);
            return Err(refused);
        }
        let peer = state.peers.get(&name).or_else(|| state.peers.get_even_invisible(&name));
        Ok(proto::RegisterResponse {
            token,
            lease: Some(wire::to_duration(state.lease)),
            peer: peer.as_ref().map(Into::into),
            observed: remote.map(|address| (&Endpoint::from(address)).into()),
            hub: Some(proto::HubInfo {
                version: env!("CARGO_PKG_VERSION").into(),
                default_room: LOBBY.into(),
                max_text_bytes: MAX_TEXT_BYTES as u32,
                certificate: state.certificate(),
            }),
        })
    }

    async fn renewed(&self, request: Request<proto::RenewRequest>) -> Result<proto::RenewResponse> {
        let state = &self.0;
        let caller = auth::caller(request.extensions())?;
        let observed = PeerInfo::of(request.extensions()).map(|info| info.remote);
        let asked = request.get_ref();
        if asked.status != 0 || asked.endpoints.is_some() {
            // All who watch the peers are told of it. A mere sign of life always passes.
            state.may_read(request.extensions(), &caller)?;
        }
        let asked = request.into_inner();
        let endpoints = match asked.endpoints {
            Some(list) => {
                Some(reachable(wire::endpoints("endpoints.endpoints", &list.endpoints)?, observed))
            }
            None => None,
        };
        let change = Change { status: wire::peer_status("status", asked.status)?, endpoints };
        state.directory.renew(caller.session, state.lease).await?;
        state.sessions.promise(caller.session, state.lease);
        state.directory.update(caller.session, change).await?;
        Ok(proto::RenewResponse { lease: Some(wire::to_duration(state.lease)) })
    }

    async fn unregistered(
        &self,
        request: Request<proto::UnregisterRequest>,
    ) -> Result<proto::UnregisterResponse> {
        let caller = auth::caller(request.extensions())?;
        self.0.directory.release(caller.session).await?;
        Ok(proto::UnregisterResponse {})
    }

    fn found(&self, request: Request<proto::GetPeerRequest>) -> Result<proto::GetPeerResponse> {
        let caller = auth::caller(request.extensions())?;
        self.0.may_read(request.extensions(), &caller)?;
        let asked = request.get_ref();
        let name = wire::name("name", &asked.name)?;
        let listed = self.0.peers.get(&name).map(|peer| (&peer).into());
        let peer = listed.or_else(|| self.unlisted(&name, &asked.fingerprint));
        Ok(proto::GetPeerResponse { peer: Some(peer.ok_or(RequestError::PeerUnknown(name))?) })
    }

    /// A peer that is here and not listed, for somebody who knows its key: that it is who it says,
    /// and nothing else.
    fn unlisted(&self, name: &Name, key: &[u8]) -> Option<proto::Peer> {
        let peer = self.0.peers.get_even_invisible(name)?;
        let own = peer.certificate.as_ref()?.fingerprint();
        (own.as_bytes() == key).then(|| proto::Peer {
            endpoints: Vec::new(),
            status: proto::PeerStatus::Unspecified.into(),
            status_since: None,
            ..(&peer).into()
        })
    }

    fn listed(
        &self,
        request: Request<proto::ListPeersRequest>,
    ) -> Result<proto::ListPeersResponse> {
        let caller = auth::caller(request.extensions())?;
        self.0.may_read(request.extensions(), &caller)?;
        let asked = request.into_inner();
        let size = paging::page_size(asked.page_size, DEFAULT_PAGE, MAX_PAGE)?;
        let status = wire::peer_status("status", asked.status)?;
        let members: Option<HashSet<Name>> = match asked.room.as_str() {
            "" => None,
            room => {
                let room = wire::room_name("room", room)?;
                Some(self.0.sessions.members(&room).into_iter().collect())
            }
        };
        let filters = [&asked.room, &asked.name_prefix, &asked.status.to_string()];
        let filters = filters.map(String::as_str);
        let after = paging::parse_token(&filters, &asked.page_token)?
            .map(|last| wire::name("page_token", &last))
            .transpose()?;
        // One more than asked for tells whether there is another page.
        let peers = self.0.peers.list(after.as_ref(), size + 1, |peer| {
            peer.name.as_str().starts_with(&asked.name_prefix)
                && status.is_none_or(|status| peer.status == status)
                && members.as_ref().is_none_or(|members| members.contains(&peer.name))
        });
        let mut peers: Vec<proto::Peer> = peers.iter().map(Into::into).collect();
        let page = peers::fitting(&peers).min(size);
        let more = peers.len() > page;
        peers.truncate(page);
        let last = peers.last().filter(|_| more);
        Ok(proto::ListPeersResponse {
            next_page_token: last
                .map(|peer| paging::token(&filters, &peer.name))
                .unwrap_or_default(),
            peers,
        })
    }

    async fn checked(
        &self,
        request: Request<proto::CheckEndpointsRequest>,
    ) -> Result<proto::CheckEndpointsResponse> {
        let received_at = Timestamp::now();
        let state = &self.0;
        let caller = auth::caller(request.extensions())?;
        let remote = PeerInfo::of(request.extensions()).map(|info| info.remote);
        state.gates.dial_back(state.gates.origin(request.extensions()), &caller.peer)?;
        let session = state.peers.session(&caller.peer, caller.session);
        let session = session.ok_or(RequestError::SessionEnded)?;
        let checks = state.dial_backs.check(&session, remote.map(|address| address.ip())).await?;
        Ok(proto::CheckEndpointsResponse {
            checks,
            observed: remote.map(|address| (&Endpoint::from(address)).into()),
            received_at: Some(wire::to_timestamp(received_at)),
            now: Some(wire::to_timestamp(Timestamp::now())),
        })
    }
}

/// The endpoints that others can dial: "every address of this machine" becomes the one that the
/// hub sees.
fn reachable(endpoints: Vec<Endpoint>, observed: Option<SocketAddr>) -> Vec<Endpoint> {
    let seen = |endpoint: Endpoint| match observed {
        _ if !endpoint.is_unspecified() => Some(endpoint),
        Some(address) => Some(SocketAddr::new(address.ip(), endpoint.port()).into()),
        None => None,
    };
    endpoints.into_iter().filter_map(seen).collect()
}
