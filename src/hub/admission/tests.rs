//! Tests of who is let in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use jiff::Timestamp;
use tonic::async_trait;

use super::*;
use crate::{
    error::SystemError,
    hub::{
        Hub, HubOptions,
        fanout::{EventStream, StreamCommand, StreamQueue},
        peers::Peers,
        state::SessionTables,
    },
    identity::Identity,
    model::RoomName,
    storage::{
        OwnerId,
        embedded::{EmbeddedDirectory, Store},
    },
    transport::Budget,
};

/// A registry that expels everybody, reports no changes, and fails at first.
#[derive(Debug, Default)]
struct FailingNames(AtomicUsize);

#[async_trait]
impl NameRegistry for FailingNames {
    async fn claim(&self, _: &Name, _: &OwnerId, _: NameClaim) -> Result<()> {
        Ok(())
    }

    async fn check_free(&self, _: &Name) -> Result<()> {
        Ok(())
    }

    async fn find(&self, _: &OwnerId) -> Result<Membership> {
        Ok(Membership::Unknown)
    }

    async fn renamed(&self, _: &Name, _: &OwnerId) -> Result<Option<Name>> {
        Ok(None)
    }

    async fn expelled(&self, holders: Vec<NameHolder>) -> Result<Vec<SessionId>> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err(RequestError::StoreUnavailable(Arc::new(SystemError::new("not now")))),
            _ => Ok(holders.into_iter().map(|holder| holder.session).collect()),
        }
    }

    async fn expire(&self, _: Vec<NameHolder>, _: u32, _: Option<Duration>) -> Result<usize> {
        Ok(0)
    }

    async fn changed(&self) {
        std::future::pending().await
    }
}

