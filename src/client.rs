//! A chat client as a library: for bots, bridges and user interfaces.
//!
//! A [`Client`] registers at a hub under a name, joins rooms, and exchanges direct messages with
//! other clients. It reconnects by itself. [`Client::post`] posts to a room, [`Client::send`] sends
//! to a peer, and everything that happens comes out of one bounded stream, [`Events`]:
//!
//! ```no_run
//! use chinwag::{
//!     client::{Client, ClientOptions, Event},
//!     model::{Endpoint, Name, RoomName},
//! };
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Endpoint::parse("127.0.0.1:50051")?;
//! let options = ClientOptions::new(hub, Name::parse("logger")?).room(RoomName::lobby());
//! let (client, mut events) = Client::start(options).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {:?}", message.sender, message.text.as_str());
//!     }
//! }
//! client.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Design
//!
//! 1. The PeerChat server, which receives direct messages, listens first, so that the hub can be
//!    told its endpoint (`peer_chat`, `admission`, `inbox`).
//! 2. The client checks that the hub is the right one (`trust`), registers, and opens the Chat
//!    stream, which holds its lease (`hub_connection`).
//! 3. One task owns the stream, the joined rooms with their last positions, and the posts that are
//!    not acknowledged yet (`session`). After a loss it registers again with the token of the last
//!    session, resumes each room after its last message, and repeats the pending posts under the
//!    same ids: no message is missed and none is stored twice.
//! 4. Direct messages go straight to other clients, and peers already known are reached without a
//!    hub (`peers`, `conversation`). The connection is encrypted between the keys of the two
//!    clients. The contact book (`contact_store`) has the keys.
//! 5. Direct messages of both directions are kept for their owner (`direct_history`).
//! 6. Durable messages wait in a file until the receiver has confirmed them (`outbox`).

use std::{fmt, net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    error::SystemError,
    identity::Identity,
    model::{Endpoint, Fingerprint, Name, Position, RoomName, Start},
    shutdown,
};

mod admission;
mod blocking;
mod caller;
mod check;
mod contact_store;
mod contacts;
mod conversation;
mod conversation_limits;
mod conversations;
mod database;
mod direct;
mod direct_history;
mod error;
mod event;
mod events;
mod hub_connection;
mod inbox;
mod line;
mod message_rates;
mod options;
mod outbox;
mod own_name;
mod peer_chat;
mod peers;
mod post;
mod queries;
mod received;
mod renaming;
mod reply;
mod retry;
mod session;
mod trust;
mod wall_clock;
mod watch_peers;

use self::{
    admission::Admission,
    contact_store::ContactStore,
    direct_history::DirectHistory,
    hub_connection::HubConnection,
    inbox::{DurableInbox, Inbox},
    outbox::{DeliveryTask, Outbox},
    own_name::OwnName,
    peers::Peers,
    renaming::NamedFiles,
    session::{Session, SessionCommand, SessionStatus},
    trust::is_hub_unreachable,
    watch_peers::PeerWatcher,
};
pub use self::{
    check::{Check, EndpointCheck, Reach},
    conversation::Conversation,
    conversations::{ConversationChange, ConversationUpdate, Conversations},
    direct::{DirectSend, DurableSend},
    direct_history::{
        DirectPage, DirectState, Forgotten, HistoryNotice, KeepFor, KeptConversation, KeptDirect,
    },
    error::{Error, Result},
    event::{Connection, Event},
    events::{Events, Unseen},
    hub_connection::Registered,
    line::{ConversationEvent, Line},
    options::{ClientOptions, DirectPolicy},
    outbox::{Attempt, DeliveryError, Queued},
    post::Post,
    queries::{Page, PageRequest, PeerFilter, SearchRequest},
    received::{Direct, Verification},
    trust::HubTrust,
    watch_peers::{PeerChange, PeerWatch},
};

/// How many ports are tried for the PeerChat server, from the requested one upwards: more than the
/// clients that one machine usually runs.
const PORT_TRIES: u16 = 64;

/// Commands that wait for the session. Further callers wait for room.
const COMMANDS: usize = 64;

/// A client of a hub, and of its peers.
///
/// Cheap to clone; all clones are one client. When the last one is dropped the client stops in the
/// background. [`Client::stop`] also waits for that.
#[derive(Clone)]
pub struct Client(Arc<ClientInner>);

