//! The list of hubs to choose from, and changes to the profiles in the user's settings, which keep
//! comments and all other text of the file.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, value};

use super::{Config, Profile, ProfileName, remember::rewrite};
use crate::{
    cli::failure::{Failure, Result},
    model::{Endpoint, Name},
    text,
};

const HUBS: &str = "hubs";

/// Why no profile can have the name [`ProfileName::DEFAULT`].
pub(super) const DEFAULT_IS_RESERVED: &str =
    "default stands for the settings above [hubs]: choose another name";

/// The key with the name of the current profile.
const AT: &str = "at";

/// A hub that the user can go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubEntry {
    pub(crate) profile: ProfileName,
    pub(crate) hub: Endpoint,
    /// The user's name there, if it is set for this hub.
    pub(crate) name: Option<Name>,
    /// Whether the settings are those of this profile.
    pub(crate) is_current: bool,
}

/// Lists the hubs to choose from: that of the settings above `[hubs]`, then the profiles.
pub(crate) fn list(
    config: &Config,
    current: Option<&ProfileName>,
    default: &Endpoint,
) -> Vec<HubEntry> {
    let top = (ProfileName::default_profile(), config.default_profile.clone());
    let profiles = config.hubs.iter().map(|(name, profile)| (name.clone(), profile.clone()));
    let entry = |(name, profile): (ProfileName, Profile)| HubEntry {
        is_current: current == Some(&name),
        profile: name,
        hub: profile.hub.map_or_else(|| default.clone(), |link| link.hub),
        name: profile.name,
    };
    std::iter::once(top).chain(profiles).map(entry).collect()
}

/// Adds a profile. Errors if there is one with that name.
pub(crate) fn add(file: &Path, name: &ProfileName, profile: &Profile) -> Result<()> {
    edit(file, |document| {
        let hubs = document.entry(HUBS).or_insert_with(|| {
            let mut hubs = Table::new();
            // The tables in it have headings of their own.
            hubs.set_implicit(true);
            Item::Table(hubs)
        });
        let hubs = hubs.as_table_like_mut().ok_or_else(|| not_a_table(file))?;
        if name.is_default() || hubs.contains_key(name.as_str()) {
            return Err(name_taken(name));
        }
        hubs.insert(name.as_str(), Item::Table(profile.to_table()));
        Ok(())
    })
}

/// The error for a profile name that is taken or reserved.
pub(crate) fn name_taken(name: &ProfileName) -> Failure {
    Failure::Usage(match name.is_default() {
        true => DEFAULT_IS_RESERVED.to_owned(),
        false => {
            format!("there is a profile {name} already: choose another name, or remove it first")
        }
    })
}

/// Says that there is no profile with a name.
pub(crate) fn no_profile(name: &str) -> String {
    text::one_line(&format!("there is no profile {name}")).into_owned()
}

/// Makes a profile the current one.
pub(crate) fn make_current(file: &Path, name: &ProfileName) -> Result<()> {
    edit(file, |document| {
        match name.is_default() {
            true => drop(document.remove(AT)),
            false => drop(document.insert(AT, value(name.as_str()))),
        }
        Ok(())
    })
}

/// Removes a profile, which is then not the current one any more.
pub(crate) fn remove(file: &Path, name: &ProfileName) -> Result<()> {
    edit(file, |document| {
        let hubs = document.get_mut(HUBS).and_then(Item::as_table_like_mut);
        let hubs = hubs.ok_or_else(|| not_a_table(file))?;
        hubs.remove(name.as_str());
        if hubs.is_empty() {
            document.remove(HUBS);
        }
        if document.get(AT).and_then(Item::as_str) == Some(name.as_str()) {
            document.remove(AT);
        }
        Ok(())
    })
}

fn not_a_table(file: &Path) -> Failure {
    Failure::Usage(format!("{}: hubs is not a table", file.display()))
}

/// Changes the file under a lock, and replaces it atomically.
fn edit(file: &Path, change: impl FnOnce(&mut DocumentMut) -> Result<()>) -> Result<()> {
    rewrite(file, |before| {
        let invalid = |problem: String| Failure::Usage(format!("{}: {problem}", file.display()));
        let mut document: DocumentMut =
            before.parse().map_err(|error: toml_edit::TomlError| invalid(error.to_string()))?;
        change(&mut document)?;
        let after = document.to_string();
        Config::parse(&after).map_err(invalid)?;
        Ok(Some(after))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{cli::addresses::hub, model::RoomName};

    fn work() -> (ProfileName, Profile) {
        let profile = Profile {
            hub: Some(hub("chinwag://hub.example:1?invite=abc").unwrap()),
            name: Some(Name::parse("ann").unwrap()),
            rooms: vec![RoomName::lobby(), RoomName::parse("ops").unwrap()],
            no_direct: Some(true),
            ..Profile::default()
        };
        ("work".parse().unwrap(), profile)
    }

    #[test]
    fn comments_and_other_settings_stay() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        let before = "# mine\nname = 'sova' # me\n\n[keys]\nquit = 'ctrl-q' # out\n";
        fs::write(&file, before).unwrap();
        let (name, profile) = work();
        add(&file, &name, &profile).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(before) && text.contains("\n[hubs.work]\n"), "{text}");
        assert!(!text.contains("invite"), "{text}");
        make_current(&file, &name).unwrap();
        let config = Config::read(&file).unwrap();
        let saved = &config.hubs[&name];
        assert_eq!(saved.hub.as_ref().unwrap().hub.to_string(), "hub.example:1");
        assert_eq!((&saved.name, &saved.rooms), (&profile.name, &profile.rooms));
        assert_eq!((saved.no_direct, &config.at), (Some(true), &Some(name.clone())));
        assert!(matches!(add(&file, &name, &profile), Err(Failure::Usage(_))));
        assert_eq!(Config::read(&file).unwrap(), config, "nothing was changed");

        remove(&file, &name).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
    }

    #[test]
    fn a_new_file_is_private() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("new").join("config.toml");
        let (name, profile) = work();
        add(&file, &name, &profile).unwrap();
        make_current(&file, &name).unwrap();
        make_current(&file, &"default".parse().unwrap()).unwrap();
        assert_eq!(Config::read(&file).unwrap().at, None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
