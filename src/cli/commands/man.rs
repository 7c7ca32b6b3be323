//! `chinwag man`: the manual's pages.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Command;
use clap_mangen::Man;

use crate::cli::failure::{Failure, Result};

/// The heading of the section with the usage.
const SYNOPSIS: &str = ".SH SYNOPSIS\n";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the pages of all commands of chinwag and chinwagd to this directory
    dir: Option<PathBuf>,
}

/// Prints the page of the first program, or writes those of all.
pub(crate) fn run(args: &Args, programs: [Command; 2]) -> Result<()> {
    let programs = programs.map(built);
    match &args.dir {
        Some(dir) => write(dir, &programs)
            .map_err(|error| Failure::file("write manual pages to", dir, &error)),
        None => Ok(io::stdout().lock().write_all(page(&programs[0])?.as_bytes())?),
    }
}

fn write(dir: &Path, programs: &[Command]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    programs.iter().try_for_each(|program| write_pages(program, dir))
}

/// Builds a program, so that its subcommands have full names.
fn built(program: Command) -> Command {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    program
}

fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_pages(command, dir)?;
    }
    fs::write(dir.join(Man::new(command.clone()).get_filename()), page(command)?)
}

/// Returns the page of one command. Its synopsis is the usage of `--help`, without global options.
fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let page = String::from_utf8_lossy(&page).replace(".SH EXTRA\n", ".SH NOTES\n");
    let usage = command.clone().render_usage().to_string();
    let lines = usage.trim_start_matches("Usage:").lines().map(str::trim);
    let lines: Vec<String> = lines.map(|line| line.replace('-', "\\-")).collect();
    let synopsis = format!("{SYNOPSIS}{}\n", lines.join("\n.br\n"));
    let Some((before, rest)) = page.split_once(SYNOPSIS) else { return Ok(page) };
    let after = rest.find(".SH ").map_or("", |next| &rest[next..]);
    Ok(format!("{before}{synopsis}{after}"))
}
