//! Reading DER, as far as certificates need it.

use jiff::{Timestamp, civil};

// The tags of DER (RFC 5280, appendix A).
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const DNS_NAME: u8 = 0x82;
pub(super) const VERSION: u8 = 0xa0;
pub(super) const EXTENSIONS: u8 = 0xa3;

/// What is left to read of a sequence of DER elements.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// Reads an element: its tag and its content. Tags of more than one byte are not in the profile.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
            0x82 => {
                let (&length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(length)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// Reads the content of an element with this tag. With another, nothing is read.
    pub(super) fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        match self.next() {
            Some((found, content)) if found == tag => Some(content),
            _ => {
                self.0 = before;
                None
            }
        }
    }

    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.value(tag).map(Self)
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        let raw = match self.value(UTC_TIME) {
            // RFC 5280, section 4.1.2.5.1: from 1950 to 2049.
            Some(raw) => match raw.first()? {
                b'0'..=b'4' => [b"20", raw].concat(),
                _ => [b"19", raw].concat(),
            },
            None => self.value(GENERALIZED_TIME)?.to_vec(),
        };
        let raw = std::str::from_utf8(&raw).ok()?;
        let time = civil::DateTime::strptime("%Y%m%d%H%M%SZ", raw).ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
    }
}
