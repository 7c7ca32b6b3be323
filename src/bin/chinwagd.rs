//! The hub.

use std::process::ExitCode;

fn main() -> ExitCode {
    chinwag::cli::daemon::main(std::env::args_os())
}
