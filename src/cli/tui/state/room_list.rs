//! The rooms of the hub, to complete and to choose from. They are listed on demand, because a hub can have
//! many: each listing is a request for every thousand rooms.

use std::time::{Duration, Instant};

use super::{Effect, HubStatus, Moment, State};
use crate::{
    cli::chat::input::commands::{ChatCommand, Takes},
    model::{Room, RoomName},
};

/// How long a list of rooms is used before they are listed again.
const FRESH: Duration = Duration::from_secs(60);

/// The rooms of the hub, as last listed.
#[derive(Debug, Default)]
pub(super) struct RoomList {
    /// By activity, the latest first.
    pub(super) names: Vec<RoomName>,
    listed_at: Option<Instant>,
    is_requested: bool,
}

impl State {
    /// Requests the rooms of the hub, unless they were listed a short time ago.
    pub(super) fn request_rooms(&mut self, now: Moment) {
        let list = &mut self.listed_rooms;
        let is_fresh = list.listed_at.is_some_and(|at| now.mono.duration_since(at) < FRESH);
        if !is_fresh && !list.is_requested && self.hub_status == HubStatus::Up {
            list.is_requested = true;
            self.emit(Effect::ListRooms);
        }
    }

    /// Requests the rooms of the hub if the input is a command for a room.
    pub(super) fn request_rooms_for_input(&mut self, now: Moment) {
        let text = self.composer.text();
        let word = text.trim_start().strip_prefix('/').and_then(|it| it.split_whitespace().next());
        let command = word.and_then(ChatCommand::find);
        if command.is_some_and(|command| command.takes == Takes::Room) {
            self.request_rooms(now);
        }
    }

    pub(super) fn on_room_list(&mut self, rooms: Option<Vec<Room>>, now: Moment) {
        self.listed_rooms.is_requested = false;
        let Some(mut rooms) = rooms else { return };
        self.listed_rooms.listed_at = Some(now.mono);
        for listed in &rooms {
            if let Some(room) = self.room_mut(&listed.name) {
                room.members = Some(listed.members);
            }
        }
        rooms.sort_by_key(|room| std::cmp::Reverse(room.last_message_at));
        self.listed_rooms.names = rooms.into_iter().map(|room| room.name).collect();
        self.update_choices();
    }
}
