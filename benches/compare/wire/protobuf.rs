//! A lazy reader of encoded protobuf messages. A reader that decodes everything would dominate the
//! measurements.

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire types 1 and 5.
    Fixed(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Returns the number, if it is one.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Self::Varint(number) | Self::Fixed(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    /// Returns the bytes, if it has any.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Varint(_) | Self::Fixed(_) => None,
        }
    }
}

/// Iterates over the fields of a message with their numbers, in the order of the bytes. Ends early
/// if the message is malformed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// Returns the first field with this number.
    pub(crate) fn find(mut self, number: u64) -> Option<Value<'a>> {
        self.find_map(|(found, value)| (found == number).then_some(value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn fixed(&mut self, length: usize) -> Option<Value<'a>> {
        let bytes = self.take(length)?;
        Some(Value::Fixed(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.fixed(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.fixed(4)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}
