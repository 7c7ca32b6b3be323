//! Live conversations with many peers, for user interfaces: one task for each peer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::mpsc, task::JoinSet};

use self::peer_task::{PeerCommand, PeerTask};
use super::{
    Client,
    error::Error,
    line::{ConversationEvent, Line},
};
use crate::model::{Endpoint, MessageId, Name, Text};

mod peer_task;

/// The most peers with a task. Beyond that, idle tasks end.
const PEERS: usize = 256;

/// Commands that wait for the task of one peer: more than come while one message is delivered.
const COMMANDS: usize = 256;

/// Updates of all peers that wait to be read. The tasks wait meanwhile.
const UPDATES: usize = 256;

/// A change in the conversation with a peer, from [`Conversations::next`].
#[derive(Debug)]
pub struct ConversationUpdate {
    /// The peer.
    pub peer: Name,
    /// What has changed.
    pub change: ConversationChange,
}

/// What has changed in a conversation.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConversationChange {
    /// The peer sent something.
    Event(ConversationEvent),
    /// A conversation is open, at this endpoint of the peer.
    Open(Option<Endpoint>),
    /// No conversation could be opened.
    NotOpen(Error),
    /// The conversation has ended.
    Closed,
    /// The peer holds a message.
    Delivered {
        /// The message.
        id: MessageId,
        /// Where the peer was reached.
        endpoint: Option<Endpoint>,
    },
    /// The peer does not hold a message, as far as is known.
    Failed {
        /// The message.
        id: MessageId,
        /// The reason.
        error: Error,
    },
}

/// The task of a peer, as seen from outside.
#[derive(Debug)]
struct PeerHandle {
    commands: mpsc::Sender<PeerCommand>,
    /// Whether it has nothing to do and no open conversation.
    is_idle: Arc<AtomicBool>,
}

impl PeerHandle {
    /// Returns true if the task may end.
    fn is_expendable(&self) -> bool {
        let has_commands = self.commands.capacity() < self.commands.max_capacity();
        self.commands.is_closed() || (!has_commands && self.is_idle.load(Ordering::SeqCst))
    }
}

/// The conversations of a user interface.
///
/// A text opens a conversation with the peer, unless one is open, and is then sent as
/// [`Client::send`] does. If the peer is there but refuses a conversation, the text goes as a
/// single message. The texts for one peer are sent in order.
///
/// Conversations that a peer has opened are only read ([`Event::Conversation`](super::Event)), and
/// answered with read marks and typing notices: their caller proves less than a peer whose key this
/// client has checked itself.
#[derive(Debug)]
pub struct Conversations {
    client: Client,
    tasks: JoinSet<()>,
    peers: HashMap<Name, PeerHandle>,
    /// The latest conversation that each peer has opened.
    incoming: HashMap<Name, Line>,
    sender: mpsc::Sender<ConversationUpdate>,
    updates: mpsc::Receiver<ConversationUpdate>,
}

impl Conversations {
    /// Returns the conversations of a client; none is open.
    pub fn new(client: Client) -> Self {
        let (sender, updates) = mpsc::channel(UPDATES);
        let (tasks, peers, incoming) = (JoinSet::new(), HashMap::new(), HashMap::new());
        Self { client, tasks, peers, incoming, sender, updates }
    }

    /// Returns the next change; never returns while nothing happens. Cancel safe.
    pub async fn next(&mut self) -> ConversationUpdate {
        match self.updates.recv().await {
            Some(update) => update,
            // Not reached: `sender` is held.
            None => std::future::pending().await,
        }
    }

    /// Opens a conversation, unless one is open.
    pub fn open(&mut self, peer: &Name) {
        let _ = self.command(peer, PeerCommand::Open);
    }

    /// Sends a text. Returns false if too many wait already.
    pub fn send(&mut self, peer: &Name, id: MessageId, text: Text) -> bool {
        self.command(peer, PeerCommand::Send(id, text))
    }

    /// Tells the peer that everything up to a message was read, as soon as a conversation is open.
    pub fn mark_read(&mut self, peer: &Name, id: MessageId) {
        let _ = self.command(peer, PeerCommand::MarkRead(id));
    }

    /// Tells the peer that the person is typing, if a conversation is open.
    pub fn typing(&mut self, peer: &Name, active: bool) {
        let _ = self.command(peer, PeerCommand::SetTyping(active));
    }

    /// Handles an event of a conversation that a peer has opened. Starts no task.
    pub fn on_incoming(&mut self, line: &Line, event: &ConversationEvent) {
        self.incoming.retain(|_, line| !line.is_over());
        if matches!(event, ConversationEvent::Closed { .. }) || self.incoming.len() >= PEERS {
            return;
        }
        self.incoming.insert(line.peer().clone(), line.clone());
        if self.peers.contains_key(line.peer()) {
            let _ = self.command(line.peer(), PeerCommand::Incoming(line.clone()));
        }
    }

    fn command(&mut self, peer: &Name, command: PeerCommand) -> bool {
        while self.tasks.try_join_next().is_some() {}
        let alive = self.peers.get(peer).filter(|handle| !handle.commands.is_closed());
        if let Some(handle) = alive {
            return handle.commands.try_send(command).is_ok();
        }
        make_room(&mut self.peers);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let sent = commands.try_send(command).is_ok();
        let mut task = PeerTask::new(self.client.clone(), peer.clone(), self.sender.clone());
        task.incoming = self.incoming.get(peer).cloned();
        let is_idle = task.is_idle.clone();
        self.tasks.spawn(task.run(receiver));
        self.peers.insert(peer.clone(), PeerHandle { commands, is_idle });
        sent
    }
}

/// Lets expendable tasks end if there are as many as there may be.
fn make_room(peers: &mut HashMap<Name, PeerHandle>) {
    if peers.len() >= PEERS {
        peers.retain(|_, handle| !handle.is_expendable());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_tasks_make_room_for_others() {
        let mut peers = HashMap::new();
        let mut tasks = Vec::new();
        for number in 0..PEERS {
            let (commands, receiver) = mpsc::channel(COMMANDS);
            let is_idle = Arc::new(AtomicBool::new(number > 0));
            if number == 1 {
                commands.try_send(PeerCommand::Open).unwrap();
            }
            let name = Name::parse(&format!("p{number}")).unwrap();
            peers.insert(name, PeerHandle { commands, is_idle });
            tasks.push(receiver);
            make_room(&mut peers);
            let expected = if number + 1 == PEERS { 2 } else { number + 1 };
            assert_eq!(peers.len(), expected);
        }
        for busy in ["p0", "p1"] {
            assert!(peers.contains_key(&Name::parse(busy).unwrap()), "{busy}");
        }
    }
}
