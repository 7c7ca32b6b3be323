//! What other users of the machine can do with the files of this one.
//!
//! What this user owns is mended: others lose the access that they should not have. What somebody else
//! owns is refused, and so is a directory above that others can write to, as they could put another
//! file in its place. Owners that count as this user are root and, for root, everybody. Read-only
//! file systems are left alone.

use std::path::Path;

use crate::error::SystemError;

type Result<T> = std::result::Result<T, SystemError>;

/// The most that others may do with a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Nothing,
    Read,
}

/// Returns true if others can do more with the file than they may, and [`mend`] would change that.
/// False if there is none. Errors if another user owns it, or if it is a directory that is meant for
/// all.
#[cfg(unix)]
pub(crate) fn is_exposed(path: &Path, others: Others) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    let about = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        about => about.map_err(|error| SystemError::file("read", path, error))?,
    };
    let me = rustix::process::geteuid();
    if !(me.is_root() || about.uid() == me.as_raw() || about.uid() == 0) {
        let problem = format!(
            "{} belongs to another user, with the id {}: remove it, or choose another directory",
            path.display(),
            about.uid()
        );
        return Err(SystemError::new(problem).at(path));
    }
    // Others may read what root has put there for all.
    let is_own = me.is_root() || about.uid() == me.as_raw();
    let surplus = about.mode() & if is_own { others.denied() } else { Others::Read.denied() };
    if surplus == 0 || is_on_read_only_system(path) {
        return Ok(false);
    }
    if about.is_dir() && about.mode() & STICKY != 0 {
        let problem = format!(
            "others can write to {}, as it is meant for all: choose a directory of your own",
            path.display()
        );
        return Err(SystemError::new(problem).at(path));
    }
    Ok(true)
}

/// Takes away what others can do with the file and may not. Returns true if something was changed.
/// Errors as [`is_exposed`], and if it cannot be changed.
#[cfg(unix)]
pub(crate) fn mend(path: &Path, others: Others) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    if !is_exposed(path, others)? {
        return Ok(false);
    }
    let mended = std::fs::metadata(path).and_then(|about| {
        let mode = about.permissions().mode() & 0o7777 & !others.denied();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    });
    // Some file systems accept the change without an effect.
    match mended {
        Ok(()) if !is_exposed(path, others)? => Ok(true),
        mended => {
            let cause = mended.err().map(|error| format!(": {error}")).unwrap_or_default();
            let (path, mode) = (path.display(), others.chmod());
            let problem = format!("others can change {path}: run `chmod {mode}` on it{cause}");
            Err(SystemError::new(problem))
        }
    }
}

/// Errors if others can write to a directory above this one.
#[cfg(all(unix, any(feature = "hub", test)))]
pub(crate) fn check_way_to(directory: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    const GROUP: u32 = 0o020;
    const ALL: u32 = 0o002;
    let Some(whole) = directory.ancestors().find_map(|path| std::fs::canonicalize(path).ok())
    else {
        return Ok(());
    };
    // The directory itself is not above itself, but what exists above a missing one is.
    for above in whole.ancestors().skip(usize::from(directory.exists())) {
        let Ok(about) = std::fs::metadata(above) else { continue };
        // Many users have a group of their own, and administrators choose the groups of theirs.
        let is_usual = about.uid() == 0 || about.gid() == rustix::process::getegid().as_raw();
        let denied = if is_usual { ALL } else { GROUP | ALL };
        if about.mode() & STICKY == 0
            && about.mode() & denied != 0
            && !is_on_read_only_system(above)
        {
            let problem = format!(
                "others can write to {}, and so replace {}: run `chmod go-w` on the former, or choose \
                 another directory",
                above.display(),
                directory.display()
            );
            return Err(SystemError::new(problem).at(directory));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_on_read_only_system(path: &Path) -> bool {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(unix)]
impl Others {
    /// The bits of what they may not do.
    fn denied(self) -> u32 {
        match self {
            Self::Nothing => 0o077,
            Self::Read => 0o022,
        }
    }
}

impl Others {
    /// Returns how to tell `chmod` the same.
    pub(crate) fn chmod(self) -> &'static str {
        match self {
            Self::Nothing => "go-rwx",
            Self::Read => "go-w",
        }
    }
}

// On other systems the directory, which is the user's own, protects what is in it.

#[cfg(not(unix))]
pub(crate) fn is_exposed(_: &Path, _: Others) -> Result<bool> {
    Ok(false)
}

#[cfg(not(unix))]
pub(crate) fn mend(_: &Path, _: Others) -> Result<bool> {
    Ok(false)
}

#[cfg(all(not(unix), feature = "hub"))]
pub(crate) fn check_way_to(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn own_files_are_mended_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        assert!(!mend(&file, Others::Nothing).unwrap(), "there is none");
        fs::write(&file, "").unwrap();
        for (others, before, after) in [
            (Others::Nothing, 0o666, 0o600),
            (Others::Nothing, 0o640, 0o600),
            (Others::Nothing, 0o404, 0o400),
            (Others::Read, 0o666, 0o644),
            (Others::Read, 0o620, 0o600),
        ] {
            set(&file, before);
            assert!(is_exposed(&file, others).unwrap());
            assert!(mend(&file, others).unwrap(), "{before:o}");
            assert_eq!(mode(&file), after, "{before:o}");
            assert!(!mend(&file, others).unwrap(), "{before:o}");
        }
        set(home.path(), 0o777);
        assert!(mend(home.path(), Others::Read).unwrap());
        assert_eq!(mode(home.path()), 0o755);
    }

    #[test]
    fn a_directory_for_all_is_refused_and_not_changed() {
        let home = tempfile::tempdir().unwrap();
        set(home.path(), 0o1777);
        let refused = mend(home.path(), Others::Read).unwrap_err().to_string();
        assert!(refused.contains("directory of your own"), "{refused}");
        assert_eq!(mode(home.path()), 0o1777);
    }

    #[test]
    fn others_must_not_write_to_a_directory_above() {
        let above = tempfile::tempdir().unwrap();
        let home = above.path().join("a/b");
        fs::create_dir_all(&home).unwrap();
        check_way_to(&home).unwrap();
        set(above.path(), 0o777);
        for path in [&home, &above.path().join("a/none/yet")] {
            let refused = check_way_to(path).unwrap_err().to_string();
            assert!(refused.contains("chmod go-w"), "{refused}");
        }
        set(above.path(), 0o1777);
        check_way_to(&home).unwrap();
    }

    /// That they are refused for anybody but root, tests/it/permissions.rs tests with another user.
    #[test]
    fn root_may_use_the_files_of_others() {
        let home = tempfile::tempdir().unwrap();
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        fs::write(&file, "").unwrap();
        symlink(&file, &link).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(1), None).unwrap();
            set(&file, 0o666);
            assert!(mend(&link, Others::Nothing).unwrap());
            assert_eq!((mode(&file), fs::metadata(&file).unwrap().uid()), (0o600, 1));
        } else {
            assert!(!is_exposed(&link, Others::Read).unwrap());
        }
    }
}
