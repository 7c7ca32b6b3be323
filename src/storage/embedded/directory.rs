//! Sessions and leases in memory.
//!
//! The listener is called while the state is locked, so that it sees changes in their order. It
//! must not call back.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tonic::async_trait;

use crate::{
    error::{RequestError, Result},
    model::Name,
    storage::{Directory, Owner, Session, SessionClaim, SessionId, SessionListener, SessionUpdate},
};

/// Sessions per peer: all devices and scripts of a person.
const MAX_SESSIONS: usize = 32;

/// A session and when its lease ends.
struct Lease {
    session: Session,
    ends_at: Instant,
}

/// A name and the sessions that hold it.
struct HeldName {
    name: Name,
    sessions: Vec<SessionId>,
}

#[derive(Default)]
struct DirectoryState {
    leases: HashMap<SessionId, Lease>,
    /// By likeness: a name that looks like a held one is refused too.
    holders: HashMap<String, Vec<HeldName>>,
    ends: BTreeSet<(Instant, SessionId)>,
}

struct DirectoryInner {
    state: Mutex<DirectoryState>,
    listener: Arc<dyn SessionListener>,
    /// Notified when the earliest lease may have changed.
    sooner: Notify,
}

/// A [`Directory`] for one hub, in memory.
pub struct EmbeddedDirectory {
    inner: Arc<DirectoryInner>,
    _expiry: JoinSet<()>,
}

impl EmbeddedDirectory {
    /// Creates an empty directory. Call it within a runtime, where the expiry of leases runs.
    pub fn new(listener: Arc<dyn SessionListener>) -> Self {
        let inner =
            Arc::new(DirectoryInner { state: Mutex::default(), listener, sooner: Notify::new() });
        let mut expiry = JoinSet::new();
        expiry.spawn(expire(inner.clone()));
        Self { inner, _expiry: expiry }
    }
}

#[async_trait]
impl Directory for EmbeddedDirectory {
    async fn check(&self, session: &Session, claim: &SessionClaim) -> Result<()> {
        self.inner.state.lock().admit(session, claim).map(drop)
    }

    async fn claim(&self, session: Session, claim: SessionClaim) -> Result<()> {
        let mut state = self.inner.state.lock();
        let replaces = state.admit(&session, &claim)?;
        let (id, name) = (session.id, session.peer.clone());
        let ends_at = Instant::now() + claim.lease;
        state.leases.insert(id, Lease { session: session.clone(), ends_at });
        state.ends.insert((ends_at, id));
        let alike = state.holders.entry(name.likeness()).or_default();
        match alike.iter_mut().find(|holder| holder.name == name) {
            Some(holder) => holder.sessions.push(id),
            None => alike.push(HeldName { name, sessions: vec![id] }),
        }
        self.inner.listener.put(session);
        if let Some(replaced) = replaces {
            self.inner.end(&mut state, replaced);
        }
        self.inner.sooner.notify_one();
        Ok(())
    }

    async fn renew(&self, id: SessionId, lease: Duration) -> Result<()> {
        let mut state = self.inner.state.lock();
        let ends_at = Instant::now() + lease;
        let renewed = state.leases.get_mut(&id).ok_or(RequestError::SessionEnded)?;
        let before = std::mem::replace(&mut renewed.ends_at, ends_at);
        state.ends.remove(&(before, id));
        state.ends.insert((ends_at, id));
        if ends_at < before {
            self.inner.sooner.notify_one();
        }
        Ok(())
    }

    async fn update(&self, id: SessionId, change: SessionUpdate) -> Result<()> {
        let mut state = self.inner.state.lock();
        let session = &mut state.leases.get_mut(&id).ok_or(RequestError::SessionEnded)?.session;
        // Repeating a status does not renew its time.
        if let Some(status) = change.status.filter(|status| *status != session.status) {
            (session.status, session.status_since) = (status, Timestamp::now());
        }
        if let Some(endpoints) = change.endpoints {
            session.endpoints = endpoints;
        }
        let session = session.clone();
        self.inner.listener.put(session);
        Ok(())
    }

    async fn release(&self, id: SessionId) -> Result<()> {
        self.inner.end(&mut self.inner.state.lock(), id);
        Ok(())
    }
}

