//! The command line of `chinwag`: its commands and their summaries.

use std::ffi::{OsStr, OsString};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};

use super::{
    chat,
    commands::{
        accept, completions, contact_book, history, hubs, listen, man, on, outbox, peers, post,
        search, send, tail, verify,
    },
    options::{Flags, without_environment},
};

/// What `--help` ends with.
const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 failure, 2 usage error, 3 hub unreachable, 4 peer unknown or
unreachable, 124 ended by --timeout, 130 interrupted. Ctrl-C ends chat, tail, listen, on and
peers --watch with 0.

Settings are also read from the environment and from config.toml in the configuration
directory, with the keys at, hubs, hub, name, listen, advertise, direct, no_direct, plaintext, room,
quiet, keep, notify, keywords, mouse, theme and keys. Options override the environment, and the
environment overrides the file.";

/// Chat in rooms, and directly from peer to peer
#[derive(Debug, Parser)]
#[command(name = "chinwag", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) flags: Flags,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Chat interactively in this terminal, or read lines from standard input
    #[command(after_help = format!("In the chat:\n{}\n\n{}", chat::help(), chat::WITHOUT_TERMINAL))]
    Chat(chat::Args),
    /// List the peers that are online
    Peers(peers::Args),
    /// Post one message to a room, or each line of standard input
    Post(post::Args),
    /// Follow rooms: print new room messages as they arrive
    Tail(tail::Args),
    /// Send a direct message to one peer; with --queue, keep it until they are back
    Send(send::Args),
    /// List, retry or drop the direct messages queued for absent peers
    Outbox(outbox::Args),
    /// Receive direct messages and print them as they arrive
    Listen(listen::Args),
    /// Run a shell command for each room or direct message; reply with its output
    #[command(after_help = on::ABOUT_RUN)]
    On(on::Args),
    /// Print the last messages of a room
    History(history::Args),
    /// Search room messages for words
    Search(search::Args),
    /// List the rooms of the hub
    Rooms,
    /// Show the fingerprint of your own key, also as a QR code
    Id,
    /// List the peers you have met, with their keys and notes
    Contacts,
    /// Mark a peer's key as verified, after comparing fingerprints
    Verify(verify::Args),
    /// Accept a peer's new key after it has changed
    Accept(accept::Args),
    /// Block a peer: no direct messages in either direction
    Block(contact_book::PeerArg),
    /// Unblock a peer
    Unblock(contact_book::PeerArg),
    /// Show, set or remove your private note on a peer
    Note(contact_book::NoteArgs),
    /// Remove a peer from your contacts, with their kept and queued messages
    Forget(contact_book::PeerArg),
    /// Mute the bell and notices of a room; its messages still show
    Mute(contact_book::RoomArg),
    /// Unmute the bell and notices of a room
    Unmute(contact_book::RoomArg),
    /// List your hubs, add or remove one, or change the current one
    Hubs(hubs::Args),
    /// Check your setup, the hub and whether peers can reach you; suggest fixes
    Doctor,
    /// Print the completion script for a shell
    Completions(completions::Args),
    /// Print the JSON Schema of the objects that --json prints
    Schema,
    /// Print the manual page, or write all manual pages to a directory
    Man(man::Args),
}

/// Parses the command line. `args` begins with the name of the program.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let has_separator = args.iter().any(|arg| arg == "--");
    let mut program = program();
    let matches = program
        .try_get_matches_from_mut(&args)
        .map_err(|error| without_environment(error, Cli::command(), args))?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut program))?;
    cli.flags.separate(&matches);
    if let (Command::Post(args), Some((_, matches))) = (&mut cli.command, matches.subcommand()) {
        args.has_room_option = matches.value_source("room") == Some(ValueSource::CommandLine);
    }
    if !has_separator {
        cli.flags.option_in_text = option_in_text(&program, &matches);
    }
    Ok(cli)
}

/// Returns the last word of a text if it is an option of the command, as in `send bob hi --json`.
fn option_in_text(program: &clap::Command, matches: &ArgMatches) -> Option<String> {
    let (name, matches) = matches.subcommand()?;
    let mut words = matches.try_get_many::<String>("text").ok()??;
    let last = words.next_back()?;
    let option = last.strip_prefix("--")?;
    let option = option.split_once('=').map_or(option, |(option, _)| option);
    let command = program.find_subcommand(name)?;
    let mut options = program.get_arguments().chain(command.get_arguments());
    options.any(|arg| arg.get_long() == Some(option)).then(|| last.clone())
}

/// The definition of the command line. Empty environment variables count as unset.
pub(super) fn program() -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|v| v.is_empty());
    Cli::command().mut_args(|arg| match arg.get_env().is_some_and(is_empty) {
        true => arg.env(None::<&str>),
        false => arg,
    })
}

impl Command {
    /// Returns true if the command runs until something ends it, so that a signal is its usual end.
    pub(super) fn is_endless(&self) -> bool {
        match self {
            Self::Tail(_) | Self::Listen(_) | Self::On(_) => true,
            Self::Peers(args) => args.watch,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::config::Config;

    #[test]
    fn the_help_and_the_documentation_have_all_keys_of_the_file() {
        // The error lists them: "unknown field `none`, expected one of `hub`, …".
        let known = Config::parse("none = 1").unwrap_err();
        let (_, known) = known.split_once("expected one of").unwrap();
        let known: BTreeSet<&str> = known.split('`').skip(1).step_by(2).collect();
        assert!(known.contains("hub") && known.contains("keys"), "{known:?}");
        let (_, keys) = EXIT_CODES.split_once("with the keys ").unwrap();
        let (keys, _) = keys.split_once('.').unwrap();
        let keys = keys.split([',', ' ', '\n']).filter(|word| !matches!(*word, "" | "and"));
        assert_eq!(keys.collect::<BTreeSet<_>>(), known);
        let page = include_str!("../../docs/chat.md");
        for key in known {
            let forms = [format!("\n{key} = "), format!("\n[{key}]"), format!("\n[{key}.")];
            assert!(forms.iter().any(|form| page.contains(form)), "{key} is not in docs/chat.md");
        }
    }

    #[test]
    fn an_option_at_the_end_of_a_text_is_found() {
        let found =
            |line: &str| parse(line.split(' ').map(OsString::from)).unwrap().flags.option_in_text;
        for (line, option) in [
            ("chinwag send bob hi --json", "--json"),
            ("chinwag send bob hi --queue", "--queue"),
            ("chinwag post lobby hi --name=eve", "--name=eve"),
            ("chinwag note bob hi --remove", "--remove"),
        ] {
            assert_eq!(found(line).as_deref(), Some(option), "{line}");
        }
        for line in [
            "chinwag send bob -- hi --json",
            "chinwag send bob --json hi",
            "chinwag post lobby make --force",
            "chinwag post lobby --json is an option",
            "chinwag post lobby make -q",
            "chinwag search disk --newest",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn a_command_with_nul_is_a_usage_error() {
        let error = parse(["chinwag", "on", "--run", "a\0b"].map(OsString::from)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("the character NUL"), "{error}");
    }
}
