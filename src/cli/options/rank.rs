//! The rank of settings for a hub.

use super::flags::{Environment, Flags};
use crate::cli::{
    config::{Config, Profile, ProfileName, hubs::no_profile},
    failure::{Failure, Result},
};

/// Returns the settings for the hub, by their rank: the command line, the environment, the file. Those
/// of a profile have the rank of what has chosen it: `--at`, `CHINWAG_AT` or `at` in the file. A hub
/// of a higher rank sets the profile aside. Also returns the profile in use, if it is not set aside.
pub(crate) fn ranked(flags: &Flags, config: &Config) -> Result<(Option<ProfileName>, Profile)> {
    let (line, file) = (flags.profile(), config.default_profile.clone());
    let Environment { at, profile: environment } = flags.environment.clone();
    let profile = |name: &ProfileName| match config.hubs.get(name) {
        _ if name.is_default() => Ok(file.clone()),
        Some(profile) => Ok(profile.clone()),
        None => Err(Failure::Usage(format!(
            "{}: `chinwag hubs` lists them, and `chinwag hubs add {name} LINK` adds one",
            no_profile(name.as_str())
        ))),
    };
    let (at, above) = match (&flags.at, &at, &config.at) {
        (Some(at), ..) => (Some(at.clone()), line.or(profile(at)?).or(environment)),
        _ if line.hub.is_some() => (None, line.or(environment)),
        (_, Some(at), _) => (Some(at.clone()), line.or(environment).or(profile(at)?)),
        _ if environment.hub.is_some() => (None, line.or(environment)),
        _ if let Some(missing) = &config.missing_at => {
            return Err(Failure::Usage(format!(
                "{}, which is the current one by `at` in config.toml: `chinwag hubs use default` goes \
                 back to the settings above [hubs], and `chinwag hubs` lists the profiles",
                no_profile(missing)
            )));
        }
        (.., Some(at)) => (Some(at.clone()), line.or(environment).or(profile(at)?)),
        _ => (Some(ProfileName::default_profile()), line.or(environment)),
    };
    Ok((at, above.or(file)))
}
