//! Tokens of an outside issuer (JWT, RFC 7519), whose subjects are names.
//!
//! 1. The hub's operator configures the issuer and its public keys. Each key has one algorithm,
//!    given by its type: RS256, ES256 or EdDSA. The algorithm in a token's header only selects
//!    among these, so `none`, or a public key used as a shared secret, cannot be accepted.
//! 2. A token must have an issuer (`iss`), an audience (`aud`), an expiry (`exp`) and a subject
//!    (`sub`). A start time (`nbf`) is checked if there is one.
//! 3. A token is checked when its caller registers. The session then lives by its lease.

mod keys;
mod ring_provider;

use std::path::Path;

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use self::keys::VerificationKey;
use super::error::Error;
use crate::{
    error::{RequestError, Result},
    model::Name,
};

/// How far the clocks of the hub and the issuer may differ, in seconds.
const LEEWAY: u64 = 60;

/// An outside issuer whose tokens a hub accepts.
#[derive(Debug, Clone)]
pub struct Issuer {
    pub(crate) name: String,
    audience: String,
    keys: Vec<VerificationKey>,
}

#[derive(Debug)]
pub(crate) struct Subject {
    /// As in the token.
    pub(crate) raw: String,
    pub(crate) name: Name,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Must be a single issuer, not a list.
    #[serde(rename = "iss")]
    _iss: String,
}

impl Issuer {
    /// Loads an issuer whose tokens have `name` as `iss` and `audience` as `aud`. The file `keys`
    /// has its public keys, as a JWK set or in PEM. Blocks on the file. Errors with
    /// [`Error::Invalid`] if the file cannot be read or has no usable key.
    pub fn load(name: String, audience: String, keys: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(keys).map_err(|error| {
            Error::invalid("jwt-keys", format!("cannot read {}: {error}", keys.display()))
        })?;
        Self::with_keys(name, audience, &text)
            .map_err(|problem| Error::invalid("jwt-keys", format!("{}: {problem}", keys.display())))
    }

    /// Like [`Issuer::load`], with the content of the file. Errors with the problem.
    pub(crate) fn with_keys(name: String, audience: String, keys: &str) -> Result<Self, String> {
        ring_provider::install();
        keys::parse(keys).map(|keys| Self { name, audience, keys })
    }

    /// Verifies a token, and returns its subject. Errors: [`RequestError::TokenRefused`].
    pub(crate) fn subject(&self, token: &str) -> Result<Subject> {
        let header = decode_header(token).map_err(|error| refused(&error))?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: unknown critical headers must not be ignored.
            return Err(RequestError::TokenRefused(
                "its header has unknown critical fields".into(),
            ));
        }
        let mut problem = RequestError::TokenRefused("no key of the issuer has signed it".into());
        for key in &self.keys {
            if key.algorithm != header.alg || !key.matches(header.kid.as_deref()) {
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

    fn validation(&self, key: &VerificationKey) -> Validation {
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
            Err(RequestError::TokenRefused(format!("its subject is not a valid name: {problem}")))
        }
    }
}

fn refused(error: &jsonwebtoken::errors::Error) -> RequestError {
    let problem = match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired".into(),
        ErrorKind::ImmatureSignature => "it is not valid yet".into(),
        ErrorKind::InvalidIssuer => "another issuer has made it".into(),
        ErrorKind::InvalidAudience => "its audience is not this hub".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it lacks {claim:?}"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its {claim:?} is invalid"),
        _ => "it cannot be decoded".into(),
    };
    RequestError::TokenRefused(problem)
}
