//! Settings for one hub, wherever they come from, and the entries of `[hubs]`.

use std::{net::SocketAddr, str::FromStr};

use serde::Deserialize;
use toml::Spanned;
use toml_edit::{Array, Item, Table, value};

use super::{FileProblem, OneOrMany, listen, many, one};
use crate::{
    cli::{
        addresses::{self, TextOrPort},
        values::{direct_policy, direct_word, peer, room},
    },
    client::DirectPolicy,
    model::{Endpoint, Invalid, JoinLink, Name, RoomName},
};

/// The most characters of the name of a profile.
const MAX_NAME: usize = 32;

/// The name of a profile. [`ProfileName::DEFAULT`] stands for the settings above `[hubs]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProfileName(String);

impl ProfileName {
    pub(crate) const DEFAULT: &'static str = "default";

    /// Returns the name that stands for the settings above `[hubs]`.
    pub(crate) fn default_profile() -> Self {
        Self(Self::DEFAULT.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }
}

impl FromStr for ProfileName {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if raw.is_empty() || raw.len() > MAX_NAME || !raw.chars().all(is_plain) {
            return Err(Invalid(format!(
                "a profile's name has 1 to {MAX_NAME} letters, digits, '-' and '_'"
            )));
        }
        Ok(Self(raw.to_owned()))
    }
}

impl std::fmt::Display for ProfileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Settings for one hub. `Flags` describes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) hub: Option<JoinLink>,
    pub(crate) name: Option<Name>,
    pub(crate) rooms: Vec<RoomName>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) advertise: Vec<Endpoint>,
    pub(crate) direct: Option<DirectPolicy>,
    pub(crate) no_direct: Option<bool>,
    pub(crate) plaintext: Option<bool>,
}

/// The same as TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    hub: Spanned<String>,
    name: Option<Spanned<String>>,
    room: Option<Spanned<OneOrMany>>,
    listen: Option<Spanned<TextOrPort>>,
    advertise: Option<Spanned<OneOrMany>>,
    direct: Option<Spanned<String>>,
    no_direct: Option<bool>,
    plaintext: Option<bool>,
}

impl RawProfile {
    pub(super) fn read(self) -> Result<Profile, FileProblem> {
        Ok(Profile {
            hub: one("hub", Some(self.hub), addresses::hub)?,
            name: one("name", self.name, peer)?,
            rooms: many("room", self.room, room)?,
            listen: self.listen.map(listen).transpose()?,
            advertise: many("advertise", self.advertise, str::parse)?,
            direct: one("direct", self.direct, direct_policy)?,
            no_direct: self.no_direct,
            plaintext: self.plaintext,
        })
    }
}

impl Profile {
    /// Completes these settings by those of a lower rank.
    pub(crate) fn or(self, lower: Self) -> Self {
        let first = |rooms: Vec<_>, others| if rooms.is_empty() { others } else { rooms };
        Self {
            hub: self.hub.or(lower.hub),
            name: self.name.or(lower.name),
            rooms: first(self.rooms, lower.rooms),
            listen: self.listen.or(lower.listen),
            advertise: match self.advertise.is_empty() {
                true => lower.advertise,
                false => self.advertise,
            },
            direct: self.direct.or(lower.direct),
            no_direct: self.no_direct.or(lower.no_direct),
            plaintext: self.plaintext.or(lower.plaintext),
        }
    }

    /// Returns an entry of `[hubs]`. Of the hub, only the address is written: its key is in the contact
    /// book, and an invitation is used up.
    pub(super) fn to_table(&self) -> Table {
        let mut table = Table::new();
        let mut set = |key: &str, item: Option<Item>| {
            if let Some(item) = item {
                table.insert(key, item);
            }
        };
        let list = |items: Vec<String>| {
            (!items.is_empty()).then(|| value(items.into_iter().collect::<Array>()))
        };
        set("hub", self.hub.as_ref().map(|link| value(link.hub.to_string())));
        set("name", self.name.as_ref().map(|name| value(name.as_str())));
        set("room", list(self.rooms.iter().map(ToString::to_string).collect()));
        set("listen", self.listen.map(|listen| value(listen.to_string())));
        set("advertise", list(self.advertise.iter().map(ToString::to_string).collect()));
        set("direct", self.direct.map(|direct| value(direct_word(direct))));
        set("no_direct", self.no_direct.map(value));
        set("plaintext", self.plaintext.map(value));
        table
    }
}
