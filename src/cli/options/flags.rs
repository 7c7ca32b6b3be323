//! The options of every command.

use std::{ffi::OsString, mem, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    ArgAction, ArgMatches, Args, builder::FalseyValueParser,
    error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, parser::ValueSource,
};

use crate::{
    cli::{
        addresses::{hub, listen_address},
        colours::ColorChoice,
        config::{Profile, ProfileName},
        failure::{Failure, Result},
        values::{self, direct_policy, duration},
    },
    client::DirectPolicy,
    model::{Endpoint, JoinLink, Name, RoomName},
};

/// The options of every command, from the command line or the environment.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Flags {
    /// Hub to connect to: HOST:PORT, or the join link from its operator [default: 127.0.0.1:50051]
    #[arg(long, global = true, env = "CHINWAG_HUB", hide_env_values = true)]
    #[arg(value_name = "HUB", value_parser = hub)]
    pub(in crate::cli) hub: Option<JoinLink>,

    /// Profile to use, which is a hub with settings for it: see chinwag hubs
    #[arg(long, global = true, env = "CHINWAG_AT", hide_env_values = true, value_name = "PROFILE")]
    pub(in crate::cli) at: Option<ProfileName>,

    /// Your name in the chat [default: your login name]
    #[arg(long, global = true, env = "CHINWAG_NAME", hide_env_values = true)]
    #[arg(value_parser = values::peer)]
    pub(in crate::cli) name: Option<Name>,

    /// Address to receive direct messages on, or the next free port; port 0 picks any port, a port
    /// alone means loopback [default: 127.0.0.1:54321]
    #[arg(long, global = true, env = "CHINWAG_LISTEN", hide_env_values = true)]
    #[arg(value_name = "ADDR:PORT", value_parser = listen_address)]
    pub(in crate::cli) listen: Option<SocketAddr>,

    /// Address that peers send direct messages to, where it is not that of --listen; repeatable
    #[arg(long, global = true, env = "CHINWAG_ADVERTISE", hide_env_values = true)]
    #[arg(value_name = "HOST:PORT", value_delimiter = ',')]
    pub(in crate::cli) advertise: Vec<Endpoint>,

    /// Who may send you direct messages: contacts (peers in your contact book), known (peers whose
    /// key the hub knows) or anyone [default: known]
    #[arg(long, global = true, env = "CHINWAG_DIRECT", hide_env_values = true, value_name = "WHO")]
    #[arg(value_parser = direct_policy)]
    pub(in crate::cli) direct: Option<DirectPolicy>,

    /// Receive no direct messages, and publish no address
    #[arg(long, global = true, env = "CHINWAG_NO_DIRECT", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(in crate::cli) no_direct: bool,

    /// Connect without encryption, as a guest; on loopback only
    #[arg(long, global = true, env = "CHINWAG_PLAINTEXT", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(in crate::cli) plaintext: bool,

    /// Room to use; repeatable [default: lobby]
    #[arg(long, global = true, env = "CHINWAG_ROOM", hide_env_values = true)]
    #[arg(value_delimiter = ',', value_parser = values::room)]
    pub(in crate::cli) room: Vec<RoomName>,

    /// Directory for settings, keys and data, instead of the usual directories
    #[arg(long, global = true, env = "CHINWAG_HOME", hide_env_values = true, value_name = "DIR")]
    pub(in crate::cli) home: Option<PathBuf>,

    /// Stop the command after this time, such as 30s or 5m, with exit code 124
    #[arg(long, global = true, env = "CHINWAG_TIMEOUT", hide_env_values = true)]
    #[arg(value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) timeout: Option<Duration>,

    /// Print one JSON object per line, also for errors and notices; see chinwag schema
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,

    /// When to use colours: on a terminal, always or never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    #[arg(hide_default_value = true, hide_possible_values = false)]
    pub(in crate::cli) color: ColorChoice,

    /// Print nothing but errors to standard error, and ring no bell
    #[arg(short, long, global = true, env = "CHINWAG_QUIET", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(in crate::cli) quiet: bool,

    /// Log to standard error; -vv logs more, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(in crate::cli) verbose: u8,

    /// The values from the environment, which have a lower rank than the others.
    #[arg(skip)]
    pub(in crate::cli) environment: Environment,

    /// The last word of a text, if it is an option that does not count as one there.
    #[arg(skip)]
    pub(in crate::cli) option_in_text: Option<String>,
}

/// The settings for a hub from the environment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Environment {
    pub(in crate::cli) at: Option<ProfileName>,
    pub(in crate::cli) profile: Profile,
}

impl Flags {
    /// Moves the values from the environment to [`Self::environment`].
    pub(in crate::cli) fn separate(&mut self, matches: &ArgMatches) {
        let is_from_environment =
            |id: &str| matches.value_source(id) == Some(ValueSource::EnvVariable);
        macro_rules! moved {
            ($field:ident) => {
                match is_from_environment(stringify!($field)) {
                    true => mem::take(&mut self.$field),
                    false => Default::default(),
                }
            };
        }
        self.environment = Environment {
            at: moved!(at),
            profile: Profile {
                hub: moved!(hub),
                name: moved!(name),
                rooms: moved!(room),
                listen: moved!(listen),
                advertise: moved!(advertise),
                direct: moved!(direct),
                no_direct: moved!(no_direct).then_some(true),
                plaintext: moved!(plaintext).then_some(true),
            },
        };
    }

    /// Drops the options that were given for one hub, because the user goes to another: its address,
    /// the name and the rooms there, and whether it is encrypted. Those for receiving direct messages
    /// describe this machine and stay, but those of the other profile come first.
    pub(in crate::cli) fn for_another_hub(mut self) -> Self {
        let Profile { listen, advertise, direct, no_direct, .. } = self.profile();
        let kept = Profile { listen, advertise, direct, no_direct, ..Profile::default() };
        self.environment.profile = kept.or(self.environment.profile);
        Self {
            hub: None,
            name: None,
            room: Vec::new(),
            plaintext: false,
            listen: None,
            advertise: Vec::new(),
            direct: None,
            no_direct: false,
            ..self
        }
    }

    /// Errors if the command line has both a profile and a hub, which would set the profile aside.
    pub(in crate::cli) fn check_hub(&self) -> Result<()> {
        match (&self.at, &self.hub) {
            (Some(at), Some(link)) => Err(Failure::Usage(format!(
                "--at {at} and the hub {} cannot be used together, since a profile has its own hub: \
                 leave one out",
                link.hub
            ))),
            _ => Ok(()),
        }
    }

    /// Returns the settings for a hub from the command line.
    pub(in crate::cli) fn profile(&self) -> Profile {
        Profile {
            hub: self.hub.clone(),
            name: self.name.clone(),
            rooms: self.room.clone(),
            listen: self.listen,
            advertise: self.advertise.clone(),
            direct: self.direct,
            no_direct: self.no_direct.then_some(true),
            plaintext: self.plaintext.then_some(true),
        }
    }
}

/// Returns the error of a command line as if the environment were empty. Clap treats values from the
/// environment as arguments: they would appear in the usage, and an empty command line would not print
/// the help.
pub(crate) fn without_environment(
    error: clap::Error,
    program: clap::Command,
    args: Vec<OsString>,
) -> clap::Error {
    if error.exit_code() == 0 || error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        return error;
    }
    let mut alone = program.mut_args(|arg| arg.env(None::<&str>));
    alone.try_get_matches_from_mut(args).err().unwrap_or(error)
}
