//! The command line of `chinwagd`, the hub.
//!
//! Options override the environment, the environment overrides the file of `--config`, and the file
//! overrides the defaults. The file is TOML; its keys are the long names of the options with `_` for
//! `-`, as in `data_dir = "/var/lib/chinwag"`.
//!
//! Without a command it serves. The commands for operators are in `daemon/operator.rs`.

mod error;
mod link;
mod logging;
mod members;
mod memory;
mod operator;
mod printer;
mod settings;
mod values;

pub(crate) use settings::HubSettings;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Parser;

use self::{
    error::Result,
    logging::{LogFormat, log},
    operator::OperatorCommand,
    printer::Printer,
    settings::DEFAULT_LISTEN,
};
use super::{json::JsonLine, log_writer, options::without_environment, usage};
use crate::{
    error::SystemError,
    hub::{Hub, HubOptions},
    shutdown,
    storage::embedded::Store,
};

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
struct HubCommandLine {
    /// Read options from this TOML file: the long names, with '_' for '-'
    #[arg(long, env = "CHINWAG_HUB_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Print one JSON object per line, also for errors; see chinwag schema
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    settings: HubSettings,

    #[command(subcommand)]
    operator: Option<OperatorCommand>,
}

/// Returns the definition of the command line.
pub(crate) fn command() -> clap::Command {
    <HubCommandLine as clap::CommandFactory>::command()
}

/// Runs `chinwagd` and returns its exit code. `args` begins with the name of the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    shutdown::survive_file_size_limit();
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = HubCommandLine::try_parse_from(&args)
        .map_err(|error| without_environment(error, command(), args.clone()));
    let command = match parsed {
        Ok(command) => command,
        Err(error) => return usage::print(&error, &args).into(),
    };
    let printer = Printer { json: command.json };
    let code = match run(command, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.failure(&error);
            error.code().into()
        }
    };
    log_writer::finish();
    code
}

fn run(command: HubCommandLine, printer: &Printer) -> Result<()> {
    let settings = match &command.config {
        Some(file) => command.settings.or(settings::read(file)?),
        None => command.settings,
    };
    if let Some(command) = command.operator {
        return operator::run(command, &settings, printer);
    }
    log(settings.log.as_deref().unwrap_or(DEFAULT_LOG), settings.log_format.unwrap_or_default())?;
    let options = settings.options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| SystemError::because("cannot start", error))?;
    runtime.block_on(serve(settings, options, printer))
}

async fn serve(settings: HubSettings, options: HubOptions, printer: &Printer) -> Result<()> {
    let stop = shutdown::on_signal()
        .map_err(|error| SystemError::because("cannot listen for signals", error))?;
    let hub = Hub::new(options).await?;
    let listen = settings.listen.clone().unwrap_or_else(|| DEFAULT_LISTEN.into());
    let listener = hub.listen(listen.address).await?;
    let address = listener
        .local_addr()
        .map_err(|error| SystemError::because("the listener has no address", error))?;
    let link = link::for_hub(settings.advertise.as_ref(), &listen, address, hub.certificate())?;
    if let Store::Directory(directory) = settings.store()? {
        let saved = link.clone();
        let result = tokio::task::spawn_blocking(move || link::save(&saved, &directory)).await;
        if let Ok(Err(error)) = result {
            tracing::warn!(%error, "cannot save the join link; `chinwagd link` and `invite` will not have it");
        }
    }
    let is_reachable = settings.advertise.is_some() || address.ip().is_loopback();
    if !is_reachable && settings.log_format.unwrap_or_default() == LogFormat::Text {
        printer.notice(&link::advertise_hint(&link));
    }
    let joining = link::for_shell(&link);
    let newcomers = settings
        .invite_command()
        .map(|how| format!("newcomers need an invitation: `{how}`\n"))
        .unwrap_or_default();
    let at = listen.reached_at(address);
    let greeting =
        format!("chinwagd listening on {at}\njoin with: chinwag chat {joining}\n{newcomers}");
    // Whoever reads that the hub listens can read why it does so this way.
    let _ = tokio::task::spawn_blocking(log_writer::finish).await;
    let line = JsonLine::Listening { address: address.to_string(), link: link.to_string() };
    printer.print(line, greeting.trim_end())?;
    tracing::info!(
        memory = settings.memory() >> 20,
        "callers may make the hub hold this many MiB (--memory)"
    );
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(hub.serve(listener, stop).await?)
}
