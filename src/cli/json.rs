//! The output of `--json`, one object per line, as `docs/scripting.md` lists them.
//!
//! Fields are never left out; one without a value is `null`. `epoch` is a string, because numbers above
//! 2^53 are not safe in JavaScript or `jq`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::words::{direct_state, status, verification};
use crate::{
    client::{Direct, KeptDirect, Queued},
    identity::Contact,
    model::{Endpoint, Message, Name, Peer, Posted, Receipt, Room, SearchHit},
    text,
};

/// A line of output.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum JsonLine<'a> {
    Message(MessageLine<'a>),
    Hit {
        #[serde(flatten)]
        message: MessageLine<'a>,
        ranges: Vec<(usize, usize)>,
    },
    Gap {
        room: &'a str,
        cause: &'a str,
    },
    Direct {
        sender: &'a str,
        standing: &'static str,
        verified: bool,
        fingerprint: Option<String>,
        text: &'a str,
        id: String,
        sent_at: Option<Time>,
        from: Option<String>,
        receiver: Option<&'a str>,
        state: Option<&'static str>,
    },
    Peer {
        name: &'a str,
        status: &'static str,
        endpoints: Vec<String>,
        online_since: Time,
        status_since: Option<Time>,
    },
    Reset {},
    Listed {},
    Left {
        name: &'a str,
    },
    Room {
        name: &'a str,
        members: u32,
        epoch: String,
        first_seq: u64,
        head_seq: u64,
        last_message_at: Option<Time>,
    },
    Posted {
        room: &'a str,
        id: String,
        epoch: String,
        seq: u64,
        created_at: Time,
        duplicate: bool,
    },
    Receipt {
        receiver: &'a str,
        id: String,
        accepted_at: Time,
        duplicate: bool,
    },
    Queued {
        peer: &'a str,
        text: &'a str,
        id: String,
        queued_at: Time,
        attempts: u32,
        last_error: Option<&'a str>,
        refused: bool,
    },
    Check {
        name: &'static str,
        result: &'static str,
        found: &'a str,
        remedy: Option<&'a str>,
    },
    Identity {
        name: &'a str,
        fingerprint: String,
        words: String,
        hex: String,
    },
    Contact {
        name: &'a str,
        fingerprint: String,
        refused: Option<String>,
        verified: bool,
        blocked: bool,
        endpoints: Vec<String>,
        first_seen: Time,
        note: &'a str,
    },
}

/// A time in UTC with six decimals of a second, so that times sort as strings.
#[derive(Debug)]
pub(crate) struct Time(Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

/// A room's message.
#[derive(Debug, Serialize)]
pub(crate) struct MessageLine<'a> {
    room: &'a str,
    sender: &'a str,
    text: &'a str,
    id: String,
    epoch: String,
    seq: u64,
    prev_seq: u64,
    created_at: Time,
}

impl JsonLine<'_> {
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

impl<'a> From<&'a Message> for MessageLine<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            room: message.room.as_str(),
            sender: message.sender.as_str(),
            text: message.text.as_str(),
            id: message.id.to_string(),
            epoch: message.position.epoch.to_string(),
            seq: message.position.seq,
            prev_seq: message.prev_seq,
            created_at: Time(message.created_at),
        }
    }
}

impl<'a> From<&'a Message> for JsonLine<'a> {
    fn from(message: &'a Message) -> Self {
        Self::Message(message.into())
    }
}

impl<'a> From<&'a SearchHit> for JsonLine<'a> {
    fn from(hit: &'a SearchHit) -> Self {
        let ranges = hit.ranges.iter().map(|range| (range.start, range.end)).collect();
        Self::Hit { message: (&hit.message).into(), ranges }
    }
}

impl<'a> From<&'a Direct> for JsonLine<'a> {
    fn from(direct: &'a Direct) -> Self {
        Self::Direct {
            sender: direct.message.sender.as_str(),
            standing: verification(direct.verification),
            verified: direct.verification.is_verified(),
            fingerprint: direct.verification.key().map(|key| key.to_string()),
            text: direct.message.text.as_str(),
            id: direct.message.id.to_string(),
            sent_at: direct.message.sent_at.map(Time),
            from: direct.from.map(|address| Endpoint::from(address).to_string()),
            receiver: None,
            state: None,
        }
    }
}

impl<'a> From<&'a KeptDirect> for JsonLine<'a> {
    fn from(kept: &'a KeptDirect) -> Self {
        Self::Direct {
            sender: kept.message.sender.as_str(),
            standing: verification(kept.verification),
            verified: kept.verification.is_verified(),
            fingerprint: kept.verification.key().map(|key| key.to_string()),
            text: kept.message.text.as_str(),
            id: kept.message.id.to_string(),
            sent_at: kept.message.sent_at.map(Time),
            from: None,
            receiver: kept.receiver.as_ref().map(Name::as_str),
            state: Some(direct_state(kept.state)),
        }
    }
}

impl<'a> From<&'a Peer> for JsonLine<'a> {
    fn from(peer: &'a Peer) -> Self {
        Self::Peer {
            name: peer.name.as_str(),
            status: status(peer.status),
            endpoints: peer.endpoints.iter().map(Endpoint::to_string).collect(),
            online_since: Time(peer.online_since),
            status_since: peer.status_since.map(Time),
        }
    }
}

impl<'a> From<&'a Room> for JsonLine<'a> {
    fn from(room: &'a Room) -> Self {
        Self::Room {
            name: room.name.as_str(),
            members: room.members,
            epoch: room.head.epoch.to_string(),
            first_seq: room.first.seq,
            head_seq: room.head.seq,
            last_message_at: room.last_message_at.map(Time),
        }
    }
}

impl<'a> From<&'a Posted> for JsonLine<'a> {
    fn from(posted: &'a Posted) -> Self {
        Self::Posted {
            room: posted.room.as_str(),
            id: posted.id.to_string(),
            epoch: posted.position.epoch.to_string(),
            seq: posted.position.seq,
            created_at: Time(posted.created_at),
            duplicate: posted.duplicate,
        }
    }
}

impl<'a> From<&'a Receipt> for JsonLine<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        Self::Receipt {
            receiver: receipt.receiver.as_str(),
            id: receipt.id.to_string(),
            accepted_at: Time(receipt.accepted_at),
            duplicate: receipt.duplicate,
        }
    }
}

impl<'a> From<&'a Queued> for JsonLine<'a> {
    fn from(queued: &'a Queued) -> Self {
        Self::Queued {
            peer: queued.peer.as_str(),
            text: queued.text.as_str(),
            id: queued.id.to_string(),
            queued_at: Time(queued.queued_at),
            attempts: queued.attempts,
            last_error: queued.last_error.as_deref(),
            refused: queued.refused,
        }
    }
}

impl<'a> From<&'a (&'a Name, &'a Contact)> for JsonLine<'a> {
    fn from((name, contact): &'a (&'a Name, &'a Contact)) -> Self {
        Self::Contact {
            name: name.as_str(),
            fingerprint: contact.key.to_string(),
            refused: contact.refused_key.map(|key| key.to_string()),
            verified: contact.verified,
            blocked: contact.blocked,
            endpoints: contact.endpoints.iter().map(Endpoint::to_string).collect(),
            first_seen: Time(contact.first_seen),
            note: &contact.note,
        }
    }
}

#[cfg(test)]
mod tests;