struct ClientInner {
    hub: Arc<HubConnection>,
    contacts: ContactStore,
    peers: Arc<Peers>,
    history: DirectHistory,
    outbox: Option<Outbox>,
    durable: Option<DurableInbox>,
    /// `None` once it runs.
    delivery: Mutex<Option<DeliveryTask>>,
    fingerprint: Option<Fingerprint>,
    commands: mpsc::Sender<SessionCommand>,
    connection: watch::Receiver<Connection>,
    status: Arc<SessionStatus>,
    direct_address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for ClientInner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name()).field("hub", self.hub()).finish()
    }
}

impl Client {
    /// Starts the PeerChat server, registers, and opens the Chat stream. The rooms of the options
    /// are joined afterwards; [`Event::Joined`] reports each. From then on the client reconnects by
    /// itself, without end.
    ///
    /// With [`ClientOptions::may_start_away`], and if the contact book has the hub, it may be away:
    /// the client then begins as after a loss. Errors with [`Error::HubUnreachable`];
    /// [`Error::HubKeyChanged`] and [`Error::HubUntrusted`] if it is not the right hub;
    /// [`Error::Refused`] by the hub, for example with the reason `NAME_TAKEN`; [`Error::Invalid`]
    /// if the client must not listen at the requested address; [`Error::Io`] if it cannot, or if
    /// the contact book cannot be read or written; [`Error::Store`] if the outbox or the inbox is
    /// corrupt.
    pub async fn start(options: ClientOptions) -> Result<(Self, Events)> {
        let stop = CancellationToken::new();
        // Stops the server if a later step fails.
        let on_failure = stop.clone().drop_guard();
        let tasks = TaskTracker::new();

        let identity = options.identity.clone();
        let fingerprint = identity.as_ref().map(Identity::fingerprint);
        let (me, book) = (OwnName::from(options.name.clone()), options.contacts.clone());
        let contacts = ContactStore::new(options.hub.clone(), me.clone(), fingerprint, book);
        let history = options.open_history(&contacts).await;
        let outbox = options.open_outbox(&contacts, &history).await?;
        let durable = options.open_inbox(&contacts).await?;
        let (limit, kept) = (options.inbox_limit, history.clone());
        let (inbox, direct) = Inbox::new(me.clone(), limit, durable.clone(), kept);
        let acceptor = peer_chat::acceptor(identity.as_ref())?;
        let listener = match options.listen {
            Some(wanted) => Some(acceptor.listen_on_next_free(wanted, PORT_TRIES).await?),
            None => None,
        };
        let address = listener.as_ref().map(TcpListener::local_addr).transpose();
        let direct_address =
            address.map_err(|error| SystemError::because("the listener has no address", error))?;

        let dialer = options.trust.dialer(identity.as_ref(), &options.hub, &contacts).await?;
        let (rooms, policy) = (options.rooms.clone(), options.direct);
        let may_start_away = options.may_start_away;
        let hub = Arc::new(HubConnection::new(options, me, direct_address, &dialer)?);
        if let Some(listener) = listener {
            inbox.hand_out_unshown().await?;
            let (contacts, hub) = (contacts.clone(), hub.clone());
            let admission = Admission::new(policy, fingerprint, contacts, hub, inbox.clone());
            let (inbox, stop, tasks_of_server) = (inbox.clone(), stop.clone(), tasks.clone());
            tasks.spawn(peer_chat::serve(
                acceptor,
                listener,
                inbox,
                admission,
                stop,
                tasks_of_server,
            ));
        }
        let opened = async {
            let chat = hub.open().await?;
            dialer.record(&contacts).await?;
            Ok(chat)
        };
        let chat = match opened.await {
            Ok(chat) => Ok(chat),
            Err(error)
                if may_start_away
                    && is_hub_unreachable(&error)
                    && dialer.is_known(&contacts).await? =>
            {
                Err(error)
            }
            Err(error) => {
                // It may have registered before it failed.
                hub.leave().await;
                return Err(error);
            }
        };
        let (commands, queue) = mpsc::channel(COMMANDS);
        let (outbox_file, inbox_file) = (outbox.clone(), durable.clone());
        let files = NamedFiles { outbox: outbox_file, inbox: inbox_file, history: history.clone() };
        let (session, handles) =
            Session::new(hub.clone(), rooms, queue, &chat, files, stop.clone());
        tasks.spawn(session.run(chat));

        let (stop, connection) = (on_failure.disarm(), handles.connection);
        let peers = Arc::new(Peers::new(
            hub.clone(),
            identity,
            contacts.clone(),
            inbox.clone(),
            stop.clone(),
            tasks.clone(),
        ));
        let deliverable = outbox.clone().filter(|outbox| !outbox.is_read_only());
        let delivery = deliverable.map(|outbox| {
            let (peers, connection) = (peers.clone(), connection.clone());
            let watcher = PeerWatcher::new(hub.clone(), peers.clone(), connection, stop.clone());
            DeliveryTask::new(outbox, peers, inbox, watcher, stop.clone())
        });
        let client = Self(Arc::new(ClientInner {
            hub,
            contacts,
            peers,
            history: history.clone(),
            outbox,
            durable: durable.clone(),
            delivery: Mutex::new(delivery),
            fingerprint,
            commands,
            connection,
            status: handles.status,
            direct_address,
            stop,
            tasks,
        }));
        if direct_address.is_some() {
            client.start_delivery();
        }
        Ok((client, Events::new(handles.events, direct, durable, history)))
    }

