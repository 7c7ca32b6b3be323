//! The client: see `chinwag --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    chinwag::cli::run(std::env::args_os())
}
