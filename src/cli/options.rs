//! The options that every command takes, and how flag, environment, file and default come together.

mod flags;

use std::{collections::BTreeMap, net::SocketAddr};

pub(crate) use self::flags::{Flags, without_environment};
use super::{
    config::{Config, Home, make_parent},
    failure::{Failure, GET_LINK},
    values::hub,
};
use crate::{
    client::{ClientOptions, DirectPolicy, Error, HubTrust},
    identity::{Contacts, Identity},
    model::{Endpoint, JoinLink, MAX_ENDPOINTS, Name, PeerStatus, RoomName},
    transport,
};

/// Where a hub is unless something else is said.
pub(crate) const DEFAULT_HUB: &str = "127.0.0.1:50051";

/// Where one's PeerChat server listens unless something else is said; the next free port where
/// this one is taken.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 54321);

/// How to be called something else than one's login name.
const SAY_NAME: &str = "say what you are called with --name NAME, in CHINWAG_NAME, or with \
                        name = \"NAME\" in config.toml";

/// Why a join link is not good for plaintext.
const NO_KEY_IN_PLAINTEXT: &str = "the join link names the key of the hub, which cannot be checked \
                                   without encryption; leave out --plaintext";

/// What holds in the end.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the hub is, which key it must have, and what opens it.
    pub(crate) hub: JoinLink,
    /// What one is called.
    pub(crate) name: Name,
    /// Where one's PeerChat server listens.
    pub(crate) listen: SocketAddr,
    /// Where others should dial instead; empty: the listener's own address.
    pub(crate) advertise: Vec<Endpoint>,
    /// Who may speak directly; `None`: nobody.
    pub(crate) direct: Option<DirectPolicy>,
    /// Whether nothing is encrypted.
    pub(crate) plaintext: bool,
    /// The rooms to be in: at least one, each once.
    pub(crate) rooms: Vec<RoomName>,
    /// The room that was asked for on the command line or in the environment.
    pub(crate) wanted_room: Option<RoomName>,
    /// Whether to say nothing but errors, and to ring no bell.
    pub(crate) quiet: bool,
    /// How much to log: nothing, or more and more up to 3.
    pub(crate) verbose: u8,
    /// The name of the colours, as it was written.
    pub(crate) theme: Option<String>,
    /// Keys for actions: the name of each action, and its keys as they were written.
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    /// Where files are kept.
    pub(crate) home: Home,
}

impl Settings {
    /// Reads the configuration file and puts everything together.
    pub(crate) fn load(flags: Flags) -> Result<Self, Failure> {
        let home = Home::find(flags.home.clone())?;
        let config = Config::read(&home.config_file())?;
        let named = flags.name.is_some() || config.name.is_some();
        let login = if named { None } else { login_name() };
        Self::merge(flags, config, home, login)
    }

    /// What is on the command line or in the environment wins over the file, and the file over
    /// what is usual. (A flag wins over the environment in clap already.)
    fn merge(
        flags: Flags,
        config: Config,
        home: Home,
        login: Option<String>,
    ) -> Result<Self, Failure> {
        let at = match flags.hub.or(config.hub) {
            Some(hub) => hub,
            None => hub(DEFAULT_HUB).map_err(|p| Failure::Usage(p.to_string()))?,
        };
        let name = match flags.name.or(config.name) {
            Some(name) => name,
            None => name_of(login.as_deref())?,
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
        if rooms.is_empty() {
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
            wanted_room,
            quiet: flags.quiet || config.quiet,
            verbose: flags.verbose,
            theme: config.theme,
            keys: config.keys,
            home,
        })
    }

    /// The first room: where one talks.
    pub(crate) fn room(&self) -> &RoomName {
        &self.rooms[0]
    }

