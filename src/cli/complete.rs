//! Completion of words for shells.
//!
//! The script that `chinwag completions` prints calls this program with [`VARIABLE`] set and the
//! command line so far after `--`. Commands, options and their values need no hub. Names of peers come
//! from the contact book and the hub, rooms from the settings and the hub.
//!
//! A completion must be quick and must not change anything. So it asks the hub only if there is
//! already a key and the contact book has the hub, as an invisible client and with a short timeout. It
//! writes no file, and errors are silent.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    time::Duration,
};

use clap::{Arg, Command, FromArgMatches};
use clap_complete::{ArgValueCompleter, CompletionCandidate};
use tokio::time::timeout;

use super::{
    args::program,
    commands::completions::VARIABLE,
    options::{Flags, Settings},
};
use crate::{
    client::{Client, ClientOptions, HubTrust, PeerFilter, Result},
    identity::{ContactBook, Identity},
    model::{PeerStatus, RoomName},
};

/// How long the hub may take to answer: hardly noticeable.
const HUB_TIMEOUT: Duration = Duration::from_millis(700);

/// How long leaving the hub may take; the lease expires in any case.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(200);

/// The most candidates offered: more than anybody reads.
const MAX_CANDIDATES: usize = 1_000;

/// Completes a word if [`VARIABLE`] asks for it. Returns `None` if not, otherwise whether it succeeded.
pub(super) fn answer(args: &[OsString]) -> Option<bool> {
    let answered = clap_complete::CompleteEnv::with_factory(|| with_completers(program()))
        .var(VARIABLE)
        .try_complete(args, None);
    match answered {
        Ok(false) => None,
        done => Some(done.is_ok()),
    }
}

/// Adds completers to the arguments of a command and of its subcommands.
fn with_completers(command: Command) -> Command {
    let add = |arg: Arg| match completer(&arg) {
        Some(completer) => arg.add(completer),
        None => arg,
    };
    command.mut_args(add).mut_subcommands(with_completers)
}

/// The completer of an argument, by what the help calls its value.
fn completer(arg: &Arg) -> Option<ArgValueCompleter> {
    match arg.get_value_names()?.first()?.as_str() {
        // One's own name.
        _ if arg.get_id() == "name" => None,
        "NAME" | "NAME|ID" => Some(ArgValueCompleter::new(|current: &OsStr| {
            candidates(current, CompletionContext::peers)
        })),
        "PROFILE" => Some(ArgValueCompleter::new(|current: &OsStr| {
            candidates(current, |context, _| {
                context.settings.hubs.iter().map(|hub| hub.profile.to_string()).collect()
            })
        })),
        "ROOM" => Some(ArgValueCompleter::new(|current: &OsStr| {
            candidates(current, CompletionContext::rooms)
        })),
        _ => None,
    }
}

fn candidates(
    current: &OsStr,
    find: impl FnOnce(&CompletionContext, &str) -> BTreeSet<String>,
) -> Vec<CompletionCandidate> {
    let (Some(current), Some(context)) = (current.to_str(), CompletionContext::from_command_line())
    else {
        return Vec::new();
    };
    // Names are normalized to lower case.
    let prefix = current.to_lowercase();
    let found = find(&context, &prefix).into_iter();
    found.filter(|name| name.starts_with(&prefix)).take(MAX_CANDIDATES).map(Into::into).collect()
}

/// The settings and contacts to complete with.
struct CompletionContext {
    settings: Settings,
    book: ContactBook,
}

impl CompletionContext {
    /// Reads the command line so far, the environment and the configuration.
    fn from_command_line() -> Option<Self> {
        let line = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
        let mut flags = match program().ignore_errors(true).try_get_matches_from(line) {
            Ok(matches) => {
                let mut flags = Flags::from_arg_matches(&matches).unwrap_or_default();
                flags.separate(&matches);
                flags
            }
            Err(_) => Flags::default(),
        };
        // These include the one that is being typed.
        flags.room.clear();
        let settings = Settings::load(flags).ok()?;
        let book = settings.contacts().read().unwrap_or_default();
        Some(Self { settings, book })
    }

    fn peers(&self, prefix: &str) -> BTreeSet<String> {
        let hub = self.book.hub(&self.settings.hub.hub);
        let met = hub.into_iter().flat_map(|hub| hub.contacts.keys());
        let mut names: BTreeSet<String> = met.map(ToString::to_string).collect();
        let filter = PeerFilter { name_prefix: prefix.to_owned(), ..PeerFilter::default() };
        let here = self.ask(async |client| client.peers(filter).await);
        let others = here.into_iter().flatten().map(|peer| peer.name);
        names
            .extend(others.filter(|name| *name != self.settings.name).map(|name| name.to_string()));
        names
    }

    fn rooms(&self, _: &str) -> BTreeSet<String> {
        let mut names: BTreeSet<RoomName> = self.settings.rooms.iter().cloned().collect();
        let listed = self.ask(async |client| client.list_rooms().await);
        names.extend(listed.into_iter().flatten().map(|room| room.name));
        names.iter().map(ToString::to_string).collect()
    }

    /// Asks the hub, if the contact book has it and there is already a key.
    fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> Result<T>) -> Option<T> {
        let hub = self.book.hub(&self.settings.hub.hub)?;
        if self.settings.plaintext {
            return None;
        }
        let identity = Identity::load(self.settings.home.data()).ok()??;
        let mut options =
            ClientOptions::new(self.settings.hub.hub.clone(), self.settings.name.clone());
        options.status = PeerStatus::Invisible;
        options.identity = Some(identity);
        options.trust = hub.key.map_or(HubTrust::FirstUse, HubTrust::Pinned);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let answer = runtime.block_on(async {
            let asked = timeout(HUB_TIMEOUT, async {
                let (client, _events) = Client::start(options).await?;
                let answer = question(&client).await;
                answer.map(|answer| (answer, client))
            });
            let (answer, client) = asked.await.ok()?.ok()?;
            let _ = timeout(LEAVE_TIMEOUT, client.stop()).await;
            Some(answer)
        });
        runtime.shutdown_background();
        answer
    }
}
