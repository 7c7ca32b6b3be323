//! Small important files: read with a size limit, written completely or not at all.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::NamedTempFile;

use super::permissions::{self, Others};
use crate::error::SystemError;

type Result<T> = std::result::Result<T, SystemError>;

/// The maximum size of a file: a full contact book, or many times a chain of certificates.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How the names of temporary files begin.
const TEMPORARY: &str = ".chinwag-";

/// After this time nobody is writing a temporary file any more.
const LEFT_AFTER: Duration = Duration::from_secs(3600);

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Owner,
    All,
}

/// Creates a directory, private to its owner, and its parents.
pub(crate) fn create_directory(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| SystemError::file("create", path, error))
}

/// Returns true if a file can be written or a directory have new files, or if it is missing and can be
/// created. False on a read-only file system, even for root.
pub(crate) fn is_writable(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        let search = if existing.is_dir() { Access::EXEC_OK } else { Access::empty() };
        access(existing, Access::WRITE_OK | search).is_ok()
    }
    #[cfg(not(unix))]
    {
        fs::metadata(existing).is_ok_and(|existing| !existing.permissions().readonly())
    }
}

/// Reads a file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    read_checked(path, |_| Ok(()))
}

/// As [`read`], for a file that only its owner may read.
pub(super) fn read_secret(path: &Path) -> Result<Option<String>> {
    read_checked(path, |file| {
        let shared = is_shared(file).map_err(|error| SystemError::file("read", path, error))?;
        if shared {
            return Err(SystemError::new(format!(
                "others can read {}, which holds a private key: run chmod 600 on it, and consider \
                 whether somebody has read it",
                path.display()
            ))
            .at(path));
        }
        Ok(())
    })
}

fn read_checked(path: &Path, check: impl FnOnce(&File) -> Result<()>) -> Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| SystemError::file("read", path, error))?,
    };
    check(&file)?;
    let mut content = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut content)
        .map_err(|error| SystemError::file("read", path, error))?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(too_long(path));
    }
    Ok(Some(content))
}

/// Returns true if others have access to a file.
#[cfg(unix)]
fn is_shared(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    const GROUP_AND_OTHERS: u32 = 0o077;
    Ok(file.metadata()?.mode() & GROUP_AND_OTHERS != 0)
}

/// On other systems the directory, which is the user's own, protects the file.
#[cfg(not(unix))]
fn is_shared(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Creates a file. Returns its content, which is that of another process if that was faster.
pub(super) fn write_new(path: &Path, content: &str, readers: Readers) -> Result<String> {
    let written = write_beside(path, content, readers)
        .map_err(|error| SystemError::file("write", path, error))?
        .persist_noclobber(path);
    match written {
        Ok(_) => {
            sync_directory(directory_of(path))
                .map_err(|error| SystemError::file("write", path, error))?;
            Ok(content.to_owned())
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let theirs = if readers == Readers::Owner { read_secret(path) } else { read(path) };
            theirs?.ok_or_else(|| {
                SystemError::file("read", path, io::Error::from(io::ErrorKind::NotFound))
            })
        }
        Err(error) => Err(SystemError::file("write", path, error.error)),
    }
}

/// Replaces a file by one that is private to its owner. Readers see the old or the new file,
/// complete. A symbolic link is kept: such files are often stored elsewhere.
pub(super) fn replace(path: &Path, content: &str) -> Result<()> {
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(too_long(path));
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_beside(&target, content, Readers::Owner)
        .and_then(|file| file.persist(&target).map_err(|error| error.error))
        .and_then(|_| sync_directory(directory_of(&target)))
        .map_err(|error| SystemError::file("write", path, error))
}

/// A locked file. The lock is released when this is dropped, even if a process that is being started
/// still has a copy of the descriptor, as between `fork` and `exec`.
#[derive(Debug)]
pub(crate) struct FileLock(pub(crate) File);

impl Drop for FileLock {
    fn drop(&mut self) {
        // It cannot fail for a descriptor that is open; closing it releases the lock as well.
        let _ = self.0.unlock();
    }
}

/// Locks a file against other processes, waiting for it, until the result is dropped. The lock is on
/// a file beside it, as the file itself is replaced.
pub(crate) fn lock(path: &Path) -> Result<FileLock> {
    let (name, file) = open_lock(path)?;
    file.lock().map_err(|error| SystemError::file("lock", &name, error))?;
    Ok(FileLock(file))
}

/// As [`lock`], but returns `None` if another process holds the lock.
pub(crate) fn try_lock(path: &Path) -> Result<Option<FileLock>> {
    let (name, file) = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(FileLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(SystemError::file("lock", &name, error)),
    }
}

fn open_lock(path: &Path) -> Result<(PathBuf, File)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    // Whoever can open it can hold the lock.
    let file = open_private(&name)?;
    Ok((name, file))
}

/// Opens a file for writing, and creates it if it is missing. It is private to its owner then. Errors
/// if another user owns it.
pub(crate) fn open_private(path: &Path) -> Result<File> {
    permissions::mend(path, Others::Nothing)?;
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| SystemError::file("create", path, error))
}

/// Writes a temporary file in the directory of `path`.
fn write_beside(path: &Path, content: &str, readers: Readers) -> io::Result<NamedTempFile> {
    let mut file = temporary_beside(path, readers)?;
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Creates a temporary file in the directory of `path`, and removes those that killed programs have left
/// there.
pub(crate) fn temporary_beside(path: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    let directory = directory_of(path);
    remove_leftovers(directory);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // The default of the library is private.
    #[cfg(unix)]
    if readers == Readers::All {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    builder.tempfile_in(directory)
}

fn remove_leftovers(directory: &Path) {
    let is_left = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age > LEFT_AFTER)
            && entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY))
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().filter(is_left) {
        // The next one tries again.
        let _ = fs::remove_file(entry.path());
    }
}

/// Makes the entries of a directory survive a crash of the machine.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Other systems cannot and need not sync a directory.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn too_long(path: &Path) -> SystemError {
    let problem = format!("{} has more than {MAX_FILE_BYTES} bytes", path.display());
    SystemError::new(problem).at(path)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn temporary_files_of_killed_programs_are_removed() {
        let home = tempfile::tempdir().unwrap();
        for (name, age) in [(".chinwag-old", 7200), (".chinwag-new", 60), (".tmpOther", 7200)] {
            let file = File::create(home.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        replace(&home.path().join("file.toml"), "").unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut left: Vec<_> = fs::read_dir(home.path()).unwrap().map(name).collect();
        left.sort();
        assert_eq!(left, [".chinwag-new", ".tmpOther", "file.toml"]);
    }
}
