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

mod args;
mod chat;
mod commands;
mod complete;
pub(crate) mod config;
#[cfg(feature = "hub")]
pub mod daemon;
mod failure;
mod first;
mod graphemes;
mod json;
mod keymap;
mod keys;
mod line;
mod links;
mod logging;
mod options;
mod outage;
mod output;
mod queries;
mod question;
mod stdin;
mod terminal;
mod theme;
mod tui;
mod values;
mod view;
mod words;
mod wrap;
mod writer;

use std::{ffi::OsString, pin::pin, process::ExitCode, time::Duration};

use tokio_util::sync::CancellationToken;

use self::{
    args::{Cli, Command},
    commands::{
        accept, completions, contacts, doctor, history, id, listen, man, on, outbox, peers, people,
        post, rooms, search, send, tail, verify,
    },
    failure::Failure,
    options::{Flags, Settings},
};
use crate::shutdown;

#[doc(hidden)]
pub use self::tui::HeadlessScreen;

/// How long a command whose time is over has for leaving the hub.
const LEAVING: Duration = shutdown::GRACE;

/// Does what the command line says and returns the exit code. `args` begins with the program's
/// name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(completed) = complete::answer(&args) {
        return if completed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let cli = match args::parse(args) {
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

fn obey(cli: Cli) -> Result<(), Failure> {
    let Cli { mut flags, command } = cli;
    // These are about the program alone, whatever the settings are.
    match &command {
        Command::Completions(args) => return completions::run(args),
        Command::Man(args) => return man::run(args, [args::program(), daemon::command()]),
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
        Command::Chat(_) => line::run(settings, stop).await,
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
