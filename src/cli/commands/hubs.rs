//! `chinwag hubs`: the profiles in the user's settings, each a hub with settings for it.

use tokio_util::sync::CancellationToken;

use super::{print_object, start};
use crate::{
    cli::{
        addresses,
        config::{
            Profile, ProfileName,
            hubs::{self, HubEntry},
        },
        failure::{Failure, Result},
        json::JsonLine,
        options::{Flags, Settings},
        output::{print_notice, print_warning},
        view,
    },
    client::HubTrust,
    model::{JoinLink, Name},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<HubsCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum HubsCommand {
    /// List the profiles, with an asterisk before the current one
    List,
    /// Add a profile, once the hub has let you in, with --name, --room and the like
    Add {
        /// Name of the new profile
        #[arg(value_name = "NEW")]
        profile: ProfileName,
        /// Hub: the join link from its operator, or HOST:PORT
        #[arg(value_name = "HUB", value_parser = addresses::hub)]
        link: JoinLink,
    },
    /// Accept the key in a join link instead of the known one, once the hub proves it
    Accept {
        /// Join link from the operator of the hub
        #[arg(value_name = "LINK", value_parser = addresses::hub)]
        link: JoinLink,
    },
    /// Make a profile the current one; default is that of the settings above [hubs]
    Use {
        /// Name of the profile
        profile: ProfileName,
    },
    /// Remove a profile; your key, contacts and messages stay
    Remove {
        /// Name of the profile
        profile: ProfileName,
    },
}

pub(crate) async fn run(args: Args, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let file = settings.home.config_file();
    match args.command {
        None | Some(HubsCommand::List) => print(&settings.hubs, settings, stop).await,
        Some(HubsCommand::Add { profile, link }) => {
            let added = add(&profile, link, settings, stop).await?;
            hubs::add(&file, &profile, &added)?;
            print_notice(&format!(
                "added {profile}; `chinwag hubs use {profile}` makes it current"
            ));
            print_changed(&profile, settings, stop).await
        }
        Some(HubsCommand::Accept { link }) => accept(link, settings, stop).await,
        Some(HubsCommand::Use { profile }) => {
            settings.hub_entry(&profile)?;
            hubs::make_current(&file, &profile)?;
            print_notice(&format!("{profile} is your current hub now"));
            print_changed(&profile, settings, stop).await
        }
        Some(HubsCommand::Remove { profile }) => {
            settings.hub_entry(&profile)?;
            if profile.is_default() {
                let problem = "default stands for the settings above [hubs], which stay";
                return Err(Failure::Usage(problem.into()));
            }
            hubs::remove(&file, &profile)?;
            print_notice(&format!("removed {profile}"));
            print_object(JsonLine::Removed { name: profile.as_str() }, settings, stop).await
        }
    }
}

/// Warns that the current profile of the settings does not exist, so that other commands fail.
pub(crate) fn warn_of_missing(profile: &str) {
    let problem = hubs::no_profile(profile);
    print_warning(&format!("{problem}: `chinwag hubs use PROFILE` makes another one current"));
}

/// Registers once, so that no wrong link is saved, an invitation is used up, and the contact book gets
/// the key of the hub. Returns the settings to save: those of the command line.
async fn add(
    profile: &ProfileName,
    link: JoinLink,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<Profile> {
    if settings.hub_entry(profile).is_ok() {
        return Err(hubs::name_taken(profile));
    }
    let flags = Flags { at: None, hub: Some(link), ..settings.flags.clone() };
    let there = Settings::load(flags)?;
    let (client, _events) =
        start(there.invisible()?, stop).await.map_err(|failure| there.explain(failure))?;
    client.stop().await;
    Ok(there.flags.profile())
}

/// Registers once with the hub of a link, whose key replaces the one in the contact book if the hub has
/// proved it.
async fn accept(link: JoinLink, settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let Some(key) = link.fingerprint else {
        return Err(Failure::Usage("the join link has no key to accept".into()));
    };
    let there = Settings::load(Flags { hub: Some(link), ..settings.flags.clone() })?;
    let options = there.invisible()?.trust(HubTrust::Accepted(key));
    let (client, _events) = start(options, stop).await.map_err(|failure| there.explain(failure))?;
    client.stop().await;
    print_notice(&format!("accepted the key {key} of the hub at {}", there.hub.hub));
    Ok(())
}

/// Prints the entry of a profile as JSON, as it is after a change.
async fn print_changed(
    profile: &ProfileName,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<()> {
    let (after, _) = Settings::load_for_hubs(settings.flags.clone())?;
    print_object(after.hub_entry(profile)?, settings, stop).await
}

async fn print(hubs: &[HubEntry], settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let out = settings.output();
    let printed = out.print_all(hubs, |_, hubs| view::hubs(hubs)).await;
    out.close(stop).await?;
    Ok(printed?)
}

impl<'a> From<&'a HubEntry> for JsonLine<'a> {
    fn from(entry: &'a HubEntry) -> Self {
        Self::Hub {
            name: entry.profile.as_str(),
            hub: entry.hub.to_string(),
            user: entry.name.as_ref().map(Name::as_str),
            current: entry.is_current,
        }
    }
}
