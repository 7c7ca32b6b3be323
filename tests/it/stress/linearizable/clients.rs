//! Clients that post, list and subscribe while their hub is killed, and record each call.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use chinwag::proto::{
    ListMessagesRequest, Message, Position, RegisterRequest, SubscribeRequest, SubscribeResponse,
    join::Start, subscribe_response::Event,
};
use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};

use super::calls::{Call, Entry, Kind};
use crate::support::{
    peer::{Session, named, new_id, post, register_lazily},
    room::join,
    within::{PATIENCE, within},
};

const ROOMS: [&str; 3] = ["ash", "elm", "oak"];

/// Clients of each room that post.
const POSTERS: usize = 3;

/// Acknowledged posts between two lists of a client.
const POSTS_PER_LIST: usize = 5;

/// The largest page. No room gets as many messages.
const PAGE: i32 = 1000;

/// Clients at work.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    posters: JoinSet<()>,
    listers: JoinSet<()>,
    subscribers: JoinSet<()>,
}

struct Shared {
    hub: SocketAddr,
    began: Instant,
    calls: Mutex<Vec<Call>>,
    acknowledged: watch::Sender<usize>,
    /// How often the hub was started.
    starts: watch::Sender<usize>,
    /// Cancelled when nobody posts any more.
    over: CancellationToken,
    /// The last seq of each room, once nobody posts any more.
    ends: watch::Sender<HashMap<&'static str, u64>>,
}

impl Clients {
    pub(crate) fn start(hub: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            hub,
            began: Instant::now(),
            calls: Mutex::default(),
            acknowledged: watch::Sender::default(),
            starts: watch::Sender::new(1),
            over: CancellationToken::new(),
            ends: watch::Sender::default(),
        });
        let [mut posters, mut listers, mut subscribers] = [(); 3].map(|()| JoinSet::new());
        let mut numbers = 0..;
        let mut client = |room| Client::new(numbers.next().unwrap(), room, &shared);
        for room in ROOMS {
            for _ in 0..POSTERS {
                posters.spawn(client(room).keep_posting());
            }
            listers.spawn(client(room).keep_listing());
            subscribers.spawn(client(room).keep_subscribing());
        }
        Self { shared, posters, listers, subscribers }
    }

    /// Waits until `more` further posts are acknowledged.
    pub(crate) async fn acknowledged(&self, more: usize) {
        let mut count = self.shared.acknowledged.subscribe();
        let goal = *count.borrow() + more;
        let reached = count.wait_for(|&acknowledged| acknowledged >= goal);
        within(PATIENCE, "the acknowledgement of posts", reached).await.unwrap();
    }

    pub(crate) fn hub_is_back(&self) {
        self.shared.starts.send_modify(|starts| *starts += 1);
    }

    /// Stops the posts, and lets the others read what is left. Returns all calls, a list after all
    /// posts last.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.shared.over.cancel();
        within(PATIENCE, "the last posts", self.posters.join_all()).await;
        within(PATIENCE, "the last lists", self.listers.join_all()).await;
        for (number, room) in (1000..).zip(ROOMS) {
            let end = Client::new(number, room, &self.shared).list().await.unwrap();
            self.shared.ends.send_modify(|ends| ends.extend([(room, end)]));
        }
        within(PATIENCE, "the last deliveries", self.subscribers.join_all()).await;
        std::mem::take(&mut *self.shared.calls.lock())
    }
}

struct Client {
    number: usize,
    room: &'static str,
    shared: Arc<Shared>,
    /// The number of the hub's start that this client last registered with, or tried to.
    start: usize,
    session: Option<Session>,
    /// Makes the session a member of the room, as a post requires.
    membership: Option<Streaming<SubscribeResponse>>,
}

impl Client {
    fn new(number: usize, room: &'static str, shared: &Arc<Shared>) -> Self {
        Self { number, room, shared: shared.clone(), start: 0, session: None, membership: None }
    }

    async fn keep_posting(mut self) {
        let mut repeat = false;
        while !self.shared.over.is_cancelled() {
            let id = new_id();
            let answered = self.post(&id).await;
            // Of the posts without an answer, every second is repeated.
            if !answered {
                repeat = !repeat;
                while repeat && !self.post(&id).await {}
            }
        }
    }

    async fn keep_listing(mut self) {
        let mut acknowledged = self.shared.acknowledged.subscribe();
        while !self.shared.over.is_cancelled() {
            let goal = *acknowledged.borrow() + POSTS_PER_LIST;
            self.list().await;
            tokio::select! {
                () = self.shared.over.cancelled() => {}
                _ = acknowledged.wait_for(|count| *count >= goal) => {}
            }
        }
    }

