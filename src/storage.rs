//! Storage of messages, names and leases: the three traits that a hub uses.
//!
//! A [`MessageLog`] stores messages, a [`Directory`] holds sessions with leases, and a
//! [`NameRegistry`] records the owners of names. The first two notify a listener that the hub gives
//! them ([`CommitListener`], [`SessionListener`]). The hub uses nothing but these traits, so that a
//! clustered implementation can replace the [`embedded`] one.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use tonic::async_trait;

use crate::{
    error::Result,
    model::{Draft, Endpoint, Message, Name, PeerStatus, Posted, RoomName, SearchHit},
};

pub mod embedded;
mod name_registry;

pub use name_registry::{
    MAX_NAMES, Membership, NameClaim, NameHolder, NameRegistry, Owner, OwnerId,
};

/// Called once with the outcome of a draft.
pub type AppendCallback = Box<dyn FnOnce(Result<Posted>) + Send>;

/// The messages of all rooms; each room is an ordered log.
#[async_trait]
pub trait MessageLog: Send + Sync + 'static {
    /// The epoch of the log. Never 0.
    fn epoch(&self) -> u64;

    /// Returns the space that the messages take.
    fn space(&self) -> LogSpace;

    /// Appends a draft. Waits while too many are in flight. Calls `done` when the message is
    /// durable and the [`CommitListener`] has been notified, or when that failed. The drafts of one
    /// caller are stored, and their callbacks called, in the order of the calls. Dropping the
    /// future before it is ready appends nothing.
    async fn append(&self, draft: Draft, done: AppendCallback);

    /// Returns the extent of each selected room that has messages.
    async fn extents(&self, rooms: RoomSelection) -> Result<HashMap<RoomName, Extent>>;

    /// Reads a part of a room, in the order of the log. Fewer messages than requested do not mean
    /// that there are no more; an empty answer does. Errors with
    /// [`PositionGone`](crate::error::RequestError::PositionGone) if messages after an
    /// [`Edge::After`] other than 0 have been removed. 0 is the beginning of whatever is left.
    async fn read(&self, room: &RoomName, slice: Slice) -> Result<Vec<Message>>;

    /// Returns the seq before the first message stored at `at` or later; without one, the last seq.
    async fn seq_before(&self, room: &RoomName, at: Timestamp) -> Result<u64>;

    /// Finds messages by their words, a page at a time. Messages of the last moments may be missing.
    /// No message is on two pages, whatever is posted in between. Errors with
    /// [`Invalid`](crate::error::RequestError::Invalid) if the query holds no word, unless it is empty
    /// and a room or a sender is given, or if the cursor is not one of such a search.
    async fn search(&self, search: Search) -> Result<SearchPage>;

    /// Removes the messages that the retention does not keep, and returns their number. The first
    /// position of a room moves; the ids of removed messages stay known.
    async fn retain(&self, retention: Retention) -> Result<u64>;
}

/// The space that a log takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSpace {
    /// What its messages take, without the search index.
    pub used: u64,
    /// From where on it takes no more messages; `None`: no limit but that of the disk.
    pub limit: Option<u64>,
}

/// Which rooms to return.
#[derive(Debug, Clone)]
pub enum RoomSelection {
    /// This one.
    One(RoomName),
    /// These.
    These(Vec<RoomName>),
    /// Up to `limit` rooms whose names come after `after`, without removed ones.
    After {
        /// Exclusive; `None` starts with the first room.
        after: Option<RoomName>,
        /// The maximum number of rooms.
        limit: usize,
    },
}

/// The extent of a room's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The seq of the first message that is left; `last` + 1 if none is.
    pub first: u64,
    /// The seq of the last message.
    pub last: u64,
    /// When the last message was stored.
    pub last_at: Timestamp,
    /// Whether the room was removed because nobody posted to it. Its next message gets the next seq.
    pub removed: bool,
}

/// A part of a room's log: at most `limit` messages and about [`MAX_SLICE_BYTES`] of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Where the slice begins, exclusive.
    pub from: Edge,
    /// The maximum number of messages.
    pub limit: usize,
}

/// The edge of a [`Slice`], and the side of it on which the slice lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The messages after this seq.
    After(u64),
    /// The messages before this seq.
    Before(u64),
}

