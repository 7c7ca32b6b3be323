//! Follows the frames of a connection (RFC 9113, section 4.1), as they are read or written.

/// The preface comes before the first frame.
const PREFACE_BYTES: usize = 24;

/// The header of a frame.
const HEADER_BYTES: usize = 9;

/// The type of DATA frames (RFC 9113, section 6.1), and the flag of padded ones.
const DATA: u8 = 0;
const PADDED: u8 = 8;

/// Follows the frames of one side.
#[derive(Debug)]
pub(super) struct FrameTracker {
    header: [u8; HEADER_BYTES],
    header_read: usize,
    /// Bytes to skip: the rest of a frame that is not DATA, or the preface.
    skip: usize,
    /// The rest of a DATA frame.
    data: usize,
    /// Whether the next byte is the length of the padding.
    pad: bool,
}

impl FrameTracker {
    /// Follows the frames of a client, which begin with the preface.
    pub(super) fn of_client() -> Self {
        Self { skip: PREFACE_BYTES, ..Self::of_server() }
    }

    pub(super) fn of_server() -> Self {
        let header = [0; HEADER_BYTES];
        Self { header, header_read: 0, skip: 0, data: 0, pad: false }
    }

    /// Returns how many bytes are missing to the end of the current frame, or of its header; 0
    /// between frames.
    pub(super) fn rest(&self) -> usize {
        match self.header_read {
            0 => self.skip + self.data,
            read => HEADER_BYTES - read,
        }
    }

    /// Follows the next bytes. Returns how many of them are the data of DATA frames, without
    /// padding.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> usize {
        let mut data = 0;
        while let Some(&first) = bytes.first() {
            if self.pad {
                self.pad = false;
                let padding = usize::from(first).min(self.data - 1);
                self.data -= 1 + padding;
                self.skip = padding;
                bytes = &bytes[1..];
            } else if self.data > 0 {
                let part = self.data.min(bytes.len());
                self.data -= part;
                data += part;
                bytes = &bytes[part..];
            } else if self.skip > 0 {
                let part = self.skip.min(bytes.len());
                self.skip -= part;
                bytes = &bytes[part..];
            } else {
                let part = (HEADER_BYTES - self.header_read).min(bytes.len());
                self.header[self.header_read..][..part].copy_from_slice(&bytes[..part]);
                self.header_read += part;
                bytes = &bytes[part..];
                if self.header_read == HEADER_BYTES {
                    self.header_read = 0;
                    self.begin_frame();
                }
            }
        }
        data
    }

    fn begin_frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if kind == DATA {
            self.data = length;
            self.pad = flags & PADDED != 0 && length > 0;
        } else {
            self.skip = length;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let header = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&header[..], payload].concat()
    }

    /// Frames of a connection, and the number of their data bytes.
    fn connection() -> impl Strategy<Value = (Vec<u8>, usize)> {
        let one = (0..4_u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..300), 0..20_u8);
        prop::collection::vec(one, 0..20).prop_map(|frames| {
            let mut bytes = vec![0; PREFACE_BYTES];
            let mut data = 0;
            for (kind, padded, payload, padding) in frames {
                if kind == DATA {
                    data += payload.len();
                }
                bytes.extend(if kind == DATA && padded {
                    let padding = vec![0; padding.into()];
                    let length = [padding.len() as u8];
                    frame(DATA, PADDED, &[&length[..], &payload, &padding].concat())
                } else {
                    frame(kind, 0, &payload)
                });
            }
            (bytes, data)
        })
    }

    proptest! {
        #[test]
        fn data_is_counted_however_it_is_split((bytes, data) in connection(), size in 1..40_usize) {
            let mut tracker = FrameTracker::of_client();
            let counted: usize = bytes.chunks(size).map(|part| tracker.follow(part)).sum();
            prop_assert_eq!(counted, data);
            prop_assert_eq!(tracker.rest(), 0);
        }

        #[test]
        fn nonsense_is_followed(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let counted = FrameTracker::of_client().follow(&bytes);
            prop_assert!(counted <= bytes.len());
        }
    }
}
