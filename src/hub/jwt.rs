//! Tokens of an outside issuer (JWT, RFC 7519), whose subjects are names.
//!
//! 1. The hub's keeper says which issuer is believed and which public keys it signs with. Each key
//!    has one algorithm, which follows from its kind: RS256, ES256 or EdDSA. What a token says of its
//!    algorithm only chooses among these; `none`, and a public key taken for a shared secret, are
//!    therefore not even possible.
//! 2. A token must say who issued it (`iss`), for whom (`aud`), until when (`exp`) and of whom
//!    (`sub`); where it says since when (`nbf`), that counts too.
//! 3. It is looked at when somebody registers. The session that begins then lives by its lease.

mod keys;
mod ring_provider;

use std::path::Path;

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use self::keys::Key;
use super::Error;
use crate::{
    error::{RequestError, Result},
    model::Name,
};

/// How far the clocks of hub and issuer may be apart, in seconds.
const LEEWAY: u64 = 60;

/// An outside issuer whom a hub believes.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: String,
    audience: String,
    keys: Vec<Key>,
}

/// Of whom a token is.
#[derive(Debug)]
pub(crate) struct Subject {
    /// As the issuer writes it.
    pub(crate) raw: String,
    pub(crate) name: Name,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// One, not a list, of which any might be meant.
    #[serde(rename = "iss")]
    _iss: String,
}

impl Issuer {
    /// An issuer that calls itself `name` in its tokens and names `audience` as those they are for.
    /// Its public keys are in a file, as a JWK set or in PEM. Reads the file: not for an async task.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the file cannot be read or holds no key that can be used.
    pub fn load(name: String, audience: String, keys: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(keys).map_err(|error| {
            Error::invalid("jwt-keys", format!("cannot read {}: {error}", keys.display()))
        })?;
        Self::with_keys(name, audience, &text)
            .map_err(|problem| Error::invalid("jwt-keys", format!("{}: {problem}", keys.display())))
    }

    /// The same, with what the file says; or what is wrong with that.
    pub(crate) fn with_keys(name: String, audience: String, keys: &str) -> Result<Self, String> {
        ring_provider::install();
        keys::parse(keys).map(|keys| Self { name, audience, keys })
    }

    /// What the issuer calls itself.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Of whom a token is.
    ///
    /// # Errors
    ///
    /// [`RequestError::TokenRefused`].
    pub(crate) fn subject(&self, token: &str) -> Result<Subject> {
        let header = decode_header(token).map_err(|error| refused(&error))?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: what is not understood must not be passed over.
            return Err(RequestError::TokenRefused(
                "its header demands what this hub does not know".into(),
            ));
        }
        let mut problem =
            RequestError::TokenRefused("it is signed with no key of its issuer".into());
        for key in &self.keys {
            if key.algorithm != header.alg || !key.may_be(header.kid.as_deref()) {
                continue;
            }
            match decode::<Claims>(token, &key.public, &self.validation(key)) {
                Ok(token) => return name(token.claims.sub),
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
                Err(error) => problem = refused(&error),
            }
        }
        Err(problem)
    }

    fn validation(&self, key: &Key) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&[&self.audience]);
        validation
    }
}

fn name(raw: String) -> Result<Subject> {
    match Name::parse(&raw) {
        Ok(name) => Ok(Subject { raw, name }),
        Err(problem) => {
            Err(RequestError::TokenRefused(format!("its subject is no name: {problem}")))
        }
    }
}

fn refused(error: &jsonwebtoken::errors::Error) -> RequestError {
    let problem = match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired".into(),
        ErrorKind::ImmatureSignature => "it is not valid yet".into(),
        ErrorKind::InvalidIssuer => "it is of another issuer".into(),
        ErrorKind::InvalidAudience => "it is for somebody else than this hub".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it lacks {claim:?}"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its {claim:?} makes no sense"),
        _ => "it cannot be read".into(),
    };
    RequestError::TokenRefused(problem)
}
