//! The command line: what people and scripts use.
//!
//! Data goes to standard output and everything else to standard error, a line at a time. Every
//! command is a client of its own. `chat`, `listen` and `on` are listed and can be reached; all others
//! register invisibly, and with the same key, so that they work beside a `chat` of the same name.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; also: ended by a signal where nothing else ends it (`chat`, `tail`, `listen`, `on`, `peers --watch`) |
//! | 1 | failed, or refused by the hub, the peer, or for a wrong key; of `chat` without a terminal also: one of the lines could not be obeyed |
//! | 2 | the command line or the configuration is wrong |
//! | 3 | the hub cannot be reached |
//! | 4 | the peer is unknown or cannot be reached |
//! | 124 | `--timeout` was over first; of a command without an end of its own, it is the usual end |
//! | 130 | interrupted before it was done |
//!
//! The shapes of `--json` are listed in `cli/json.rs`.

mod chat;
mod commands;
mod complete;
pub(crate) mod config;
pub mod daemon;
mod failure;
mod first;
mod json;
mod keys;
mod logging;
mod options;
mod outage;
mod output;
mod question;
mod stdin;
mod terminal;
mod tui;
mod view;
mod words;
mod writer;

use std::{ffi::OsString, pin::pin, process::ExitCode, time::Duration};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};
use tokio_util::sync::CancellationToken;

use self::{
    commands::{
        accept, completions, contacts, doctor, history, id, listen, man, on, outbox, peers, people,
        post, rooms, search, send, tail, verify,
    },
    failure::Failure,
    options::{Flags, Settings},
};
use crate::shutdown;

#[doc(hidden)]
pub use self::tui::{FrameTimes, ScreenFigures, bench_screen};

/// What `--help` ends with.
const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 failure, 2 usage error, 3 hub unreachable, 4 peer unknown or
unreachable, 124 ended by --timeout, 130 interrupted. Ctrl-C ends chat, tail, listen, on and
peers --watch with 0.

Settings are also read from the environment and from config.toml in the configuration
directory, with the keys hub, name, listen, advertise, direct, no_direct, plaintext, room, quiet,
theme and keys. Options override the environment, and the environment overrides the file.";

/// How long a command whose time is over has for leaving the hub.
const LEAVING: Duration = shutdown::GRACE;

/// Chat in rooms, and directly from peer to peer
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
    /// Chat interactively in this terminal, or read lines from standard input
    #[command(after_help = format!("In the chat:\n{}\n\n{}", chat::help(), chat::WITHOUT_TERMINAL))]
    Chat(chat::Args),
    /// List the peers that are online
    Peers(peers::Args),
    /// Post one message to a room, or each line of standard input
    Post(post::Args),
    /// Follow rooms: print new room messages as they arrive
    Tail(tail::Args),
    /// Send a direct message to one peer, or queue it until they are back
    Send(send::Args),
    /// List, retry or drop the direct messages queued for absent peers
    Outbox(outbox::Args),
    /// Receive direct messages and print them as they arrive
    Listen(listen::Args),
    /// Run a shell command for each message and reply with its output
    #[command(after_help = on::ABOUT_RUN)]
    On(on::Args),
    /// Print past messages of a room
    History(history::Args),
    /// Search room messages for words
    Search(search::Args),
    /// List the rooms of the hub
    Rooms(rooms::Args),
    /// Show the fingerprint of your own key
    Id(id::Args),
    /// List the peers you have met, with their keys and notes
    Contacts(contacts::Args),
    /// Mark a peer's key as verified, after comparing fingerprints
    Verify(verify::Args),
    /// Accept a peer's new key after it has changed
    Accept(accept::Args),
    /// Block a peer: no direct messages in either direction
    Block(people::Person),
    /// Unblock a peer
    Unblock(people::Person),
    /// Show, set or remove your private note on a peer
    Note(people::Note),
    /// Remove a peer and their key from your contacts
    Forget(people::Person),
    /// Mute notifications of a room
    Mute(people::Place),
    /// Unmute notifications of a room
    Unmute(people::Place),
    /// Check your setup, the hub and reachability, and suggest fixes
    Doctor(doctor::Args),
    /// Print the completion script for a shell
    Completions(completions::Args),
    /// Print the manual page, or write all manual pages to a directory
    Man(man::Args),
}

/// Does what the command line says and returns the exit code. `args` begins with the program's
/// name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(completed) = complete::answer(&args) {
        return if completed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let cli = match read(args) {
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
                output::complain(&line);
            }
            failure.code().into()
        }
    }
}

/// Reads the command line.
fn read(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut program = program();
    let said = program
        .try_get_matches_from_mut(&args)
        .map_err(|mistake| options::without_environment(mistake, Cli::command(), args))?;
    let mut cli = Cli::from_arg_matches(&said).map_err(|error| error.format(&mut program))?;
    if let (Command::Post(args), Some((_, said))) = (&mut cli.command, said.subcommand()) {
        args.room_is_said = said.value_source("room") == Some(ValueSource::CommandLine);
    }
    Ok(cli)
}

