//! The operator commands. They work on the files of the hub; a running hub follows in a second.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    time::Duration,
};

use clap::Subcommand;
use jiff::Timestamp;

use super::{
    error::{Error, Result},
    link, members,
    printer::Printer,
    settings::HubSettings,
};
use crate::{
    cli::{json::JsonLine, values::duration},
    error::SystemError,
    model::{JoinLink, Name},
    storage::embedded::{Store, members::MemberList},
};

const DEFAULT_EXPIRY: &str = "7d";

/// A command other than serving.
#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
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
    Members,
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
    /// Print a new token for a bot without a key; --revoke revokes its token
    Token {
        /// Name of the bot
        name: Name,
        /// Revoke the token and free the name
        #[arg(long)]
        revoke: bool,
    },
}

pub(super) fn run(
    command: OperatorCommand,
    settings: &HubSettings,
    printer: &Printer,
) -> Result<()> {
    match command {
        OperatorCommand::Link => {
            let link = link::load(&directory(settings)?, settings)?;
            printer.print((&link).into(), shown(&link))
        }
        OperatorCommand::Invite { uses, expires } => {
            // The link first, so that no invitation is made in vain.
            let link = link::load(&directory(settings)?, settings)?;
            let expires_at = Timestamp::now()
                .checked_add(expires)
                .map_err(|_| Error::invalid("expires", "must end before the year 10000"))?;
            let invite = Some(book(settings)?.invite(uses, expires)?);
            let link = JoinLink { invite, ..link };
            let (text, link) = (shown(&link), link.to_string());
            printer.print(JsonLine::Invite { link, uses, expires_at: expires_at.into() }, text)
        }
        OperatorCommand::Members => members::list(&book(settings)?.members()?, printer),
        OperatorCommand::Remove { name } => {
            book(settings)?.remove(&name)?.iter().try_for_each(|name| {
                let line = JsonLine::Removed { name: name.as_str() };
                printer.print(line, format!("removed {name}"))
            })
        }
        OperatorCommand::Rename { old, new } => {
            book(settings)?.rename(&old, &new)?;
            let line = JsonLine::Renamed { old: old.as_str(), new: new.as_str() };
            printer.print(line, format!("renamed {old} to {new}"))
        }
        OperatorCommand::Token { name, revoke: true } => {
            book(settings)?.revoke_token(&name)?;
            let line = JsonLine::Revoked { name: name.as_str() };
            printer.print(line, format!("revoked the token of {name}"))
        }
        OperatorCommand::Token { name, revoke: false } => {
            let token = book(settings)?.make_token(&name)?;
            printer.print(JsonLine::Token { name: name.as_str(), token: &token }, &token)
        }
    }
}

fn book(settings: &HubSettings) -> Result<MemberList> {
    Ok(MemberList::open(&directory(settings)?)?)
}

/// Returns the data directory. Errors if no hub has used it, so that a typing error creates nothing.
fn directory(settings: &HubSettings) -> Result<PathBuf> {
    match settings.store()? {
        Store::Directory(directory) if link::is_saved(&directory) => Ok(directory),
        Store::Directory(directory) => Err(SystemError::new(format!(
            "no hub has its data in {}: start it there once, or name another directory with --data-dir",
            directory.display()
        ))
        .at(&directory)
        .into()),
        Store::Memory => {
            Err(Error::invalid("ephemeral", "the data of this hub is only in its memory"))
        }
    }
}

/// Returns a link as text: quoted for a shell on a terminal, plain for a program.
fn shown(link: &JoinLink) -> String {
    if io::stdout().is_terminal() { link::for_shell(link) } else { link.to_string() }
}
