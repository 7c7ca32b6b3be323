//! Who may have which name: what stands between Register and a session.
//!
//! 1. Whoever shows the token of a bot, a JWT, a key, or the token of a living session is its owner.
//!    What is shown must be right: nobody becomes a guest by a mistake in a token.
//!    Only that of a key can be shown by any of its sessions: where a token was the proof, one of its
//!    sessions proves the name that it holds, and only to the session that takes its place.
//! 2. An owner gets the names that are theirs, and free ones by claiming them for good
//!    ([`NameRegistry`](crate::storage::NameRegistry)).
//! 3. Everybody else is a guest, where the hub takes guests, and gets what belongs to nobody for as
//!    long as the session lives.

use std::time::Duration;

use tonic::Extensions;

use super::{
    State,
    auth::{self, Shown},
    sessions::{Caller, Sessions},
};
use crate::{
    error::{RequestError, Result},
    model::{InviteCode, Name},
    storage::{Claim, Directory, Entry, Known, NameRegistry, Owner, Session},
    transport::PeerInfo,
};

/// How often all sessions are looked at, whether a change was seen or not.
const LOOK: Duration = Duration::from_secs(30);

/// How soon a look that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

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

/// Finds out who asks for a name, for a session that takes the place of another or not.
///
/// # Errors
///
/// [`RequestError::TokenRefused`] and [`RequestError::Removed`].
pub(crate) async fn identify(
    state: &State,
    extensions: &Extensions,
    replaces: Option<&Caller>,
) -> Result<Newcomer> {
    let auth::Credentials { shown, certificate } = auth::credentials(extensions);
    let key =
        Newcomer { owner: certificate.map(Owner::key), beside: None, only: None, vouched: false };
    match shown {
        // A session that has ended makes nobody: the name may be free all the same.
        Shown::Nothing | Shown::Session(Err(RequestError::SessionEnded)) => Ok(match replaces {
            Some(replaced) if replaced.is_vouched() => successor(replaced, None),
            _ => key,
        }),
        Shown::Session(caller) => {
            let caller = caller?;
            if !caller.is_vouched() {
                let owner = caller.owner.clone().or(key.owner);
                return Ok(Newcomer { owner, beside: Some(caller), ..key });
            }
            match replaces {
                Some(replaced) if *replaced == caller => Ok(successor(replaced, Some(caller))),
                _ => Err(RequestError::TokenRefused(
                    "show the one with which its session began".into(),
                )),
            }
        }
        Shown::Bot(owner) => match state.members.find(owner.id()).await? {
            Known::Member(names) => {
                Ok(Newcomer { owner: Some(owner), only: names.into_iter().next(), ..key })
            }
            Known::Removed => Err(RequestError::Removed),
            Known::Stranger => Err(RequestError::TokenRefused("it is no bot's".into())),
        },
        Shown::Jwt(jwt) => {
            let issuer = state.issuer.as_ref();
            let issuer = issuer.ok_or_else(|| {
                RequestError::TokenRefused("this hub believes no issuer of tokens".into())
            })?;
            let subject = issuer.subject(&jwt.0)?;
            let owner = Owner::outside(issuer.name(), &subject.raw);
            // The hub's keeper may have given them another name.
            let only = match state.members.find(owner.id()).await? {
                Known::Member(names) => names.into_iter().next(),
                Known::Removed | Known::Stranger => Some(subject.name),
            };
            Ok(Newcomer { owner: Some(owner), only, vouched: true, ..key })
        }
        Shown::Unknown => Err(RequestError::TokenRefused("it is no token of this hub".into())),
    }
}

/// Who takes the place of a session that began with a token.
fn successor(replaced: &Caller, beside: Option<Caller>) -> Newcomer {
    let (owner, only) = (replaced.owner.clone(), Some(replaced.peer.clone()));
    Newcomer { owner, beside, only, vouched: false }
}

