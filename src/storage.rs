//! Where messages, names and leases are kept: the three traits that a hub stands on.
//!
//! A [`MessageLog`] accumulates, a [`Directory`] expires, and [`NameRegistry`] remembers whose name is
//! whose. The first two report what became true to a listener that the hub gives them ([`CommitListener`],
//! [`SessionListener`]); handlers never reach around any of them, so that a clustered implementation can take
//! the place of the [`embedded`] one.

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

/// What becomes of a draft, called once.
pub type AppendCallback = Box<dyn FnOnce(Result<Posted>) + Send>;

/// The rooms' messages, each room an ordered log.
#[async_trait]
pub trait MessageLog: Send + Sync + 'static {
    /// Identity of the log's life. Never 0.
    fn epoch(&self) -> u64;

    /// Hands a draft over, waiting while too many are under way. `done` is called when the message
    /// is durable, after the [`CommitListener`] has seen it, or when that failed; for the drafts of one
    /// caller in the order in which they were handed over. Whoever stops waiting has handed nothing
    /// over.
    async fn append(&self, draft: Draft, done: AppendCallback);

    /// How far each room's log reaches, for those rooms that have one.
    async fn extents(&self, rooms: RoomSelection) -> Result<HashMap<RoomName, Extent>>;

    /// Reads a part of a room, in the order of the log. Fewer messages than asked for do not
    /// mean that there are no more; none do.
    ///
    /// # Errors
    ///
    /// [`PositionGone`](crate::error::RequestError::PositionGone) where what followed an [`Edge::After`]
    /// other than 0, which stands for the beginning, has been removed.
    async fn read(&self, room: &RoomName, slice: Slice) -> Result<Vec<Message>>;

    /// The seq before the first message stored at `at` or later; the head's where there is none.
    async fn seq_before(&self, room: &RoomName, at: Timestamp) -> Result<u64>;

    /// Finds messages by their words. Fewer than asked for means that there are no more. What was
    /// stored in the last moments may be missing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::error::RequestError::Invalid) where the query holds no word; nothing else in it is
    /// wrong.
    async fn search(&self, search: Search) -> Result<Vec<SearchHit>>;

    /// Removes the messages that need not be kept and returns how many those were. A room's first
    /// position moves; its messages' ids stay known.
    async fn retain(&self, retention: Retention) -> Result<u64>;
}

/// Which rooms.
#[derive(Debug, Clone)]
pub enum RoomSelection {
    /// This one.
    One(RoomName),
    /// Up to `limit` rooms whose names come after `after`.
    After {
        /// Exclusive; `None`: from the first.
        after: Option<RoomName>,
        /// The most to return.
        limit: usize,
    },
}

/// How far a room's log reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The seq of the first message that can still be read; after `last` where all were removed.
    pub first: u64,
    /// The seq of the last message.
    pub last: u64,
    /// When the last message was stored.
    pub last_at: Timestamp,
}

/// A part of a room's log: at most `limit` messages and about [`MAX_SLICE_BYTES`] of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Where it begins, exclusive.
    pub from: Edge,
    /// The most messages.
    pub limit: usize,
}

/// The edge of a [`Slice`], and to which side of it the slice lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// What follows this seq.
    After(u64),
    /// What precedes this seq.
    Before(u64),
}

/// Bytes of text after which a slice is cut, so that neither a page nor a catching-up reader costs
/// more memory than this.
pub const MAX_SLICE_BYTES: usize = 512 * 1024;

/// A question to the full-text index.
#[derive(Debug, Clone)]
pub struct Search {
    /// Words, prefixes (`wor*`) and phrases (`"two words"`), all of which must occur.
    pub query: String,
    /// Only this room.
    pub room: Option<RoomName>,
    /// Only this sender.
    pub sender: Option<Name>,
    /// The latest first, instead of the best.
    pub newest_first: bool,
    /// The most hits.
    pub limit: usize,
    /// How many hits to pass over.
    pub offset: usize,
}

/// Which messages a log keeps. The default keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Those that are not older than this.
    pub age: Option<Duration>,
    /// The latest ones of each room, this many.
    pub count: Option<u64>,
}

/// Who hears of every message that was stored.
pub trait CommitListener: Send + Sync + 'static {
    /// `messages` of one room were stored, in this order, right after those of the call before
    /// that named the same room. Called by the writer itself: it must be quick.
    fn stored(&self, room: &RoomName, messages: &[Message]);

    /// So many messages, of whatever rooms, were stored by one commit that took so long: told before
    /// the messages are.
    fn committed(&self, _messages: usize, _took: Duration) {}
}

/// Identity of a session within the hub, or among the hubs of a cluster. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u128);

impl SessionId {
    /// A new one.
    #[allow(clippy::new_without_default, reason = "a default that differs every time misleads")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().as_u128())
    }
}

/// Who holds which name, for as long as the leases live.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Checks that a session could begin now, without beginning it.
    async fn check(&self, session: &Session, claim: &SessionClaim) -> Result<()>;

    /// Begins a session, ending the one it replaces. A name, or one of its skeleton, that others
    /// hold is refused; who shows a living session of the same name, or is the owner of one, is not
    /// another.
    async fn claim(&self, session: Session, claim: SessionClaim) -> Result<()>;

    /// Lets a session live for `lease` from now.
    async fn renew(&self, id: SessionId, lease: Duration) -> Result<()>;

    /// Changes what a session says about itself.
    async fn update(&self, id: SessionId, change: SessionUpdate) -> Result<()>;

    /// Ends a session. Ending one that has ended already changes nothing.
    async fn release(&self, id: SessionId) -> Result<()>;
}

/// One registration of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// Whose it is.
    pub peer: Name,
    /// Where its PeerChat server can be reached.
    pub endpoints: Vec<Endpoint>,
    /// What it says about its readiness.
    pub status: PeerStatus,
    /// When it began.
    pub began_at: Timestamp,
    /// Since when it has had its status.
    pub status_since: Timestamp,
    /// Whose the name is, session or not; `None`: a guest's, who has it for this session only.
    pub owner: Option<Owner>,
}

/// On what grounds a session is begun.
#[derive(Debug, Clone, Copy)]
pub struct SessionClaim {
    /// How long it lives without renewal.
    pub lease: Duration,
    /// A session that the caller proved to be its own.
    pub beside: Option<SessionId>,
    /// A session that the caller proved to be its own and that ends now.
    pub replaces: Option<SessionId>,
}

/// A change of what a session says about itself; `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct SessionUpdate {
    /// The new status.
    pub status: Option<PeerStatus>,
    /// The new endpoints.
    pub endpoints: Option<Vec<Endpoint>>,
}

/// Who hears of every session that begins, changes, or ends, exactly once and in order.
pub trait SessionListener: Send + Sync + 'static {
    /// A session began or changed; this is how it is now.
    fn put(&self, session: Session);

    /// A session ended, by release, replacement or the end of its lease.
    fn gone(&self, id: SessionId, peer: &Name);
}
