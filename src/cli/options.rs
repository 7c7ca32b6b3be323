//! The settings of a command, merged from its options, the environment, the file and the defaults.

mod flags;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

pub(crate) use self::flags::{Flags, without_environment};
use super::{
    addresses::hub,
    config::{Config, Home, make_parent},
    failure::{Failure, GET_LINK, Result},
    theme::ThemeName,
};
use crate::{
    client::{ClientOptions, DirectPolicy, Error, HubTrust},
    identity::{Contacts, Identity},
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
    /// How much to log, from 0 (nothing) to 3.
    pub(crate) verbose: u8,
    /// Whether the full screen takes the mouse, instead of leaving it to the terminal.
    pub(crate) mouse: bool,
    pub(crate) theme: Option<ThemeName>,
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    pub(crate) home: Home,
}

impl Settings {
    /// Reads the configuration file and merges all settings.
    pub(crate) fn load(flags: Flags) -> Result<Self> {
        let home = Home::find(flags.home.clone())?;
        let config = Config::read(&home.config_file())?;
        let named = flags.name.is_some() || config.name.is_some();
        let login = if named { None } else { login_name() };
        Self::merge(flags, config, home, login)
    }

    /// Merges the settings: flags override the file, and the file overrides the defaults. (In `flags`,
    /// clap has already let the command line override the environment.)
    fn merge(flags: Flags, config: Config, home: Home, login: Option<String>) -> Result<Self> {
        let at = match flags.hub.or(config.hub) {
            Some(hub) => hub,
            None => hub(DEFAULT_HUB).map_err(|p| Failure::Usage(p.to_string()))?,
        };
        let name = match flags.name.or(config.name) {
            Some(name) => name,
            None => name_from(login.as_deref())?,
        };
        let advertise = first_of(flags.advertise, config.advertise);
        if advertise.len() > MAX_ENDPOINTS {
            return Err(Failure::Usage(format!("at most {MAX_ENDPOINTS} endpoints to advertise")));
        }
        let wanted_room = flags.room.first().cloned();
        let mut rooms: Vec<RoomName> = Vec::new();
        for room in first_of(flags.room, config.rooms) {
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        let rooms_named = !rooms.is_empty();
        if !rooms_named {
            rooms.push(RoomName::lobby());
        }
        let listen = flags.listen.or(config.listen).unwrap_or(DEFAULT_LISTEN);
        let direct = flags.direct.or(config.direct).unwrap_or_default();
        let plaintext = flags.plaintext || config.plaintext;
        if plaintext && at.fingerprint.is_some() {
            return Err(Failure::Usage(NO_KEY_IN_PLAINTEXT.into()));
        }
        Ok(Self {
            hub: at,
            name,
            listen,
            advertise,
            direct: (!flags.no_direct && !config.no_direct).then_some(direct),
            plaintext,
            rooms,
            rooms_named,
            wanted_room,
            quiet: flags.quiet || config.quiet,
            keep: !config.no_keep,
            verbose: flags.verbose,
            mouse: config.mouse.unwrap_or(true),
            theme: config.theme,
            keys: config.keys,
            home,
        })
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
        let port = match self.listen.port() {
            0 => DEFAULT_LISTEN.port(),
            port => port,
        };
        Some(format!(
            "others cannot send you direct messages: start with --listen 0.0.0.0:{port} (see chinwag \
             doctor)"
        ))
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
        options.history = self.history();
        options.may_start_away = true;
        Ok(options)
    }

    /// Returns the options of a client that is listed and receives direct messages.
    pub(crate) fn visible(&self) -> Result<ClientOptions> {
        if self.plaintext {
            transport::may_listen(self.listen)
                .map_err(|problem| Failure::Usage(problem.to_string()))?;
        }
        make_parent(&self.home.input_history())?;
        let mut options = self.client()?;
        if let Some(direct) = self.direct {
            options.listen = Some(self.listen);
            options.advertise = self.advertise.clone();
            options.direct = direct;
            options.inbox = Some(self.home.inbox());
        }
        options.history = self.history();
        options.outbox = Some(self.home.outbox());
        options.may_start_away = true;
        Ok(options)
    }

    fn history(&self) -> Option<PathBuf> {
        self.keep.then(|| self.home.direct_history())
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

    /// Returns the user's key, which is created if there is none.
    pub(crate) fn identity(&self) -> Result<Identity> {
        Ok(Identity::load_or_create(self.home.data())?)
    }

    /// Improves an error message: a wrong key of a hub not yet in the book means a wrong join link.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let Failure::Chat(Error::HubKeyChanged { hub, known, offered }) = &failure else {
            return failure;
        };
        let book = self.contacts().read().unwrap_or_default();
        let has_key = book.hub(&self.hub.hub).is_some_and(|hub| hub.key.is_some());
        match self.hub.fingerprint == Some(*known) && !has_key {
            true => Failure::Other(format!(
                "the hub at {hub} does not have the key in the join link, and nothing was sent to it; \
                 expected: {known}; actual: {offered}; {GET_LINK}"
            )),
            false => failure,
        }
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
        Contacts::at(self.home.contact_book())
    }
}

