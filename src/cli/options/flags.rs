//! The options of every command.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args, builder::FalseyValueParser,
    error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
};

use crate::{
    cli::{
        addresses::{hub, listen_address},
        values::{direct_policy, duration},
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

    /// Your name in the chat [default: your login name]
    #[arg(long, global = true, env = "CHINWAG_NAME", hide_env_values = true)]
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
    #[arg(value_delimiter = ',')]
    pub(in crate::cli) room: Vec<RoomName>,

    /// Directory for settings, keys and data, instead of the usual directories
    #[arg(long, global = true, env = "CHINWAG_HOME", hide_env_values = true, value_name = "DIR")]
    pub(in crate::cli) home: Option<PathBuf>,

    /// Stop the command after this time, such as 30s or 5m, with exit code 124
    #[arg(long, global = true, env = "CHINWAG_TIMEOUT", hide_env_values = true)]
    #[arg(value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) timeout: Option<Duration>,

    /// Print nothing but errors to standard error, and ring no bell
    #[arg(short, long, global = true, env = "CHINWAG_QUIET", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(in crate::cli) quiet: bool,

    /// Log to standard error; -vv logs more, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(in crate::cli) verbose: u8,
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
