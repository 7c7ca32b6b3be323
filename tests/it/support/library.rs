//! A user of the client library whose files are those of the commands.

use std::{net::SocketAddr, path::Path};

use chinwag::{
    client::{ClientOptions, HubTrust},
    identity::{Contacts, Identity},
    model::{Name, PeerStatus, Text},
};

pub(crate) fn name(raw: &str) -> Name {
    Name::parse(raw).unwrap()
}

pub(crate) fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

/// Returns options for an invisible client with its files in `home`.
pub(crate) fn options(home: &Path, hub: SocketAddr, who: &str) -> ClientOptions {
    ClientOptions::new(hub.into(), name(who))
        .status(PeerStatus::Invisible)
        .identity(Identity::load_or_create(home).unwrap())
        .trust(HubTrust::FirstUse)
        .contacts(Contacts::at(home.join("contacts.toml")))
        .outbox(home.join("outbox.db"))
        .inbox(home.join("inbox.db"))
}
