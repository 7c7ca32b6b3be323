//! What has one word, in text and in JSON.

use crate::{client::Standing, model::PeerStatus};

/// How far somebody is known, in one word.
pub(crate) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Verified(_) => "verified",
        Standing::Known(_) => "known",
        Standing::Unverified(_) => "unverified",
    }
}

/// A status in one word.
pub(crate) fn status(status: PeerStatus) -> &'static str {
    match status {
        PeerStatus::Online => "online",
        PeerStatus::Away => "away",
        PeerStatus::Busy => "busy",
        PeerStatus::Invisible => "invisible",
    }
}
