//! Small files that matter: read within bounds, written whole or not at all.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::error::SystemError;

type Result<T> = std::result::Result<T, SystemError>;

/// The most bytes that a file here may have: a contact book at its fullest, and many times a chain
/// of certificates. Whatever is longer is not what it is taken for.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    Owner,
    All,
}

/// Makes a directory that is only its owner's, and those above it.
pub(crate) fn create_directory(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| SystemError::file("make", path, error))
}

/// What stands in a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    read_checked(path, |_| Ok(()))
}

/// As [`read`], for what nobody but its owner may see.
pub(super) fn read_secret(path: &Path) -> Result<Option<String>> {
    read_checked(path, |file| {
        let shared = is_shared(file).map_err(|error| SystemError::file("read", path, error))?;
        if shared {
            return Err(SystemError::new(format!(
                "others can read {}, which holds a private key: run chmod 600 on it, and think of \
                 whether somebody has done so",
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

/// Whether anybody but the owner has rights to a file.
#[cfg(unix)]
fn is_shared(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    const GROUP_AND_OTHERS: u32 = 0o077;
    Ok(file.metadata()?.mode() & GROUP_AND_OTHERS != 0)
}

/// Elsewhere the rights of the directory, which is the user's own, decide.
#[cfg(not(unix))]
fn is_shared(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Writes a file that is not there yet. Answers what it holds then: where somebody else was faster,
/// what they wrote.
pub(super) fn write_new(path: &Path, content: &str, readers: Readers) -> Result<String> {
    let written = write_beside(path, content, readers)
        .map_err(|error| SystemError::file("write", path, error))?
        .persist_noclobber(path);
    match written {
        Ok(_) => {
            sync_directory(path).map_err(|error| SystemError::file("write", path, error))?;
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

/// Writes a file that is its owner's alone in the place of the one that was there. Whoever reads
/// finds either whole. A link to it stays one: such files are often kept elsewhere.
pub(super) fn replace(path: &Path, content: &str) -> Result<()> {
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(too_long(path));
    }
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_beside(&place, content, Readers::Owner)
        .and_then(|file| file.persist(&place).map_err(|error| error.error))
        .and_then(|_| sync_directory(&place))
        .map_err(|error| SystemError::file("write", path, error))
}

/// Waits until no other process holds the lock of a file, and holds it until the result is dropped.
/// It is on a file beside it, as the file itself is replaced.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = Path::new(&name);
    let locked = File::options().create(true).truncate(false).write(true).open(name);
    locked
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| SystemError::file("lock", name, error))
}

/// As [`lock`], but `None` where another process holds it, instead of waiting.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = Path::new(&name);
    let file = File::options().create(true).truncate(false).write(true).open(name);
    match file.map(|file| file.try_lock().map(|()| file)) {
        Ok(Ok(file)) => Ok(Some(file)),
        Ok(Err(TryLockError::WouldBlock)) => Ok(None),
        Ok(Err(TryLockError::Error(error))) | Err(error) => {
            Err(SystemError::file("lock", name, error))
        }
    }
}

/// Makes an empty file that is its owner's alone where there is none; one that others can read is
/// closed to them.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path).and_then(|file| match is_shared(&file)? {
        #[cfg(unix)]
        true => {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(fs::Permissions::from_mode(0o600))
        }
        _ => Ok(()),
    });
    made.map_err(|error| SystemError::file("make", path, error))
}

/// A finished file without a name of its own, in the directory where it shall get one.
fn write_beside(path: &Path, content: &str, readers: Readers) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Nobody but the owner is the library's default.
    #[cfg(unix)]
    if readers == Readers::All {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(directory_of(path))?;
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a new name in a directory survive a crash.
fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory_of(path))?.sync_all()?;
    Ok(())
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn too_long(path: &Path) -> SystemError {
    let problem = format!("{} has more than {MAX_FILE_BYTES} bytes", path.display());
    SystemError::new(problem).at(path)
}