/// The command line as it is read: an empty variable says nothing, as in most programs.
fn program() -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|v| v.is_empty());
    Cli::command().mut_args(|arg| match arg.get_env().is_some_and(is_empty) {
        true => arg.env(None::<&str>),
        false => arg,
    })
}

fn obey(cli: Cli) -> Result<(), Failure> {
    let Cli { mut flags, command } = cli;
    // These are about the program alone, whatever the settings are.
    match &command {
        Command::Completions(args) => return completions::run(args),
        Command::Man(args) => return man::run(args),
        _ => {}
    }
    if let Command::Chat(chat::Args { link: Some(link), .. }) = &command {
        flags.hub = Some(link.clone());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
    let done = runtime.block_on(in_time(command, flags));
    runtime.shutdown_background();
    done
}

/// Does what a command is for, until that is done, a signal comes, or its time is over.
async fn in_time(command: Command, flags: Flags) -> Result<(), Failure> {
    let stop = shutdown::on_signal()
        .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))?;
    let (is_chat, is_endless) = (matches!(command, Command::Chat(_)), command.is_endless());
    let timeout = flags.timeout;
    let mut work = pin!(work(command, flags, &stop));
    let out_of_time = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
        timeout.unwrap_or_default()
    };
    let timeout = tokio::select! {
        biased;
        done = &mut work => return match done {
            Err(Failure::Interrupted) if is_endless => Ok(()),
            done => done,
        },
        timeout = out_of_time => timeout,
    };
    // From here on as after a signal, so that it leaves the hub and shows what it has.
    stop.cancel();
    match tokio::time::timeout(LEAVING, work).await {
        Ok(Ok(())) if is_chat => Err(Failure::TimedOut(timeout)),
        Ok(Err(Failure::Interrupted)) | Err(_) => Err(Failure::TimedOut(timeout)),
        Ok(done) => done,
    }
}

async fn work(command: Command, flags: Flags, stop: &CancellationToken) -> Result<(), Failure> {
    let settings = match &command {
        Command::Chat(args) if terminal::can_ask() => {
            first::settle(flags, args.link.as_ref(), stop).await?
        }
        _ => Settings::load(flags)?,
    };
    if settings.quiet {
        output::be_quiet();
    }
    // What a log writes on a terminal would be in the middle of what is drawn there.
    let drawn = matches!(command, Command::Chat(_)) && terminal::can_edit();
    logging::start(settings.verbose, drawn.then(|| settings.home.log()))?;
    dispatch(command, &settings, stop).await.map_err(|failure| settings.explain(failure))
}

async fn dispatch(
    command: Command,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    match command {
        Command::Chat(args) if tui::is_possible(&args) && terminal::has_size() => {
            tui::run(settings, stop).await
        }
        Command::Chat(_) => chat::run(settings, stop).await,
        Command::Peers(args) => peers::run(args, settings, stop).await,
        Command::Post(args) => post::run(args, settings, stop).await,
        Command::Tail(args) => tail::run(args, settings, stop).await,
        Command::Send(args) => send::run(args, settings, stop).await,
        Command::Listen(args) => listen::run(args, settings, stop).await,
        Command::On(args) => on::run(args, settings, stop).await,
        Command::History(args) => history::run(args, settings, stop).await,
        Command::Search(args) => search::run(args, settings, stop).await,
        Command::Rooms(args) => rooms::run(args, settings, stop).await,
        Command::Id(args) => id::run(args, settings, stop).await,
        Command::Contacts(args) => contacts::run(args, settings, stop).await,
        Command::Verify(args) => verify::run(args, settings, stop).await,
        Command::Accept(args) => accept::run(&args, settings, stop).await,
        Command::Outbox(args) => outbox::run(args, settings, stop).await,
        Command::Block(who) => people::block(who, true, settings, stop).await,
        Command::Unblock(who) => people::block(who, false, settings, stop).await,
        Command::Note(args) => people::note(args, settings, stop).await,
        Command::Forget(who) => people::forget(&who, settings),
        Command::Mute(room) => people::mute(&room, true, settings),
        Command::Unmute(room) => people::mute(&room, false, settings),
        Command::Doctor(args) => doctor::run(args, settings, stop).await,
        // Done already: they want neither settings nor a hub.
        Command::Completions(_) | Command::Man(_) => Ok(()),
    }
}

impl Command {
    /// Whether it goes on until something from outside ends it, so that a signal is its usual end.
    fn is_endless(&self) -> bool {
        match self {
            Self::Tail(_) | Self::Listen(_) | Self::On(_) => true,
            Self::Peers(args) => args.watch,
            _ => false,
        }
    }
}
