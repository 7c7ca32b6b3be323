//! The options of a client.

use std::{net::SocketAddr, path::PathBuf};

use super::{trust::HubTrust, wall_clock::WallClock};
use crate::{
    identity::{Contacts, Identity},
    model::{Endpoint, InviteCode, Name, PeerStatus, RoomName, Start},
};

/// Who may send direct messages to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DirectPolicy {
    /// Contacts only.
    Contacts,
    /// Also peers whose key the hub lists, and callers on this machine without a key.
    #[default]
    Known,
    /// Everybody. Strangers are marked as unverified.
    Anyone,
}

/// The options of a client: its name, its hub, and how others reach it.
///
/// ```
/// use chinwag::{
///     client::ClientOptions,
///     model::{Endpoint, Name, RoomName},
/// };
///
/// let hub = Endpoint::parse("127.0.0.1:50051")?;
/// let options = ClientOptions::new(hub, Name::parse("robot")?)
///     .room(RoomName::lobby())
///     .listen("127.0.0.1:0".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(crate) hub: Endpoint,
    pub(crate) name: Name,
    pub(crate) status: PeerStatus,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) inbox_limit: Option<u64>,
    pub(crate) advertise: Vec<Endpoint>,
    pub(crate) rooms: Vec<(RoomName, Start)>,
    pub(crate) identity: Option<Identity>,
    pub(crate) trust: HubTrust,
    pub(crate) contacts: Option<Contacts>,
    pub(crate) direct: DirectPolicy,
    pub(crate) invite: Option<InviteCode>,
    pub(crate) outbox: Option<PathBuf>,
    pub(crate) inbox: Option<PathBuf>,
    pub(crate) history: Option<PathBuf>,
    /// Without this, messages in the history are only deleted.
    pub(crate) keeps_history: bool,
    pub(crate) may_start_away: bool,
    pub(crate) clock: WallClock,
}

impl ClientOptions {
    /// Returns the options of a client that is called `name` at the hub at this endpoint. By
    /// default it is online, takes no direct messages, joins no room, and has no key, so that
    /// everything goes in plaintext.
    pub fn new(hub: Endpoint, name: Name) -> Self {
        Self {
            hub,
            name,
            status: PeerStatus::Online,
            listen: None,
            inbox_limit: None,
            advertise: Vec::new(),
            rooms: Vec::new(),
            identity: None,
            trust: HubTrust::default(),
            contacts: None,
            direct: DirectPolicy::default(),
            invite: None,
            outbox: None,
            inbox: None,
            history: None,
            keeps_history: true,
            may_start_away: false,
            clock: WallClock::default(),
        }
    }

    /// Changes the hub, for example to another endpoint of the same one.
    pub fn hub(mut self, hub: Endpoint) -> Self {
        self.hub = hub;
        self
    }

    /// Sets the status that others see. [`PeerStatus::Invisible`] suits short-lived clients.
    pub fn status(mut self, status: PeerStatus) -> Self {
        self.status = status;
        self
    }

    /// Takes direct messages at the first free port from here upwards, 64 at most; port 0 is any
    /// free port. Without this no direct messages come in.
    pub fn listen(mut self, listen: SocketAddr) -> Self {
        self.listen = Some(listen);
        self
    }

    /// Accepts so many direct messages in all. Later ones are refused as by a client that is about
    /// to stop. Without this there is no limit.
    pub fn inbox_limit(mut self, limit: u64) -> Self {
        self.inbox_limit = Some(limit);
        self
    }

    /// Advertises these endpoints instead of the address that the client listens at; at most
    /// [`crate::model::MAX_ENDPOINTS`].
    pub fn advertise(mut self, endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        self.advertise = endpoints.into_iter().collect();
        self
    }

    /// Joins a room from the start, at its end.
    pub fn room(mut self, room: RoomName) -> Self {
        self.rooms.push((room, Start::Head));
        self
    }

    /// Joins these rooms from the start, and no others.
    pub fn rooms(mut self, rooms: impl IntoIterator<Item = (RoomName, Start)>) -> Self {
        self.rooms = rooms.into_iter().collect();
        self
    }

    /// Uses this key. Without one the client is a guest of the hub, if that allows guests, and its
    /// direct messages are not encrypted, which is possible on loopback only.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets how the hub proves that it is the right one.
    pub fn trust(mut self, trust: HubTrust) -> Self {
        self.trust = trust;
        self
    }

    /// Keeps the keys of hubs and peers in this contact book. Without one they are forgotten.
    pub fn contacts(mut self, contacts: Contacts) -> Self {
        self.contacts = Some(contacts);
        self
    }

    /// Sets who may send direct messages to this client.
    pub fn direct(mut self, policy: DirectPolicy) -> Self {
        self.direct = policy;
        self
    }

    /// Shows this invitation to a hub that is closed to newcomers.
    pub fn invite(mut self, code: InviteCode) -> Self {
        self.invite = Some(code);
        self
    }

    /// Keeps durable messages for peers who are away in this file, which other clients of the same
    /// person may share. Without one there is no [`durable`](super::DirectSend::durable).
    pub fn outbox(mut self, path: impl Into<PathBuf>) -> Self {
        self.outbox = Some(path.into());
        self
    }

    /// Remembers accepted durable messages in this file, so that they are shown once, across
    /// restarts. Without one they are remembered for as long as the client runs.
    pub fn inbox(mut self, path: impl Into<PathBuf>) -> Self {
        self.inbox = Some(path.into());
        self
    }

    /// Keeps the direct messages of both directions in this file, which other clients of the same
    /// person may share, to be read with
    /// [`Client::direct_messages`](super::Client::direct_messages). Without one they are not kept.
    pub fn history(mut self, path: impl Into<PathBuf>) -> Self {
        self.history = Some(path.into());
        self
    }

    /// Allows the hub to be away at the start if the contact book has it: the client then begins as
    /// after a loss, and reaches contacts at the endpoints in the book.
    pub fn may_start_away(mut self, allowed: bool) -> Self {
        self.may_start_away = allowed;
        self
    }
}
