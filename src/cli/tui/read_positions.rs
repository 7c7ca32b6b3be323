//! The file with the positions up to which the user has read each room. It has a table per hub, with
//! positions as `EPOCH:SEQ`. They are used only for unread messages, so invalid ones are ignored.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
};

use toml::{Table, Value};

use crate::{
    identity::files,
    model::{Position, RoomName},
};

/// The most bytes of the file, rooms of a hub, and hubs.
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_ROOMS: usize = 500;
const MAX_HUBS: usize = 20;

pub(super) fn load(file: &Path, hub: &str) -> BTreeMap<RoomName, Position> {
    let all = load_all(file);
    let rooms = all.get(hub).and_then(Value::as_table).into_iter().flatten();
    rooms.filter_map(|(room, at)| Some((RoomName::parse(room).ok()?, position(at)?))).collect()
}

/// Stores positions of a hub, and keeps those of other rooms and hubs.
pub(super) fn save(file: &Path, hub: &str, read: &BTreeMap<RoomName, Position>) -> io::Result<()> {
    // Another chat may end at the same time.
    let _lock = files::lock(file).map_err(io::Error::other)?;
    let mut all = load_all(file);
    let mut rooms = match all.remove(hub) {
        Some(Value::Table(rooms)) => rooms,
        _ => Table::new(),
    };
    if rooms.len() + read.len() > MAX_ROOMS {
        rooms.clear();
    }
    for (room, at) in read.iter().take(MAX_ROOMS) {
        let stored = rooms.get(room.as_str()).and_then(position);
        // Another chat may have read more.
        if stored.is_none_or(|stored| stored.epoch != at.epoch || stored.seq < at.seq) {
            let at = format!("{}:{}", at.epoch, at.seq);
            rooms.insert(room.to_string(), Value::String(at));
        }
    }
    while all.len() >= MAX_HUBS
        && let Some(other) = all.keys().next().cloned()
    {
        all.remove(&other);
    }
    all.insert(hub.to_owned(), Value::Table(rooms));
    // Replaced atomically, and readable by the owner only.
    let mut written = tempfile::Builder::new().tempfile_in(file.parent().unwrap_or(file))?;
    written.write_all(all.to_string().as_bytes())?;
    written.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn load_all(file: &Path) -> Table {
    let small = fs::metadata(file).is_ok_and(|about| about.len() <= MAX_BYTES);
    let content = if small { fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    content.parse().unwrap_or_default()
}

fn position(value: &Value) -> Option<Position> {
    let (epoch, seq) = value.as_str()?.split_once(':')?;
    Some(Position { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_stored_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seen.toml");
        assert!(load(&file, "one:1").is_empty());
        let at = |seq| Position { epoch: u64::MAX, seq };
        let room = |raw: &str| RoomName::parse(raw).unwrap();
        let seen = |raw: &str, seq| BTreeMap::from([(room(raw), at(seq))]);
        save(&file, "one:1", &seen("lobby", 3)).unwrap();
        save(&file, "two:2", &seen("lobby", 9)).unwrap();
        save(&file, "one:1", &seen("ops", 4)).unwrap();
        save(&file, "one:1", &seen("lobby", 5)).unwrap();
        save(&file, "one:1", &seen("lobby", 4)).unwrap();
        let both = BTreeMap::from([(room("lobby"), at(5)), (room("ops"), at(4))]);
        assert_eq!(load(&file, "one:1"), both);
        assert_eq!(load(&file, "two:2"), seen("lobby", 9));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for hub in 0..2 * MAX_HUBS {
            save(&file, &format!("hub{hub}:1"), &seen("lobby", 1)).unwrap();
        }
        assert_eq!(load_all(&file).len(), MAX_HUBS);
        fs::write(&file, "not = [toml").unwrap();
        assert!(load(&file, "one:1").is_empty());
    }
}
