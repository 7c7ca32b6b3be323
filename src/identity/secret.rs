//! Random secrets: tokens and invitations.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

use crate::error::SystemError;

/// Only the SHA-256 of a secret is stored, so that memory, files and core dumps reveal none. A
/// secret is random and needs no salt.
pub(crate) type SecretHash = [u8; 32];

/// Returns `BYTES` random bytes in URL-safe Base64. Errors if the machine has no random numbers.
pub(crate) fn new_secret<const BYTES: usize>() -> Result<String, SystemError> {
    let mut secret = [0; BYTES];
    OsRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| SystemError::because("no random numbers", error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(secret))
}

/// Returns the hash of a secret, which is what is stored.
pub(crate) fn hash_secret(secret: &str) -> SecretHash {
    Sha256::digest(secret).into()
}
