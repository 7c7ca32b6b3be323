//! What the switcher offers.

use super::ChatId;
use crate::model::{Name, RoomName};

/// What the user can go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// A chat that is open.
    Chat(ChatId),
    /// A room of the hub that is not joined.
    Join(RoomName),
    /// A peer on the hub without an open chat.
    Talk(Name),
    Command(&'static str),
}

/// The switcher while it is open.
#[derive(Debug, Default)]
pub(crate) struct Switcher {
    pub(crate) typed: String,
    pub(crate) choices: Vec<Choice>,
    pub(crate) selected: usize,
}

impl Choice {
    /// The name by which it is found, with a sign for its kind.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Chat(ChatId::Room(room)) | Self::Join(room) => format!("#{room}"),
            Self::Chat(ChatId::Peer(peer)) | Self::Talk(peer) => format!("@{peer}"),
            Self::Command(name) => format!("/{name}"),
        }
    }
}

impl Switcher {
    /// Moves the selection.
    pub(super) fn scroll(&mut self, by: isize) {
        let last = self.choices.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }
}
