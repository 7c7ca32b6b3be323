//! Conversions of what the library returns into the objects of `--json`.

use super::{JsonLine, MessageLine, Standing, Status, Time};
use crate::{
    cli::words::direct_state,
    client::{Direct, KeptDirect, Queued, Verification},
    identity::Contact,
    model::{
        Endpoint, JoinLink, Message, Name, Peer, PeerStatus, Posted, Receipt, Room, SearchHit,
    },
};

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
            created_at: Time::from(message.created_at),
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
            standing: direct.verification.into(),
            verified: direct.verification.is_verified(),
            fingerprint: direct.verification.key().map(|key| key.to_string()),
            text: direct.message.text.as_str(),
            id: direct.message.id.to_string(),
            sent_at: direct.message.sent_at.map(Time::from),
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
            standing: kept.verification.into(),
            verified: kept.verification.is_verified(),
            fingerprint: kept.verification.key().map(|key| key.to_string()),
            text: kept.message.text.as_str(),
            id: kept.message.id.to_string(),
            sent_at: kept.message.sent_at.map(Time::from),
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
            status: peer.status.into(),
            endpoints: peer.endpoints.iter().map(Endpoint::to_string).collect(),
            online_since: Time::from(peer.online_since),
            status_since: peer.status_since.map(Time::from),
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
            last_message_at: room.last_message_at.map(Time::from),
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
            created_at: Time::from(posted.created_at),
            duplicate: posted.duplicate,
        }
    }
}

impl<'a> From<&'a Receipt> for JsonLine<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        Self::Receipt {
            receiver: receipt.receiver.as_str(),
            id: receipt.id.to_string(),
            accepted_at: Time::from(receipt.accepted_at),
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
            queued_at: Time::from(queued.queued_at),
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
            first_seen: Time::from(contact.first_seen),
            note: &contact.note,
        }
    }
}

impl<'a> From<&'a JoinLink> for JsonLine<'a> {
    fn from(link: &'a JoinLink) -> Self {
        Self::Link {
            link: link.to_string(),
            hub: link.hub.to_string(),
            fingerprint: link.fingerprint.map(|key| key.to_string()),
        }
    }
}

impl From<Verification> for Standing {
    fn from(verification: Verification) -> Self {
        match verification {
            Verification::Verified(_) => Self::Verified,
            Verification::Known(_) => Self::Known,
            Verification::Unverified(_) => Self::Unverified,
        }
    }
}

impl From<PeerStatus> for Status {
    fn from(status: PeerStatus) -> Self {
        match status {
            PeerStatus::Online => Self::Online,
            PeerStatus::Away => Self::Away,
            PeerStatus::Busy => Self::Busy,
            PeerStatus::Invisible => Self::Invisible,
        }
    }
}
