//! The task that talks with one peer.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc;

use super::{
    super::{
        Client,
        conversation::Conversation,
        error::{Error, Result},
        line::{ConversationEvent, Line},
    },
    COMMANDS, ConversationChange, ConversationUpdate,
};
use crate::model::{MessageId, Name, Receipt, Text};

#[derive(Debug)]
pub(super) enum PeerCommand {
    Open,
    Send(MessageId, Text),
    MarkRead(MessageId),
    SetTyping(bool),
    Incoming(Line),
}

type Job = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// The result of a job.
enum Finished {
    Opened(Result<Conversation>),
    Sent(MessageId, Result<Receipt>),
}

pub(super) struct PeerTask {
    client: Client,
    peer: Name,
    updates: mpsc::Sender<ConversationUpdate>,
    waiting: VecDeque<(MessageId, Text)>,
    conversation: Option<Conversation>,
    /// The conversation that the peer has opened.
    pub(super) incoming: Option<Line>,
    /// A read mark that waits for a conversation.
    read: Option<MessageId>,
    job: Option<Job>,
    /// Whether to open a conversation though nothing waits to be sent.
    wants_open: bool,
    /// Whether there is nothing to do and no open conversation.
    pub(super) is_idle: Arc<AtomicBool>,
}

impl PeerTask {
    pub(super) fn new(
        client: Client,
        peer: Name,
        updates: mpsc::Sender<ConversationUpdate>,
    ) -> Self {
        Self {
            client,
            peer,
            updates,
            waiting: VecDeque::new(),
            conversation: None,
            incoming: None,
            read: None,
            job: None,
            wants_open: false,
            is_idle: Arc::default(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<PeerCommand>) {
        let mut is_closed = false;
        loop {
            self.start_job();
            let is_idle = self.job.is_none() && self.conversation.is_none();
            self.is_idle.store(is_idle, Ordering::SeqCst);
            if is_closed && is_idle {
                return;
            }
            tokio::select! {
                command = commands.recv(), if !is_closed && self.waiting.len() < COMMANDS => {
                    match command {
                        Some(command) => self.handle(command),
                        // The task was let go, perhaps just after a command.
                        None => is_closed = true,
                    }
                }
                event = next_event(&mut self.conversation) => match event {
                    None | Some(ConversationEvent::Closed { .. }) => {
                        self.conversation = None;
                        self.emit(ConversationChange::Closed).await;
                    }
                    Some(event) => self.emit(ConversationChange::Event(event)).await,
                },
                finished = finish(&mut self.job) => {
                    self.job = None;
                    self.on_finished(finished).await;
                }
            }
        }
    }

    fn handle(&mut self, command: PeerCommand) {
        match command {
            PeerCommand::Open => self.wants_open = self.conversation.is_none(),
            PeerCommand::Send(id, text) => self.waiting.push_back((id, text)),
            PeerCommand::MarkRead(id) => {
                self.read = Some(id);
                self.send_read_mark();
            }
            PeerCommand::SetTyping(active) => {
                if let Some(line) = self.any_line() {
                    line.typing(active);
                }
            }
            PeerCommand::Incoming(line) => {
                self.incoming = Some(line);
                self.send_read_mark();
            }
        }
    }

    /// Starts the next job, unless one is running.
    fn start_job(&mut self) {
        if self.job.is_some() || (self.waiting.is_empty() && !self.wants_open) {
            return;
        }
        if self.conversation.is_none() {
            let (client, peer) = (self.client.clone(), self.peer.clone());
            self.job =
                Some(Box::pin(async move { Finished::Opened(client.converse(&peer).await) }));
            return;
        }
        self.wants_open = false;
        if let Some((id, text)) = self.waiting.pop_front() {
            self.start_sending(id, text);
        }
    }

    fn start_sending(&mut self, id: MessageId, text: Text) {
        let (client, peer) = (self.client.clone(), self.peer.clone());
        self.job =
            Some(Box::pin(
                async move { Finished::Sent(id, client.send(&peer, text).id(id).await) },
            ));
    }

    async fn on_finished(&mut self, finished: Finished) {
        match finished {
            Finished::Opened(Ok(conversation)) => {
                self.conversation = Some(conversation);
                self.send_read_mark();
                let endpoint = self.client.reached_at(&self.peer);
                self.emit(ConversationChange::Open(endpoint)).await;
            }
            Finished::Opened(Err(error)) => self.on_not_open(error).await,
            Finished::Sent(id, Ok(_)) => {
                let endpoint = self.client.reached_at(&self.peer);
                self.emit(ConversationChange::Delivered { id, endpoint }).await;
            }
            Finished::Sent(id, Err(error)) => {
                self.emit(ConversationChange::Failed { id, error }).await
            }
        }
    }

    /// Sends the next text without a conversation if the peer was reached but refused one. A text
    /// for a peer that was not reached fails.
    async fn on_not_open(&mut self, error: Error) {
        self.wants_open = false;
        let Some((id, text)) = self.waiting.pop_front() else {
            return self.emit(ConversationChange::NotOpen(error)).await;
        };
        match error {
            Error::Refused(_) | Error::Protocol(_) => self.start_sending(id, text),
            error => self.emit(ConversationChange::Failed { id, error }).await,
        }
    }

    /// Returns an open line: that of this client, or else the peer's.
    fn any_line(&self) -> Option<&Line> {
        let own = self.conversation.as_ref().map(Conversation::line);
        own.or(self.incoming.as_ref().filter(|line| !line.is_over()))
    }

    /// Sends the waiting read mark, if a line is open.
    fn send_read_mark(&mut self) {
        if let Some(line) = self.any_line()
            && let Some(id) = self.read
        {
            line.mark_read(id);
            self.read = None;
        }
    }

    /// Passes an update on. Nobody receives it any more once the chat is over.
    async fn emit(&mut self, change: ConversationChange) {
        let _ = self.updates.send(ConversationUpdate { peer: self.peer.clone(), change }).await;
    }
}

async fn next_event(conversation: &mut Option<Conversation>) -> Option<ConversationEvent> {
    match conversation {
        Some(conversation) => conversation.next().await,
        None => std::future::pending().await,
    }
}

async fn finish(job: &mut Option<Job>) -> Finished {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}
