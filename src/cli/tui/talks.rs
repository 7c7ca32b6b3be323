//! Live conversations: a task for each peer one talks with.
//!
//! Texts go over a line that this client has opened, to the key that the contact book or the hub
//! names, one after the other; where no line can be had, as single messages. A line that the peer
//! has opened is heard, and answered with read marks; nothing is said on it, since whoever called
//! may only say that they are that peer.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    client::{Client, Conversation, ConversationEvent, Error, Line, Result},
    model::{MessageId, Name, Receipt, Text},
};

/// The most peers with a task. Above it, those are let go with whom there is no line and nothing to
/// do; what others make up gets no task of its own.
const PEERS: usize = 256;

/// Orders that wait for one peer's task: more than a person gives while one message is delivered.
const ORDERS: usize = 256;

/// What is told and not taken yet, of all peers.
const TOLD: usize = 256;

/// Something about the conversation with a peer.
pub(crate) struct Told {
    pub(crate) peer: Name,
    pub(crate) what: What,
}

impl Told {
    /// That a message was not even tried.
    pub(super) fn failed(peer: Name, id: MessageId, error: Error) -> Self {
        Self { peer, what: What::Failed { id, error } }
    }
}

/// What is told of a conversation.
pub(crate) enum What {
    /// The peer has said or done something.
    Heard(ConversationEvent),
    /// A line is open, by this path.
    Open(Option<String>),
    /// There is none, for this reason.
    NotOpen(Error),
    /// It has ended.
    Closed,
    /// The peer holds a message, which went by this path.
    Delivered { id: MessageId, path: Option<String> },
    /// The peer does not hold a message, as far as is known.
    Failed { id: MessageId, error: Error },
}

/// What the task of a peer is to do.
enum Order {
    Open,
    Say(MessageId, Text),
    Read(MessageId),
    Typing(bool),
    /// The peer has opened a line of its own.
    Theirs(Line),
}

/// Where the orders for a peer's task go.
struct Orders {
    to: mpsc::Sender<Order>,
    /// Whether it has nothing to do and no line.
    idle: Arc<AtomicBool>,
}

impl Orders {
    /// Whether nobody misses the task.
    fn is_spare(&self) -> bool {
        let waits = self.to.capacity() < self.to.max_capacity();
        self.to.is_closed() || (!waits && self.idle.load(Ordering::SeqCst))
    }
}

/// All conversations.
pub(super) struct Talks {
    client: Client,
    tasks: JoinSet<()>,
    peers: HashMap<Name, Orders>,
    /// What peers have opened, the latest of each.
    lines: HashMap<Name, Line>,
    tell: mpsc::Sender<Told>,
    pub(super) told: mpsc::Receiver<Told>,
}

impl Talks {
    pub(super) fn new(client: Client) -> Self {
        let (tell, told) = mpsc::channel(TOLD);
        Self {
            client,
            tasks: JoinSet::new(),
            peers: HashMap::new(),
            lines: HashMap::new(),
            tell,
            told,
        }
    }

    /// Opens a line, if none is open.
    pub(super) fn open(&mut self, peer: &Name) {
        let _ = self.order(peer, Order::Open);
    }

    /// Says something; false where too much waits already.
    pub(super) fn say(&mut self, peer: &Name, id: MessageId, text: Text) -> bool {
        self.order(peer, Order::Say(id, text))
    }

    /// Tells that everything up to a message was read, as soon as there is a line.
    pub(super) fn mark_read(&mut self, peer: &Name, id: MessageId) {
        let _ = self.order(peer, Order::Read(id));
    }

    /// Tells that one types, if there is a line.
    pub(super) fn typing(&mut self, peer: &Name, active: bool) {
        let _ = self.order(peer, Order::Typing(active));
    }

    /// Takes note of a line that a peer has opened. Nobody can make a task of this that one does not
    /// talk with.
    pub(super) fn theirs(&mut self, line: &Line, event: &ConversationEvent) {
        self.lines.retain(|_, line| !line.is_over());
        if matches!(event, ConversationEvent::Closed { .. }) || self.lines.len() >= PEERS {
            return;
        }
        self.lines.insert(line.peer().clone(), line.clone());
        if self.peers.contains_key(line.peer()) {
            let _ = self.order(line.peer(), Order::Theirs(line.clone()));
        }
    }

    fn order(&mut self, peer: &Name, order: Order) -> bool {
        while self.tasks.try_join_next().is_some() {}
        let alive = self.peers.get(peer).filter(|orders| !orders.to.is_closed());
        if let Some(orders) = alive {
            return orders.to.try_send(order).is_ok();
        }
        make_room(&mut self.peers);
        let (to, given) = mpsc::channel(ORDERS);
        let sent = to.try_send(order).is_ok();
        let mut talk = Talk::new(self.client.clone(), peer.clone(), self.tell.clone());
        talk.theirs = self.lines.get(peer).cloned();
        let idle = talk.idle.clone();
        self.tasks.spawn(talk.run(given));
        self.peers.insert(peer.clone(), Orders { to, idle });
        sent
    }
}

/// Lets go of those who are spare where there are as many as there may be.
fn make_room(peers: &mut HashMap<Name, Orders>) {
    if peers.len() >= PEERS {
        peers.retain(|_, orders| !orders.is_spare());
    }
}

type Job = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// What a task has waited for.
enum Ended {
    Called(Result<Conversation>),
    Sent(MessageId, Result<Receipt>),
}

