//! The permanent owners of names.

use std::{fmt, sync::Arc, time::Duration};

use tonic::async_trait;

use super::SessionId;
use crate::{
    error::Result,
    identity::hash_secret,
    model::{Certificate, Fingerprint, InviteCode, Name},
};

/// Names per owner: a person's own and those of a few bots that share the key.
pub const MAX_NAMES: usize = 16;

/// The names that have an owner, whether a session holds them or not.
///
/// Of names that can be mistaken for each other ([`Name::likeness`]) only one is given out. Names that
/// were given out before a rule existed stay with their owners.
#[async_trait]
pub trait NameRegistry: Send + Sync + 'static {
    /// Gives a name to an owner. Has no effect if the owner has it already. Errors with
    /// [`NameTaken`](crate::error::RequestError::NameTaken) and
    /// [`NameConfusable`](crate::error::RequestError::NameConfusable) if the name, or one that
    /// looks like it, belongs to another owner, or another name of this owner looks like it;
    /// [`Removed`](crate::error::RequestError::Removed) and
    /// [`InviteRequired`](crate::error::RequestError::InviteRequired) if the owner needs a valid
    /// invitation; [`LimitReached`](crate::error::RequestError::LimitReached) beyond [`MAX_NAMES`].
    async fn claim(&self, name: &Name, owner: &OwnerId, entry: NameClaim) -> Result<()>;

    /// Checks that neither the name nor one that looks like it has an owner.
    async fn check_free(&self, name: &Name) -> Result<()>;

    /// Returns what the registry knows of an owner.
    async fn find(&self, owner: &OwnerId) -> Result<Membership>;

    /// Returns the present name of an owner who had this name until the operator renamed them.
    async fn renamed(&self, name: &Name, owner: &OwnerId) -> Result<Option<Name>>;

    /// Returns the sessions among `holders` that may not hold their name any more.
    async fn expelled(&self, holders: Vec<NameHolder>) -> Result<Vec<SessionId>>;

    /// Records that the names of `used` are in use, and that the hub ran for some more hours. Frees the
    /// names that nobody has used for `idle`, counted in hours that the hub ran; `None`: none. Members whom
    /// the operator let in, by an invitation, a token or a new name, keep theirs. Returns how many were
    /// freed.
    async fn expire(
        &self,
        used: Vec<NameHolder>,
        hours: u32,
        idle: Option<Duration>,
    ) -> Result<usize>;

    /// Returns soon after the owner of any name changed, whichever process changed it.
    async fn changed(&self);
}

/// Somebody who can own names.
#[derive(Debug, Clone)]
pub struct Owner {
    id: OwnerId,
    certificate: Option<Certificate>,
}

impl Owner {
    /// The owner with the key of this certificate.
    pub fn key(certificate: Certificate) -> Self {
        let id = OwnerId::new(format!("{KEY}{}", certificate.fingerprint().hex()));
        Self { id, certificate: Some(certificate) }
    }

    /// The owner with this token, which the hub's operator made.
    pub fn bot(token: &str) -> Self {
        let hash = Fingerprint::from_bytes(hash_secret(token));
        Self { id: OwnerId::new(format!("{BOT}{}", hash.hex())), certificate: None }
    }

    /// The owner that an external issuer vouches for.
    pub fn outside(issuer: &str, subject: &str) -> Self {
        Self { id: OwnerId::new(format!("{OUTSIDE}{issuer}#{subject}")), certificate: None }
    }

    /// Returns the id.
    pub fn id(&self) -> &OwnerId {
        &self.id
    }

    /// Returns the certificate of the owner's key; `None` for an owner without a key.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }
}

impl PartialEq for Owner {
    /// Owners with the same key are equal, whatever their certificate.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Owner {}

const KEY: &str = "key:";
const BOT: &str = "bot:";
const OUTSIDE: &str = "jwt:";

/// The id of an owner: `key:` and the fingerprint, `bot:` and the hash of the token, or `jwt:`, the
/// issuer, `#` and the subject. Not a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerId(Arc<str>);

impl OwnerId {
    pub(super) fn new(raw: impl Into<Arc<str>>) -> Self {
        Self(raw.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the fingerprint of an owner with a key.
    pub fn key(&self) -> Option<Fingerprint> {
        self.0.strip_prefix(KEY).and_then(|hex| Fingerprint::parse(hex).ok())
    }

    /// Returns true if the owner is a bot with a token of the hub's operator.
    pub fn is_bot(&self) -> bool {
        self.0.starts_with(BOT)
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The terms on which somebody gets a name.
#[derive(Debug, Clone, Default)]
pub struct NameClaim {
    /// Whether somebody without a name needs an invitation. Removed owners always need one.
    pub invite_required: bool,
    /// The invitation that was shown. A removed owner needs one that was made after the removal.
    pub invite: Option<InviteCode>,
}

/// What a registry knows of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// Has no name.
    Unknown,
    /// Was removed by the hub's operator.
    Removed,
    /// Owns these names.
    Member(Vec<Name>),
}

/// A session that holds a name.
#[derive(Debug, Clone)]
pub struct NameHolder {
    /// The session.
    pub session: SessionId,
    /// The name.
    pub name: Name,
    /// The owner of the name when the session began; `None` for a guest.
    pub owner: Option<OwnerId>,
}
