//! The settings of a command, merged from its options, the environment, the file and the defaults.

mod explain;
mod flags;
mod rank;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

pub(crate) use self::{
    flags::{Flags, without_environment},
    rank::ranked,
};
use super::{
    addresses::hub,
    colours::Paint,
    config::{
        Config, Home, ProfileName,
        hubs::{self, HubEntry},
    },
    failure::{Failure, Result},
    notify::Notify,
    output::Output,
    theme::{Theme, ThemeName, detect::TerminalColours},
};
use crate::{
    client::{ClientOptions, DirectPolicy, HubTrust},
    identity::{Contacts, Identity, KEY_FILE},
    model::{Endpoint, JoinLink, MAX_ENDPOINTS, Name, PeerStatus, RoomName},
    transport,
};

pub(crate) const DEFAULT_HUB: &str = "127.0.0.1:50051";

/// The default of `--listen`. If the port is taken, the next free one is used.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 54321);

const SET_NAME: &str = "choose a name with --name NAME, CHINWAG_NAME, or name = \"NAME\" in \
                        config.toml";

/// Why `--plaintext` cannot be used with a fingerprint.
const NO_KEY_IN_PLAINTEXT: &str = "the join link has the key of the hub, which cannot be checked \
                                   without encryption: leave out --plaintext";

/// The merged settings. `Flags` describes them.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The address of the hub, the key it must have, and an invitation.
    pub(crate) hub: JoinLink,
    pub(crate) name: Name,
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: Vec<Endpoint>,
    /// Who may send direct messages; `None`: nobody.
    pub(crate) direct: Option<DirectPolicy>,
    pub(crate) plaintext: bool,
    /// The rooms: at least one, without repetitions.
    pub(crate) rooms: Vec<RoomName>,
    /// Whether an option or the file names rooms.
    pub(crate) rooms_named: bool,
    /// The room from the command line or the environment.
    pub(crate) wanted_room: Option<RoomName>,
    pub(crate) quiet: bool,
    /// Whether direct messages are kept.
    pub(crate) keep: bool,
    /// Whether to print JSON objects.
    pub(crate) json: bool,
    /// How much to log, from 0 (nothing) to 3.
    pub(crate) verbose: u8,
    /// How the full screen tells of messages, and words that count as if one was named.
    pub(crate) notify: Notify,
    pub(crate) keywords: Vec<String>,
    /// Whether the full screen takes the mouse, instead of leaving it to the terminal.
    pub(crate) mouse: bool,
    pub(crate) theme: Option<ThemeName>,
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    pub(crate) home: Home,
    /// The hubs to choose from: that of the settings above `[hubs]`, then the profiles.
    pub(crate) hubs: Vec<HubEntry>,
    pub(crate) flags: Flags,
}

impl Settings {
    /// Reads the configuration file and merges all settings.
    pub(crate) fn load(flags: Flags) -> Result<Self> {
        let home = Home::find(flags.home.clone())?;
        let config = Config::read(&home.config_file())?;
        Self::merge(flags, config, home, login_name)
    }

    /// As [`Self::load`], for the commands that change the profiles: if the file has a missing profile as
    /// the current one, they use the default. Also returns the name of the missing one.
    pub(crate) fn load_for_hubs(flags: Flags) -> Result<(Self, Option<String>)> {
        let home = Home::find(flags.home.clone())?;
        let mut config = Config::read(&home.config_file())?;
        let missing = config.missing_at.take();
        Ok((Self::merge(flags, config, home, login_name)?, missing))
    }

    /// Returns the settings for the hub of a profile, whose file is read again. Options that were given
    /// for another hub do not count any more.
    pub(crate) fn at(&self, profile: &ProfileName) -> Result<Self> {
        Self::load(Flags { at: Some(profile.clone()), ..self.flags.clone().for_another_hub() })
    }

    /// Returns the hubs to choose from. The file is read again: another program may have changed it.
    pub(crate) fn read_hubs(&self) -> Result<Vec<HubEntry>> {
        let config = Config::read(&self.home.config_file())?;
        let current = self.hubs.iter().find(|entry| entry.is_current).map(|entry| &entry.profile);
        Ok(hubs::list(&config, current, &default_hub()?.hub))
    }

    /// Returns the entry of a profile. Errors if there is none.
    pub(crate) fn hub_entry(&self, profile: &ProfileName) -> Result<&HubEntry> {
        self.hubs.iter().find(|entry| entry.profile == *profile).ok_or_else(|| {
            let problem = hubs::no_profile(profile.as_str());
            Failure::Usage(format!("{problem}: `chinwag hubs` lists them"))
        })
    }

