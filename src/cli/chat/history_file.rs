//! The lines typed in earlier chats, in a file of their owner. Callers leave out private lines.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use crate::identity::files::{self, Readers};

/// The most lines that are kept.
pub(crate) const MAX_LINES: usize = 1000;

/// Returns the latest lines, oldest first. A file with twice as many is shortened.
pub(crate) fn load(file: &Path) -> io::Result<Vec<String>> {
    let content = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        content => content?,
    };
    // After a full disk, a line may end within a character.
    let content = String::from_utf8_lossy(&content);
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    // Several chats may have added the same line.
    lines.dedup();
    let surplus = lines.len().saturating_sub(MAX_LINES);
    lines.drain(..surplus);
    if surplus >= MAX_LINES {
        // Replaced atomically: another chat may read the file or append to it.
        let mut cut = files::temporary_beside(file, Readers::Owner)?;
        cut.write_all((lines.join("\n") + "\n").as_bytes())?;
        cut.persist(file).map_err(|error| error.error)?;
    }
    Ok(lines)
}

pub(crate) fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut options = private();
    let mut file = options.append(true).open(file)?;
    // A single write, so that lines of several chats do not mix.
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
    fn lines_are_kept_in_order_for_their_owner_only() {
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
    fn the_file_is_bounded() {
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
