//! Adds answers to the user's settings.
//!
//! The existing text of the file stays. New keys are put before it, where keys without a table are.

use std::{fmt::Write as _, fs, io, path::Path};

use super::{Config, make_parent};
use crate::{
    cli::failure::{Failure, Result},
    identity::files::{self, Readers},
    model::{Endpoint, Name},
};

/// How a new file begins.
const HEAD: &str = "# Settings of chinwag. The command line and the environment override them;\n\
                    # `chinwag --help` lists the keys.\n";

/// Adds the hub and the name, if they are given and the file does not have them. Of the hub, only the
/// address is saved: its key is in the contact book, and an invitation is used up.
pub(crate) fn remember(file: &Path, hub: Option<&Endpoint>, name: Option<&Name>) -> Result<()> {
    rewrite(file, |before| with(before, hub, name))
}

/// Changes the settings under a lock: `change` gets the text of the file, which is empty if there is
/// none, and returns the new one. Without one, nothing is written.
pub(super) fn rewrite(
    file: &Path,
    change: impl FnOnce(&str) -> Result<Option<String>>,
) -> Result<()> {
    make_parent(file)?;
    let _lock = files::lock(file)?;
    let before = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        before => before.map_err(|error| Failure::file("read", file, &error))?,
    };
    let Some(after) = change(&before)? else { return Ok(()) };
    write(file, &after).map_err(|error| Failure::file("write", file, &error))
}

/// Returns the new content, or `None` if nothing is missing.
fn with(before: &str, hub: Option<&Endpoint>, name: Option<&Name>) -> Result<Option<String>> {
    let unreadable = |problem| Failure::Usage(format!("config.toml: {problem}"));
    let known = Config::parse(before).map_err(unreadable)?.default_profile;
    let mut missing = String::new();
    let mut add = |about: &str, key: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(missing, "\n# {about}\n{key} = {}", toml::Value::String(value));
    };
    if let Some(hub) = hub.filter(|_| known.hub.is_none()) {
        add("The hub: HOST:PORT, or a join link.", "hub", hub.to_string());
    }
    if let Some(name) = name.filter(|_| known.name.is_none()) {
        add("Your name in the chat.", "name", name.to_string());
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let after = match before.is_empty() {
        true => format!("{HEAD}{missing}"),
        false => format!("{}\n{before}", missing.trim_start()),
    };
    Config::parse(&after).map_err(unreadable)?;
    Ok(Some(after))
}

/// Replaces the file atomically, so that a crash leaves the old or the new one. A new file is readable
/// by its owner only. A symbolic link stays one, since such files are often kept elsewhere.
fn write(file: &Path, content: &str) -> io::Result<()> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut written = files::temporary_beside(&file, Readers::Owner)?;
    io::Write::write_all(&mut written, content.as_bytes())?;
    written.as_file().sync_all()?;
    if let Ok(before) = fs::metadata(&file) {
        fs::set_permissions(written.path(), before.permissions())?;
    }
    written.persist(&file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> Endpoint {
        Endpoint::parse("hub.example:1").unwrap()
    }

    fn name() -> Name {
        Name::parse("sova").unwrap()
    }

    #[test]
    fn a_new_file_is_private_and_has_comments() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new").join("config.toml");
        remember(&file, Some(&hub()), Some(&name())).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("# Your name in the chat.\nname = \"sova\"\n"), "{text}");
        let saved = Config::read(&file).unwrap().default_profile;
        assert_eq!((saved.hub.unwrap().hub, saved.name), (hub(), Some(name())));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        }
    }

    #[test]
    fn existing_text_stays_as_it_is() {
        let before = "# mine\nroom = 'ops' # theirs\n\n[keys]\nquit = 'ctrl-q'\n";
        let after = with(before, Some(&hub()), Some(&name())).unwrap().unwrap();
        assert!(after.ends_with(before), "{after}");
        let Config { default_profile: saved, keys, .. } = Config::parse(&after).unwrap();
        assert_eq!((saved.hub.unwrap().hub, saved.name), (hub(), Some(name())));
        assert_eq!(keys["quit"], ["ctrl-q"]);
    }

    #[test]
    fn existing_keys_are_kept() {
        let before = "hub = 'other:2'\n";
        let after = with(before, Some(&hub()), Some(&name())).unwrap().unwrap();
        let saved = Config::parse(&after).unwrap().default_profile;
        assert_eq!(saved.hub.unwrap().hub.to_string(), "other:2");
        assert_eq!(with(&after, Some(&hub()), Some(&name())).unwrap(), None);
        assert!(matches!(with("hub = 3", None, None), Err(Failure::Usage(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_file_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("kept.toml"), dir.path().join("config.toml"));
        fs::write(&file, "room = 'ops'\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        remember(&link, Some(&hub()), None).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert!(fs::read_to_string(&file).unwrap().contains("hub.example:1"));
    }
}
