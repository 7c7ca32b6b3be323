//! Who may have which name: what stands between Register and a session.
//!
//! 1. Whoever shows the token of a bot, a JWT, a key, or the token of a living session is its owner.
//!    What is shown must be right: nobody becomes a guest by a mistake in a token.
//! 2. An owner gets the names that are theirs, and free ones by claiming them for good
//!    ([`Members`](crate::backbone::Members)).
//! 3. Everybody else is a guest, where the hub takes guests, and gets what belongs to nobody for as
//!    long as the session lives.

use tonic::Extensions;

use super::{
    State,
    auth::{self, Shown},
    sessions::Caller,
};
use crate::{
    backbone::{Claim, Entry, Known, Owner, Session},
    error::{Error, Result},
    model::{InviteCode, Name},
    transport::PeerInfo,
};

/// Who may be a guest: take a free name without a key, for as long as a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Nobody.
    Never,
    /// Who comes from the machine itself.
    Loopback,
    /// Everybody.
    Always,
}

/// Whom the hub lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Who may be a guest.
    pub guests: Guests,
    /// Whether a key that has no name yet needs an invitation.
    pub by_invitation: bool,
}

impl Default for Admission {
    /// Open to every key, and to guests from the machine itself.
    fn default() -> Self {
        Self { guests: Guests::Loopback, by_invitation: false }
    }
}

/// Who asks for a name.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// Whose names they may have; `None`: a guest.
    pub(crate) owner: Option<Owner>,
    /// The session whose token was shown.
    pub(crate) beside: Option<Caller>,
    /// The one name that they may have, where what they showed says so.
    only: Option<Name>,
    /// Whether somebody vouches for them, so that they need no invitation.
    vouched: bool,
}

/// Finds out who asks for a name.
///
/// # Errors
///
/// [`Error::TokenRefused`] and [`Error::Removed`].
pub(crate) async fn identify(state: &State, extensions: &Extensions) -> Result<Newcomer> {
    let auth::Credentials { shown, certificate } = auth::credentials(extensions);
    let key =
        Newcomer { owner: certificate.map(Owner::key), beside: None, only: None, vouched: false };
    match shown {
        // A session that has ended makes nobody: the name may be free all the same.
        Shown::Nothing | Shown::Session(Err(Error::SessionEnded)) => Ok(key),
        Shown::Session(caller) => {
            let caller = caller?;
            Ok(Newcomer {
                owner: caller.owner.clone().or(key.owner),
                beside: Some(caller),
                only: None,
                vouched: false,
            })
        }
        Shown::Bot(owner) => match state.members.find(owner.id()).await? {
            Known::Member(names) => {
                Ok(Newcomer { owner: Some(owner), only: names.into_iter().next(), ..key })
            }
            Known::Removed => Err(Error::Removed),
            Known::Stranger => Err(Error::TokenRefused("it is no bot's".into())),
        },
        Shown::Jwt(jwt) => {
            let issuer = state.issuer.as_ref();
            let issuer = issuer.ok_or_else(|| {
                Error::TokenRefused("this hub believes no issuer of tokens".into())
            })?;
            let subject = issuer.subject(&jwt.0)?;
            let owner = Owner::outside(issuer.name(), &subject.raw);
            Ok(Newcomer { owner: Some(owner), only: Some(subject.name), vouched: true, ..key })
        }
        Shown::Unknown => Err(Error::TokenRefused("it is no token of this hub".into())),
    }
}

/// Sees to it that the newcomer may have the session's name, for good if they are no guest.
///
/// # Errors
///
/// As [`Members::claim`](crate::backbone::Members::claim), and [`Error::GuestsRefused`].
pub(crate) async fn admit(
    state: &State,
    newcomer: &Newcomer,
    session: &Session,
    claim: &Claim,
    invite: Option<InviteCode>,
    extensions: &Extensions,
) -> Result<()> {
    let name = &session.peer;
    if let Some(only) = newcomer.only.as_ref().filter(|only| *only != name) {
        return Err(Error::invalid("name", format!("the token that is shown is {only}'s")));
    }
    let Some(owner) = &session.owner else {
        check_guest(state.admission.guests, extensions)?;
        return state.members.check_free(name).await;
    };
    // A guest who has the name now keeps it while the session lives. Asked first, because what is
    // claimed stays claimed, and an invitation used.
    state.directory.check(session, claim).await?;
    let by_invitation = state.admission.by_invitation && !newcomer.vouched;
    state.members.claim(name, owner.id(), Entry { by_invitation, invite }).await
}

fn check_guest(guests: Guests, extensions: &Extensions) -> Result<()> {
    let may = match guests {
        Guests::Never => false,
        Guests::Loopback => PeerInfo::of(extensions)
            .is_some_and(|info| info.remote.ip().to_canonical().is_loopback()),
        Guests::Always => true,
    };
    if may { Ok(()) } else { Err(Error::GuestsRefused) }
}

/// Ends the sessions of those who may not hold their names any more, for as long as it is polled.
pub(crate) async fn watch_members(state: &State) {
    loop {
        state.members.changed().await;
        let expelled = match state.members.expelled(state.sessions.holders()).await {
            Ok(expelled) => expelled,
            Err(error) => {
                tracing::warn!(%error, "cannot check who may still hold a name");
                continue;
            }
        };
        for session in expelled {
            // It may have ended meanwhile, which changes nothing.
            let _ = state.directory.release(session).await;
        }
    }
}
