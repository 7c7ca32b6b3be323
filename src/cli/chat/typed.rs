//! The lines typed in earlier chats, in a file that only its owner can read. What was meant for
//! one person is not given to it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

/// How many lines are remembered.
pub(crate) const MAX_LINES: usize = 1000;

/// The latest lines, oldest first. A file that has grown to twice as many is cut.
pub(crate) fn load(file: &Path) -> io::Result<Vec<String>> {
    let content = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        content => content?,
    };
    // A full disk may have torn a line within a character.
    let content = String::from_utf8_lossy(&content);
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    // Two chats at once, or one after the other, may have added the same.
    lines.dedup();
    let surplus = lines.len().saturating_sub(MAX_LINES);
    lines.drain(..surplus);
    if surplus >= MAX_LINES {
        // In one go: another chat may read it, or add to it.
        let mut cut = NamedTempFile::new_in(file.parent().unwrap_or(file))?;
        cut.write_all((lines.join("\n") + "\n").as_bytes())?;
        cut.persist(file).map_err(|error| error.error)?;
    }
    Ok(lines)
}

/// Adds a line at the end.
pub(crate) fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut options = private();
    let mut file = options.append(true).open(file)?;
    // One write, so that two chats at once do not mix their lines.
    file.write_all(format!("{line}\n").as_bytes())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_and_only_to_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("typed.txt");
        assert!(load(&file).unwrap().is_empty());
        fs::write(&file, b"torn \xe2\x82\n").unwrap();
        assert_eq!(load(&file).unwrap(), ["torn \u{fffd}"]);
        fs::remove_file(&file).unwrap();
        append(&file, "one").unwrap();
        append(&file, "/join two").unwrap();
        append(&file, "/join two").unwrap();
        assert_eq!(load(&file).unwrap(), ["one", "/join two"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("typed.txt");
        for i in 0..2 * MAX_LINES {
            append(&file, &i.to_string()).unwrap();
        }
        let lines = load(&file).unwrap();
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.last().unwrap(), "1999");
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), MAX_LINES);
    }
}
