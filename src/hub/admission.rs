//! Admission: who may register which name.
//!
//! 1. A bot's token, a JWT, a key, or the token of a living session proves an owner. A wrong proof
//!    is refused: nobody becomes a guest by a mistake in a token. A session that began with a key
//!    proves its owner like the key does. One that began with a token proves only its own name, and
//!    only for the session that replaces it.
//! 2. An owner gets the names they own, and free names, which then belong to them for good
//!    ([`NameRegistry`](crate::storage::NameRegistry)).
//! 3. Everybody else is a guest, if the hub admits guests, and has a name for the session only.

use std::time::Duration;

use tonic::Extensions;

use super::{
    auth::{self, Token},
    options::Guests,
    sessions::{Caller, Sessions},
    state::HubState,
};
use crate::{
    error::{RequestError, Result},
    model::{InviteCode, Name},
    storage::{
        Directory, Membership, NameClaim, NameHolder, NameRegistry, Owner, Session, SessionClaim,
        SessionId,
    },
    transport::PeerInfo,
};

/// How often all sessions are checked, even if no change of names was noticed.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// When to retry a check that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Who asks for a name.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// The owner whose names they may have; `None` for a guest.
    pub(crate) owner: Option<Owner>,
    /// The session whose token the call carried.
    beside: Option<SessionId>,
    /// The one name they may have, if the proof is of one name.
    only: Option<Name>,
    /// Whether an issuer vouches for them, so that they need no invitation.
    vouched: bool,
}

/// Finds out who asks for a name. `replaces` is the session that the new one takes the place of.
/// Errors: [`RequestError::TokenRefused`] and [`RequestError::Removed`].
pub(crate) async fn identify(
    state: &HubState,
    extensions: &Extensions,
    replaces: Option<&Caller>,
) -> Result<Newcomer> {
    let auth::CallCredentials { token, certificate } = auth::credentials(extensions);
    let by_key =
        Newcomer { owner: certificate.map(Owner::key), beside: None, only: None, vouched: false };
    match token {
        // A session that has ended proves nothing; the name may still be free.
        Token::Missing | Token::Session(Err(RequestError::SessionEnded)) => Ok(match replaces {
            Some(replaced) if replaced.is_vouched() => successor(replaced, None),
            _ => by_key,
        }),
        Token::Session(caller) => {
            let caller = caller?;
            if !caller.is_vouched() {
                let owner = caller.owner.or(by_key.owner);
                return Ok(Newcomer { owner, beside: Some(caller.session), ..by_key });
            }
            match replaces {
                Some(replaced) if *replaced == caller => {
                    Ok(successor(replaced, Some(caller.session)))
                }
                _ => Err(RequestError::TokenRefused(
                    "use the one with which its session began".into(),
                )),
            }
        }
        Token::Bot(owner) => match state.names.find(owner.id()).await? {
            Membership::Member(names) => {
                Ok(Newcomer { owner: Some(owner), only: names.into_iter().next(), ..by_key })
            }
            Membership::Removed => Err(RequestError::Removed),
            Membership::Unknown => Err(RequestError::TokenRefused("no bot has it".into())),
        },
        Token::Jwt(jwt) => {
            let issuer = state.issuer.as_ref().ok_or_else(|| {
                RequestError::TokenRefused("this hub accepts no tokens of an issuer".into())
            })?;
            let subject = issuer.subject(&jwt.0)?;
            let owner = Owner::outside(&issuer.name, &subject.raw);
            // The operator may have given them another name.
            let only = match state.names.find(owner.id()).await? {
                Membership::Member(names) => names.into_iter().next(),
                Membership::Removed | Membership::Unknown => Some(subject.name),
            };
            Ok(Newcomer { owner: Some(owner), only, vouched: true, ..by_key })
        }
        Token::Unknown => Err(RequestError::TokenRefused("it is not a token of this hub".into())),
    }
}

fn successor(replaced: &Caller, beside: Option<SessionId>) -> Newcomer {
    let (owner, only) = (replaced.owner.clone(), Some(replaced.peer.clone()));
    Newcomer { owner, beside, only, vouched: false }
}

