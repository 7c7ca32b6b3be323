//! Tokens of external issuers, and their keys.

use std::sync::OnceLock;

use super::text;
use crate::hub::Issuer;

/// A public key whose private key does not exist.
const KEYS: &str = include_str!("../../fuzz/corpus/jwt_keys/p256.pem");

/// No token is accepted without the issuer's key.
pub(super) fn jwt(bytes: &[u8]) {
    static ISSUER: OnceLock<Option<Issuer>> = OnceLock::new();
    let issuer = ISSUER.get_or_init(|| issuer(KEYS));
    assert!(issuer.is_some(), "the key is one");
    if let Some(issuer) = issuer {
        assert!(issuer.subject(text(bytes)).is_err());
    }
}

/// The file of public keys.
pub(super) fn jwt_keys(bytes: &[u8]) {
    drop(issuer(text(bytes)));
}

fn issuer(keys: &str) -> Option<Issuer> {
    Issuer::with_keys("issuer".into(), "chinwag".into(), keys).ok()
}
