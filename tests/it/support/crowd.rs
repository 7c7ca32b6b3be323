//! Clients that post without pause while their hub crashes and restarts, with a record of
//! acknowledged and received messages.

use std::{
    collections::{HashMap, VecDeque},
    future::{poll_fn, ready},
    net::SocketAddr,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use chinwag::{
    client::{Client, ClientOptions, Connection, Event, Events, Result},
    model::{Message, MessageId, Name, Posted, RoomName, Start, Text},
};
use tokio::{
    sync::watch,
    task::{JoinSet, unconstrained},
};
use tokio_util::sync::CancellationToken;

use crate::support::within::{PATIENCE, within};

/// Unacknowledged posts of one member at a time.
const UNDER_WAY: usize = 4;

/// The time limit for the crowd to reconnect, send its final posts and receive all messages.
const CROWD_PATIENCE: Duration = Duration::from_secs(120);

/// The rooms that all members join and post to.
pub(crate) fn rooms() -> [RoomName; 2] {
    [RoomName::lobby(), RoomName::parse("den").unwrap()]
}

/// A crowd that is posting.
#[derive(Debug)]
pub(crate) struct Crowd {
    members: Vec<Client>,
    acknowledged: watch::Sender<usize>,
    /// Cancelled when members must send their final posts.
    over: CancellationToken,
    /// The last position of each room, once known.
    ends: watch::Sender<Option<HashMap<RoomName, u64>>>,
    speakers: JoinSet<Result<Vec<Posted>>>,
    listeners: JoinSet<Heard>,
}

/// The messages that a member received.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The seq and id of the messages of each room, in the order of arrival.
    pub(crate) rooms: HashMap<RoomName, Vec<(u64, MessageId)>>,
    /// Violations that the member observed.
    pub(crate) complaints: Vec<String>,
    /// The number of reconnections.
    pub(crate) returns: usize,
}

impl Crowd {
    /// Starts `members` members, which join all rooms (still empty) and start to post.
    pub(crate) async fn gather(hub: SocketAddr, members: usize, text_bytes: usize) -> Self {
        let mut arrivals = JoinSet::new();
        for i in 0..members {
            arrivals.spawn(enter(hub, format!("member-{i}")));
        }
        let arrived = within(CROWD_PATIENCE, "the crowd's arrival", arrivals.join_all()).await;
        let (members, events): (Vec<_>, Vec<_>) = arrived.into_iter().unzip();
        let mut crowd = Self {
            members,
            acknowledged: watch::Sender::default(),
            over: CancellationToken::new(),
            ends: watch::Sender::default(),
            speakers: JoinSet::new(),
            listeners: JoinSet::new(),
        };
        for (client, events) in crowd.members.iter().zip(events) {
            let (acknowledged, over) = (crowd.acknowledged.clone(), crowd.over.clone());
            crowd.speakers.spawn(speak(client.clone(), text_bytes, acknowledged, over));
            crowd.listeners.spawn(listen(events, crowd.ends.subscribe()));
        }
        crowd
    }

    /// Waits until `more` further posts are acknowledged.
    pub(crate) async fn acknowledged(&self, more: usize) {
        let mut count = self.acknowledged.subscribe();
        let goal = *count.borrow() + more;
        let reached = count.wait_for(|&acknowledged| acknowledged >= goal);
        within(PATIENCE, "the acknowledgement of posts", reached).await.unwrap();
    }

    /// Waits until all members have reconnected.
    pub(crate) async fn complete(&self) {
        for member in &self.members {
            let mut connection = member.connection();
            let found = connection.wait_for(|now| matches!(now, Connection::Connected { .. }));
            drop(within(PATIENCE, "the return of everybody", found).await.unwrap());
        }
    }

    /// Stops the crowd after one final post of each member. Returns each member's acknowledged
    /// posts.
    pub(crate) async fn fall_silent(&mut self) -> Vec<Vec<Posted>> {
        self.over.cancel();
        let speakers = std::mem::take(&mut self.speakers);
        let said = within(CROWD_PATIENCE, "the last words", speakers.join_all()).await;
        said.into_iter().map(Result::unwrap).collect()
    }