fn session(name: &str, owner: Owner) -> Session {
    Session {
        id: SessionId::new(),
        peer: Name::parse(name).unwrap(),
        endpoints: Vec::new(),
        status: Default::default(),
        began_at: Timestamp::now(),
        status_since: Timestamp::now(),
        owner: Some(owner),
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_is_not_lost() {
    let sessions = Sessions::new(1, Budget::default().pool(1));
    let tables = SessionTables { sessions: sessions.clone(), peers: Peers::new(1) };
    let directory = EmbeddedDirectory::new(Arc::new(tables));
    let session = session("mallory", Owner::bot("mallory"));
    let (id, peer, owner) = (session.id, session.peer.clone(), session.owner.clone());
    let lease = 10 * CHECK_INTERVAL;
    let pending = sessions.begin(Caller { session: id, peer, owner, key: None }, lease);
    pending.unwrap().commit();
    let claim = SessionClaim { lease, beside: None, replaces: None };
    directory.claim(session, claim).await.unwrap();
    let names = FailingNames::default();
    let began = tokio::time::Instant::now();
    tokio::select! {
        () = watch_names(&names, &sessions, &directory) => {}
        () = sessions.wait_for_count(|count| *count == 0) => {}
    }
    assert_eq!(began.elapsed(), CHECK_INTERVAL + RETRY);
}

#[test]
fn sessions_have_a_share_of_the_memory() {
    let memory = Budget::new(8 * 1024);
    let sessions = Sessions::new(1_000, memory.pool(1));
    let begin = |name: &str| {
        let key = Owner::key(Identity::generate().unwrap().certificate().clone());
        let session = session(name, key);
        let (id, peer, owner) = (session.id, session.peer.clone(), session.owner.clone());
        let caller = Caller { session: id, peer, owner, key: None };
        sessions.begin(caller, CHECK_INTERVAL).map(|pending| {
            pending.commit();
            sessions.measure(&session);
            id
        })
    };
    let mut all = Vec::new();
    let refused = loop {
        match begin("alice") {
            Ok(id) => all.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, RequestError::LimitReached { .. }), "{refused}");
    assert!((2..=4).contains(&all.len()), "{} sessions", all.len());
    sessions.remove(all[0]);
    begin("bob").unwrap();
    all.iter().for_each(|id| sessions.remove(*id));
    assert!(memory.held() < 4 * 1024);
}

#[tokio::test]
async fn a_full_hub_refuses_a_newcomer_and_their_name_stays_free() {
    let options = HubOptions { max_sessions: 1, ..HubOptions::new(Store::Memory) };
    let hub = Hub::new(options).await.unwrap();
    let [alice, bob, carol] =
        [(); 3].map(|()| Owner::key(Identity::generate().unwrap().certificate().clone()));
    let register = async |name, owner: &Owner| {
        let session = session(name, owner.clone());
        let owner = session.owner.clone();
        let newcomer = Newcomer { owner, beside: None, only: None, vouched: false };
        let id = session.id;
        let extensions = Extensions::new();
        register(&hub.state, &extensions, newcomer, session, None, None).await.map(|_| id)
    };
    let first = register("alice", &alice).await.unwrap();
    let refused = register("bob", &bob).await.unwrap_err();
    assert!(
        matches!(refused, RequestError::LimitReached { retry_after: Some(_), .. }),
        "{refused}"
    );
    assert_eq!(hub.state.sessions.counts().0, 1);
    assert_eq!(hub.state.names.find(bob.id()).await.unwrap(), Membership::Unknown);

    // A refused name takes no place either.
    hub.state.directory.release(first).await.unwrap();
    let refused = register("alice", &bob).await.unwrap_err();
    assert!(matches!(refused, RequestError::NameTaken(_)), "{refused}");
    assert_eq!(hub.state.sessions.counts().0, 0);
    register("bob", &carol).await.unwrap();
}

/// A client would repeat a post without an answer under the new name, as another message.
#[tokio::test]
async fn a_renamed_session_gets_its_answers_before_the_goodbye() {
    let sessions = Sessions::new(1, Budget::default().pool(1));
    let Session { id, peer, owner, .. } = session("alice", Owner::bot("alice"));
    let now = Name::parse("alicia").unwrap();
    let caller = Caller { session: id, peer, owner, key: None };
    sessions.begin(caller, CHECK_INTERVAL).unwrap().commit();
    let queue = StreamQueue::new(None);
    let guard = sessions.open_stream(id, queue.clone()).unwrap();
    let mut body = EventStream::new(queue.clone(), guard);
    queue.admit().await;
    let renamed = RequestError::Renamed { now };
    let answered = async {
        queue.push(StreamCommand::Answer(Bytes::from_static(b"posted")));
        let [first, last] = [body.frame().await, body.frame().await]
            .map(|frame| frame.unwrap().unwrap().into_data().unwrap());
        assert_eq!(first, "posted");
        assert!(String::from_utf8_lossy(&last).contains("NAME_CHANGED"), "{last:?}");
    };
    tokio::join!(sessions.end_streams(id, &renamed), answered);
}

/// Its owner has no name yet, so that a check would find it without a right to its name, and end
/// it once it is complete.
#[test]
fn a_pending_session_is_not_checked_for_its_name() {
    let sessions = Sessions::new(1, Budget::default().pool(1));
    let session = session("alice", Owner::bot("alice"));
    let Session { id, peer, owner, .. } = session;
    let caller = Caller { session: id, peer, owner, key: None };
    let pending = sessions.begin(caller, CHECK_INTERVAL).unwrap();
    assert!(sessions.holders().is_empty());
    // Nor is anybody told of it, or a hub kept from its exit when idle.
    let lobby = RoomName::lobby();
    assert_eq!((sessions.counts().0, sessions.members(&lobby).len()), (0, 0));
    pending.commit();
    assert_eq!(sessions.holders().len(), 1);
    assert_eq!((sessions.counts().0, sessions.members(&lobby).len()), (1, 1));
    sessions.remove(id);
    assert_eq!(sessions.counts().0, 0);
}
