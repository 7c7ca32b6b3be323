//! What all handlers of a hub share.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    auth,
    dial_back::DialBacks,
    fanout::StreamQueue,
    jwt::Issuer,
    metrics::Metrics,
    options::Admission,
    peers::Peers,
    rates::RateLimits,
    rooms::Rooms,
    sessions::{Caller, Sessions, StreamGuard},
    turns::Turns,
};
use crate::{
    error::Result,
    model::{Certificate, Name},
    storage::{Directory, MessageLog, NameRegistry, Session, SessionId, SessionListener},
};

pub(crate) struct HubState {
    pub(super) log: Arc<dyn MessageLog>,
    /// Of reads of the log and the lists, and of searches.
    pub(super) reads: Arc<Turns>,
    pub(super) searches: Arc<Turns>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) names: Arc<dyn NameRegistry>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) peers: Arc<Peers>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) lease: Duration,
    pub(super) admission: Admission,
    pub(super) issuer: Option<Issuer>,
    /// Of the hub's own key; `None`: its certificate comes from an authority.
    pub(super) certificate: Option<Certificate>,
    pub(super) rate_limits: Arc<RateLimits>,
    pub(super) dial_backs: DialBacks,
    pub(super) metrics: Metrics,
}

impl fmt::Debug for HubState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubState").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl HubState {
    /// Returns the peer that makes the call, and counts a read against its rate. Errors as
    /// [`auth::caller`]; also [`RateLimited`](crate::error::RequestError::RateLimited).
    pub(super) fn count_read(&self, extensions: &tonic::Extensions) -> Result<Name> {
        let caller = auth::caller(extensions)?;
        self.rate_limits.read(self.rate_limits.origin(extensions), &caller.peer)?;
        Ok(caller.peer)
    }

    /// Adds a stream to the caller's session. The session does not expire while it has one. Errors
    /// as [`Sessions::open_stream`].
    pub(super) async fn open_stream(
        &self,
        caller: &Caller,
        queue: &Arc<StreamQueue>,
    ) -> Result<StreamGuard> {
        let guard = self.sessions.open_stream(caller.session, queue.clone())?;
        self.directory.renew(caller.session, self.lease).await?;
        Ok(guard)
    }
}

/// Keeps the tables of sessions and of peers in step with the directory.
#[derive(Debug)]
pub(super) struct SessionTables {
    pub(super) sessions: Arc<Sessions>,
    pub(super) peers: Arc<Peers>,
}

impl SessionListener for SessionTables {
    fn put(&self, session: Session) {
        self.sessions.measure(&session);
        self.peers.put(session);
    }

    fn gone(&self, id: SessionId, peer: &Name) {
        self.peers.remove(id, peer);
        self.sessions.remove(id);
    }
}