impl DirectoryInner {
    fn end(&self, state: &mut DirectoryState, id: SessionId) {
        let Some(Lease { session, ends_at }) = state.leases.remove(&id) else { return };
        state.ends.remove(&(ends_at, id));
        let likeness = session.peer.likeness();
        if let Some(alike) = state.holders.get_mut(&likeness) {
            alike.iter_mut().for_each(|holder| holder.sessions.retain(|&held| held != id));
            alike.retain(|holder| !holder.sessions.is_empty());
            if alike.is_empty() {
                state.holders.remove(&likeness);
            }
        }
        self.listener.gone(id, &session.peer);
    }

    /// Ends the leases that are over, and returns when the next one ends.
    fn end_due(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        loop {
            let (ends_at, id) = *state.ends.first()?;
            if ends_at > Instant::now() {
                return Some(ends_at);
            }
            self.end(&mut state, id);
        }
    }
}

impl DirectoryState {
    /// Checks that a session may begin, and returns the one that it replaces.
    fn admit(&self, session: &Session, claim: &SessionClaim) -> Result<Option<SessionId>> {
        let is_own = |id: Option<SessionId>| {
            id.filter(|id| {
                self.leases.get(id).is_some_and(|lease| lease.session.peer == session.peer)
            })
        };
        let (beside, replaces) = (is_own(claim.beside), is_own(claim.replaces));
        let alike = self.holders.get(&session.peer.likeness()).map_or(&[][..], Vec::as_slice);
        let Some(holder) = alike.iter().find(|holder| holder.name == session.peer) else {
            // Names with owners that look alike are from a time before the rule: the registry decides.
            let is_owned =
                |holder: &HeldName| holder.sessions.iter().all(|&id| self.owner(id).is_some());
            let refused = alike.iter().find(|holder| session.owner.is_none() || !is_owned(holder));
            return match refused {
                Some(holder) => Err(RequestError::taken(&session.peer, holder.name.clone())),
                None => Ok(None),
            };
        };
        let is_same_owner = session.owner.is_some()
            && holder.sessions.iter().any(|id| self.owner(*id) == session.owner.as_ref());
        if beside.is_none() && replaces.is_none() && !is_same_owner {
            return Err(RequestError::taken(&session.peer, holder.name.clone()));
        }
        if holder.sessions.len() >= MAX_SESSIONS && replaces.is_none() {
            let what = format!("a peer may have {MAX_SESSIONS} sessions");
            return Err(RequestError::LimitReached { what, retry_after: Some(claim.lease) });
        }
        Ok(replaces)
    }

    fn owner(&self, id: SessionId) -> Option<&Owner> {
        self.leases.get(&id).and_then(|lease| lease.session.owner.as_ref())
    }
}

