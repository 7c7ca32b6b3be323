//! The client: one library under every face.
//!
//! A [`Client`] registers at a hub under a name, keeps one Chat stream open, and comes back by
//! itself whenever that was lost. It works like this:
//!
//! 1. Its PeerChat server listens first, so that the hub is told where (`peer_chat`, `inbox`).
//! 2. It makes sure that the hub is the right one (`trust`), registers and opens Chat; the open
//!    stream holds its lease (`link`).
//! 3. One task owns the stream, the joined rooms with their last positions, and the posts that are
//!    not acknowledged yet (`session`). After a loss it registers anew with the token of the old
//!    session, joins each room right after the last message it saw, and sends again what was not
//!    acknowledged, under the same id: nothing is missed and nothing said twice.
//! 4. Private messages take no part in this. They go straight to other clients, and those already
//!    known are reached without a hub (`peers`, `conversation`). Whoever has a key is spoken to with
//!    TLS between the two keys: the contact book says which (`people`), and `gate` who may speak
//!    to this client.
//!
//! What happens comes out of one bounded stream, [`Events`].

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    error::{Error, Result},
    identity::Identity,
    model::{
        Draft, Endpoint, Fingerprint, MessageId, Name, Position, Posted, RoomName, Start, Text,
    },
    shutdown,
};

mod check;
mod contact_store;
mod contacts;
mod conversation;
mod conversation_limits;
mod database;
mod direct;
mod events;
mod gate;
mod hub_connection;
mod inbox;
mod lru;
mod options;
mod outbox;
mod peer_chat;
mod peers;
mod queries;
mod retry;
mod session;
mod trust;
mod watch_peers;

pub use self::{
    check::{Check, EndpointCheck, Reach, Registered},
    conversation::{Conversation, ConversationEvent, Line},
    events::{Connection, Direct, Event, Events, Unseen, Verification},
    gate::DirectPolicy,
    options::ClientOptions,
    outbox::{Attempt, Queued},
    queries::{Page, PageRequest, PeerFilter, SearchRequest},
    trust::HubTrust,
    watch_peers::{PeerChange, PeerWatch},
};
use self::{
    contact_store::ContactStore,
    gate::Gate,
    hub_connection::HubConnection,
    inbox::Inbox,
    outbox::{DeliveryTask, Outbox},
    peers::Peers,
    session::{Command, Session, Shown},
    trust::is_away,
    watch_peers::Watch,
};

/// How many ports are tried for the PeerChat server, from the wanted one upwards: more clients
/// than one machine usually runs.
const PORT_TRIES: u16 = 64;

/// Commands on their way to the session; whoever gives one more waits.
const COMMANDS: usize = 64;

/// A session at a hub and a direct line to its peers.
///
/// Cheap to clone; all clones are one client. When the last one is dropped everything stops, as
/// [`Client::stop`] does, but nobody waits for it.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    link: Arc<HubConnection>,
    people: ContactStore,
    peers: Arc<Peers>,
    outbox: Option<Outbox>,
    /// Until it is started.
    courier: Mutex<Option<DeliveryTask>>,
    fingerprint: Option<Fingerprint>,
    commands: mpsc::Sender<Command>,
    connection: watch::Receiver<Connection>,
    shown: Arc<Shown>,
    direct_address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", self.name()).field("hub", self.hub()).finish()
    }
}

