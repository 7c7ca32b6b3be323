//! Pages, as AIP-158 wants them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::error::{RequestError, Result};

/// Bytes of the filters' digest within a token: enough to notice that they were changed.
const DIGEST_BYTES: usize = 8;

/// How many entries a page may have.
///
/// # Errors
///
/// A negative size is refused.
pub(crate) fn page_size(raw: i32, default: usize, most: usize) -> Result<usize> {
    match usize::try_from(raw) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(most)),
        Err(_) => Err(RequestError::invalid("page_size", "must not be negative")),
    }
}

/// The token for the page after the entry `last`. `filters` are what the request asked for
/// otherwise: a token serves only the same question.
pub(crate) fn token(filters: &[&str], last: &str) -> String {
    let mut raw = digest(filters).to_vec();
    raw.extend_from_slice(last.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(raw)
}

/// The entry after which the page begins; `None` for the first page.
///
/// # Errors
///
/// A token that this hub did not make for these filters is refused.
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
        RequestError::invalid(
            "page_token",
            "not a token of this hub for a request with these filters",
        )
    })
}

/// As [`parse_token`], where entries are numbered.
pub(crate) fn parse_number<T: std::str::FromStr>(
    filters: &[&str],
    token: &str,
) -> Result<Option<T>> {
    let Some(last) = parse_token(filters, token)? else { return Ok(None) };
    last.parse()
        .map(Some)
        .map_err(|_| RequestError::invalid("page_token", "not a token of this hub"))
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
    fn a_token_comes_back_for_the_same_filters_only() {
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