async fn expire(inner: Arc<DirectoryInner>) {
    loop {
        match inner.end_due() {
            Some(next) => {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = inner.sooner.notified() => {}
                }
            }
            None => inner.sooner.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::model::PeerStatus;

    const LEASE: Duration = Duration::from_secs(30);

    /// Passes its calls on.
    struct Recorder(mpsc::UnboundedSender<(&'static str, SessionId)>);

    impl SessionListener for Recorder {
        fn put(&self, session: Session) {
            self.0.send(("put", session.id)).unwrap();
        }

        fn gone(&self, id: SessionId, _peer: &Name) {
            self.0.send(("gone", id)).unwrap();
        }
    }

    type Recorded = mpsc::UnboundedReceiver<(&'static str, SessionId)>;

    fn directory() -> (EmbeddedDirectory, Recorded) {
        let (tx, rx) = mpsc::unbounded_channel();
        (EmbeddedDirectory::new(Arc::new(Recorder(tx))), rx)
    }

    fn session(name: &str) -> Session {
        Session {
            id: SessionId::new(),
            peer: Name::parse(name).unwrap(),
            endpoints: vec![],
            status: PeerStatus::Online,
            began_at: Timestamp::UNIX_EPOCH,
            status_since: Timestamp::UNIX_EPOCH,
            owner: None,
        }
    }

    fn alone() -> SessionClaim {
        SessionClaim { lease: LEASE, beside: None, replaces: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_without_renewal() {
        let (directory, mut events) = directory();
        let alice = session("alice");
        directory.claim(alice.clone(), alone()).await.unwrap();
        tokio::time::advance(LEASE / 2).await;
        directory.renew(alice.id, LEASE).await.unwrap();
        tokio::time::advance(LEASE - Duration::from_millis(10)).await;
        assert_eq!(events.recv().await, Some(("put", alice.id)));
        assert!(events.try_recv().is_err(), "the renewed lease is alive");
        let before = Instant::now();
        assert_eq!(events.recv().await, Some(("gone", alice.id)));
        assert!(before.elapsed() < Duration::from_millis(20));
        assert!(matches!(directory.renew(alice.id, LEASE).await, Err(RequestError::SessionEnded)));
        directory.claim(session("alice"), alone()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn renewing_can_shorten_a_lease() {
        let (directory, mut events) = directory();
        let alice = session("alice");
        directory.claim(alice.clone(), alone()).await.unwrap();
        events.recv().await;
        tokio::task::yield_now().await;
        let before = Instant::now();
        directory.renew(alice.id, LEASE / 3).await.unwrap();
        assert_eq!(events.recv().await, Some(("gone", alice.id)));
        assert!(before.elapsed() < LEASE / 2);
    }

    #[tokio::test]
    async fn a_held_name_and_similar_names_are_refused() {
        let (directory, _told) = directory();
        directory.claim(session("alice"), alone()).await.unwrap();
        let refused = directory.claim(session("ALICE"), alone()).await;
        assert!(matches!(refused, Err(RequestError::NameTaken(_))), "{refused:?}");
        let cyrillic = directory.claim(session("аlice"), alone()).await;
        assert!(matches!(cyrillic, Err(RequestError::NameConfusable { .. })), "{cyrillic:?}");
    }

    #[tokio::test]
    async fn a_session_of_the_name_admits_another_one() {
        let (directory, _told) = directory();
        let (first, second, bob) = (session("alice"), session("alice"), session("bob"));
        directory.claim(first.clone(), alone()).await.unwrap();
        directory.claim(bob.clone(), alone()).await.unwrap();
        let beside = |id| SessionClaim { beside: Some(id), ..alone() };
        let refused = directory.claim(second.clone(), beside(bob.id)).await;
        assert!(matches!(refused, Err(RequestError::NameTaken(_))), "bob's session is not alice's");
        directory.claim(second.clone(), beside(first.id)).await.unwrap();
        directory.release(first.id).await.unwrap();
        let refused = directory.claim(session("alice"), alone()).await;
        assert!(matches!(refused, Err(RequestError::NameTaken(_))), "the second session holds it");
        directory.release(second.id).await.unwrap();
        directory.claim(session("alice"), alone()).await.unwrap();
    }

    #[tokio::test]
    async fn an_owner_needs_no_token() {
        let (directory, _told) = directory();
        let of = |token: &str| Session { owner: Some(Owner::bot(token)), ..session("alice") };
        directory.claim(of("hers"), alone()).await.unwrap();
        directory.check(&of("hers"), &alone()).await.unwrap();
        directory.claim(of("hers"), alone()).await.unwrap();
        for other in [of("his"), session("alice")] {
            let refused = directory.claim(other, alone()).await;
            assert!(matches!(refused, Err(RequestError::NameTaken(_))), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn owners_of_names_that_look_alike_can_be_there_at_once() {
        let (directory, _told) = directory();
        let of =
            |name: &str, token: &str| Session { owner: Some(Owner::bot(token)), ..session(name) };
        let hers = of("alice", "hers");
        directory.claim(hers.clone(), alone()).await.unwrap();
        let guest = directory.claim(session("alice_"), alone()).await;
        assert!(matches!(guest, Err(RequestError::NameConfusable { .. })), "{guest:?}");
        let his = of("alice_", "his");
        directory.claim(his.clone(), alone()).await.unwrap();
        let taken = directory.claim(of("alice_", "hers"), alone()).await;
        assert!(matches!(taken, Err(RequestError::NameTaken(_))), "{taken:?}");
        directory.release(hers.id).await.unwrap();
        directory.claim(of("alice_", "his"), alone()).await.unwrap();
        directory.release(his.id).await.unwrap();

        directory.claim(session("bob"), alone()).await.unwrap();
        let owner = directory.claim(of("bob.", "his"), alone()).await;
        assert!(matches!(owner, Err(RequestError::NameConfusable { .. })), "a guest was first");
    }

    #[tokio::test]
    async fn a_stale_release_removes_nothing_newer() {
        let (directory, mut events) = directory();
        let (stale, fresh) = (session("alice"), session("alice"));
        directory.claim(stale.clone(), alone()).await.unwrap();
        let takeover = SessionClaim { replaces: Some(stale.id), ..alone() };
        directory.claim(fresh.clone(), takeover).await.unwrap();
        directory.release(stale.id).await.unwrap();
        directory.renew(fresh.id, LEASE).await.unwrap();
        let mut seen = Vec::new();
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        assert_eq!(seen, [("put", stale.id), ("put", fresh.id), ("gone", stale.id)]);
    }
}