impl Client {
    /// Opens the PeerChat server, registers, and opens Chat. The rooms of the options are joined
    /// afterwards: [`Event::Joined`] tells. From then on the client reconnects by itself, without
    /// end.
    ///
    /// Where the options allow it, and the contact book has the hub, it may be away: then the client
    /// begins as after a loss, and speaks with the people that the book has meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::HubUnreachable`]; [`Error::HubKeyChanged`] and [`Error::HubUntrusted`] where it is
    /// not the right hub; [`Error::Refused`] where the hub refuses, for example with the reason
    /// `NAME_TAKEN`; [`Error::Invalid`] where it must not listen there; [`Error::Io`] where it
    /// cannot, and where the contact book cannot be read or written; [`Error::Store`] where the
    /// outbox or the inbox is broken.
    pub async fn start(options: ClientOptions) -> Result<(Self, Events)> {
        let stop = CancellationToken::new();
        // Whatever fails below also ends the server that already runs.
        let on_failure = stop.clone().drop_guard();
        let tasks = TaskTracker::new();

        let identity = options.identity.clone();
        let fingerprint = identity.as_ref().map(Identity::fingerprint);
        let (me, book) = (options.name.clone(), options.contacts.clone());
        let people = ContactStore::new(options.hub.clone(), me, fingerprint, book);
        let outbox = options.open_outbox(&people).await?;
        let kept = options.open_inbox(&people).await?;
        let (me, limit) = (options.name.clone(), options.inbox_limit);
        let (inbox, direct) = Inbox::new(me, limit, kept.clone());
        let door = peer_chat::door(identity.as_ref())?;
        let listener = match options.listen {
            Some(wanted) => Some(door.listen_on_next_free(wanted, PORT_TRIES).await?),
            None => None,
        };
        let address = listener.as_ref().map(TcpListener::local_addr).transpose();
        let direct_address = address.map_err(|error| Error::Io(error.to_string()))?;

        let way = options.trust.way(identity.as_ref(), &options.hub, &people).await?;
        let (rooms, policy) = (options.rooms.clone(), options.direct);
        let may_start_away = options.may_start_away;
        let link = Arc::new(HubConnection::new(options, direct_address, &way)?);
        if let Some(listener) = listener {
            inbox.hand_out_unshown().await?;
            let gate = Gate::new(policy, fingerprint, people.clone(), link.clone(), inbox.clone());
            let (inbox, stop) = (inbox.clone(), stop.clone());
            tasks.spawn(peer_chat::serve(door, listener, inbox, gate, stop, tasks.clone()));
        }
        let opened = async {
            let chat = link.open().await?;
            way.remember(&people).await?;
            Ok(chat)
        };
        let chat = match opened.await {
            Ok(chat) => Ok(chat),
            Err(error) if may_start_away && is_away(&error) && way.is_known(&people).await? => {
                Err(error)
            }
            Err(error) => {
                // It may have registered before it failed.
                link.leave().await;
                return Err(error);
            }
        };
        let (commands, queue) = mpsc::channel(COMMANDS);
        let (session, parts) = Session::new(link.clone(), rooms, queue, &chat, stop.clone());
        tasks.spawn(session.run(chat));

        let (stop, connection) = (on_failure.disarm(), parts.connection);
        let (to_hub, known, mail) = (link.clone(), people.clone(), inbox.clone());
        let peers = Peers::new(to_hub, identity, known, mail, stop.clone(), tasks.clone());
        let peers = Arc::new(peers);
        let courier = outbox.clone().map(|outbox| {
            let (peers, connection) = (peers.clone(), connection.clone());
            let watch = Watch::new(link.clone(), peers.clone(), connection, stop.clone());
            DeliveryTask::new(outbox, peers, inbox, watch, stop.clone())
        });
        let client = Self(Arc::new(Inner {
            link,
            people,
            peers,
            outbox,
            courier: Mutex::new(courier),
            fingerprint,
            commands,
            connection,
            shown: parts.shown,
            direct_address,
            stop,
            tasks,
        }));
        if direct_address.is_some() {
            client.start_courier();
        }
        Ok((client, Events::new(parts.events, direct, kept)))
    }

    /// The name this client goes by.
    pub fn name(&self) -> &Name {
        &self.0.link.name
    }

    /// Where its hub listens.
    pub fn hub(&self) -> &Endpoint {
        &self.0.link.hub
    }

    /// Where its PeerChat server listens.
    pub fn direct_address(&self) -> Option<SocketAddr> {
        self.0.direct_address
    }

    /// Where others are told to find its PeerChat server.
    pub fn advertised(&self) -> Vec<Endpoint> {
        self.0.link.advertised.clone()
    }

