//! Who is calling.
//!
//! 1. A session's token (`authorization: Bearer TOKEN`) says whose session it is. Where the session
//!    began on a connection with a key, this one must have been made with that key: a token that
//!    was stolen is worth nothing to others.
//! 2. Register takes other proofs in the same place: the token of a bot, or a JWT. Without one it is
//!    the TLS client key that counts, and without that the caller is a guest (`admission`).

use std::sync::Arc;

use http::{Extensions, Request, header::AUTHORIZATION};

use super::sessions::{Caller, Sessions};
use crate::{
    error::{RequestError, Result},
    model::{Certificate, Fingerprint},
    storage::{Owner, embedded::members::BOT_PREFIX},
    transport::PeerInfo,
};

/// Characters of a session's token: 32 bytes in Base64.
const SESSION_TOKEN_CHARS: usize = 43;

/// What a call shows of its caller.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) shown: Shown,
    /// The certificate of the connection.
    pub(crate) certificate: Option<Certificate>,
}

/// The token of a call.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// None.
    Nothing,
    /// One of a session, or one that looks like it.
    Session(Result<Caller>),
    /// One that the hub's keeper made for a bot.
    Bot(Owner),
    /// One of an outside issuer.
    Jwt(Jwt),
    /// Something else.
    Unknown,
}

/// A JWT, which is a secret.
#[derive(Clone)]
pub(crate) struct Jwt(pub(crate) String);

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jwt(..)")
    }
}

/// Looks at what a call shows and notes it. Calls that show nothing go on: each handler decides
/// whether it needs a caller.
pub(crate) fn note_caller<B>(
    sessions: Arc<Sessions>,
) -> impl Fn(Request<B>) -> Request<B> + Clone + Send + Sync + 'static {
    move |mut request| {
        let certificate =
            request.extensions().get::<PeerInfo>().and_then(|info| info.certificate.clone());
        let key = certificate.as_ref().map(Certificate::fingerprint);
        let shown = bearer(&request).map_or(Shown::Nothing, |token| read(token, key, &sessions));
        request.extensions_mut().insert(Credentials { shown, certificate });
        request
    }
}

/// The token of `authorization: Bearer TOKEN` (RFC 6750, section 2.1).
fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn read(token: &str, key: Option<Fingerprint>, sessions: &Sessions) -> Shown {
    if token.starts_with(BOT_PREFIX) {
        Shown::Bot(Owner::bot(token))
    } else if token.len() == SESSION_TOKEN_CHARS && !token.contains('.') {
        Shown::Session(sessions.authenticate(token, key))
    } else if token.split('.').count() == 3 {
        Shown::Jwt(Jwt(token.to_owned()))
    } else {
        Shown::Unknown
    }
}

/// Whether it takes a signature or the disk to find out what is shown.
pub(crate) fn takes_work(extensions: &Extensions) -> bool {
    matches!(credentials(extensions).shown, Shown::Bot(_) | Shown::Jwt(_))
}

/// What the call shows.
pub(crate) fn credentials(extensions: &Extensions) -> Credentials {
    let nothing = || Credentials { shown: Shown::Nothing, certificate: None };
    extensions.get().cloned().unwrap_or_else(nothing)
}

/// Whose session makes the call.
///
/// # Errors
///
/// [`RequestError::SessionMissing`], [`RequestError::SessionEnded`], and [`RequestError::TokenRefused`] where the session
/// is of another key.
pub(crate) fn caller(extensions: &Extensions) -> Result<Caller> {
    match extensions.get::<Credentials>().map(|credentials| &credentials.shown) {
        Some(Shown::Session(caller)) => caller.clone(),
        // It may be good for Register.
        None | Some(Shown::Nothing | Shown::Bot(_) | Shown::Jwt(_)) => {
            Err(RequestError::SessionMissing)
        }
        Some(Shown::Unknown) => Err(RequestError::SessionEnded),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        identity::Identity,
        model::{Name, RoomName},
        storage::SessionId,
        transport::Via,
    };

    const LEASE: Duration = Duration::from_secs(30);

    fn shown(sessions: &Arc<Sessions>, header: Option<&str>, key: Option<&Identity>) -> Extensions {
        let mut request = Request::new(());
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header.parse().unwrap());
        }
        let certificate = key.map(|key| key.certificate().clone());
        let remote = "127.0.0.1:1".parse().unwrap();
        request.extensions_mut().insert(PeerInfo {
            via: Via::Tls,
            remote,
            certificate,
            calls: Default::default(),
        });
        note_caller(sessions.clone())(request).extensions().clone()
    }

    fn who(sessions: &Arc<Sessions>, header: Option<&str>) -> Result<Caller> {
        caller(&shown(sessions, header, None))
    }

    fn alice(owner: Option<Owner>) -> Caller {
        let key = owner.as_ref().and_then(Owner::certificate).map(Certificate::fingerprint);
        Caller { session: SessionId::new(), peer: Name::parse("alice").unwrap(), owner, key }
    }

    #[test]
    fn a_token_names_its_session_until_it_ends() {
        let sessions = Sessions::new();
        let alice = alice(None);
        let token = sessions.enter(alice.clone(), LEASE).unwrap();
        assert_eq!(token.len(), SESSION_TOKEN_CHARS);
        for scheme in ["Bearer", "bearer"] {
            assert_eq!(who(&sessions, Some(&format!("{scheme} {token}"))).unwrap(), alice);
        }
        assert!(matches!(who(&sessions, None), Err(RequestError::SessionMissing)));
        assert!(matches!(who(&sessions, Some("Basic YQ==")), Err(RequestError::SessionMissing)));
        assert!(matches!(who(&sessions, Some("Bearer x")), Err(RequestError::SessionEnded)));
        let lobby = RoomName::lobby();
        assert!(sessions.check_member(alice.session, &lobby).is_ok());
        sessions.remove(alice.session);
        assert!(matches!(
            sessions.check_member(alice.session, &lobby),
            Err(RequestError::SessionEnded)
        ));
        let bearer = format!("Bearer {token}");
        assert!(matches!(who(&sessions, Some(&bearer)), Err(RequestError::SessionEnded)));
    }

    #[test]
    fn a_stolen_token_is_worth_nothing_without_its_key() {
        let sessions = Sessions::new();
        let [hers, his] = [(); 2].map(|()| Identity::generate().unwrap());
        let alice = alice(Some(Owner::key(hers.certificate().clone())));
        let bearer = format!("Bearer {}", sessions.enter(alice.clone(), LEASE).unwrap());
        let as_shown = |key| caller(&shown(&sessions, Some(&bearer), key));
        assert_eq!(as_shown(Some(&hers)).unwrap(), alice);
        for thief in [Some(&his), None] {
            assert!(matches!(as_shown(thief), Err(RequestError::TokenRefused(_))));
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_told_apart_and_do_not_show() {
        let sessions = Sessions::new();
        let kind = |token: &str| {
            let extensions = shown(&sessions, Some(&format!("Bearer {token}")), None);
            assert!(!format!("{:?}", credentials(&extensions)).contains(token));
            credentials(&extensions).shown
        };
        assert!(matches!(kind("chinwag-bot~abc"), Shown::Bot(owner) if owner.id().is_bot()));
        assert!(matches!(kind("e30.e30.c2ln"), Shown::Jwt(_)));
        assert!(matches!(kind("password"), Shown::Unknown));
    }
}
