//! `chinwag chat`: what the two user interfaces share.
//!
//! The full screen is `cli/tui.rs`, the line mode `cli/line.rs`. Both parse what is typed with
//! [`input`], carry it out with [`actions`], follow who is online with [`roster`], and remember typed
//! lines with [`history_file`] and rooms with [`joined_rooms`].

pub(super) mod actions;
mod help;
pub(super) mod history_file;
pub(super) mod hubs;
pub(super) mod input;
pub(super) mod joined_rooms;
pub(super) mod link;
pub(super) mod queueing;
pub(super) mod roster;

pub(super) use self::help::help;
use super::addresses;
use crate::model::JoinLink;

/// What the help of the command ends with.
pub(super) const WITHOUT_TERMINAL: &str =
    "Without a terminal, chat exits with 1 if a line could not be carried out.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Hub to join, instead of --hub: the join link from its operator, or HOST:PORT
    #[arg(value_name = "HUB", value_parser = addresses::hub)]
    pub(crate) link: Option<JoinLink>,

    /// Chat line by line, instead of on the full screen
    #[arg(long)]
    pub(crate) plain: bool,
}
