//! Tokens of outside issuers, and their keys.

use std::sync::OnceLock;

use super::text;
use crate::hub::Issuer;

/// A key whose other half nobody has.
const KEYS: &str = include_str!("../../fuzz/corpus/jwt_keys/p256.pem");

/// Nobody makes a token that is believed without the issuer's key.
pub(super) fn jwt(bytes: &[u8]) {
    static ISSUER: OnceLock<Option<Issuer>> = OnceLock::new();
    let issuer = ISSUER.get_or_init(|| issuer(KEYS));
    assert!(issuer.is_some(), "the key is one");
    if let Some(issuer) = issuer {
        assert!(issuer.subject(text(bytes)).is_err());
    }
}

/// The file with the keys.
pub(super) fn jwt_keys(bytes: &[u8]) {
    drop(issuer(text(bytes)));
}

fn issuer(keys: &str) -> Option<Issuer> {
    Issuer::with_keys("issuer".into(), "chinwag".into(), keys).ok()
}
