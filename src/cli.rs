//! The command line: what people and scripts use.
//!
//! Data goes to standard output and everything else to standard error, a line at a time. Every
//! command is a client of its own. `chat` and `listen` are listed and can be reached; all others
//! register invisibly, and with the same key, so that they work beside a `chat` of the same name.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; also: ended by a signal where nothing else ends it (`chat`, `tail`, `listen`, `peers --watch`) |
//! | 1 | failed, or refused by the hub, the peer, or for a wrong key; of `chat` without a terminal also: one of the lines could not be obeyed |
//! | 2 | the command line or the configuration is wrong |
//! | 3 | the hub cannot be reached |
//! | 4 | the peer is unknown or cannot be reached |
//! | 130 | interrupted before it was done |
//!
//! The shapes of `--json` are listed in `cli/json.rs`.

mod chat;
mod commands;
pub(crate) mod config;
pub mod daemon;
mod failure;
mod json;
mod keys;
mod options;
mod outage;
mod output;
mod stdin;
mod terminal;
mod view;
mod words;
mod writer;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use self::{
    commands::{
        accept, contacts, history, id, listen, outbox, peers, people, post, rooms, search, send,
        tail, verify,
    },
    failure::Failure,
    options::{Flags, Settings},
};
use crate::shutdown;

/// What `--help` ends with.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 hub unreachable, 4 peer unknown or unreachable,
130 interrupted. Ctrl-C is the usual end of chat, tail, listen and peers --watch: 0.

Settings are also read from the environment and from config.toml in the configuration
directory, with the keys hub, name, listen, advertise, direct, no_direct, plaintext and room. A
flag wins over the environment, the environment over the file.";

/// Chat in rooms, and straight from peer to peer.
#[derive(Debug, Parser)]
#[command(name = "chinwag", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Chats in this terminal, or line by line from standard input
    #[command(after_help = format!("In the chat:\n{}\n\n{}", chat::HELP, chat::WITHOUT_TERMINAL))]
    Chat(chat::Args),
    /// Lists who is here
    Peers(peers::Args),
    /// Posts a text to the room, or each line of standard input
    Post(post::Args),
    /// Prints the messages of rooms as they come
    Tail(tail::Args),
    /// Sends a direct message
    Send(send::Args),
    /// Lists the messages that wait for somebody who is away, and what to do with them
    Outbox(outbox::Args),
    /// Prints direct messages as they come
    Listen(listen::Args),
    /// Prints a room's past messages
    History(history::Args),
    /// Finds messages by their words
    Search(search::Args),
    /// Lists the rooms of the hub
    Rooms(rooms::Args),
    /// Shows the fingerprint of your key
    Id(id::Args),
    /// Lists whom you have met, and their keys
    Contacts(contacts::Args),
    /// Marks somebody's key as compared
    Verify(verify::Args),
    /// Accepts that somebody has another key now
    Accept(accept::Args),
    /// Hears nothing of somebody any more, and tells them nothing
    Block(people::Person),
    /// Hears somebody again who was blocked
    Unblock(people::Person),
    /// Notes something about somebody
    Note(people::Note),
    /// Forgets somebody and their key
    Forget(people::Person),
    /// Points out nothing any more that is said in a room
    Mute(people::Place),
    /// Points out again what is said in a room
    Unmute(people::Place),
}

/// Does what the command line says and returns the exit code. `args` begins with the program's
/// name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(help_or_mistake) => {
            // Nobody to tell where standard error is closed.
            let _ = help_or_mistake.print();
            return u8::try_from(help_or_mistake.exit_code()).map_or(ExitCode::FAILURE, Into::into);
        }
    };
    match obey(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                output::tell(&line);
            }
            failure.code().into()
        }
    }
}

fn obey(mut cli: Cli) -> Result<(), Failure> {
    if let Command::Chat(chat::Args { link: Some(link) }) = &cli.command {
        cli.flags.set_hub(link.clone());
    }
    let settings = Settings::load(cli.flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
    let done = runtime.block_on(dispatch(cli.command, settings));
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, settings: Settings) -> Result<(), Failure> {
    let stop = shutdown::on_signal()
        .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))?;
    match command {
        Command::Chat(_) => chat::run(&settings, &stop).await,
        Command::Peers(args) => peers::run(args, &settings, &stop).await,
        Command::Post(args) => post::run(args, &settings, &stop).await,
        Command::Tail(args) => tail::run(args, &settings, &stop).await,
        Command::Send(args) => send::run(args, &settings, &stop).await,
        Command::Listen(args) => listen::run(args, &settings, &stop).await,
        Command::History(args) => history::run(args, &settings, &stop).await,
        Command::Search(args) => search::run(args, &settings, &stop).await,
        Command::Rooms(args) => rooms::run(args, &settings, &stop).await,
        Command::Id(args) => id::run(args, &settings, &stop).await,
        Command::Contacts(args) => contacts::run(args, &settings, &stop).await,
        Command::Verify(args) => verify::run(args, &settings, &stop).await,
        Command::Accept(args) => accept::run(&args, &settings),
        Command::Outbox(args) => outbox::run(args, &settings, &stop).await,
        Command::Block(who) => people::block(who, true, &settings, &stop).await,
        Command::Unblock(who) => people::block(who, false, &settings, &stop).await,
        Command::Note(args) => people::note(args, &settings, &stop).await,
        Command::Forget(who) => people::forget(&who, &settings),
        Command::Mute(room) => people::mute(&room, true, &settings),
        Command::Unmute(room) => people::mute(&room, false, &settings),
    }
}
