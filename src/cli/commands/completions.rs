//! `chinwag completions`: the completion script of a shell.

use std::{
    io::{self, Write},
    path::Path,
};

use clap_complete::{Shell, env::Shells};

use crate::cli::failure::{Failure, Result};

/// The environment variable that asks the program to complete a word, and says for which shell. Not
/// the usual `COMPLETE`, which is meant for other programs too.
pub(in crate::cli) const VARIABLE: &str = "CHINWAG_COMPLETE";

const PROGRAM: &str = "chinwag";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
How to install the script:
  bash        source <(chinwag completions bash), in ~/.bashrc
  zsh         source <(chinwag completions zsh), in ~/.zshrc, after compinit
  fish        chinwag completions fish > ~/.config/fish/completions/chinwag.fish
  elvish      eval (chinwag completions elvish | slurp), in ~/.config/elvish/rc.elv
  powershell  chinwag completions powershell | Out-String | Invoke-Expression, in $PROFILE")]
pub(crate) struct Args {
    /// Shell to complete commands, names and rooms in
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let shells = Shells::builtins();
    let name = args.shell.to_string();
    let shell = shells
        .completer(&name)
        .ok_or_else(|| Failure::Usage(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, &program_path(), &mut script)?;
    Ok(io::stdout().lock().write_all(&script)?)
}

/// How the script calls this program: as it was called now, but with an absolute path instead of a
/// relative one, since shells change directories.
fn program_path() -> String {
    let called = std::env::args_os().next().unwrap_or_else(|| PROGRAM.into());
    let called = Path::new(&called);
    match std::path::absolute(called) {
        Ok(whole) if called.components().count() > 1 => whole.to_string_lossy().into_owned(),
        _ => PROGRAM.into(),
    }
}
