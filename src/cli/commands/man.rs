//! `chinwag man`: the manual's pages.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::{Cli, daemon, failure::Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes the pages of all commands, and those of chinwagd, into this directory
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.dir {
        Some(dir) => {
            write(dir).map_err(|error| Failure::file("write manual pages to", dir, &error))
        }
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command().disable_help_subcommand(true)).render(&mut page)?;
            Ok(io::stdout().lock().write_all(&page)?)
        }
    }
}

fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)?;
    clap_mangen::generate_to(daemon::command(), dir)
}