    /// What to do where others on other machines cannot reach this one, to be said at the start of
    /// what takes direct messages; `None` where nothing is known to be wrong. Who says where
    /// others should dial has a way in of their own.
    pub(crate) fn out_of_reach(&self) -> Option<String> {
        let is_near = self.hub.hub.is_loopback() || !self.listen.ip().is_loopback();
        if is_near || self.direct.is_none() || !self.advertise.is_empty() {
            return None;
        }
        let port = match self.listen.port() {
            0 => DEFAULT_LISTEN.port(),
            port => port,
        };
        Some(format!(
            "others cannot reach you directly: start with --listen 0.0.0.0:{port} (see chinwag \
             doctor)"
        ))
    }

    /// A client that others do not see and cannot reach, beside any other of the same name.
    pub(crate) fn invisible(&self) -> Result<ClientOptions, Failure> {
        let mut options = self.client()?;
        options.status = PeerStatus::Invisible;
        Ok(options)
    }

    /// The same for one that speaks with peers, which it can without a hub, too.
    pub(crate) fn to_peers(&self) -> Result<ClientOptions, Failure> {
        let mut options = self.invisible()?;
        options.may_start_away = true;
        Ok(options)
    }

    /// A client that is listed and takes direct messages.
    pub(crate) fn visible(&self) -> Result<ClientOptions, Failure> {
        if self.plaintext {
            transport::may_listen(self.listen)
                .map_err(|problem| Failure::Usage(problem.to_string()))?;
        }
        make_parent(&self.home.typed_lines())?;
        let mut options = self.client()?;
        if let Some(direct) = self.direct {
            options.listen = Some(self.listen);
            options.advertise = self.advertise.clone();
            options.direct = direct;
            options.inbox = Some(self.home.inbox());
        }
        options.outbox = Some(self.home.outbox());
        options.may_start_away = true;
        Ok(options)
    }

    fn client(&self) -> Result<ClientOptions, Failure> {
        let mut options = ClientOptions::new(self.hub.hub.clone(), self.name.clone());
        options.invite = self.hub.invite.clone();
        if !self.plaintext {
            options.identity = Some(self.identity()?);
            options.contacts = Some(self.contacts());
            options.trust = self.hub.fingerprint.map_or(HubTrust::FirstUse, HubTrust::Pinned);
        }
        Ok(options)
    }

    /// One's own key, made now where there is none.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        Ok(Identity::load_or_create(self.home.data())?)
    }

    /// What went wrong, where these settings tell more of it: a hub that was never met has no key
    /// of before, so that it is the link that does not fit.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let Failure::Chat(Error::HubKeyChanged { hub, known, offered }) = &failure else {
            return failure;
        };
        let book = self.contacts().read().unwrap_or_default();
        let was_met = book.hub(&self.hub.hub).is_some_and(|hub| hub.key.is_some());
        match self.hub.fingerprint == Some(*known) && !was_met {
            true => Failure::Other(format!(
                "the hub at {hub} does not have the key that the join link names, and nothing was \
                 said to it; named: {known}; shown: {offered}; {GET_LINK}"
            )),
            false => failure,
        }
    }

    /// The contact book, where it has the hub: what is noted of others is noted with their hub.
    pub(crate) fn contacts_of_hub(&self) -> Result<Contacts, Failure> {
        let (contacts, hub) = (self.contacts(), &self.hub.hub);
        match contacts.read()?.hub(hub) {
            Some(_) => Ok(contacts),
            None => Err(Failure::Other(format!(
                "{hub} is not in the contact book: meet it first, for example with `chinwag peers`"
            ))),
        }
    }

    /// The contact book.
    pub(crate) fn contacts(&self) -> Contacts {
        Contacts::at(self.home.contact_book())
    }
}

fn first_of<T>(said: Vec<T>, otherwise: Vec<T>) -> Vec<T> {
    if said.is_empty() { otherwise } else { said }
}

/// What this user is called by the machine.
pub(crate) fn login_name() -> Option<String> {
    let said = |key| std::env::var(key).ok().filter(|login| !login.is_empty());
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(said).or_else(name_of_account)
}

/// What the system calls this user: containers and services have no such variables.
fn name_of_account() -> Option<String> {
    let asked = std::process::Command::new("id").arg("-un").output().ok()?;
    let login = String::from_utf8(asked.stdout).ok()?;
    asked.status.success().then(|| login.trim().to_owned())
}

