//! Messages that a search has found.

use std::ops::Range;

use jiff::Timestamp;

use crate::{
    client::KeptDirect,
    model::{Name, SearchHit},
};

/// A message that was found, with the places of the found words.
#[derive(Debug, Clone)]
pub(crate) enum FoundMessage {
    /// In a room.
    Posted(SearchHit),
    /// In a direct conversation.
    Direct(KeptDirect, Vec<Range<usize>>),
}

impl FoundMessage {
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Posted(hit) => hit.message.created_at,
            Self::Direct(kept, _) => kept.kept_at,
        }
    }

    pub(crate) fn sender(&self) -> &Name {
        match self {
            Self::Posted(hit) => &hit.message.sender,
            Self::Direct(kept, _) => &kept.message.sender,
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Posted(hit) => hit.message.text.as_str(),
            Self::Direct(kept, _) => kept.message.text.as_str(),
        }
    }

    pub(crate) fn ranges(&self) -> &[Range<usize>] {
        match self {
            Self::Posted(hit) => &hit.ranges,
            Self::Direct(_, ranges) => ranges,
        }
    }
}
