//! Somebody who uses the library, with the files of their commands.

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

/// A client that nobody sees, of somebody whose files are in `home`.
pub(crate) fn options(home: &Path, hub: SocketAddr, who: &str) -> ClientOptions {
    ClientOptions {
        status: PeerStatus::Invisible,
        identity: Some(Identity::load_or_create(home).unwrap()),
        trust: HubTrust::FirstUse,
        contacts: Some(Contacts::at(home.join("contacts.toml"))),
        outbox: Some(home.join("outbox.db")),
        inbox: Some(home.join("inbox.db")),
        ..ClientOptions::new(hub.into(), name(who))
    }
}
