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
    let script = script(args.shell, &program_path()?)?;
    Ok(io::stdout().lock().write_all(script.as_bytes())?)
}

/// What stands for the path in the scripts of clap, which quote a path twice or in the way of another
/// shell. It needs no quotes in any of them.
const PLACEHOLDER: &str = "chinwag-path-placeholder";

/// Returns the completion script of a shell that calls the program at `path`.
fn script(shell: Shell, path: &str) -> Result<String> {
    let (shells, name) = (Shells::builtins(), shell.to_string());
    let completer = shells
        .completer(&name)
        .ok_or_else(|| Failure::Usage(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PLACEHOLDER, &mut script)?;
    let script = String::from_utf8_lossy(&script);
    // That of bash has quotes around it.
    let script = script.replace(&format!("\"{PLACEHOLDER}\""), PLACEHOLDER);
    Ok(script.replace(PLACEHOLDER, &quoted(shell, path)))
}

/// Returns a path as one word of a shell, quoted so that nothing in it has a meaning.
fn quoted(shell: Shell, path: &str) -> String {
    match shell {
        Shell::Elvish => format!("'{}'", path.replace('\'', "''")),
        // Within a string in double quotes, which fish reads first.
        Shell::Fish => {
            let word = format!("'{}'", path.replace('\\', r"\\").replace('\'', r"\'"));
            word.replace('\\', r"\\").replace('"', r#"\""#).replace('$', r"\$")
        }
        // Within a here-string, which PowerShell expands first. Typographic quotes end a string too.
        Shell::PowerShell => {
            let double =
                |path: String, quote: char| path.replace(quote, &format!("{quote}{quote}"));
            let word = ['\'', '‘', '’', '‚', '‛'].into_iter().fold(path.to_owned(), double);
            format!("'{word}'").replace('`', "``").replace('$', "`$")
        }
        // As sh: bash and zsh.
        _ => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Returns how the script calls this program: as it was called now, but with an absolute path instead of
/// a relative one, since shells change directories. Errors if a script cannot contain the path.
fn program_path() -> Result<String> {
    let called = std::env::args_os().next().unwrap_or_else(|| PROGRAM.into());
    let called = Path::new(&called);
    if called.components().count() <= 1 {
        return Ok(PROGRAM.into());
    }
    let whole = std::path::absolute(called).unwrap_or_else(|_| called.to_owned());
    match whole.to_str().filter(|path| !path.contains(char::is_control)) {
        Some(path) => Ok(path.to_owned()),
        None => Err(Failure::Other(format!(
            "no script can call {whole:?}: put {PROGRAM} into a directory with a usual name"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    const PATH: &str = r#"/a b/$(touch x)/`touch x`/it's "NAME" \ ’; BIN/chinwag"#;

    #[test]
    fn the_path_is_one_word_in_every_shell() {
        for (shell, word) in [
            (Shell::Bash, r#"'/a b/$(touch x)/`touch x`/it'\''s "NAME" \ ’; BIN/chinwag'"#),
            (Shell::Zsh, r#"'/a b/$(touch x)/`touch x`/it'\''s "NAME" \ ’; BIN/chinwag'"#),
            (Shell::Elvish, r#"'/a b/$(touch x)/`touch x`/it''s "NAME" \ ’; BIN/chinwag'"#),
            (Shell::Fish, r#"'/a b/\$(touch x)/`touch x`/it\\'s \"NAME\" \\\\ ’; BIN/chinwag'"#),
            (Shell::PowerShell, r#"'/a b/`$(touch x)/``touch x``/it''s "NAME" \ ’’; BIN/chinwag'"#),
        ] {
            let script = script(shell, PATH).unwrap();
            assert_eq!(script.matches(&format!(" {word} -- ")).count(), 1, "{shell}: {script}");
        }
        for shell in Shell::value_variants() {
            assert!(!script(*shell, PATH).unwrap().contains(PLACEHOLDER), "{shell}");
        }
    }
}