    async fn keep_subscribing(mut self) {
        let mut position = None;
        while let Err(status) = self.subscribe(&mut position).await {
            self.lost(&status);
        }
    }

    /// Returns whether the hub has answered.
    async fn post(&mut self, id: &str) -> bool {
        let session = self.session().await;
        let request = post(self.room, id, "text");
        let begin = self.now();
        let answer = within(PATIENCE, "Post", session.broadcast().post(request)).await;
        let end = answer.is_ok().then(|| self.now());
        let seq = answer.as_ref().map_or(0, |posted| posted.get_ref().position.unwrap().seq);
        self.record(Kind::Post, begin, end, 0, vec![Entry { id: id.to_owned(), seq }]);
        match answer {
            Ok(_) => self.shared.acknowledged.send_modify(|count| *count += 1),
            Err(status) => self.lost(&status),
        }
        end.is_some()
    }

    /// Returns the last seq, if the hub has answered.
    async fn list(&mut self) -> Option<u64> {
        let session = self.session().await;
        let request = ListMessagesRequest {
            room: self.room.into(),
            page_size: PAGE,
            forward: true,
            ..Default::default()
        };
        let begin = self.now();
        match within(PATIENCE, "a list", session.broadcast().list_messages(request)).await {
            Ok(page) => {
                let end = Some(self.now());
                let page = page.into_inner();
                assert_eq!(page.next_page_token, "", "a page is not the whole log");
                let entries: Vec<_> = page.messages.into_iter().map(entry).collect();
                let last = entries.last().map_or(0, |entry| entry.seq);
                assert_eq!(page.head.unwrap().seq, last, "the head is not that of the page");
                self.record(Kind::List, begin, end, 0, entries);
                Some(last)
            }
            Err(status) => {
                self.lost(&status);
                None
            }
        }
    }

    /// Subscribes from a position until the end of the room.
    async fn subscribe(&mut self, position: &mut Option<Position>) -> Result<(), Status> {
        let session = self.session().await;
        let joins = vec![join(self.room, position.map(Start::After))];
        let mut broadcast = session.broadcast();
        let call = broadcast.subscribe(SubscribeRequest { joins });
        let mut events = within(PATIENCE, "Subscribe", call).await?.into_inner();
        let mut ends = self.shared.ends.subscribe();
        while ends.borrow().get(self.room).is_none_or(|end| position.is_none_or(|p| p.seq < *end)) {
            let event = tokio::select! {
                event = events.message() => event?.expect("the stream has ended").event.unwrap(),
                Ok(()) = ends.changed() => continue,
            };
            match event {
                Event::Joined(joined) => *position = joined.position,
                Event::Message(message) => {
                    let (now, prev) = (self.now(), position.unwrap().seq);
                    *position = message.position;
                    self.record(Kind::Deliver, now, Some(now), prev, vec![entry(message)]);
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    }

    /// Returns the session. Registers once with each start of the hub.
    async fn session(&mut self) -> Session {
        let mut starts = self.shared.starts.subscribe();
        loop {
            if let Some(session) = &self.session {
                return session.clone();
            }
            let started = starts.wait_for(|start| *start > self.start);
            self.start = *within(PATIENCE, "the next start of the hub", started).await.unwrap();
            let request = named(&format!("client-{}", self.number));
            if let Err(status) = self.enter(request).await {
                self.lost(&status);
            }
        }
    }

    async fn enter(&mut self, request: RegisterRequest) -> Result<(), Status> {
        let session = register_lazily(self.shared.hub, request).await?;
        let joins = vec![join(self.room, None)];
        let mut broadcast = session.broadcast();
        let call = broadcast.subscribe(SubscribeRequest { joins });
        self.membership = Some(within(PATIENCE, "a membership", call).await?.into_inner());
        self.session = Some(session);
        Ok(())
    }

    /// Takes note that the hub was killed. Panics if it has refused a call instead.
    fn lost(&mut self, status: &Status) {
        // Of the last two, the first is a call whose connection ended before it was sent, the second
        // one with a session of the killed hub.
        let codes = [
            Code::Unavailable,
            Code::Unknown,
            Code::Internal,
            Code::Cancelled,
            Code::Unauthenticated,
        ];
        assert!(codes.contains(&status.code()), "{status:?}");
        self.session = None;
    }

    fn now(&self) -> i64 {
        self.shared.began.elapsed().as_nanos().try_into().unwrap()
    }

    fn record(&self, kind: Kind, begin: i64, end: Option<i64>, prev: u64, entries: Vec<Entry>) {
        let room = self.room.to_owned();
        let call = Call { client: self.number, room, kind, begin, end, prev, entries };
        self.shared.calls.lock().push(call);
    }
}

fn entry(message: Message) -> Entry {
    Entry { id: message.id, seq: message.position.unwrap().seq }
}
