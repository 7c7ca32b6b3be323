//! The file with the rooms that were joined, so that the next chat joins them again: a list per hub.
//! Only chats on a terminal use it; a script is in the rooms that it names.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use toml::{Table, Value};

use crate::{cli::options::Settings, cli::terminal, identity::files, model::RoomName};

/// The most bytes of the file, rooms of a hub, and hubs.
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_ROOMS: usize = 100;
const MAX_HUBS: usize = 20;

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
        let mut joined = Self { file, hub, rooms: Vec::new() };
        joined.rooms = joined.read_rooms(&joined.read());
        joined
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

    /// Remembers a room.
    pub(crate) fn add(&mut self, room: &RoomName) -> io::Result<()> {
        self.change(|rooms| {
            if !rooms.contains(room) && rooms.len() < MAX_ROOMS {
                rooms.push(room.clone());
            }
        })
    }

    /// Forgets a room.
    pub(crate) fn remove(&mut self, room: &RoomName) -> io::Result<()> {
        self.change(|rooms| rooms.retain(|joined| joined != room))
    }

    /// Changes the list. If the file cannot be written, it is left alone from then on.
    fn change(&mut self, change: impl FnOnce(&mut Vec<RoomName>)) -> io::Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let changed = self.write(&file, change);
        if changed.is_err() {
            self.file = None;
        }
        changed
    }

    fn write(&mut self, file: &PathBuf, change: impl FnOnce(&mut Vec<RoomName>)) -> io::Result<()> {
        // Another chat may do the same.
        let _lock = files::lock(file).map_err(io::Error::other)?;
        let mut all = self.read();
        let before = self.read_rooms(&all);
        self.rooms = before.clone();
        change(&mut self.rooms);
        if self.rooms == before {
            return Ok(());
        }
        while all.len() >= MAX_HUBS
            && !all.contains_key(&self.hub)
            && let Some(other) = all.keys().next().cloned()
        {
            all.remove(&other);
        }
        let rooms = self.rooms.iter().map(|room| Value::String(room.to_string()));
        all.insert(self.hub.clone(), Value::Array(rooms.collect()));
        // Replaced atomically, and readable by the owner only.
        let mut written = tempfile::Builder::new().tempfile_in(file.parent().unwrap_or(file))?;
        written.write_all(all.to_string().as_bytes())?;
        written.persist(file).map_err(|error| error.error)?;
        Ok(())
    }

    fn read(&self) -> Table {
        let Some(file) = &self.file else { return Table::new() };
        let small = fs::metadata(file).is_ok_and(|about| about.len() <= MAX_BYTES);
        let content =
            if small { fs::read_to_string(file).unwrap_or_default() } else { String::new() };
        content.parse().unwrap_or_default()
    }

    fn read_rooms(&self, all: &Table) -> Vec<RoomName> {
        let listed = all.get(&self.hub).and_then(Value::as_array).into_iter().flatten();
        let rooms = listed.filter_map(|room| RoomName::parse(room.as_str()?).ok());
        rooms.take(MAX_ROOMS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(one.read().len(), MAX_HUBS);
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
