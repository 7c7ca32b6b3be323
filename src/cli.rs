//! The command line of `chinwag`.
//!
//! Data goes to standard output, everything else to standard error, line by line. Every command is a
//! client of its own. `chat`, `listen` and `on` are listed and accept direct messages. All others
//! register as invisible, with the same key, so that they can run beside a `chat` of the same name.
//!
//! `docs/scripting.md` has the exit codes and the objects that `--json` prints.

mod addresses;
mod args;
mod chat;
mod colours;
mod commands;
mod complete;
pub(crate) mod config;
pub mod daemon;
mod failure;
mod fuzzy;
mod graphemes;
mod hub_table;
mod json;
mod keymap;
mod keys;
mod line;
mod links;
mod log_writer;
mod logging;
mod notify;
mod options;
mod outage;
mod output;
mod progress;
mod queries;
mod question;
mod search_terms;
mod setup;
mod stdin;
#[cfg(all(test, feature = "hub"))]
mod summaries;
mod terminal;
mod theme;
mod tui;
mod usage;
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
        accept, completions, contact_book, contacts, doctor, history, hubs, id, listen, man, on,
        outbox, peers, post, rooms, schema, search, send, tail, verify,
    },
    failure::Failure,
    options::{Flags, Settings},
};
use crate::shutdown;

#[doc(hidden)]
pub use self::tui::HeadlessScreen;

/// Why `chat --json` is an error.
const NO_JSON_CHAT: &str = "chat prints text for people: scripts use post, send, `tail --json` and \
                            `listen --json`";

/// How long a command has to leave the hub once its `--timeout` is over.
const LEAVE_TIMEOUT: Duration = shutdown::GRACE;

/// Runs the command line and returns the exit code. `args` begins with the name of the program.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    shutdown::survive_file_size_limit();
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(completed) = complete::answer(&args) {
        return if completed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let given = args.clone();
    let cli = match args::parse(args) {
        Ok(cli) => cli,
        Err(help_or_error) => return usage::print(&help_or_error, &given).into(),
    };
    if cli.flags.json {
        output::set_json();
    }
    let code = match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_failure(&failure);
            failure.code().into()
        }
    };
    log_writer::finish();
    code
}

fn execute(cli: Cli) -> Result<(), Failure> {
    let Cli { mut flags, command } = cli;
    // These need neither settings nor a hub.
    match &command {
        Command::Completions(args) => return completions::run(args),
        Command::Man(args) => return man::run(args, [args::program(), daemon::command()]),
        Command::Schema => return schema::run(),
        Command::Chat(_) if flags.json => return Err(Failure::Usage(NO_JSON_CHAT.into())),
        _ => {}
    }
    if let Command::Chat(chat::Args { link: Some(link), .. }) = &command {
        flags.hub = Some(link.clone());
    }
    flags.check_hub()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
    let result = runtime.block_on(run_with_timeout(command, flags));
    runtime.shutdown_background();
    result
}

/// Runs a command until it ends, a signal comes, or its `--timeout` is over.
async fn run_with_timeout(command: Command, flags: Flags) -> Result<(), Failure> {
    let stop = shutdown::on_signal()
        .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))?;
    let (is_chat, is_endless) = (matches!(command, Command::Chat(_)), command.is_endless());
    let timeout = flags.timeout;
    let mut running = pin!(run_command(command, flags, &stop));
    let timed_out = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
        timeout.unwrap_or_default()
    };
    let timeout = tokio::select! {
        biased;
        result = &mut running => return match result {
            Err(Failure::Interrupted) if is_endless => Ok(()),
            result => result,
        },
        timeout = timed_out => timeout,
    };
    // From here on as after a signal: the command leaves the hub and prints what it has.
    stop.cancel();
    match tokio::time::timeout(LEAVE_TIMEOUT, running).await {
        Ok(Ok(())) if is_chat => Err(Failure::TimedOut(timeout)),
        Ok(Err(Failure::Interrupted)) | Err(_) => Err(Failure::TimedOut(timeout)),
        Ok(result) => result,
    }
}

async fn run_command(
    command: Command,
    flags: Flags,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let settings = match &command {
        Command::Chat(args) if terminal::can_ask() => {
            setup::load_or_ask(flags, args.link.as_ref(), stop).await?
        }
        Command::Hubs(_) => {
            let (settings, missing) = Settings::load_for_hubs(flags)?;
            missing.iter().for_each(|missing| hubs::warn_of_missing(missing));
            settings
        }
        _ => Settings::load(flags)?,
    };
    if settings.quiet {
        output::set_quiet();
    }
    if let Some(option) = &settings.flags.option_in_text {
        output::print_notice(&format!("{option} is part of the text; options come before it"));
    }
    // The doctor only says what is wrong.
    if !matches!(command, Command::Doctor) {
        let mended = settings.home.secure()?;
        if !mended.is_empty() {
            let mended: Vec<_> = mended.iter().map(|path| path.display().to_string()).collect();
            output::print_notice(&format!(
                "others could read or write {}, and cannot any more",
                mended.join(" and ")
            ));
        }
    }
    // Log lines on the terminal would garble the chat that is drawn there.
    let draws = matches!(command, Command::Chat(_)) && terminal::can_edit();
    settings.read_only_warning().iter().for_each(|warning| output::print_notice(warning));
    let file = if draws { settings.writable(settings.home.log()) } else { None };
    let _log = match draws && file.is_none() {
        true => None,
        false => logging::start(settings.verbose, file)?,
    };
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
        Command::Rooms => rooms::run(settings, stop).await,
        Command::Id => id::run(settings, stop).await,
        Command::Contacts => contacts::run(settings, stop).await,
        Command::Verify(args) => verify::run(args, settings, stop).await,
        Command::Accept(args) => accept::run(&args, settings, stop).await,
        Command::Outbox(args) => outbox::run(args, settings, stop).await,
        Command::Block(peer) => contact_book::block(peer, true, settings, stop).await,
        Command::Unblock(peer) => contact_book::block(peer, false, settings, stop).await,
        Command::Note(args) => contact_book::note(args, settings, stop).await,
        Command::Forget(peer) => contact_book::forget(&peer, settings, stop).await,
        Command::Mute(room) => contact_book::mute(&room, true, settings, stop).await,
        Command::Unmute(room) => contact_book::mute(&room, false, settings, stop).await,
        Command::Hubs(args) => hubs::run(args, settings, stop).await,
        Command::Doctor => doctor::run(settings, stop).await,
        // Handled by `execute`.
        Command::Completions(_) | Command::Man(_) | Command::Schema => Ok(()),
    }
}
