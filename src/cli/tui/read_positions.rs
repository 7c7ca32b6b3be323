//! The file with the positions up to which the user has read each room. It has a table per hub, with
//! positions as `EPOCH:SEQ`. They are used only for unread messages, so invalid ones are ignored.

use std::{collections::BTreeMap, io, path::Path};

use toml::{Table, Value};

use crate::{
    cli::hub_table,
    model::{Position, RoomName},
};

/// The most rooms of a hub.
const MAX_ROOMS: usize = 500;

pub(super) fn load(file: &Path, hub: &str) -> BTreeMap<RoomName, Position> {
    let all = hub_table::read(file);
    let rooms = all.get(hub).and_then(Value::as_table).into_iter().flatten();
    rooms.filter_map(|(room, at)| Some((RoomName::parse(room).ok()?, position(at)?))).collect()
}

/// Stores positions of a hub, and keeps those of other rooms and hubs.
pub(super) fn save(file: &Path, hub: &str, read: &BTreeMap<RoomName, Position>) -> io::Result<()> {
    hub_table::change(file, hub, |before| {
        let mut rooms = match before {
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
        Some(Value::Table(rooms))
    })
}

fn position(value: &Value) -> Option<Position> {
    let (epoch, seq) = value.as_str()?.split_once(':')?;
    Some(Position { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::hub_table::MAX_HUBS;

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
        assert_eq!(hub_table::read(&file).len(), MAX_HUBS);
        fs::write(&file, "not = [toml").unwrap();
        assert!(load(&file, "one:1").is_empty());
    }
}