    /// Returns the name of this client. It is that of the options, unless the operator of the hub has
    /// renamed this client.
    pub fn name(&self) -> Name {
        self.0.hub.name.get()
    }

    /// Returns the endpoint of the hub.
    pub fn hub(&self) -> &Endpoint {
        &self.0.hub.endpoint
    }

    /// Returns the key of the hub; `None` in plaintext, and if an authority vouches for the hub.
    pub fn hub_key(&self) -> Option<Fingerprint> {
        self.0.hub.key
    }

    /// Returns the address where direct messages come in; `None` if the client takes none.
    pub fn direct_address(&self) -> Option<SocketAddr> {
        self.0.direct_address
    }

    /// Returns the endpoints that the hub lists for direct messages.
    pub fn advertised(&self) -> Vec<Endpoint> {
        self.0.hub.advertised.clone()
    }

    /// Returns the state of the connection to the hub, and its later changes.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.0.connection.clone()
    }

    /// Returns the rooms that the client is in, or will be in again after a reconnect.
    pub fn rooms(&self) -> Vec<RoomName> {
        self.0.status.rooms()
    }

    /// Returns the number of posts that are not acknowledged yet.
    pub fn waiting(&self) -> usize {
        self.0.status.waiting()
    }

    /// Joins a room and returns the position of its last message. Messages at or before it are
    /// history. Joining a room again starts over at `start`, except that [`Start::Head`] changes
    /// nothing. Waits while the hub is away. Errors with [`Error::Refused`], with `OUT_OF_RANGE` if
    /// the position is gone; [`Error::LimitReached`] if another join of the room is not answered
    /// yet; [`Error::Stopped`].
    pub async fn join(&self, room: RoomName, start: Start) -> Result<Position> {
        self.command(|reply| SessionCommand::Join { room, start, reply }).await
    }

    /// Leaves a room. Errors with [`Error::NotJoined`]; [`Error::Stopped`].
    pub async fn leave(&self, room: RoomName) -> Result<()> {
        self.command(|reply| SessionCommand::Leave { room, reply }).await
    }

    /// Leaves the hub and ends every stream. Incoming calls may finish within
    /// [`shutdown::GRACE`]. Pending posts fail with [`Error::Stopped`]. Accepted direct messages
    /// still come out of [`Events`].
    pub async fn stop(self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        // The session and the server bound themselves; this bounds the streams of other clients.
        if tokio::time::timeout(2 * shutdown::GRACE, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("the client stopped before all of its tasks did");
        }
        self.0.history.flush().await;
    }

    fn start_delivery(&self) {
        let delivery = self.0.delivery.lock().take();
        if let Some(delivery) = delivery {
            self.0.tasks.spawn(delivery.run());
        }
    }

    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> SessionCommand,
    ) -> Result<T> {
        self.begin(command).await?.await.map_err(|_| Error::Stopped)?
    }

    async fn begin<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T>>) -> SessionCommand,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(command(reply)).await.map_err(|_| Error::Stopped)?;
        Ok(answer)
    }
}
