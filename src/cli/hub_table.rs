//! Small TOML files with a value for each hub, which several chats change.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use toml::{Table, Value};

use crate::identity::files::{self, Readers};

/// The most bytes of a file.
const MAX_BYTES: u64 = 1024 * 1024;

/// The most hubs in a file. A further one replaces another.
pub(super) const MAX_HUBS: usize = 20;

/// Reads the file. The table is empty if there is none, or if it is too large or not valid.
pub(super) fn read(file: &Path) -> Table {
    let small = fs::metadata(file).is_ok_and(|about| about.len() <= MAX_BYTES);
    let content = if small { fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    content.parse().unwrap_or_default()
}

/// Changes the value of a hub, and keeps those of the others. `change` gets the present value and
/// returns the new one; without one, nothing is written. The file is replaced atomically, and
/// readable by its owner only.
pub(super) fn change(
    file: &Path,
    hub: &str,
    change: impl FnOnce(Option<Value>) -> Option<Value>,
) -> io::Result<()> {
    let _lock = files::lock(file).map_err(io::Error::other)?;
    let mut all = read(file);
    let Some(value) = change(all.remove(hub)) else { return Ok(()) };
    while all.len() >= MAX_HUBS
        && let Some(other) = all.keys().next().cloned()
    {
        all.remove(&other);
    }
    all.insert(hub.to_owned(), value);
    let mut written = files::temporary_beside(file, Readers::Owner)?;
    written.write_all(all.to_string().as_bytes())?;
    written.persist(file).map_err(|error| error.error)?;
    Ok(())
}
