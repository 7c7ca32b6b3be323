//! Page tokens and sizes, as in AIP-158.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::error::{RequestError, Result};

/// Bytes of the filters' digest in a token: enough to notice changed filters.
const DIGEST_BYTES: usize = 8;

/// Returns the size of a page, at most `most`; `default` if the client left it to the hub. Errors
/// with [`RequestError::Invalid`] if the size is negative.
pub(crate) fn page_size(raw: i32, default: usize, most: usize) -> Result<usize> {
    match usize::try_from(raw) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(most)),
        Err(_) => Err(RequestError::invalid("page_size", "must not be negative")),
    }
}

/// Makes the token of the page after the entry `last`. `filters` are the other fields of the
/// request: the token is valid only with the same ones.
pub(crate) fn token(filters: &[&str], last: &str) -> String {
    let mut raw = digest(filters).to_vec();
    raw.extend_from_slice(last.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(raw)
}

/// Returns the entry after which a page begins; `None` for the first page. Errors with
/// [`RequestError::Invalid`] if the token was not made by a hub for these filters.
pub(crate) fn parse_token(filters: &[&str], token: &str) -> Result<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    let last = BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .filter(|raw| raw.starts_with(&digest(filters)))
        .and_then(|raw| String::from_utf8(raw[DIGEST_BYTES..].to_vec()).ok());
    last.map(Some).ok_or_else(|| {
        RequestError::invalid("page_token", "not a page token for a request with these filters")
    })
}

/// Like [`parse_token`], for numbered entries.
pub(crate) fn parse_number<T: std::str::FromStr>(
    filters: &[&str],
    token: &str,
) -> Result<Option<T>> {
    let Some(last) = parse_token(filters, token)? else { return Ok(None) };
    last.parse().map(Some).map_err(|_| RequestError::invalid("page_token", "not a page token"))
}

fn digest(filters: &[&str]) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256::new();
    for filter in filters {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(filter.len().to_le_bytes());
        hasher.update(filter);
    }
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&hasher.finalize()[..DIGEST_BYTES]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_for_the_same_filters_only() {
        let made = token(&["lobby", ""], "zoë");
        assert_eq!(parse_token(&["lobby", ""], &made).unwrap().as_deref(), Some("zoë"));
        assert!(parse_token(&["", "lobby"], &made).is_err());
        assert_eq!(parse_token(&["lobby", ""], "").unwrap(), None);
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in ["x", "!!", "AAAAAAAAAAAAAAAA", "é"] {
            assert!(parse_token(&[], garbage).is_err(), "{garbage}");
        }
        assert!(parse_number::<u64>(&[], &token(&[], "seven")).is_err());
        assert_eq!(parse_number::<u64>(&[], &token(&[], "7")).unwrap(), Some(7));
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(page_size(0, 10, 100).unwrap(), 10);
        assert_eq!(page_size(5, 10, 100).unwrap(), 5);
        assert_eq!(page_size(i32::MAX, 10, 100).unwrap(), 100);
        assert!(page_size(-1, 10, 100).is_err());
    }
}
