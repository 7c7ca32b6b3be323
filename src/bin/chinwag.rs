//! The client: see `chinwag --help`.

use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
};

use tracing_subscriber::EnvFilter;

/// What may be logged is said in one of these, as in `CHINWAG_LOG=chinwag=debug`; the first that
/// is set counts. Without either nothing is logged.
const LOG_VARIABLES: [&str; 2] = ["CHINWAG_LOG", "RUST_LOG"];

fn main() -> ExitCode {
    if let Some(filter) = LOG_VARIABLES.into_iter().find_map(|name| env::var(name).ok()) {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .init();
    }
    chinwag::cli::run(env::args_os())
}
