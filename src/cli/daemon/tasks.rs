//! The commands of the hub's keeper. They work on the hub's files, whether it is running or not;
//! a running hub notices within a second.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Subcommand;

use super::{
    error::{Error, Result},
    link, members,
    settings::Settings,
};
use crate::{
    cli::values::duration,
    error::SystemError,
    model::{JoinLink, Name},
    storage::embedded::{Store, members::Book},
};

/// How long an invitation lasts unless something else is said.
const DEFAULT_EXPIRY: &str = "7d";

/// What may be done beside serving.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Print the join link, with the hub's address and key
    Link,
    /// Print a join link with an invitation, for a hub with --invite-only
    Invite {
        /// Number of newcomers that may use it
        #[arg(long, value_name = "N", default_value_t = 1)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// Time until it expires
        #[arg(long, value_name = "DURATION", default_value = DEFAULT_EXPIRY, value_parser = duration)]
        expires: Duration,
    },
    /// List members: registered names, with their owners and dates
    Members {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Remove a member with all their names; only an invitation lets them return
    Remove {
        /// A name of the member
        name: Name,
    },
    /// Rename a member
    Rename {
        /// Current name
        old: Name,
        /// New name
        new: Name,
    },
    /// Print a new token for a bot without a key, or revoke it with --revoke
    Token {
        /// Name of the bot
        name: Name,
        /// Revoke the token and free the name
        #[arg(long)]
        revoke: bool,
    },
}

/// Does it.
pub(super) fn run(task: Task, settings: &Settings) -> Result<()> {
    match task {
        Task::Link => say_link(&link::kept(&directory(settings)?, settings)?),
        Task::Invite { uses, expires } => {
            // The link first: an invitation that nobody hears of is no use.
            let link = link::kept(&directory(settings)?, settings)?;
            let invite = Some(book(settings)?.invite(uses, expires)?);
            say_link(&JoinLink { invite, ..link })
        }
        Task::Members { json } => {
            members::list(&book(settings)?.members()?, json, &mut io::stdout().lock())
        }
        Task::Remove { name } => book(settings)?
            .remove(&name)?
            .iter()
            .try_for_each(|name| say(&format!("removed {name}"))),
        Task::Rename { old, new } => {
            book(settings)?.rename(&old, &new)?;
            say(&format!("renamed {old} to {new}"))
        }
        Task::Token { name, revoke: true } => {
            book(settings)?.revoke_token(&name)?;
            say(&format!("revoked the token of {name}"))
        }
        Task::Token { name, revoke: false } => say(&book(settings)?.make_token(&name)?),
    }
}

fn book(settings: &Settings) -> Result<Book> {
    Ok(Book::open(&directory(settings)?)?)
}

/// Where the hub keeps what it keeps. A mistyped place must not become another hub's.
fn directory(settings: &Settings) -> Result<PathBuf> {
    match settings.store()? {
        Store::Directory(directory) if link::is_kept(&directory) => Ok(directory),
        Store::Directory(directory) => Err(SystemError::new(format!(
            "no hub keeps its data in {}: start it there once, or say where it is with --data-dir",
            directory.display()
        ))
        .at(&directory)
        .into()),
        Store::Memory => {
            Err(Error::invalid("ephemeral", "what the keeper wants is in the memory of the hub"))
        }
    }
}

/// On a terminal as a person would type it; for a program as it is.
fn say_link(link: &JoinLink) -> Result<()> {
    match io::stdout().is_terminal() {
        true => say(&link::for_shell(link)),
        false => say(link),
    }
}

fn say(line: &impl std::fmt::Display) -> Result<()> {
    writeln!(io::stdout(), "{line}").map_err(Error::output)
}