    /// How things stand with the hub, now and later.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.0.connection.clone()
    }

    /// The rooms it is in, or will be in again once the hub is back.
    pub fn rooms(&self) -> Vec<RoomName> {
        self.0.shown.rooms()
    }

    /// How many posts were begun and are not acknowledged yet.
    pub fn waiting(&self) -> usize {
        self.0.shown.waiting()
    }

    /// Joins a room and returns the position of its last message; what is at or before it is
    /// history. Joining a room again begins it anew where `start` says, except that
    /// [`Start::Head`] changes nothing. While the hub is away this waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], with `OUT_OF_RANGE` where the position is gone; [`Error::LimitReached`]
    /// where another join of the room is not answered yet; [`Error::Stopped`].
    pub async fn join(&self, room: RoomName, start: Start) -> Result<Position> {
        self.command(|reply| Command::Join { room, start, reply }).await
    }

    /// Leaves a room.
    ///
    /// # Errors
    ///
    /// [`Error::NotJoined`]; [`Error::Stopped`].
    pub async fn leave(&self, room: RoomName) -> Result<()> {
        self.command(|reply| Command::Leave { room, reply }).await
    }

    /// Posts to a room and returns when the message is stored. Read [`Events`] meanwhile: the
    /// acknowledgement comes on the same stream as the messages.
    ///
    /// While the hub is away the post waits, and it is sent again after reconnecting, under the
    /// same id, so that it is stored once. Dropping the future does not take the post back.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] where 1,024 posts are waiting already; [`Error::Refused`], for
    /// example with the reason `NOT_JOINED`; [`Error::Stopped`].
    pub async fn post(&self, room: RoomName, text: Text) -> Result<Posted> {
        self.post_draft(MessageId::new(), room, text).await
    }

    /// Posts under an id of one's own, as one does to repeat a post of an earlier run.
    ///
    /// # Errors
    ///
    /// As [`Client::post`]; also the reason `MESSAGE_ID_REUSED` and [`Error::MessageIdReused`]
    /// where the id was used for something else.
    pub async fn post_draft(&self, id: MessageId, room: RoomName, text: Text) -> Result<Posted> {
        let draft = Draft { id, room, sender: self.name().clone(), text };
        let counted = self.0.shown.count();
        self.command(|reply| Command::Post { draft, reply, counted }).await
    }

    /// Posts in two steps: this returns when the post has its place behind those that were begun
    /// before it, and what it returns, when the message is stored. So many posts can be under way
    /// and still be in order; futures of [`Client::post`] that wait side by side are in none.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`]; in the second step those of [`Client::post`].
    pub async fn begin_post(
        &self,
        room: RoomName,
        text: Text,
    ) -> Result<impl Future<Output = Result<Posted>> + Send + use<>> {
        self.begin_draft(MessageId::new(), room, text).await
    }

    /// The same under an id of one's own, as one does to repeat a post.
    ///
    /// # Errors
    ///
    /// As [`Client::begin_post`]; in the second step those of [`Client::post_draft`].
    pub async fn begin_draft(
        &self,
        id: MessageId,
        room: RoomName,
        text: Text,
    ) -> Result<impl Future<Output = Result<Posted>> + Send + use<>> {
        let draft = Draft { id, room, sender: self.name().clone(), text };
        let counted = self.0.shown.count();
        let answer = self.begin(|reply| Command::Post { draft, reply, counted }).await?;
        Ok(async move { answer.await.map_err(|_| Error::Stopped)? })
    }

    /// Leaves the hub, ends every stream, and lets the PeerChat server finish what it is at, for
    /// [`shutdown::GRACE`] at most. Posts that are not acknowledged yet fail with
    /// [`Error::Stopped`]. Private messages that were accepted and not read yet still come out of
    /// [`Events`].
    pub async fn stop(self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        // Both tasks bound themselves; this is for the streams that other clients opened.
        if tokio::time::timeout(2 * shutdown::GRACE, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("the client stopped before all of its tasks did");
        }
    }

    pub(crate) fn start_courier(&self) {
        let courier = self.0.courier.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(courier) = courier {
            self.0.tasks.spawn(courier.run());
        }
    }

    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> Command,
    ) -> Result<T> {
        self.begin(command).await?.await.map_err(|_| Error::Stopped)?
    }

    async fn begin<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> Command,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(command(reply)).await.map_err(|_| Error::Stopped)?;
        Ok(answer)
    }
}