fn first_of<T>(values: Vec<T>, otherwise: Vec<T>) -> Vec<T> {
    if values.is_empty() { otherwise } else { values }
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
mod tests {
    use super::*;

    fn home() -> Home {
        Home::find(Some("/h".into())).unwrap()
    }

    fn config() -> Config {
        Config {
            hub: Some(hub("file:1").unwrap()),
            direct: Some(DirectPolicy::Contacts),
            plaintext: true,
            no_direct: false,
            name: Some(Name::parse("filer").unwrap()),
            listen: Some("127.0.0.1:11".parse().unwrap()),
            advertise: vec![Endpoint::parse("file:2").unwrap()],
            rooms: vec![RoomName::parse("file").unwrap()],
            quiet: true,
            mouse: Some(false),
            no_keep: false,
            theme: Some(ThemeName::Light),
            keys: BTreeMap::from([("quit".into(), vec!["ctrl-q".into()])]),
        }
    }

    #[test]
    fn defaults_apply() {
        let settings =
            Settings::merge(Flags::default(), Config::default(), home(), Some("Sova".into()))
                .unwrap();
        assert_eq!(settings.hub.hub.to_string(), "127.0.0.1:50051");
        assert_eq!(settings.name.as_str(), "sova");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:54321");
        assert_eq!(settings.advertise, []);
        assert_eq!((settings.direct, settings.plaintext), (Some(DirectPolicy::Known), false));
        assert_eq!(settings.rooms, [RoomName::lobby()]);
    }

    #[test]
    fn the_file_overrides_defaults() {
        let settings =
            Settings::merge(Flags::default(), config(), home(), Some("sova".into())).unwrap();
        assert_eq!(settings.hub.hub.to_string(), "file:1");
        assert_eq!(settings.name.as_str(), "filer");
        assert_eq!((settings.direct, settings.plaintext), (Some(DirectPolicy::Contacts), true));
        assert_eq!(settings.listen.port(), 11);
        assert_eq!(settings.advertise[0].to_string(), "file:2");
        assert_eq!(settings.rooms[0].as_str(), "file");
        assert!(settings.quiet && !settings.mouse);
        assert_eq!(settings.theme, Some(ThemeName::Light));
        assert_eq!(settings.keys["quit"], ["ctrl-q"]);
    }

    #[test]
    fn the_command_line_overrides_the_file() {
        let flags = Flags {
            hub: Some(hub("chinwag://flag:1?invite=abc").unwrap()),
            direct: Some(DirectPolicy::Anyone),
            no_direct: false,
            plaintext: false,
            name: Some(Name::parse("flagger").unwrap()),
            listen: Some("127.0.0.1:22".parse().unwrap()),
            advertise: vec![Endpoint::parse("flag:2").unwrap()],
            room: ["b", "a", "b"].map(|room| RoomName::parse(room).unwrap()).to_vec(),
            verbose: 2,
            ..Flags::default()
        };
        let settings = Settings::merge(flags, config(), home(), None).unwrap();
        assert_eq!(settings.hub.hub.to_string(), "flag:1");
        assert_eq!(settings.name.as_str(), "flagger");
        assert_eq!(settings.direct, Some(DirectPolicy::Anyone));
        assert_eq!(settings.hub.invite.unwrap().as_str(), "abc");
        assert_eq!(settings.listen.port(), 22);
        assert_eq!(settings.verbose, 2);
        assert_eq!(settings.advertise[0].to_string(), "flag:2");
        assert_eq!(settings.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn a_loopback_listener_for_a_remote_hub_gets_a_hint() {
        let hint_for = |at: &str, listen: &str, change: fn(&mut Flags)| {
            let (at, listen) = (Some(hub(at).unwrap()), Some(listen.parse().unwrap()));
            let mut flags = Flags { hub: at, listen, ..Flags::default() };
            change(&mut flags);
            let settings = Settings::merge(flags, Config::default(), home(), Some("sova".into()));
            settings.unwrap().unreachable_hint()
        };
        let hint = hint_for("hub.example:1", "127.0.0.1:7", |_| {}).unwrap();
        assert!(hint.ends_with("start with --listen 0.0.0.0:7 (see chinwag doctor)"), "{hint}");
        let hint = hint_for("192.0.2.1:1", "127.0.0.1:0", |_| {}).unwrap();
        assert!(hint.contains("0.0.0.0:54321 "), "{hint}");
        assert_eq!(hint_for("127.0.0.1:1", "127.0.0.1:7", |_| {}), None);
        assert_eq!(hint_for("localhost:1", "127.0.0.1:7", |_| {}), None);
        assert_eq!(hint_for("hub.example:1", "0.0.0.0:7", |_| {}), None);
        assert_eq!(hint_for("hub.example:1", "127.0.0.1:7", |flags| flags.no_direct = true), None);
        let forwarded = |flags: &mut Flags| {
            flags.advertise = vec![Endpoint::parse("gate.example:7").unwrap()];
        };
        assert_eq!(hint_for("hub.example:1", "127.0.0.1:7", forwarded), None);
    }

    #[test]
    fn a_fingerprint_excludes_plaintext() {
        let key = crate::identity::Identity::generate().unwrap().fingerprint();
        let flags = Flags {
            hub: Some(hub(&format!("chinwag://127.0.0.1:1#{key}")).unwrap()),
            plaintext: true,
            ..Flags::default()
        };
        let result = Settings::merge(flags, Config::default(), home(), Some("sova".into()));
        assert!(matches!(result, Err(Failure::Usage(message)) if message.contains("--plaintext")));
    }

    #[test]
    fn an_invalid_login_name_is_a_usage_error() {
        for login in [None, Some(""), Some("two words"), Some("-dash")] {
            let result =
                Settings::merge(Flags::default(), Config::default(), home(), login.map(Into::into));
            let Err(Failure::Usage(message)) = result else { panic!("{login:?} was taken") };
            assert!(message.contains("--name NAME"), "{message}");
        }
    }
}
