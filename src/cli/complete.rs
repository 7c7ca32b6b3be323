//! What a shell is told when somebody asks it to complete a word.
//!
//! The script that `chinwag completions` prints calls this program with [`VARIABLE`] set and the line
//! so far behind `--`. Commands, flags and their values are known without asking anybody. Names of
//! peers come from the contact book, and they and rooms from the hub, as long as it answers quickly.
//!
//! Nobody waits for a completion, and nobody expects it to do anything. So the hub is asked only where
//! there is a key already and the hub was met before, invisibly; no file is made or changed; and
//! whatever fails, fails silently.

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
    identity::{Book, Identity},
    model::{PeerStatus, RoomName},
};

/// How long the hub may take: what a person hardly notices.
const PATIENCE: Duration = Duration::from_millis(700);

/// How long the hub may take to hear that this client leaves; its lease ends in any case.
const LEAVING: Duration = Duration::from_millis(200);

/// The most that is offered: more than anybody reads.
const MAX_OFFERED: usize = 1_000;

/// Completes a word where that is what the program was called for. Answers whether it was, and if so,
/// whether that could be done.
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
        "NAME" | "NAME|ID" => {
            Some(ArgValueCompleter::new(|current: &OsStr| offer(current, Asker::peers)))
        }
        "ROOM" => Some(ArgValueCompleter::new(|current: &OsStr| offer(current, Asker::rooms))),
        _ => None,
    }
}

fn offer(
    current: &OsStr,
    find: impl FnOnce(&Asker, &str) -> BTreeSet<String>,
) -> Vec<CompletionCandidate> {
    let (Some(current), Some(asker)) = (current.to_str(), Asker::of_this_line()) else {
        return Vec::new();
    };
    // Names are in small letters, as they are normalized.
    let begun = current.to_lowercase();
    let found = find(&asker, &begun).into_iter();
    found.filter(|name| name.starts_with(&begun)).take(MAX_OFFERED).map(Into::into).collect()
}

/// Whoever types.
struct Asker {
    settings: Settings,
    book: Book,
}

impl Asker {
    /// Reads what stands on the line so far, in the environment and in the configuration.
    fn of_this_line() -> Option<Self> {
        let line = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
        let mut flags = match program().ignore_errors(true).try_get_matches_from(line) {
            Ok(said) => Flags::from_arg_matches(&said).unwrap_or_default(),
            Err(_) => Flags::default(),
        };
        // The one that is being typed is among them.
        flags.room.clear();
        let settings = Settings::load(flags).ok()?;
        let book = settings.contacts().read().unwrap_or_default();
        Some(Self { settings, book })
    }

    fn peers(&self, begun: &str) -> BTreeSet<String> {
        let hub = self.book.hub(&self.settings.hub.hub);
        let met = hub.into_iter().flat_map(|hub| hub.contacts.keys());
        let mut names: BTreeSet<String> = met.map(ToString::to_string).collect();
        let filter = PeerFilter { name_prefix: begun.to_owned(), ..PeerFilter::default() };
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

    /// Asks the hub something, if it is one that was met before, and there is a key to come with.
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
            let asked = timeout(PATIENCE, async {
                let (client, _events) = Client::start(options).await?;
                let answer = question(&client).await;
                answer.map(|answer| (answer, client))
            });
            let (answer, client) = asked.await.ok()?.ok()?;
            let _ = timeout(LEAVING, client.stop()).await;
            Some(answer)
        });
        runtime.shutdown_background();
        answer
    }
}
