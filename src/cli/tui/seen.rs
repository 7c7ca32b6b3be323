//! Up to where one has seen each room, kept from one chat to the next: a file with a table for each
//! hub, of positions as `EPOCH:SEQ`. It is only for the line "new messages" and what is counted as
//! unread, so what cannot be read of it is left out.

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

/// The most bytes that are read, rooms that are kept of a hub, and hubs.
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_ROOMS: usize = 500;
const MAX_HUBS: usize = 20;

/// What was seen at a hub.
pub(super) fn load(file: &Path, hub: &str) -> BTreeMap<RoomName, Position> {
    let all = read(file);
    let rooms = all.get(hub).and_then(Value::as_table).into_iter().flatten();
    rooms.filter_map(|(room, at)| Some((RoomName::parse(room).ok()?, position(at)?))).collect()
}

/// Notes what was seen at a hub, and leaves what is noted of other rooms and hubs.
pub(super) fn save(file: &Path, hub: &str, seen: &BTreeMap<RoomName, Position>) -> io::Result<()> {
    // Another chat may end in this moment.
    let _alone = files::lock(file).map_err(io::Error::other)?;
    let mut all = read(file);
    let mut rooms = match all.remove(hub) {
        Some(Value::Table(rooms)) => rooms,
        _ => Table::new(),
    };
    if rooms.len() + seen.len() > MAX_ROOMS {
        rooms.clear();
    }
    for (room, at) in seen.iter().take(MAX_ROOMS) {
        let noted = rooms.get(room.as_str()).and_then(position);
        // Another chat may have seen more.
        if noted.is_none_or(|noted| noted.epoch != at.epoch || noted.seq < at.seq) {
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
    // In one go, and for its owner alone.
    let mut written = tempfile::Builder::new().tempfile_in(file.parent().unwrap_or(file))?;
    written.write_all(all.to_string().as_bytes())?;
    written.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn read(file: &Path) -> Table {
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
    fn what_was_seen_is_known_again_and_to_its_owner_alone() {
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
        assert_eq!(read(&file).len(), MAX_HUBS);
        fs::write(&file, "not = [toml").unwrap();
        assert!(load(&file, "one:1").is_empty());
    }
}
