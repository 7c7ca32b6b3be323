//! Secrets that are shown to prove something: tokens and invitations.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

use crate::error::SystemError;

/// A secret is kept as its SHA-256 only, so that a look into memory, a file or a core dump gives none
/// away. It is random, and therefore needs no salt.
pub type SecretHash = [u8; 32];

/// `BYTES` random bytes in URL-safe Base64.
///
/// # Errors
///
/// If the machine has no random numbers.
pub fn new_secret<const BYTES: usize>() -> Result<String, SystemError> {
    let mut secret = [0; BYTES];
    OsRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| SystemError::because("no random numbers", error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(secret))
}

/// What is kept of a secret.
pub fn hash_secret(secret: &str) -> SecretHash {
    Sha256::digest(secret).into()
}
