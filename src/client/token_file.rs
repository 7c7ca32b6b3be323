//! The files through which processes of one person share a name: each holds a session's token.
//!
//! Every session has a file of its own, so that the end of one takes nothing from the others. Whoever
//! wants to be the same person shows any of the tokens; those that prove nothing any more, as they
//! are left behind by a crash, are removed by whoever finds that out.
//!
//! A token is a secret, so a file is never readable by others, not even for a moment; it is replaced
//! as a whole, so nobody reads half a token; and whoever removes another's file makes sure that it
//! does not hold a newer token by now.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// No token is longer than this; whatever is, is another file.
const MAX_TOKEN_BYTES: u64 = 1024;

/// How many tokens are tried at once: more sessions than one person has, and enough to clean up
/// after many crashes.
const MAX_KEPT: usize = 32;

/// Where one session keeps its token, beside those of the same name.
#[derive(Debug, Clone)]
pub(super) struct TokenFile {
    /// What the files of all sessions begin with.
    base: PathBuf,
    own: PathBuf,
}

/// A token that another session keeps. It has no `Debug`, so that no log can hold it.
pub(super) struct Kept {
    path: PathBuf,
    pub(super) token: String,
}

impl TokenFile {
    /// A new session's file: `base`, a dot, and an id that grows with time.
    pub(super) fn new(base: PathBuf) -> Self {
        Self { own: with(&base, Uuid::now_v7()), base }
    }

    /// The tokens of other sessions, those that began last first.
    pub(super) fn others(&self) -> Vec<Kept> {
        let (Some(folder), Some(name)) = (self.base.parent(), self.base.file_name()) else {
            return Vec::new();
        };
        let prefix = format!("{}.", name.to_string_lossy());
        // A bare file name is in the folder named "".
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut found: Vec<Uuid> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                Uuid::parse_str(name.to_str()?.strip_prefix(&prefix)?).ok()
            })
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        let paths = found.into_iter().map(|id| with(&self.base, id)).filter(|p| *p != self.own);
        let kept = paths.filter_map(|path| Some(Kept { token: read(&path)?, path }));
        kept.take(MAX_KEPT).collect()
    }

    /// Keeps `token` in the place of this session's last one.
    pub(super) fn write(&self, token: &str) -> io::Result<()> {
        let mut new = self.own.clone().into_os_string();
        new.push(".new");
        let written = create(new.as_ref()).and_then(|mut file| file.write_all(token.as_bytes()));
        let placed = written.and_then(|()| fs::rename(&new, &self.own));
        if placed.is_err() {
            let _ = fs::remove_file(&new);
        }
        placed
    }

    /// Removes this session's file.
    pub(super) fn remove(&self) {
        // Another process may have found it of no use before.
        let _ = fs::remove_file(&self.own);
    }
}

impl Kept {
    /// Removes the file if it still holds this token.
    pub(super) fn remove(self) {
        // Its owner may put a new token there at any moment. So the file is moved aside first, read
        // again, and put back where nothing newer has taken its place.
        let mut aside = self.path.clone().into_os_string();
        aside.push(format!(".{}", Uuid::now_v7()));
        if fs::rename(&self.path, &aside).is_err() {
            return;
        }
        if read(aside.as_ref()).is_some_and(|token| token != self.token) {
            let _ = fs::hard_link(&aside, &self.path);
        }
        let _ = fs::remove_file(&aside);
    }
}

/// What a file holds; `None` where it does not exist or holds no token.
fn read(path: &Path) -> Option<String> {
    if fs::metadata(path).ok()?.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let token = fs::read_to_string(path).ok()?.trim().to_owned();
    (!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())).then_some(token)
}

fn with(base: &Path, id: Uuid) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{id}"));
    name.into()
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

    fn tokens(file: &TokenFile) -> Vec<String> {
        file.others().into_iter().map(|kept| kept.token).collect()
    }

    #[test]
    fn every_session_keeps_its_own_token_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let session = || TokenFile::new(home.path().join("token"));
        let (first, second, command) = (session(), session(), session());
        first.write("one").unwrap();
        second.write("two").unwrap();
        first.write("newer").unwrap();
        assert_eq!(tokens(&command), ["two", "newer"]);
        assert_eq!(tokens(&second), ["newer"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&first.own).unwrap().permissions().mode() & 0o777, 0o600);
        }
        second.remove();
        assert_eq!(tokens(&command), ["newer"]);
        first.remove();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_token_of_no_use_is_removed_but_no_newer_one() {
        let home = tempfile::tempdir().unwrap();
        let session = || TokenFile::new(home.path().join("token"));
        let (owner, command) = (session(), session());
        owner.write("old").unwrap();
        let old = command.others().remove(0);
        owner.write("new").unwrap();
        old.remove();
        assert_eq!(tokens(&command), ["new"]);
        command.others().remove(0).remove();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_token_is_not_shown() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().join("token");
        let other = TokenFile::new(base.clone());
        for content in ["", " \n", "two words", "caf\u{e9}", &"x".repeat(2000)] {
            fs::write(&other.own, content).unwrap();
            assert!(TokenFile::new(base.clone()).others().is_empty(), "{content:?}");
        }
        fs::write(&other.own, "token").unwrap();
        for elsewhere in ["tok", "other", "token.token"] {
            assert!(TokenFile::new(home.path().join(elsewhere)).others().is_empty());
        }
        assert_eq!(tokens(&TokenFile::new(base)), ["token"]);
    }
}