    /// Waits until each member has received everything up to `ends`. Returns what each received.
    pub(crate) async fn heard(self, ends: HashMap<RoomName, u64>) -> Vec<Heard> {
        self.ends.send_replace(Some(ends));
        within(CROWD_PATIENCE, "that all is heard", self.listeners.join_all()).await
    }
}

async fn enter(hub: SocketAddr, name: String) -> (Client, Events) {
    let rooms: Vec<_> = rooms().map(|room| (room, Start::Head)).into();
    let mut missing = rooms.len();
    let options = ClientOptions::new(hub.into(), Name::parse(&name).unwrap());
    let (client, mut events) = Client::start(options.rooms(rooms)).await.unwrap();
    while missing > 0 {
        if let Event::Joined { .. } = events.next().await.unwrap() {
            missing -= 1;
        }
    }
    (client, events)
}

/// Posts until `over` is cancelled, and once more afterwards.
async fn speak(
    client: Client,
    text_bytes: usize,
    acknowledged: watch::Sender<usize>,
    over: CancellationToken,
) -> Result<Vec<Posted>> {
    let mut said = Vec::new();
    let mut under_way = VecDeque::new();
    for room in rooms().iter().cycle() {
        let last = over.is_cancelled();
        let id = MessageId::new();
        let text = Text::parse(format!("{id} {:text_bytes$}", "")).unwrap();
        under_way.push_back(hand_over(client.clone(), id, room.clone(), text).await);
        while last || under_way.len() >= UNDER_WAY {
            let Some(post) = under_way.pop_front() else { return Ok(said) };
            said.push(post.await?);
            acknowledged.send_modify(|count| *count += 1);
        }
    }
    Ok(said)
}

type Post = Pin<Box<dyn Future<Output = Result<Posted>> + Send>>;

/// Starts posts; they are sent in the order of the calls.
async fn hand_over(client: Client, id: MessageId, room: RoomName, text: Text) -> Post {
    // Without `unconstrained`, tokio's cooperative budget could let a later post overtake this one.
    let post = unconstrained(async move { client.post(room, text).id(id).await });
    let mut post: Post = Box::pin(post);
    match poll_fn(|context| Poll::Ready(post.as_mut().poll(context))).await {
        Poll::Ready(posted) => Box::pin(ready(posted)),
        Poll::Pending => post,
    }
}

async fn listen(
    mut events: Events,
    mut ends: watch::Receiver<Option<HashMap<RoomName, u64>>>,
) -> Heard {
    let mut heard = Heard::default();
    while !ends.borrow().as_ref().is_some_and(|ends| heard.reaches(ends)) {
        tokio::select! {
            Ok(()) = ends.changed() => {}
            event = events.next() => match event.expect("the client has stopped") {
                Event::Message(message) => heard.take(message),
                Event::Connected => heard.returns += 1,
                Event::Disconnected { .. } => {}
                other => heard.complaints.push(format!("heard {other:?}")),
            }
        }
    }
    heard
}

impl Heard {
    fn reaches(&self, ends: &HashMap<RoomName, u64>) -> bool {
        let last = |room| self.rooms.get(room)?.last().map(|(seq, _)| *seq);
        ends.iter().all(|(room, end)| last(room) >= Some(*end))
    }

    fn take(&mut self, Message { id, room, position, prev_seq, text, .. }: Message) {
        let heard = self.rooms.entry(room).or_default();
        let before = heard.last().map_or(0, |(seq, _)| *seq);
        if prev_seq != before || position.seq <= before {
            self.complaints
                .push(format!("{position:?} follows {prev_seq}, and came after {before}"));
        }
        if !text.as_str().starts_with(&id.to_string()) {
            self.complaints.push(format!("{id} has the text of another message"));
        }
        heard.push((position.seq, id));
    }
}
