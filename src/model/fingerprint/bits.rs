//! A fingerprint as a stream of bits, which symbols and words read in pieces.

use super::{BYTES, Fingerprint};

/// A fingerprint followed by zero bits, from the highest bit.
pub(super) struct Bits {
    bytes: [u8; BYTES + 1],
    at: usize,
}

impl Bits {
    pub(super) fn new() -> Self {
        Self { bytes: [0; BYTES + 1], at: 0 }
    }

    pub(super) fn of(fingerprint: &Fingerprint) -> Self {
        let mut bits = Self::new();
        bits.bytes[..BYTES].copy_from_slice(&fingerprint.0);
        bits
    }

    /// Returns the next `width` bits, at most eight.
    pub(super) fn pop(&mut self, width: usize) -> u8 {
        let (byte, offset) = (self.at / 8, self.at % 8);
        self.at += width;
        let two = u16::from_be_bytes([self.bytes[byte], *self.bytes.get(byte + 1).unwrap_or(&0)]);
        (two << offset >> (16 - width)) as u8
    }

    /// Sets the next `width` bits, at most eight.
    pub(super) fn push(&mut self, value: u8, width: usize) {
        let (byte, offset) = (self.at / 8, self.at % 8);
        self.at += width;
        let [high, low] = (u16::from(value) << (16 - width) >> offset).to_be_bytes();
        self.bytes[byte] |= high;
        if let Some(next) = self.bytes.get_mut(byte + 1) {
            *next |= low;
        }
    }

    /// Returns the fingerprint, unless the bits after it are not zero.
    pub(super) fn fingerprint(self) -> Option<Fingerprint> {
        let [bytes @ .., rest] = self.bytes;
        (rest == 0).then_some(Fingerprint(bytes))
    }
}
