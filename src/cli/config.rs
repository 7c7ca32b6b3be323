//! The files of the command line, and the file with the user's settings.
//!
//! | what | where |
//! |---|---|
//! | settings | `config.toml` in the configuration directory |
//! | the user's key and certificate | `identity.key` and `identity.crt` in the data directory |
//! | the contact book | `contacts.toml` in the data directory |
//! | queued messages for absent peers | `outbox.db` in the data directory |
//! | such messages that were accepted | `inbox.db` in the data directory |
//! | direct messages of both directions | `direct.db` in the data directory |
//! | typed lines | `typed.txt` in the data directory |
//! | the last position read in each room | `seen.toml` in the data directory |
//! | the joined rooms | `rooms.toml` in the data directory |
//! | the log of the last chat with `-v` on a terminal | `chinwag.log` in the data directory |
//!
//! With `--home DIR`, `DIR` is both directories. Otherwise they are those of the system for this user,
//! such as `~/.config/chinwag` and `~/.local/share/chinwag` on Linux.
//!
//! `docs/chat.md` has an example of the settings. The first chat on a terminal asks for `hub` and `name`, and adds them to the file.

mod home;
pub(crate) mod hubs;
mod profile;
mod remember;

use std::{collections::BTreeMap, fmt::Display, io, net::SocketAddr, ops::Range, path::Path};

use serde::Deserialize;
use toml::Spanned;

use self::profile::RawProfile;
pub(crate) use self::{
    home::Home,
    profile::{Profile, ProfileName},
    remember::remember,
};
use super::{
    addresses::{self, TextOrPort, listen_address},
    failure::{Failure, Result},
    keymap::Keymap,
    notify::{self, Notify},
    theme::ThemeName,
    values::{direct_policy, peer, room},
};
use crate::{identity::files, model::Invalid};

/// Creates the directory of `file`, accessible to its owner only.
pub(crate) fn make_parent(file: &Path) -> Result<()> {
    Ok(files::create_directory(files::directory_of(file))?)
}

/// The content of the configuration file. `Flags` describes the settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// The settings for a hub that are above `[hubs]`.
    pub(crate) default_profile: Profile,
    pub(crate) quiet: bool,
    pub(crate) notify: Option<Notify>,
    pub(crate) keywords: Vec<String>,
    /// `None`: the default, which is true.
    pub(crate) mouse: Option<bool>,
    pub(crate) no_keep: bool,
    pub(crate) theme: Option<ThemeName>,
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    /// The current profile.
    pub(crate) at: Option<ProfileName>,
    /// What the file has as the current profile, if there is no such profile.
    pub(crate) missing_at: Option<String>,
    pub(crate) hubs: BTreeMap<ProfileName, Profile>,
}

impl Config {
    /// Reads `file`; a missing file counts as empty.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text)
                .map_err(|problem| Failure::Usage(format!("{}: {problem}", file.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::Usage(format!("cannot read {}: {error}", file.display()))),
        }
    }

    /// Parses the text of a file. Errors with the line and column of the problem.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::read_toml(text).map_err(|problem| problem.show(text))
    }

    fn read_toml(text: &str) -> Result<Self, FileProblem> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| FileProblem {
            at: error.span(),
            problem: error.message().to_owned(),
        })?;
        let hubs: BTreeMap<_, _> = raw.hubs.into_iter().map(profile).collect::<Result<_, _>>()?;
        let at = raw.at.as_ref().and_then(|at| at.parse::<ProfileName>().ok());
        let at = at.filter(|at| at.is_default() || hubs.contains_key(at));
        Ok(Self {
            default_profile: Profile {
                hub: one("hub", raw.hub, addresses::hub)?,
                name: one("name", raw.name, peer)?,
                rooms: many("room", raw.room, room)?,
                listen: raw.listen.map(listen).transpose()?,
                advertise: many("advertise", raw.advertise, str::parse)?,
                direct: one("direct", raw.direct, direct_policy)?,
                no_direct: raw.no_direct,
                plaintext: raw.plaintext,
            },
            quiet: raw.quiet,
            notify: raw.notify.map(notify).transpose()?,
            keywords: raw.keywords.map(keywords).transpose()?.unwrap_or_default(),
            mouse: raw.mouse,
            no_keep: raw.keep == Some(false),
            theme: one("theme", raw.theme, ThemeName::parse)?,
            keys: raw.keys.map(keys).transpose()?.unwrap_or_default(),
            missing_at: raw.at.filter(|_| at.is_none()),
            at,
            hubs,
        })
    }
}

struct FileProblem {
    at: Option<Range<usize>>,
    problem: String,
}

impl FileProblem {
    fn show(&self, text: &str) -> String {
        let Some(before) = self.at.as_ref().and_then(|at| text.get(..at.start)) else {
            return self.problem.clone();
        };
        let (line, last) = match before.rsplit_once('\n') {
            Some((lines, last)) => (2 + lines.matches('\n').count(), last),
            None => (1, before),
        };
        format!("line {line}, column {}: {}", 1 + last.chars().count(), self.problem)
    }
}