/// Sees to it that the newcomer may have the session's name, for good if they are no guest.
///
/// # Errors
///
/// As [`NameRegistry::claim`](crate::storage::NameRegistry::claim), [`RequestError::GuestsRefused`], and
/// [`RequestError::RateLimited`] where too many names were taken for good.
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
        return Err(RequestError::invalid("name", format!("the token that is shown is {only}'s")));
    }
    let Some(owner) = &session.owner else {
        check_guest(state.admission.guests, extensions)?;
        return state.members.check_free(name).await;
    };
    let theirs = match state.members.find(owner.id()).await? {
        Known::Member(names) => names,
        Known::Removed | Known::Stranger => Vec::new(),
    };
    // Whom the hub's keeper has given another name does not know it yet.
    let refused = |error| match error {
        RequestError::NameTaken(wanted) if !theirs.is_empty() && !theirs.contains(&wanted) => {
            RequestError::OtherName { wanted, yours: theirs.clone() }
        }
        error => error,
    };
    // A guest who has the name now keeps it while the session lives. Asked first, because what is
    // claimed stays claimed, and an invitation used.
    state.directory.check(session, claim).await.map_err(refused)?;
    let is_theirs = theirs.contains(name);
    // An issuer's names are no more than it has people.
    if !is_theirs && !newcomer.vouched {
        state.gates.claim(state.gates.origin(extensions))?;
    }
    let by_invitation = state.admission.by_invitation && !newcomer.vouched;
    let entry = Entry { by_invitation, invite };
    state.members.claim(name, owner.id(), entry).await.map_err(refused)
}

fn check_guest(guests: Guests, extensions: &Extensions) -> Result<()> {
    let may = match guests {
        Guests::Never => false,
        Guests::Loopback => PeerInfo::of(extensions)
            .is_some_and(|info| info.remote.ip().to_canonical().is_loopback()),
        Guests::Always => true,
    };
    if may { Ok(()) } else { Err(RequestError::GuestsRefused) }
}

/// Ends the sessions of those who may not hold their names any more, for as long as it is polled.
pub(crate) async fn watch_members(
    members: &dyn NameRegistry,
    sessions: &Sessions,
    directory: &dyn Directory,
) {
    loop {
        // Nothing is seen twice: what fails is tried again, and now and then all are looked at.
        let _ = tokio::time::timeout(LOOK, members.changed()).await;
        while let Err(error) = expel(members, sessions, directory).await {
            tracing::warn!(%error, "cannot check who may still hold a name; trying again");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn expel(
    members: &dyn NameRegistry,
    sessions: &Sessions,
    directory: &dyn Directory,
) -> Result<()> {
    for session in members.expelled(sessions.holders()).await? {
        match directory.release(session).await {
            // It may have ended meanwhile, which changes nothing.
            Ok(()) | Err(RequestError::SessionEnded) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use jiff::Timestamp;
    use tonic::async_trait;

    use super::*;
    use crate::{
        error::SystemError,
        hub::{Lists, peers::Peers},
        storage::{Holder, OwnerId, SessionId, embedded::EmbeddedDirectory},
    };

    /// NameRegistry of whom nobody may stay, of whose changes nobody hears, and that fail at first.
    #[derive(Debug, Default)]
    struct Troubled(AtomicUsize);

    #[async_trait]
    impl NameRegistry for Troubled {
        async fn claim(&self, _: &Name, _: &OwnerId, _: Entry) -> Result<()> {
            Ok(())
        }

        async fn check_free(&self, _: &Name) -> Result<()> {
            Ok(())
        }

        async fn find(&self, _: &OwnerId) -> Result<Known> {
            Ok(Known::Stranger)
        }

        async fn expelled(&self, holders: Vec<Holder>) -> Result<Vec<SessionId>> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(RequestError::StoreUnavailable(Arc::new(SystemError::new("not now")))),
                _ => Ok(holders.into_iter().map(|holder| holder.session).collect()),
            }
        }

        async fn changed(&self) {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_removal_is_not_lost() {
        let sessions = Sessions::new();
        let lists = Lists { sessions: sessions.clone(), peers: Peers::new(1) };
        let directory = EmbeddedDirectory::new(Arc::new(lists));
        let session = Session {
            id: SessionId::new(),
            peer: Name::parse("mallory").unwrap(),
            endpoints: Vec::new(),
            status: Default::default(),
            began_at: Timestamp::now(),
            status_since: Timestamp::now(),
            owner: Some(Owner::bot("mallory")),
        };
        let (peer, owner) = (session.peer.clone(), session.owner.clone());
        let lease = 10 * LOOK;
        sessions.enter(Caller { session: session.id, peer, owner, key: None }, lease).unwrap();
        let claim = Claim { lease, beside: None, replaces: None };
        directory.claim(session, claim).await.unwrap();
        let (troubled, mut count) = (Troubled::default(), sessions.count());
        let began = tokio::time::Instant::now();
        tokio::select! {
            () = watch_members(&troubled, &sessions, &directory) => {}
            gone = count.wait_for(|count| *count == 0) => drop(gone.unwrap()),
        }
        assert_eq!(began.elapsed(), LOOK + RETRY);
    }
}
