//! Who is calling.

use std::sync::Arc;

use http::{Extensions, Request, header::AUTHORIZATION};

use super::sessions::{Caller, Sessions};
use crate::error::{Error, Result};

/// What a call's token says, for the handlers.
#[derive(Debug, Clone)]
struct Credentials(Result<Caller>);

/// Looks at the token of a call and notes whose it is. Calls without one go on: each handler
/// decides whether it needs a caller.
pub(crate) fn note_caller<B>(
    sessions: Arc<Sessions>,
) -> impl Fn(Request<B>) -> Request<B> + Clone + Send + Sync + 'static {
    move |mut request| {
        let caller = match bearer(&request) {
            Some(token) => sessions.authenticate(token).ok_or(Error::SessionEnded),
            None => Err(Error::SessionMissing),
        };
        request.extensions_mut().insert(Credentials(caller));
        request
    }
}

/// The token of `authorization: Bearer TOKEN` (RFC 6750, section 2.1).
fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Who makes the call.
///
/// # Errors
///
/// [`Error::SessionMissing`] or [`Error::SessionEnded`].
pub(crate) fn caller(extensions: &Extensions) -> Result<Caller> {
    extensions.get::<Credentials>().map_or(Err(Error::SessionMissing), |found| found.0.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        backbone::SessionId,
        model::{Name, RoomName},
    };

    fn who(sessions: &Arc<Sessions>, header: Option<String>) -> Result<Caller> {
        let mut request = Request::new(());
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header.parse().unwrap());
        }
        caller(note_caller(sessions.clone())(request).extensions())
    }

    #[test]
    fn a_token_names_its_session_until_it_ends() {
        let sessions = Sessions::new();
        let (id, peer) = (SessionId::new(), Name::parse("alice").unwrap());
        let token = sessions.enter(id, peer.clone(), Duration::from_secs(30)).unwrap();
        for scheme in ["Bearer", "bearer"] {
            let caller = who(&sessions, Some(format!("{scheme} {token}"))).unwrap();
            assert_eq!(caller, Caller { session: id, peer: peer.clone() });
        }
        assert!(matches!(who(&sessions, None), Err(Error::SessionMissing)));
        assert!(matches!(who(&sessions, Some("Basic YQ==".into())), Err(Error::SessionMissing)));
        assert!(matches!(who(&sessions, Some("Bearer x".into())), Err(Error::SessionEnded)));
        let lobby = RoomName::lobby();
        assert!(sessions.check_member(id, &lobby).is_ok());
        sessions.remove(id);
        assert!(matches!(sessions.check_member(id, &lobby), Err(Error::SessionEnded)));
        assert!(matches!(
            who(&sessions, Some(format!("Bearer {token}"))),
            Err(Error::SessionEnded)
        ));
    }
}