/// The file as TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    hub: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    listen: Option<Spanned<TextOrPort>>,
    advertise: Option<Spanned<OneOrMany>>,
    room: Option<Spanned<OneOrMany>>,
    direct: Option<Spanned<String>>,
    no_direct: Option<bool>,
    plaintext: Option<bool>,
    #[serde(default)]
    quiet: bool,
    notify: Option<Spanned<TextOrSwitch>>,
    keywords: Option<Spanned<OneOrMany>>,
    mouse: Option<bool>,
    keep: Option<bool>,
    theme: Option<Spanned<String>>,
    keys: Option<Spanned<RawKeys>>,
    at: Option<String>,
    #[serde(default)]
    hubs: BTreeMap<String, Spanned<RawProfile>>,
}

type RawKeys = BTreeMap<String, Spanned<OneOrMany>>;

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A setting that is easily taken for a switch.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string")]
enum TextOrSwitch {
    Text(String),
    Switch(bool),
}

impl OneOrMany {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

fn profile(
    (name, raw): (String, Spanned<RawProfile>),
) -> Result<(ProfileName, Profile), FileProblem> {
    let problem = |problem: String| FileProblem { at: Some(raw.span()), problem };
    let name: ProfileName = name.parse().map_err(|e: Invalid| problem(format!("hubs: {e}")))?;
    if name.is_default() {
        return Err(problem(format!("hubs: {}", hubs::DEFAULT_IS_RESERVED)));
    }
    Ok((name, raw.into_inner().read()?))
}

fn listen(raw: Spanned<TextOrPort>) -> Result<SocketAddr, FileProblem> {
    listen_address(&raw.get_ref().text()).map_err(|problem| problem_in("listen", &raw, problem))
}

fn one<T, E: Display>(
    key: &str,
    raw: Option<Spanned<String>>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, FileProblem> {
    raw.map(|raw| read(raw.get_ref()).map_err(|problem| problem_in(key, &raw, problem))).transpose()
}

fn many<T, E: Display>(
    key: &str,
    raw: Option<Spanned<OneOrMany>>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, FileProblem> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let read = |one: &String| read(one).map_err(|problem| problem_in(key, &raw, problem));
    raw.get_ref().all().iter().map(read).collect()
}

fn notify(raw: Spanned<TextOrSwitch>) -> Result<Notify, FileProblem> {
    let parsed = match raw.get_ref() {
        TextOrSwitch::Text(text) => Notify::parse(text),
        TextOrSwitch::Switch(on) => Notify::parse(&on.to_string()),
    };
    parsed.map_err(|problem| problem_in("notify", &raw, problem))
}

fn keywords(raw: Spanned<OneOrMany>) -> Result<Vec<String>, FileProblem> {
    let words = notify::keywords(raw.get_ref().all());
    words.map_err(|problem| problem_in("keywords", &raw, problem))
}

/// Checks the key bindings, also for a chat in line mode.
fn keys(raw: Spanned<RawKeys>) -> Result<BTreeMap<String, Vec<String>>, FileProblem> {
    let table = raw.span();
    for (action, keys) in raw.get_ref() {
        Keymap::check(action, keys.get_ref().all())
            .map_err(|problem| FileProblem { at: Some(keys.span()), problem })?;
    }
    let bindings = raw.into_inner().into_iter();
    let bindings = bindings.map(|(action, keys)| (action, keys.get_ref().all().to_vec())).collect();
    Keymap::with(&bindings).map_err(|problem| FileProblem { at: Some(table), problem })?;
    Ok(bindings)
}

fn problem_in<T>(key: &str, raw: &Spanned<T>, problem: impl Display) -> FileProblem {
    FileProblem { at: Some(raw.span()), problem: format!("{key}: {problem}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::DirectPolicy,
        model::{Endpoint, Name, RoomName},
    };

    #[test]
    fn all_keys_are_optional() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let all = Config::parse(
            "hub = 'hub.example:1'\nname = 'Sova'\nlisten = '127.0.0.1:2'\nadvertise = '[::1]:3'\n\
             room = ['lobby', 'ops']\ndirect = 'anyone'\nno_direct = true\nplaintext = true\n\
             quiet = true\nnotify = 'say hi'\nkeywords = 'Deploy'\nmouse = false\n\
             keep = false\ntheme = 'light'\n[keys]\nquit = 'ctrl-q'\nhelp = ['f1', 'f2']",
        )
        .unwrap();
        assert!(all.quiet && all.no_keep);
        assert_eq!(all.mouse, Some(false));
        assert_eq!(all.notify, Some(Notify::Command("say hi".into())));
        assert_eq!(all.keywords, ["deploy"]);
        assert_eq!(all.theme, Some(ThemeName::Light));
        assert_eq!(all.keys["quit"], ["ctrl-q"]);
        assert_eq!(all.keys["help"], ["f1", "f2"]);
        let profile = Profile {
            hub: Some(addresses::hub("hub.example:1").unwrap()),
            name: Some(Name::parse("sova").unwrap()),
            rooms: vec![RoomName::lobby(), RoomName::parse("ops").unwrap()],
            listen: Some(([127, 0, 0, 1], 2).into()),
            advertise: vec![Endpoint::parse("[::1]:3").unwrap()],
            direct: Some(DirectPolicy::Anyone),
            no_direct: Some(true),
            plaintext: Some(true),
        };
        assert_eq!(all.default_profile, profile);
    }

    #[test]
    fn names_are_written_as_on_the_command_line() {
        let written = |name: &str, rooms: &str| {
            let settings = format!("name = '{name}'\nroom = {rooms}\n");
            Config::parse(&format!("{settings}[hubs.a]\nhub = 'a:1'\n{settings}")).unwrap()
        };
        let plain = written("bob", "['ops', 'den']");
        assert_eq!(written("@bob", "['#ops', '#den']"), plain);
        assert_eq!(written("＠bob", "['＃ops', '＃den']"), plain);
    }

    #[test]
    fn a_current_profile_that_is_missing_is_no_mistake_of_the_file() {
        for at in ["gone", "no name", ""] {
            let config = Config::parse(&format!("at = '{at}'")).unwrap();
            assert_eq!((config.at, config.missing_at.as_deref()), (None, Some(at)));
        }
        let there = Config::parse("at = 'a'\n[hubs.a]\nhub = 'a:1'").unwrap();
        assert_eq!((there.at, there.missing_at), (Some("a".parse().unwrap()), None));
    }

    #[test]
    fn a_port_may_be_a_number() {
        for raw in ["54321", "'54321'", "'127.0.0.1:54321'"] {
            let config = Config::parse(&format!("listen = {raw}")).unwrap();
            assert_eq!(
                config.default_profile.listen.unwrap().to_string(),
                "127.0.0.1:54321",
                "{raw}"
            );
        }
    }

    #[test]
    fn the_documented_file_can_be_read() {
        let chat = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/chat.md"));
        let (_, rest) = chat.split_once("\n## Settings\n").unwrap();
        let (_, rest) = rest.split_once("```toml\n").unwrap();
        let (shown, _) = rest.split_once("```").unwrap();
        let config = Config::parse(shown).unwrap();
        assert_eq!(config.default_profile.name.unwrap().as_str(), "sova");
        assert_eq!(config.keys["quit"], ["ctrl-q"]);
    }

    #[test]
    fn a_problem_is_located() {
        for (text, expected) in [
            ("hub = 'nowhere'", "hub: \"nowhere\" has no port"),
            ("room = ['lobby', '!']", "room: "),
            ("hubb = 'a:1'", "line 1, column 1: unknown field `hubb`"),
            ("direct = 'all'", "direct: expected contacts, known or anyone"),
            ("hub = 'chinwag://a:1#x'", "hub: a fingerprint has"),
            ("listen = 70000", "line 1, column 10: expected a string or a port"),
            ("listen = 'here'", "line 1, column 10: listen: "),
            ("room = 3", "line 1, column 8: expected a string or a list of strings"),
            ("name = 'sova'\nhub = 'nowhere'", "line 2, column 7: hub: "),
            ("hub = 'a:1'\n\n[keys]\nretry = 'f25'", "line 4, column 9: keys.retry: no key"),
            ("[keys]\nretry = ['ctrl-n', 'g']", "line 2, column 9: keys.retry: \"g\" types"),
            ("[keys]\nretry = 'f5'\nsearch = 'f5'", "line 1, column 1: keys: F5 cannot mean both"),
            ("\n[keys]\ndance = 'f5'", "line 3, column 9: keys: no action \"dance\""),
            ("notify = ' '", "line 1, column 10: notify: expected terminal, bell or a command"),
            (
                "notify = false",
                "line 1, column 10: notify: \"false\" is neither terminal, bell nor",
            ),
            ("notify = 'off'", "line 1, column 10: notify: \"off\" is neither terminal, bell nor"),
            (
                r#"notify = "say\u0000""#,
                "line 1, column 10: notify: a command cannot contain the character NUL",
            ),
            ("notify = 3", "line 1, column 10: expected a string"),
            ("keywords = ['a', '']", "line 1, column 12: keywords: \"\": a keyword has 1 to 64"),
            ("theme = 'blue'", "line 1, column 9: theme: no theme \"blue\": expected auto, dark"),
            ("# ü\nname = 'ü' 3", "line 2, column 12: "),
        ] {
            let problem = Config::parse(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }

    #[test]
    fn a_missing_file_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Config::read(&dir.path().join("none.toml")).unwrap(), Config::default());
        assert!(matches!(Config::read(dir.path()), Err(Failure::Usage(_))));
        let file = dir.path().join("config.toml");
        std::fs::write(&file, b"name = '\xff'").unwrap();
        assert!(matches!(Config::read(&file), Err(Failure::Usage(_))));
    }
}