fn name_of(login: Option<&str>) -> Result<Name, Failure> {
    let login = login
        .filter(|login| !login.is_empty())
        .ok_or_else(|| Failure::Usage(format!("no name: {SAY_NAME}")))?;
    Name::parse(login).map_err(|problem| {
        Failure::Usage(format!(
            "the login name {login:?} is no name for a chat ({problem}); {SAY_NAME}"
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
            theme: Some("light".into()),
            keys: BTreeMap::from([("quit".into(), vec!["ctrl-q".into()])]),
        }
    }

    #[test]
    fn what_is_usual_holds_where_nothing_is_said() {
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
    fn the_file_wins_over_what_is_usual() {
        let settings =
            Settings::merge(Flags::default(), config(), home(), Some("sova".into())).unwrap();
        assert_eq!(settings.hub.hub.to_string(), "file:1");
        assert_eq!(settings.name.as_str(), "filer");
        assert_eq!((settings.direct, settings.plaintext), (Some(DirectPolicy::Contacts), true));
        assert_eq!(settings.listen.port(), 11);
        assert_eq!(settings.advertise[0].to_string(), "file:2");
        assert_eq!(settings.rooms[0].as_str(), "file");
        assert!(settings.quiet);
        assert_eq!(settings.theme.as_deref(), Some("light"));
        assert_eq!(settings.keys["quit"], ["ctrl-q"]);
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
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
    fn who_listens_on_loopback_for_a_hub_elsewhere_is_told() {
        let said = |at: &str, listen: &str, change: fn(&mut Flags)| {
            let (at, listen) = (Some(hub(at).unwrap()), Some(listen.parse().unwrap()));
            let mut flags = Flags { hub: at, listen, ..Flags::default() };
            change(&mut flags);
            let settings = Settings::merge(flags, Config::default(), home(), Some("sova".into()));
            settings.unwrap().out_of_reach()
        };
        let hint = said("hub.example:1", "127.0.0.1:7", |_| {}).unwrap();
        assert!(hint.ends_with("start with --listen 0.0.0.0:7 (see chinwag doctor)"), "{hint}");
        let hint = said("192.0.2.1:1", "127.0.0.1:0", |_| {}).unwrap();
        assert!(hint.contains("0.0.0.0:54321 "), "{hint}");
        assert_eq!(said("127.0.0.1:1", "127.0.0.1:7", |_| {}), None);
        assert_eq!(said("localhost:1", "127.0.0.1:7", |_| {}), None);
        assert_eq!(said("hub.example:1", "0.0.0.0:7", |_| {}), None);
        assert_eq!(said("hub.example:1", "127.0.0.1:7", |flags| flags.no_direct = true), None);
        let forwarded = |flags: &mut Flags| {
            flags.advertise = vec![Endpoint::parse("gate.example:7").unwrap()];
        };
        assert_eq!(said("hub.example:1", "127.0.0.1:7", forwarded), None);
    }

    #[test]
    fn the_key_of_a_link_is_not_passed_over() {
        let key = crate::identity::Identity::generate().unwrap().fingerprint();
        let flags = Flags {
            hub: Some(hub(&format!("chinwag://127.0.0.1:1#{key}")).unwrap()),
            plaintext: true,
            ..Flags::default()
        };
        let result = Settings::merge(flags, Config::default(), home(), Some("sova".into()));
        assert!(matches!(result, Err(Failure::Usage(said)) if said.contains("--plaintext")));
    }

    #[test]
    fn a_login_name_that_is_no_name_is_a_matter_of_usage() {
        for login in [None, Some(""), Some("two words"), Some("-dash")] {
            let result =
                Settings::merge(Flags::default(), Config::default(), home(), login.map(Into::into));
            let Err(Failure::Usage(said)) = result else { panic!("{login:?} was taken") };
            assert!(said.contains("--name NAME"), "{said}");
        }
    }
}
