//! Which room or direct chat is meant.

use crate::model::{Name, RoomName};

/// Identifies a chat of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ChatId {
    Room(RoomName),
    Peer(Name),
}
