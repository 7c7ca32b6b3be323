//! `chinwagd`: the hub's command line.
//!
//! What is on the command line wins over the environment, the environment over the file given with
//! `--config`, and the file over the defaults. The file is TOML; its keys are the options' names
//! with `_` for `-`:
//!
//! ```toml
//! listen = "127.0.0.1:50051"
//! data_dir = "/var/lib/chinwag"
//! lease = "30s"
//! post_rate = "50/s"
//! metrics_listen = "127.0.0.1:9464"
//! log_format = "json"
//! ```
//!
//! Without a command it serves; the commands of the hub's operator are in `daemon/tasks.rs`.

mod error;
mod guard;
mod link;
mod logging;
mod members;
mod settings;
mod tasks;
mod values;

pub(crate) use settings::Settings;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;

use self::{
    error::{Error, Result},
    logging::{LogFormat, log},
    settings::DEFAULT_LISTEN,
    tasks::Task,
};
use super::options::without_environment;
use crate::{
    error::SystemError,
    hub::{Hub, HubOptions},
    shutdown,
    storage::embedded::Store,
};

/// Exit code: the hub could not start, or failed.
const FAILED: u8 = 1;

/// Exit code: the command line, the environment or the file asks for what cannot be.
const USAGE: u8 = 2;

/// What is logged unless something else is said.
const DEFAULT_LOG: &str = "info";

/// What `--help` ends with.
const AFTER_HELP: &str = "\
Without a command, chinwagd runs the hub: it prints \"chinwagd listening on ADDR:PORT\" and how to
join, and logs to standard error. SIGINT or SIGTERM stops it: it tells all peers, waits for --grace
and exits with 0. A second signal stops it at once.

The commands are for the operator. They work on the data directory, whether the hub runs or not; a
running hub follows within a second.

Exit codes: 0 success, 1 failure, 2 usage error.";

/// Run the hub of a Chinwag chat, with its rooms and its list of peers
#[derive(Debug, Parser)]
#[command(name = "chinwagd", version, max_term_width = 100)]
#[command(after_help = AFTER_HELP)]
struct Command {
    /// Read options from this TOML file: the long names, with '_' for '-'
    #[arg(long, env = "CHINWAG_HUB_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    task: Option<Task>,
}

/// The hub's command line, for those who describe it.
pub(crate) fn command() -> clap::Command {
    <Command as clap::CommandFactory>::command()
}

/// Runs the hub as `args` say, program name first, until it is told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let said = Command::try_parse_from(&args)
        .map_err(|mistake| without_environment(mistake, command(), args));
    let command = match said {
        Ok(command) => command,
        Err(error) => {
            // Help that cannot be written interests nobody.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chinwagd: {error}");
            ExitCode::from(if error.is_usage() { USAGE } else { FAILED })
        }
    }
}

fn run(command: Command) -> Result<()> {
    let settings = match &command.config {
        Some(file) => command.settings.or(settings::read(file)?),
        None => command.settings,
    };
    if let Some(task) = command.task {
        return tasks::run(task, &settings);
    }
    log(settings.log.as_deref().unwrap_or(DEFAULT_LOG), settings.log_format.unwrap_or_default())?;
    let options = settings.options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| SystemError::because("no threads to run on", error))?;
    runtime.block_on(serve(settings, options))
}

async fn serve(settings: Settings, options: HubOptions) -> Result<()> {
    let stop = shutdown::on_signal()
        .map_err(|error| SystemError::because("cannot listen for signals", error))?;
    let hub = Hub::new(options).await?;
    let listener = hub.listen(settings.listen.unwrap_or(DEFAULT_LISTEN)).await?;
    let address = listener
        .local_addr()
        .map_err(|error| SystemError::because("the listener has no address", error))?;
    let link = link::of_hub(settings.advertise.as_ref(), address, hub.certificate())?;
    if let Store::Directory(directory) = settings.store()? {
        let left = link.clone();
        let kept = tokio::task::spawn_blocking(move || link::keep(&left, &directory)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "the keeper's commands will not know where this hub is");
        }
    }
    let is_found_there = settings.advertise.is_some() || address.ip().is_loopback();
    if !is_found_there && settings.log_format.unwrap_or_default() == LogFormat::Text {
        // Where nobody reads it, nobody wants to know.
        let _ = writeln!(io::stderr(), "chinwagd: {}", link::elsewhere(&link));
    }
    let joining = link::for_shell(&link);
    let newcomers = settings
        .how_to_invite()
        .map(|how| format!("newcomers need an invitation: `{how}`\n"))
        .unwrap_or_default();
    let said =
        format!("chinwagd listening on {address}\njoin with: chinwag chat {joining}\n{newcomers}");
    io::stdout().write_all(said.as_bytes()).map_err(Error::output)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(hub.serve(listener, stop).await?)
}
