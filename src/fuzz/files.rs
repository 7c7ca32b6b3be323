//! Files, as an editor, another program or an incomplete download left them.

use super::text;
use crate::{cli, identity::ContactBook};

/// A book that was parsed can be written, and is then parsed to the same.
pub(super) fn contact_book(bytes: &[u8]) {
    let Ok(book) = ContactBook::parse(text(bytes)) else { return };
    let written = book.to_toml().unwrap_or_default();
    assert_eq!(ContactBook::parse(&written).ok(), Some(book), "{written}");
}

/// The configuration file of `chinwag`.
pub(super) fn client_config(bytes: &[u8]) {
    let _ = cli::config::Config::parse(text(bytes));
}

/// The configuration file of `chinwagd`.
pub(super) fn hub_config(bytes: &[u8]) {
    let _ = toml::from_str::<cli::daemon::HubSettings>(text(bytes));
}
