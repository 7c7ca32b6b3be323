//! The file through which processes of one person share a name: it holds a session's token.
//!
//! The token is a secret, so the file is never readable by others, not even for a moment; it is
//! replaced as a whole, so nobody reads half a token; and whoever removes it makes sure that it
//! is not another process's by now.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// No token is longer than this; whatever is, is another file.
const MAX_TOKEN_BYTES: u64 = 1024;

/// What the file holds; `None` where it does not exist or holds no token.
pub(super) fn read(path: &Path) -> Option<String> {
    if fs::metadata(path).ok()?.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let token = fs::read_to_string(path).ok()?.trim().to_owned();
    (!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())).then_some(token)
}

/// Puts `token` in the place of what the file holds.
pub(super) fn write(path: &Path, token: &str) -> io::Result<()> {
    let new = beside(path);
    let written = create(&new).and_then(|mut file| file.write_all(token.as_bytes()));
    let placed = written.and_then(|()| fs::rename(&new, path));
    if placed.is_err() {
        let _ = fs::remove_file(&new);
    }
    placed
}

/// Removes the file if it still holds `token`.
pub(super) fn remove(path: &Path, token: &str) {
    if read(path).as_deref() != Some(token) {
        return;
    }
    // Between reading and removing another process may have put its own token there. So the file
    // is moved aside first, read again, and put back where nothing newer has taken its place.
    let aside = beside(path);
    if fs::rename(path, &aside).is_err() {
        return;
    }
    if read(&aside).as_deref() != Some(token) {
        let _ = fs::hard_link(&aside, path);
    }
    let _ = fs::remove_file(&aside);
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", Uuid::now_v7()));
    path.with_file_name(name)
}

fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_its_owner_alone_and_removed_only_by_its_owner() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        assert_eq!(read(&path), None);
        write(&path, "first").unwrap();
        write(&path, "second").unwrap();
        assert_eq!(read(&path).as_deref(), Some("second"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        remove(&path, "first");
        assert_eq!(read(&path).as_deref(), Some("second"));
        remove(&path, "second");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_token_is_not_shown() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        for content in ["", " \n", "two words", "caf\u{e9}", &"x".repeat(2000)] {
            fs::write(&path, content).unwrap();
            assert_eq!(read(&path), None, "{content:?}");
        }
    }
}
