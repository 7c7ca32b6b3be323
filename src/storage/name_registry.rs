//! Whose name is whose, for good.

use std::{fmt, sync::Arc};

use tonic::async_trait;

use super::SessionId;
use crate::{
    error::Result,
    identity::hash_secret,
    model::{Certificate, Fingerprint, InviteCode, Name},
};

/// Names that one owner may have: a person's own and those of a few bots that share the key.
pub const MAX_NAMES: usize = 16;

/// The names that belong to somebody, whether a session holds them or not.
///
/// Of all names of one skeleton only one ever belongs to anybody.
#[async_trait]
pub trait NameRegistry: Send + Sync + 'static {
    /// Gives a name to an owner who does not have it yet.
    ///
    /// # Errors
    ///
    /// [`NameTaken`](crate::error::RequestError::NameTaken) and
    /// [`NameConfusable`](crate::error::RequestError::NameConfusable) where it, or its like, is another's or
    /// of this owner's other name; [`Removed`](crate::error::RequestError::Removed) and
    /// [`InviteRequired`](crate::error::RequestError::InviteRequired) where there is no entry;
    /// [`LimitReached`](crate::error::RequestError::LimitReached) beyond [`MAX_NAMES`].
    async fn claim(&self, name: &Name, owner: &OwnerId, entry: NameClaim) -> Result<()>;

    /// Checks that a name, and what looks like it, belongs to nobody.
    async fn check_free(&self, name: &Name) -> Result<()>;

    /// What is known of somebody.
    async fn find(&self, owner: &OwnerId) -> Result<Membership>;

    /// Those of the holders of names who may not hold them any more.
    async fn expelled(&self, holders: Vec<NameHolder>) -> Result<Vec<SessionId>>;

    /// Returns within moments of a change of any name's owner, whoever made it.
    async fn changed(&self);
}

/// Somebody whom a name can belong to.
#[derive(Debug, Clone)]
pub struct Owner {
    id: OwnerId,
    certificate: Option<Certificate>,
}

impl Owner {
    /// Who has the key of this certificate.
    pub fn key(certificate: Certificate) -> Self {
        let id = OwnerId::new(format!("{KEY}{}", certificate.fingerprint().hex()));
        Self { id, certificate: Some(certificate) }
    }

    /// Who has this token, which the hub's keeper made.
    pub fn bot(token: &str) -> Self {
        let hash = Fingerprint::from_bytes(hash_secret(token));
        Self { id: OwnerId::new(format!("{BOT}{}", hash.hex())), certificate: None }
    }

    /// Whom an issuer vouches for.
    pub fn outside(issuer: &str, subject: &str) -> Self {
        Self { id: OwnerId::new(format!("{OUTSIDE}{issuer}#{subject}")), certificate: None }
    }

    /// What tells owners apart.
    pub fn id(&self) -> &OwnerId {
        &self.id
    }

    /// The certificate of the owner's key; `None`: the owner is known by something else.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }
}

impl PartialEq for Owner {
    /// A key makes one owner, in whatever certificate it comes.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Owner {}

const KEY: &str = "key:";
const BOT: &str = "bot:";
const OUTSIDE: &str = "jwt:";

/// What tells owners apart: `key:` and the fingerprint, `bot:` and the hash of the token, or `jwt:`,
/// the issuer, `#` and the subject. No secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerId(Arc<str>);

impl OwnerId {
    pub(super) fn new(raw: impl Into<Arc<str>>) -> Self {
        Self(raw.into())
    }

    /// The id as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of an owner who is known by one.
    pub fn key(&self) -> Option<Fingerprint> {
        self.0.strip_prefix(KEY).and_then(|hex| Fingerprint::parse(hex).ok())
    }

    /// Whether the owner is known by a token that the hub's keeper made.
    pub fn is_bot(&self) -> bool {
        self.0.starts_with(BOT)
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// On what grounds somebody gets a name.
#[derive(Debug, Clone, Default)]
pub struct NameClaim {
    /// Whether who has no name yet needs an invitation. Who was removed always does.
    pub invite_required: bool,
    /// The invitation that is shown. Of who was removed only one that was made after that counts.
    pub invite: Option<InviteCode>,
}

/// What is known of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// Nothing.
    Unknown,
    /// That the hub's keeper has removed them.
    Removed,
    /// That these names are theirs.
    Member(Vec<Name>),
}

/// Who holds a name by a session.
#[derive(Debug, Clone)]
pub struct NameHolder {
    /// The session.
    pub session: SessionId,
    /// The name.
    pub name: Name,
    /// Whose the name was when the session began; `None`: a guest's.
    pub owner: Option<OwnerId>,
}