/// The task of one peer.
struct Talk {
    client: Client,
    peer: Name,
    tell: mpsc::Sender<Told>,
    waiting: VecDeque<(MessageId, Text)>,
    line: Option<Conversation>,
    theirs: Option<Line>,
    /// What was read and could not be told for want of a line.
    read: Option<MessageId>,
    job: Option<Job>,
    /// Whether a line is wanted, though nothing is to be said yet.
    wanted: bool,
    /// Whether there is nothing to do and no line.
    idle: Arc<AtomicBool>,
}

impl Talk {
    fn new(client: Client, peer: Name, tell: mpsc::Sender<Told>) -> Self {
        let (waiting, line, theirs, read, job) = (VecDeque::new(), None, None, None, None);
        let idle = Arc::default();
        Self { client, peer, tell, waiting, line, theirs, read, job, wanted: false, idle }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut over = false;
        loop {
            self.begin();
            let idle = self.job.is_none() && self.line.is_none();
            self.idle.store(idle, Ordering::SeqCst);
            if over && idle {
                return;
            }
            tokio::select! {
                order = orders.recv(), if !over && self.waiting.len() < ORDERS => match order {
                    Some(order) => self.obey(order),
                    // It was let go, maybe in the moment of an order.
                    None => over = true,
                },
                heard = heard(&mut self.line) => match heard {
                    None | Some(ConversationEvent::Closed { .. }) => {
                        self.line = None;
                        self.told(What::Closed).await;
                    }
                    Some(event) => self.told(What::Heard(event)).await,
                },
                ended = ended(&mut self.job) => {
                    self.job = None;
                    self.ended(ended).await;
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Open => self.wanted = self.line.is_none(),
            Order::Say(id, text) => self.waiting.push_back((id, text)),
            Order::Read(id) => {
                self.read = Some(id);
                self.tell_read();
            }
            Order::Typing(active) => {
                if let Some(line) = self.any_line() {
                    line.typing(active);
                }
            }
            Order::Theirs(line) => {
                self.theirs = Some(line);
                self.tell_read();
            }
        }
    }

    /// Begins what is to be done next, if nothing is being done.
    fn begin(&mut self) {
        if self.job.is_some() || (self.waiting.is_empty() && !self.wanted) {
            return;
        }
        let client = self.client.clone();
        let peer = self.peer.clone();
        if self.line.is_none() {
            self.job = Some(Box::pin(async move { Ended::Called(client.converse(&peer).await) }));
            return;
        }
        self.wanted = false;
        let Some((id, text)) = self.waiting.pop_front() else { return };
        self.job =
            Some(Box::pin(async move { Ended::Sent(id, client.send(&peer, text).id(id).await) }));
    }

    async fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Called(Ok(line)) => {
                self.line = Some(line);
                self.tell_read();
                let path = self.path();
                self.told(What::Open(path)).await;
            }
            Ended::Called(Err(error)) => self.without_line(error).await,
            Ended::Sent(id, Ok(_)) => {
                let path = self.path();
                self.told(What::Delivered { id, path }).await;
            }
            Ended::Sent(id, Err(error)) => self.told(What::Failed { id, error }).await,
        }
    }

    /// There is no line: what waits goes as a single message where that may do better, and fails
    /// otherwise.
    async fn without_line(&mut self, error: Error) {
        self.wanted = false;
        let Some((id, text)) = self.waiting.pop_front() else {
            return self.told(What::NotOpen(error)).await;
        };
        if !matches!(error, Error::Refused(_) | Error::Protocol(_)) {
            return self.told(What::Failed { id, error }).await;
        }
        let (client, peer) = (self.client.clone(), self.peer.clone());
        self.job =
            Some(Box::pin(async move { Ended::Sent(id, client.send(&peer, text).id(id).await) }));
    }

    /// A line, where there is one: one's own rather than theirs.
    fn any_line(&self) -> Option<&Line> {
        let own = self.line.as_ref().map(Conversation::line);
        own.or(self.theirs.as_ref().filter(|line| !line.is_over()))
    }

    /// Tells what was read, where there is a line.
    fn tell_read(&mut self) {
        if let Some(line) = self.any_line()
            && let Some(id) = self.read
        {
            line.mark_read(id);
            self.read = None;
        }
    }

    fn path(&self) -> Option<String> {
        self.client.reached_at(&self.peer).map(|at| format!("direct {at}"))
    }

    /// Tells the chat; nobody hears it any more where that is over.
    async fn told(&mut self, what: What) {
        let _ = self.tell.send(Told { peer: self.peer.clone(), what }).await;
    }
}

async fn heard(line: &mut Option<Conversation>) -> Option<ConversationEvent> {
    match line {
        Some(line) => line.next().await,
        None => std::future::pending().await,
    }
}

async fn ended(job: &mut Option<Job>) -> Ended {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_nothing_to_do_makes_room_for_others() {
        let mut peers = HashMap::new();
        let mut tasks = Vec::new();
        for number in 0..PEERS {
            let (to, given) = mpsc::channel(ORDERS);
            let idle = Arc::new(AtomicBool::new(number > 0));
            if number == 1 {
                to.try_send(Order::Open).unwrap();
            }
            peers.insert(Name::parse(&format!("p{number}")).unwrap(), Orders { to, idle });
            tasks.push(given);
            make_room(&mut peers);
            let expected = if number + 1 == PEERS { 2 } else { number + 1 };
            assert_eq!(peers.len(), expected);
        }
        for busy in ["p0", "p1"] {
            assert!(peers.contains_key(&Name::parse(busy).unwrap()), "{busy}");
        }
    }
}
