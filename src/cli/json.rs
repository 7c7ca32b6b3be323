//! The output of `--json`, one object per line, as `docs/scripting.md` lists them.
//!
//! `chinwag schema` prints the JSON Schema of [`JsonLine`], derived from the type itself: the comments
//! of its variants and fields are the descriptions in it.
//!
//! Fields are never left out; one without a value is `null`. `epoch` is a string, because numbers above
//! 2^53 are not safe in JavaScript or `jq`.

mod conversions;
mod reason;

use std::{borrow::Cow, fmt::Write as _};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::{Serialize, Serializer};

pub(crate) use self::reason::{ErrorReason, LocalReason};
use crate::text;

/// A line that `chinwag` or `chinwagd` prints with `--json`; `type` names its kind. Objects on standard
/// error are of the types `notice`, `warning` and `error`. Later versions may add types and fields.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum JsonLine<'a> {
    /// A message of a room.
    Message(MessageLine<'a>),
    /// A message of a room that was found.
    Hit {
        #[serde(flatten)]
        message: MessageLine<'a>,
        /// Where the words are: pairs of byte offsets into `text`.
        ranges: Vec<(usize, usize)>,
    },
    /// Messages before the next one of this room may be missing.
    Gap {
        room: &'a str,
        /// Why.
        cause: &'a str,
    },
    /// A direct message that was received, or that was sent: see `receiver`.
    Direct {
        sender: &'a str,
        /// How far the key of the other side is known: of the sender, or of `receiver` if it is set.
        standing: Standing,
        /// Whether `standing` is `verified`.
        verified: bool,
        /// The key of the other side.
        fingerprint: Option<String>,
        text: &'a str,
        id: String,
        /// When it was sent, by the clock of the sender.
        sent_at: Option<Time>,
        /// The address that it came from.
        from: Option<String>,
        /// The receiver of a message that the user has sent; null if the message was received.
        receiver: Option<&'a str>,
        /// Of a message that is kept: `queued`, `delivered` or `read`.
        state: Option<&'static str>,
    },
    /// A peer that is online.
    Peer {
        name: &'a str,
        status: Status,
        /// Where the peer accepts direct messages, as HOST:PORT.
        endpoints: Vec<String>,
        online_since: Time,
        status_since: Option<Time>,
    },
    /// The list of peers begins again with the peers that follow.
    Reset {},
    /// The list of peers is complete; changes follow.
    Listed {},
    /// A peer has gone offline.
    Left { name: &'a str },
    /// A room of the hub.
    Room {
        name: &'a str,
        /// How many sessions are in it, without invisible ones such as that of this command.
        members: u32,
        /// Changes if the hub loses its messages.
        epoch: String,
        /// The position of the first message that is kept.
        first_seq: u64,
        /// The position of the last message; 0 if there was none.
        head_seq: u64,
        last_message_at: Option<Time>,
    },
    /// A post that the hub has stored.
    Posted {
        room: &'a str,
        id: String,
        epoch: String,
        seq: u64,
        created_at: Time,
        /// Whether the hub had it already, under the same id.
        duplicate: bool,
    },
    /// The confirmation that a peer has a direct message.
    Receipt {
        receiver: &'a str,
        id: String,
        accepted_at: Time,
        /// Whether the peer had it already, under the same id.
        duplicate: bool,
    },
    /// A direct message in the outbox.
    Queued {
        /// The receiver.
        peer: &'a str,
        text: &'a str,
        id: String,
        queued_at: Time,
        /// How many attempts to deliver it have failed.
        attempts: u32,
        last_error: Option<&'a str>,
        /// Whether it is tried again only on request.
        refused: bool,
    },
    /// A direct message that was removed from the outbox without being delivered.
    Dropped {
        /// The receiver.
        peer: &'a str,
        id: String,
    },
    /// A check of `chinwag doctor`.
    Check {
        name: &'a str,
        result: Verdict,
        found: &'a str,
        /// What to do.
        remedy: Option<&'a str>,
    },
    /// The user's own key.
    Identity {
        name: &'a str,
        fingerprint: String,
        /// The fingerprint in words.
        words: String,
        /// The fingerprint in hexadecimal digits.
        hex: String,
    },
    /// An entry of the contact book, after the change if the command makes one.
    Contact {
        name: &'a str,
        fingerprint: String,
        /// Another key that was shown later and not accepted.
        refused: Option<String>,
        /// Whether a person has compared the fingerprint.
        verified: bool,
        blocked: bool,
        endpoints: Vec<String>,
        first_seen: Time,
        note: &'a str,
    },
    /// A peer that was removed from the contact book.
    Forgotten { name: &'a str },
    /// Whether notifications of a room are muted.
    Notifications { room: &'a str, muted: bool },
    /// The hub listens (`chinwagd`).
    Listening {
        /// ADDR:PORT.
        address: String,
        /// The join link.
        link: String,
    },
    /// The join link of a hub (`chinwagd link`).
    Link {
        link: String,
        /// Its address, as HOST:PORT.
        hub: String,
        /// The key of the hub; null if an authority vouches for it.
        fingerprint: Option<String>,
    },
    /// An invitation (`chinwagd invite`).
    Invite {
        /// The join link with the invitation.
        link: String,
        /// How many newcomers can use it.
        uses: u32,
        expires_at: Time,
    },
    /// A name with its owner (`chinwagd members`).
    Member {
        name: &'a str,
        /// `key`, `bot` or `jwt`.
        kind: &'a str,
        /// The key of the owner.
        fingerprint: Option<String>,
        /// The issuer and the subject of a JWT.
        subject: Option<&'a str>,
        #[schemars(with = "Time")]
        since: Timestamp,
    },
    /// A hub that the user can go to (`chinwag hubs`).
    Hub {
        /// The name of the profile; `default` is the hub of the settings above `[hubs]`.
        name: &'a str,
        /// Its address, as HOST:PORT.
        hub: String,
        /// The user's name there, if it is set for this hub.
        user: Option<&'a str>,
        current: bool,
    },
    /// A profile that was removed (`chinwag hubs remove`), or a name of a removed member (`chinwagd
    /// remove`).
    Removed { name: &'a str },
    /// A member that was renamed (`chinwagd rename`).
    Renamed { old: &'a str, new: &'a str },
    /// The token of a bot (`chinwagd token`).
    Token { name: &'a str, token: &'a str },
    /// A bot whose token was revoked (`chinwagd token --revoke`).
    Revoked { name: &'a str },
    /// Something to know, on standard error. `--quiet` leaves it out.
    Notice { message: &'a str },
    /// A problem in spite of which the command goes on, on standard error.
    Warning { message: &'a str },
    /// Why the command has failed, on standard error: its last line.
    Error {
        /// The exit code of the command.
        exit_code: u8,
        reason: ErrorReason,
        message: String,
        /// What to do.
        remedy: Option<String>,
        /// After how many seconds to try again, if the hub or the peer has named a time.
        retry_after: Option<f64>,
    },
}

/// How far the key of a peer is known.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Verified,
    Known,
    Unverified,
}

/// The status of a peer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Online,
    Away,
    Busy,
    Invisible,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// All is well.
    Ok,
    /// It works, but could be better.
    Warn,
    /// It does not work.
    Fail,
}

/// A time in UTC with six decimals of a second, so that times sort as strings.
#[derive(Debug)]
pub(crate) struct Time(Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A room's message.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MessageLine<'a> {
    room: &'a str,
    sender: &'a str,
    text: &'a str,
    id: String,
    /// Changes if the hub loses its messages. A string, because it uses all 64 bits.
    epoch: String,
    /// Its number in the room.
    seq: u64,
    /// The number of the message before it; 0 if there is none.
    prev_seq: u64,
    created_at: Time,
}

impl JsonLine<'_> {
    /// Returns the JSON Schema of all objects, draft 2020-12.
    pub(crate) fn schema() -> Schema {
        SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator()
            .into_root_schema_for::<Self>()
    }

    /// The object, in one line without its end, harmless to a terminal.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(harmless)
    }
}

/// Outside of texts a JSON line has nothing dangerous; inside, an escape means the same.
fn harmless(json: String) -> String {
    if !json.chars().any(text::is_dangerous) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if text::is_dangerous(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests;