    /// Merges the settings by their rank; the defaults come last. `login` returns the login name.
    fn merge(
        flags: Flags,
        config: Config,
        home: Home,
        login: impl FnOnce() -> Option<String>,
    ) -> Result<Self> {
        let (current, profile) = ranked(&flags, &config)?;
        let default_hub = default_hub()?;
        let hubs = hubs::list(&config, current.as_ref(), &default_hub.hub);
        let at = profile.hub.unwrap_or(default_hub);
        let name = match profile.name {
            Some(name) => name,
            None => name_from(login().as_deref())?,
        };
        let advertise = profile.advertise;
        if advertise.len() > MAX_ENDPOINTS {
            return Err(Failure::Usage(format!("at most {MAX_ENDPOINTS} endpoints to advertise")));
        }
        let wanted_room = flags.room.first().or(flags.environment.profile.rooms.first()).cloned();
        let mut rooms: Vec<RoomName> = Vec::new();
        for room in profile.rooms {
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        let rooms_named = !rooms.is_empty();
        if !rooms_named {
            rooms.push(RoomName::lobby());
        }
        let listen = profile.listen.unwrap_or(DEFAULT_LISTEN);
        let direct = profile.direct.unwrap_or_default();
        let plaintext = profile.plaintext.unwrap_or_default();
        if plaintext && at.fingerprint.is_some() {
            return Err(Failure::Usage(NO_KEY_IN_PLAINTEXT.into()));
        }
        Ok(Self {
            hub: at,
            name,
            listen,
            advertise,
            direct: (!profile.no_direct.unwrap_or_default()).then_some(direct),
            plaintext,
            rooms,
            rooms_named,
            wanted_room,
            quiet: flags.quiet || config.quiet,
            keep: !config.no_keep,
            json: flags.json,
            verbose: flags.verbose,
            notify: config.notify.unwrap_or_default(),
            keywords: config.keywords,
            mouse: config.mouse.unwrap_or(true),
            theme: config.theme,
            keys: config.keys,
            home,
            hubs,
            flags,
        })
    }

    /// Returns the output of a command.
    pub(crate) fn output(&self) -> Output {
        let theme = self.flags.color.applies().then(|| self.theme());
        Output::new(self.json, Paint::new(theme, self.name.clone()))
    }

    /// Returns the theme of the output of commands, which do not ask the terminal for its colours.
    fn theme(&self) -> Theme {
        Theme::for_output(self.theme.unwrap_or_default(), &TerminalColours::from_environment())
    }

    /// Returns the first room, which is the current one at the start.
    pub(crate) fn room(&self) -> &RoomName {
        &self.rooms[0]
    }

    /// Returns a hint for commands that receive direct messages, if peers on other machines cannot reach
    /// this one: the listener is on loopback, the hub is not, and nothing else is advertised.
    pub(crate) fn unreachable_hint(&self) -> Option<String> {
        let is_local = self.hub.hub.is_loopback() || !self.listen.ip().is_loopback();
        if is_local || self.direct.is_none() || !self.advertise.is_empty() {
            return None;
        }
        let port = self.listen_port();
        Some(format!(
            "others cannot send you direct messages: start with --listen 0.0.0.0:{port} (see chinwag \
             doctor)"
        ))
    }

    /// Returns the port to listen on, or the default if the system chooses one.
    pub(crate) fn listen_port(&self) -> u16 {
        match self.listen.port() {
            0 => DEFAULT_LISTEN.port(),
            port => port,
        }
    }

    /// Returns the options of an invisible client, which can run beside others of the same name.
    pub(crate) fn invisible(&self) -> Result<ClientOptions> {
        let mut options = self.client()?;
        options.status = PeerStatus::Invisible;
        Ok(options)
    }

    /// Returns the same for a client that sends direct messages, which works without the hub too.
    pub(crate) fn invisible_sender(&self) -> Result<ClientOptions> {
        let mut options = self.invisible()?;
        (options.history, options.keeps_history) = (self.history(), self.keep);
        options.may_start_away = true;
        Ok(options)
    }

    /// Returns the options of a client that is listed and receives direct messages.
    pub(crate) fn visible(&self) -> Result<ClientOptions> {
        if self.plaintext {
            transport::may_listen(self.listen)
                .map_err(|problem| Failure::Usage(problem.to_string()))?;
        }
        let mut options = self.client()?;
        if let Some(direct) = self.direct {
            options.listen = Some(self.listen);
            options.advertise = self.advertise.clone();
            options.direct = direct;
        }
        (options.history, options.keeps_history) = (self.history(), self.keep);
        let (inbox, outbox) = (self.home.inbox(), self.home.outbox());
        if self.direct.is_some() && self.home.can_write(&inbox) {
            options.inbox = Some(inbox);
        }
        options.outbox = self.readable(outbox);
        options.may_start_away = true;
        Ok(options)
    }

    fn history(&self) -> Option<PathBuf> {
        self.readable(self.home.direct_history())
    }

    /// Returns the options for the files of the client alone, without a connection.
    pub(crate) fn offline(&self) -> ClientOptions {
        let mut options = ClientOptions::new(self.hub.hub.clone(), self.name.clone());
        options.contacts = (!self.plaintext).then(|| self.contacts());
        options.outbox = Some(self.home.outbox());
        options.inbox = Some(self.home.inbox());
        options.history = Some(self.home.direct_history());
        options
    }

    fn client(&self) -> Result<ClientOptions> {
        let mut options = ClientOptions::new(self.hub.hub.clone(), self.name.clone());
        options.invite = self.hub.invite.clone();
        if !self.plaintext {
            options.identity = Some(self.identity()?);
            options.contacts = Some(self.contacts());
            options.trust = self.hub.fingerprint.map_or(HubTrust::FirstUse, HubTrust::Pinned);
        }
        Ok(options)
    }

    /// Returns the user's key, which is created if there is none. Errors if that is not possible: a
    /// key for one run would take the name for good.
    pub(crate) fn identity(&self) -> Result<Identity> {
        let data = self.home.data();
        let key = data.join(KEY_FILE);
        if !key.exists() && !self.home.can_write(&key) {
            return Err(Failure::Other(format!(
                "there is no key in {}, and none can be written there: choose another directory with \
                 --home DIR, put {KEY_FILE} there, or be a guest with --plaintext",
                data.display()
            )));
        }
        Ok(Identity::load_or_create(data)?)
    }

    /// Returns a file of the data directory, or `None` if it neither exists nor can be created.
    fn readable(&self, file: PathBuf) -> Option<PathBuf> {
        (file.exists() || self.home.can_write(&file)).then_some(file)
    }

    /// Returns a file of the data directory, or `None` if it cannot be written.
    pub(crate) fn writable(&self, file: PathBuf) -> Option<PathBuf> {
        self.home.can_write(&file).then_some(file)
    }

    /// Returns the same, but errors if the file cannot be written. `what` cannot be done then.
    pub(crate) fn require_writable(&self, file: PathBuf, what: &str) -> Result<PathBuf> {
        self.writable(file.clone()).ok_or_else(|| {
            Failure::Other(format!("cannot {what}: {} cannot be written", file.display()))
        })
    }

    /// Returns a warning if files cannot be written, without which most commands work.
    pub(crate) fn read_only_warning(&self) -> Option<String> {
        let files = self.home.read_only();
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        (!files.is_empty())
            .then(|| format!("cannot write {}: nothing new is kept there", files.join(" and ")))
    }

    /// Returns the contact book. Errors if it does not have the hub, since contacts belong to a hub.
    pub(crate) fn contacts_of_hub(&self) -> Result<Contacts> {
        let (contacts, hub) = (self.contacts(), &self.hub.hub);
        match contacts.read()?.hub(hub) {
            Some(_) => Ok(contacts),
            None => Err(Failure::Other(format!(
                "{hub} is not in the contact book: connect to it first, for example with `chinwag peers`"
            ))),
        }
    }

    pub(crate) fn contacts(&self) -> Contacts {
        let file = self.home.contact_book();
        let can_write = self.home.can_write(&file);
        let contacts = Contacts::at(file);
        if can_write { contacts } else { contacts.read_only() }
    }
}

fn default_hub() -> Result<JoinLink> {
    hub(DEFAULT_HUB).map_err(|problem| Failure::Usage(problem.to_string()))
}

pub(crate) fn login_name() -> Option<String> {
    let variable = |key| std::env::var(key).ok().filter(|login| !login.is_empty());
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(variable).or_else(account_name)
}

/// Asks the system for the login name: containers and services lack the environment variables.
fn account_name() -> Option<String> {
    let output = std::process::Command::new("id").arg("-un").output().ok()?;
    let login = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| login.trim().to_owned())
}

fn name_from(login: Option<&str>) -> Result<Name> {
    let login = login
        .filter(|login| !login.is_empty())
        .ok_or_else(|| Failure::Usage(format!("no name: {SET_NAME}")))?;
    Name::parse(login).map_err(|problem| {
        Failure::Usage(format!(
            "the login name {login:?} cannot be used in a chat ({problem}); {SET_NAME}"
        ))
    })
}

#[cfg(test)]
mod tests;
