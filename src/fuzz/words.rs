//! Texts that people type and paste, and that calls carry.

use super::text;
use crate::{
    hub::paging,
    model::{
        Certificate, Endpoint, Fingerprint, InviteCode, JoinLink, MAX_CERTIFICATE_BYTES,
        MAX_HOST_BYTES, MAX_INVITE_BYTES, MAX_NAME_BYTES, MessageId, Name, RoomName,
    },
    text::{is_dangerous, lines, one_line},
};

/// Normalizing a name twice changes nothing, nor does its likeness, and a name is harmless in a terminal. Any text is
/// harmless once it is escaped.
pub(super) fn name(bytes: &[u8]) {
    let raw = text(bytes);
    assert!(!one_line(raw).chars().any(is_dangerous));
    assert!(!lines(raw).chars().any(|c| c != '\n' && is_dangerous(c)));
    let name = Name::parse(raw);
    let room = RoomName::parse(raw);
    assert_eq!(name.is_ok(), room.is_ok(), "the rules are the same");
    let Ok(name) = name else { return };
    let plain = name.as_str();
    assert!((1..=MAX_NAME_BYTES).contains(&plain.len()));
    assert!(
        !plain.contains(|c: char| c.is_whitespace() || is_dangerous(c) || "/\\:#?".contains(c))
    );
    assert_eq!(Name::parse(plain).as_ref(), Ok(&name), "normal once, normal ever after");
    let likeness = name.likeness();
    assert!(!likeness.is_empty());
    assert_eq!(Name::likeness_of(&likeness), likeness);
}

/// An endpoint's text form is parsed to the same endpoint.
pub(super) fn endpoint(bytes: &[u8]) {
    let Ok(endpoint) = Endpoint::parse(text(bytes)) else { return };
    assert_ne!(endpoint.port(), 0);
    assert!((1..=MAX_HOST_BYTES).contains(&endpoint.host().len()));
    assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
}

/// A link's text form is parsed to the same link.
pub(super) fn join_link(bytes: &[u8]) {
    let Ok(link) = JoinLink::parse(text(bytes)) else { return };
    assert_eq!(JoinLink::parse(&link.to_string()), Ok(link));
}

/// All three forms of a fingerprint are parsed to the same.
pub(super) fn fingerprint(bytes: &[u8]) {
    let Ok(key) = Fingerprint::parse(text(bytes)) else { return };
    for form in [key.to_string(), key.words(), key.hex()] {
        assert_eq!(Fingerprint::parse(&form), Ok(key), "{form}");
    }
}

/// A code is not changed, and needs no quoting.
pub(super) fn invite_code(bytes: &[u8]) {
    let raw = text(bytes);
    let Ok(code) = InviteCode::parse(raw) else { return };
    assert_eq!(code.as_str(), raw);
    assert!((1..=MAX_INVITE_BYTES).contains(&raw.len()) && raw.is_ascii());
}

/// An id has one text form.
pub(super) fn message_id(bytes: &[u8]) {
    let raw = text(bytes);
    let Ok(id) = MessageId::parse(raw) else { return };
    assert_eq!(id.to_string(), raw.to_ascii_lowercase());
    assert_eq!(MessageId::from_bytes(*id.as_bytes()), id);
}

pub(super) fn certificate(bytes: &[u8]) {
    let Ok(certificate) = Certificate::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_CERTIFICATE_BYTES);
    assert_eq!(certificate.as_der(), bytes);
    // Only without a panic: whoever makes a certificate can make one of the profile.
    let _ = certificate.check_profile(jiff::Timestamp::now());
}

/// A page token is valid only for its query: the first line is the token, the rest the filters.
pub(super) fn page_token(bytes: &[u8]) {
    let mut lines = text(bytes).split('\n');
    let token = lines.next().unwrap_or_default();
    let filters: Vec<_> = lines.collect();
    if let Ok(Some(last)) = paging::parse_token(&filters, token) {
        assert_eq!(paging::token(&filters, &last), token);
    }
    let _ = paging::parse_number::<u64>(&filters, token);
    // A token for an entry of any name is read back, and only for this query.
    let made = paging::token(&filters, token);
    assert_eq!(paging::parse_token(&filters, &made).ok().flatten().as_deref(), Some(token));
    let others = [filters.as_slice(), &["another"]].concat();
    assert!(paging::parse_token(&others, &made).is_err());
}
