//! The file with the rooms that were joined, so that the next chat joins them again: a list per hub.
//! Only chats on a terminal use it; a script is in the rooms that it names.

use std::{
    io,
    path::{Path, PathBuf},
};

use toml::Value;

use crate::{
    cli::{hub_table, options::Settings, terminal},
    model::RoomName,
};

/// The most rooms of a hub.
const MAX_ROOMS: usize = 100;

/// The rooms of one hub.
#[derive(Debug)]
pub(crate) struct JoinedRooms {
    /// `None`: nothing is remembered.
    file: Option<PathBuf>,
    hub: String,
    rooms: Vec<RoomName>,
}

impl JoinedRooms {
    /// Reads the file. What is not valid in it is ignored.
    pub(crate) fn load(settings: &Settings) -> Self {
        let file = settings.home.joined_rooms();
        let (is_read, is_written) = (terminal::can_edit(), settings.home.can_write(&file));
        let joined = Self::of(is_read.then_some(file), settings.hub.hub.to_string());
        // A file that cannot be written is read all the same.
        Self { file: joined.file.filter(|_| is_written), ..joined }
    }

    fn of(file: Option<PathBuf>, hub: String) -> Self {
        let all = file.as_deref().map(hub_table::read).unwrap_or_default();
        Self { rooms: rooms(all.get(&hub)), file, hub }
    }

    /// Returns the rooms to join: those that options or the settings name, then those of earlier
    /// chats. Without any it is the default.
    pub(crate) fn at_start(&self, settings: &Settings) -> Vec<RoomName> {
        let mut rooms = match settings.rooms_named || self.rooms.is_empty() {
            true => settings.rooms.clone(),
            false => Vec::new(),
        };
        for room in &self.rooms {
            if !rooms.contains(room) {
                rooms.push(room.clone());
            }
        }
        rooms
    }

    /// Remembers a room. Errors with what to tell the user.
    pub(crate) fn add(&mut self, room: &RoomName) -> Result<(), String> {
        self.change(|rooms| {
            if !rooms.contains(room) && rooms.len() < MAX_ROOMS {
                rooms.push(room.clone());
            }
        })
    }

    /// Forgets a room. Errors with what to tell the user.
    pub(crate) fn remove(&mut self, room: &RoomName) -> Result<(), String> {
        self.change(|rooms| rooms.retain(|joined| joined != room))
    }

    /// Changes the list. If the file cannot be written, it is left alone from then on.
    fn change(&mut self, change: impl FnOnce(&mut Vec<RoomName>)) -> Result<(), String> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        self.write(&file, change).map_err(|error| {
            self.file = None;
            format!("the next chat will not know your rooms: {error}")
        })
    }

    fn write(&mut self, file: &Path, change: impl FnOnce(&mut Vec<RoomName>)) -> io::Result<()> {
        let hub = self.hub.clone();
        hub_table::change(file, &hub, |before| {
            let before = rooms(before.as_ref());
            self.rooms = before.clone();
            change(&mut self.rooms);
            let names = self.rooms.iter().map(|room| Value::String(room.to_string()));
            (self.rooms != before).then(|| Value::Array(names.collect()))
        })
    }
}

/// Returns the rooms in the value of a hub. What is not valid in it is ignored.
fn rooms(value: Option<&Value>) -> Vec<RoomName> {
    let listed = value.and_then(Value::as_array).into_iter().flatten();
    let rooms = listed.filter_map(|room| RoomName::parse(room.as_str()?).ok());
    rooms.take(MAX_ROOMS).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::hub_table::MAX_HUBS;

    #[test]
    fn rooms_are_remembered_per_hub_and_by_every_chat() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rooms.toml");
        let open = |hub: &str| JoinedRooms::of(Some(file.clone()), hub.into());
        let room = |raw: &str| RoomName::parse(raw).unwrap();
        let (mut one, mut other) = (open("one:1"), open("one:1"));
        one.add(&room("lobby")).unwrap();
        other.add(&room("ops")).unwrap();
        open("two:2").add(&room("dev")).unwrap();
        one.add(&room("ops")).unwrap();
        assert_eq!(open("one:1").rooms, [room("lobby"), room("ops")]);
        one.remove(&room("lobby")).unwrap();
        assert_eq!(open("one:1").rooms, [room("ops")]);
        assert_eq!(open("two:2").rooms, [room("dev")]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for hub in 0..2 * MAX_HUBS {
            open(&format!("hub{hub}:1")).add(&room("lobby")).unwrap();
        }
        assert_eq!(hub_table::read(&file).len(), MAX_HUBS);
        fs::write(&file, "'one:1' = ['ops', 3, 'no room']").unwrap();
        assert_eq!(open("one:1").rooms, [room("ops")]);
        fs::write(&file, "not = [toml").unwrap();
        assert!(open("one:1").rooms.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("no directory").join("rooms.toml");
        fs::write(dir.path().join("no directory"), "").unwrap();
        let mut rooms = JoinedRooms::of(Some(file), "one:1".into());
        let room = RoomName::parse("ops").unwrap();
        assert!(rooms.add(&room).is_err());
        assert!(rooms.add(&room).is_ok());
    }
}
