//! Authentication: which session makes a call.
//!
//! 1. A session's token (`authorization: Bearer TOKEN`) names the session. If the session began on
//!    a connection with a key, the call's connection must have the same key: a stolen token is
//!    useless to others.
//! 2. Register also accepts the token of a bot or a JWT there. Without a token the TLS client key
//!    counts, and without a key the caller is a guest (see `admission`).

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

/// What a call proves about its caller.
#[derive(Debug, Clone)]
pub(crate) struct CallCredentials {
    pub(crate) token: Token,
    /// The client certificate of the connection.
    pub(crate) certificate: Option<Certificate>,
}

#[derive(Debug, Clone)]
pub(crate) enum Token {
    /// None.
    Missing,
    /// That of a session, or one of the same form.
    Session(Result<Caller>),
    /// One that the hub's operator made for a bot.
    Bot(Owner),
    /// One from an outside issuer.
    Jwt(Jwt),
    /// Of no known form.
    Unknown,
}

/// A JWT. A secret.
#[derive(Clone)]
pub(crate) struct Jwt(pub(crate) String);

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jwt(..)")
    }
}

/// Adds [`CallCredentials`] to every request, and charges connections to the peers of their
/// sessions. A call without any goes on: each handler decides whether it needs a session.
pub(crate) fn authenticate<B>(
    sessions: Arc<Sessions>,
) -> impl Fn(Request<B>) -> Request<B> + Clone + Send + Sync + 'static {
    move |mut request| {
        let info = request.extensions().get::<PeerInfo>();
        let certificate = info.and_then(|info| info.certificate.clone());
        let key = certificate.as_ref().map(Certificate::fingerprint);
        let token = bearer(&request).map_or(Token::Missing, |raw| parse(raw, key, &sessions));
        if let (Some(info), Token::Session(Ok(caller))) = (info, &token) {
            info.account.belongs_to(caller.peer.as_str());
        }
        request.extensions_mut().insert(CallCredentials { token, certificate });
        request
    }
}

/// Returns the token of `authorization: Bearer TOKEN` (RFC 6750, section 2.1).
fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn parse(token: &str, key: Option<Fingerprint>, sessions: &Sessions) -> Token {
    if token.starts_with(BOT_PREFIX) {
        Token::Bot(Owner::bot(token))
    } else if token.len() == SESSION_TOKEN_CHARS && !token.contains('.') {
        Token::Session(sessions.authenticate(token, key))
    } else if token.split('.').count() == 3 {
        Token::Jwt(Jwt(token.to_owned()))
    } else {
        Token::Unknown
    }
}

/// Returns true if checking the token costs a signature or a read from disk.
pub(crate) fn is_costly(extensions: &Extensions) -> bool {
    matches!(credentials(extensions).token, Token::Bot(_) | Token::Jwt(_))
}

pub(crate) fn credentials(extensions: &Extensions) -> CallCredentials {
    let none = || CallCredentials { token: Token::Missing, certificate: None };
    extensions.get().cloned().unwrap_or_else(none)
}

/// Returns the session that makes the call. Errors: [`RequestError::SessionMissing`],
/// [`RequestError::SessionEnded`], and [`RequestError::TokenRefused`] if the session began with
/// another key.
pub(crate) fn caller(extensions: &Extensions) -> Result<Caller> {
    match extensions.get::<CallCredentials>().map(|credentials| &credentials.token) {
        Some(Token::Session(caller)) => caller.clone(),
        // These may be valid for Register.
        None | Some(Token::Missing | Token::Bot(_) | Token::Jwt(_)) => {
            Err(RequestError::SessionMissing)
        }
        Some(Token::Unknown) => Err(RequestError::SessionEnded),
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
        transport::{Budget, Via},
    };

    const LEASE: Duration = Duration::from_secs(30);

    fn request_extensions(
        sessions: &Arc<Sessions>,
        header: Option<&str>,
        key: Option<&Identity>,
    ) -> Extensions {
        let mut request = Request::new(());
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header.parse().unwrap());
        }
        let certificate = key.map(|key| key.certificate().clone());
        let remote: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let account = Budget::default().open(remote.ip());
        request.extensions_mut().insert(PeerInfo::new(Via::Tls, remote, certificate, account));
        authenticate(sessions.clone())(request).extensions().clone()
    }

    fn caller_of(sessions: &Arc<Sessions>, header: Option<&str>) -> Result<Caller> {
        caller(&request_extensions(sessions, header, None))
    }

    fn alice(owner: Option<Owner>) -> Caller {
        let key = owner.as_ref().and_then(Owner::certificate).map(Certificate::fingerprint);
        Caller { session: SessionId::new(), peer: Name::parse("alice").unwrap(), owner, key }
    }

    #[test]
    fn a_token_names_its_session_until_it_ends() {
        let sessions = Sessions::new(1, Budget::default().pool(1));
        let alice = alice(None);
        let token = sessions.begin(alice.clone(), LEASE).unwrap().commit();
        assert_eq!(token.len(), SESSION_TOKEN_CHARS);
        for scheme in ["Bearer", "bearer"] {
            assert_eq!(caller_of(&sessions, Some(&format!("{scheme} {token}"))).unwrap(), alice);
        }
        assert!(matches!(caller_of(&sessions, None), Err(RequestError::SessionMissing)));
        assert!(matches!(
            caller_of(&sessions, Some("Basic YQ==")),
            Err(RequestError::SessionMissing)
        ));
        assert!(matches!(caller_of(&sessions, Some("Bearer x")), Err(RequestError::SessionEnded)));
        let lobby = RoomName::lobby();
        assert!(sessions.check_member(alice.session, &lobby).is_ok());
        sessions.remove(alice.session);
        assert!(matches!(
            sessions.check_member(alice.session, &lobby),
            Err(RequestError::SessionEnded)
        ));
        let bearer = format!("Bearer {token}");
        assert!(matches!(caller_of(&sessions, Some(&bearer)), Err(RequestError::SessionEnded)));
    }

    #[test]
    fn a_stolen_token_is_worth_nothing_without_its_key() {
        let sessions = Sessions::new(1, Budget::default().pool(1));
        let [hers, his] = [(); 2].map(|()| Identity::generate().unwrap());
        let alice = alice(Some(Owner::key(hers.certificate().clone())));
        let bearer = format!("Bearer {}", sessions.begin(alice.clone(), LEASE).unwrap().commit());
        let with_key = |key| caller(&request_extensions(&sessions, Some(&bearer), key));
        assert_eq!(with_key(Some(&hers)).unwrap(), alice);
        for thief in [Some(&his), None] {
            assert!(matches!(with_key(thief), Err(RequestError::TokenRefused(_))));
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_told_apart_and_do_not_show() {
        let sessions = Sessions::new(1, Budget::default().pool(1));
        let kind = |token: &str| {
            let extensions = request_extensions(&sessions, Some(&format!("Bearer {token}")), None);
            assert!(!format!("{:?}", credentials(&extensions)).contains(token));
            credentials(&extensions).token
        };
        assert!(matches!(kind("chinwag-bot~abc"), Token::Bot(owner) if owner.id().is_bot()));
        assert!(matches!(kind("e30.e30.c2ln"), Token::Jwt(_)));
        assert!(matches!(kind("password"), Token::Unknown));
    }
}