/// Registers a session, and its name for good if it has an owner. Returns the session's token.
///
/// A refused registration leaves nothing behind. The claim of a name is permanent and uses up the
/// invitation, so it comes after all checks. Only a concurrent registration of the same name can
/// still be in the way; if it is a guest's, the claim ends the guest's session. Errors as
/// [`NameRegistry::claim`](crate::storage::NameRegistry::claim) and
/// [`Directory::claim`](crate::storage::Directory::claim); also [`RequestError::GuestsRefused`],
/// [`RequestError::LimitReached`] if the hub is full, and [`RequestError::RateLimited`] if too many
/// names were claimed.
pub(crate) async fn register(
    state: &HubState,
    extensions: &Extensions,
    newcomer: Newcomer,
    session: Session,
    replaces: Option<SessionId>,
    invite: Option<InviteCode>,
) -> Result<String> {
    let Session { id, peer: name, owner, .. } = session.clone();
    if let Some(owner) = &owner
        && let Some(now) = state.names.renamed(&name, owner.id()).await?
        && now != name
    {
        return Err(RequestError::Renamed { now });
    }
    if let Some(only) = newcomer.only.filter(|only| *only != name) {
        return Err(RequestError::invalid("name", format!("the token belongs to {only}")));
    }
    let claim = SessionClaim { lease: state.lease, beside: newcomer.beside, replaces };
    let key = PeerInfo::of(extensions).and_then(PeerInfo::key);
    let caller = Caller { session: id, peer: name.clone(), owner: owner.clone(), key };
    let pending = match owner {
        None => {
            check_guest(state.admission.guests, extensions)?;
            state.names.check_free(&name).await?;
            state.sessions.begin(caller, state.lease)?
        }
        Some(owner) => {
            let owned = match state.names.find(owner.id()).await? {
                Membership::Member(names) => names,
                Membership::Removed | Membership::Unknown => Vec::new(),
            };
            // The operator may have given them another name, which they do not know yet.
            let refused = |error| match error {
                RequestError::NameTaken(wanted)
                    if !owned.is_empty() && !owned.contains(&wanted) =>
                {
                    RequestError::OtherName { wanted, yours: owned.clone() }
                }
                error => error,
            };
            // A guest who has the name keeps it while the session lives.
            state.directory.check(&session, &claim).await.map_err(refused)?;
            let pending = state.sessions.begin(caller, state.lease)?;
            // An issuer has no more names than people.
            if !newcomer.vouched && !owned.contains(&name) {
                state.rate_limits.claim(state.rate_limits.origin(extensions))?;
            }
            let by_invitation = state.admission.by_invitation && !newcomer.vouched;
            let entry = NameClaim { invite_required: by_invitation, invite };
            state.names.claim(&name, owner.id(), entry).await.map_err(refused)?;
            pending
        }
    };
    state.directory.claim(session, claim).await?;
    Ok(pending.commit())
}

fn check_guest(guests: Guests, extensions: &Extensions) -> Result<()> {
    let admitted = match guests {
        Guests::Never => false,
        Guests::Loopback => PeerInfo::of(extensions)
            .is_some_and(|info| info.remote.ip().to_canonical().is_loopback()),
        Guests::Always => true,
    };
    if admitted { Ok(()) } else { Err(RequestError::GuestsRefused) }
}

/// Ends the sessions of those who may not hold their names any more. Does not return.
pub(crate) async fn watch_names(
    names: &dyn NameRegistry,
    sessions: &Sessions,
    directory: &dyn Directory,
) {
    loop {
        // A change is reported once, so a failed check is retried, and all are checked regularly.
        let _ = tokio::time::timeout(CHECK_INTERVAL, names.changed()).await;
        while let Err(error) = expel(names, sessions, directory).await {
            tracing::warn!(%error, "cannot check who may still hold a name; retrying");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn expel(
    names: &dyn NameRegistry,
    sessions: &Sessions,
    directory: &dyn Directory,
) -> Result<()> {
    let holders = sessions.holders();
    for session in names.expelled(holders.clone()).await? {
        let holder = holders.iter().find(|holder| holder.session == session);
        if let Some(NameHolder { name, owner: Some(owner), .. }) = holder
            && let Some(now) = names.renamed(name, owner).await?
        {
            // A client repeats under the new name what was not answered.
            sessions.end_streams(session, &RequestError::Renamed { now }).await;
        }
        match directory.release(session).await {
            // It may have ended in the meantime.
            Ok(()) | Err(RequestError::SessionEnded) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