/// Bytes of text after which a slice ends, to bound the memory of a page or a reader behind.
pub const MAX_SLICE_BYTES: usize = 512 * 1024;

/// A query of the full-text index.
#[derive(Debug, Clone)]
pub struct Search {
    /// Words, prefixes (`wor*`) and phrases (`"two words"`). A message has to contain all of them. Empty:
    /// all messages of the room or of the sender.
    pub query: String,
    /// Only this room.
    pub room: Option<RoomName>,
    /// Only this sender.
    pub sender: Option<Name>,
    /// Only messages stored at this time or later.
    pub since: Option<Timestamp>,
    /// Only messages stored before this time.
    pub until: Option<Timestamp>,
    /// Whether to sort by time, latest first, instead of by relevance.
    pub newest_first: bool,
    /// The maximum number of hits.
    pub limit: usize,
    /// Where the page begins; `None`: with the first hit.
    pub after: Option<SearchCursor>,
}

/// A page of search hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPage {
    /// The hits.
    pub hits: Vec<SearchHit>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<SearchCursor>,
}

/// Where a page of search hits ends, in the form of the log that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchCursor(pub String);

/// Which messages a log keeps. The default keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Keep messages up to this age.
    pub age: Option<Duration>,
    /// Keep this many of the latest messages of each room.
    pub count: Option<u64>,
    /// Remove rooms without a new message for this long.
    pub idle: Option<Duration>,
}

/// Called with every committed message, in order.
pub trait CommitListener: Send + Sync + 'static {
    /// `messages` of one room were stored, in this order, directly after those of the previous call
    /// for the same room. Runs on the writer's thread and must return quickly.
    fn stored(&self, room: &RoomName, messages: &[Message]);

    /// One commit stored this many messages of any rooms, and took this long. Called before
    /// [`stored`](Self::stored).
    fn committed(&self, _messages: usize, _took: Duration) {}
}

/// The id of a session, unique within the hub or cluster. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

impl SessionId {
    /// Creates a new id.
    #[allow(clippy::new_without_default, reason = "a default that differs every time misleads")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().as_u128())
    }
}

/// The sessions and the names that they hold, for as long as their leases last.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Checks whether a session could begin now.
    async fn check(&self, session: &Session, claim: &SessionClaim) -> Result<()>;

    /// Begins a session, and ends the one it replaces. Refuses a name that another peer holds, or
    /// that looks like such a name. A caller is the same peer if it proves to have a session of the
    /// name, or owns the name.
    async fn claim(&self, session: Session, claim: SessionClaim) -> Result<()>;

    /// Extends the lease of a session to `lease` from now.
    async fn renew(&self, id: SessionId, lease: Duration) -> Result<()>;

    /// Updates the status or the endpoints of a session.
    async fn update(&self, id: SessionId, change: SessionUpdate) -> Result<()>;

    /// Ends a session. Has no effect if it has ended already.
    async fn release(&self, id: SessionId) -> Result<()>;
}

/// One registration of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The peer's name.
    pub peer: Name,
    /// Where its PeerChat server can be reached.
    pub endpoints: Vec<Endpoint>,
    /// The status.
    pub status: PeerStatus,
    /// When it began.
    pub began_at: Timestamp,
    /// Since when the session has its status.
    pub status_since: Timestamp,
    /// The owner of the name; `None` for a guest, who has the name for this session only.
    pub owner: Option<Owner>,
}

/// The terms on which a session begins.
#[derive(Debug, Clone, Copy)]
pub struct SessionClaim {
    /// How long the session lasts without renewal.
    pub lease: Duration,
    /// A session that the caller has proven to have.
    pub beside: Option<SessionId>,
    /// A session that the caller has proven to have, and that ends now.
    pub replaces: Option<SessionId>,
}

/// An update of a session; `None` leaves a part unchanged.
#[derive(Debug, Clone, Default)]
pub struct SessionUpdate {
    /// The new status.
    pub status: Option<PeerStatus>,
    /// The new endpoints.
    pub endpoints: Option<Vec<Endpoint>>,
}

/// Called for every session that begins, changes or ends, exactly once and in order.
pub trait SessionListener: Send + Sync + 'static {
    /// A session began or changed; this is its new state.
    fn put(&self, session: Session);

    /// A session ended: it was released or replaced, or its lease ran out.
    fn gone(&self, id: SessionId, peer: &Name);
}
